//! How a kernel keeps watch over a source, and the list of those that it has something to say of.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mio::Interest;

use crate::readiness::Readiness;
use crate::slots::Key;

use super::super::options::Flavour;
use super::call_counts::Calls;
use crate::system::lookup::Answer;

/// What can be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watched {
    /// One end of a connection.
    Endpoint(Key),
    /// A listening socket.
    Listener(Key),
}

/// What a kernel remembers of one source that it watches.
#[derive(Debug)]
pub(crate) struct Watch {
    /// The machine that the source is open on.
    pub(crate) machine: usize,
    /// The name under which it is reported. `None`: it is not registered.
    token: Option<usize>,
    /// Invariant: whether it is on its machine's list.
    is_listed: bool,
    /// Of what there is news, for kqueue's two filters.
    news: Readiness,
    /// What may be reported; AFD takes out what it has reported.
    armed: Readiness,
    /// What is worth a report: everything, or what there is to tell to who asked only about reading.
    heard: Readiness,
}

/// The bits that reading waits for.
const INWARD: Readiness = Readiness::READABLE.union(Readiness::READ_CLOSED);
/// The bits that writing waits for.
const OUTWARD: Readiness = Readiness::WRITABLE.union(Readiness::WRITE_CLOSED);

impl Watch {
    pub(crate) fn new(machine: usize) -> Self {
        Self {
            machine,
            token: None,
            is_listed: false,
            news: Readiness::empty(),
            armed: Readiness::all(),
            heard: Readiness::all(),
        }
    }

    pub(crate) fn register(&mut self, token: usize, directions: Interest) {
        self.token = Some(token);
        self.armed = Readiness::all();
        self.news = Readiness::all();
        self.heard = match directions.is_writable() {
            true => Readiness::all(),
            false => Readiness::all() - Readiness::WRITABLE,
        };
    }

    pub(crate) fn deregister(&mut self) {
        self.token = None;
    }

    pub(crate) fn token(&self) -> Option<usize> {
        self.token
    }

    /// There is news of `what`. Says whether it is to be put on its machine's list.
    pub(crate) fn has_news(&mut self, what: Readiness) -> bool {
        self.news |= what;
        what.intersects(self.heard) && self.enlist()
    }

    fn enlist(&mut self) -> bool {
        self.token.is_some() && !std::mem::replace(&mut self.is_listed, true)
    }

    /// A call has blocked: AFD looks again, for everything. Says whether it is to be put on its machine's list.
    pub(crate) fn rearm(&mut self) -> bool {
        self.armed = Readiness::all();
        self.enlist()
    }

    /// It was taken off the list: what to report of it, given all that is true of it.
    pub(crate) fn report(&mut self, level: Readiness, flavour: Flavour) -> Reports {
        self.is_listed = false;
        let news = std::mem::take(&mut self.news);
        if self.token.is_none() {
            return Reports::default();
        }
        let level = level & self.heard;
        match flavour {
            Flavour::Epoll | Flavour::Adversary => Reports([level, Readiness::empty()]),
            Flavour::Kqueue => {
                let inward = match level.intersects(INWARD) && news.intersects(INWARD) {
                    true => level & (INWARD | Readiness::ERROR),
                    false => Readiness::empty(),
                };
                let has_outward = level.intersects(OUTWARD) && news.intersects(OUTWARD);
                let outward = match has_outward && self.heard.contains(Readiness::WRITABLE) {
                    true => level & (OUTWARD | Readiness::ERROR),
                    false => Readiness::empty(),
                };
                Reports([inward, outward])
            }
            Flavour::Afd => {
                let report = level & self.armed;
                self.armed -= report;
                Reports([report, Readiness::empty()])
            }
        }
    }
}

/// The events of one source, of which the empty ones are none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reports(pub(crate) [Readiness; 2]);

impl Default for Reports {
    fn default() -> Self {
        Self([Readiness::empty(); 2])
    }
}

/// One loop's side of the simulated kernel.
#[derive(Debug, Default)]
pub(crate) struct Machine {
    /// The sources of which there is news, in the order in which it came.
    pub(crate) list: VecDeque<Watched>,
    /// What was reported before, for the adversary to repeat.
    pub(crate) memory: Vec<(usize, Readiness)>,
    /// Set from any thread, to end a wait.
    pub(crate) woken: Arc<AtomicBool>,
    /// Nothing comes in and nothing goes out.
    pub(crate) is_isolated: bool,
    /// How many sockets it has open.
    pub(crate) open: usize,
    /// How many descriptors it holds beside, for nothing.
    pub(crate) spares: usize,
    /// What lookups have found, until the loop takes it.
    pub(crate) answers: VecDeque<Answer>,
    /// What its loop has asked of it.
    pub(crate) calls: Calls,
}

impl Machine {
    /// How many descriptors are taken.
    pub(crate) fn descriptors(&self) -> usize {
        self.open + self.spares
    }

    pub(crate) fn is_woken(&self) -> bool {
        self.woken.load(Ordering::Acquire)
    }

    pub(crate) fn wake(&self) {
        self.woken.store(true, Ordering::Release);
    }

    pub(crate) fn take_wake(&self) -> bool {
        self.woken.swap(false, Ordering::AcqRel)
    }
}
