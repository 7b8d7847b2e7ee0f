//! More clients than there are descriptors for: they come, stay, go in all ways there are, and come again.

use std::rc::Rc;
use std::time::Duration;

use netloop::{Context, LoopContext, SocketId};

use super::calls::{destroy, end, set_idle_timeout, write};
use super::checker::{Behaviour, LONGEST_WRITE, World};
use super::connecting::connect;

/// Asks an [`Echo`](super::workloads::Echo) for as many bytes as it was told to, stays for a while, goes, and comes
/// again. It may also lose its patience at any time.
pub(crate) struct Guest {
    length: usize,
    awaited: usize,
}

impl Guest {
    pub(crate) fn new(length: usize) -> Self {
        Self {
            length: length.clamp(1, LONGEST_WRITE),
            awaited: 0,
        }
    }

    /// Does something rash, now and then.
    fn lose_patience(&self, cx: &mut Context<'_, World>, side: usize) {
        let ledger = Rc::clone(&cx.shared.ledger);
        match cx.shared.random.u32(..40) {
            0 => destroy(&mut cx.socket, &ledger, side),
            1 => {
                let _ = cx.socket.reset();
                ledger.borrow_mut().sides[side].was_cut = true;
            }
            2 => {
                let after = Duration::from_micros(cx.shared.random.u64(..50_000));
                set_idle_timeout(&mut cx.socket, cx.shared, side, after);
            }
            3 => end(&mut cx.socket, &ledger, side),
            _ => {}
        }
    }
}

impl Behaviour for Guest {
    fn dialing(&mut self, cx: &mut Context<'_, World>, side: usize) {
        self.lose_patience(cx, side);
    }

    fn connected(&mut self, cx: &mut Context<'_, World>, side: usize) {
        self.awaited = self.length;
        let _ = write(&mut cx.socket, &cx.shared.ledger, side, self.length);
        self.lose_patience(cx, side);
    }

    fn data(&mut self, cx: &mut Context<'_, World>, side: usize, data: &[u8]) {
        self.awaited = self.awaited.saturating_sub(data.len());
        if self.awaited == 0 {
            let stay = Duration::from_millis(cx.shared.random.u64(..1_500));
            let id = cx.socket.id();
            cx.after(stay, move |cx| go(cx, id, side));
        }
        self.lose_patience(cx, side);
    }

    fn ended(&mut self, cx: &mut Context<'_, World>, side: usize) {
        if cx.socket.allows_half_open() {
            end(&mut cx.socket, &cx.shared.ledger, side);
        }
    }

    fn closed(&mut self, cx: &mut Context<'_, World>, _side: usize) {
        if cx.shared.fuel == 0 {
            return;
        }
        cx.shared.fuel -= 1;
        let pause = Duration::from_millis(cx.shared.random.u64(..200));
        let length = self.length;
        cx.after(pause, move |cx| come(cx, length));
    }
}

fn come(cx: &mut LoopContext<'_, World>, length: usize) {
    let (request, options) = (cx.shared.request(), cx.shared.options.clone());
    connect(cx, request, options, Guest::new(length));
}

fn go(cx: &mut LoopContext<'_, World>, id: SocketId, side: usize) {
    let ledger = Rc::clone(&cx.shared.ledger);
    let socket = &mut cx.sockets.socket(id);
    match cx.shared.random.u32(..4) {
        0 => destroy(socket, &ledger, side),
        _ => end(socket, &ledger, side),
    }
}

/// Wants to be connected, and says so in the books; then goes.
pub(crate) struct Probe;

impl Behaviour for Probe {
    fn connected(&mut self, cx: &mut Context<'_, World>, side: usize) {
        end(&mut cx.socket, &cx.shared.ledger, side);
    }

    fn data(&mut self, _cx: &mut Context<'_, World>, _side: usize, _data: &[u8]) {}
}

/// Comes, and stays.
pub(crate) struct Besieger;

impl Behaviour for Besieger {
    fn data(&mut self, _cx: &mut Context<'_, World>, _side: usize, _data: &[u8]) {}
}
