//! The locks, atomics and threads with which other threads reach a loop. Under `cfg(loom)` the tests get those of loom,
//! which runs a test in every order of its threads.

#[cfg(not(all(loom, test)))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicUsize};
#[cfg(not(all(loom, test)))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};
#[cfg(not(all(loom, test)))]
pub(crate) use std::thread::Builder;

#[cfg(all(loom, test))]
pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};
#[cfg(all(loom, test))]
pub(crate) use loom::thread::Builder;
#[cfg(all(loom, test))]
pub(crate) use modelled::{AtomicBool, AtomicUsize};

#[cfg(all(loom, test))]
mod modelled_waker;

use std::sync::PoisonError;
use std::time::Duration;

#[cfg(all(loom, test))]
pub(crate) use modelled_waker::ModelledWaker;

/// Waits on `condition` until it is notified, or `time` has passed. May return earlier (a spurious wake-up).
#[cfg(not(all(loom, test)))]
pub(crate) fn wait_for<'a, T>(
    condition: &Condvar,
    _mutex: &'a Mutex<T>,
    guard: MutexGuard<'a, T>,
    time: Duration,
) -> MutexGuard<'a, T> {
    let waited = condition.wait_timeout(guard, time);
    waited.unwrap_or_else(PoisonError::into_inner).0
}

/// Lets another thread run, and returns as if `time` had passed then: loom has no clock.
#[cfg(all(loom, test))]
pub(crate) fn wait_for<'a, T>(
    _condition: &Condvar,
    mutex: &'a Mutex<T>,
    guard: MutexGuard<'a, T>,
    _time: Duration,
) -> MutexGuard<'a, T> {
    drop(guard);
    loom::thread::yield_now();
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Calls `model` in every order of its threads, with at most `preemptions` in each. Without a bound a run takes hours.
#[cfg(all(loom, test))]
pub(crate) fn in_every_order(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let orders = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&orders);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(move || {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        model();
    });
    println!(
        "{} orders",
        orders.load(std::sync::atomic::Ordering::Relaxed)
    );
}

/// Atomics for loom, which treats `SeqCst` as the weaker `AcqRel`. A fence of loom is sequentially consistent, and a
/// fence on each side of an access makes the access sequentially consistent too.
#[cfg(all(loom, test))]
mod modelled {
    use std::sync::atomic::Ordering;

    use loom::sync::atomic;

    fn fenced<R>(access: impl FnOnce() -> R) -> R {
        atomic::fence(Ordering::SeqCst);
        let result = access();
        atomic::fence(Ordering::SeqCst);
        result
    }

    #[derive(Debug, Default)]
    pub(crate) struct AtomicBool(atomic::AtomicBool);

    impl AtomicBool {
        pub(crate) fn new(value: bool) -> Self {
            Self(atomic::AtomicBool::new(value))
        }

        pub(crate) fn load(&self, ordering: Ordering) -> bool {
            fenced(|| self.0.load(ordering))
        }

        pub(crate) fn store(&self, value: bool, ordering: Ordering) {
            fenced(|| self.0.store(value, ordering));
        }
    }

    #[derive(Debug, Default)]
    pub(crate) struct AtomicUsize(atomic::AtomicUsize);

    impl AtomicUsize {
        pub(crate) fn new(value: usize) -> Self {
            Self(atomic::AtomicUsize::new(value))
        }

        pub(crate) fn load(&self, ordering: Ordering) -> usize {
            fenced(|| self.0.load(ordering))
        }

        pub(crate) fn store(&self, value: usize, ordering: Ordering) {
            fenced(|| self.0.store(value, ordering));
        }

        pub(crate) fn fetch_add(&self, value: usize, ordering: Ordering) -> usize {
            fenced(|| self.0.fetch_add(value, ordering))
        }

        pub(crate) fn fetch_sub(&self, value: usize, ordering: Ordering) -> usize {
            fenced(|| self.0.fetch_sub(value, ordering))
        }

        pub(crate) fn fetch_update(
            &self,
            set: Ordering,
            fetch: Ordering,
            change: impl FnMut(usize) -> Option<usize>,
        ) -> Result<usize, usize> {
            fenced(|| self.0.fetch_update(set, fetch, change))
        }
    }
}
