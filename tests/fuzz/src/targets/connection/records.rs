//! The records of one side of a connection, which know the events that may come next.

use std::collections::{BTreeSet, VecDeque};

use netloop::{CloseReason, Flow, SocketId};

/// The place after which the stream of bytes begins anew. A prime, so that no length of a buffer hides a shift.
pub(crate) const PERIOD: usize = 65_521;

/// The events that a socket was told so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    New,
    Connected,
    Ended,
    Failed,
    Closed,
}

/// One side of a connection.
#[derive(Debug)]
pub(crate) struct Side {
    number: usize,
    pub(crate) id: Option<SocketId>,
    pub(crate) phase: Phase,
    /// The bytes that writes have accepted.
    written: u64,
    pub(crate) received: u64,
    /// Whether this side was told to end, or has ended because the peer did.
    pub(crate) has_ended: bool,
    /// Whether bytes of this side may be lost.
    pub(crate) was_cut: bool,
    /// Whether a write has answered `Full` since the last `on_drain`.
    is_full: bool,
    saw_end: bool,
    has_failed: bool,
    /// The tokens that are not told yet, with the number of bytes before each.
    tokens: VecDeque<(u64, u64)>,
    next_token: u64,
    pub(crate) timers: BTreeSet<u64>,
}

impl Side {
    pub(crate) fn new(number: usize) -> Self {
        Self {
            number,
            id: None,
            phase: Phase::New,
            written: 0,
            received: 0,
            has_ended: false,
            was_cut: false,
            is_full: false,
            saw_end: false,
            has_failed: false,
            tokens: VecDeque::new(),
            next_token: 0,
            timers: BTreeSet::new(),
        }
    }

    /// The stream of this side, and the place in it that is written next.
    pub(crate) fn place(&self) -> (usize, usize) {
        let place = usize::try_from(self.written % PERIOD as u64).expect("the period is short");
        (self.number, place)
    }

    pub(crate) fn next_bytes(&self, length: usize) -> Vec<u8> {
        (0..length as u64)
            .map(|place| stream(self.number, self.written + place))
            .collect()
    }

    pub(crate) fn wrote(&mut self, length: usize, flow: Flow) {
        if flow.is_accepted() {
            self.written += length as u64;
            self.is_full |= flow == Flow::Full;
            assert!(
                length == 0 || !self.has_ended,
                "accepted behind the end: {self:?}"
            );
        } else if flow == Flow::Ended {
            assert!(self.has_ended, "{self:?}");
        }
    }

    pub(crate) fn enter(&mut self, event: &str, allowed: &[Phase], next: Phase) {
        assert!(allowed.contains(&self.phase), "{event}: {self:?}");
        self.phase = next;
    }

    /// Notes an event of a socket that lives on.
    pub(crate) fn stay(&mut self, event: &str) {
        let allowed = [Phase::New, Phase::Connected, Phase::Ended];
        self.enter(event, &allowed, self.phase);
    }

    pub(crate) fn receive(&mut self, data: &[u8], peer: &Self) {
        self.enter("on_data", &[Phase::Connected], Phase::Connected);
        let expected = (self.received..).map(|place| stream(peer.number, place));
        assert!(
            data.iter().copied().eq(expected.take(data.len())),
            "other bytes: {self:?}"
        );
        self.received += data.len() as u64;
        assert!(self.received <= peer.written, "{self:?} from {peer:?}");
    }

    pub(crate) fn drain(&mut self) {
        self.enter("on_drain", &[Phase::Connected, Phase::Ended], self.phase);
        assert!(self.is_full && !self.has_ended, "drained: {self:?}");
        self.is_full = false;
    }

    /// An end of the peer is told behind all of its bytes.
    pub(crate) fn see_end(&mut self, peer: &Self) {
        self.enter("on_end", &[Phase::Connected], Phase::Ended);
        self.saw_end = true;
        assert!(peer.has_ended || peer.was_cut, "an end of {peer:?}");
        assert!(
            peer.was_cut || self.received == peer.written,
            "{self:?} from {peer:?}"
        );
    }

    pub(crate) fn ask(&mut self) -> u64 {
        self.next_token += 1;
        self.tokens.push_back((self.next_token, self.written));
        self.next_token
    }

    pub(crate) fn sent(&mut self, token: u64, is_sent: bool, queued: u64) {
        assert!(self.phase < Phase::Closed, "on_sent: {self:?}");
        let (next, written) = self.tokens.pop_front().expect("a token is asked for");
        assert_eq!(token, next, "{self:?}");
        assert!(
            !is_sent || self.written - queued >= written,
            "sent too early: {self:?}"
        );
    }

    pub(crate) fn fail(&mut self) {
        let allowed = [Phase::New, Phase::Connected, Phase::Ended];
        self.enter("on_error", &allowed, Phase::Failed);
        self.has_failed = true;
        self.was_cut = true;
    }

    pub(crate) fn close(&mut self, reason: CloseReason, queued: usize) {
        let allowed = [Phase::New, Phase::Connected, Phase::Ended, Phase::Failed];
        self.enter("on_close", &allowed, Phase::Closed);
        assert!(self.tokens.is_empty(), "a token is not told: {self:?}");
        assert!(
            !reason.is_failure() || self.has_failed,
            "{reason:?}: {self:?}"
        );
        if reason == CloseReason::Graceful {
            assert_eq!(queued, 0, "{self:?}");
            assert!(self.saw_end && self.has_ended, "{self:?}");
        } else {
            self.was_cut = true;
        }
        self.timers.clear();
    }

    /// Every side that was told anything was told its close.
    pub(crate) fn check_at_the_end(&self) {
        assert!(self.id.is_none() || self.phase == Phase::Closed, "{self:?}");
    }
}

/// The byte at `place` of the stream of a side.
pub(crate) fn stream(side: usize, place: u64) -> u8 {
    let place = place % PERIOD as u64;
    (place * 7 + place / 251 + 41 * side as u64).to_le_bytes()[0]
}
