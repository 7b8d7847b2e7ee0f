//! A room: what one says is broadcast to the others, several times a turn, and never to quite the same ones.

use std::iter;

use netloop::{Context, Flow, Sockets};

use super::calls::write;
use super::chaos::Chaos;
use super::checker::{Behaviour, LONGEST_WRITE, World};
use super::ledger::Phase;
use super::workloads::Sip;

/// The server's end of a member: whatever is heard from it is a reason to say something to all.
pub(crate) struct Member {
    chaos: Chaos,
}

impl Member {
    pub(crate) fn new() -> Self {
        Self {
            chaos: Chaos::new(),
        }
    }

    fn moderate(&mut self, cx: &mut Context<'_, World>, side: usize) {
        let count = cx.shared.random.choice([1, 2, 3, 12]);
        for _ in 0..count.unwrap() {
            match cx.shared.random.u32(..16) {
                // A little disorder among the words. More would empty the room.
                0 => self.chaos.act(cx, side),
                1 => cx.defer(|cx| speak(&mut cx.sockets, cx.shared)),
                2 => {
                    let length = cx.shared.random.usize(1..=cx.shared.longest.min(50));
                    let _ = write(&mut cx.socket, &cx.shared.ledger, side, length);
                }
                _ => speak(&mut cx.socket.sockets(), cx.shared),
            }
        }
    }
}

impl Behaviour for Member {
    fn connected(&mut self, cx: &mut Context<'_, World>, side: usize) {
        self.moderate(cx, side);
    }

    fn data(&mut self, cx: &mut Context<'_, World>, side: usize, _data: &[u8]) {
        self.moderate(cx, side);
    }

    fn drained(&mut self, cx: &mut Context<'_, World>, side: usize) {
        self.moderate(cx, side);
    }

    fn closed(&mut self, cx: &mut Context<'_, World>, side: usize) {
        self.moderate(cx, side);
    }
}

/// Sends one message to most members, those that have gone among them, and enters in the books which of them took it.
fn speak(sockets: &mut Sockets<'_>, world: &mut World) {
    if world.fuel == 0 {
        return;
    }
    world.fuel -= 1;
    let random = &mut world.random;
    let mut ledger = world.ledger.borrow_mut();
    let mut members = world.sides.clone();
    members.retain(|&(_, side)| ledger.sides[side].end == 1 && random.u32(..8) > 0);
    let longest = world.longest.min(LONGEST_WRITE);
    let length = match random.u32(..20) {
        0 => random.usize(1..=longest),
        1..8 => random.usize(1..=3),
        8..10 => random.usize(1..=longest.min(600)),
        _ => random.usize(1..=longest.min(150)),
    };
    // Of few letters, so that words begin with one another.
    let word: Vec<u8> = iter::repeat_with(|| random.u8(..2)).take(length).collect();
    ledger.calls += members.len() as u64;
    for &(_, side) in &members {
        ledger.say(side, &word);
    }
    let others = sockets.broadcast(members.iter().map(|&(id, _)| id), &word);
    let mut others = others.into_iter().peekable();
    for &(id, side) in &members {
        let flow = others.next_if(|&(other, _)| other == id);
        let flow = flow.map_or(Flow::Open, |(_, flow)| flow);
        assert!(
            ledger.sides[side].phase != Phase::Closed || flow == Flow::Closed,
            "S5: {flow:?} of one that has gone"
        );
        let queued = sockets.socket(id).queued_bytes();
        ledger.note_written(side, length, flow, queued);
    }
    assert_eq!(others.next(), None, "an answer of nobody");
}

/// The client's end: talks as long as there is anything to be said, and now and then does not listen for a while.
pub(crate) struct Visitor {
    sip: Sip,
}

impl Visitor {
    pub(crate) fn new() -> Self {
        Self {
            sip: Sip { pauses: 5 },
        }
    }

    fn talk(cx: &mut Context<'_, World>, side: usize) {
        if cx.shared.fuel > 0 {
            cx.shared.fuel -= 1;
            let length = cx.shared.random.usize(1..=cx.shared.longest.min(100));
            let _ = write(&mut cx.socket, &cx.shared.ledger, side, length);
        }
    }
}

impl Behaviour for Visitor {
    fn connected(&mut self, cx: &mut Context<'_, World>, side: usize) {
        Self::talk(cx, side);
    }

    fn data(&mut self, cx: &mut Context<'_, World>, side: usize, data: &[u8]) {
        if cx.shared.random.bool() {
            Self::talk(cx, side);
        }
        if cx.shared.random.u32(..4) == 0 {
            self.sip.data(cx, side, data);
        }
    }

    fn ended(&mut self, cx: &mut Context<'_, World>, side: usize) {
        self.sip.ended(cx, side);
    }
}
