//! A room: some members speak at the same time, and every other member must hear every word exactly once. The next
//! round begins when all have heard all of this one. One operation is one delivery.

use std::io::{ErrorKind, Read, Write};
use std::time::Instant;

use super::connection::Connection;
use super::{Load, PATIENCE, Phase, READ_BUFFER, Stopwatch, Target, joining, record};
use crate::pattern::{MESSAGE, Pattern};
use crate::system::{EDGE, Epoll, PEER_END, READABLE};

/// Speaker and round, 4 bytes each, before the pattern.
const HEADER: usize = 8;
/// The speakers that a member has heard are bits of one word.
pub(crate) const MOST_SPEAKERS: usize = 64;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Broadcast {
    pub(crate) members: usize,
    /// At most [`MOST_SPEAKERS`].
    pub(crate) speakers: usize,
}

pub(crate) struct Member {
    connection: Connection,
    /// The beginning of a message whose rest is under way.
    partial: Vec<u8>,
    /// Whom it has heard in this round.
    heard: u64,
}

impl Load for Broadcast {
    type Ready = (Epoll, Vec<Member>);

    fn most_threads(&self) -> usize {
        1
    }

    fn prepare(&self, target: &Target<'_>, _: usize, _: usize) -> Result<Self::Ready, String> {
        let mut epoll = Epoll::new(1024).map_err(|error| error.to_string())?;
        let mut members = Vec::new();
        for place in 0..self.members {
            let connection = Connection::open(target, place)?;
            epoll
                .add(&connection, place as u64, READABLE | PEER_END | EDGE)
                .map_err(|error| error.to_string())?;
            members.push(Member {
                connection,
                partial: Vec::new(),
                heard: 0,
            });
        }
        let mut buffer = vec![0; READ_BUFFER];
        joining::join(&mut epoll, &mut members, target.pattern, &mut buffer)?;
        Ok((epoll, members))
    }

    fn drive(
        &self,
        target: &Target<'_>,
        ready: Self::Ready,
        stopwatch: &mut Stopwatch,
    ) -> Result<(), String> {
        let (mut epoll, mut members) = ready;
        let mut buffer = vec![0; READ_BUFFER];
        let everybody = u64::MAX >> (MOST_SPEAKERS - self.speakers);
        let mut round = 0_u32;
        while stopwatch.phase(Instant::now()) != Phase::Over {
            round += 1;
            let said_at = Instant::now();
            for (speaker, member) in members.iter_mut().enumerate() {
                // Nobody hears himself.
                member.heard = if speaker < self.speakers {
                    1 << speaker
                } else {
                    0
                };
                if speaker < self.speakers {
                    say(member, &message(target.pattern, speaker, round))?;
                }
            }
            let mut missing = self.speakers * (self.members - 1);
            while missing > 0 {
                let count = epoll.wait(1000).map_err(|error| error.to_string())?;
                if count == 0 && said_at.elapsed() > PATIENCE {
                    return Err(format!("{missing} deliveries of a round missing after 5 s"));
                }
                for position in 0..count {
                    let (token, _) = epoll.event(position);
                    let member = &mut members[usize::try_from(token).expect("tokens are places")];
                    let heard = hear(member, target.pattern, &mut buffer, round, everybody)?;
                    missing -= heard;
                    let now = Instant::now();
                    if stopwatch.phase(now) == Phase::Measured {
                        stopwatch.slice.operations += heard as u64;
                        stopwatch.slice.verified_bytes += (heard * MESSAGE) as u64;
                        record(&mut stopwatch.slice.latency, now - said_at, heard as u64);
                    }
                }
            }
        }
        Ok(())
    }
}

/// What a speaker says in a round.
pub(super) fn message(pattern: &Pattern, speaker: usize, round: u32) -> [u8; MESSAGE] {
    let mut message = [0; MESSAGE];
    let speaker = u32::try_from(speaker).expect("a small number");
    message[..4].copy_from_slice(&speaker.to_be_bytes());
    message[4..HEADER].copy_from_slice(&round.to_be_bytes());
    let position = u64::from(round) * 31 + u64::from(speaker);
    message[HEADER..].copy_from_slice(pattern.slice(position, MESSAGE - HEADER));
    message
}

/// The speaker and the round of a message.
pub(super) fn header(message: &[u8]) -> (usize, u32) {
    let number = |place: usize| {
        let bytes = message[place..place + 4].try_into().expect("four bytes");
        u32::from_be_bytes(bytes)
    };
    (number(0) as usize, number(4))
}

pub(super) fn say(member: &mut Member, message: &[u8]) -> Result<(), String> {
    match member.connection.stream().write(message) {
        Ok(MESSAGE) => Ok(()),
        Ok(_) => Err("an empty socket took only part of 64 bytes".to_owned()),
        Err(error) => Err(format!("a send failed: {error}")),
    }
}

impl Member {
    /// Reads what has come, and gives every whole message to `check`.
    pub(super) fn receive(
        &mut self,
        buffer: &mut [u8],
        mut check: impl FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<(), String> {
        loop {
            let length = match self.connection.stream().read(buffer) {
                Ok(0) => return Err("the server closed a connection".to_owned()),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(format!("a receive failed: {error}")),
            };
            self.partial.extend_from_slice(&buffer[..length]);
            let whole = self.partial.len() / MESSAGE * MESSAGE;
            self.partial[..whole]
                .chunks_exact(MESSAGE)
                .try_for_each(&mut check)?;
            self.partial.drain(..whole);
            if length < buffer.len() {
                return Ok(());
            }
        }
    }
}

/// Reads and checks what a member hears; returns the number of messages.
fn hear(
    member: &mut Member,
    pattern: &Pattern,
    buffer: &mut [u8],
    round: u32,
    everybody: u64,
) -> Result<usize, String> {
    let mut messages = 0;
    let mut heard = member.heard;
    member.receive(buffer, |received| {
        let (speaker, _) = header(received);
        let known = speaker < MOST_SPEAKERS && everybody & (1 << speaker) != 0;
        if !known || received != message(pattern, speaker, round) {
            return Err("a wrong message".to_owned());
        }
        if heard & (1 << speaker) != 0 {
            return Err("a message came twice, or to its own speaker".to_owned());
        }
        heard |= 1 << speaker;
        messages += 1;
        Ok(())
    })?;
    member.heard = heard;
    Ok(messages)
}
