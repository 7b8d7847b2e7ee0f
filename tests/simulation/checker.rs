//! The one checker: a handler around every handler of a workload, which sees to it that the loop keeps its promises at
//! every callback. Checks and planted faults cite the promises by their numbers:
//!
//! - S1: received bytes are the sent ones, in order and before the end.
//! - S2: the events of a socket come in the order of its life, and `on_close` once and last.
//! - S3: each token is told once and in order, and an error at most once.
//! - S4: queues keep to their limits, and the counts of bytes are right.
//! - S5: a dead id reaches no socket.
//! - S6: an event reaches its own socket, with its own answer.
//! - S7: a timer comes once, never early, and not after it was cancelled.
//! - S8: servers keep to their limits on connections.
//! - S9: no callback comes within another.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use std::net::SocketAddr;

use netloop::{CloseReason, Context, Error, Flow, Socket, SocketHandler, SocketId, State};

use super::calls::destroy;
use super::dialed::Dialed;
use super::filtering::seen;
use super::ledger::Ledger;
use super::ledger::Phase::{self, Connected, Ended, Failed, New};

pub(crate) use super::world::World;

/// No workload writes more than this in one piece.
pub(crate) const LONGEST_WRITE: usize = 64 << 10;

/// The behaviour of a workload's socket. All methods come with the checker's records of the socket.
pub(crate) trait Behaviour: 'static {
    /// Something is told of the connect before it has come to its end.
    fn dialing(&mut self, _cx: &mut Context<'_, World>, _side: usize) {}
    fn connected(&mut self, _cx: &mut Context<'_, World>, _side: usize) {}
    fn data(&mut self, cx: &mut Context<'_, World>, side: usize, data: &[u8]);
    fn drained(&mut self, _cx: &mut Context<'_, World>, _side: usize) {}
    fn ended(&mut self, _cx: &mut Context<'_, World>, _side: usize) {}
    fn timed_out(&mut self, cx: &mut Context<'_, World>, side: usize) {
        destroy(&mut cx.socket, &cx.shared.ledger, side);
    }
    fn sent(&mut self, _cx: &mut Context<'_, World>, _side: usize) {}
    fn timer(&mut self, _cx: &mut Context<'_, World>, _side: usize, _token: u64) {}
    fn closed(&mut self, _cx: &mut Context<'_, World>, _side: usize) {}
}

/// The bytes that have moved between a socket and its kernel, in both directions together.
pub(crate) fn moved_bytes(socket: &Socket<'_>) -> u64 {
    socket.bytes_read() + socket.bytes_written() - socket.queued_bytes() as u64
}

pub(crate) struct Checked<B> {
    /// Shared by a handler that replaces itself and the one that it makes.
    behaviour: Rc<RefCell<B>>,
    side: usize,
    /// Known from the first callback on (S6).
    id: Option<SocketId>,
    ledger: Rc<RefCell<Ledger>>,
    /// Whether it uses a few bytes at a time, and replaces itself for the rest.
    carries: bool,
}

impl<B: Behaviour> Checked<B> {
    pub(crate) fn new(ledger: &Rc<RefCell<Ledger>>, side: usize, behaviour: B) -> Self {
        ledger.borrow_mut().handlers += 1;
        Self {
            behaviour: Rc::new(RefCell::new(behaviour)),
            side,
            id: None,
            ledger: Rc::clone(ledger),
            // Few: each of their bytes is told and moved several times.
            carries: side % 8 == 7,
        }
    }

    /// A handler that takes the place of this one, and goes on where it was.
    fn successor(&self) -> Self {
        self.ledger.borrow_mut().handlers += 1;
        Self {
            behaviour: Rc::clone(&self.behaviour),
            side: self.side,
            id: self.id,
            ledger: Rc::clone(&self.ledger),
            carries: self.carries,
        }
    }

    fn enter(&mut self, cx: &mut Context<'_, World>, name: &str, allowed: &[Phase]) {
        cx.shared.work();
        let mut ledger = self.ledger.borrow_mut();
        cx.shared.stalled = ledger.stalled;
        ledger.callbacks += 1;
        if let Some(handle) = cx.shared.handle.as_ref().filter(|_| ledger.is_logged) {
            handle.note(&format!("side {} is told {name}", self.side));
        }
        assert!(!ledger.is_calling, "S9: a callback within a callback");
        ledger.is_calling = true;
        let id = cx.socket.id();
        assert_eq!(*self.id.get_or_insert(id), id, "S6: another socket's event");
        let seen = seen(&cx.socket);
        ledger.sides[self.side].seen = seen;
        let side = &ledger.sides[self.side];
        let side_is_accepted = side.end == 1;
        assert!(
            allowed.contains(&side.phase),
            "S2: {name} in phase {:?}: {side:?}",
            side.phase
        );
        assert!(
            !side.tokens.is_abandoned() || matches!(name, "on_sent" | "on_close"),
            "S3: {name} behind a token that was given up: {side:?}"
        );
        let queued = cx.socket.queued_bytes() as u64;
        assert!(
            queued <= cx.shared.max_queued.max(LONGEST_WRITE) as u64,
            "S4: {queued} bytes are queued: {side:?}"
        );
        if let Some(peer) = ledger.peer_of(self.side).filter(|_| !side.is_piped) {
            assert!(
                peer.received + queued <= side.sent + side.refused + cx.shared.filters.most_ahead(),
                "S4: {queued} bytes are queued of {side:?}, {peer:?}"
            );
        }
        // S5: a dead id reaches no socket.
        if !ledger.dead.is_empty() {
            let chosen = cx.shared.random.usize(..ledger.dead.len());
            let (number, dead) = ledger.dead[chosen];
            if number == cx.shared.number {
                let mut dead = cx.socket.socket(dead);
                assert_eq!(dead.state(), State::Closed, "S5");
                assert_eq!(dead.write(b"nobody"), Flow::Closed, "S5");
            }
        }
        if ledger.open.insert((cx.shared.number, id)) && side_is_accepted && name != "on_close" {
            cx.shared.sides.push((id, self.side));
        }
    }

    /// Records an event of the connect.
    fn tell(
        &mut self,
        cx: &mut Context<'_, World>,
        name: &str,
        note: impl FnOnce(&mut Dialed, &mut Context<'_, World>),
    ) {
        self.enter(cx, name, &[New]);
        if let Some(dialed) = &mut self.ledger.borrow_mut().sides[self.side].dialed {
            note(dialed, cx);
        }
        self.behaviour.borrow_mut().dialing(cx, self.side);
        self.leave(cx);
    }

    /// L: a connect comes to its end, one way or the other, and in time.
    fn check_patience(&self, now: Instant) {
        let ledger = self.ledger.borrow();
        let it = &ledger.sides[self.side];
        if let Some(dialed) = it.dialed.as_ref().filter(|_| it.phase == New) {
            let stalled = ledger.stalled - dialed.stalled_before;
            assert!(
                now <= dialed.deadline() + stalled,
                "L: a late end of a connect, {:?} late: {it:?}",
                now - dialed.deadline()
            );
        }
    }

    fn leave(&self, cx: &Context<'_, World>) {
        let mut ledger = self.ledger.borrow_mut();
        ledger.is_calling = false;
        let queued = cx.socket.queued_bytes();
        assert!(
            queued <= cx.shared.max_queued.max(LONGEST_WRITE),
            "S4: {queued} bytes are queued"
        );
    }

    fn advance(&self, phase: Phase) {
        self.ledger.borrow_mut().sides[self.side].phase = phase;
    }
}

impl<B> Drop for Checked<B> {
    fn drop(&mut self) {
        self.ledger.borrow_mut().handlers -= 1;
    }
}

impl<B: Behaviour> SocketHandler<World> for Checked<B> {
    fn on_lookup(
        &mut self,
        cx: &mut Context<'_, World>,
        host: &str,
        found: Result<SocketAddr, &Error>,
    ) {
        self.tell(cx, "on_lookup", |dialed, cx| {
            let stalled = cx.shared.stalled;
            dialed.looked_up(host, found.map(|found| found.ip()), cx.now(), stalled);
        });
    }

    fn on_connection_attempt(&mut self, cx: &mut Context<'_, World>, address: SocketAddr) {
        self.tell(cx, "on_connection_attempt", |dialed, cx| {
            dialed.attempted(address, cx.now());
        });
    }

    fn on_connection_attempt_failed(
        &mut self,
        cx: &mut Context<'_, World>,
        address: SocketAddr,
        _error: &Error,
    ) {
        self.tell(cx, "on_connection_attempt_failed", |dialed, _| {
            dialed.attempt_failed(address);
        });
    }

    fn on_connection_attempt_slow(&mut self, cx: &mut Context<'_, World>, address: SocketAddr) {
        self.tell(cx, "on_connection_attempt_slow", |dialed, cx| {
            dialed.attempt_is_slow(address, cx.now());
        });
    }

    fn on_connect(&mut self, cx: &mut Context<'_, World>) {
        self.enter(cx, "on_connect", &[New]);
        self.check_patience(cx.now());
        {
            let mut ledger = self.ledger.borrow_mut();
            let side = &mut ledger.sides[self.side];
            side.was_connected = true;
            side.idling.connected();
            if let Some(dialed) = &mut side.dialed {
                let local = cx.socket.local_address().unwrap();
                let peer = cx.socket.peer_address().unwrap();
                dialed.connected(local, peer, &cx.socket.attempted_addresses());
                assert!(side.address.is_none_or(|it| it == peer), "{side:?}");
                side.address = Some(peer);
            }
        }
        self.advance(Connected);
        self.behaviour.borrow_mut().connected(cx, self.side);
        self.leave(cx);
    }

    fn on_data(&mut self, cx: &mut Context<'_, World>, data: &[u8]) {
        self.enter(cx, "on_data", &[Connected]);
        assert!(!data.is_empty() && !cx.socket.is_paused(), "S2: {data:?}");
        let most = data.len().min(8 + data.len() / 8);
        let used = match self.carries {
            true => cx.shared.random.usize(1..=most),
            false => data.len(),
        };
        {
            let mut ledger = self.ledger.borrow_mut();
            let has_deadline =
                cx.socket.idle_timeout().is_some() || ledger.sides[self.side].has_ended;
            ledger.check_fairness(self.side, cx.now(), has_deadline);
            ledger.deliver(self.side, &data[..used]);
            if !ledger.sides[self.side].is_carrying() {
                ledger.sides[self.side].idling.restart(cx.now());
            }
            ledger.sides[self.side].note_carried(data.len() - used);
        }
        self.behaviour
            .borrow_mut()
            .data(cx, self.side, &data[..used]);
        if used < data.len() {
            // The bytes behind come again, and count for the burst (I9). No random number chooses between the two ways, so
            // that the seeds stay as they were.
            let rest = &data[used..];
            if rest.len() % 2 == 0 {
                cx.socket.unread(rest);
            } else if cx.replace_handler(cx.socket.id(), self.successor(), rest) {
                // The timers go with the handler that has armed them.
                let mut ledger = self.ledger.borrow_mut();
                let step = ledger.steps;
                let now = cx.shared.time();
                ledger.sides[self.side].timers.clear(now, step);
            }
        }
        self.leave(cx);
    }

    fn on_drain(&mut self, cx: &mut Context<'_, World>) {
        self.enter(cx, "on_drain", &[Connected, Ended]);
        {
            let mut ledger = self.ledger.borrow_mut();
            let side = &mut ledger.sides[self.side];
            let is_due = side.is_full && !side.has_ended || side.is_piped;
            assert!(is_due, "S2: drained {side:?}");
            side.is_full = false;
        }
        self.behaviour.borrow_mut().drained(cx, self.side);
        self.leave(cx);
    }

    fn on_sent(&mut self, cx: &mut Context<'_, World>, token: u64, sent: Result<(), &Error>) {
        self.enter(cx, "on_sent", &[New, Connected, Ended, Failed]);
        {
            let mut ledger = self.ledger.borrow_mut();
            let side = &mut ledger.sides[self.side];
            let written = side.sent + side.refused;
            let taken = written.saturating_sub(cx.socket.queued_bytes() as u64);
            side.tokens.told(token, sent, taken, side.phase);
        }
        self.behaviour.borrow_mut().sent(cx, self.side);
        self.leave(cx);
    }

    fn on_end(&mut self, cx: &mut Context<'_, World>) {
        self.enter(cx, "on_end", &[Connected]);
        assert!(
            !cx.socket.is_paused() || !cx.socket.is_writable(),
            "S2: an end while paused, although this side has not ended"
        );
        {
            let mut ledger = self.ledger.borrow_mut();
            ledger.check_end(self.side, cx.shared.filters.mark_the_end());
            let side = &mut ledger.sides[self.side];
            side.saw_end = true;
            side.idling.restart(cx.now());
        }
        self.advance(Ended);
        self.behaviour.borrow_mut().ended(cx, self.side);
        if !cx.socket.allows_half_open() {
            self.ledger.borrow_mut().sides[self.side].has_ended = true;
        }
        self.leave(cx);
    }

    fn on_timeout(&mut self, cx: &mut Context<'_, World>) {
        self.enter(cx, "on_timeout", &[New, Connected, Ended]);
        {
            let timeout = cx.socket.idle_timeout();
            // Bytes on the wire are activity too, and nothing need come of them.
            let is_exact = !cx.shared.filters.mark_the_end();
            let moved = moved_bytes(&cx.socket);
            let mut ledger = self.ledger.borrow_mut();
            let side = &mut ledger.sides[self.side];
            side.idling.told(cx.shared.time(), timeout, moved, is_exact);
            ledger.timed_out.push(self.side);
        }
        self.behaviour.borrow_mut().timed_out(cx, self.side);
        self.leave(cx);
    }

    fn on_timer(&mut self, cx: &mut Context<'_, World>, token: u64) {
        self.enter(cx, "on_timer", &[New, Connected, Ended]);
        {
            let mut ledger = self.ledger.borrow_mut();
            let step = ledger.steps;
            let timers = &mut ledger.sides[self.side].timers;
            let due = timers.told(token, cx.shared.time(), step);
            cx.shared.check_due_of_socket(due);
        }
        self.behaviour.borrow_mut().timer(cx, self.side, token);
        self.leave(cx);
    }

    fn on_error(&mut self, cx: &mut Context<'_, World>, error: &Error) {
        self.enter(cx, "on_error", &[New, Connected, Ended]);
        self.check_patience(cx.now());
        {
            let mut ledger = self.ledger.borrow_mut();
            let side = &mut ledger.sides[self.side];
            side.has_error = true;
            if let Some(dialed) = side.dialed.as_ref().filter(|_| side.phase == New) {
                if !cx.shared.filters.may_fail_with(error) {
                    dialed.failed(error, cx.now());
                }
            }
        }
        self.advance(Failed);
        self.leave(cx);
    }

    fn on_close(&mut self, cx: &mut Context<'_, World>, reason: CloseReason) {
        self.enter(cx, "on_close", &[New, Connected, Ended, Failed]);
        {
            let mut ledger = self.ledger.borrow_mut();
            let queued = cx.socket.queued_bytes();
            let side = &mut ledger.sides[self.side];
            if reason.is_failure() {
                assert!(side.has_error, "S2: {reason:?} without on_error: {side:?}");
            }
            assert!(side.tokens.all_are_told(), "S3: {side:?}");
            let written = cx.socket.bytes_written();
            assert!(
                (side.sent..=side.sent + side.refused).contains(&written) || side.is_piped,
                "S4: {written} bytes count as written: {side:?}"
            );
            assert!(
                side.most_open < cx.shared.high_water,
                "S4: `Open` beyond the mark: {side:?}"
            );
            if reason == CloseReason::Graceful {
                assert_eq!(queued, 0, "S1: bytes were lost: {side:?}");
                let has_ended = side.has_ended || side.is_piped;
                assert!(side.saw_end && has_ended, "S2: {side:?}");
            } else {
                side.was_cut = true;
            }
            side.reason = Some(reason);
            side.phase = Phase::Closed;
            let (end, queued) = (side.end, side.most_queued);
            if end == 1 {
                ledger.accepted_closed += 1;
            }
            ledger.held.close(queued);
            ledger.live[cx.shared.number] -= 1;
            let entry = (cx.shared.number, cx.socket.id());
            ledger.open.remove(&entry);
            ledger.dead.push(entry);
        }
        self.behaviour.borrow_mut().closed(cx, self.side);
        self.ledger.borrow_mut().is_calling = false;
    }
}
