//! The bounds of a turn's work (L4, L5), and of the loops' memory (R3).

use netloop::simulation::{CallCounts, Flavour, Host, Simulation};

use super::checker::World;
use super::ledger::{Ledger, MOST_LOOPS, Side};

/// The reads in a row that a connection does before the next source is served.
const READ_BURST: u64 = 16;

/// The accepts of a server in a turn that take a peer or fail: those of `Limits::new`.
const ACCEPTS_A_TURN: u64 = 32;

/// The most flushes of a connection in a turn: before the poll, in its service, behind the sockets, the timers and the
/// closes.
const FLUSHES: u64 = 5;

/// The sockets of a loop that no handler knows: their server is told of them when their filters are ready.
pub(crate) fn count_untold(host: &mut Host<World>, ledger: &Ledger) -> u64 {
    match host.shared.filters.are_there() {
        true => host.event_loop.sockets().ids().count() as u64 - ledger.live[host.shared.number],
        false => 0,
    }
}

/// The state at the begin of a turn.
pub(crate) struct Before {
    calls: [CallCounts; MOST_LOOPS],
    /// The sockets of each loop that no handler knows.
    untold: [u64; MOST_LOOPS],
    /// Those that have a handler.
    sockets: [u64; MOST_LOOPS],
    callbacks: u64,
    asked: u64,
    filter_calls: u64,
}

impl Before {
    pub(crate) fn new(simulation: &Simulation, hosts: &mut [Host<World>], ledger: &Ledger) -> Self {
        let mut calls = [CallCounts::default(); MOST_LOOPS];
        let mut untold = [0; MOST_LOOPS];
        let filter_calls = hosts[0].shared.filters.calls();
        for (number, host) in hosts.iter_mut().enumerate() {
            calls[number] = simulation.call_counts(&host.event_loop);
            untold[number] = count_untold(host, ledger);
        }
        Self {
            calls,
            untold,
            sockets: ledger.live,
            callbacks: ledger.callbacks,
            asked: ledger.calls,
            filter_calls,
        }
    }

    /// L5: no turn makes more calls than its sources are worth, each of which has its budget, and those of a callback.
    /// Every host has had one turn at most.
    pub(crate) fn check_turn(
        &self,
        simulation: &Simulation,
        hosts: &[Host<World>],
        listeners: usize,
        (flavour, batch): (Flavour, usize),
        ledger: &Ledger,
    ) {
        let callbacks = ledger.callbacks - self.callbacks;
        let asked = ledger.calls - self.asked;
        // A filter is called for the bytes of a read, and sends what it has made of others. Where a short write proves
        // nothing, the rest is offered at once.
        let writes_a_call = match flavour {
            Flavour::Epoll | Flavour::Kqueue => 1,
            Flavour::Afd | Flavour::Adversary => 4,
        };
        let filtered = hosts[0].shared.filters.calls() - self.filter_calls;
        for (number, host) in hosts.iter().enumerate() {
            let (before, now) = (self.calls[number], simulation.call_counts(&host.event_loop));
            let polls = now.polls - before.polls;
            let accepts = now.accepts - before.accepts;
            let reads = now.reads - before.reads;
            let writes = now.writes - before.writes;
            let connects = now.connects - before.connects;
            // Attempts are sources of their own, which are written of here as what asked for them.
            let sockets = self.sockets[number] + self.untold[number];
            let sources = sockets + listeners as u64 + accepts + connects + asked;
            let most_polls = 2 + 17 * sources / batch.max(1) as u64;
            assert!(
                polls <= most_polls,
                "L5: {polls} polls in a turn of {sources} sources"
            );
            assert!(
                // Behind each poll a service may find no peer, and a shortage refuses one with the reserve.
                accepts <= listeners as u64 * (ACCEPTS_A_TURN + polls + 2),
                "L5: {accepts} accepts in a turn of {polls} polls"
            );
            assert!(
                reads <= sources * READ_BURST + filtered,
                "L5: {reads} reads in a turn of {sources} sources and {filtered} calls of filters"
            );
            assert!(
                writes <= sources * FLUSHES + callbacks + 2 * asked + writes_a_call * filtered,
                "L5: {writes} writes in a turn of {sources} sources, {callbacks} callbacks, {asked} calls and \
                 {filtered} calls of filters"
            );
        }
    }

    /// Whether nothing was done at all.
    pub(crate) fn did_nothing(
        &self,
        simulation: &Simulation,
        hosts: &[Host<World>],
        ledger: &Ledger,
    ) -> bool {
        let is_same = |(before, host): (&CallCounts, &Host<World>)| {
            let mut now = simulation.call_counts(&host.event_loop);
            now.polls = before.polls;
            now == *before
        };
        self.callbacks == ledger.callbacks && self.calls.iter().zip(hosts).all(is_same)
    }
}

/// R1 during a run: the open descriptors are those of servers and of sockets that are not closed. Each socket has one,
/// or one for each attempt while it connects. So has each in a handshake.
pub(crate) fn check_descriptors(
    simulation: &Simulation,
    hosts: &mut [Host<World>],
    listeners: usize,
    ledger: &Ledger,
) {
    let untold: u64 = hosts
        .iter_mut()
        .map(|host| count_untold(host, ledger))
        .sum();
    let untold = usize::try_from(untold).unwrap();
    let open = ledger.sides.iter().filter(|side| side.reason.is_none());
    let most: usize = open.map(Side::most_descriptors).sum();
    let open = simulation.open_sockets();
    assert!(
        open <= listeners + most + untold,
        "R1: {open} descriptors are open, of which {listeners} are servers', at most {most} are sockets' and {untold} \
         are in a handshake"
    );
}

/// L4: a listener without a descriptor to accept with rests, longer each time, and only a close wakes it up sooner.
pub(crate) fn check_rests(
    simulation: &Simulation,
    hosts: &[Host<World>],
    listeners: usize,
    ledger: &Ledger,
) {
    /// From 5 ms on twice as long each time, until it is a second.
    const RESTS_TO_A_SECOND: u64 = 9;
    let closed = ledger.dead.len() as u64;
    let seconds = simulation.elapsed().as_secs() + 1;
    let listeners = listeners as u64;
    let exhausted = hosts
        .iter()
        .map(|host| simulation.call_counts(&host.event_loop).exhausted_accepts);
    let exhausted: u64 = exhausted.sum();
    // Each shortage is told of, and begins with short rests again; a success begins them again within it.
    let begun = ledger.server_errors + ledger.accepted as u64;
    let rests = RESTS_TO_A_SECOND * begun + closed + listeners * seconds;
    // Behind each the reserve is used to refuse a peer, which a fault may call one too many as well.
    let most = 2 * rests;
    assert!(
        exhausted <= most,
        "L4: {exhausted} accepts without a descriptor, of which {most} are due to rests"
    );
    // A shortage is over when a descriptor is free again: a socket has closed. One that was none is over at once, and a
    // peer was refused in it.
    let shortages = 2 * closed + ledger.accepted as u64 + listeners;
    assert!(
        ledger.server_errors <= exhausted.min(shortages),
        "L4: {} shortages told of {exhausted}, and at most {shortages} can have been over",
        ledger.server_errors
    );
}

/// Counts the bytes on the heap, of the whole process: to be asked where no other test runs.
pub(crate) type Live = fn() -> usize;

/// R3 during a run: what the loops take of the heap is what is queued, and a constant for each socket.
pub(crate) struct Heap {
    live: Live,
    base: usize,
    /// The most that were open at a time.
    sockets: usize,
}

/// For each loop: the read buffer, the tables at their first sizes.
const LOOP_BYTES: usize = 256 << 10;
/// The most that a loop's pool keeps of the memory that no queue needs any more.
const POOL_BYTES: usize = 4 << 20;
/// For each socket that ever was, in the books of this test; for each that is open at a time, in the loop.
const BOOK_BYTES: usize = 1 << 10;
const SOCKET_BYTES: usize = 2 << 10;

impl Heap {
    pub(crate) fn new(live: Live) -> Self {
        Self {
            live,
            base: live(),
            sockets: 0,
        }
    }

    pub(crate) fn check(
        &mut self,
        simulation: &Simulation,
        hosts: &mut [Host<World>],
        ledger: &mut Ledger,
    ) {
        let queued = ledger.held.end_turn();
        let untold = hosts.iter_mut().map(|host| count_untold(host, ledger));
        let sockets = untold.sum::<u64>() + ledger.live.iter().sum::<u64>();
        self.sockets = self.sockets.max(usize::try_from(sockets).unwrap());
        let live = (self.live)().saturating_sub(self.base);
        let most = simulation.kernel_bytes()
            + hosts.len() * LOOP_BYTES
            + queued
            + queued.min(POOL_BYTES)
            + self.sockets * SOCKET_BYTES
            + ledger.sides.len() * BOOK_BYTES
            + ledger.said_bytes()
            + ledger.carried_bytes()
            + hosts[0]
                .shared
                .filters
                .most_bytes(hosts.len(), self.sockets, queued);
        assert!(
            live <= most,
            "R3: {live} bytes are on the heap and at most {most} are due to what is queued: {} sockets, {} in all",
            self.sockets,
            ledger.sides.len()
        );
    }
}
