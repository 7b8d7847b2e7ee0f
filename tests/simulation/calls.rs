//! The calls on sockets that workloads make, each with its entry in the books.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use netloop::{Flow, Socket};

use super::checker::{LONGEST_WRITE, World};
use super::ledger::Ledger;

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
    if it.tokens.wants_more() && flow != Flow::Closed && it.sent % 3 == 0 {
        let token = it.tokens.ask(it.sent, flow == Flow::Ended);
        socket.notify_when_sent(token);
    }
    flow
}

pub(crate) fn set_idle_timeout(
    socket: &mut Socket<'_>,
    world: &World,
    side: usize,
    timeout: Duration,
) {
    let is_open = !socket.is_destroyed();
    socket.set_idle_timeout(timeout);
    if is_open {
        let mut ledger = world.ledger.borrow_mut();
        ledger.sides[side].idling.restart(world.time());
    }
}

/// Arms the timer `token` of `side`, or moves it.
pub(crate) fn arm(
    socket: &mut Socket<'_>,
    world: &World,
    side: usize,
    token: u64,
    after: Duration,
) {
    let now = world.time();
    socket.after(after, token);
    if !socket.is_destroyed() {
        let mut ledger = world.ledger.borrow_mut();
        let step = ledger.steps;
        let timers = &mut ledger.sides[side].timers;
        timers.arm(token, now + after, now, step);
    }
}

pub(crate) fn disarm(socket: &mut Socket<'_>, world: &World, side: usize, token: u64) {
    let mut ledger = world.ledger.borrow_mut();
    let step = ledger.steps;
    let timers = &mut ledger.sides[side].timers;
    let was_armed = timers.disarm(token, world.time(), step);
    let is_open = !socket.is_destroyed();
    assert_eq!(
        socket.cancel(token),
        was_armed && is_open,
        "S7: whether {token} was armed"
    );
}

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
