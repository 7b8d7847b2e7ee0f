//! The state that all connections share.

use crate::response::Date;
use crate::status::Status;

#[derive(Debug)]
pub(crate) struct App {
    pub(crate) date: Date,
    /// The head that is being written, and a small body: they leave in one write.
    pub(crate) out: Vec<u8>,
    /// The responses so far, by the hundreds of their statuses.
    pub(crate) responses: [u64; 6],
}

impl App {
    pub(crate) fn new() -> Self {
        Self {
            date: Date::new(),
            out: Vec::new(),
            responses: [0; 6],
        }
    }

    pub(crate) fn count(&mut self, status: Status) {
        self.responses[status.class()] += 1;
    }
}
