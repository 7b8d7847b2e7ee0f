//! The simple workloads of programs, each hard on another part of the loop.

use std::time::Duration;

use netloop::{Context, Flow, SocketId};

use super::calls::{destroy, end, write};
use super::checker::{Behaviour, LONGEST_WRITE, World};
use super::connecting::connect;
use super::requests::Request;

/// Sends back what comes, and stops reading while it cannot.
pub(crate) struct Echo;

impl Behaviour for Echo {
    fn data(&mut self, cx: &mut Context<'_, World>, side: usize, data: &[u8]) {
        for piece in data.chunks(LONGEST_WRITE) {
            if write(&mut cx.socket, &cx.shared.ledger, side, piece.len()) == Flow::Full {
                cx.socket.pause();
            }
        }
    }

    fn drained(&mut self, cx: &mut Context<'_, World>, _side: usize) {
        cx.socket.resume();
    }

    fn ended(&mut self, cx: &mut Context<'_, World>, side: usize) {
        if cx.socket.allows_half_open() {
            end(&mut cx.socket, &cx.shared.ledger, side);
        }
    }
}

/// Asks an [`Echo`], and asks again when the whole answer is there; then ends.
pub(crate) struct Ask {
    pub(crate) rounds: u32,
    pub(crate) length: usize,
    awaited: usize,
}

impl Ask {
    pub(crate) fn new(random: &mut fastrand::Rng, most: usize) -> Self {
        Self {
            rounds: random.u32(1..5),
            length: random.usize(1..=most),
            awaited: 0,
        }
    }

    fn ask(&mut self, cx: &mut Context<'_, World>, side: usize) {
        if self.rounds == 0 {
            return end(&mut cx.socket, &cx.shared.ledger, side);
        }
        self.rounds -= 1;
        self.awaited = self.length;
        let _ = write(&mut cx.socket, &cx.shared.ledger, side, self.length);
    }
}

impl Behaviour for Ask {
    fn connected(&mut self, cx: &mut Context<'_, World>, side: usize) {
        self.ask(cx, side);
    }

    fn data(&mut self, cx: &mut Context<'_, World>, side: usize, data: &[u8]) {
        self.awaited = self.awaited.saturating_sub(data.len());
        if self.awaited == 0 {
            self.ask(cx, side);
        }
    }
}

/// Sends as fast as it may, until so many bytes are sent; then ends.
pub(crate) struct Firehose {
    pub(crate) left: usize,
    pub(crate) piece: usize,
}

impl Firehose {
    fn spray(&mut self, cx: &mut Context<'_, World>, side: usize) {
        while self.left > 0 {
            let length = self.piece.min(self.left);
            let flow = write(&mut cx.socket, &cx.shared.ledger, side, length);
            if flow.is_accepted() {
                self.left -= length;
            }
            if flow != Flow::Open {
                return;
            }
        }
        end(&mut cx.socket, &cx.shared.ledger, side);
    }
}

impl Behaviour for Firehose {
    fn connected(&mut self, cx: &mut Context<'_, World>, side: usize) {
        self.spray(cx, side);
    }

    fn data(&mut self, _cx: &mut Context<'_, World>, _side: usize, _data: &[u8]) {}

    fn drained(&mut self, cx: &mut Context<'_, World>, side: usize) {
        self.spray(cx, side);
    }
}

/// Reads, and now and then does not for a while.
pub(crate) struct Sip {
    pub(crate) pauses: u32,
}

impl Behaviour for Sip {
    fn data(&mut self, cx: &mut Context<'_, World>, _side: usize, _data: &[u8]) {
        if self.pauses > 0 && cx.shared.random.u32(..4) == 0 {
            self.pauses -= 1;
            cx.socket.pause();
            let id = cx.socket.id();
            let pause = Duration::from_micros(cx.shared.random.u64(..20_000));
            // S7: not early.
            let due = cx.shared.time() + pause;
            cx.after(pause, move |cx| {
                cx.shared.check_due(due);
                cx.sockets.socket(id).resume();
            });
        }
    }

    fn ended(&mut self, cx: &mut Context<'_, World>, side: usize) {
        if cx.socket.allows_half_open() {
            end(&mut cx.socket, &cx.shared.ledger, side);
        }
    }
}

/// Writes without looking at the answer, more than its peer ever reads: the limit must hold.
pub(crate) struct Flood {
    pub(crate) writes: u32,
    pub(crate) piece: usize,
}

impl Behaviour for Flood {
    fn connected(&mut self, cx: &mut Context<'_, World>, side: usize) {
        for _ in 0..self.writes {
            let flow = write(&mut cx.socket, &cx.shared.ledger, side, self.piece);
            if !flow.is_accepted() {
                return;
            }
        }
        end(&mut cx.socket, &cx.shared.ledger, side);
    }

    fn data(&mut self, _cx: &mut Context<'_, World>, _side: usize, _data: &[u8]) {}
}

/// One half of a proxy: passes on what comes to its other half, as fast as that takes it.
pub(crate) struct Relay {
    pub(crate) other: Option<(SocketId, usize)>,
    /// The half that was accepted makes the other one when it is connected.
    pub(crate) connects: bool,
}

impl Behaviour for Relay {
    fn connected(&mut self, cx: &mut Context<'_, World>, side: usize) {
        if !self.connects {
            return;
        }
        let back = Self {
            other: Some((cx.socket.id(), side)),
            connects: false,
        };
        let options = cx.shared.options.clone();
        let link = cx.shared.ledger.borrow().sides[side].link;
        let request = Request::to(cx.shared.server);
        let (id, other) = connect(cx, request, options, back);
        self.other = Some((id, other));
        let mut ledger = cx.shared.ledger.borrow_mut();
        let new = ledger.sides[other].link;
        ledger.alias(new, link);
    }

    fn data(&mut self, cx: &mut Context<'_, World>, _side: usize, data: &[u8]) {
        let Some((id, other)) = self.other else {
            return;
        };
        for piece in data.chunks(LONGEST_WRITE) {
            let mut there = cx.socket.socket(id);
            if write(&mut there, &cx.shared.ledger, other, piece.len()) == Flow::Full {
                cx.socket.pause();
            }
        }
    }

    fn drained(&mut self, cx: &mut Context<'_, World>, _side: usize) {
        if let Some((id, _)) = self.other {
            cx.socket.socket(id).resume();
        }
    }

    fn ended(&mut self, cx: &mut Context<'_, World>, side: usize) {
        if let Some((id, other)) = self.other {
            end(&mut cx.socket.socket(id), &cx.shared.ledger, other);
        }
        if cx.socket.allows_half_open() {
            end(&mut cx.socket, &cx.shared.ledger, side);
        }
    }

    fn closed(&mut self, cx: &mut Context<'_, World>, _side: usize) {
        if let Some((id, other)) = self.other {
            destroy(&mut cx.socket.socket(id), &cx.shared.ledger, other);
        }
    }
}
