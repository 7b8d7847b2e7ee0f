//! Random operations on virtual time, against a [twin](twin::Twin) of the reactor. After each operation the reactor
//! must have made the calls that the twin expects, in order. Invariant I7 must hold: a ready source is queued.

mod actor;
mod twin;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::reactor::source_state::Flags;
use crate::reactor::{CallbackScope, Elapsed, Interest, Key, Phase, Reactor, Readiness};

use super::{Call, Whereabouts};
use actor::{Actor, Stage};
use twin::{Filed, Level, Records, Twin, Waiting};

const SEEDS: u64 = 40;
const STEPS: u32 = 10_000;
/// The limit on the number of sources. The test has at most sixteen sources and timers together, because with up to
/// sixteen entries the wheel knows its next deadline exactly.
const MOST_SOURCES: usize = 12;
const MOST_TIMERS: usize = 4;

struct Pair {
    reactor: Reactor<Actor>,
    twin: Twin,
    stage: Rc<RefCell<Stage>>,
    random: fastrand::Rng,
    origin: Instant,
    /// The last keys that were given out, some of which are dead.
    keys: Vec<Key>,
    scope: Option<CallbackScope>,
}

impl Pair {
    fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let stage = Stage {
            random: random.fork(),
            records: Vec::new(),
        };
        let reactor = Reactor::new(4).unwrap();
        Self {
            origin: reactor.now(),
            reactor,
            twin: Twin::default(),
            stage: Rc::new(RefCell::new(stage)),
            random,
            keys: Vec::new(),
            scope: None,
        }
    }

    fn step(&mut self) {
        match self.random.u8(0..100) {
            0..=7 => self.insert(),
            8..=9 => self.remove(),
            10..=34 => self.visit(),
            35..=44 => self.begin(),
            45..=69 => drop(self.next()),
            70..=74 => self.flush(),
            75..=78 => self.begin_callback(),
            79..=82 => self.end_callback(),
            83..=85 => self.close(),
            86..=88 => self.hold(),
            89..=92 => self.pass_time(),
            93..=97 => self.elapse(),
            98 => self.arm(),
            _ => self.disarm(),
        }
        assert_eq!(self.stage.borrow().records.len(), 0, "a call too many");
        self.check();
    }

    fn key(&mut self) -> Option<Key> {
        self.random.choice(&self.keys).copied()
    }

    fn records(&self) -> Records {
        std::mem::take(&mut self.stage.borrow_mut().records).into_iter()
    }

    fn insert(&mut self) {
        if self.twin.levels.len() == MOST_SOURCES {
            return;
        }
        let burst = self.random.u32(1..5);
        let burst_beside_others = self.random.u32(1..=burst);
        let actor = Actor {
            stage: Rc::clone(&self.stage),
            burst,
            burst_beside_others,
        };
        let interest = Interest::from_bits(self.random.u8(0..4));
        let is_readable = self.random.bool();
        let key = if is_readable {
            let inserted = self
                .reactor
                .insert_ready(actor, interest, Readiness::READABLE);
            inserted.map_err(|(error, _)| error).unwrap()
        } else {
            self.reactor.insert_unregistered(actor, interest)
        };
        if self.keys.len() == 2 * MOST_SOURCES {
            self.keys.remove(0);
        }
        self.keys.push(key);
        let level = Level {
            readable: is_readable,
            wants_read: interest.contains(Interest::READABLE),
            wants_write: interest.contains(Interest::WRITABLE),
            is_held: true,
            burst,
            burst_beside_others,
            ..Level::default()
        };
        self.twin.levels.insert(key, level);
        self.twin.settle(key);
    }

    fn remove(&mut self) {
        if let Some(key) = self.key() {
            let was_there = self.twin.levels.contains_key(&key);
            assert_eq!(self.reactor.remove(key).is_some(), was_there);
            self.twin.remove(key);
        }
    }

    fn visit(&mut self) {
        let Some(key) = self.key() else {
            return;
        };
        let visited = self.reactor.visit(key, |actor, registration| {
            actor.act(Call::Elapsed, registration);
        });
        assert_eq!(visited.is_some(), self.twin.levels.contains_key(&key));
        if visited.is_some() {
            let mut records = self.records();
            self.twin.expect(key, Call::Elapsed, &mut records);
            self.twin.settle(key);
        }
    }

    fn begin(&mut self) {
        self.reactor.begin(Phase::Serve);
        let again = std::mem::take(&mut self.twin.again);
        self.twin.run_queue.extend(again);
        self.twin.serve_quota = self.twin.run_queue.len();
        // In half of the cases the phase only begins, and other operations interrupt it.
        if self.random.bool() {
            while self.next().is_some() {}
        }
    }

    fn next(&mut self) -> Option<(Key, Call)> {
        let served = self.reactor.next(&mut ());
        let mut records = self.records();
        assert_eq!(served, self.twin.serve_next(&mut records));
        assert!(records.next().is_none(), "the reactor made too many calls");
        served
    }

    fn flush(&mut self) {
        self.reactor.begin(Phase::Flush);
        self.reactor.flush(&mut ());
        self.twin.flush_quota = self.twin.flush_list.len();
        let mut records = self.records();
        self.twin.flush(&mut records);
        assert!(records.next().is_none(), "the reactor made too many calls");
    }

    fn begin_callback(&mut self) {
        let Some(key) = self.key() else {
            return;
        };
        // Usually ends the previous callback first. A scope that is dropped stands for a callback that panicked.
        if self.random.u8(0..4) > 0 {
            self.end_callback();
        } else {
            self.scope = None;
            self.reactor.abandon_callback();
            if let Some(dropped) = self.twin.in_callback.take() {
                self.twin.settle(dropped);
            }
        }
        self.scope = Some(self.reactor.begin_callback(key));
        self.twin.in_callback = Some(key);
    }

    fn end_callback(&mut self) {
        let Some(scope) = self.scope.take() else {
            return;
        };
        self.reactor.end_callback(scope, &mut ());
        let mut records = self.records();
        if let Some(key) = self.twin.in_callback.take() {
            if !self.twin.flush_list.contains(&key) {
                self.twin.flush_one(key, &mut records);
            }
        }
        assert!(records.next().is_none(), "the reactor made too many calls");
    }

    fn close(&mut self) {
        self.reactor.begin(Phase::Close);
        self.twin.close_quota = self.twin.close_list.len();
        for _ in 0..self.random.u8(0..4) {
            let closing = self.reactor.next_closing();
            let expected = loop {
                if self.twin.close_quota == 0 {
                    break None;
                }
                self.twin.close_quota -= 1;
                let key = self.twin.close_list.remove(0);
                if self.twin.levels.contains_key(&key) {
                    break Some(key);
                }
            };
            assert_eq!(closing, expected);
            if let Some(key) = closing {
                self.reactor.remove(key);
                self.twin.remove(key);
            }
        }
    }

    fn hold(&mut self) {
        if let Some(key) = self.key() {
            let held = self.random.bool();
            match held {
                true => self.reactor.hold(key),
                false => self.reactor.release(key),
            }
            if let Some(level) = self.twin.levels.get_mut(&key) {
                level.is_held = held;
            }
        }
    }

    fn pass_time(&mut self) {
        self.twin.now += self.random.u64(0..12);
        self.reactor
            .set_now(self.origin + Duration::from_millis(self.twin.now));
    }

    fn elapse(&mut self) {
        self.reactor.advance();
        self.twin.advance();
        // Not all deadlines are taken: the others must stay due.
        for _ in 0..self.random.u8(1..6) {
            let elapsed = self.reactor.next_due().map(|elapsed| match elapsed {
                Elapsed::Source(key, call) => (key, call),
                Elapsed::Timer(name) | Elapsed::SourceTimer(name) => (name, None),
                Elapsed::Reclaimed => unreachable!("the tables are small"),
            });
            let mut records = self.records();
            assert_eq!(elapsed, self.twin.elapse_next(&mut records));
            assert!(records.next().is_none(), "the reactor made too many calls");
        }
    }

    fn arm(&mut self) {
        let is_timer = |filed: &&Filed| matches!(filed.waiter, Waiting::Timer(..));
        let timers = self.twin.filed.iter().chain(&self.twin.due);
        if timers.filter(is_timer).count() == MOST_TIMERS {
            return;
        }
        if let Some(name) = self.key() {
            let deadline = self.twin.now + self.random.u64(0..40);
            let instant = self.origin + Duration::from_millis(deadline);
            let handle = self.reactor.arm(Some(instant), name);
            self.twin.filed.push(Filed {
                deadline,
                waiter: Waiting::Timer(name, handle),
            });
        }
    }

    fn disarm(&mut self) {
        let handle = |filed: &Filed| match filed.waiter {
            Waiting::Timer(_, handle) => Some(handle),
            Waiting::Source(_) => None,
        };
        let all = self.twin.filed.iter().chain(&self.twin.due);
        if let Some(handle) = all.filter_map(handle).next() {
            self.reactor.disarm(handle);
            self.twin
                .withdraw(|waiter| matches!(waiter, Waiting::Timer(_, other) if other == handle));
        }
    }

    fn check(&self) {
        let Self { reactor, twin, .. } = self;
        for (&key, level) in &twin.levels {
            let slot = reactor.slots.get(key).expect("it was not removed");
            if level.must_be_served() && !level.is_closing {
                let is_queued = slot.state.flags.contains(Flags::QUEUED);
                assert!(is_queued, "I7: {key:?} must be served: {level:?}");
            }
        }
        assert_eq!(
            reactor.schedule.len(Phase::Serve),
            twin.run_queue.len() + twin.again.len(),
            "I7: the flag must mean that the key is on the queue"
        );
        assert_eq!(reactor.len(), twin.levels.len());
        let held = twin.levels.values().filter(|level| level.is_held).count();
        assert_eq!(reactor.held(), held);
        assert_eq!(reactor.is_idle(), twin.is_idle());
        let deadline = twin.next_deadline().map(Duration::from_millis);
        assert_eq!(
            reactor.next_deadline(),
            deadline.map(|deadline| self.origin + deadline)
        );
        let wait = deadline.map(|at| at.saturating_sub(Duration::from_millis(twin.now)));
        let expected = if twin.is_idle() {
            wait
        } else {
            Some(Duration::ZERO)
        };
        assert_eq!(reactor.poll_timeout(), expected);
    }
}

#[test]
fn a_ready_and_wanted_source_is_always_queued() {
    for seed in 0..SEEDS {
        let mut pair = Pair::new(seed);
        let mut whereabouts = Whereabouts { seed, step: 0 };
        for step in 0..STEPS {
            whereabouts.step = step;
            pair.step();
        }
    }
}
