//! One connection of the generator that sends the pattern and checks that it comes back.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::Target;
use crate::pattern::{LONGEST_SLICE, Pattern};

pub(crate) struct Connection {
    stream: TcpStream,
    /// Where in the pattern this connection begins.
    origin: u64,
    pub(crate) sent: u64,
    /// How far it may send. Invariant: never below `sent`.
    pub(crate) allowed: u64,
    pub(crate) received: u64,
    /// When the messages in flight were sent, oldest first: how many, and the moment.
    pub(crate) in_flight: VecDeque<(u64, Instant)>,
}

impl Connection {
    /// Connects; `number` tells this connection's bytes from every other's.
    pub(crate) fn open(target: &Target<'_>, number: usize) -> Result<Self, String> {
        let failed = |error| format!("connection {number} failed: {error}");
        let stream = TcpStream::connect(target.address).map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        stream.set_nonblocking(true).map_err(failed)?;
        // Ten thousand connections a round would leave ten thousand ports in TIME_WAIT; a reset leaves none.
        SockRef::from(&stream)
            .set_linger(Some(Duration::ZERO))
            .map_err(failed)?;
        let origin = number as u64 * 7919;
        Ok(Self {
            stream,
            origin,
            sent: 0,
            allowed: 0,
            received: 0,
            in_flight: VecDeque::new(),
        })
    }

    /// Sends as much of what is allowed as the kernel takes.
    #[inline]
    pub(crate) fn send(&mut self, pattern: &Pattern) -> Result<(), String> {
        while self.sent < self.allowed {
            let length = usize::try_from(self.allowed - self.sent)
                .unwrap_or(LONGEST_SLICE)
                .min(LONGEST_SLICE);
            match self
                .stream
                .write(pattern.slice(self.origin + self.sent, length))
            {
                Ok(taken) => self.sent += taken as u64,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("a send failed: {error}")),
            }
        }
        Ok(())
    }

    /// Offers what is allowed in one call: bulk takes turns instead of filling one connection's buffer.
    pub(crate) fn send_once(&mut self, pattern: &Pattern) -> Result<(), String> {
        let length = usize::try_from(self.allowed - self.sent)
            .unwrap_or(LONGEST_SLICE)
            .min(LONGEST_SLICE);
        match self
            .stream
            .write(pattern.slice(self.origin + self.sent, length))
        {
            Ok(taken) => self.sent += taken as u64,
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(format!("a send failed: {error}")),
        }
        Ok(())
    }

    pub(crate) fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// The bare stream, which from now on closes as usual.
    pub(crate) fn into_stream(self) -> Result<TcpStream, String> {
        SockRef::from(&self.stream)
            .set_linger(None)
            .map_err(|error| error.to_string())?;
        Ok(self.stream)
    }

    /// Receives what is there, compares every byte, and returns how many there were.
    #[inline]
    pub(crate) fn receive(
        &mut self,
        pattern: &Pattern,
        buffer: &mut [u8],
    ) -> Result<usize, String> {
        let mut total = 0;
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return Err("the server closed a connection".to_owned()),
                Ok(length) => {
                    if !pattern.matches(self.origin + self.received, &buffer[..length]) {
                        return Err(format!("wrong bytes after byte {}", self.received));
                    }
                    self.received += length as u64;
                    if self.received > self.sent {
                        return Err("more bytes came back than were sent".to_owned());
                    }
                    total += length;
                    // Edges are reported, but a short read has emptied the socket.
                    if length < buffer.len() {
                        return Ok(total);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(total),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("a receive failed: {error}")),
            }
        }
    }

    /// Whether everything that was sent has come back.
    pub(crate) fn is_even(&self) -> bool {
        self.received == self.allowed
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
