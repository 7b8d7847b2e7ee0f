//! A chat room: some members speak at the same time, and every other member must hear every message exactly once. The
//! next round begins when all have heard all of this one. One operation is one delivery.

use std::io::Write;
use std::ops::Range;
use std::time::Instant;

use netloop_benches::epoll::EDGES;

use super::connection::{Connection, open_all, receive};
use super::{Events, Load, Phase, Share, Slice, Start, Stopwatch, Target};
use crate::pattern::{MESSAGE, Pattern};

/// Speaker and round, 4 bytes each, before the pattern.
const HEADER: usize = 8;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Broadcast {
    pub(crate) members: usize,
    /// At most 64: the speakers that a member has heard are bits of one number.
    pub(crate) speakers: usize,
}

struct Member {
    connection: Connection,
    /// The beginning of a message whose rest is under way.
    partial: Vec<u8>,
    /// A bit for each speaker that it has heard in this round.
    heard: u64,
}

impl Load for Broadcast {
    fn drive(&self, target: &Target<'_>, share: Share, start: Start<'_>) -> Result<Slice, String> {
        let (mut events, connections) = open_all(target, self.members, share, EDGES)?;
        let mut stopwatch = start()?;
        let member = |connection| Member {
            connection,
            partial: Vec::new(),
            heard: 0,
        };
        let mut members: Vec<Member> = connections.into_iter().map(member).collect();
        // A server may accept long after the handshake. It accepts in order: when the last member is heard, all are in.
        let mut round = Round {
            pattern: target.pattern,
            number: 0,
            speakers: members.len() - 1..members.len(),
        };
        while round.number == 0 || stopwatch.phase(Instant::now()) != Phase::Over {
            round.play(&mut members, &mut events, &mut stopwatch)?;
            round.number += 1;
            round.speakers = 0..self.speakers;
        }
        Ok(stopwatch.slice)
    }
}

struct Round<'a> {
    pattern: &'a Pattern,
    number: u32,
    speakers: Range<usize>,
}

impl Round<'_> {
    fn play(
        &self,
        members: &mut [Member],
        events: &mut Events,
        stopwatch: &mut Stopwatch<'_>,
    ) -> Result<(), String> {
        let said_at = Instant::now();
        for (place, member) in members.iter_mut().enumerate() {
            member.heard = 0;
            if self.speakers.contains(&place) {
                // No member hears itself.
                member.heard = self.bit(place);
                let message = self.message(place);
                match member.connection.stream.write(&message) {
                    Ok(MESSAGE) => {}
                    Ok(_) => return Err("an empty socket took only part of 64 bytes".to_owned()),
                    Err(error) => return Err(format!("a send failed: {error}")),
                }
            }
        }
        let mut missing = self.speakers.len() * (members.len() - 1);
        while missing > 0 {
            for place in 0..events.wait(stopwatch)? {
                let (token, _) = events.epoll.event(place);
                let heard = self.hear(&mut members[token], events.buffer())?;
                missing = missing.checked_sub(heard).ok_or("a message too many")?;
                let now = Instant::now();
                stopwatch.phase(now);
                stopwatch.count(heard as u64, heard * MESSAGE, Some(now - said_at));
            }
        }
        Ok(())
    }

    /// Reads and checks what a member hears; returns the number of messages.
    fn hear(&self, member: &mut Member, buffer: &mut [u8]) -> Result<usize, String> {
        let mut messages = 0;
        loop {
            let length = receive(&mut member.connection.stream, buffer)?;
            member.partial.extend_from_slice(&buffer[..length]);
            let whole = member.partial.len() / MESSAGE * MESSAGE;
            for received in member.partial[..whole].chunks_exact(MESSAGE) {
                let speaker = received[..4].try_into().expect("four bytes");
                let speaker = u32::from_be_bytes(speaker) as usize;
                let is_known = self.speakers.contains(&speaker);
                if !is_known || received != self.message(speaker) {
                    return Err("a wrong message".to_owned());
                }
                if member.heard & self.bit(speaker) != 0 {
                    return Err("a message came twice, or to its own speaker".to_owned());
                }
                member.heard |= self.bit(speaker);
                messages += 1;
            }
            member.partial.drain(..whole);
            if length < buffer.len() {
                return Ok(messages);
            }
        }
    }

    fn bit(&self, speaker: usize) -> u64 {
        1 << (speaker - self.speakers.start)
    }

    fn message(&self, speaker: usize) -> [u8; MESSAGE] {
        let mut message = [0; MESSAGE];
        let speaker = u32::try_from(speaker).expect("a small number");
        message[..4].copy_from_slice(&speaker.to_be_bytes());
        message[4..HEADER].copy_from_slice(&self.number.to_be_bytes());
        let position = u64::from(self.number) * 31 + u64::from(speaker);
        message[HEADER..].copy_from_slice(self.pattern.slice(position, MESSAGE - HEADER));
        message
    }
}
