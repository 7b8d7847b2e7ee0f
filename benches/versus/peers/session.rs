//! One connection of the loops by hand: read, answer, keep what the kernel did not take.
//!
//! Generic over the stream only, so that the raw epoll floor and the mio loop differ in how they wait and in nothing
//! else. It follows the measurements: one large read buffer for all connections, a short read ends the drain, one send
//! per read, no needless call.

use std::io::{ErrorKind, Read, Write};
use std::ops::Range;

use super::service::Mode;
use crate::pattern::FLOOD;
use crate::system::page_buffer;

/// More than 64 KiB, so that a read of an exactly full 64 KiB message is still a short one.
const READ_BUFFER: usize = 128 * 1024;
/// A flooding connection lets others be served after so many blocks.
const BLOCKS_PER_TURN: usize = 16;

/// The part of a loop that its sessions share.
pub(super) struct Shared {
    mode: Mode,
    read_buffer: &'static mut [u8],
    /// The messages of this turn's speakers, one after the other.
    pub(super) said: Vec<u8>,
    /// The speaker of each part of [`Self::said`]. Invariant: the parts are adjacent and in order.
    pub(super) speakers: Vec<(usize, Range<usize>)>,
    /// Seconds since the loop began; the loop sets it once a turn.
    pub(super) now_seconds: u32,
}

impl Shared {
    pub(super) fn new(mode: Mode) -> Self {
        Self {
            mode,
            read_buffer: page_buffer(READ_BUFFER),
            said: Vec::new(),
            speakers: Vec::new(),
            now_seconds: 0,
        }
    }
}

/// The answer of a session to its loop.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    /// Wait for the next event.
    Wait,
    /// More can be done at once, after the others had their turn.
    Again,
    /// The connection is over.
    Close,
}

pub(super) struct Session<Stream> {
    stream: Stream,
    /// The bytes that the kernel did not take. Invariant: while there are some, nothing is read.
    unsent: Vec<u8>,
    /// The bytes discarded, or the place within the flood block.
    position: u64,
    pub(super) last_active_seconds: u32,
    ended: bool,
}

impl<Stream: Read + Write> Session<Stream> {
    pub(super) fn new(stream: Stream, now_seconds: u32) -> Self {
        Self {
            stream,
            unsent: Vec::new(),
            position: 0,
            last_active_seconds: now_seconds,
            ended: false,
        }
    }

    /// Serves an event. With `hang_up` the end of the stream is near, and a short read proves nothing.
    #[inline]
    pub(super) fn serve(
        &mut self,
        place: usize,
        readable: bool,
        hang_up: bool,
        shared: &mut Shared,
    ) -> Outcome {
        self.last_active_seconds = shared.now_seconds;
        let was_stalled = !self.unsent.is_empty();
        if was_stalled {
            let unsent = std::mem::take(&mut self.unsent);
            if !self.send(&unsent) {
                return Outcome::Close;
            }
        }
        if !self.unsent.is_empty() {
            return Outcome::Wait;
        }
        if self.ended {
            return Outcome::Close;
        }
        if shared.mode == Mode::Flood {
            return self.flood(hang_up);
        }
        // After a stall the readable edge has long been used up, so a read has to be tried.
        if readable || hang_up || was_stalled {
            self.read(place, hang_up, shared)
        } else {
            Outcome::Wait
        }
    }

    fn read(&mut self, place: usize, hang_up: bool, shared: &mut Shared) -> Outcome {
        loop {
            let length = match self.stream.read(shared.read_buffer) {
                Ok(0) => return self.finish(shared.mode),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Outcome::Wait,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return Outcome::Close,
            };
            let received = &shared.read_buffer[..length];
            match shared.mode {
                // A loop by hand sends the answers to one read as one.
                Mode::Echo | Mode::Messages => {
                    if !self.send(received) {
                        return Outcome::Close;
                    }
                    if !self.unsent.is_empty() {
                        return Outcome::Wait;
                    }
                }
                Mode::Discard => self.position += length as u64,
                Mode::Broadcast => {
                    let start = shared.said.len();
                    shared.said.extend_from_slice(received);
                    shared.speakers.push((place, start..shared.said.len()));
                }
                Mode::Flood => {}
            }
            if length < READ_BUFFER && !hang_up {
                return Outcome::Wait;
            }
        }
    }

    fn finish(&mut self, mode: Mode) -> Outcome {
        if mode != Mode::Discard {
            return Outcome::Close;
        }
        self.ended = true;
        let count = self.position.to_be_bytes();
        match self.send(&count) && !self.unsent.is_empty() {
            true => Outcome::Wait,
            false => Outcome::Close,
        }
    }

    fn flood(&mut self, hang_up: bool) -> Outcome {
        if hang_up {
            return Outcome::Close;
        }
        for _ in 0..BLOCKS_PER_TURN {
            let start = usize::try_from(self.position).expect("below the block's length");
            match self.stream.write(&FLOOD[start..]) {
                Ok(length) => self.position = ((start + length) % FLOOD.len()) as u64,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Outcome::Wait,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Outcome::Close,
            }
        }
        Outcome::Again
    }

    /// Sends the messages of the other speakers of this turn, in one call.
    pub(super) fn hear(&mut self, place: usize, shared: &Shared) -> Outcome {
        if self.ended {
            return Outcome::Wait;
        }
        let is_own = |(speaker, _): &&(usize, Range<usize>)| *speaker == place;
        let alive = if shared.speakers.iter().any(|part| is_own(&part)) {
            let others = shared.speakers.iter().filter(|part| !is_own(part));
            let others: Vec<u8> = others
                .flat_map(|(_, part)| shared.said[part.clone()].iter().copied())
                .collect();
            others.is_empty() || self.send(&others)
        } else {
            self.send(&shared.said)
        };
        if alive { Outcome::Wait } else { Outcome::Close }
    }

    /// Sends `bytes` behind those that wait, and keeps what the kernel does not take. False when the connection is broken.
    #[inline]
    fn send(&mut self, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        while self.unsent.is_empty() && !rest.is_empty() {
            match self.stream.write(rest) {
                Ok(length) => rest = &rest[length..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        self.unsent.extend_from_slice(rest);
        true
    }
}
