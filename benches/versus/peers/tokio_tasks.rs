//! tokio as its documentation shows it: one task per connection with a 16 KiB buffer of its own, on one thread.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::service::{Mode, Service};
use crate::pattern::{FLOOD, MESSAGE};

const READ_BUFFER: usize = 16 * 1024;

pub(super) fn serve(service: &Service) -> io::Result<()> {
    let (mode, idle_timeout) = (service.mode, service.idle_timeout);
    runtime()?.block_on(async {
        let listener = TcpListener::from_std(service.listen()?)?;
        loop {
            let (stream, _) = listener.accept().await?;
            // A connection that fails ends its own task and nothing else.
            drop(tokio::spawn(serve_one(stream, mode, idle_timeout)));
        }
    })
}

/// The runtime of all tokio peers.
pub(super) fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

async fn serve_one(
    mut stream: TcpStream,
    mode: Mode,
    idle_timeout: Option<Duration>,
) -> io::Result<()> {
    if mode == Mode::Flood {
        loop {
            stream.write_all(&FLOOD).await?;
        }
    }
    let mut buffer = vec![0; READ_BUFFER];
    let mut received = 0_u64;
    loop {
        let read = stream.read(&mut buffer);
        let length = match idle_timeout {
            Some(idle_timeout) => tokio::time::timeout(idle_timeout, read).await??,
            None => read.await?,
        };
        received += length as u64;
        match mode {
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
