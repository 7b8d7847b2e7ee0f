//! Sources that act at random, and record their actions for the twin.

use std::cell::RefCell;
use std::rc::Rc;

use mio::event::Source;

use crate::reactor::tests::Call;
use crate::reactor::{Handler, Interest, Key, Readiness, Registration};

#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    Assume(Readiness),
    WouldBlock(Interest),
    FellShort(Interest),
    Want(Interest),
    Unwant(Interest),
    Activate,
    FlushSoon,
    Close,
    WakeAt(u64),
}

impl Action {
    fn random(random: &mut fastrand::Rng, now: u64) -> Self {
        const BITS: [Readiness; 6] = [
            Readiness::READABLE,
            Readiness::WRITABLE,
            Readiness::READ_CLOSED,
            Readiness::WRITE_CLOSED,
            Readiness::ERROR,
            Readiness::PRIORITY,
        ];
        let direction = match random.u8(0..5) {
            0 | 1 => Interest::READABLE,
            2 | 3 => Interest::WRITABLE,
            _ => Interest::READABLE | Interest::WRITABLE,
        };
        match random.u8(0..21) {
            0..=3 => Self::Assume(BITS[random.usize(0..BITS.len())]),
            4..=7 => Self::WouldBlock(direction),
            8..=9 => Self::FellShort(direction),
            10..=12 => Self::Want(direction),
            13..=14 => Self::Unwant(direction),
            15..=16 => Self::FlushSoon,
            17 => Self::Activate,
            18 if random.u8(0..4) == 0 => Self::Close,
            _ => Self::WakeAt((now + random.u64(0..30)).saturating_sub(3)),
        }
    }

    fn apply(self, registration: &mut Registration<'_>) {
        match self {
            Self::Assume(readiness) => registration.assume(readiness),
            Self::WouldBlock(direction) => registration.would_block(direction),
            Self::FellShort(direction) => registration.fell_short(direction),
            Self::Want(interest) => registration.want(interest),
            Self::Unwant(interest) => registration.unwant(interest),
            Self::Activate => registration.activate(),
            Self::FlushSoon => registration.flush_soon(),
            Self::Close => registration.close(),
            Self::WakeAt(tick) => registration.wake_at(tick),
        }
    }
}

/// A call that the reactor made to a source, with the source's actions, for the twin to replay.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) key: Key,
    pub(super) call: Call,
    pub(super) actions: Vec<Action>,
    pub(super) reports: bool,
}

/// The random numbers from which the sources draw their actions, and the records of these actions.
pub(super) struct Stage {
    pub(super) random: fastrand::Rng,
    pub(super) records: Vec<Record>,
}

pub(super) struct Actor {
    pub(super) stage: Rc<RefCell<Stage>>,
    pub(super) burst: u32,
    pub(super) burst_beside_others: u32,
}

impl Actor {
    pub(super) fn act(&self, call: Call, registration: &mut Registration<'_>) -> Option<Call> {
        let stage = &mut *self.stage.borrow_mut();
        let now = registration.tick();
        let actions: Vec<_> = (0..stage.random.u8(0..4))
            .map(|_| Action::random(&mut stage.random, now))
            .collect();
        for action in &actions {
            action.apply(registration);
        }
        let reports = stage.random.bool();
        stage.records.push(Record {
            key: registration.key(),
            call,
            actions,
            reports,
        });
        reports.then_some(call)
    }
}

impl Handler for Actor {
    type Event = Call;
    type Resources<'a> = ();

    fn source(&mut self) -> Option<&mut dyn Source> {
        None
    }

    fn on_readable(&mut self, registration: &mut Registration<'_>, _: &mut ()) -> Option<Call> {
        self.act(Call::Readable, registration)
    }

    fn on_writable(&mut self, registration: &mut Registration<'_>, _: &mut ()) -> Option<Call> {
        self.act(Call::Writable, registration)
    }

    fn on_error(&mut self, registration: &mut Registration<'_>, _: &mut ()) -> Option<Call> {
        self.act(Call::Closed, registration)
    }

    fn on_flush(&mut self, registration: &mut Registration<'_>, _: &mut ()) {
        self.act(Call::Flush, registration);
    }

    fn on_activated(&mut self, registration: &mut Registration<'_>, _: &mut ()) -> Option<Call> {
        self.act(Call::Activated, registration)
    }

    fn on_deadline(&mut self, registration: &mut Registration<'_>) -> Option<Call> {
        self.act(Call::Elapsed, registration)
    }

    fn burst(&self) -> u32 {
        self.burst
    }

    fn burst_beside_others(&self) -> u32 {
        self.burst_beside_others
    }
}
