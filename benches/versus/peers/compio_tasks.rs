//! compio, whose operations the kernel completes through io_uring: one task per connection with a buffer of its own.

use std::io;

use compio::io::{AsyncRead, AsyncWriteExt};
use compio::net::{TcpListener, TcpStream};
use compio::runtime::Runtime;

use super::service::{Mode, Service};
use crate::pattern::{FLOOD, MESSAGE};

const READ_BUFFER: usize = 16 * 1024;

/// Returns the kernel's reason where it refuses io_uring.
pub(super) fn refusal() -> Option<String> {
    let error = Runtime::new().err()?;
    Some(format!("the kernel refuses io_uring: {error}"))
}

pub(super) fn serve(service: &Service) -> io::Result<()> {
    let listener = service.listen()?;
    // Through io_uring an accept on a non-blocking listener does not wait.
    listener.set_nonblocking(false)?;
    let service = *service;
    Runtime::new()?.block_on(async move {
        let listener = TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            // A connection that fails ends its own task and nothing else.
            compio::runtime::spawn(serve_one(stream, service)).detach();
        }
    })
}

async fn serve_one(mut stream: TcpStream, service: Service) -> io::Result<()> {
    if service.mode == Mode::Flood {
        loop {
            stream.write_all(&FLOOD[..]).await.0?;
        }
    }
    let mut buffer = Vec::with_capacity(READ_BUFFER);
    let mut received = 0_u64;
    loop {
        buffer.clear();
        let read = stream.read(buffer);
        let read = match service.idle_timeout {
            Some(idle_timeout) => {
                let read = compio::time::timeout(idle_timeout, read).await;
                read.map_err(io::Error::other)?
            }
            None => read.await,
        };
        let length = read.0?;
        buffer = read.1;
        received += length as u64;
        match service.mode {
            Mode::Discard if length == 0 => {
                return stream.write_all(received.to_be_bytes()).await.0;
            }
            Mode::Discard => {}
            _ if length == 0 => return Ok(()),
            Mode::Messages => {
                for message in buffer.chunks(MESSAGE) {
                    stream.write_all(message.to_vec()).await.0?;
                }
            }
            _ => {
                let written = stream.write_all(buffer).await;
                written.0?;
                buffer = written.1;
            }
        }
    }
}
