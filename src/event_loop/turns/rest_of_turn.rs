//! The rest of a turn without a budget, behind a panic that the loop has caught.

use crate::event_loop::{Budget, EventLoop, Turn, Wait};
use crate::net::Result;

use super::limited_turn::Part;
use super::wait::Limit;

/// The limit on the steps of all parts that are made again in one turn because they have panicked.
const REPEATED_STEPS_A_TURN: u32 = 1024;

/// The parts that a turn has still to make. It outlives the panics of its turn, so that none of them makes the loop poll
/// again, accept more connections than a turn may, or make a finished part again.
pub(crate) struct RestOfTurn {
    next: Part,
    progress: [Progress; Part::COUNT],
    repeats: Limit,
    turn: Turn,
}

/// The progress of one part in its turn. A part that is begun and not finished has panicked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Waiting,
    Begun,
    Finished,
}

impl RestOfTurn {
    /// Begins with the posts: if a deferred call has panicked, the other calls come behind all other parts.
    fn new(has_polled: bool, repeats: Limit) -> Self {
        let mut progress = [Progress::Waiting; Part::COUNT];
        if has_polled {
            // Calls that were deferred after the wait are for the next turn.
            progress[Part::Calls as usize] = Progress::Finished;
        }
        Self {
            next: Part::Posts,
            progress,
            repeats,
            turn: Turn::default(),
        }
    }

    /// Returns the next part, and whether it is made again. If it panics, the rest goes on behind it.
    fn begin_part(&mut self) -> Option<(Part, bool)> {
        if self.repeats.is_reached() {
            return None;
        }
        for _ in 0..Part::COUNT {
            let part = self.next;
            self.next = part.next();
            let progress = &mut self.progress[part as usize];
            if *progress != Progress::Finished {
                let before = std::mem::replace(progress, Progress::Begun);
                return Some((part, before == Progress::Begun));
            }
        }
        None
    }

    fn finish(&mut self, part: Part) {
        self.progress[part as usize] = Progress::Finished;
        if part.leaves_bytes_to_flush() {
            self.progress[Part::Flush as usize] = Progress::Waiting;
        }
    }
}

impl<S> EventLoop<S> {
    /// Makes what a panic has cut off, or what a panic of this rest has. The first call makes the rest.
    #[cold]
    pub(crate) fn make_rest_of_turn(
        &mut self,
        shared: &mut S,
        rest: &mut Option<RestOfTurn>,
    ) -> Result<Turn> {
        self.recover();
        self.net.refresh_now();
        let has_polled = self.agenda.meter.has_polled();
        if !has_polled && rest.is_none() {
            // The panic may have come in the cleanup, before the turn began.
            self.begin_timing();
        }
        let rest = rest.get_or_insert_with(|| {
            let budget = Budget::new().steps(REPEATED_STEPS_A_TURN);
            RestOfTurn::new(has_polled, Limit::of(budget, &self.net, None))
        });
        if !has_polled {
            self.prepare_rest(shared, &mut Limit::none(), &mut rest.turn);
            self.poll_within(shared, Wait::No, &mut Limit::none())?;
        }
        while let Some((part, is_repeated)) = rest.begin_part() {
            if part == Part::Timers {
                self.check_rest(shared, &mut Limit::none(), &mut rest.turn);
            }
            if is_repeated {
                self.run_part(part, shared, &mut rest.repeats, &mut rest.turn)?;
            } else {
                self.run_part(part, shared, &mut Limit::none(), &mut rest.turn)?;
            }
            rest.finish(part);
        }
        self.resumes_at = Part::Calls;
        let mut turn = rest.turn;
        turn.more |= self.has_queued() || rest.repeats.is_reached() && self.net.has_elapsed();
        self.end_turn(shared, turn)
    }
}
