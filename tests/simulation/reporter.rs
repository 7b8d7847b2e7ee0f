//! The report of a run that fails: its log, and what is needed to have it again.

use netloop::simulation::Handle;

/// Prints what is needed to have the run again, if it fails.
pub(super) struct Reporter<'a>(&'a str, Handle);

/// The lines of the log that a run with a seed of the caller's choice prints, if it fails.
pub(super) const LOG_LINES: usize = 300;

impl<'a> Reporter<'a> {
    pub(super) fn new(description: &'a str, simulation: Handle) -> Self {
        Self(description, simulation)
    }

    /// The run has not failed.
    pub(super) fn forget(mut self) {
        self.0 = "";
    }
}

impl Drop for Reporter<'_> {
    fn drop(&mut self) {
        if self.0.is_empty() {
            return;
        }
        eprintln!("{}failed: {}", self.1.log(), self.0);
    }
}
