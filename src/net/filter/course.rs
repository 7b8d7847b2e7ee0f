//! Whether a filter may be called, and the error that stands for its panic.

use std::cell::{Cell, OnceCell};

use crate::net::error::{Error, Result};
use crate::system::catch_panic;

const PANICKED: &str = "one of its filters panicked";

/// The calls of one filter. A filter is user code, and is called while its connection is half changed. A panic that
/// passed through would leave the connection so, and the bytes of one socket in a buffer that all sockets share. So a
/// panic becomes an error of the filter.
#[derive(Debug, Default)]
pub(super) struct Course {
    step: Cell<Step>,
    /// After a panic the state of the filter is unknown, so it is not called again.
    panic: OnceCell<Error>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Step {
    #[default]
    New,
    Begun,
    Stillborn,
}

impl Course {
    pub(super) fn is_new(&self) -> bool {
        self.step.get() == Step::New
    }

    pub(super) fn note_begun(&self, has_succeeded: bool) {
        self.step.set(match has_succeeded {
            true => Step::Begun,
            false => Step::Stillborn,
        });
    }

    #[inline]
    pub(super) fn has_begun(&self) -> bool {
        self.step.get() == Step::Begun
    }

    #[inline]
    pub(super) fn panic(&self) -> Option<&Error> {
        self.panic.get()
    }

    /// Calls the filter. Returns an error if the filter panics, or has panicked before.
    #[inline]
    pub(super) fn call<R>(&self, call: impl FnOnce() -> Result<R>) -> Result<R> {
        if let Some(error) = self.panic() {
            return Err(error.clone());
        }
        match catch_panic(PANICKED, call) {
            Ok(result) => result,
            Err(text) => Err(self.note_panic(text)),
        }
    }

    /// Asks the filter. Returns the default if the filter panics, or has panicked.
    #[inline]
    pub(super) fn ask<R: Default>(&self, question: impl FnOnce() -> R) -> R {
        self.call(|| Ok(question())).unwrap_or_default()
    }

    #[cold]
    fn note_panic(&self, text: String) -> Error {
        let error = Error::with_code(Error::HANDLER_PANICKED, text);
        self.panic.get_or_init(|| error).clone()
    }
}
