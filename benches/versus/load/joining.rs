//! Before a room can be measured, everybody has to be in it: a server may accept long after the handshake is done, and
//! nobody hears what was said before he came in. How long that takes is the server's affair, so it is asked for: two
//! members speak again and again, until an attempt comes in which everybody hears them.

use std::time::{Duration, Instant};

use super::PATIENCE;
use super::broadcast::{Member, header, message, say};
use crate::pattern::Pattern;
use crate::system::Epoll;

/// The second one speaks for the first, who does not hear himself. Their numbers are beyond those of any round.
const SPEAKERS: [usize; 2] = [1000, 1001];
/// When nothing was heard for so long, somebody was not there yet when it was said.
const QUIET: Duration = Duration::from_millis(50);

/// Whom a member has heard, and in which attempt.
#[derive(Clone, Copy, Default, PartialEq)]
struct Heard {
    attempts: [u32; 2],
}

/// Returns when all are in, and nothing of the attempts is under way any more.
pub(super) fn join(
    epoll: &mut Epoll,
    members: &mut [Member],
    pattern: &Pattern,
    buffer: &mut [u8],
) -> Result<(), String> {
    let began = Instant::now();
    let mut heard = vec![Heard::default(); members.len()];
    let mut attempt = 0;
    let mut quiet = QUIET;
    loop {
        attempt += 1;
        for (place, speaker) in SPEAKERS.into_iter().enumerate() {
            say(&mut members[place], &message(pattern, speaker, attempt))?;
        }
        let mut last_word = Instant::now();
        while last_word.elapsed() < quiet {
            let count = epoll.wait(10).map_err(|error| error.to_string())?;
            for position in 0..count {
                let (token, _) = epoll.event(position);
                let place = usize::try_from(token).expect("tokens are places");
                members[place].receive(buffer, |received| {
                    heard[place].note(pattern, place, received)
                })?;
                last_word = Instant::now();
            }
            // A server passes on what a member says in its order: behind the latest attempt there is no earlier one.
            let is_in = |(place, heard): (usize, &Heard)| heard.is_in(place, attempt);
            if count > 0 && heard.iter().enumerate().all(is_in) {
                return Ok(());
            }
        }
        if began.elapsed() > PATIENCE {
            let count = heard
                .iter()
                .filter(|heard| **heard != Heard::default())
                .count();
            return Err(format!(
                "only {count} of {} members hear anything after 5 s",
                members.len()
            ));
        }
        // A server that is slow, and not late, gets the time to pass everything on.
        quiet *= 2;
    }
}

impl Heard {
    /// Attempts at which the member was not there yet may be missing; none may come twice, and none to its speaker.
    fn note(&mut self, pattern: &Pattern, place: usize, received: &[u8]) -> Result<(), String> {
        let (number, attempt) = header(received);
        let speaker = SPEAKERS.iter().position(|speaker| *speaker == number);
        match speaker.filter(|speaker| *speaker != place) {
            Some(speaker)
                if attempt > self.attempts[speaker]
                    && received == message(pattern, number, attempt) =>
            {
                self.attempts[speaker] = attempt;
                Ok(())
            }
            _ => Err("a wrong message, or one to its own speaker".to_owned()),
        }
    }

    fn is_in(&self, place: usize, attempt: u32) -> bool {
        let hears = |speaker: usize| speaker == place || self.attempts[speaker] == attempt;
        hears(0) && hears(1)
    }
}
