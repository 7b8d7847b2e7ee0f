//! One connection of the hand-written loops: read, answer, keep what the kernel did not take.
//!
//! Generic over the stream only, so that the raw epoll floor and the mio loop differ in how they wait and in nothing
//! else. It follows what measurement says is best: one large read buffer for all connections, a short read ends the
//! drain, one send per read, no call that the answer does not need.

use std::io::{ErrorKind, Read, Write};

use super::service::Mode;
use crate::pattern::flood_block;

/// More than 64 KiB, so that a read of an exactly full 64 KiB message is still a short one.
const READ_BUFFER: usize = 128 * 1024;
/// A flooding connection lets others be served after so many blocks.
const BLOCKS_PER_TURN: usize = 16;

/// What the sessions of one loop share.
pub(crate) struct Desk {
    mode: Mode,
    read_buffer: Box<[u8]>,
    flood_block: Vec<u8>,
    /// What members have said in this turn, one after the other.
    said: Vec<u8>,
    /// Who said which part of [`Self::said`]. Invariant: the parts are adjacent and in order.
    speakers: Vec<(usize, std::ops::Range<usize>)>,
    /// Seconds since the loop began; the loop sets it once a turn.
    pub(crate) now_seconds: u32,
}

impl Desk {
    pub(crate) fn new(mode: Mode) -> Self {
        Self {
            mode,
            read_buffer: vec![0; READ_BUFFER].into_boxed_slice(),
            flood_block: flood_block(),
            said: Vec::new(),
            speakers: Vec::new(),
            now_seconds: 0,
        }
    }

    pub(crate) fn has_words(&self) -> bool {
        !self.said.is_empty()
    }

    pub(crate) fn forget_words(&mut self) {
        self.said.clear();
        self.speakers.clear();
    }
}

/// What a session wants from its loop.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// Wait for the next event.
    Wait,
    /// More can be done at once, after the others had their turn.
    Again,
    /// The connection is over.
    Close,
}

pub(crate) struct Session<Stream> {
    stream: Stream,
    /// What the kernel did not take. Invariant: while it is not empty, nothing is read.
    unsent: Vec<u8>,
    /// The bytes discarded, or the place within the flood block.
    position: u64,
    pub(crate) last_active_seconds: u32,
    /// The second in whose slot of the idle wheel the session's entry lies.
    pub(crate) filed_seconds: u32,
    ended: bool,
}

impl<Stream: Read + Write> Session<Stream> {
    pub(crate) fn new(stream: Stream, now_seconds: u32) -> Self {
        Self {
            stream,
            unsent: Vec::new(),
            position: 0,
            last_active_seconds: now_seconds,
            filed_seconds: 0,
            ended: false,
        }
    }

    /// Serves an event. `hang_up` says that the end of the stream is near, so that a short read proves nothing.
    #[inline]
    pub(crate) fn serve(
        &mut self,
        place: usize,
        readable: bool,
        hang_up: bool,
        desk: &mut Desk,
    ) -> Outcome {
        self.last_active_seconds = desk.now_seconds;
        let was_stalled = !self.unsent.is_empty();
        if was_stalled && !self.flush() {
            return Outcome::Close;
        }
        if !self.unsent.is_empty() {
            return Outcome::Wait;
        }
        if self.ended {
            return Outcome::Close;
        }
        if desk.mode == Mode::Flood {
            return self.flood(hang_up, desk);
        }
        // After a stall the readable edge has long been used up, so a read has to be tried.
        if readable || hang_up || was_stalled {
            self.read(place, hang_up, desk)
        } else {
            Outcome::Wait
        }
    }

    fn read(&mut self, place: usize, hang_up: bool, desk: &mut Desk) -> Outcome {
        loop {
            let length = match self.stream.read(&mut desk.read_buffer) {
                Ok(0) => return self.finish(desk.mode),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Outcome::Wait,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return Outcome::Close,
            };
            let received = &desk.read_buffer[..length];
            match desk.mode {
                // What was read is the answer, and leaves as one: nobody who writes by hand sends it in pieces.
                Mode::Echo | Mode::Messages => {
                    if !send(&mut self.stream, &mut self.unsent, received) {
                        return Outcome::Close;
                    }
                    if !self.unsent.is_empty() {
                        return Outcome::Wait;
                    }
                }
                Mode::Discard => self.position += length as u64,
                Mode::Broadcast => {
                    let start = desk.said.len();
                    desk.said.extend_from_slice(received);
                    desk.speakers.push((place, start..desk.said.len()));
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
        if send(&mut self.stream, &mut self.unsent, &count) && !self.unsent.is_empty() {
            Outcome::Wait
        } else {
            Outcome::Close
        }
    }

    fn flood(&mut self, hang_up: bool, desk: &Desk) -> Outcome {
        if hang_up {
            return Outcome::Close;
        }
        for _ in 0..BLOCKS_PER_TURN {
            let start = usize::try_from(self.position).expect("below the block's length");
            match self.stream.write(&desk.flood_block[start..]) {
                Ok(length) => self.position = ((start + length) % desk.flood_block.len()) as u64,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Outcome::Wait,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Outcome::Close,
            }
        }
        Outcome::Again
    }

    /// Sends what the others have said in this turn, in one call.
    pub(crate) fn hear(&mut self, place: usize, desk: &Desk) -> Outcome {
        if self.ended {
            return Outcome::Wait;
        }
        let alive = if desk.speakers.iter().any(|(speaker, _)| *speaker == place) {
            let others: Vec<u8> = desk
                .speakers
                .iter()
                .filter(|(speaker, _)| *speaker != place)
                .flat_map(|(_, part)| desk.said[part.clone()].iter().copied())
                .collect();
            others.is_empty() || send(&mut self.stream, &mut self.unsent, &others)
        } else {
            send(&mut self.stream, &mut self.unsent, &desk.said)
        };
        if alive { Outcome::Wait } else { Outcome::Close }
    }

    fn flush(&mut self) -> bool {
        let unsent = std::mem::take(&mut self.unsent);
        send(&mut self.stream, &mut self.unsent, &unsent)
    }
}

/// Sends `bytes` behind what is queued; keeps what the kernel does not take. False when the connection is broken.
#[inline]
fn send(stream: &mut impl Write, unsent: &mut Vec<u8>, bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while unsent.is_empty() && !rest.is_empty() {
        match stream.write(rest) {
            Ok(length) => rest = &rest[length..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
    unsent.extend_from_slice(rest);
    true
}
