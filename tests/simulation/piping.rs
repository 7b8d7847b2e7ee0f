//! A server that pipes each of its clients to another server: the loop itself passes everything on.

use netloop::Context;
use netloop::simulation::Host;

use super::checker::{Behaviour, World};
use super::connecting::connect;
use super::ledger::Ledger;
use super::requests::Request;

/// The most bytes that a pipe queues between two looks at it: those of one read.
pub(crate) const READ_BYTES: usize = 128 << 10;

/// One end of a pipe. The end that was accepted makes the other one, before or after it is connected itself.
pub(crate) struct Plumber {
    pub(crate) is_accepted: bool,
}

impl Behaviour for Plumber {
    fn connected(&mut self, cx: &mut Context<'_, World>, side: usize) {
        if !self.is_accepted {
            return;
        }
        let options = cx.shared.options.clone();
        let request = Request::to(cx.shared.server);
        let (id, other) = connect(cx, request, options, Self { is_accepted: false });
        {
            let mut ledger = cx.shared.ledger.borrow_mut();
            let (new, link) = (ledger.sides[other].link, ledger.sides[side].link);
            ledger.alias(new, link);
            ledger.sides[side].is_piped = true;
            ledger.sides[other].is_piped = true;
        }
        let here = cx.socket.id();
        assert!(cx.as_loop().pipe_both(here, id), "both are there");
    }

    fn data(&mut self, _cx: &mut Context<'_, World>, _side: usize, data: &[u8]) {
        panic!("{} bytes of a pipe are told to a handler", data.len());
    }
}

/// Enters the queues of the pipes in the books, which know the writes of handlers only.
pub(crate) fn note_queues(hosts: &mut [Host<World>], ledger: &mut Ledger) {
    for host in hosts {
        for &(id, side) in &host.shared.sides {
            if ledger.sides[side].is_piped && ledger.sides[side].reason.is_none() {
                let queued = host.event_loop.socket(id).queued_bytes() + READ_BYTES;
                ledger.note_queued(side, queued);
            }
        }
    }
}
