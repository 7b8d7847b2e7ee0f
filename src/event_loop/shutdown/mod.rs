//! Shutdowns: a loop or a server takes no new peers, ends idle sockets, lets busy ones finish, and forces the rest at
//! the deadline. The steps are calls of one loop timer, so that a loop without a shutdown pays nothing. A timer of each
//! socket asks its handler. The loop serves a socket before its timer, so the question comes after the bytes that have
//! arrived.

mod domain;
mod done;
mod report;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::event_loop::agenda::Agenda;
use crate::event_loop::contexts::{Context, LoopContext};
use crate::event_loop::timers::Action;
use crate::net::{Net, ServerId, Socket, SocketId, TimerId};
use crate::slots::SideTable;

pub use report::{AtShutdown, ShutdownReport};

pub(super) use domain::Domain;

use done::Done;

/// The token of the timer that asks the handler of a socket or UDP socket; `on_timer` is not called for it.
pub(super) const ASK: u64 = 0x5a17_d04e_a5c0_ffee;

/// The time from the beginning of a shutdown for which an accepted socket without a byte is not asked. Also the time in
/// which a peer must end after this side.
const GRACE: Duration = Duration::from_secs(1);

/// The time until the next look at sockets whose handlers could not be asked yet, and at servers that still accept.
const SOON: Duration = Duration::from_millis(5);

/// The time until the next look at busy sockets, to see whether their handlers have ended them.
const LATER: Duration = Duration::from_millis(100);

/// The limit on the sockets that one call of `force` closes: a passed deadline must not overrun the budget of a turn.
const FORCED_A_CALL: usize = 256;

/// The progress of a socket in its shutdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// `is_busy`: the socket had something to do at an earlier look, or was accepted during the shutdown.
    Unasked { is_busy: bool },
    /// The socket was idle, and ends.
    Idle,
    /// The socket has something to do.
    Busy,
    /// The shutdown has closed the socket at the deadline, or has begun to close it.
    Forced,
}

struct Shutdown<S> {
    domain: Domain,
    began: Instant,
    deadline: Instant,
    servers: Vec<ServerId>,
    /// Whether no server of the shutdown accepts any more, and `fates` has every socket that they have accepted.
    has_drained: bool,
    report: ShutdownReport,
    done: Vec<Done<S>>,
}

pub(super) struct Shutdowns<S> {
    active: Vec<Shutdown<S>>,
    fates: SideTable<Fate>,
    /// The sockets that the next step looks at, to ask their handlers: new ones, and those that were not ready before.
    unasked: Vec<SocketId>,
    /// The busy sockets: the handler is still to end the socket, or this side has ended and has bytes left to send.
    busy: Vec<SocketId>,
    /// The sockets whose own side was ended, in the order of the times until which they wait for their peers.
    lingering: VecDeque<(SocketId, Instant)>,
    /// The time of the next look at the busy sockets.
    next_look: Option<Instant>,
    timer: Option<TimerId>,
}

/// A question to the handler of a socket, until the handler has answered.
pub(super) struct Question {
    id: SocketId,
    is_busy: bool,
}

impl<S> Shutdowns<S> {
    pub(super) fn new() -> Self {
        Self {
            active: Vec::new(),
            fates: SideTable::new(),
            unasked: Vec::new(),
            busy: Vec::new(),
            lingering: VecDeque::new(),
            next_look: None,
            timer: None,
        }
    }

    #[inline]
    pub(super) fn are_active(&self) -> bool {
        !self.active.is_empty()
    }

    pub(super) fn is_of_loop(&self) -> bool {
        self.active.iter().any(|it| it.domain == Domain::Loop)
    }

    /// `None` if the handler is not to be asked, or not yet. A socket with more to read, or without a handler, is asked
    /// later.
    pub(super) fn question(&mut self, net: &Net, id: SocketId) -> Option<Question> {
        let standing = net.standing(id)?;
        let Some(Fate::Unasked { is_busy }) = self.fates.get_mut(id.0) else {
            return None;
        };
        if standing.has_unread || standing.is_untold {
            *is_busy = true;
            self.unasked.push(id);
            return None;
        }
        let is_busy = *is_busy || standing.has_queued;
        self.set(id, Fate::Busy);
        Some(Question { id, is_busy })
    }

    /// Arms the timer of the question anew, after `replace_handler` has cancelled all timers of the socket.
    pub(super) fn ask_again(&mut self, net: &mut Net, id: SocketId) {
        if let Some(Fate::Unasked { .. }) = self.fates.get_mut(id.0) {
            if !self.unasked.contains(&id) {
                net.arm_socket_timer(id, Duration::ZERO, ASK);
            }
        }
    }

    fn set(&mut self, id: SocketId, fate: Fate) {
        if let Some(place) = self.fates.get_mut(id.0) {
            *place = fate;
        }
    }

    /// Counts a closed socket in the reports, right before its removal.
    #[cold]
    pub(super) fn count(&mut self, net: &Net, id: SocketId) {
        let fate = self.fates.remove(id.0);
        let has_failed = net.has_failed(id).unwrap_or(false);
        let has_lost = net.has_lost_bytes(id);
        for shutdown in &mut self.active {
            if !shutdown.domain.has(net, id) {
                continue;
            }
            let report = &mut shutdown.report;
            let place = match fate {
                Some(Fate::Idle) => &mut report.ended,
                Some(Fate::Forced) => &mut report.forced,
                // Not busy, and closed before its handler was asked: it counts as idle, unless it lost bytes.
                Some(Fate::Unasked { is_busy: false }) if !has_lost => &mut report.ended,
                _ if has_failed => &mut report.failed,
                _ => &mut report.finished,
            };
            *place += 1;
        }
    }

    /// Notes the sockets of `domain` that are not noted yet. A socket that a server accepts during the shutdown is
    /// asked too, but counts as busy: its peer came to be served. Any other new socket was made by a handler at work,
    /// and is not asked.
    fn note_sockets(&mut self, net: &Net, domain: Domain, is_first: bool) {
        for id in domain.sockets(net) {
            if self.fates.get_mut(id.0).is_some() || net.standing(id).is_none() {
                continue;
            }
            if is_first || net.server_of(id).is_some() {
                self.fates
                    .insert(id.0, Fate::Unasked { is_busy: !is_first });
                self.unasked.push(id);
            } else {
                self.fates.insert(id.0, Fate::Busy);
                self.busy.push(id);
            }
        }
    }

    /// Asks, by a timer, each socket that has a handler and nothing unread. An accepted socket is asked only after its
    /// first byte, after the end of its peer, or when `GRACE` is over.
    fn ask(&mut self, net: &mut Net, now: Instant) {
        let began = self.active.iter().map(|it| it.began).max();
        for id in std::mem::take(&mut self.unasked) {
            let Some(standing) = net.standing(id) else {
                continue;
            };
            let is_given_time = began.is_some_and(|began| now < began + GRACE);
            let waits = standing.has_unread || standing.is_untold;
            if waits || standing.is_fresh && is_given_time {
                self.set(id, Fate::Unasked { is_busy: true });
                self.unasked.push(id);
            } else {
                net.arm_socket_timer(id, Duration::ZERO, ASK);
            }
        }
    }

    /// Closes the sockets whose peers have not ended within `GRACE` after this side. A socket with bytes left to send
    /// is not closed: it moves to `busy`, and back to `lingering` once all is sent.
    fn close_ended(&mut self, net: &mut Net, now: Instant) {
        while let Some((id, until)) = self.lingering.front().copied() {
            if until > now {
                break;
            }
            self.lingering.pop_front();
            match net.standing(id) {
                Some(standing) if standing.has_finished => net.destroy(id, None),
                Some(_) => self.busy.push(id),
                None => {}
            }
        }
        if self.next_look.is_some_and(|look| look > now) {
            return;
        }
        let lingering = &mut self.lingering;
        self.busy.retain(|id| match net.standing(*id) {
            Some(standing) if standing.has_finished => {
                lingering.push_back((*id, now + GRACE));
                false
            }
            standing => standing.is_some(),
        });
        self.next_look = Some(now + LATER);
    }

    /// Closes up to [`FORCED_A_CALL`] sockets of `domain` after the deadline. Returns whether more are left.
    fn force(&mut self, net: &mut Net, domain: Domain) -> bool {
        let mut forced = 0;
        for id in domain.sockets(net) {
            let Some(standing) = net.standing(id) else {
                continue;
            };
            if forced == FORCED_A_CALL {
                return true;
            }
            forced += 1;
            let fate = self.fates.get_mut(id.0).copied();
            let is_over = match fate {
                Some(Fate::Idle) => !standing.has_queued,
                _ => standing.has_finished && !standing.is_input,
            };
            if is_over {
                net.destroy(id, None);
            } else {
                self.fates.insert(id.0, Fate::Forced);
                net.force(id);
            }
        }
        false
    }

    /// Takes the next step of each shutdown. Returns the time until the step after it.
    fn step(&mut self, net: &mut Net) -> Duration {
        let now = net.now();
        let mut next = now + LATER;
        for place in 0..self.active.len() {
            let shutdown = &self.active[place];
            let domain = shutdown.domain;
            if shutdown.deadline <= now {
                for server in shutdown.servers.clone() {
                    net.close_server(server);
                }
                if domain == Domain::Loop {
                    for id in net.datagram_ids().to_vec() {
                        net.close_datagrams(id);
                    }
                }
                if self.force(net, domain) {
                    next = now;
                }
                continue;
            }
            next = next.min(shutdown.deadline);
            if !shutdown.has_drained {
                let accepts = shutdown.servers.iter().any(|id| net.is_accepting(*id));
                self.note_sockets(net, domain, false);
                self.active[place].has_drained = !accepts;
                if accepts {
                    next = next.min(now + SOON);
                }
            }
        }
        self.ask(net, now);
        if !self.unasked.is_empty() {
            next = next.min(now + SOON);
        }
        self.close_ended(net, now);
        if let Some((_, until)) = self.lingering.front() {
            next = next.min(*until);
        }
        next.saturating_duration_since(now)
    }

    fn take_over(&mut self, net: &Net) -> Option<Shutdown<S>> {
        let is_over = |shutdown: &Shutdown<S>| match shutdown.domain {
            Domain::Server(id) => !net.has_server(id),
            Domain::Loop => {
                !shutdown.servers.iter().any(|id| net.has_server(*id))
                    && net.socket_ids().next().is_none()
                    && net.datagram_ids().is_empty()
            }
        };
        let place = self.active.iter().position(is_over)?;
        let shutdown = self.active.remove(place);
        if self.active.is_empty() {
            *self = Self {
                timer: self.timer,
                ..Self::new()
            };
        }
        Some(shutdown)
    }
}

impl Question {
    pub(super) fn answer<S>(self, answer: AtShutdown, cx: &mut Context<'_, S>) {
        let now = cx.now();
        let shutdowns = &mut cx.agenda.shutdowns;
        if answer == AtShutdown::Keep {
            shutdowns.busy.push(self.id);
            return;
        }
        if !self.is_busy {
            shutdowns.set(self.id, Fate::Idle);
        }
        let socket = &mut cx.socket;
        match socket.standing() {
            // Neither has anything to end: an input sends nothing, and an opening socket without queued bytes has no
            // peer.
            Some(standing) if standing.is_input || standing.is_opening && !standing.has_queued => {
                socket.destroy();
            }
            _ => socket.end(),
        }
        shutdowns.lingering.push_back((self.id, now + GRACE));
    }
}

impl<S> Agenda<S> {
    /// If a shutdown of `domain` is under way, adds `done` to it, and takes the earlier of the two deadlines.
    pub(super) fn begin_shutdown(
        &mut self,
        net: &mut Net,
        domain: Domain,
        deadline: Duration,
        done: impl FnOnce(&mut LoopContext<'_, S>, ShutdownReport) + 'static,
    ) {
        let done = Done::new(done);
        let began = net.read_clock();
        // A deadline beyond the range of the clock becomes one day.
        let deadline = began
            .checked_add(deadline)
            .unwrap_or(began + Duration::from_secs(86_400));
        let shutdowns = &mut self.shutdowns;
        if let Some(known) = shutdowns.active.iter_mut().find(|it| it.domain == domain) {
            known.deadline = known.deadline.min(deadline);
            known.done.push(done);
        } else {
            let servers = match domain {
                Domain::Loop => net.server_ids().to_vec(),
                Domain::Server(id) => vec![id],
            };
            for id in &servers {
                net.drain_server(*id);
            }
            shutdowns.active.push(Shutdown {
                domain,
                began,
                deadline,
                servers,
                has_drained: false,
                report: ShutdownReport::default(),
                done: vec![done],
            });
            shutdowns.note_sockets(net, domain, true);
            if domain == Domain::Loop {
                // A UDP socket is asked once, after the datagrams that have arrived.
                for id in net.datagram_ids().to_vec() {
                    net.arm_datagram_timer(id, Duration::ZERO, ASK);
                }
            }
        }
        self.arm_shutdown_timer(net, Duration::ZERO);
        self.end_shutdowns(net);
    }

    fn arm_shutdown_timer(&mut self, net: &mut Net, after: Duration) {
        if let Some(timer) = self.shutdowns.timer.take() {
            self.timers.cancel(net, timer);
        }
        let step = Action::Once(Box::new(|cx: &mut LoopContext<'_, S>| {
            cx.agenda.advance_shutdowns(cx.sockets.net_mut());
        }));
        self.shutdowns.timer = Some(self.timers.arm(net, after, step));
    }

    fn advance_shutdowns(&mut self, net: &mut Net) {
        self.shutdowns.timer = None;
        let next = self.shutdowns.step(net);
        self.end_shutdowns(net);
        if self.shutdowns.are_active() {
            self.arm_shutdown_timer(net, next);
        }
    }

    /// Ends the shutdowns that have nothing left to close, and reports them in the next turn.
    pub(super) fn end_shutdowns(&mut self, net: &mut Net) {
        while let Some(Shutdown { report, done, .. }) = self.shutdowns.take_over(net) {
            for done in done {
                self.defer(done.into_call(report));
            }
        }
        if !self.shutdowns.are_active() {
            if let Some(timer) = self.shutdowns.timer.take() {
                self.timers.cancel(net, timer);
            }
        }
    }
}

impl Socket<'_> {
    fn standing(&self) -> Option<crate::net::Standing> {
        self.net().standing(self.id())
    }
}
