//! Gives a signal its default action back after its last watcher in the process, as libuv does. signal-hook leaves its
//! own handler in the operating system, so the process would otherwise ignore the signal.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use signal_hook::flag;

struct Handled {
    signal: i32,
    /// The number of pipes of the process for the signal.
    pipes: usize,
    is_default: Arc<AtomicBool>,
}

/// The signals of this process. The disposition of a signal belongs to the process, and so this is no state of a loop.
static HANDLED: Mutex<Vec<Handled>> = Mutex::new(Vec::new());

/// From now on, the default action of the signal does not happen.
pub(super) fn suppress(signal: i32) {
    let mut handled = HANDLED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = handled.iter_mut().find(|known| known.signal == signal) {
        known.pipes += 1;
        known.is_default.store(false, Ordering::SeqCst);
        return;
    }
    let is_default = Arc::new(AtomicBool::new(false));
    // Fails for a real-time signal and the like, whose default action signal-hook does not know. Once its last pipe is
    // closed, such a signal is ignored.
    let _ = flag::register_conditional_default(signal, Arc::clone(&is_default));
    handled.push(Handled {
        signal,
        pipes: 1,
        is_default,
    });
}

pub(super) fn restore(signal: i32) {
    let mut handled = HANDLED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = handled.iter_mut().find(|known| known.signal == signal) {
        known.pipes -= 1;
        known.is_default.store(known.pipes == 0, Ordering::SeqCst);
    }
}
