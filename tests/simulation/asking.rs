//! The questions to a run that has come to rest, and at its end.

use std::collections::BTreeSet;
use std::time::Duration;

use netloop::simulation::SimulationEnd;
use netloop::{Budget, EventLoop, ServerId, SocketId, SocketOptions, Sockets, State};

use super::calls::end;
use super::checker::{World, moved_bytes};
use super::crowd::{Besieger, Probe};
use super::effort::{check_rests, count_untold};
use super::ledger::{Ledger, Phase, Side};
use super::requests::Request;
use super::run::{Outcome, Scene};
use super::workload::Workload;

/// The times in calm weather at which a run looks for bytes that do not move. A close timeout of the workloads is longer:
/// afterwards it has ended the connections whose bytes do not move.
const CALM_LOOKS: [Duration; 2] = [Duration::from_secs(20), Duration::from_secs(30)];

/// An event that a side waits for. The first number is that of the side.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Awaited {
    /// Bytes: it has received so many, and its peer has sent so many.
    Bytes(usize, u64, u64),
    /// The token of so many bytes that are sent.
    Token(usize, u64),
}

impl Scene {
    /// Turns all loops until nothing is left to happen. In calm weather, bytes that can be read do not wait for ten
    /// seconds (L2), and no token of sent bytes does (L).
    pub(super) fn run_to_rest(&mut self) -> SimulationEnd {
        let mut time = Duration::ZERO;
        let mut before: Vec<Awaited> = Vec::new();
        for look in CALM_LOOKS {
            let end = self.run_for(look - time);
            if end == SimulationEnd::Quiescent {
                return end;
            }
            let now = self.awaited();
            if let Some(awaited) = now.iter().find(|awaited| before.contains(awaited)) {
                let ledger = self.ledger.borrow();
                let (Awaited::Bytes(side, ..) | Awaited::Token(side, _)) = *awaited;
                let (it, peer) = (&ledger.sides[side], ledger.peer_of(side));
                match awaited {
                    Awaited::Bytes(..) => panic!("L2: no byte in calm weather: {it:?} {peer:?}"),
                    Awaited::Token(..) => panic!("L: no token in calm weather: {it:?}"),
                }
            }
            (time, before) = (look, now);
        }
        self.run_for(Duration::from_secs(3600) - time)
    }

    /// Returns the events that open sides wait for: bytes for each side that reads, and tokens.
    fn awaited(&mut self) -> Vec<Awaited> {
        let ledger = self.ledger.borrow();
        let is_open = |side: &Side| (Phase::Connected..Phase::Closed).contains(&side.phase);
        // A failure that is held in a pause stops the bytes of its side, and is told after the pause.
        let mut failed = BTreeSet::new();
        for host in &mut self.hosts {
            for &(id, side) in &host.shared.sides {
                if host.event_loop.socket(id).is_peer_gone() {
                    failed.insert((ledger.sides[side].link, ledger.sides[side].end));
                }
            }
        }
        let mut awaited = Vec::new();
        for host in &mut self.hosts {
            for &(id, side) in &host.shared.sides {
                let it = &ledger.sides[side];
                let socket = host.event_loop.socket(id);
                if !is_open(it) || it.is_piped {
                    continue;
                }
                let taken = it.sent.saturating_sub(socket.queued_bytes() as u64);
                if let Some(number) = it.tokens.overdue(taken) {
                    awaited.push(Awaited::Token(side, number));
                }
                let peer = ledger
                    .peer_of(side)
                    .filter(|peer| is_open(peer) && !peer.is_piped);
                let Some(peer) = peer.filter(|peer| !peer.was_cut && !peer.is_held_back()) else {
                    continue;
                };
                let has_failed = failed.contains(&(peer.link, peer.end));
                if !has_failed && !socket.is_paused() && it.received < peer.sent {
                    awaited.push(Awaited::Bytes(side, it.received, peer.sent));
                }
            }
        }
        awaited
    }

    pub(super) fn check_rest(&mut self) {
        let ledger = self.ledger.borrow();
        for host in &mut self.hosts {
            check_rest(&mut host.event_loop.sockets(), &ledger, &host.shared.sides);
            host.shared.deferred.check_rest();
            host.shared.posted.check_rest();
            check_life(&mut host.event_loop, &self.servers, host.shared.number);
            assert_eq!(
                count_untold(host, &ledger),
                0,
                "L: a handshake without an end"
            );
        }
        let is_open = |side: &&Side| side.reason.is_none();
        assert_eq!(
            ledger.accepted,
            ledger.accepted_closed
                + ledger
                    .sides
                    .iter()
                    .filter(|side| side.end == 1)
                    .filter(is_open)
                    .count(),
            "S8"
        );
        let mut listening = 0;
        for &(host, server) in &self.servers {
            let event_loop = &mut self.hosts[host].event_loop;
            listening += usize::from(event_loop.server(server).is_listening());
        }
        assert_eq!(
            self.simulation.open_sockets(),
            listening + ledger.sides.iter().filter(is_open).count(),
            "R1: a descriptor of nobody, such as one of a connect that was not taken"
        );
        check_rests(&self.simulation, &self.hosts, self.servers.len(), &ledger);
    }

    /// After the storm: each server that can be reached is reached, and serves; the others are not.
    pub(super) fn probe(&mut self) {
        let is_apt = matches!(
            self.workload,
            Workload::Dialing | Workload::Crowded | Workload::Limited
        );
        if !is_apt {
            return;
        }
        for host in &mut self.hosts {
            host.shared.fuel = 0;
            host.budget = Budget::new();
        }
        if self.workload == Workload::Limited {
            return self.fill_up();
        }
        if self.workload == Workload::Crowded && self.hosts.len() > 1 {
            self.besiege();
        }
        self.book.is_unreliable.set(false);
        let mut probes = Vec::new();
        for _ in 0..self.random.usize(1..4) {
            let number = self.random.usize(..self.hosts.len());
            let (request, is_good) = match self.workload {
                Workload::Dialing => {
                    let request = Request::probe(&self.book, &mut self.random);
                    let is_good = self.book.leads_somewhere(&request);
                    (request, is_good)
                }
                _ => (Request::to(self.hosts[0].shared.server), true),
            };
            let options = SocketOptions::new();
            let (_, side) = self.connect_with(number, request, options, Probe);
            probes.push((side, is_good));
            if self.workload == Workload::Crowded {
                // One after the other: there may be descriptors for no more.
                self.settle();
            }
        }
        self.settle();
        let ledger = self.ledger.borrow();
        for (side, is_good) in probes {
            let it = &ledger.sides[side];
            assert_eq!(
                it.was_connected, is_good,
                "L: in calm weather: {it:?} {:?}",
                self.book.names
            );
            assert!(
                !is_good || ledger.peer_of(side).is_some(),
                "L: not served: {it:?}"
            );
        }
    }

    /// Connects more guests than there are descriptors for, and they stay. All but one are served, that one is refused
    /// and does not wait. The server is told once, and rests.
    fn besiege(&mut self) {
        let descriptors = self.descriptors.unwrap();
        let shortages = self.ledger.borrow().server_errors;
        let before = self.simulation.call_counts(&self.hosts[0].event_loop);
        let mut guests = Vec::new();
        // The server's own descriptor is one, and the one that it keeps in reserve.
        for _ in 0..descriptors - 1 {
            let request = Request::to(self.hosts[0].shared.server);
            guests.push(self.connect_with(1, request, SocketOptions::new(), Besieger));
            // One after the other, as the backlog may be short.
            self.run_for(self.patience());
        }
        self.run_for(Duration::from_millis(1_500));
        {
            let ledger = self.ledger.borrow();
            let is_inside = |&(_, side): &(SocketId, usize)| ledger.sides[side].reason.is_none();
            let inside = guests.iter().filter(|guest| is_inside(guest)).count();
            assert_eq!(
                inside,
                descriptors - 2,
                "L: one has to be refused: {guests:?}"
            );
            let is_served = |&(_, side): &(SocketId, usize)| ledger.peer_of(side).is_some();
            let mut all = guests.iter().filter(|guest| is_inside(guest));
            assert!(
                all.all(is_served),
                "L: some wait in the backlog: {guests:?}"
            );
            assert_eq!(
                ledger.server_errors,
                shortages + 1,
                "a shortage is told once"
            );
        }
        let after = self.simulation.call_counts(&self.hosts[0].event_loop);
        let exhausted = after.exhausted_accepts - before.exhausted_accepts;
        assert!(exhausted <= 20, "L4: {exhausted} accepts in two seconds");
        guests.push(self.replace_a_guest(&guests));
        for (id, side) in guests {
            end(&mut self.hosts[1].event_loop.socket(id), &self.ledger, side);
        }
        self.settle();
    }

    /// The time in which a connection is there in calm weather.
    fn patience(&self) -> Duration {
        match self.filters.are_there() {
            true => Duration::from_millis(60),
            false => Duration::from_millis(20),
        }
    }

    /// One of `guests` leaves while the server rests for a second, and another one comes: it is served at once.
    fn replace_a_guest(&mut self, guests: &[(SocketId, usize)]) -> (SocketId, usize) {
        let leaves = {
            let ledger = self.ledger.borrow();
            let mut inside = guests.iter().copied();
            inside.find(|&(_, side)| ledger.sides[side].reason.is_none())
        };
        if let Some((id, side)) = leaves {
            end(&mut self.hosts[1].event_loop.socket(id), &self.ledger, side);
        }
        self.run_for(self.patience());
        let request = Request::to(self.hosts[0].shared.server);
        let guest = self.connect_with(1, request, SocketOptions::new(), Besieger);
        self.run_for(self.patience());
        let ledger = self.ledger.borrow();
        assert!(
            ledger.peer_of(guest.1).is_some(),
            "L: a close has not woken the server that rests: {:?}",
            ledger.sides[guest.1]
        );
        guest
    }

    /// L3 and R1 to R3: nothing is left.
    pub(super) fn check_end(self) -> Outcome {
        let Self {
            simulation,
            mut hosts,
            ledger,
            servers,
            idle_turns,
            filters,
            ..
        } = self;
        {
            let ledger = ledger.borrow();
            check_rests(&simulation, &hosts, servers.len(), &ledger);
            for side in &ledger.sides {
                assert!(side.reason.is_some(), "L3: not closed: {side:?}");
            }
            assert_eq!(ledger.accepted, ledger.accepted_closed, "S8");
            assert_eq!(
                ledger.servers_closed,
                servers.len(),
                "L: a server that has not closed"
            );
            assert_eq!(ledger.handlers, 0, "R3: handlers were not dropped");
        }
        for host in &mut hosts {
            assert!(!host.event_loop.is_alive(), "R2: {:?}", host.event_loop);
            assert_eq!(host.event_loop.sockets().ids().count(), 0, "R2");
        }
        assert_eq!(simulation.open_sockets(), 0, "R1");
        drop(hosts);
        let ledger = ledger.borrow();
        Outcome {
            turns: simulation.turns(),
            trace: simulation.trace_hash(),
            callbacks: ledger.callbacks,
            bytes: ledger.delivered,
            connections: ledger.sides.len(),
            virtual_time: simulation.elapsed(),
            idle_turns,
            filter_calls: filters.calls(),
            failed_handshakes: ledger.failed_handshakes,
        }
    }
}

/// A loop at rest goes on exactly if a server or a socket of it is held.
fn check_life(event_loop: &mut EventLoop<World>, servers: &[(usize, ServerId)], number: usize) {
    let mut is_held = false;
    for &(host, server) in servers {
        let server = event_loop.server(server);
        is_held |= host == number && server.is_listening() && server.is_held();
    }
    let ids: Vec<SocketId> = event_loop.sockets().ids().collect();
    let mut may_be_held = is_held;
    for id in ids {
        let socket = event_loop.socket(id);
        is_held |= socket.is_held();
        may_be_held |= socket.is_held() || socket.queued_bytes() > 0;
    }
    let is_alive = event_loop.is_alive();
    assert!(
        is_held <= is_alive && is_alive <= may_be_held,
        "whether the loop goes on: {is_alive}, and it is held: {is_held}"
    );
}

/// L1 to L3, of a loop that is at rest: nothing waits that could go on. `sockets` are all of it.
fn check_rest(sockets: &mut Sockets<'_>, ledger: &Ledger, sides: &[(SocketId, usize)]) {
    for &(id, side) in sides {
        let socket = sockets.socket(id);
        let it = &ledger.sides[side];
        assert_ne!(
            socket.state(),
            State::Opening,
            "L: no end of a connect: {it:?}"
        );
        if socket.is_destroyed() {
            continue;
        }
        // An end owes no drain.
        assert!(
            !it.is_full || it.has_ended || it.phase == Phase::New || socket.queued_bytes() > 0,
            "L1: a drain that was never told: {it:?}"
        );
        let peer = ledger.peer_of(side);
        // The time rests while it is paused, unless nothing but the peer's end is to come, and has come.
        let is_over = peer.is_some_and(|peer| {
            peer.has_ended && !peer.was_cut && !peer.is_held_back() && it.received == peer.sent
        });
        assert!(
            !it.has_ended || socket.is_paused() && !is_over,
            "L3: it has ended, and the time to wait for its peer is over: {it:?}"
        );
        let moved = moved_bytes(&socket);
        let taken = it.sent.saturating_sub(socket.queued_bytes() as u64);
        it.tokens.check_rest(taken);
        it.idling.check_rest(socket.idle_timeout(), moved);
        assert!(
            it.timers.is_empty(),
            "L: a timer that was never told: {it:?}"
        );
        let is_alone = ledger.is_stray(side) || peer.is_some_and(|it| it.phase == Phase::Closed);
        assert!(
            !is_alone || it.saw_end || socket.is_paused(),
            "L3: its peer is gone, and it does not know: {it:?}"
        );
        let Some(peer) = peer else {
            // One that was reset in the queue of the server may not know while it is paused. One whose handshake has
            // failed at the server has seen an end.
            let refused = ledger.refused + ledger.failed_handshakes;
            let was_refused = refused > 0 && it.saw_end;
            assert!(
                it.end == 1 || socket.is_paused() || was_refused,
                "L: it was never accepted: {it:?}"
            );
            continue;
        };
        if peer.phase == Phase::Closed || it.phase == Phase::Closed {
            continue;
        }
        assert!(
            !it.is_piped,
            "L: a pipe that has not come to its end: {it:?} {peer:?}"
        );
        if !socket.is_paused() && !peer.was_cut {
            assert!(
                it.received == peer.sent || it.phase == Phase::New || peer.is_held_back(),
                "L1, L2: bytes that were sent and can be read were not delivered: {it:?} {peer:?}"
            );
        }
    }
}
