//! The workload of UDP: an echo server and clients that send, pause, close and bind again, as the seed decides.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use netloop::simulation::{AnyHost, Host, Options, Simulation};
use netloop::{
    Budget, DatagramContext, DatagramFlow, DatagramHandler, DatagramOptions, DropPolicy, Error,
};

use super::checker::{Ledger, at, datagram};

type Shared = Rc<RefCell<Ledger>>;

/// The result of a run.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) delivered: u64,
    hash: u64,
}

/// One socket, of the server or of a client.
struct Party {
    name: u32,
    ledger: Shared,
    random: fastrand::Rng,
    role: Role,
}

enum Role {
    /// Answers each datagram with itself.
    Echo,
    /// Sends datagrams to the server, one at each timer.
    Client {
        to: SocketAddr,
        is_connected: bool,
        left: u32,
        number: u32,
        longest: usize,
    },
}

const SEND: u64 = 1;
const RESUME: u64 = 2;
const END: u64 = 3;

impl Party {
    fn arm(&mut self, cx: &mut DatagramContext<'_, ()>, token: u64, most: u64) {
        let after = Duration::from_micros(self.random.u64(..=most));
        let mut ledger = self.ledger.borrow_mut();
        ledger.armed(self.name, token, cx.now(), after);
        cx.socket.after(after, token);
    }

    fn disturb(&mut self, cx: &mut DatagramContext<'_, ()>) {
        if self.random.u32(..20) == 0 {
            cx.socket.pause();
            self.arm(cx, RESUME, 20_000);
        }
    }
}

impl DatagramHandler for Party {
    fn on_listening(&mut self, cx: &mut DatagramContext<'_>) {
        self.ledger.borrow_mut().listening(self.name);
        assert!(cx.socket.local_address().is_some());
        if let Role::Client { .. } = self.role {
            self.arm(cx, SEND, 5_000);
        }
    }
    fn on_connect(&mut self, _: &mut DatagramContext<'_>) {
        self.ledger.borrow_mut().connected(self.name);
    }
    fn on_message(&mut self, cx: &mut DatagramContext<'_>, from: SocketAddr, data: &[u8]) {
        let is_echo = matches!(self.role, Role::Client { .. });
        self.ledger.borrow_mut().arrived(self.name, data, is_echo);
        self.disturb(cx);
        match &self.role {
            Role::Echo => {
                self.ledger.borrow_mut().echoed(self.name);
                let flow = cx.socket.send_to(from, data);
                assert_ne!(flow, DatagramFlow::Closed);
                let dropped = cx.socket.dropped_datagrams();
                self.ledger.borrow_mut().answered(self.name, flow, dropped);
            }
            Role::Client { to, .. } => assert_eq!(from, *to, "a stranger's datagram"),
        }
    }
    fn on_truncated(&mut self, _: &mut DatagramContext<'_>, _: SocketAddr, _: &[u8]) {
        panic!("nothing is cut here");
    }
    fn on_drain(&mut self, cx: &mut DatagramContext<'_>) {
        self.ledger.borrow_mut().drained(self.name);
        assert_eq!(cx.socket.queued_datagrams(), 0);
    }
    fn on_error(&mut self, cx: &mut DatagramContext<'_>, error: &Error) {
        self.ledger.borrow_mut().event(self.name);
        assert!(
            ["ECONNREFUSED", "EMSGSIZE"].contains(&error.code()),
            "{error}"
        );
        assert!(!cx.socket.is_closed());
    }
    fn on_timer(&mut self, cx: &mut DatagramContext<'_>, token: u64) {
        self.ledger.borrow_mut().fired(self.name, token, cx.now());
        match (token, &mut self.role) {
            (RESUME, _) => cx.socket.resume(),
            (END, _) if self.random.bool() => cx.socket.close(),
            (END, _) => cx.socket.close_soon(),
            (
                _,
                Role::Client {
                    to,
                    is_connected,
                    left,
                    number,
                    longest,
                },
            ) => {
                for _ in 0..self.random.u32(1..=3) {
                    let length = self.random.usize(..=*longest);
                    let bytes = datagram(self.name, *number, length);
                    *number += 1;
                    self.ledger.borrow_mut().sent(&bytes);
                    let flow = match *is_connected {
                        true => cx.socket.send(&bytes),
                        false => cx.socket.send_to(*to, &bytes),
                    };
                    assert!(matches!(
                        flow,
                        DatagramFlow::Open | DatagramFlow::Full | DatagramFlow::Dropped
                    ));
                    assert!(cx.socket.queued_bytes() <= 64 << 10);
                    let dropped = cx.socket.dropped_datagrams();
                    self.ledger.borrow_mut().answered(self.name, flow, dropped);
                }
                *left -= 1;
                let (next, most) = match left {
                    0 => (END, 3_000_000),
                    _ => (SEND, 5_000),
                };
                self.arm(cx, next, most);
            }
            (_, Role::Echo) => unreachable!("a server arms no such timer"),
        }
    }
    fn on_close(&mut self, cx: &mut DatagramContext<'_>) {
        let socket = &cx.socket;
        let mut ledger = self.ledger.borrow_mut();
        ledger.closed(
            self.name,
            socket.sent_datagrams(),
            socket.dropped_datagrams(),
            socket.queued_bytes(),
        );
    }
}

/// The bytes of the longest datagram of a run in which no kernel may run out of space.
const SHORT: usize = 600;

pub(super) fn run(seed: u64) -> Outcome {
    let mut random = fastrand::Rng::with_seed(seed);
    let options = Options::from_seed(seed);
    let longest = [64, SHORT, 3000][random.usize(..3)];
    let ledger: Shared = Rc::default();
    ledger.borrow_mut().doubles = options.datagram_duplication > 0;
    ledger.borrow_mut().keeps_order =
        options.datagram_reordering == 0 && options.jitter == Duration::ZERO;
    // Kernels that have space for everything, and a network that loses nothing, deliver everything.
    let is_lossless =
        options.datagram_loss == 0 && options.capacity >= 256 << 10 && longest <= SHORT;
    let mut simulation = Simulation::new(seed, options).unwrap();
    let is_ipv6 = random.bool();
    let mut server = simulation.host(()).unwrap();
    let address = match random.bool() {
        true => at(1, 7000, is_ipv6),
        false if is_ipv6 => "[::]:7000".parse().unwrap(),
        false => "0.0.0.0:7000".parse().unwrap(),
    };
    let party = |name, random: &mut fastrand::Rng, role| Party {
        name,
        ledger: Rc::clone(&ledger),
        random: random.fork(),
        role,
    };
    let echo = party(0, &mut random, Role::Echo);
    let bound = server
        .event_loop
        .bind_udp(address, datagram_options(&mut random), echo);
    let server_socket = bound.unwrap();
    let mut hosts = vec![server];
    for machine in 2..=random.usize(2..=4) {
        let mut host = simulation.host(()).unwrap();
        for socket in 0..random.u32(1..=3) {
            let is_connected = random.bool();
            let role = Role::Client {
                to: at(1, 7000, is_ipv6),
                is_connected,
                left: random.u32(1..=8),
                number: 0,
                longest,
            };
            let name = 16 * u32::try_from(machine).unwrap() + socket;
            let party = party(name, &mut random, role);
            let options = datagram_options(&mut random);
            let made = match is_connected {
                true => host
                    .event_loop
                    .connect_udp(at(1, 7000, is_ipv6), options, party),
                false => host
                    .event_loop
                    .bind_udp(at(machine, 0, is_ipv6), options, party),
            };
            made.unwrap();
        }
        hosts.push(host);
    }
    for host in &mut hosts {
        if random.bool() {
            host.budget = Budget::new().steps(random.u32(1..4));
        }
    }
    run_all(&mut simulation, &mut hosts);
    // Datagrams that are still under way may be for the server, which closes last.
    hosts[0].event_loop.datagram_socket(server_socket).close();
    run_all(&mut simulation, &mut hosts);
    let dropped: u64 = hosts
        .iter()
        .map(|host| host.event_loop.statistics().datagrams_dropped)
        .sum();
    let ledger = ledger.borrow();
    ledger.assert_all_closed();
    let (sent, arrived) = ledger.arrivals();
    if is_lossless && dropped == 0 {
        assert_eq!(sent, arrived, "{simulation:?}");
    }
    drop(hosts);
    assert_eq!(simulation.open_sockets(), 0);
    Outcome {
        delivered: ledger.delivered,
        hash: simulation.trace_hash(),
    }
}

fn run_all(simulation: &mut Simulation, hosts: &mut [Host<()>]) {
    let mut all: Vec<&mut dyn AnyHost> = Vec::new();
    for host in hosts {
        all.push(host);
    }
    simulation.run(&mut all).unwrap();
}

fn datagram_options(random: &mut fastrand::Rng) -> DatagramOptions {
    let policy = match random.bool() {
        true => DropPolicy::Oldest,
        false => DropPolicy::Newest,
    };
    DatagramOptions::new()
        .receives_per_turn([1, 2, 32][random.usize(..3)])
        .high_water_mark([0, 1000, 64 << 10][random.usize(..3)])
        .max_queued_bytes([0, 5000, 64 << 10][random.usize(..3)])
        .drop_policy(policy)
}
