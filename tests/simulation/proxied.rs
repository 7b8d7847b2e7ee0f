//! Servers behind proxies while headers come in pieces, break off or never come. Each client is counted in its own
//! network, no place is lost, and a connection without a header is gone in time.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use netloop::simulation::{Host, Options, Simulation};
use netloop::{
    AcceptLimit, Accepted, BlockList, Budget, CloseReason, ConnectOptions, Context,
    EventLoopOptions, FailedHandshake, Limits, ListenOptions, LoopContext, OverLimit, ProxyHeader,
    ProxyProtocol, Refusal, ServerHandler, SocketHandler, SocketId, Sockets, State,
};

const SERVER: &str = "10.0.0.1:7000";

/// The number of the client that is on the block list.
const BLOCKED: u8 = 9;

/// The time for a header, which is enough at any latency.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The state of the machine with the server.
#[derive(Default)]
struct World {
    of_network: usize,
    told: u64,
    over: u64,
    failed: u64,
}

/// The open sockets of a client. Those that wait for a header are in no network.
fn sockets_of(sockets: &mut Sockets<'_>, client: IpAddr) -> usize {
    let ids: Vec<SocketId> = sockets.ids().collect();
    let mut is_open = |&id: &SocketId| {
        let socket = sockets.socket(id);
        !socket.is_destroyed()
            && socket.state() != State::Opening
            && socket
                .peer_address()
                .is_some_and(|peer| peer.ip() == client)
    };
    ids.iter().filter(|id| is_open(id)).count()
}

struct Front;

impl ServerHandler<World> for Front {
    fn on_connection(
        &mut self,
        cx: &mut LoopContext<'_, World>,
        accepted: &Accepted,
    ) -> Option<Box<dyn SocketHandler<World>>> {
        cx.shared.told += 1;
        let peer = accepted.peer_address.unwrap();
        let socket = cx.sockets.socket(accepted.id);
        assert_eq!(socket.peer_address(), Some(peer));
        let proxy = socket.proxy_address().unwrap();
        match socket.proxy_header().unwrap() {
            ProxyHeader::Inet { source, .. } => assert_eq!(*source, peer),
            ProxyHeader::Local => assert_eq!(proxy, peer),
            other => panic!("{other:?} was not sent"),
        }
        assert_ne!(peer.ip(), client(BLOCKED).ip());
        assert!(sockets_of(&mut cx.sockets, peer.ip()) <= cx.shared.of_network);
        Some(Box::new(Inside { has_begun: false }))
    }

    fn on_over_limit(&mut self, cx: &mut LoopContext<'_, World>, told: &OverLimit) {
        assert_eq!(told.limit, AcceptLimit::Network);
        let peer = told.peer_address.unwrap().ip();
        let taken = sockets_of(&mut cx.sockets, peer);
        assert_eq!((taken, told.refused), (cx.shared.of_network, 1), "{peer}");
        cx.shared.over += told.refused;
    }

    fn on_handshake_failed(&mut self, cx: &mut LoopContext<'_, World>, failed: &FailedHandshake) {
        let code = failed.error.code();
        let codes = ["ERR_PROXY_HEADER", "ETIMEDOUT", "ECONNRESET", "EPIPE"];
        assert!(codes.contains(&code), "{code}");
        cx.shared.failed += 1;
    }
}

/// Sends everything back. The first byte is the number of the client.
struct Inside {
    has_begun: bool,
}

impl SocketHandler<World> for Inside {
    fn on_data(&mut self, cx: &mut Context<'_, World>, data: &[u8]) {
        if !std::mem::replace(&mut self.has_begun, true) {
            let peer = cx.socket.peer_address().unwrap();
            let is_proxy = cx.socket.proxy_address() == Some(peer);
            assert!(is_proxy || client(data[0]).ip() == peer.ip());
        }
        cx.socket.write(data).ignore();
    }
}

/// A connection of a proxy, which sends pieces one after the other.
struct Courier {
    pieces: VecDeque<Vec<u8>>,
    /// The echo: the bytes after the header.
    payload: Vec<u8>,
    received: usize,
    /// Whether it stays behind its last piece, in any case.
    stays: bool,
}

type Proxies = Host<fastrand::Rng>;

impl SocketHandler<fastrand::Rng> for Courier {
    fn on_connect(&mut self, cx: &mut Context<'_, fastrand::Rng>) {
        self.on_timer(cx, 0);
    }
    fn on_data(&mut self, _: &mut Context<'_, fastrand::Rng>, data: &[u8]) {
        assert!(self.payload[self.received..].starts_with(data));
        self.received += data.len();
    }
    fn on_timer(&mut self, cx: &mut Context<'_, fastrand::Rng>, _: u64) {
        match self.pieces.pop_front() {
            Some(piece) => {
                cx.socket.write(&piece).ignore();
                let pause = Duration::from_millis(cx.shared.u64(0..4));
                cx.socket.after(pause, 0);
            }
            None if self.stays => {}
            None => match cx.shared.u32(0..5) {
                0 => cx.socket.destroy(),
                1 => drop(cx.socket.reset()),
                2 => cx.socket.end(),
                _ => {}
            },
        }
    }
    fn on_close(&mut self, _: &mut Context<'_, fastrand::Rng>, _: CloseReason) {}
}

fn client(number: u8) -> SocketAddr {
    ([192, 0, 2, number], 1000 + u16::from(number)).into()
}

/// The header of a client in one of the two versions.
fn header(number: u8, random: &mut fastrand::Rng) -> Vec<u8> {
    let client = client(number);
    if random.bool() {
        let (ip, port) = (client.ip(), client.port());
        return format!("PROXY TCP4 {ip} 10.0.0.1 {port} 443\r\n").into_bytes();
    }
    let tlvs = random.u8(0..40);
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0".to_vec();
    bytes.push(12 + tlvs);
    bytes.extend([192, 0, 2, number, 10, 0, 0, 1]);
    bytes.extend(client.port().to_be_bytes());
    bytes.extend(443_u16.to_be_bytes());
    bytes.resize(bytes.len() + usize::from(tlvs), b'\n');
    bytes
}

fn connect(proxies: &mut Proxies, from: [u8; 4], courier: Courier) -> SocketId {
    let options = ConnectOptions::new().local_address(IpAddr::from(from));
    let connecting = proxies.event_loop.connect_with(SERVER, options, courier);
    connecting.unwrap()
}

/// A connection that may have a header, or a part of one, or something else.
fn send(proxies: &mut Proxies, random: &mut fastrand::Rng) {
    let number = random.u8(1..=BLOCKED);
    let mut bytes = match random.u32(0..8) {
        0 => b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0".to_vec(),
        1 => b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        _ => header(number, random),
    };
    let mut payload = vec![number];
    payload.extend(std::iter::repeat_with(|| random.u8(..)).take(20));
    bytes.extend_from_slice(&payload);
    if random.u32(0..4) == 0 {
        bytes.truncate(random.usize(0..bytes.len()));
    }
    let mut pieces = VecDeque::new();
    while !bytes.is_empty() {
        let most = random.choice([1, 9, 200]).unwrap().min(bytes.len());
        let rest = bytes.split_off(random.usize(0..=most));
        pieces.push_back(std::mem::replace(&mut bytes, rest));
    }
    // One of three proxies, or a stranger.
    let from = [10, 1, 0, random.u8(1..5)];
    let courier = Courier {
        pieces,
        payload,
        received: 0,
        stays: false,
    };
    connect(proxies, from, courier);
}

fn run(seed: u64) -> [u64; 4] {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut options = Options {
        descriptors: None,
        ..Options::from_seed(seed)
    };
    // At one byte a round trip, a header would take minutes.
    options.capacity = options.capacity.max(100);
    let mut simulation = Simulation::new(seed, options).unwrap();
    let world = World {
        of_network: random.usize(1..4),
        ..World::default()
    };
    let limits = Limits::unlimited()
        .max_connections_per_network(world.of_network)
        .handshake_timeout(TIMEOUT)
        .refusal(random.choice([Refusal::End, Refusal::Reset]).unwrap());
    let unlimited = EventLoopOptions::new().limits(Limits::unlimited());
    let mut host = simulation.host_with(world, unlimited).unwrap();
    if random.bool() {
        host.budget = Budget::new().steps(random.u32(1..6));
    }
    let mut blocked = BlockList::new();
    blocked.add_address(client(BLOCKED).ip());
    let trusted = ProxyProtocol::new().trust("10.1.0.1-10.1.0.3").unwrap();
    let options = ListenOptions::new()
        .limits(limits)
        .block_list(Rc::new(blocked))
        .proxy_protocol(trusted);
    host.event_loop.serve(SERVER, options, Front).unwrap();
    let mut proxies = simulation.host(random.fork()).unwrap();
    for _ in 0..random.u32(1..30) {
        for _ in 0..random.u32(1..6) {
            send(&mut proxies, &mut random);
        }
        let pause = Duration::from_millis(random.u64(0..30));
        simulation
            .run_for(&mut [&mut host, &mut proxies], pause)
            .unwrap();
    }
    simulation.end_faults();
    let long = Duration::from_secs(20);
    simulation
        .run_for(&mut [&mut host, &mut proxies], long)
        .unwrap();

    // Each connection was told, refused, or has failed in time: none waits for its header any more.
    let it = host.event_loop.statistics();
    let World {
        told, over, failed, ..
    } = host.shared;
    assert_eq!(it.accepted, told + over + failed + it.dropped_blocked);
    assert_eq!(it.dropped_over_network_limit, over);

    // As many guests of each client come in as there are places.
    let ids: Vec<SocketId> = proxies.event_loop.sockets().ids().collect();
    for id in ids {
        proxies.event_loop.socket(id).destroy();
    }
    simulation
        .run_for(&mut [&mut host, &mut proxies], long)
        .unwrap();
    let ids: Vec<SocketId> = host.event_loop.sockets().ids().collect();
    for id in ids {
        host.event_loop.socket(id).destroy();
    }
    simulation
        .run_for(&mut [&mut host, &mut proxies], long)
        .unwrap();
    assert_eq!(host.event_loop.statistics().sockets, 0);
    let (told_before, over_before) = (host.shared.told, host.shared.over);
    for number in 1..BLOCKED {
        for _ in 0..4 {
            let guest = Courier {
                pieces: [header(number, &mut random)].into(),
                payload: Vec::new(),
                received: 0,
                stays: true,
            };
            connect(&mut proxies, [10, 1, 0, 1], guest);
        }
        simulation
            .run_for(&mut [&mut host, &mut proxies], long)
            .unwrap();
    }
    let places = 8 * host.shared.of_network as u64;
    assert_eq!(host.shared.told - told_before, places);
    assert_eq!(host.shared.over - over_before, 32 - places);
    [told, over, failed, it.dropped_blocked]
}

/// Names the seed of a run that fails.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the seed of the proxied clients is {}", self.0);
        }
    }
}

#[test]
fn proxied_clients_keep_their_own_places_under_any_seed() {
    let mut sums = [0; 4];
    for seed in 0..150 {
        let _named = Named(seed);
        for (sum, count) in sums.iter_mut().zip(run(seed)) {
            *sum += count;
        }
    }
    assert!(
        sums.iter().all(|&sum| sum > 200),
        "each comes often: {sums:?}"
    );
}

#[test]
fn a_header_that_never_comes_has_its_time_and_no_more() {
    let mut simulation = Simulation::new(1, Options::new()).unwrap();
    let mut host = simulation.host(World::default()).unwrap();
    let options = ListenOptions::new()
        .limits(Limits::unlimited().handshake_timeout(TIMEOUT))
        .proxy_protocol(ProxyProtocol::new().trust("10.0.0.0/8").unwrap());
    host.event_loop.serve(SERVER, options, Front).unwrap();
    let mut proxies = simulation.host(fastrand::Rng::with_seed(1)).unwrap();
    let silent = Courier {
        pieces: VecDeque::new(),
        payload: Vec::new(),
        received: 0,
        stays: true,
    };
    connect(&mut proxies, [10, 1, 0, 1], silent);
    let before = TIMEOUT - Duration::from_millis(5);
    simulation
        .run_for(&mut [&mut host, &mut proxies], before)
        .unwrap();
    assert_eq!(
        (host.shared.failed, host.event_loop.statistics().sockets),
        (0, 1)
    );
    let rest = Duration::from_millis(10);
    simulation
        .run_for(&mut [&mut host, &mut proxies], rest)
        .unwrap();
    assert_eq!(
        (host.shared.failed, host.event_loop.statistics().sockets),
        (1, 0)
    );
    assert_eq!(host.event_loop.statistics().timed_out_handshakes, 1);
}
