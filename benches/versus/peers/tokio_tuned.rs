//! tokio as an expert would tune it for this test: all tasks of the thread read into one large buffer, and answer from
//! it before they give it back. Idle connections own no buffer, and a message of 64 KiB needs one read.
//!
//! It polls `AsyncRead` instead of waiting for readiness and trying: only the former takes a short read for a drained
//! socket, and the latter costs a receive call more for each message.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

use super::service::{Mode, Service};
use super::tokio_tasks::{self, listen};

const READ_BUFFER: usize = 128 * 1024;

thread_local! {
    static READ_BUFFER_OF_THREAD: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BUFFER]);
}

/// What a read and the write behind it left.
enum Answered {
    /// The peer has finished.
    End,
    /// The kernel did not take these; almost always nothing.
    Unsent(Vec<u8>),
}

pub(crate) fn serve(service: &Service) -> io::Result<()> {
    if service.mode != Mode::Echo {
        return tokio_tasks::serve(service);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = listen(service)?;
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(echo(stream, service.idle_timeout));
        }
    })
}

async fn echo(mut stream: TcpStream, idle_timeout: Option<Duration>) -> io::Result<()> {
    loop {
        let answer = poll_fn(|cx| poll_answer(&mut stream, cx));
        let answered = match idle_timeout {
            Some(idle_timeout) => tokio::time::timeout(idle_timeout, answer).await??,
            None => answer.await?,
        };
        match answered {
            Answered::End => return Ok(()),
            Answered::Unsent(unsent) if unsent.is_empty() => {}
            Answered::Unsent(unsent) => stream.write_all(&unsent).await?,
        }
    }
}

/// Reads into the thread's buffer and writes from it at once.
fn poll_answer(stream: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<Answered>> {
    READ_BUFFER_OF_THREAD.with_borrow_mut(|buffer| {
        let mut buffer = ReadBuf::new(buffer);
        ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer))?;
        let received = buffer.filled();
        if received.is_empty() {
            return Poll::Ready(Ok(Answered::End));
        }
        let sent = match stream.try_write(received) {
            Ok(sent) => sent,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Poll::Ready(Err(error)),
        };
        Poll::Ready(Ok(Answered::Unsent(received[sent..].to_vec())))
    })
}
