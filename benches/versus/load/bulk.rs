//! Bulk in one direction: the sink, to which the client sends as fast as it can, and the source, which floods the
//! client. One operation is 64 KiB.

use std::io::Read;
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use netloop_benches::epoll::{EventFlags, READABLE};
use socket2::SockRef;

use super::connection::{open_all, receive};
use super::{Load, PATIENCE, Phase, Share, Slice, Start, Target};
use crate::pattern::Pattern;

const OPERATION: u64 = 64 * 1024;
/// The bytes that one send call of the client offers.
const OFFER: u64 = 256 * 1024;

/// One direction of bytes on some connections.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bulk {
    /// The client sends; the server answers the end of stream with the number of bytes that it has read.
    Sink(usize),
    /// The server sends; the client checks.
    Source(usize),
}

impl Load for Bulk {
    fn most_threads(&self) -> usize {
        let (Self::Sink(connections) | Self::Source(connections)) = self;
        *connections
    }

    fn drive(&self, target: &Target<'_>, share: Share, start: Start<'_>) -> Result<Slice, String> {
        let (total, flags) = match self {
            // Levels: the kernel then asks for more whenever a third of its buffer is free.
            Self::Sink(total) => (total, EventFlags::OUT | EventFlags::RDHUP),
            Self::Source(total) => (total, READABLE),
        };
        let (mut events, mut connections) = open_all(target, *total, share, flags)?;
        let mut stopwatch = start()?;
        let flood = Pattern::flood();
        let mut bytes = 0;
        while stopwatch.phase(Instant::now()) != Phase::Over {
            for place in 0..events.wait(&mut stopwatch)? {
                let (token, flags) = events.epoll.event(place);
                let connection = &mut connections[token];
                let moved = match self {
                    Self::Sink(_) if !flags.contains(EventFlags::OUT) => {
                        return Err("the server closed a connection".to_owned());
                    }
                    Self::Sink(_) => {
                        let before = connection.sent;
                        connection.allowed = before + OFFER;
                        connection.send_once(target.pattern)?;
                        connection.sent - before
                    }
                    Self::Source(_) => {
                        let buffer = events.buffer();
                        let length = receive(&mut connection.stream, buffer)?;
                        if !flood.matches(connection.received, &buffer[..length]) {
                            return Err(format!("wrong bytes after byte {}", connection.received));
                        }
                        connection.received += length as u64;
                        length as u64
                    }
                };
                if stopwatch.phase(Instant::now()) == Phase::Measured {
                    bytes += moved;
                    stopwatch.slice.operations = bytes / OPERATION;
                }
            }
        }
        if let Self::Source(_) = self {
            stopwatch.slice.verified_bytes = bytes;
            return Ok(stopwatch.slice);
        }
        for connection in connections {
            let failed = |error| format!("no count after the end of stream: {error}");
            let counted = count_of_server(connection.stream).map_err(failed)?;
            if counted != connection.sent {
                let sent = connection.sent;
                return Err(format!("{sent} bytes were sent, {counted} were read"));
            }
            stopwatch.slice.verified_bytes += counted;
        }
        Ok(stopwatch.slice)
    }
}

/// Finishes the stream and reads the count with which the server answers.
fn count_of_server(mut stream: TcpStream) -> std::io::Result<u64> {
    SockRef::from(&stream).set_linger(None::<Duration>)?;
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.shutdown(Shutdown::Write)?;
    let mut count = [0; 8];
    stream.read_exact(&mut count)?;
    match stream.read(&mut [0])? {
        0 => Ok(u64::from_be_bytes(count)),
        _ => Err(std::io::Error::other("bytes after the count")),
    }
}
