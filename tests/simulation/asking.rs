//! The questions to a run that has come to rest, and at its end.

use std::time::Duration;

use netloop::{Budget, SocketId, SocketOptions, Sockets, State};

use super::checker::end;
use super::crowd::{Besieger, Probe};
use super::effort::check_rests;
use super::ledger::{Ledger, Phase, Side};
use super::requests::Request;
use super::run::{Outcome, Scene, Workload};

impl Scene {
    pub(super) fn check_rest(&mut self) {
        let ledger = self.ledger.borrow();
        for host in &mut self.hosts {
            check_rest(&mut host.event_loop.sockets(), &ledger, &host.shared.sides);
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
        let is_apt = matches!(self.workload, Workload::Dialing | Workload::Crowded);
        if !is_apt {
            return;
        }
        if self.workload == Workload::Crowded && self.hosts.len() > 1 {
            self.besiege();
        }
        self.book.is_unreliable.set(false);
        let mut probes = Vec::new();
        for host in &mut self.hosts {
            host.shared.fuel = 0;
            host.budget = Budget::UNLIMITED;
        }
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
        self.hosts.iter_mut().for_each(|host| host.shared.fuel = 0);
        let descriptors = self.descriptors.unwrap();
        let shortages = self.ledger.borrow().server_errors;
        let before = self.simulation.call_counts(&self.hosts[0].event_loop);
        let mut guests = Vec::new();
        // The server's own descriptor is one, and the one that it keeps in reserve.
        for _ in 0..descriptors - 1 {
            let request = Request::to(self.hosts[0].shared.server);
            guests.push(self.connect_with(1, request, SocketOptions::new(), Besieger));
            // One after the other, as the backlog may be short.
            self.run_for(Duration::from_millis(20));
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
        for (id, side) in guests {
            end(&mut self.hosts[1].event_loop.socket(id), &self.ledger, side);
        }
        self.settle();
    }

    /// L3 and R1 to R3: nothing is left.
    pub(super) fn check_end(self) -> Outcome {
        let Self {
            simulation,
            mut hosts,
            ledger,
            servers,
            idle_turns,
            ..
        } = self;
        {
            let ledger = ledger.borrow();
            check_rests(&simulation, &hosts, servers.len(), &ledger);
            for side in &ledger.sides {
                assert!(side.reason.is_some(), "L3: not closed: {side:?}");
            }
            assert_eq!(ledger.accepted, ledger.accepted_closed, "S8");
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
        }
    }
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
        if socket.state() == State::Closed {
            continue;
        }
        assert!(
            !it.is_full || it.phase == Phase::New || socket.queued_bytes() > 0,
            "L1: a drain that was never told: {it:?}"
        );
        assert!(
            !it.has_ended,
            "L3: it has ended, and the time to wait for its peer is over: {it:?}"
        );
        let peer = ledger.peer_of(side);
        let is_alone = ledger.is_stray(side) || peer.is_some_and(|it| it.phase == Phase::Closed);
        assert!(
            !is_alone || it.saw_end || socket.is_paused(),
            "L3: its peer is gone, and it does not know: {it:?}"
        );
        let Some(peer) = peer else {
            // One that was reset in the queue of the server may not know while it is paused.
            assert!(
                it.end == 1 || socket.is_paused(),
                "L: it was never accepted: {it:?}"
            );
            continue;
        };
        if peer.phase == Phase::Closed || it.phase == Phase::Closed {
            continue;
        }
        if !socket.is_paused() && !peer.was_cut {
            assert!(
                it.received == peer.sent || it.phase == Phase::New || peer.is_held_back(),
                "L1, L2: bytes that were sent and can be read were not delivered: {it:?} {peer:?}"
            );
        }
    }
}
