//! The choice of an upstream: the next one in turn, but for those that have failed lately.

use std::time::Instant;

/// The state of each upstream, by its number.
#[derive(Default)]
pub(crate) struct Upstreams {
    states: Vec<Upstream>,
    /// The upstream whose turn is next.
    next: usize,
}

#[derive(Clone, Default)]
pub(crate) struct Upstream {
    pub(crate) connections: u64,
    pub(crate) failures: u64,
    left_out_until: Option<Instant>,
}

impl Upstream {
    pub(crate) fn is_left_out(&self, now: Instant) -> bool {
        self.left_out_until.is_some_and(|until| now < until)
    }
}

impl Upstreams {
    pub(crate) fn new(number: usize) -> Self {
        Self {
            states: vec![Upstream::default(); number],
            next: 0,
        }
    }

    /// Returns the next upstream that is not in `tried`. One that has failed lately comes after all others: if all
    /// have, a client that waits is better than a client that is refused.
    pub(crate) fn next(&mut self, tried: &[usize], now: Instant) -> Option<usize> {
        let count = self.states.len();
        let in_turn = (self.next..self.next + count).map(|number| number % count);
        let chosen = in_turn
            .filter(|number| !tried.contains(number))
            .min_by_key(|&number| self.states[number].is_left_out(now))?;
        self.next = chosen + 1;
        Some(chosen)
    }

    pub(crate) fn connected(&mut self, number: usize) {
        let state = &mut self.states[number];
        state.connections += 1;
        state.left_out_until = None;
    }

    pub(crate) fn failed(&mut self, number: usize, left_out_until: Instant) {
        let state = &mut self.states[number];
        state.failures += 1;
        state.left_out_until = Some(left_out_until);
    }

    pub(crate) fn states(&self) -> impl Iterator<Item = &Upstream> {
        self.states.iter()
    }
}
