//! Runs of the loop to its end, with a guard against one that does not come; and a handler that is busy.

use std::thread;
use std::time::{Duration, Instant};

use super::{PATIENCE, Scene};

impl Scene {
    /// Runs the loop until nothing is left that keeps it going, or it is stopped.
    pub(crate) fn run_to_its_end(&mut self) {
        // The guard does not keep the loop going itself.
        let guard = self.event_loop.after(PATIENCE, |cx| {
            panic!("run does not end; {}", cx.shared.brief())
        });
        self.event_loop.timer(guard).release();
        self.event_loop.run(&mut self.world).unwrap();
        self.event_loop.timer(guard).cancel();
    }
}

/// Lets `time` pass as a handler does that is busy with something else.
pub(crate) fn spend(time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        thread::yield_now();
    }
}
