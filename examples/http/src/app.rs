//! The state that all connections share.

use crate::response::HeadCache;
use crate::status::Status;

#[derive(Debug, Default)]
pub(crate) struct App {
    pub(crate) heads: HeadCache,
    /// The responses so far, by the hundreds of their statuses.
    pub(crate) responses: [u64; 6],
}

impl App {
    pub(crate) fn count(&mut self, status: Status) {
        self.responses[status.class()] += 1;
    }
}
