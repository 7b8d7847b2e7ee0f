//! The one checker: a handler around every handler of a workload, which sees to it that the loop keeps its promises at
//! every callback (S1 to S9 of the reliability tables).

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use std::net::SocketAddr;

use netloop::{
    CloseReason, Context, Error, Flow, Socket, SocketHandler, SocketId, SocketOptions, State,
};

use super::dialed::Dialed;
use super::ledger::Ledger;
use super::ledger::Phase::{self, Connected, Ended, Failed, New};
use super::requests::{Book, Request};

/// No workload writes more than this in one piece.
pub(crate) const LONGEST_WRITE: usize = 64 << 10;

/// The state that a loop lends to the handlers of a workload.
pub(crate) struct World {
    pub(crate) ledger: Rc<RefCell<Ledger>>,
    /// Which loop it is, of those of the run.
    pub(crate) number: usize,
    pub(crate) random: fastrand::Rng,
    /// Where the server of the workload listens.
    pub(crate) server: SocketAddr,
    /// The other places to connect to.
    pub(crate) book: Rc<Book>,
    pub(crate) options: SocketOptions,
    pub(crate) max_queued: usize,
    /// From how many queued bytes on a write answers `Full`.
    pub(crate) high_water: usize,
    /// The longest piece that is worth writing, given how much the network takes at a time.
    pub(crate) longest: usize,
    /// The sockets of the loop that ever were, with their sides.
    pub(crate) sides: Vec<(SocketId, usize)>,
    /// The work that is left: it keeps a workload from going on for ever.
    pub(crate) fuel: u32,
}

impl World {
    /// The next place for a callback of this loop to connect to: the server, or any place of the book.
    pub(crate) fn request(&mut self) -> Request {
        if self.book.is_empty() {
            return Request::to(self.server);
        }
        Request::random(&self.book, &mut self.random)
    }
}

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
    fn closed(&mut self, _cx: &mut Context<'_, World>, _side: usize) {}
}

/// A handler that is checked.
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
        let mut ledger = self.ledger.borrow_mut();
        ledger.callbacks += 1;
        assert!(!ledger.is_calling, "S9: a callback within a callback");
        ledger.is_calling = true;
        let id = cx.socket.id();
        assert_eq!(*self.id.get_or_insert(id), id, "S6: another socket's event");
        let side = &ledger.sides[self.side];
        let side_is_accepted = side.end == 1;
        assert!(
            allowed.contains(&side.phase),
            "S2: {name} in phase {:?}: {side:?}",
            side.phase
        );
        let queued = cx.socket.queued_bytes() as u64;
        assert!(
            queued <= cx.shared.max_queued.max(LONGEST_WRITE) as u64,
            "S4: {queued} bytes are queued: {side:?}"
        );
        if let Some(peer) = ledger.peer_of(self.side) {
            assert!(
                peer.received + queued <= side.sent + side.refused,
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
            assert!(
                now <= dialed.deadline(),
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
            dialed.looked_up(host, found.map(|found| found.ip()), cx.now());
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
            ledger.check_fairness(self.side, cx.now());
            ledger.deliver(self.side, &data[..used]);
            ledger.sides[self.side].note_carried(data.len() - used);
        }
        self.behaviour
            .borrow_mut()
            .data(cx, self.side, &data[..used]);
        if used < data.len() {
            // The bytes behind come to the next handler, and count for the burst (I9).
            cx.replace_handler(cx.socket.id(), self.successor(), &data[used..]);
        }
        self.leave(cx);
    }

    fn on_drain(&mut self, cx: &mut Context<'_, World>) {
        self.enter(cx, "on_drain", &[Connected, Ended]);
        {
            let mut ledger = self.ledger.borrow_mut();
            let side = &mut ledger.sides[self.side];
            assert!(side.is_full && !side.has_ended, "S2: drained {side:?}");
            side.is_full = false;
        }
        self.behaviour.borrow_mut().drained(cx, self.side);
        self.leave(cx);
    }

    fn on_sent(&mut self, cx: &mut Context<'_, World>, token: u64, sent: Result<(), &Error>) {
        self.enter(cx, "on_sent", &[New, Connected, Ended, Failed]);
        {
            // S3: once each, in order, and true only if all is with the kernel.
            let mut ledger = self.ledger.borrow_mut();
            let side = &mut ledger.sides[self.side];
            assert_eq!(token, side.tokens_told, "S3: {side:?}");
            assert!(token < side.tokens_asked, "S3: {side:?}");
            side.tokens_told += 1;
            assert!(sent.is_err() || side.phase != New, "S3: {side:?}");
        }
        self.behaviour.borrow_mut().sent(cx, self.side);
        self.leave(cx);
    }

    fn on_end(&mut self, cx: &mut Context<'_, World>) {
        self.enter(cx, "on_end", &[Connected]);
        assert!(!cx.socket.is_paused(), "S2: an end while paused");
        {
            let mut ledger = self.ledger.borrow_mut();
            ledger.check_end(self.side);
            ledger.sides[self.side].saw_end = true;
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
        self.behaviour.borrow_mut().timed_out(cx, self.side);
        self.leave(cx);
    }

    fn on_error(&mut self, cx: &mut Context<'_, World>, error: &Error) {
        self.enter(cx, "on_error", &[New, Connected, Ended]);
        self.check_patience(cx.now());
        {
            let ledger = self.ledger.borrow();
            let side = &ledger.sides[self.side];
            if let Some(dialed) = side.dialed.as_ref().filter(|_| side.phase == New) {
                dialed.failed(error, cx.now());
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
                assert_eq!(side.phase, Failed, "S2: {reason:?} without on_error");
            }
            assert_eq!(side.tokens_asked, side.tokens_told, "S3: {side:?}");
            assert!(
                side.most_open < cx.shared.high_water,
                "S4: `Open` beyond the mark: {side:?}"
            );
            if reason == CloseReason::Graceful {
                assert_eq!(queued, 0, "S1: bytes were lost: {side:?}");
                assert!(side.saw_end && side.has_ended, "S2: {side:?}");
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

/// Writes the next `length` bytes of the stream of `side`, in one of the ways there are.
pub(crate) fn write(
    socket: &mut Socket<'_>,
    ledger: &Rc<RefCell<Ledger>>,
    side: usize,
    length: usize,
) -> Flow {
    let mut ledger = ledger.borrow_mut();
    ledger.calls += 1;
    let bytes = ledger.to_send(side, length.min(LONGEST_WRITE));
    let length = bytes.len();
    ledger.say(side, &bytes);
    let flow = match ledger.callbacks % 3 {
        0 => socket.write(&bytes),
        1 => socket.write_owned(bytes),
        _ => socket.write_shared(bytes.into()),
    };
    ledger.note_written(side, length, flow, socket.queued_bytes());
    let it = &mut ledger.sides[side];
    if it.tokens_asked < 20 && flow.is_accepted() && it.sent % 3 == 0 {
        socket.notify_when_sent(it.tokens_asked);
        it.tokens_asked += 1;
    }
    flow
}

/// Ends `side`.
pub(crate) fn end(socket: &mut Socket<'_>, ledger: &Rc<RefCell<Ledger>>, side: usize) {
    socket.end();
    ledger.borrow_mut().sides[side].has_ended = true;
}

/// Lets `side` hold back what it writes.
pub(crate) fn cork(socket: &mut Socket<'_>, ledger: &Rc<RefCell<Ledger>>, side: usize) {
    socket.cork();
    ledger.borrow_mut().sides[side].is_corked = true;
}

/// Lets `side` send what it has held back.
pub(crate) fn uncork(socket: &mut Socket<'_>, ledger: &Rc<RefCell<Ledger>>, side: usize) {
    socket.uncork();
    ledger.borrow_mut().sides[side].is_corked = false;
}

/// Destroys `side`, with whatever it has queued.
pub(crate) fn destroy(socket: &mut Socket<'_>, ledger: &Rc<RefCell<Ledger>>, side: usize) {
    socket.destroy();
    ledger.borrow_mut().sides[side].was_cut = true;
}
