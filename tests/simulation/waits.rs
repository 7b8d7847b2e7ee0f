//! The waits of simulated loops: what ends a wait, how it is counted, and how many events it fetches.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use netloop::simulation::{Flavour, Handle, Host, Options, Simulation};
use netloop::{
    Budget, Context, DatagramContext, DatagramHandler, DatagramOptions, SocketHandler, SocketId,
    Wait,
};

const SERVER: &str = "10.0.0.1:7000";
const LATENCY: Duration = Duration::from_millis(100);
const SECOND: Duration = Duration::from_secs(1);

/// Sends bytes when it is connected.
struct Greeting;

impl SocketHandler for Greeting {
    fn on_connect(&mut self, cx: &mut Context<'_>) {
        cx.socket.write(b"hello").ignore();
    }
    fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {}
}

fn turn(host: &mut Host<()>, wait: Duration) {
    host.event_loop
        .turn(&mut host.shared, Wait::For(wait), Budget::new())
        .unwrap();
}

// The registration of the new socket has put it on the ready list, and an accept that would block the listener.
#[test]
fn a_source_that_has_no_event_any_more_ends_no_wait() {
    for flavour in [Flavour::Epoll, Flavour::Kqueue, Flavour::Afd] {
        let options = Options {
            latency: LATENCY,
            ..Options::new().flavour(flavour)
        };
        let mut simulation = Simulation::new(1, options).unwrap();
        let clock = simulation.handle();
        let mut server = simulation.host(()).unwrap();
        let mut client = simulation.host(()).unwrap();
        server.event_loop.listen(SERVER, |_, _| Greeting).unwrap();
        client.event_loop.connect(SERVER, Greeting).unwrap();
        turn(&mut client, Duration::ZERO);
        while server.event_loop.statistics().accepted == 0 {
            turn(&mut server, SECOND);
        }
        let counted = simulation.call_counts(&server.event_loop).polls;
        let begun = clock.now();
        turn(&mut server, SECOND);
        assert!(clock.now() - begun >= SECOND, "{flavour:?}");
        // The arrival of the greeting at the client has moved the clock on within the wait.
        let polls = simulation.call_counts(&server.event_loop).polls - counted;
        assert_eq!(polls, 1, "{flavour:?}");
    }
}

/// The record of a server with many sockets.
#[derive(Default)]
struct Crowd {
    sockets: Vec<SocketId>,
    /// The time of each turn in which bytes were delivered, and the number of deliveries.
    turns: BTreeSet<Instant>,
    deliveries: usize,
}

const SOCKETS: usize = 9;
const CAPACITY: usize = 1_000;

/// Fills the kernel's buffer, and at last keeps the machine busy until its peers have read and answered.
struct Filling(Handle);

impl SocketHandler<Crowd> for Filling {
    fn on_connect(&mut self, cx: &mut Context<'_, Crowd>) {
        let id = cx.socket.id();
        cx.shared.sockets.push(id);
        cx.socket.write(&[0; 3 * CAPACITY]).ignore();
        if cx.shared.sockets.len() == SOCKETS {
            cx.socket.after(SECOND, 0);
        }
    }
    fn on_data(&mut self, cx: &mut Context<'_, Crowd>, _: &[u8]) {
        cx.shared.turns.insert(cx.now());
        cx.shared.deliveries += 1;
    }
    fn on_timer(&mut self, _: &mut Context<'_, Crowd>, _: u64) {
        self.0.pass(SECOND);
    }
}

/// Reads nothing at first. Then reads, and answers.
struct Answering;

impl SocketHandler<Crowd> for Answering {
    fn on_connect(&mut self, cx: &mut Context<'_, Crowd>) {
        cx.socket.pause();
        // After the latency, the answer arrives while the server is busy.
        cx.socket.after(SECOND - LATENCY, 0);
    }
    fn on_data(&mut self, _: &mut Context<'_, Crowd>, _: &[u8]) {}
    fn on_timer(&mut self, cx: &mut Context<'_, Crowd>, _: u64) {
        cx.socket.write(b"?").ignore();
        cx.socket.resume();
    }
}

// kqueue has two events for each of these sockets, and a batch has the place of one.
#[test]
fn all_events_of_both_directions_are_fetched_in_one_turn() {
    for flavour in [Flavour::Epoll, Flavour::Kqueue] {
        let options = Options {
            latency: LATENCY,
            capacity: CAPACITY,
            batch: 2,
            ..Options::new().flavour(flavour)
        };
        let mut simulation = Simulation::new(1, options).unwrap();
        let clock = simulation.handle();
        let mut server = simulation.host(Crowd::default()).unwrap();
        let mut client = simulation.host(Crowd::default()).unwrap();
        server
            .event_loop
            .listen(SERVER, move |_, _| Filling(clock.clone()))
            .unwrap();
        for _ in 0..SOCKETS {
            client.event_loop.connect(SERVER, Answering).unwrap();
        }
        simulation
            .run_for(&mut [&mut server, &mut client], 5 * SECOND)
            .unwrap();
        let Crowd {
            turns, deliveries, ..
        } = &server.shared;
        assert_eq!(*deliveries, SOCKETS, "{flavour:?}");
        assert_eq!(turns.len(), 1, "{flavour:?}");
    }
}

/// Counts its sockets that are bound.
struct Bound;

impl DatagramHandler<u32> for Bound {
    fn on_listening(&mut self, cx: &mut DatagramContext<'_, u32>) {
        *cx.shared += 1;
    }
    fn on_message(&mut self, _: &mut DatagramContext<'_, u32>, _: SocketAddr, _: &[u8]) {}
}

// One lookup serves all sockets of its name, and several may be answered at once. A budget may end between two sockets.
#[test]
fn no_wait_begins_while_an_answer_of_a_lookup_is_left() {
    let together = ["one.test"; 5];
    let apart = [
        "one.test",
        "two.test",
        "three.test",
        "four.test",
        "five.test",
    ];
    for (names, steps) in [(together, 1), (together, 2), (apart, 1), (apart, 2)] {
        let mut simulation = Simulation::new(1, Options::new()).unwrap();
        let clock = simulation.handle();
        let mut host = simulation.host(0).unwrap();
        for name in names {
            simulation.set_name(name, &["10.0.0.1".parse().unwrap()]);
            let options = DatagramOptions::new();
            let bound = host.event_loop.bind_udp((name, 0), options, Bound);
            bound.unwrap();
        }
        let budget = Budget::new().steps(steps);
        let mut turn = || {
            let hour = Wait::For(3600 * SECOND);
            let turn = host.event_loop.turn(&mut host.shared, hour, budget);
            (host.shared, turn.unwrap().more)
        };
        // The answers come in one of these turns.
        while turn().0 == 0 {}
        let begun = clock.now();
        while let (bound @ 0..5, more) = turn() {
            assert!(more, "{bound} are bound, {steps}");
        }
        assert!(clock.now() - begun < SECOND, "{steps}");
    }
}
