//! Timers and deadlines that have passed. A socket is served before its deadline decides: bytes that satisfy the
//! deadline may wait to be read.

use crate::net::connect::ConnectRace;
use crate::net::connection::{Connection, NextTry, Retries};
use crate::net::values::{DatagramId, Event, SocketEvent, SocketId, SourceId, TimerId};
use crate::reactor::{Elapsed, Interest, Key, Readiness};

use super::source::{SharedResources, Source};
use super::{Net, TargetedEvent};

/// The limit on the services of a connection before its deadline decides. At most one of them reads. Those before it
/// deliver notices, bytes left or given back, and a drain. A UDP socket has its own limit: a service receives one
/// datagram.
const MOST_SERVICES: u8 = 4;

/// A deadline or a timer that has passed.
#[derive(Debug)]
pub(crate) enum Due {
    Deadline(TargetedEvent),
    /// A timer of the loop.
    Timer(TimerId),
    /// A timer of a socket, with its token.
    SocketTimer(SocketId, u64),
    DatagramTimer(DatagramId, u64),
    SourceTimer(SourceId, u64),
}

#[derive(Debug)]
pub(crate) enum Elapsing {
    Due(Due),
    /// The socket or source was served first, and gave an event, whose data is in the read buffer. The deadline is
    /// decided in a later step.
    News(TargetedEvent),
    /// A socket was served, or its next attempt planned, and there is nothing to tell.
    Served,
    /// Nothing was served: an entry was filed again, for instance, or its source is gone.
    Nothing,
    /// Unused memory was freed, and the caller may free its own.
    Reclaimed,
}

/// A deadline or a timer that has passed and is not decided yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct PassedDeadline {
    owner: Key,
    /// The fired timer's name; `None` for a deadline of the connection itself.
    timer: Option<Key>,
    /// The tick of the turn that found the deadline passed, even if a budget puts the decision off. By a later tick,
    /// another deadline could have passed, and decide although bytes that satisfy it wait in the kernel.
    tick: u64,
    /// The services left before the deadline decides. A service that is repeated because a call has failed does not
    /// count: the [failures](Connection::next_try) have their own limit.
    services: u8,
}

/// A socket's timer that has passed, but waits for another service: a system call has failed for now in the last one.
#[derive(Clone, Copy, Debug)]
pub(super) struct PutOffTimer {
    owner: Key,
    /// The name of the timer on the wheel.
    pub(super) name: Key,
}

enum Decision {
    Due(Due),
    /// The attempt on the next address is planned. Notices tell the handler of it later.
    Next,
}

impl Net {
    /// Takes the next step for what [`begin_timers`](Self::begin_timers) found. `None` if nothing is left.
    pub(crate) fn next_elapsed(&mut self, buffer: &mut [u8]) -> Option<Elapsing> {
        if let Some(passed) = self.passed.take() {
            return Some(self.settle(passed, buffer));
        }
        Some(match self.reactor.next_due()? {
            Elapsed::Timer(key) => Elapsing::Due(Due::Timer(TimerId(key))),
            Elapsed::SourceTimer(name) => match self.owner_of_timer(name) {
                Some(owner) => self.begin_to_settle(owner, Some(name), buffer),
                None => Elapsing::Nothing,
            },
            Elapsed::Source(key, Some(Event::DeadlinePassed)) => {
                self.begin_to_settle(key, None, buffer)
            }
            Elapsed::Source(key, Some(event)) => match self.translate_event(key, event) {
                Some(happened) => Elapsing::Due(Due::Deadline(happened)),
                None => Elapsing::Served,
            },
            Elapsed::Source(key, None) if self.has_put_off(key) => {
                self.begin_to_settle(key, None, buffer)
            }
            Elapsed::Source(_, None) => Elapsing::Nothing,
            Elapsed::Reclaimed => {
                self.reclaim();
                Elapsing::Reclaimed
            }
        })
    }

    /// Whether passed timers of `owner` wait for another service, because a call in the last one failed.
    fn has_put_off(&self, owner: Key) -> bool {
        self.put_off.iter().any(|put_off| put_off.owner == owner)
    }

    #[inline]
    pub(crate) fn has_undecided(&self) -> bool {
        self.passed.is_some()
    }

    fn begin_to_settle(&mut self, owner: Key, timer: Option<Key>, buffer: &mut [u8]) -> Elapsing {
        // The kernel's report of bytes may be under way, so a socket is served as if it had come. A source of the
        // program is not: its calls may block.
        let visited = self.reactor.visit(owner, |source, registration| {
            let mut services = MOST_SERVICES;
            match source {
                Source::Connection(connection) => connection.expect_news(registration),
                Source::Datagrams(datagrams) => {
                    services = datagrams.expect_news(registration);
                }
                Source::Listener(_) | Source::Attempt(_) | Source::Custom(_) => {}
            }
            (registration.tick(), services)
        });
        let Some((tick, services)) = visited else {
            return Elapsing::Nothing;
        };
        let passed = PassedDeadline {
            owner,
            timer,
            tick,
            services,
        };
        self.settle(passed, buffer)
    }

    /// Serves the owner of a passed deadline, and returns the event as news. Without an event, or once no service is
    /// left, the deadline decides. A service with a transient failure proves nothing and is repeated, but no deadline
    /// waits for a UDP socket that rests.
    fn settle(&mut self, mut passed: PassedDeadline, buffer: &mut [u8]) -> Elapsing {
        let is_served_now = passed.services > 0;
        if is_served_now {
            let connection = self.connection(SocketId(passed.owner));
            let has_unread = connection.is_some_and(Connection::delivers_unread);
            let failures = connection.map(Connection::retries);
            let event = self.serve_ahead(passed.owner, buffer);
            let is_preliminary = match event {
                Some(TargetedEvent::Socket(_, SocketEvent::Noticed | SocketEvent::Drained)) => true,
                Some(TargetedEvent::Socket(_, SocketEvent::Data(_))) => has_unread,
                Some(TargetedEvent::Datagram(_)) => true,
                None => self.receives_again(passed.owner),
                _ => false,
            };
            if event.is_none() {
                match failures.and_then(|failures| self.next_try(passed.owner, failures)) {
                    Some(NextTry::AtOnce) => {
                        self.passed = Some(passed);
                        return Elapsing::Served;
                    }
                    Some(NextTry::Later) if self.put_off(passed) => return Elapsing::Served,
                    Some(NextTry::Later) | None => {}
                }
            }
            passed.services = match is_preliminary {
                true => passed.services - 1,
                false => 0,
            };
            if is_preliminary || event.is_some() {
                self.passed = Some(passed);
                return event.map_or(Elapsing::Served, Elapsing::News);
            }
        }
        if let Some(due) = self.take_put_off(passed.owner) {
            self.passed = Some(PassedDeadline {
                services: 0,
                ..passed
            });
            return Elapsing::Due(due);
        }
        match self.decide(passed) {
            Some(Decision::Due(due)) => Elapsing::Due(due),
            Some(Decision::Next) => Elapsing::Served,
            None if is_served_now => Elapsing::Served,
            None => Elapsing::Nothing,
        }
    }

    /// Lets the connection fail at the program's deadline, unless its handler, which was told, has decided otherwise.
    pub(crate) fn answer_deadline(&mut self, id: SocketId) {
        let (counts, outbox) = (&mut self.tally.time_limits, &mut self.outbox);
        self.reactor.visit(id.0, |source, registration| {
            if let Some(connection) = source.connection_mut() {
                // The callback's gathered bytes are to be sent before the close.
                connection.move_to_queue(registration, outbox);
                connection.answer_deadline(counts, registration, outbox);
            }
        });
    }

    fn next_try(&mut self, owner: Key, failures: Retries) -> Option<NextTry> {
        let visited = self.reactor.visit(owner, |source, registration| {
            source.connection()?.next_try(failures, registration)
        });
        visited.flatten()
    }

    /// Whether `owner` is a UDP socket that is still readable although its service returned no event. Either a signal
    /// interrupted the receive, or the receive returned an earlier send's failure.
    fn receives_again(&mut self, owner: Key) -> bool {
        let visited = self.reactor.visit(owner, |source, registration| {
            matches!(source, Source::Datagrams(_)) && registration.has_work()
        });
        visited.unwrap_or(false)
    }

    /// Lets a deadline wait for the next try of its service; `false` without memory, so that it decides at once. Only
    /// timers need a list. A deadline of the connection itself is compared again at the wheel's entry for the next try.
    fn put_off(&mut self, passed: PassedDeadline) -> bool {
        let owner = passed.owner;
        let Some(name) = passed.timer else {
            return true;
        };
        let has_memory = self.put_off.try_reserve(1).is_ok();
        if has_memory {
            self.put_off.push(PutOffTimer { owner, name });
        }
        has_memory
    }

    /// Notes that a connection has opened, and may have disarmed its entry on the wheel. Timers that were put off wait
    /// for that entry, so they get another one.
    pub(crate) fn note_opened(&mut self, id: SocketId) {
        if self.has_put_off(id.0) {
            self.reactor.visit(id.0, |_, registration| {
                registration.wake_at(registration.tick())
            });
        }
        // Without this call, the memory of disarmed entries might be kept for a long time.
        self.reactor.notice_slack();
    }

    /// Takes the first put-off timer of `owner` that was neither cancelled nor armed anew.
    fn take_put_off(&mut self, owner: Key) -> Option<Due> {
        loop {
            let mut put_off = self.put_off.iter();
            let place = put_off.position(|put_off| put_off.owner == owner)?;
            let PutOffTimer { name, .. } = self.put_off.remove(place);
            if let Some(due) = self.take_socket_timer(name) {
                return Some(due);
            }
        }
    }

    /// Serves a source ahead of all others. A connection to a name first takes the answers to its lookup and attempts.
    fn serve_ahead(&mut self, key: Key, buffer: &mut [u8]) -> Option<TargetedEvent> {
        let id = SocketId(key);
        if self
            .connection(id)
            .is_some_and(Connection::is_choosing_address)
        {
            self.take_answer_of(key);
            self.serve_attempts(id);
        }
        let mut resources = SharedResources {
            buffer,
            outbox: &mut self.outbox,
            loop_admission: &mut self.loop_admission,
        };
        let event = self.reactor.serve_ahead(key, &mut resources)?;
        self.translate_event(key, event)
    }

    fn serve_attempts(&mut self, id: SocketId) {
        let race = self.connection(id).and_then(Connection::race);
        for key in race.map(ConnectRace::attempts).unwrap_or_default() {
            self.reactor.visit(key, |_, registration| {
                debug_assert!(registration.interest().contains(Interest::WRITABLE));
                registration.assume(Readiness::WRITABLE);
            });
            let mut resources = SharedResources {
                buffer: &mut [],
                outbox: &mut self.outbox,
                loop_admission: &mut self.loop_admission,
            };
            if let Some(event) = self.reactor.serve_ahead(key, &mut resources) {
                self.translate_event(key, event);
            }
        }
    }

    fn decide(&mut self, passed: PassedDeadline) -> Option<Decision> {
        if let Some(name) = passed.timer {
            return self.take_socket_timer(name).map(Decision::Due);
        }
        let key = passed.owner;
        let unasked = self.unasked_lookup(key);
        let counts = &mut self.tally.time_limits;
        let event = self.reactor.visit(key, |source, registration| {
            let connection = source.connection_mut()?;
            if let Some(unasked) = unasked {
                connection.decide_unasked_lookup(passed.tick, unasked, registration);
            }
            connection.decide_deadlines(passed.tick, counts, registration)
        });
        match self.translate_event(key, event.flatten()?) {
            Some(happened) => Some(Decision::Due(Due::Deadline(happened))),
            None => Some(Decision::Next),
        }
    }
}
