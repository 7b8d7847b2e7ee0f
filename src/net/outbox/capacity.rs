//! The capacity that the unsent bytes of all connections and UDP sockets leave free below their common limit.

use super::Outbox;

impl Outbox {
    /// The unsent bytes of all connections and UDP sockets together, with gathered ones.
    #[inline]
    pub(crate) fn waiting(&self) -> usize {
        self.pool.queued_bytes()
            + self.broadcast.waiting()
            + self.gathered.bytes().len()
            + self.datagrams
    }

    /// The number of further bytes until the limit.
    #[inline]
    pub(crate) fn free_capacity(&self) -> usize {
        self.level.limit().saturating_sub(self.waiting())
    }

    /// `usize::MAX` means that there is no limit.
    pub(crate) fn limit(&self) -> usize {
        self.level.limit()
    }

    /// Notes that bytes were put in: the running callback may gather fewer from now on.
    #[inline]
    pub(super) fn note_rise(&mut self) {
        let waiting = self.waiting();
        self.level.rise(waiting);
        self.gathered
            .fit(self.level.limit().saturating_sub(waiting));
    }

    #[inline]
    pub(super) fn note_fall(&mut self) {
        if self.level.is_high() || self.gathered.is_tight() {
            self.note_low_level();
        }
    }

    #[cold]
    pub(super) fn note_low_level(&mut self) {
        let waiting = self.waiting();
        self.level.fall(waiting);
        self.gathered
            .fit(self.level.limit().saturating_sub(waiting));
    }

    /// Whether the level has become high, and the caller has not [taken](Self::take_pressure) this news yet.
    #[inline]
    pub(crate) fn has_pressure(&self) -> bool {
        self.level.has_episode()
    }

    pub(crate) fn take_pressure(&mut self) {
        self.level.take_episode();
    }

    /// The number of times that the level has become high.
    pub(crate) fn pressures(&self) -> u64 {
        self.level.episodes()
    }
}
