//! The draws that decide which calls meet a fault, and the events that must be reported because of a fault.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use crate::readiness::Readiness;

use super::random::Random;
use super::rates::Faults;

/// The faults of one loop. The loop's selector and all its sockets share this object.
#[derive(Clone, Debug)]
pub(crate) struct Injector(Rc<RefCell<State>>);

#[derive(Debug)]
struct State {
    random: Random,
    faults: Faults,
    /// Events that a later poll must report, because a fault has hidden or invented them.
    owed: Vec<(usize, Readiness)>,
    /// The registered tokens. The set is ordered, so that no run depends on a hash.
    tokens: BTreeSet<usize>,
}

impl Injector {
    pub(crate) fn new(seed: u64, faults: Faults) -> Self {
        Self(Rc::new(RefCell::new(State {
            random: Random::new(seed),
            faults,
            owed: Vec::new(),
            tokens: BTreeSet::new(),
        })))
    }

    pub(super) fn strikes(&self, rate: impl FnOnce(&Faults) -> u16) -> bool {
        let mut state = self.0.borrow_mut();
        let rate = rate(&state.faults);
        state.random.chance(rate)
    }

    /// Draws a number from 1 to `length`.
    pub(super) fn part(&self, length: usize) -> usize {
        1 + self.0.borrow_mut().random.index(length)
    }

    pub(super) fn owe(&self, token: usize, readiness: Readiness) {
        self.0.borrow_mut().owed.push((token, readiness));
    }

    pub(super) fn owes(&self) -> bool {
        !self.0.borrow().owed.is_empty()
    }

    pub(super) fn maybe_owe_spurious(&self) {
        if !self.strikes(|faults| faults.spurious_events) {
            return;
        }
        let mut state = self.0.borrow_mut();
        let State {
            random,
            owed,
            tokens,
            ..
        } = &mut *state;
        let token = tokens.iter().nth(random.index(tokens.len())).copied();
        let readiness = match random.chance(500) {
            true => Readiness::READABLE,
            false => Readiness::WRITABLE,
        };
        owed.extend(token.map(|token| (token, readiness)));
    }

    pub(super) fn register(&self, token: usize) {
        self.0.borrow_mut().tokens.insert(token);
    }

    pub(super) fn deregister(&self, token: usize) {
        self.0.borrow_mut().tokens.remove(&token);
    }

    pub(super) fn take_owed(&self, batch: &mut Vec<(usize, Readiness)>) {
        batch.append(&mut self.0.borrow_mut().owed);
    }
}
