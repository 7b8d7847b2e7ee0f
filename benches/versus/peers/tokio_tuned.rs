//! tokio as an expert would tune it for an echo: all tasks of the thread read into one large buffer, and answer from it
//! before they give it back. Idle connections own no buffer, and a message of 64 KiB needs one read.
//!
//! It polls `AsyncRead` instead of waiting for readiness and trying: only the former takes a short read for a drained
//! socket, and the latter costs one more receive call for each message.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use super::service::Service;
use super::tokio_tasks::runtime;
use crate::system::page_buffer;

const READ_BUFFER: usize = 128 * 1024;

thread_local! {
    static BUFFER: RefCell<&'static mut [u8]> = RefCell::new(page_buffer(READ_BUFFER));
}

pub(super) fn serve(service: &Service) -> io::Result<()> {
    runtime()?.block_on(async {
        let listener = TcpListener::from_std(service.listen()?)?;
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(echo(stream, service.idle_timeout));
        }
    })
}

async fn echo(mut stream: TcpStream, idle_timeout: Option<Duration>) -> io::Result<()> {
    loop {
        let answer = poll_fn(|cx| poll_answer(&mut stream, cx));
        let unsent = match idle_timeout {
            Some(idle_timeout) => tokio::time::timeout(idle_timeout, answer).await??,
            None => answer.await?,
        };
        let Some(unsent) = unsent else { return Ok(()) };
        if !unsent.is_empty() {
            stream.write_all(&unsent).await?;
        }
    }
}

/// Reads into the thread's buffer and writes from it at once. Returns the bytes that the kernel did not take, which are
/// almost always none; `None` at the end of the stream.
fn poll_answer(stream: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<Option<Vec<u8>>>> {
    BUFFER.with_borrow_mut(|buffer| {
        let mut buffer = ReadBuf::new(buffer);
        ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer))?;
        let received = buffer.filled();
        if received.is_empty() {
            return Poll::Ready(Ok(None));
        }
        let sent = match stream.try_write(received) {
            Ok(sent) => sent,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Poll::Ready(Err(error)),
        };
        Poll::Ready(Ok(Some(received[sent..].to_vec())))
    })
}
