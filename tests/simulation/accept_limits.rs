//! Servers at the limits of their accepts while peers come and go: no place is lost, and none is too many (A9).

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use netloop::simulation::{Host, Options, Simulation};
use netloop::{
    AcceptLimit, AcceptRate, Accepted, Budget, CloseReason, ConnectOptions, Context, Error,
    EventLoopOptions, Limits, ListenOptions, LoopContext, OverLimit, Refusal, ServerHandler,
    ServerId, SocketHandler, SocketId, Sockets,
};

/// The limits of one run.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    of_loop: usize,
    of_servers: [usize; 2],
    of_network: usize,
    accepts_per_turn: u32,
}

/// The state of the machine with the servers.
struct World {
    random: fastrand::Rng,
    bounds: Bounds,
    servers: Vec<ServerId>,
    accepted: u64,
    refused: BTreeMap<&'static str, u64>,
    /// The accepts and refusals of a turn, and the turn.
    decided_in: (u64, u32),
}

/// The open sockets of a loop, of one of its servers, and of one network of that server.
fn places(sockets: &mut Sockets<'_>, server: ServerId, network: Option<IpAddr>) -> [usize; 3] {
    let ids: Vec<SocketId> = sockets.ids().collect();
    let mut taken = [0; 3];
    for id in ids {
        let socket = sockets.socket(id);
        if socket.is_destroyed() {
            continue;
        }
        taken[0] += 1;
        if socket.accepted_by() == Some(server) {
            taken[1] += 1;
            let peer = socket.peer_address().map(|peer| peer.ip());
            taken[2] += usize::from(network.is_some() && peer == network);
        }
    }
    taken
}

struct Front(usize);

impl Front {
    fn most(&self, world: &World) -> [usize; 3] {
        let bounds = world.bounds;
        [bounds.of_loop, bounds.of_servers[self.0], bounds.of_network]
    }

    /// No server decides on more connections in a turn than its limit says.
    fn count_in_turn(&self, cx: &mut LoopContext<'_, World>, more: u64) {
        let turn = cx.statistics().turns;
        let world = &mut *cx.shared;
        if world.decided_in.0 != turn {
            world.decided_in = (turn, 0);
        }
        world.decided_in.1 += u32::try_from(more).unwrap();
        assert!(world.decided_in.1 <= 2 * world.bounds.accepts_per_turn);
    }
}

impl ServerHandler<World> for Front {
    fn on_connection(
        &mut self,
        cx: &mut LoopContext<'_, World>,
        accepted: &Accepted,
    ) -> Option<Box<dyn SocketHandler<World>>> {
        self.count_in_turn(cx, 1);
        let network = accepted.peer_address.map(|peer| peer.ip());
        let taken = places(&mut cx.sockets, accepted.server, network);
        let most = self.most(cx.shared);
        assert!(
            taken.iter().zip(most).all(|(taken, most)| *taken <= most),
            "{taken:?} of {most:?}"
        );
        cx.shared.accepted += 1;
        match cx.shared.random.u32(0..10) {
            0 => None,
            1 => {
                cx.sockets.socket(accepted.id).destroy();
                Some(Box::new(Inside))
            }
            _ => Some(Box::new(Inside)),
        }
    }

    fn on_over_limit(&mut self, cx: &mut LoopContext<'_, World>, told: &OverLimit) {
        assert!(told.refused > 0);
        self.count_in_turn(cx, told.refused);
        let network = told.peer_address.map(|peer| peer.ip());
        let taken = places(&mut cx.sockets, told.server, network);
        let most = self.most(cx.shared);
        let (name, which) = match told.limit {
            AcceptLimit::Loop => ("loop", 0),
            AcceptLimit::Server => ("server", 1),
            AcceptLimit::Network => ("network", 2),
            other => panic!("refused because of {other:?}"),
        };
        assert!(
            taken[which] >= most[which],
            "refused by the {name}: {taken:?} of {most:?}"
        );
        let first = taken
            .iter()
            .zip(most)
            .position(|(taken, most)| *taken >= most);
        assert_eq!(first, Some(which), "{taken:?} of {most:?}");
        *cx.shared.refused.entry(name).or_default() += told.refused;
    }

    fn on_error(&mut self, _: &mut LoopContext<'_, World>, error: &Error) {
        assert!(matches!(error.code(), "EMFILE" | "ENFILE"), "{error}");
    }
}

/// Ends in one of several ways when it hears of its peer.
struct Inside;

impl SocketHandler<World> for Inside {
    fn on_data(&mut self, cx: &mut Context<'_, World>, _: &[u8]) {
        match cx.shared.random.u32(0..6) {
            0 => cx.socket.destroy(),
            1 => drop(cx.socket.reset()),
            2 => cx.socket.end(),
            _ => cx.socket.write(b"x").ignore(),
        }
    }
}

/// The state of the machine with the clients.
struct Clients(fastrand::Rng);

/// Stays for a while, and ends in one of several ways. Some stay for ever.
struct Visitor;

impl SocketHandler<Clients> for Visitor {
    fn on_connect(&mut self, cx: &mut Context<'_, Clients>) {
        let stay = Duration::from_millis(cx.shared.0.u64(0..40));
        cx.socket.after(stay, 0);
    }
    fn on_data(&mut self, _: &mut Context<'_, Clients>, _: &[u8]) {}
    fn on_timer(&mut self, cx: &mut Context<'_, Clients>, _: u64) {
        match cx.shared.0.u32(0..5) {
            0 => cx.socket.destroy(),
            1 => drop(cx.socket.reset()),
            2 => cx.socket.end(),
            3 => cx.socket.write(b"x").ignore(),
            _ => {}
        }
    }
    fn on_close(&mut self, _: &mut Context<'_, Clients>, _: CloseReason) {}
}

/// Stays.
struct Guest;

impl SocketHandler<Clients> for Guest {
    fn on_data(&mut self, _: &mut Context<'_, Clients>, _: &[u8]) {}
}

fn address_of(server: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 7000 + u16::try_from(server).unwrap()))
}

fn connect<H: SocketHandler<Clients> + 'static>(
    clients: &mut Host<Clients>,
    server: usize,
    network: u8,
    handler: H,
) {
    let options = ConnectOptions::new().local_address(IpAddr::from([10, 1, 0, network]));
    clients
        .event_loop
        .connect_with(address_of(server), options, handler)
        .unwrap();
}

fn run(simulation: &mut Simulation, random: &mut fastrand::Rng) -> netloop::Result<[u64; 3]> {
    let bounds = Bounds {
        of_loop: random.usize(1..9),
        of_servers: [random.usize(0..6), random.usize(1..6)],
        of_network: random.usize(1..4),
        accepts_per_turn: random.u32(1..6),
    };
    let world = World {
        random: random.fork(),
        bounds,
        servers: Vec::new(),
        accepted: 0,
        refused: BTreeMap::new(),
        decided_in: (0, 0),
    };
    let of_loop = Limits::unlimited().max_connections(bounds.of_loop);
    let mut host = simulation.host_with(world, EventLoopOptions::new().limits(of_loop))?;
    if random.bool() {
        host.budget = Budget::new().steps(random.u32(1..6));
    }
    for (number, &most) in bounds.of_servers.iter().enumerate() {
        let limits = Limits::unlimited()
            .max_connections(most)
            .max_connections_per_network(bounds.of_network)
            .accepts_per_turn(bounds.accepts_per_turn)
            .refusal(random.choice([Refusal::End, Refusal::Reset]).unwrap());
        let options = ListenOptions::new().limits(limits);
        let server = host
            .event_loop
            .serve(address_of(number), options, Front(number))?;
        host.shared.servers.push(server);
    }
    let mut clients = simulation.host(Clients(random.fork()))?;
    for _ in 0..random.u32(1..30) {
        for _ in 0..random.u32(1..8) {
            connect(&mut clients, random.usize(0..2), random.u8(1..5), Visitor);
        }
        let pause = Duration::from_millis(random.u64(0..30));
        simulation.run_for(&mut [&mut host, &mut clients], pause)?;
    }
    check_counters(&host);

    // Nothing is lost: as many guests come in as there are places.
    simulation.end_faults();
    let open: Vec<SocketId> = clients.event_loop.sockets().ids().collect();
    for id in open {
        clients.event_loop.socket(id).destroy();
    }
    let long = Duration::from_secs(5);
    simulation.run_for(&mut [&mut host, &mut clients], long)?;
    let open: Vec<SocketId> = host.event_loop.sockets().ids().collect();
    for id in open {
        host.event_loop.socket(id).destroy();
    }
    simulation.run_for(&mut [&mut host, &mut clients], long)?;
    host.shared.random = fastrand::Rng::with_seed(0);
    let before = host.event_loop.statistics();
    for guest in 0..20 {
        for server in 0..2 {
            connect(&mut clients, server, guest + 1, Guest);
            connect(&mut clients, server, guest + 1, Guest);
        }
        simulation.run_for(&mut [&mut host, &mut clients], long)?;
    }
    let growth = host.event_loop.statistics().since(&before);
    // Those that the handler itself refuses leave at once.
    let places = host.event_loop.statistics().sockets;
    let of_servers: usize = bounds.of_servers.iter().sum();
    assert_eq!(
        places,
        bounds.of_loop.min(of_servers),
        "{bounds:?}, {growth:?}"
    );
    assert_eq!(growth.accepted + growth.dropped_over_limit, 80);
    check_counters(&host);
    let refused = |name| host.shared.refused.get(name).copied().unwrap_or(0);
    Ok(["loop", "server", "network"].map(refused))
}

/// The handlers are told of as many connections as the statistics count.
fn check_counters(host: &Host<World>) {
    let it = host.event_loop.statistics();
    let refused = |name| host.shared.refused.get(name).copied().unwrap_or(0);
    assert_eq!(it.accepted, host.shared.accepted);
    let counted = [
        it.dropped_over_loop_limit,
        it.dropped_over_server_limit,
        it.dropped_over_network_limit,
        it.dropped_over_rate,
    ];
    assert_eq!(
        counted,
        [refused("loop"), refused("server"), refused("network"), 0]
    );
    assert_eq!(it.dropped_over_limit, counted.iter().sum::<u64>());
}

/// Names the seed of a run that fails.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the seed of the limits at the accept is {}", self.0);
        }
    }
}

// A9
#[test]
fn no_place_is_lost_and_none_is_too_many_under_any_seed() {
    let mut sums = [0; 3];
    for seed in 0..200 {
        let _named = Named(seed);
        let options = Options {
            descriptors: None,
            ..Options::from_seed(seed)
        };
        let mut simulation = Simulation::new(seed, options).unwrap();
        let mut random = fastrand::Rng::with_seed(seed);
        let refused = run(&mut simulation, &mut random).unwrap();
        for (sum, refused) in sums.iter_mut().zip(refused) {
            *sum += refused;
        }
    }
    assert!(
        sums.iter().all(|&sum| sum > 200),
        "each limit is reached often: {sums:?}"
    );
}

/// Notes the virtual times of what it takes and refuses.
struct Meter;

#[derive(Default)]
struct Times {
    accepted: Vec<Duration>,
    refused: u64,
    began: Option<std::time::Instant>,
}

impl ServerHandler<Times> for Meter {
    fn on_connection(
        &mut self,
        cx: &mut LoopContext<'_, Times>,
        _: &Accepted,
    ) -> Option<Box<dyn SocketHandler<Times>>> {
        let now = cx.now();
        let began = *cx.shared.began.get_or_insert(now);
        cx.shared.accepted.push(now - began);
        None
    }
    fn on_over_limit(&mut self, cx: &mut LoopContext<'_, Times>, told: &OverLimit) {
        assert_eq!(told.limit, AcceptLimit::Rate);
        cx.shared.refused += told.refused;
    }
}

// The rate to the connection: 50 a second, in bursts of 10.
#[test]
fn a_rate_takes_a_burst_and_then_what_its_seconds_allow() {
    let mut simulation = Simulation::new(1, Options::new()).unwrap();
    let mut host = simulation.host(Times::default()).unwrap();
    let limits = Limits::unlimited().accept_rate(AcceptRate::per_second(50).burst(10));
    let options = ListenOptions::new().limits(limits);
    host.event_loop
        .serve(address_of(0), options, Meter)
        .unwrap();
    let mut clients = simulation
        .host(Clients(fastrand::Rng::with_seed(0)))
        .unwrap();
    // Without anything to do, no virtual time would pass.
    clients.event_loop.every(Duration::from_millis(1), |_| {});
    // Four connects in each 10 ms for two seconds: 800, of which a burst and those of two seconds come in.
    for _ in 0..200 {
        for _ in 0..4 {
            connect(&mut clients, 0, 1, Guest);
        }
        let pause = Duration::from_millis(10);
        simulation
            .run_for(&mut [&mut host, &mut clients], pause)
            .unwrap();
    }
    let times = &host.shared;
    assert_eq!(times.accepted.len() as u64 + times.refused, 800);
    let within = |until: u64| {
        let until = Duration::from_millis(until);
        times.accepted.iter().filter(|at| **at <= until).count()
    };
    // The burst lasts longer than a moment, because it is refilled meanwhile.
    assert_eq!(within(0), 4);
    assert!((10..=12).contains(&within(40)), "{}", within(40));
    for second in [500, 1_000, 1_500, 1_990] {
        let expected = usize::try_from(10 + second / 20).unwrap();
        assert!(
            within(second).abs_diff(expected) <= 1,
            "{} in {second} ms",
            within(second)
        );
    }
    assert_eq!(
        host.event_loop.statistics().dropped_over_rate,
        times.refused
    );
}
