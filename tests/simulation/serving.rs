//! The servers of a run: what they accept, and what they count.

use std::cell::RefCell;
use std::rc::Rc;

use netloop::{
    Accepted, Error, FailedHandshake, LoopContext, OverLimit, ServerHandler, SocketHandler,
};

use super::chaos::Chaos;
use super::checker::{Behaviour, Checked, World};
use super::ledger::Ledger;
use super::limits::{check_refused, check_taken};
use super::piping::Plumber;
use super::room::Member;
use super::workload::Workload;
use super::workloads::{Echo, Firehose, Relay, Sip};

/// Accepts with checked handlers, and counts (S8).
pub(crate) struct Counter {
    pub(crate) workload: Workload,
    pub(crate) is_backend: bool,
    pub(crate) is_closed: bool,
}

impl Counter {
    fn handler(&self, world: &mut World, side: usize) -> Box<dyn SocketHandler<World>> {
        let ledger = &world.ledger;
        let random = &mut world.random;
        match self.workload {
            Workload::Proxy if !self.is_backend => boxed(
                ledger,
                side,
                Relay {
                    other: None,
                    connects: true,
                },
            ),
            Workload::Pipe if !self.is_backend => {
                boxed(ledger, side, Plumber { is_accepted: true })
            }
            Workload::Echo
            | Workload::Pipe
            | Workload::Stalled
            | Workload::Proxy
            | Workload::Shutdown
            | Workload::Crowded
            | Workload::Limited => boxed(ledger, side, Echo),
            Workload::Firehose => boxed(
                ledger,
                side,
                Firehose {
                    left: random.usize(1..world.fuel as usize * 8),
                    piece: random.usize(world.fuel as usize / 10 + 1..world.fuel as usize + 2),
                },
            ),
            Workload::Flood => boxed(ledger, side, Sip { pauses: 3 }),
            Workload::Room => boxed(ledger, side, Member::new()),
            Workload::Chaos | Workload::Dialing => boxed(ledger, side, Chaos::new()),
        }
    }
}

fn boxed<B: Behaviour>(
    ledger: &Rc<RefCell<Ledger>>,
    side: usize,
    behaviour: B,
) -> Box<dyn SocketHandler<World>> {
    Box::new(Checked::new(ledger, side, behaviour))
}

impl ServerHandler<World> for Counter {
    fn on_connection(
        &mut self,
        cx: &mut LoopContext<'_, World>,
        accepted: &Accepted,
    ) -> Option<Box<dyn SocketHandler<World>>> {
        let port = accepted.peer_address.unwrap().port();
        let address = cx.sockets.socket(accepted.id).local_address().unwrap();
        let side = {
            let mut ledger = cx.shared.ledger.borrow_mut();
            assert!(!ledger.is_calling, "S9: on_connection within a callback");
            ledger.live[cx.shared.number] += 1;
            ledger.open_accepted(port, address, cx.now())
        };
        check_taken(cx, accepted.server);
        Some(self.handler(cx.shared, side))
    }

    fn on_over_limit(&mut self, cx: &mut LoopContext<'_, World>, refused: &OverLimit) {
        check_refused(cx, refused);
        let count = usize::try_from(refused.refused).unwrap();
        cx.shared.ledger.borrow_mut().refused += count;
    }

    fn on_handshake_failed(&mut self, cx: &mut LoopContext<'_, World>, failed: &FailedHandshake) {
        cx.shared.work();
        let mut ledger = cx.shared.ledger.borrow_mut();
        assert!(
            !ledger.is_calling,
            "S9: on_handshake_failed within a callback"
        );
        assert!(!self.is_closed, "S2: a handshake of a closed server");
        let error = &failed.error;
        let code = error.code();
        assert!(
            cx.shared.filters.may_fail_with(error)
                || matches!(code, "ECONNRESET" | "EPIPE" | "ETIMEDOUT" | "ENOBUFS"),
            "S2: a handshake fails with {error}"
        );
        ledger.callbacks += 1;
        ledger.failed_handshakes += 1;
    }

    fn on_close(&mut self, cx: &mut LoopContext<'_, World>) {
        assert!(!self.is_closed, "S2: a server closes twice");
        self.is_closed = true;
        cx.shared.ledger.borrow_mut().servers_closed += 1;
    }

    fn on_error(&mut self, cx: &mut LoopContext<'_, World>, error: &Error) {
        let code = error.code();
        assert!(
            matches!(code, "EMFILE" | "ENFILE"),
            "a server fails with {error}"
        );
        cx.shared.ledger.borrow_mut().server_errors += 1;
    }
}
