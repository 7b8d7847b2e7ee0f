//! Bulk in one direction: the sink, to which the client sends as fast as it can, and the source, which floods the
//! client. One operation is 64 KiB.

use std::io::{ErrorKind, Read};
use std::net::{Shutdown, TcpStream};
use std::time::Instant;

use super::connection::Connection;
use super::{Load, PATIENCE, Phase, READ_BUFFER, Stopwatch, Target, share};
use crate::pattern::{FloodPattern, LONGEST_SLICE};
use crate::system::{Epoll, PEER_END, READABLE, WRITABLE};

const OPERATION: u64 = 64 * 1024;
/// What one send call of the client offers.
const OFFER: u64 = 256 * 1024;

/// The client sends; the server answers the end of stream with the number of bytes that it has read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sink {
    pub(crate) connections: usize,
}

/// The server sends; the client checks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source {
    pub(crate) connections: usize,
}

impl Load for Sink {
    type Ready = (Epoll, Vec<Connection>);

    fn most_threads(&self) -> usize {
        self.connections
    }

    fn prepare(
        &self,
        target: &Target<'_>,
        thread: usize,
        threads: usize,
    ) -> Result<Self::Ready, String> {
        let epoll = Epoll::new(64).map_err(|error| error.to_string())?;
        let mut connections = Vec::new();
        for place in 0..share(self.connections, thread, threads) {
            let connection = Connection::open(target, place * threads + thread)?;
            // Levels: the kernel then asks for more whenever a third of its buffer is free.
            epoll
                .add(&connection, place as u64, WRITABLE | PEER_END)
                .map_err(|error| error.to_string())?;
            connections.push(connection);
        }
        Ok((epoll, connections))
    }

    fn drive(
        &self,
        target: &Target<'_>,
        ready: Self::Ready,
        stopwatch: &mut Stopwatch,
    ) -> Result<(), String> {
        let (mut epoll, mut connections) = ready;
        let mut bytes = 0;
        loop {
            let count = epoll.wait(1000).map_err(|error| error.to_string())?;
            if count == 0 {
                return Err("the server has stopped reading".to_owned());
            }
            for position in 0..count {
                let (token, readiness) = epoll.event(position);
                if readiness & WRITABLE == 0 {
                    return Err("the server closed a connection".to_owned());
                }
                let connection =
                    &mut connections[usize::try_from(token).expect("tokens are places")];
                let before = connection.sent;
                connection.allowed = connection.sent + OFFER;
                connection.send_once(target.pattern)?;
                let phase = stopwatch.phase(Instant::now());
                if phase == Phase::Measured {
                    bytes += connection.sent - before;
                    stopwatch.slice.operations = bytes / OPERATION;
                }
            }
            if stopwatch.phase(Instant::now()) == Phase::Over {
                break;
            }
        }
        for connection in connections {
            let sent = connection.sent;
            let counted = read_count(connection.into_stream()?)?;
            if counted != sent {
                return Err(format!("{sent} bytes were sent, {counted} were read"));
            }
            stopwatch.slice.verified_bytes += sent;
        }
        Ok(())
    }
}

/// Finishes the stream and reads the count with which the server answers.
fn read_count(mut stream: TcpStream) -> Result<u64, String> {
    let failed = |error: std::io::Error| format!("no count after the end of stream: {error}");
    stream.set_nonblocking(false).map_err(failed)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    stream.shutdown(Shutdown::Write).map_err(failed)?;
    let mut count = [0; 8];
    stream.read_exact(&mut count).map_err(failed)?;
    match stream.read(&mut [0]) {
        Ok(0) => Ok(u64::from_be_bytes(count)),
        Ok(_) => Err("bytes after the count".to_owned()),
        Err(error) => Err(failed(error)),
    }
}

impl Load for Source {
    type Ready = (Epoll, Vec<(Connection, u64)>);

    fn most_threads(&self) -> usize {
        self.connections
    }

    fn prepare(
        &self,
        target: &Target<'_>,
        thread: usize,
        threads: usize,
    ) -> Result<Self::Ready, String> {
        let epoll = Epoll::new(64).map_err(|error| error.to_string())?;
        let mut connections = Vec::new();
        for place in 0..share(self.connections, thread, threads) {
            let connection = Connection::open(target, place * threads + thread)?;
            epoll
                .add(&connection, place as u64, READABLE | PEER_END)
                .map_err(|error| error.to_string())?;
            connections.push((connection, 0));
        }
        Ok((epoll, connections))
    }

    fn drive(
        &self,
        _: &Target<'_>,
        ready: Self::Ready,
        stopwatch: &mut Stopwatch,
    ) -> Result<(), String> {
        let (mut epoll, mut connections) = ready;
        let flood = FloodPattern::new();
        let mut buffer = vec![0; READ_BUFFER.min(LONGEST_SLICE)];
        let mut bytes = 0;
        while stopwatch.phase(Instant::now()) != Phase::Over {
            let count = epoll.wait(1000).map_err(|error| error.to_string())?;
            if count == 0 {
                return Err("the server has stopped sending".to_owned());
            }
            for position in 0..count {
                let (token, _) = epoll.event(position);
                let (connection, received) =
                    &mut connections[usize::try_from(token).expect("tokens are places")];
                let length = match connection.stream().read(&mut buffer) {
                    Ok(0) => return Err("the server closed a connection".to_owned()),
                    Ok(length) => length,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                    Err(error) => return Err(format!("a receive failed: {error}")),
                };
                if !flood.matches(*received, &buffer[..length]) {
                    return Err(format!("wrong bytes after byte {received}"));
                }
                *received += length as u64;
                if stopwatch.phase(Instant::now()) == Phase::Measured {
                    bytes += length as u64;
                    stopwatch.slice.operations = bytes / OPERATION;
                }
            }
        }
        stopwatch.slice.verified_bytes = bytes;
        Ok(())
    }
}
