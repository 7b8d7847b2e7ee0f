//! A waker for tests: it wakes no loop, counts its calls, and fails as often as the test says.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Debug, Default)]
pub(crate) struct ScriptedWaker {
    failures: AtomicUsize,
    calls: AtomicUsize,
    wakes: AtomicUsize,
}

impl ScriptedWaker {
    pub(crate) fn fail(&self, calls: usize) {
        self.failures.store(calls, Ordering::SeqCst);
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Returns the number of calls that did not fail.
    pub(crate) fn wakes(&self) -> usize {
        self.wakes.load(Ordering::SeqCst)
    }

    pub(super) fn wake(&self) -> io::Result<()> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let (set, get) = (Ordering::SeqCst, Ordering::SeqCst);
        let fails = self
            .failures
            .fetch_update(set, get, |left| left.checked_sub(1));
        if fails.is_ok() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        self.wakes.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}
