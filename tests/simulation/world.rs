//! The state of one loop of a run.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use netloop::simulation::Handle;
use netloop::{SocketId, SocketOptions};

use super::filtering::Filters;
use super::hooking::Hooked;
use super::in_order::InOrder;
use super::ledger::Ledger;
use super::requests::{Book, Request};

/// The most by which a timer may be late: its tick, and the turns that other work takes.
const LATEST: Duration = Duration::from_millis(10);

/// The longest delay of a socket's timer by reads without memory: four rests of 10, 20, 40 and 80 ms, and a tick for
/// each.
const RESTS: Duration = Duration::from_millis(154);

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
    /// The filters of all sockets of the run.
    pub(crate) filters: Filters,
    pub(crate) max_queued: usize,
    /// From how many queued bytes on a write answers `Full`.
    pub(crate) high_water: usize,
    /// The longest piece that is worth writing, given how much the network takes at a time.
    pub(crate) longest: usize,
    /// The sockets of the loop that ever were, with their sides.
    pub(crate) sides: Vec<(SocketId, usize)>,
    /// The handle to the simulation; `None` on real sockets.
    pub(crate) handle: Option<Handle>,
    /// Whether callbacks take time.
    pub(crate) stalls: bool,
    /// Whether no callback of the run takes time, so that timers come when they are due.
    pub(crate) is_punctual: bool,
    /// Whether reads and writes may find no memory.
    pub(crate) is_short_of_memory: bool,
    /// The calls of the loop's hooks, if it has some.
    pub(crate) hooked: Option<Hooked>,
    pub(crate) deferred: InOrder,
    pub(crate) posted: InOrder,
    /// The time that callbacks and stalls of this run had taken when the last callback began.
    pub(crate) stalled: Duration,
    /// The work that is left: it keeps a workload from going on for ever.
    pub(crate) fuel: u32,
}

impl World {
    /// The time, which a callback may have moved on.
    pub(crate) fn time(&self) -> Instant {
        self.handle.as_ref().map_or_else(Instant::now, Handle::now)
    }

    /// S7: a timer of the loop that was due at `due` comes: not early, and late only if something has kept the loop.
    pub(crate) fn check_due(&self, due: Instant) {
        self.check_late(due, LATEST);
    }

    /// S7: the same for a timer of a socket, which is told behind the bytes that came before it.
    pub(crate) fn check_due_of_socket(&self, due: Instant) {
        let rests = match self.is_short_of_memory {
            true => RESTS,
            false => Duration::ZERO,
        };
        self.check_late(due, LATEST + rests);
    }

    fn check_late(&self, due: Instant, latest: Duration) {
        let now = self.time();
        assert!(now >= due, "S7: a timer came {:?} early", due - now);
        assert!(
            !self.is_punctual || now - due <= latest,
            "S7: a timer came {:?} late",
            now - due
        );
    }

    /// Takes some time, now and then, as a callback that computes.
    pub(super) fn work(&mut self) {
        let Some(handle) = self.handle.as_ref().filter(|_| self.stalls) else {
            return;
        };
        if self.random.u32(..8) > 0 {
            return;
        }
        let most = self.random.choice([20, 1_000, 20_000]).unwrap();
        let time = Duration::from_micros(self.random.u64(..most));
        self.ledger.borrow_mut().stalled += time;
        handle.pass(time);
    }

    /// The next place for a callback of this loop to connect to: the server, or any place of the book.
    pub(crate) fn request(&mut self) -> Request {
        if self.book.is_empty() {
            return Request::to(self.server);
        }
        Request::random(&self.book, &mut self.random)
    }
}
