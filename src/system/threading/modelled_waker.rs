//! A waker for loom's tests, on which a thread can wait as a loop waits in its poll.

use std::io;
use std::sync::PoisonError;

use super::{Condvar, Mutex, MutexGuard};

#[derive(Debug)]
pub(crate) struct ModelledWaker {
    state: Mutex<State>,
    end_of_wait: Condvar,
}

#[derive(Debug)]
struct State {
    is_woken: bool,
    failures: usize,
}

impl ModelledWaker {
    pub(crate) fn failing(failures: usize) -> Self {
        Self {
            state: Mutex::new(State {
                is_woken: false,
                failures,
            }),
            end_of_wait: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a wake. If none ever comes, loom reports that all threads wait.
    pub(crate) fn wait(&self) {
        let mut state = self.lock();
        while !state.is_woken {
            let waited = self.end_of_wait.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
        state.is_woken = false;
    }

    pub(crate) fn wake(&self) -> io::Result<()> {
        let mut state = self.lock();
        if state.failures > 0 {
            state.failures -= 1;
            return Err(io::ErrorKind::Interrupted.into());
        }
        state.is_woken = true;
        self.end_of_wait.notify_one();
        Ok(())
    }
}
