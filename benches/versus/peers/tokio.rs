//! tokio, on one thread, with a task for each connection.
//!
//! Idiomatic, as its documentation shows it, each task has a 16 KiB buffer of its own. Tuned, as an expert would for an
//! echo, all tasks of the thread read into one large buffer, and answer from it at once. Idle connections own no
//! buffer, and a message of 64 KiB needs one read.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use super::service::{Mode, Service};
use crate::pattern::{FLOOD, MESSAGE};
use crate::system::page_buffer;

const READ_BUFFER: usize = 16 * 1024;
const SHARED_BUFFER: usize = 128 * 1024;

thread_local! {
    static BUFFER: RefCell<&'static mut [u8]> = RefCell::new(page_buffer(SHARED_BUFFER));
}

pub(super) fn serve_idiomatically(service: &Service) -> io::Result<()> {
    serve(service, serve_one)
}

pub(super) fn serve_tuned(service: &Service) -> io::Result<()> {
    serve(service, echo)
}

fn serve<F>(service: &Service, one: fn(TcpStream, Service) -> F) -> io::Result<()>
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(service.listen()?)?;
        loop {
            let (stream, _) = listener.accept().await?;
            // A connection that fails ends its own task and nothing else.
            drop(tokio::spawn(one(stream, *service)));
        }
    })
}

async fn serve_one(mut stream: TcpStream, service: Service) -> io::Result<()> {
    if service.mode == Mode::Flood {
        loop {
            stream.write_all(&FLOOD).await?;
        }
    }
    let mut buffer = vec![0; READ_BUFFER];
    let mut received = 0_u64;
    loop {
        let length = in_time(service.idle_timeout, stream.read(&mut buffer)).await?;
        received += length as u64;
        match service.mode {
            Mode::Discard if length == 0 => return stream.write_all(&received.to_be_bytes()).await,
            Mode::Discard => {}
            _ if length == 0 => return Ok(()),
            Mode::Messages => {
                for message in buffer[..length].chunks(MESSAGE) {
                    stream.write_all(message).await?;
                }
            }
            _ => stream.write_all(&buffer[..length]).await?,
        }
    }
}

async fn echo(mut stream: TcpStream, service: Service) -> io::Result<()> {
    loop {
        let answer = poll_fn(|cx| poll_answer(&mut stream, cx));
        let Some(unsent) = in_time(service.idle_timeout, answer).await? else {
            return Ok(());
        };
        if !unsent.is_empty() {
            stream.write_all(&unsent).await?;
        }
    }
}

async fn in_time<T>(
    idle_timeout: Option<Duration>,
    call: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    match idle_timeout {
        Some(idle_timeout) => tokio::time::timeout(idle_timeout, call).await?,
        None => call.await,
    }
}

/// Reads into the thread's buffer and writes from it at once. Returns the bytes that the kernel did not take, which are
/// almost always none; `None` at the end of the stream.
///
/// It polls `AsyncRead`, which alone takes a short read for a drained socket. A wait for readiness and a try cost one
/// more receive call for each message.
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
