//! The network itself: its sockets, its clock, and what happens when a packet arrives.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::readiness::Readiness;
use crate::slots::{Key, Slots};

use super::super::options::{Flavour, Options};
use super::endpoint::{Endpoint, Phase};
use super::handshake::FIRST_PORT;
use super::listener::Listening;
use super::route::Reach;
use super::trace::{Note, Trace};
use super::watch::{Machine, Watch, Watched};
use super::wire::{Flight, Packet, Wire};
use crate::system::faults::Faults;
use crate::system::faults::errno::Errno;
use crate::system::faults::random::Random;
use crate::system::lookup::Found;

/// How long Linux tries to connect before it gives up: six SYNs, each waiting twice as long as the one before.
const CONNECT_PATIENCE: Duration = Duration::from_secs(127);

/// A simulated network with all that is in it. Everything of it happens when it is called, and nowhere else.
#[derive(Debug)]
pub(crate) struct Network {
    pub(in crate::system) options: Options,
    pub(in crate::system) random: Random,
    pub(in crate::system) trace: Trace,
    pub(in crate::system) wire: Wire,
    pub(in crate::system) machines: Vec<Machine>,
    pub(in crate::system) endpoints: Slots<Endpoint>,
    pub(in crate::system) listeners: Slots<Listening>,
    /// Who listens where; several where the port is shared. Ordered, so that no run depends on a hash.
    pub(in crate::system) bound: BTreeMap<SocketAddr, Vec<Key>>,
    /// Addresses that are not reached as others are.
    pub(in crate::system) reaches: BTreeMap<IpAddr, Reach>,
    /// What lookups will find: by when, for which machine, and for which question.
    pub(in crate::system) answers: BTreeMap<(u64, usize, u64), Found>,
    /// The port that the next socket without one gets.
    pub(in crate::system) next_port: u16,
    /// How often something has moved: bytes, a connection, a packet. A turn in which nothing does is an idle one.
    pub(in crate::system) moved: u64,
    /// When the simulation began, by a clock that is never asked again.
    origin: Instant,
    /// Nanoseconds since `origin`.
    pub(in crate::system) now: u64,
}

impl Network {
    pub(crate) fn new(seed: u64, options: Options) -> Self {
        Self {
            options,
            random: Random::new(seed),
            trace: Trace::new(),
            wire: Wire::default(),
            machines: Vec::new(),
            endpoints: Slots::new(),
            listeners: Slots::new(),
            bound: BTreeMap::new(),
            reaches: BTreeMap::new(),
            answers: BTreeMap::new(),
            next_port: FIRST_PORT,
            moved: 0,
            origin: Instant::now(),
            now: 0,
        }
    }

    /// One more machine.
    pub(crate) fn add_machine(&mut self) -> usize {
        self.machines.push(Machine::default());
        self.machines.len() - 1
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    pub(crate) fn options_mut(&mut self) -> &mut Options {
        &mut self.options
    }

    pub(crate) fn trace(&self) -> &Trace {
        &self.trace
    }

    pub(crate) fn random_mut(&mut self) -> &mut Random {
        &mut self.random
    }

    pub(crate) fn machine(&self, machine: usize) -> &Machine {
        &self.machines[machine]
    }

    pub(crate) fn moved(&self) -> u64 {
        self.moved
    }

    /// A poll takes a moment, so that time passes also for those who are always busy.
    pub(in crate::system) fn pass_moment(&mut self) {
        self.now += MOMENT;
    }

    /// The simulation's time.
    pub(crate) fn now(&self) -> Instant {
        self.origin + Duration::from_nanos(self.now)
    }

    pub(crate) fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.now)
    }

    /// Moves the clock on to `instant`, unless that has passed.
    pub(crate) fn pass_until(&mut self, instant: Instant) {
        let since = nanoseconds(instant.saturating_duration_since(self.origin));
        if since > self.now {
            self.now = since;
            self.trace.note(Note::Time, 0, since);
        }
    }

    /// When the next packet arrives. What would make no difference any more is forgotten first, so that nobody waits
    /// for it.
    pub(crate) fn next_arrival(&mut self) -> Option<Instant> {
        while let Some(flight) = self.wire.peek() {
            if !self.is_moot(flight) {
                break;
            }
            self.wire.pop();
        }
        let packet = self.wire.peek().map(|flight| flight.at);
        let answer = self.answers.first_key_value().map(|((at, ..), _)| *at);
        let next = packet.into_iter().chain(answer).min()?;
        Some(self.origin + Duration::from_nanos(next))
    }

    fn is_moot(&self, flight: &Flight) -> bool {
        match flight.packet {
            Packet::GiveUp => self
                .endpoints
                .get(flight.to)
                .is_none_or(|endpoint| endpoint.phase != Phase::Connecting),
            Packet::Silence => self.endpoints.get(flight.to).is_none_or(|endpoint| {
                endpoint.phase != Phase::Connected || !endpoint.silence.ends_at(flight.at)
            }),
            Packet::News | Packet::Window(_) => self.endpoints.get(flight.to).is_none(),
            _ => false,
        }
    }

    /// Lets everything arrive that is due.
    pub(crate) fn arrive(&mut self) {
        self.hand_out_answers(self.now);
        while self.wire.peek().is_some_and(|flight| flight.at <= self.now) {
            let Some(flight) = self.wire.pop() else {
                return;
            };
            if self.is_moot(&flight) {
                continue;
            }
            let (from, to) = flight.route;
            if self.are_cut(from, to) && flight.packet.travels() {
                self.is_held(&flight);
                self.wire.hold(flight);
                continue;
            }
            self.is_heard(&flight);
            self.trace
                .note(Note::Arrival, flight.to.to_token() as u64, flight.at);
            self.moved += 1;
            self.receive(&flight);
        }
    }

    fn receive(&mut self, flight: &Flight) {
        let (from, to) = (flight.from, flight.to);
        match flight.packet {
            Packet::Syn(tries) => return self.meet(from, tries),
            Packet::GiveUp | Packet::Silence => {
                if let Some(endpoint) = self.endpoints.get_mut(to) {
                    endpoint.fail(Errno::TimedOut);
                }
                self.wire.forget(to);
                return self.tell(to, Readiness::all());
            }
            _ => {}
        }
        let Some(endpoint) = self.endpoints.get_mut(to) else {
            // It is closed. Bytes that nobody will read are answered by a reset, and so is a connection that
            // nobody wants any more.
            if matches!(flight.packet, Packet::Bytes(_) | Packet::SynAck) {
                let route = (flight.route.1, flight.route.0);
                self.send(to, from, route, Packet::Reset);
            }
            return;
        };
        let news = match flight.packet {
            Packet::SynAck => {
                if endpoint.phase != Phase::Connecting {
                    return;
                }
                endpoint.phase = Phase::Connected;
                Readiness::all()
            }
            // A connection that this side has given up. The other learns it as soon as it says something.
            Packet::Bytes(_) | Packet::Fin if endpoint.phase == Phase::Dead => {
                let route = (flight.route.1, flight.route.0);
                return self.send(to, from, route, Packet::Reset);
            }
            Packet::Bytes(count) => {
                endpoint.inbox.arrive(count);
                Readiness::READABLE
            }
            Packet::Fin => {
                endpoint.inbox.has_end = endpoint.phase == Phase::Connected;
                Readiness::READABLE
            }
            Packet::Reset => {
                endpoint.reset();
                Readiness::all()
            }
            Packet::Window(count) => {
                if !endpoint.outlet.freed(count) {
                    return;
                }
                Readiness::WRITABLE
            }
            Packet::News | Packet::Syn(_) | Packet::GiveUp | Packet::Silence => Readiness::all(),
        };
        self.tell(to, news);
    }

    /// A SYN of `client` has arrived at the address that it goes to.
    fn meet(&mut self, client: Key, tries: u32) {
        let Some(endpoint) = self.endpoints.get(client) else {
            return;
        };
        if endpoint.phase != Phase::Connecting {
            return;
        }
        let (local, remote, machine) = (endpoint.local, endpoint.remote, endpoint.watch.machine);
        if local == remote {
            return self.meet_itself(client);
        }
        let Some(key) = self.listener_at(remote) else {
            let route = (machine, machine);
            return self.send(client, client, route, Packet::Reset);
        };
        let Some(listening) = self.listeners.get_mut(key) else {
            return;
        };
        let there = listening.watch.machine;
        if listening.is_full() {
            // Linux drops what does not fit, and the client tries again.
            let pause = Duration::from_secs(1 << tries.min(6));
            let at = self.now + nanoseconds(pause);
            return self
                .wire
                .send(at, client, client, (machine, there), Packet::Syn(tries + 1));
        }
        let mut accepted = Endpoint::new(Watch::new(there), remote, local, self.options.capacity);
        accepted.phase = Phase::Connected;
        accepted.peer = Some(client);
        let accepted = self.endpoints.insert(accepted);
        listening.queue.push_back(accepted);
        if let Some(endpoint) = self.endpoints.get_mut(client) {
            endpoint.peer = Some(accepted);
        }
        self.send(accepted, client, (there, machine), Packet::SynAck);
        self.tell_listener(key);
    }

    /// The simultaneous open of one socket with itself.
    fn meet_itself(&mut self, client: Key) {
        if let Some(endpoint) = self.endpoints.get_mut(client) {
            endpoint.phase = Phase::Connected;
            endpoint.peer = Some(client);
        }
        self.tell(client, Readiness::all());
    }

    /// Sends `packet`, to arrive so much later than it would.
    pub(in crate::system) fn send_late(
        &mut self,
        delay: Duration,
        from: Key,
        to: Key,
        route: (usize, usize),
        packet: Packet,
    ) {
        let at = self.now + self.delay() + nanoseconds(delay);
        self.wire.send(at, from, to, route, packet);
    }

    /// Sends `packet`, to arrive after everything that `from` has sent before, unless it is a reset, which waits for
    /// no bytes.
    pub(in crate::system) fn send(
        &mut self,
        from: Key,
        to: Key,
        route: (usize, usize),
        packet: Packet,
    ) {
        let mut at = self.now + self.delay();
        if matches!(packet, Packet::SynAck | Packet::Bytes(_) | Packet::Fin) {
            if let Some(endpoint) = self.endpoints.get_mut(from) {
                let outlet = &mut endpoint.outlet;
                at = at.max(outlet.busy_until);
                if let (Packet::Bytes(count), Some(rate)) = (packet, self.options.bytes_per_second)
                {
                    at += (count as u64).saturating_mul(1_000_000_000) / rate.max(1);
                }
                outlet.busy_until = at;
            }
        }
        self.wire.send(at, from, to, route, packet);
    }

    /// When a lookup that begins now is answered.
    pub(in crate::system) fn lookup_end(&mut self) -> u64 {
        let jitter = nanoseconds(self.options.jitter);
        let time = nanoseconds(self.options.lookup_time);
        self.now + time + self.random.below(jitter + 1)
    }

    /// How long the next packet is under way.
    fn delay(&mut self) -> u64 {
        let jitter = nanoseconds(self.options.jitter);
        nanoseconds(self.options.latency) + self.random.below(jitter + 1)
    }

    /// Sees to it that a fault that hid something from `endpoint` is made up for: what is true is announced again.
    pub(in crate::system) fn owe_news(&mut self, endpoint: Key, machine: usize) {
        if self.options.flavour == Flavour::Afd {
            // Its selector announces nothing without a call that has blocked.
            return;
        }
        let at = self.now + self.delay();
        self.wire
            .send(at, endpoint, endpoint, (machine, machine), Packet::News);
    }

    pub(in crate::system) fn arm_give_up(&mut self, client: Key, machine: usize) {
        let at = self.now + nanoseconds(CONNECT_PATIENCE);
        self.wire
            .send(at, client, client, (machine, machine), Packet::GiveUp);
    }

    /// There is news of `what` for the socket `key`.
    pub(in crate::system) fn tell(&mut self, key: Key, what: Readiness) {
        if let Some(endpoint) = self.endpoints.get_mut(key) {
            if endpoint.watch.has_news(what) {
                let machine = endpoint.watch.machine;
                self.machines[machine]
                    .list
                    .push_back(Watched::Endpoint(key));
            }
        }
    }

    pub(in crate::system) fn tell_listener(&mut self, key: Key) {
        if let Some(listening) = self.listeners.get_mut(key) {
            if listening.watch.has_news(Readiness::READABLE) {
                let machine = listening.watch.machine;
                self.machines[machine]
                    .list
                    .push_back(Watched::Listener(key));
            }
        }
    }

    /// Cuts `machine` off from all others, or lets it come back: what was sent meanwhile arrives then.
    pub(crate) fn isolate(&mut self, machine: usize, is_isolated: bool) {
        self.arrive();
        self.machines[machine].is_isolated = is_isolated;
        // At once, so that nothing which is under way still overtakes it.
        self.wire.release(self.now);
        self.ask_again();
    }

    /// Whether nothing gets from one machine to the other.
    pub(in crate::system) fn are_cut(&self, here: usize, there: usize) -> bool {
        here != there && (self.machines[here].is_isolated || self.machines[there].is_isolated)
    }

    /// Whether a fault refuses an option of a socket.
    pub(crate) fn refuses_option(&mut self) -> bool {
        self.random.chance(self.options.faults.refused_options)
    }

    /// Nothing goes wrong from now on.
    pub(crate) fn calm(&mut self) {
        self.options.faults = Faults::NONE;
        for machine in 0..self.machines.len() {
            self.isolate(machine, false);
        }
    }

    /// From now on connects to `address` meet this.
    pub(crate) fn set_reach(&mut self, address: IpAddr, reach: Reach) {
        self.reaches.insert(address, reach);
    }

    /// How much memory its sockets' buffers take, and what is under way.
    pub(crate) fn held_bytes(&self) -> usize {
        let inboxes = self
            .endpoints
            .iter()
            .map(|(_, endpoint)| endpoint.inbox.held_bytes());
        inboxes.sum::<usize>() + self.wire.held_bytes()
    }

    /// How many packets are under way.
    pub(crate) fn packets_under_way(&self) -> usize {
        self.wire.packets()
    }

    /// How many sockets are open, of the whole network.
    pub(crate) fn open(&self) -> usize {
        self.machines.iter().map(|machine| machine.open).sum()
    }
}

/// How long a poll takes that does not wait, in nanoseconds.
const MOMENT: u64 = 1_000;

pub(in crate::system) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX / 4)
}
