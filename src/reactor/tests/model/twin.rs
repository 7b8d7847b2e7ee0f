//! The twin: a model of the reactor in the plainest code. A bit is a `bool`, a list is a `Vec` that is searched, and
//! the next deadline is found by a scan.

use std::collections::BTreeMap;

use crate::reactor::tests::Call;
use crate::reactor::{Interest, Key, Readiness, TimerHandle};
use crate::system::{SHORT_READ_EXHAUSTS, SHORT_WRITE_EXHAUSTS};

use super::actor::{Action, Record};

pub(super) type Records = std::vec::IntoIter<Record>;

#[derive(Debug, Default)]
pub(super) struct Level {
    pub(super) readable: bool,
    pub(super) writable: bool,
    pub(super) read_closed: bool,
    pub(super) write_closed: bool,
    pub(super) error: bool,
    pub(super) priority: bool,
    pub(super) wants_read: bool,
    pub(super) wants_write: bool,
    pub(super) is_activated: bool,
    pub(super) wants_flush: bool,
    pub(super) is_closing: bool,
    pub(super) is_held: bool,
    pub(super) burst: u32,
    pub(super) burst_beside_others: u32,
}

impl Level {
    fn must_write(&self) -> bool {
        self.wants_write && (self.writable || self.write_closed || self.error)
    }

    fn must_read(&self) -> bool {
        self.wants_read && (self.readable || self.read_closed || self.error)
    }

    fn must_be_told_of_the_error(&self) -> bool {
        self.error && !self.wants_read
    }

    /// Whether the source must be served: the rule of level-triggered polling.
    pub(super) fn must_be_served(&self) -> bool {
        self.is_activated
            || self.must_write()
            || self.must_read()
            || self.must_be_told_of_the_error()
    }
}

/// The owner of a deadline: a source, or the caller of the reactor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    Source(Key),
    Timer(Key, TimerHandle),
}

#[derive(Debug)]
pub(super) struct Filed {
    pub(super) deadline: u64,
    pub(super) waiter: Waiting,
}

#[derive(Debug, Default)]
pub(super) struct Twin {
    pub(super) levels: BTreeMap<Key, Level>,
    pub(super) run_queue: Vec<Key>,
    /// The sources that were served as often as they may be, and have more to do: they come after the run queue.
    pub(super) again: Vec<Key>,
    pub(super) flush_list: Vec<Key>,
    pub(super) close_list: Vec<Key>,
    pub(super) serve_quota: usize,
    pub(super) flush_quota: usize,
    pub(super) close_quota: usize,
    pub(super) burst: Option<(Key, u32)>,
    pub(super) in_callback: Option<Key>,
    pub(super) filed: Vec<Filed>,
    pub(super) due: Vec<Filed>,
    pub(super) now: u64,
    pub(super) advanced_to: u64,
}

impl Twin {
    pub(super) fn settle(&mut self, key: Key) {
        let Some(level) = self.levels.get(&key) else {
            return;
        };
        if level.is_closing {
            if !self.close_list.contains(&key) {
                self.close_list.push(key);
            }
            return;
        }
        let mut queued = self.run_queue.iter().chain(&self.again);
        let is_queued = queued.any(|k| *k == key) || self.burst.is_some_and(|(k, _)| k == key);
        if level.must_be_served() && !is_queued {
            self.run_queue.push(key);
        }
        if level.wants_flush && !self.flush_list.contains(&key) && self.in_callback != Some(key) {
            self.flush_list.push(key);
        }
    }

    fn act(&mut self, key: Key, actions: &[Action]) {
        for &action in actions {
            let level = self.levels.get_mut(&key).unwrap();
            let reads = |direction: Interest| direction.contains(Interest::READABLE);
            let writes = |direction: Interest| direction.contains(Interest::WRITABLE);
            match action {
                Action::Assume(bit) => match bit {
                    Readiness::READABLE => level.readable = true,
                    Readiness::WRITABLE => level.writable = true,
                    Readiness::READ_CLOSED => level.read_closed = true,
                    Readiness::WRITE_CLOSED => level.write_closed = true,
                    Readiness::PRIORITY => level.priority = true,
                    _ => level.error = true,
                },
                Action::WouldBlock(direction) => {
                    level.error = false;
                    level.readable &= !reads(direction);
                    level.read_closed &= !reads(direction);
                    level.priority &= !reads(direction);
                    level.writable &= !writes(direction);
                    level.write_closed &= !writes(direction);
                }
                Action::FellShort(direction) => {
                    let more_waits = level.read_closed || level.error || level.priority;
                    level.readable &= !(SHORT_READ_EXHAUSTS && reads(direction)) || more_waits;
                    let is_over = level.write_closed || level.error;
                    level.writable &= !(SHORT_WRITE_EXHAUSTS && writes(direction)) || is_over;
                }
                Action::Want(direction) => {
                    level.wants_read |= reads(direction);
                    level.wants_write |= writes(direction);
                }
                Action::Unwant(direction) => {
                    level.wants_read &= !reads(direction);
                    level.wants_write &= !writes(direction);
                }
                Action::Activate => level.is_activated = true,
                Action::FlushSoon => level.wants_flush = true,
                Action::Close => level.is_closing = true,
                Action::WakeAt(tick) => self.wake_at(key, tick),
            }
        }
    }

    fn wake_at(&mut self, key: Key, tick: u64) {
        let waiter = Waiting::Source(key);
        let mut all = self.filed.iter().chain(&self.due);
        if all.any(|filed| filed.waiter == waiter && filed.deadline <= tick) {
            return;
        }
        self.withdraw(|other| other == waiter);
        self.filed.push(Filed {
            deadline: tick,
            waiter,
        });
    }

    pub(super) fn withdraw(&mut self, matches: impl Fn(Waiting) -> bool) {
        self.filed.retain(|filed| !matches(filed.waiter));
        self.due.retain(|filed| !matches(filed.waiter));
    }

    pub(super) fn remove(&mut self, key: Key) {
        self.levels.remove(&key);
        self.withdraw(|waiter| waiter == Waiting::Source(key));
    }

    /// Replays one call of `Reactor::next`, and returns the event that the reactor must have returned.
    pub(super) fn serve_next(&mut self, records: &mut Records) -> Option<(Key, Call)> {
        loop {
            let (key, left) = match self.burst.take() {
                Some(burst) => burst,
                None => {
                    self.serve_quota = self.serve_quota.checked_sub(1)?;
                    (self.run_queue.remove(0), u32::MAX)
                }
            };
            if self.levels.get(&key).is_none_or(|level| level.is_closing) {
                continue;
            }
            let event = self.serve(key, records);
            let level = &self.levels[&key];
            if event.is_some() && level.must_be_served() && !level.is_closing {
                let is_alone = self.run_queue.is_empty() && self.again.is_empty();
                let most = match is_alone {
                    true => level.burst,
                    false => level.burst_beside_others,
                };
                match left.min(most) - 1 {
                    0 => self.again.push(key),
                    left => self.burst = Some((key, left)),
                }
            }
            self.settle(key);
            if let Some(call) = event {
                return Some((key, call));
            }
        }
    }

    fn serve(&mut self, key: Key, records: &mut Records) -> Option<Call> {
        let level = self.levels.get_mut(&key).unwrap();
        if std::mem::take(&mut level.is_activated) {
            let event = self.expect(key, Call::Activated, records);
            if event.is_some() || self.levels[&key].is_closing {
                return event;
            }
        }
        if self.levels[&key].must_write() {
            let event = self.expect(key, Call::Writable, records);
            if event.is_some() || self.levels[&key].is_closing {
                return event;
            }
        }
        if self.levels[&key].must_read() {
            return self.expect(key, Call::Readable, records);
        }
        if self.levels[&key].must_be_told_of_the_error() {
            self.levels.get_mut(&key).unwrap().error = false;
            return self.expect(key, Call::Closed, records);
        }
        None
    }

    pub(super) fn expect(&mut self, key: Key, call: Call, records: &mut Records) -> Option<Call> {
        let record = records.next().expect("the reactor made too few calls");
        assert_eq!((record.key, record.call), (key, call));
        self.act(key, &record.actions);
        record.reports.then_some(call)
    }

    pub(super) fn flush(&mut self, records: &mut Records) {
        while self.flush_quota > 0 {
            self.flush_quota -= 1;
            let key = self.flush_list.remove(0);
            self.flush_one(key, records);
        }
    }

    pub(super) fn flush_one(&mut self, key: Key, records: &mut Records) {
        let Some(level) = self.levels.get_mut(&key) else {
            return;
        };
        if std::mem::take(&mut level.wants_flush) && !level.is_closing {
            self.expect(key, Call::Flush, records);
            self.settle(key);
        }
    }

    pub(super) fn advance(&mut self) {
        let now = self.now;
        self.advanced_to = now;
        let (mut due, filed): (Vec<_>, Vec<_>) = self
            .filed
            .drain(..)
            .partition(|filed| filed.deadline <= now);
        due.sort_by_key(|filed| filed.deadline);
        self.filed = filed;
        self.due.extend(due);
    }

    pub(super) fn elapse_next(&mut self, records: &mut Records) -> Option<(Key, Option<Call>)> {
        if self.due.is_empty() {
            return None;
        }
        let key = match self.due.remove(0).waiter {
            Waiting::Timer(name, _) => return Some((name, None)),
            Waiting::Source(key) => key,
        };
        if self.levels[&key].is_closing {
            return Some((key, None));
        }
        let event = self.expect(key, Call::Elapsed, records);
        self.settle(key);
        Some((key, event))
    }

    pub(super) fn next_deadline(&self) -> Option<u64> {
        let all = self.filed.iter().chain(&self.due);
        let deadline = all.map(|filed| filed.deadline).min()?;
        Some(deadline.max(self.advanced_to))
    }

    pub(super) fn is_idle(&self) -> bool {
        self.run_queue.is_empty()
            && self.again.is_empty()
            && self.flush_list.is_empty()
            && self.close_list.is_empty()
            && self.burst.is_none()
    }
}
