//! Sockets with idle timeouts in loops that stall: no timeout comes before bytes that have arrived.

use std::collections::BTreeMap;
use std::time::Duration;

use netloop::Context;
use netloop::simulation::{Faults, Flavour, Host, Options, Simulation};

use super::calls::{arm, destroy, end, write};
use super::checker::{Behaviour, World};
use super::filtering::seen;
use super::ledger::Ledger;

/// A network in which each arrival is told at once: then a loop can know all that has arrived.
pub(crate) fn truthful(options: Options) -> Options {
    Options {
        latency: options.latency.min(Duration::from_millis(5)),
        jitter: options.jitter.min(Duration::from_millis(5)),
        bytes_per_second: None,
        faults: Faults {
            short_transfers: 0,
            spurious_blocks: 0,
            empty_polls: 0,
            // A deadline waits for four rests in a row. With 75 of 1,000 calls without memory, one of 150,000 seeds had five:
            // with 30, one of 14 million has. With 10, no seed finds a deadline that does not wait.
            missing_buffers: options.faults.missing_buffers.min(30),
            ..options.faults
        },
        flavour: match options.flavour {
            Flavour::Adversary => Flavour::Epoll,
            flavour => flavour,
        },
        ..options
    }
}

/// The timer that each answer puts off. The timer 0 is that of the period.
const PUT_OFF: u64 = 1;

/// Sends a little each period, and ends after some rounds. A timeout is no reason to go, at first.
pub(crate) struct Ping {
    rounds: u32,
    period: Duration,
    timeouts: u32,
}

impl Ping {
    pub(crate) fn new(random: &mut fastrand::Rng, idle_timeout: Duration) -> Self {
        Self {
            rounds: random.u32(1..20),
            period: idle_timeout * random.u32(1..12) / 8,
            timeouts: random.u32(..4),
        }
    }
}

impl Behaviour for Ping {
    fn connected(&mut self, cx: &mut Context<'_, World>, side: usize) {
        arm(&mut cx.socket, cx.shared, side, 0, self.period);
    }

    fn timer(&mut self, cx: &mut Context<'_, World>, side: usize, token: u64) {
        if token == PUT_OFF {
            return;
        }
        if self.rounds == 0 {
            return end(&mut cx.socket, &cx.shared.ledger, side);
        }
        self.rounds -= 1;
        let _ = write(&mut cx.socket, &cx.shared.ledger, side, 3);
        arm(&mut cx.socket, cx.shared, side, 0, self.period);
    }

    fn data(&mut self, cx: &mut Context<'_, World>, side: usize, _data: &[u8]) {
        // Each answer puts it off, so that it seldom comes.
        arm(&mut cx.socket, cx.shared, side, PUT_OFF, self.period * 2);
    }

    fn timed_out(&mut self, cx: &mut Context<'_, World>, side: usize) {
        if self.timeouts == 0 {
            return destroy(&mut cx.socket, &cx.shared.ledger, side);
        }
        self.timeouts -= 1;
    }
}

/// The bytes that waited for each side when a step began: those in its kernel, and those that it or its filter had
/// received.
#[derive(Default)]
pub(crate) struct Waiting(BTreeMap<usize, (usize, u64)>);

impl Waiting {
    pub(crate) fn new(
        simulation: &Simulation,
        hosts: &mut [Host<World>],
        ledger: &mut Ledger,
    ) -> Self {
        ledger.timed_out.clear();
        let mut waiting = BTreeMap::new();
        for host in hosts {
            for &(id, side) in &host.shared.sides {
                let socket = host.event_loop.socket(id);
                if socket.is_paused() {
                    continue;
                }
                if let (Some(local), Some(peer)) = (socket.local_address(), socket.peer_address()) {
                    let unread = simulation.unread_bytes(local, peer);
                    let received = ledger.sides[side].received + seen(&socket);
                    waiting.insert(side, (unread, received));
                }
            }
        }
        Self(waiting)
    }

    /// I8: bytes that waited when the step began have come before a timeout of their socket.
    pub(crate) fn check(&self, ledger: &Ledger) {
        for side in &ledger.timed_out {
            let it = &ledger.sides[*side];
            if let Some(&(unread, received)) = self.0.get(side) {
                assert!(
                    unread == 0 || it.received + it.seen > received,
                    "I8: a timeout, and {unread} bytes had arrived: {it:?}"
                );
            }
        }
    }
}
