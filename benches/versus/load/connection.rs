//! One connection of the generator that sends the pattern and checks that it comes back.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use netloop_benches::epoll::{EventFlags, READABLE};
use socket2::SockRef;

use super::{Events, Share, Target, text};
use crate::pattern::{LONGEST_SLICE, Pattern};

pub(super) struct Connection {
    pub(super) stream: TcpStream,
    /// The position in the pattern at which this connection begins.
    origin: u64,
    pub(super) sent: u64,
    /// The bytes that it may send. Invariant: never below `sent`.
    pub(super) allowed: u64,
    pub(super) received: u64,
    /// The messages under way, oldest first: how many, and when they were sent, or were due.
    pub(super) in_flight: VecDeque<(u64, Instant)>,
}

/// Opens a thread's share of `total` connections and registers each under its place.
pub(super) fn open_all(
    target: &Target<'_>,
    total: usize,
    share: Share,
    flags: EventFlags,
) -> Result<(Events, Vec<Connection>), String> {
    let events = Events::new()?;
    let mut connections = Vec::new();
    for (place, number) in share.of(total).enumerate() {
        let connection = Connection::open(target, number)?;
        let added = events.epoll.add(&connection.stream, place as u64, flags);
        added.map_err(text)?;
        connections.push(connection);
    }
    Ok((events, connections))
}

impl Connection {
    /// Connects; `number` tells this connection's bytes from every other's.
    fn open(target: &Target<'_>, number: usize) -> Result<Self, String> {
        let connect = || {
            let stream = TcpStream::connect(target.address)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            // Ten thousand connections a round would leave ten thousand ports in TIME_WAIT; a reset leaves none.
            SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
            Ok(stream)
        };
        let failed = |error: std::io::Error| format!("connection {number} failed: {error}");
        Ok(Self {
            stream: connect().map_err(failed)?,
            origin: number as u64 * 7919,
            sent: 0,
            allowed: 0,
            received: 0,
            in_flight: VecDeque::new(),
        })
    }

    /// Sends as much of the allowed bytes as the kernel takes.
    #[inline]
    pub(super) fn send(&mut self, pattern: &Pattern) -> Result<(), String> {
        while self.sent < self.allowed && self.send_once(pattern)? {}
        Ok(())
    }

    /// Offers the allowed bytes in one call, and returns whether the kernel took some.
    #[inline]
    pub(super) fn send_once(&mut self, pattern: &Pattern) -> Result<bool, String> {
        let left = usize::try_from(self.allowed - self.sent).unwrap_or(LONGEST_SLICE);
        let bytes = pattern.slice(self.origin + self.sent, left.min(LONGEST_SLICE));
        match self.stream.write(bytes) {
            Ok(taken) => self.sent += taken as u64,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(format!("a send failed: {error}")),
        }
        Ok(true)
    }

    /// Receives what is there, compares every byte, and returns how many there were.
    #[inline]
    pub(super) fn receive(
        &mut self,
        pattern: &Pattern,
        buffer: &mut [u8],
    ) -> Result<usize, String> {
        let mut total = 0;
        loop {
            let length = receive(&mut self.stream, buffer)?;
            if !pattern.matches(self.origin + self.received, &buffer[..length]) {
                return Err(format!("wrong bytes after byte {}", self.received));
            }
            self.received += length as u64;
            if self.received > self.sent {
                return Err("more bytes came back than were sent".to_owned());
            }
            total += length;
            // A short read has emptied the socket.
            if length < buffer.len() {
                return Ok(total);
            }
        }
    }

    /// Sends and receives what an event allows. Returns how many messages of `size` bytes are answered whole, and how many
    /// bytes have come.
    #[inline]
    pub(super) fn serve(
        &mut self,
        flags: EventFlags,
        pattern: &Pattern,
        buffer: &mut [u8],
        size: u64,
    ) -> Result<(u64, usize), String> {
        self.send(pattern)?;
        let before = self.received / size;
        let length = match flags.intersects(READABLE) {
            true => self.receive(pattern, buffer)?,
            false => 0,
        };
        Ok((self.received / size - before, length))
    }

    /// Takes `answered` messages off those in flight, and tells when how many of them were sent.
    #[inline]
    pub(super) fn settle(&mut self, mut answered: u64, mut tell: impl FnMut(Instant, u64)) {
        while let (1.., Some((count, sent_at))) = (answered, self.in_flight.front_mut()) {
            let settled = answered.min(*count);
            tell(*sent_at, settled);
            *count -= settled;
            answered -= settled;
            if *count == 0 {
                self.in_flight.pop_front();
            }
        }
    }

    /// Whether all that may be sent has come back.
    pub(super) fn is_even(&self) -> bool {
        self.received == self.allowed
    }
}

/// Receives what is there with one call; 0 if that is nothing. An end of stream is an error.
#[inline]
pub(super) fn receive(stream: &mut TcpStream, buffer: &mut [u8]) -> Result<usize, String> {
    loop {
        match stream.read(buffer) {
            Ok(0) => return Err("the server closed a connection".to_owned()),
            Ok(length) => return Ok(length),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(format!("a receive failed: {error}")),
        }
    }
}
