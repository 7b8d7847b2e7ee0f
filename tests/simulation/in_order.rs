//! Calls that a loop was asked for, and has to make once each and in order.

/// The calls of one kind of one loop.
#[derive(Debug, Default)]
pub(crate) struct InOrder {
    asked: u64,
    made: u64,
}

impl InOrder {
    /// The number of the next call.
    pub(crate) fn ask(&mut self) -> u64 {
        self.asked += 1;
        self.asked
    }

    pub(crate) fn made(&mut self, number: u64) {
        self.made += 1;
        assert_eq!(number, self.made, "S: another call's turn: {self:?}");
    }

    /// L: at rest, each call has been made.
    pub(crate) fn check_rest(&self) {
        assert_eq!(self.asked, self.made, "L: a call was never made");
    }
}
