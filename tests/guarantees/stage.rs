//! The stage of tests whose handlers note their events: a loop with its notes.

use std::time::{Duration, Instant};

use netloop::{Budget, EventLoop, Turn, Wait};

use crate::support::PATIENCE;

/// The state of these tests: the notes of the handlers, in order.
pub(crate) type Notes = Vec<String>;

/// A loop with its notes.
pub(crate) struct Stage {
    pub(crate) event_loop: EventLoop<Notes>,
    pub(crate) notes: Notes,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::on(EventLoop::new().unwrap())
    }

    pub(crate) fn on(event_loop: EventLoop<Notes>) -> Self {
        Self {
            event_loop,
            notes: Notes::new(),
        }
    }

    pub(crate) fn turn_within(&mut self, wait: Wait, budget: Budget) -> Turn {
        self.event_loop.turn(&mut self.notes, wait, budget).unwrap()
    }

    /// One turn that does not wait.
    pub(crate) fn turn(&mut self) -> Turn {
        self.turn_within(Wait::No, Budget::new())
    }

    /// Turns until `done`.
    #[track_caller]
    pub(crate) fn drive(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done(self) {
            let notes = self.last_notes();
            assert!(
                Instant::now() < deadline,
                "this did not come: {what}; {notes:?}"
            );
            self.turn_within(Wait::For(Duration::from_millis(1)), Budget::new());
        }
    }

    /// Turns until `note` was made.
    #[track_caller]
    pub(crate) fn drive_to(&mut self, note: &str) {
        self.drive(note, |stage| stage.has(note));
    }

    /// Runs until nothing keeps the loop going.
    #[track_caller]
    pub(crate) fn run_to_its_end(&mut self) {
        let end = self.event_loop.run_for(&mut self.notes, PATIENCE).unwrap();
        assert_eq!(end, netloop::RunEnd::Finished, "{:?}", self.last_notes());
    }

    /// The notes that a failed test shows.
    pub(crate) fn last_notes(&self) -> &[String] {
        &self.notes[self.notes.len().saturating_sub(20)..]
    }

    pub(crate) fn has(&self, note: &str) -> bool {
        self.notes.iter().any(|noted| noted == note)
    }

    pub(crate) fn count(&self, note: &str) -> usize {
        self.notes.iter().filter(|noted| *noted == note).count()
    }
}
