//! The host's callback for wakes. A thread that has something for the loop calls it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

type Callback = Arc<dyn Fn() + Send + Sync>;

#[derive(Clone, Default)]
pub(crate) struct WakeListener(Arc<OnceLock<Mutex<Option<Callback>>>>);

impl WakeListener {
    pub(crate) fn set(&self, callback: Callback) {
        let before = lock(self.0.get_or_init(Mutex::default)).replace(callback);
        // Dropped without the lock, because the drop is user code.
        drop(before);
    }

    /// Calls the callback. If none was ever set, this takes no lock, so that a signal handler may call it.
    pub(crate) fn tell(&self) {
        let Some(place) = self.0.get() else {
            return;
        };
        // The lock is not held in the call, which is user code.
        let callback = lock(place).clone();
        if let Some(callback) = callback {
            callback();
        }
    }

    /// Drops the callback. Calls that are under way go on.
    pub(crate) fn clear(&self) {
        if let Some(place) = self.0.get() {
            let before = lock(place).take();
            drop(before);
        }
    }
}

fn lock(place: &Mutex<Option<Callback>>) -> MutexGuard<'_, Option<Callback>> {
    // No user code runs under the lock, so even a poisoned lock protects a consistent state.
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for WakeListener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("WakeListener")
            .field(&self.0.get().is_some())
            .finish()
    }
}
