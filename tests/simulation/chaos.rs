//! Callbacks that do anything to anybody.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use netloop::{Context, LoopContext, SocketId, TimerId};

use super::calls::{arm, cork, destroy, disarm, end, set_idle_timeout, uncork, write};
use super::checker::{Behaviour, World};
use super::connecting::connect;

/// Does something at random in every callback, to itself or to another socket of its loop.
pub(crate) struct Chaos {
    timer: Option<(TimerId, Rc<Cell<bool>>)>,
}

impl Chaos {
    pub(crate) fn new() -> Self {
        Self { timer: None }
    }

    pub(crate) fn act(&mut self, cx: &mut Context<'_, World>, side: usize) {
        if cx.shared.fuel == 0 {
            return;
        }
        for _ in 0..cx.shared.random.u32(1..4) {
            cx.shared.fuel = cx.shared.fuel.saturating_sub(1);
            let target = match cx.shared.random.u32(..3) {
                0 => any_socket(cx),
                _ => Some((cx.socket.id(), side)),
            };
            if let Some((id, side)) = target {
                self.do_something(cx, id, side);
            }
        }
    }

    fn do_something(&mut self, cx: &mut Context<'_, World>, id: SocketId, side: usize) {
        let ledger = Rc::clone(&cx.shared.ledger);
        let choice = cx.shared.random.u32(..100);
        match choice {
            0..46 => {
                let length = match cx.shared.random.u32(..10) {
                    0 => cx.shared.random.usize(1..=cx.shared.longest),
                    _ => cx.shared.random.usize(1..=cx.shared.longest.min(200)),
                };
                let _ = write(&mut cx.socket.socket(id), &ledger, side, length);
            }
            46 => cork(&mut cx.socket.socket(id), &ledger, side),
            47..50 => uncork(&mut cx.socket.socket(id), &ledger, side),
            50..57 => cx.socket.socket(id).pause(),
            57..70 => cx.socket.socket(id).resume(),
            70..74 => end(&mut cx.socket.socket(id), &ledger, side),
            74..76 => destroy(&mut cx.socket.socket(id), &ledger, side),
            76 => {
                cx.socket.socket(id).destroy_soon();
                let mut ledger = ledger.borrow_mut();
                ledger.sides[side].has_ended = true;
                // The peer's reset of what it still sends may overtake what we have sent.
                ledger.sides[side].was_cut = true;
            }
            77 => {
                let _ = cx.socket.socket(id).reset();
                ledger.borrow_mut().sides[side].was_cut = true;
            }
            78..82 => {
                let after = Duration::from_micros(cx.shared.random.u64(..50_000));
                set_idle_timeout(&mut cx.socket.socket(id), cx.shared, side, after);
            }
            82..88 => {
                let options = cx.shared.options.clone();
                let request = cx.shared.request();
                connect(cx, request, options, Self::new());
            }
            88..91 => self.arm(cx, id),
            91..94 => {
                let token = cx.shared.random.u64(..3);
                let after = Duration::from_micros(cx.shared.random.u64(..30_000));
                arm(&mut cx.socket.socket(id), cx.shared, side, token, after);
            }
            94 => {
                let token = cx.shared.random.u64(..3);
                disarm(&mut cx.socket.socket(id), cx.shared, side, token);
            }
            95 => match cx.shared.random.bool() {
                true => cx.socket.socket(id).release(),
                false => cx.socket.socket(id).hold(),
            },
            96..98 => {
                if let Some((timer, is_cancelled)) = self.timer.take() {
                    if cx.timer(timer).cancel() {
                        is_cancelled.set(true);
                    }
                }
            }
            98 => {
                let number = cx.shared.posted.ask();
                let post = move |cx: &mut LoopContext<'_, World>| cx.shared.posted.made(number);
                cx.as_loop().remote().post(post).unwrap();
            }
            _ => {
                let number = cx.shared.deferred.ask();
                cx.defer(move |cx| {
                    cx.shared.deferred.made(number);
                    cx.sockets.socket(id).resume();
                });
            }
        }
    }

    /// A timer that wakes a socket up (S7: never early, once, not after it was cancelled).
    fn arm(&mut self, cx: &mut Context<'_, World>, id: SocketId) {
        let after = Duration::from_micros(cx.shared.random.u64(..30_000));
        let due = cx.shared.time() + after;
        let is_cancelled = Rc::new(Cell::new(false));
        let flag = Rc::clone(&is_cancelled);
        let timer = cx.after(after, move |cx: &mut LoopContext<'_, World>| {
            cx.shared.check_due(due);
            assert!(!flag.get(), "S7: a cancelled timer came");
            cx.sockets.socket(id).resume();
        });
        self.timer = Some((timer, is_cancelled));
    }
}

/// Some open socket of the loop, with its side.
fn any_socket(cx: &mut Context<'_, World>) -> Option<(SocketId, usize)> {
    let known = &cx.shared.sides;
    if known.is_empty() {
        return None;
    }
    Some(known[cx.shared.random.usize(..known.len())])
}

impl Behaviour for Chaos {
    fn dialing(&mut self, cx: &mut Context<'_, World>, side: usize) {
        // Not each time, or few connects would ever come to anything.
        if cx.shared.random.bool() {
            self.act(cx, side);
        }
    }

    fn connected(&mut self, cx: &mut Context<'_, World>, side: usize) {
        self.act(cx, side);
    }

    fn data(&mut self, cx: &mut Context<'_, World>, side: usize, _data: &[u8]) {
        self.act(cx, side);
    }

    fn drained(&mut self, cx: &mut Context<'_, World>, side: usize) {
        self.act(cx, side);
    }

    fn ended(&mut self, cx: &mut Context<'_, World>, side: usize) {
        self.act(cx, side);
    }

    fn timed_out(&mut self, cx: &mut Context<'_, World>, side: usize) {
        self.act(cx, side);
    }

    fn sent(&mut self, cx: &mut Context<'_, World>, side: usize) {
        self.act(cx, side);
    }

    fn timer(&mut self, cx: &mut Context<'_, World>, side: usize, _token: u64) {
        self.act(cx, side);
    }

    fn closed(&mut self, cx: &mut Context<'_, World>, side: usize) {
        self.act(cx, side);
    }
}
