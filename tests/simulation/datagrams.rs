//! UDP in the simulated network: what its options do, and thousands of seeds under a checker of its own.

mod checker;
mod drains;
mod workload;

use std::net::SocketAddr;
use std::time::Duration;

use netloop::simulation::{Flavour, Host, Options, Route, Simulation, SimulationEnd};
use netloop::{
    DatagramContext, DatagramFlow, DatagramHandler, DatagramOptions, Error, MulticastInterface,
};

type Notes = Vec<String>;

/// Notes each event, and answers if it is an echo.
struct Note {
    echoes: bool,
}

impl DatagramHandler<Notes> for Note {
    fn on_message(&mut self, cx: &mut DatagramContext<'_, Notes>, from: SocketAddr, data: &[u8]) {
        let text = String::from_utf8_lossy(data);
        cx.shared.push(match data.len() {
            0..=32 => format!("{from} {text}"),
            length => format!("{from} {length} bytes"),
        });
        if self.echoes {
            cx.socket.send_to(from, data).ignore();
        }
    }
    fn on_error(&mut self, cx: &mut DatagramContext<'_, Notes>, error: &Error) {
        cx.shared.push(error.to_string());
    }
}

/// A server on machine 1 and a client on machine 2, each with one socket of port 7000.
struct Pair {
    simulation: Simulation,
    server: Host<Notes>,
    client: Host<Notes>,
    to_server: netloop::DatagramId,
    to_client: netloop::DatagramId,
}

const SERVER: &str = "10.0.0.1:7000";

fn server() -> SocketAddr {
    SERVER.parse().unwrap()
}

impl Pair {
    fn new(options: Options) -> Self {
        Self::with(options, DatagramOptions::new())
    }

    fn with(options: Options, datagrams: DatagramOptions) -> Self {
        let mut simulation = Simulation::new(1, options).unwrap();
        let mut server = simulation.host(Notes::new()).unwrap();
        let mut client = simulation.host(Notes::new()).unwrap();
        let note = |echoes| Note { echoes };
        let to_client = server
            .event_loop
            .bind_udp("0.0.0.0:7000", datagrams.clone(), note(true))
            .unwrap();
        let to_server = client
            .event_loop
            .bind_udp("10.0.0.2:7000", datagrams, note(false))
            .unwrap();
        Self {
            simulation,
            server,
            client,
            to_server,
            to_client,
        }
    }

    fn send(&mut self, bytes: &[u8]) -> DatagramFlow {
        let mut socket = self.client.event_loop.datagram_socket(self.to_server);
        socket.send_to(server(), bytes)
    }

    fn run(&mut self) {
        let Self {
            simulation,
            server,
            client,
            ..
        } = self;
        let end = simulation.run(&mut [server, client]).unwrap();
        assert_eq!(end, SimulationEnd::Quiescent);
    }

    /// The numbers that the server has received, in order.
    fn numbers(&self) -> Vec<u32> {
        let words = self.server.shared.iter();
        words
            .map(|note| note.rsplit(' ').next().unwrap().parse().unwrap())
            .collect()
    }
}

#[test]
fn datagrams_travel_with_their_addresses_and_latency() {
    for flavour in Flavour::ALL {
        let latency = Duration::from_millis(20);
        let options = Options {
            latency,
            flavour,
            ..Options::new()
        };
        let mut pair = Pair::new(options);
        assert_eq!(pair.send(b"hello"), DatagramFlow::Open);
        pair.run();
        assert_eq!(pair.server.shared, ["10.0.0.2:7000 hello"]);
        assert_eq!(pair.client.shared, ["10.0.0.1:7000 hello"]);
        assert!(pair.simulation.elapsed() >= 2 * latency);
        assert!(pair.simulation.elapsed() < 2 * latency + Duration::from_millis(1));
    }
}

#[test]
fn a_share_of_the_datagrams_is_lost_doubled_or_late() {
    let send = |options: Options| {
        let mut pair = Pair::with(options, DatagramOptions::new());
        for number in 0..1000 {
            assert_eq!(
                pair.send(format!("{number}").as_bytes()),
                DatagramFlow::Open
            );
        }
        pair.run();
        pair.numbers()
    };
    let calm = Options {
        latency: Duration::from_millis(1),
        ..Options::new()
    };
    let all: Vec<u32> = (0..1000).collect();
    assert_eq!(send(calm.clone()), all);

    let lossy = send(Options {
        datagram_loss: 100,
        ..calm.clone()
    });
    assert!((850..950).contains(&lossy.len()), "{}", lossy.len());
    assert!(lossy.is_sorted());

    let doubled = send(Options {
        datagram_duplication: 100,
        ..calm.clone()
    });
    assert!((1050..1150).contains(&doubled.len()), "{}", doubled.len());

    let mut late = send(Options {
        datagram_reordering: 100,
        ..calm
    });
    assert!(!late.is_sorted());
    late.sort_unstable();
    assert_eq!(late, all);
}

#[test]
fn a_datagram_beyond_the_mtu_is_lost_with_any_fragment() {
    let mut arrived = Vec::new();
    for (length, mtu) in [(1400, 1500), (14_000, 1500), (14_000, 65_536)] {
        let options = Options {
            datagram_loss: 100,
            mtu,
            capacity: 1 << 30,
            ..Options::new()
        };
        let mut pair = Pair::new(options);
        for _ in 0..1000 {
            assert_eq!(pair.send(&vec![7; length]), DatagramFlow::Open);
        }
        pair.run();
        arrived.push(pair.server.shared.len());
    }
    // Ten fragments arrive with a probability of 0.9^10.
    assert!(arrived[0] > 850 && arrived[2] > 850, "{arrived:?}");
    assert!((250..450).contains(&arrived[1]), "{arrived:?}");
}

#[test]
fn a_datagram_that_is_too_long_is_refused_in_a_simulation_too() {
    let mut pair = Pair::new(Options::new());
    assert_eq!(pair.send(&vec![7; 65_507]), DatagramFlow::Open);
    assert_eq!(pair.send(&vec![7; 65_508]), DatagramFlow::Dropped);
    pair.run();
    assert_eq!(pair.server.shared, ["10.0.0.2:7000 65507 bytes"]);
    assert!(
        pair.client
            .shared
            .contains(&format!("send EMSGSIZE {SERVER}"))
    );
}

#[test]
fn the_refusal_of_a_dead_port_reaches_a_connected_socket() {
    for flavour in Flavour::ALL {
        let options = Options {
            flavour,
            ..Options::new()
        };
        let mut pair = Pair::new(options);
        let options = DatagramOptions::new();
        let note = Note { echoes: false };
        let id = pair
            .client
            .event_loop
            .connect_udp("10.0.0.1:9", options, note)
            .unwrap();
        let sent = pair.client.event_loop.datagram_socket(id).send(b"x");
        assert_eq!(sent, DatagramFlow::Open);
        let unconnected = pair.to_server;
        let mut socket = pair.client.event_loop.datagram_socket(unconnected);
        let dead: SocketAddr = "10.0.0.1:9".parse().unwrap();
        assert_eq!(socket.send_to(dead, b"x"), DatagramFlow::Open);
        pair.run();
        let expected = ["recvmsg ECONNREFUSED 10.0.0.1:9"];
        assert_eq!(pair.client.shared, expected, "{flavour:?}");
        let socket = pair.client.event_loop.datagram_socket(id);
        assert!(!socket.is_closed());
    }
}

#[test]
fn routes_and_partitions_stop_datagrams_without_a_word() {
    let mut pair = Pair::new(Options::new());
    let address = server().ip();
    pair.simulation.set_route(address, Route::Blackhole);
    assert_eq!(pair.send(b"lost"), DatagramFlow::Open);
    pair.run();
    pair.simulation.set_route(address, Route::Unreachable);
    assert_eq!(pair.send(b"unreachable"), DatagramFlow::Dropped);
    pair.run();
    let delay = Duration::from_secs(5);
    pair.simulation.set_route(address, Route::Delayed(delay));
    let before = pair.simulation.elapsed();
    assert_eq!(pair.send(b"late"), DatagramFlow::Open);
    pair.run();
    assert!(pair.simulation.elapsed() - before >= delay);
    pair.simulation.set_route(address, Route::Normal);
    pair.simulation.partition(&pair.server.event_loop);
    assert_eq!(pair.send(b"cut off"), DatagramFlow::Open);
    pair.run();
    pair.simulation.heal(&pair.server.event_loop);
    pair.run();
    assert_eq!(pair.send(b"healed"), DatagramFlow::Open);
    pair.run();
    let expected = ["10.0.0.2:7000 late", "10.0.0.2:7000 healed"];
    assert_eq!(pair.server.shared, expected);
    let refused = format!("send ENETUNREACH {SERVER}");
    assert_eq!(pair.client.shared[0], refused);
}

// The network takes a byte in a microsecond; the queue keeps what the kernel has no space for.
#[test]
fn a_slow_network_fills_the_queue_and_drains_it() {
    let options = Options {
        bytes_per_second: Some(1_000_000),
        capacity: 10_000,
        ..Options::new()
    };
    let queue = DatagramOptions::new().high_water_mark(20_000);
    let mut pair = Pair::with(options, queue);
    let flows: Vec<DatagramFlow> = (0..50).map(|_| pair.send(&[7; 1000])).collect();
    let open = flows
        .iter()
        .filter(|flow| **flow == DatagramFlow::Open)
        .count();
    assert_eq!(open, 29, "ten in the kernel, nineteen below the mark");
    assert!(flows[29..].iter().all(|flow| *flow == DatagramFlow::Full));
    pair.run();
    let expected = vec!["10.0.0.2:7000 1000 bytes"; 50];
    assert_eq!(pair.server.shared, expected);
    assert!(pair.simulation.elapsed() >= Duration::from_millis(50));
}

#[test]
fn the_kernel_drops_what_its_receive_buffer_cannot_hold() {
    let options = Options {
        capacity: 5_000,
        ..Options::new()
    };
    let mut pair = Pair::new(options);
    pair.server
        .event_loop
        .datagram_socket(pair.to_client)
        .pause();
    for _ in 0..20 {
        assert_eq!(pair.send(&[7; 1000]), DatagramFlow::Open);
    }
    pair.run();
    assert!(pair.server.shared.is_empty());
    pair.server
        .event_loop
        .datagram_socket(pair.to_client)
        .resume();
    pair.run();
    assert_eq!(pair.server.shared.len(), 5);
}

#[test]
fn groups_and_broadcasts_reach_the_machines_that_listen() {
    let mut simulation = Simulation::new(1, Options::new()).unwrap();
    let mut hosts: Vec<Host<Notes>> = (0..3)
        .map(|_| simulation.host(Notes::new()).unwrap())
        .collect();
    let group: std::net::Ipv4Addr = "239.1.2.3".parse().unwrap();
    let mut ids = Vec::new();
    for host in &mut hosts {
        let options = DatagramOptions::new().broadcast(true);
        let note = Note { echoes: false };
        let bound = host.event_loop.bind_udp("0.0.0.0:7000", options, note);
        ids.push(bound.unwrap());
    }
    for number in [0, 1] {
        let mut socket = hosts[number].event_loop.datagram_socket(ids[number]);
        socket
            .join_multicast(group, MulticastInterface::Any)
            .unwrap();
    }
    let mut socket = hosts[2].event_loop.datagram_socket(ids[2]);
    let to_group = SocketAddr::from((group, 7000));
    assert_eq!(socket.send_to(to_group, b"group"), DatagramFlow::Open);
    let to_all = SocketAddr::from(([255; 4], 7000));
    assert_eq!(socket.send_to(to_all, b"all"), DatagramFlow::Open);
    let [one, two, three] = &mut hosts[..] else {
        unreachable!()
    };
    simulation.run(&mut [one, two, three]).unwrap();
    for host in &mut hosts[..2] {
        assert_eq!(host.shared, ["10.0.0.3:7000 group", "10.0.0.3:7000 all"]);
    }
    assert_eq!(hosts[2].shared, ["10.0.0.3:7000 all"]);
}

#[test]
fn a_crash_frees_the_addresses_and_tells_no_sender() {
    let mut pair = Pair::new(Options::new());
    assert_eq!(pair.send(b"before"), DatagramFlow::Open);
    pair.run();
    let Pair {
        mut simulation,
        server: crashing,
        mut client,
        to_server,
        ..
    } = pair;
    let crashed = simulation.crash(crashing).unwrap();
    let mut socket = client.event_loop.datagram_socket(to_server);
    assert_eq!(socket.send_to(server(), b"down"), DatagramFlow::Open);
    simulation.run(&mut [&mut client]).unwrap();
    let mut restarted = simulation.restart(crashed).unwrap();
    restarted.shared.clear();
    let note = Note { echoes: true };
    restarted
        .event_loop
        .bind_udp("0.0.0.0:7000", DatagramOptions::new(), note)
        .unwrap();
    let mut socket = client.event_loop.datagram_socket(to_server);
    assert_eq!(socket.send_to(server(), b"up"), DatagramFlow::Open);
    simulation.run(&mut [&mut client, &mut restarted]).unwrap();
    assert_eq!(restarted.shared, ["10.0.0.2:7000 up"]);
    assert_eq!(client.shared.len(), 2, "two echoes, no error");
}

// A few machines, loss, duplication, faults of calls and all flavours: see `workload`.
#[test]
fn two_thousand_seeds_keep_the_promises_of_udp() {
    let mut delivered = 0;
    for seed in seeds(0..2000) {
        delivered += workload::run(seed).delivered;
    }
    assert!(delivered > 0);
}

#[test]
fn a_seed_of_udp_always_gives_the_same_run() {
    for seed in 0..50 {
        let (one, other) = (workload::run(seed), workload::run(seed));
        assert_eq!(one, other, "seed {seed}");
    }
}

/// The seeds of a test, or the one of the variable.
fn seeds(range: std::ops::Range<u64>) -> std::ops::Range<u64> {
    match std::env::var("SEED") {
        Ok(text) => {
            let seed: u64 = text.parse().unwrap();
            seed..seed + 1
        }
        Err(_) => range,
    }
}
