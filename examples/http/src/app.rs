//! The state that all connections share.

use crate::response::ResponseCache;
use crate::status::Status;

#[derive(Debug, Default)]
pub(crate) struct App {
    pub(crate) last_response: ResponseCache,
    /// The responses so far, by the hundreds of their statuses.
    pub(crate) responses: [u64; 6],
}

impl App {
    pub(crate) fn count(&mut self, status: Status) {
        self.responses[status.class()] += 1;
    }
}
