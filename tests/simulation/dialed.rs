//! The events of a connect that its handler must be told, and the others, which it must not.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use netloop::Error;

use super::requests::{Book, Request, Target};

/// A connect as its own handler sees it, and what has to come of it.
#[derive(Debug)]
pub(crate) struct Dialed {
    pub(crate) request: Request,
    began: Instant,
    /// The addresses that the lookup has to find, and the number of those that were told.
    found: Vec<IpAddr>,
    told: usize,
    /// The addresses that have to be tried, in this order, and the number of those that were, or were left out since
    /// they are blocked.
    candidates: Vec<SocketAddr>,
    passed: usize,
    begun: Vec<SocketAddr>,
    failed: Vec<SocketAddr>,
    slow: usize,
    /// Lookups fail now and then, as the network has it.
    may_fail: bool,
    lookup_failed: bool,
    /// The time that callbacks had taken when it began.
    pub(crate) stalled_before: Duration,
}

impl Dialed {
    /// `port` is the one that it connects from.
    pub(crate) fn new(
        request: Request,
        book: &Book,
        port: u16,
        began: Instant,
        stalled_before: Duration,
    ) -> Self {
        let mut candidates = request.candidates(book);
        if request.target == Target::Itself {
            candidates = vec![SocketAddr::new([127, 0, 0, 1].into(), port)];
        }
        Self {
            found: request.found(book),
            candidates,
            request,
            began,
            told: 0,
            passed: 0,
            begun: Vec::new(),
            failed: Vec::new(),
            slow: 0,
            may_fail: book.is_unreliable.get(),
            lookup_failed: false,
            stalled_before,
        }
    }

    /// Where it leads, if that is known from the beginning.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self.request.target {
            Target::Address(address) => Some(address),
            Target::Name(_) | Target::Itself => None,
        }
    }

    /// `stalled` is the time that callbacks have taken.
    pub(crate) fn looked_up(
        &mut self,
        host: &str,
        found: Result<IpAddr, &Error>,
        now: Instant,
        stalled: Duration,
    ) {
        let Target::Name(name) = &self.request.target else {
            panic!("S2: a lookup of what is no name: {self:?}");
        };
        assert_eq!(host, name, "S6: another name's answer: {self:?}");
        assert_eq!(self.passed, 0, "S2: a lookup behind an attempt: {self:?}");
        match found {
            Ok(address) => {
                let late = now.duration_since(self.began);
                assert!(
                    late <= self.request.lookup_timeout + Duration::from_millis(50) + stalled
                        - self.stalled_before,
                    "L: an answer that nobody waits for any more, after {late:?}: {self:?}"
                );
                let expected = self.found.get(self.told);
                assert_eq!(Some(&address), expected, "S6: another answer: {self:?}");
                self.told += 1;
            }
            Err(error) => {
                let waited = now.duration_since(self.began);
                let is_due = match error.kind() {
                    ErrorKind::TimedOut => waited >= self.request.lookup_timeout,
                    ErrorKind::NotFound => self.candidates.is_empty(),
                    _ => self.may_fail,
                };
                assert!(is_due, "S2: a lookup that fails with {error}: {self:?}");
                self.lookup_failed = true;
            }
        }
    }

    pub(crate) fn attempted(&mut self, address: SocketAddr, now: Instant) {
        assert_eq!(
            self.told,
            self.found.len(),
            "S2: before its lookup: {self:?}"
        );
        assert!(
            !self.is_blocked(address),
            "S2: {address} is blocked: {self:?}"
        );
        self.pass(address);
        self.begun.push(address);
        // Each beyond the first is there because another has failed, or since a whole delay has passed.
        let waited = now.duration_since(self.began).as_nanos() / self.request.delay.as_nanos();
        assert!(
            (self.passed - 1 - self.failed.len()) as u128 <= waited,
            "S7: an attempt too early: {self:?}"
        );
    }

    pub(crate) fn attempt_failed(&mut self, address: SocketAddr) {
        if self.is_blocked(address) {
            self.pass(address);
        } else {
            let is_under_way = self.begun.contains(&address) && !self.failed.contains(&address);
            assert!(is_under_way, "S2: {address} cannot fail: {self:?}");
        }
        self.failed.push(address);
    }

    pub(crate) fn attempt_is_slow(&mut self, address: SocketAddr, now: Instant) {
        self.slow += 1;
        let delays = self.request.delay * u32::try_from(self.slow).unwrap();
        assert!(
            now.duration_since(self.began) >= delays,
            "S7: slow too early: {self:?}"
        );
        assert!(
            self.begun.last() == Some(&address) && !self.failed.contains(&address),
            "S2: {address} is slow: {self:?}"
        );
        assert!(
            self.passed < self.candidates.len(),
            "S2: the last one is slow: {self:?}"
        );
    }

    pub(crate) fn connected(&self, local: SocketAddr, peer: SocketAddr, told: &[SocketAddr]) {
        assert_ne!(local, peer, "S2: connected to itself: {self:?}");
        assert!(
            self.begun.contains(&peer) && !self.failed.contains(&peer),
            "S2: connected to {peer}: {self:?}"
        );
        let expected: &[SocketAddr] = match self.candidates.len() {
            0 | 1 => &[],
            _ => &self.begun,
        };
        assert_eq!(told, expected, "the attempts: {self:?}");
    }

    /// It is not, and never will be. What is queued too much ends it for another reason.
    pub(crate) fn failed(&self, error: &Error, now: Instant) {
        if error.code() == Error::QUEUE_LIMIT {
            return;
        }
        if self.lookup_failed {
            assert_eq!(
                self.passed, 0,
                "S2: an attempt without an address: {self:?}"
            );
            return;
        }
        let is_timeout = error.kind() == ErrorKind::TimedOut
            && error.raw_os_error().is_none()
            && error.attempts().is_empty();
        if is_timeout {
            assert!(
                now.duration_since(self.began) >= self.request.timeout,
                "S7: a timeout too early: {self:?}"
            );
            return;
        }
        let was_reset = matches!(error.code(), "ECONNRESET" | "EPIPE");
        if was_reset && error.attempts().is_empty() {
            // It was taken, and reset before that could be told.
            return;
        }
        assert_eq!(
            self.failed.len(),
            self.candidates.len(),
            "S2: given up with {error} before all have failed: {self:?}"
        );
        let several = self.candidates.len() > 1;
        let attempts: Vec<_> = error.attempts().iter().filter_map(Error::address).collect();
        let expected = self.candidates.iter().map(SocketAddr::ip);
        assert!(
            attempts.is_empty() && !several || attempts.iter().copied().eq(expected),
            "{error} tells other attempts: {self:?}"
        );
    }

    /// The most attempts that may be under way.
    pub(crate) fn most_attempts(&self) -> usize {
        self.candidates.len() - self.failed.len()
    }

    /// The time by which this connect must have come to its end.
    pub(crate) fn deadline(&self) -> Instant {
        self.began + self.request.timeout + Duration::from_secs(1)
    }

    fn is_blocked(&self, address: SocketAddr) -> bool {
        self.request.blocked == Some(address.ip())
    }

    /// `address` is the next of those to be tried.
    fn pass(&mut self, address: SocketAddr) {
        let expected = self.candidates.get(self.passed);
        assert_eq!(Some(&address), expected, "S2: another one's turn: {self:?}");
        self.passed += 1;
    }
}
