//! The course of a filter: whether it may be called.

use std::cell::Cell;
use std::mem;

/// The course of a filter.
#[derive(Debug, Default)]
pub(super) struct Course(Cell<Step>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Step {
    #[default]
    New,
    Begun,
    /// The `begin` of the filter has failed.
    Stillborn,
    /// A call of the filter has panicked. Its state is unknown, so it is not called again.
    Panicked,
}

impl Course {
    pub(super) fn is_new(&self) -> bool {
        self.0.get() == Step::New
    }

    /// Notes whether the `begin` of the filter has succeeded.
    pub(super) fn note_begun(&self, has_succeeded: bool) {
        self.0.set(match has_succeeded {
            true => Step::Begun,
            false => Step::Stillborn,
        });
    }

    #[inline]
    pub(super) fn has_begun(&self) -> bool {
        self.0.get() == Step::Begun
    }

    #[inline]
    pub(super) fn has_panicked(&self) -> bool {
        self.0.get() == Step::Panicked
    }

    /// Calls the filter, and notes a panic of this call. A call that returns costs no instruction more.
    #[inline]
    pub(super) fn call<R>(&self, call: impl FnOnce() -> R) -> R {
        let guard = PanicGuard(&self.0);
        let result = call();
        mem::forget(guard);
        result
    }
}

/// Notes a panic when it is dropped. A call that returns forgets its guard.
struct PanicGuard<'a>(&'a Cell<Step>);

impl Drop for PanicGuard<'_> {
    fn drop(&mut self) {
        self.0.set(Step::Panicked);
    }
}
