//! Limits at the accept: each is reached, kept, counted and told, and its places come back (A7, A9).

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::rc::Rc;
use std::time::{Duration, Instant};

use netloop::{
    AcceptLimit, AcceptRate, Accepted, BlockList, ConnectOptions, EventLoop, EventLoopOptions,
    Limits, ListenOptions, LoopContext, OverLimit, Refusal, ServerHandler, ServerId, SocketHandler,
};
use socket2::{Domain, Socket, Type};

use crate::servers::{assert_echoes, echo};
use crate::support::{
    Peer, PeerEnd, Recorder, Scene, World, client_host, host, loopback, unless_lost,
};

/// Counts the connections that it takes, and keeps what it is told of the others.
#[derive(Clone, Default)]
pub(crate) struct Door {
    pub(crate) book: Rc<RefCell<Book>>,
    pub(crate) closes_when_over: bool,
}

#[derive(Default)]
pub(crate) struct Book {
    pub(crate) accepted: usize,
    pub(crate) told: Vec<OverLimit>,
    /// The names of the events, in their order.
    pub(crate) events: Vec<&'static str>,
}

impl Door {
    pub(crate) fn refused(&self, limit: AcceptLimit) -> usize {
        let book = self.book.borrow();
        let told = book.told.iter().filter(|told| told.limit == limit);
        told.map(|told| usize::try_from(told.refused).unwrap())
            .sum()
    }

    pub(crate) fn decided(&self) -> usize {
        let book = self.book.borrow();
        let refused = book.told.iter().map(|told| told.refused);
        book.accepted + usize::try_from(refused.sum::<u64>()).unwrap()
    }

    pub(crate) fn accepted(&self) -> usize {
        self.book.borrow().accepted
    }

    pub(crate) fn events(&self) -> String {
        self.book.borrow().events.join(" ")
    }
}

impl ServerHandler<World> for Door {
    fn on_connection(
        &mut self,
        _: &mut LoopContext<'_, World>,
        _: &Accepted,
    ) -> Option<Box<dyn SocketHandler<World>>> {
        let mut book = self.book.borrow_mut();
        book.accepted += 1;
        book.events.push("connection");
        Some(Box::new(echo(format!("socket {}", book.accepted - 1))))
    }
    fn on_over_limit(&mut self, cx: &mut LoopContext<'_, World>, told: &OverLimit) {
        let mut book = self.book.borrow_mut();
        book.told.push(*told);
        book.events.push("over");
        if self.closes_when_over {
            cx.sockets.server(told.server).close();
        }
    }
    fn on_close(&mut self, _: &mut LoopContext<'_, World>) {
        self.book.borrow_mut().events.push("close");
    }
}

fn scene_with(limits: Limits) -> Scene {
    Scene {
        event_loop: EventLoop::with_options(EventLoopOptions::new().limits(limits)).unwrap(),
        world: World::default(),
    }
}

pub(crate) fn serve(
    scene: &mut Scene,
    options: impl Into<ListenOptions>,
) -> (Door, ServerId, SocketAddr) {
    let door = Door::default();
    let server = scene.serve(loopback(), options, door.clone());
    listening(scene, door, server)
}

/// As [`serve`], for a test that counts connections in the turn of their accept: none has a handshake before.
pub(crate) fn serve_plain(
    scene: &mut Scene,
    options: impl Into<ListenOptions>,
) -> (Door, ServerId, SocketAddr) {
    let door = Door::default();
    let server = scene.event_loop.serve(loopback(), options, door.clone());
    listening(scene, door, server.unwrap())
}

fn listening(scene: &mut Scene, door: Door, server: ServerId) -> (Door, ServerId, SocketAddr) {
    let address = scene.address_of(server);
    scene.settle();
    (door, server, address)
}

pub(crate) fn with_limits(limits: Limits) -> ListenOptions {
    ListenOptions::new().limits(limits)
}

pub(crate) fn connect(address: SocketAddr, count: usize) -> Vec<Peer> {
    (0..count).map(|_| Peer::connect(address)).collect()
}

/// Connects from `source`, an address of this machine.
pub(crate) fn connect_from(source: IpAddr, address: SocketAddr) -> Peer {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(source, 0).into()).unwrap();
    socket.connect(&address.into()).unwrap();
    Peer::from(TcpStream::from(socket))
}

pub(crate) fn drive_to_decided(scene: &mut Scene, door: &Door, count: usize) {
    scene.drive("the decisions", |_| door.decided() >= count);
    scene.settle();
    assert_eq!(door.decided(), count, "each is told once");
}

// A9: the counters add up, and a burst is one event.
#[test]
fn of_five_thousand_connects_a_limit_of_100_takes_100() {
    unless_lost(|| {
        const WAVE: usize = 250;
        let mut scene = Scene::new();
        let (door, server, address) = serve(&mut scene, ListenOptions::new().max_connections(100));
        let mut inside = Vec::new();
        for wave in 1..=20 {
            let mut peers = connect(address, WAVE);
            drive_to_decided(&mut scene, &door, wave * WAVE);
            if wave == 1 {
                inside.extend(peers.drain(..100));
            }
            for mut peer in peers {
                assert_eq!(peer.read_some(1), Err(PeerEnd::Fin));
            }
        }
        assert_eq!(door.accepted(), 100);
        assert_eq!(door.refused(AcceptLimit::Server), 4_900);
        let it = scene.event_loop.statistics();
        assert_eq!((it.accepted, it.dropped_over_limit), (100, 4_900));
        assert_eq!(it.dropped_over_server_limit, 4_900);
        // 32 a turn, and a last one that is not full.
        let told = door.book.borrow().told.len();
        assert!(told <= 20 * 9, "{told} events for bursts of 32");
        assert_eq!(scene.event_loop.server(server).connection_count(), 100);
        for peer in &mut inside {
            assert_echoes(&mut scene, peer);
        }
    });
}

#[test]
fn each_limit_is_told_by_its_name_and_answered_as_chosen() {
    let unlimited = Limits::unlimited;
    let none_in_a_burst = AcceptRate::per_second(1).burst(1);
    for (refusal, end) in [
        (Refusal::End, PeerEnd::Fin),
        (Refusal::Reset, PeerEnd::Reset),
    ] {
        for (limit, of_loop, of_server) in [
            (
                AcceptLimit::Loop,
                unlimited().max_connections(1),
                unlimited(),
            ),
            (
                AcceptLimit::Server,
                unlimited(),
                unlimited().max_connections(1),
            ),
            (
                AcceptLimit::Network,
                unlimited(),
                unlimited().max_connections_per_network(1),
            ),
            (
                AcceptLimit::Rate,
                unlimited(),
                unlimited().accept_rate(none_in_a_burst),
            ),
        ] {
            let mut scene = scene_with(of_loop);
            let (door, server, address) =
                serve(&mut scene, with_limits(of_server.refusal(refusal)));
            let began = Instant::now();
            let mut inside = Peer::connect(address);
            assert_echoes(&mut scene, &mut inside);
            let mut outside = Peer::connect(address);
            let received = scene.peer_reads_to_end(&mut outside);
            if limit == AcceptLimit::Rate && began.elapsed() >= Duration::from_secs(1) {
                // The machine was busy for the second in which the rate allows another.
                continue;
            }
            assert_eq!((received.bytes.len(), received.end), (0, end), "{limit:?}");
            let told = door.book.borrow().told.clone();
            assert_eq!(told.len(), 1, "{limit:?}");
            let [told] = told[..] else { unreachable!() };
            assert_eq!((told.limit, told.refused), (limit, 1));
            assert_eq!(told.server, server);
            assert_eq!(told.local_address, Some(address));
            let it = scene.event_loop.statistics();
            let counters = [
                (AcceptLimit::Loop, it.dropped_over_loop_limit),
                (AcceptLimit::Server, it.dropped_over_server_limit),
                (AcceptLimit::Network, it.dropped_over_network_limit),
                (AcceptLimit::Rate, it.dropped_over_rate),
            ];
            for (counted, count) in counters {
                assert_eq!(
                    count,
                    u64::from(counted == limit),
                    "{counted:?} of {limit:?}"
                );
            }
            assert_eq!((it.accepted, it.dropped_over_limit), (1, 1));
        }
    }
}

#[test]
fn the_limit_of_a_loop_holds_over_its_servers_and_connects() {
    let mut scene = scene_with(Limits::new().max_connections(5));
    let (first, _, first_address) = serve(&mut scene, ListenOptions::new());
    let (second, _, second_address) = serve(&mut scene, with_limits(Limits::unlimited()));
    // A connect is never refused, and counts. It is of the loop's own peers: two places.
    scene.connect(
        first_address,
        ConnectOptions::new(),
        Recorder::new("client"),
    );
    scene.drive("the connect", |_| first.accepted() == 1);
    let mut peers = connect(first_address, 2);
    scene.drive("the first server", |_| first.accepted() == 3);
    peers.extend(connect(second_address, 2));
    scene.drive("the second server", |_| second.decided() == 2);
    assert_eq!(
        (second.accepted(), second.refused(AcceptLimit::Loop)),
        (1, 1)
    );

    // A place of one server serves the other.
    drop(peers.remove(0));
    scene.settle();
    peers.push(Peer::connect(second_address));
    scene.drive("the place", |_| second.accepted() == 2);
    peers.push(Peer::connect(first_address));
    scene.drive("no place", |_| first.refused(AcceptLimit::Loop) == 1);

    // The connect's own place comes back, too, and that of its other end.
    let client = scene.world.id("client");
    scene.socket(client).destroy();
    scene.settle();
    peers.extend(connect(second_address, 3));
    scene.drive("two places", |_| second.decided() == 6);
    assert_eq!(second.accepted(), 4);
    let it = scene.event_loop.statistics();
    assert_eq!((it.dropped_over_limit, it.dropped_over_loop_limit), (3, 3));
}

#[test]
fn a_connect_that_fails_gives_its_place_back() {
    let mut scene = scene_with(Limits::new().max_connections(1));
    let (door, _, address) = serve(&mut scene, ListenOptions::new());
    let dead = crate::support::DeadPort::new();
    for _ in 0..3 {
        scene.connect(
            dead.address(),
            ConnectOptions::new(),
            Recorder::new("client"),
        );
        scene.drive_to_close("client");
        scene.world.log.clear();
    }
    let mut inside = Peer::connect(address);
    assert_echoes(&mut scene, &mut inside);
    assert_eq!((door.accepted(), door.decided()), (1, 1));
}

// Many sources of 127.0.0.0/8, each a network, and all of them one.
#[test]
fn each_network_has_its_own_limit_and_gets_its_places_back() {
    const SOURCES: usize = 40;
    for (bits, taken_at_first) in [(32, SOURCES * 2), (24, 2)] {
        let mut scene = Scene::new();
        let limits = Limits::new()
            .max_connections_per_network(2)
            .network_prefixes(bits, 64);
        let (door, server, address) = serve(&mut scene, with_limits(limits));
        let sources = || (0..SOURCES).map(client_host);
        let peers: Vec<Peer> = sources()
            .flat_map(|source| [0; 4].map(|_| connect_from(source, address)))
            .collect();
        drive_to_decided(&mut scene, &door, SOURCES * 4);
        assert_eq!(door.accepted(), taken_at_first);
        let refused = SOURCES * 4 - taken_at_first;
        assert_eq!(door.refused(AcceptLimit::Network), refused);

        drop(peers);
        scene.drive_with("all closes", |scene| {
            scene.event_loop.server(server).connection_count() == 0
        });
        // Exactly as many places as before.
        let _peers: Vec<Peer> = sources()
            .flat_map(|source| [0; 3].map(|_| connect_from(source, address)))
            .collect();
        drive_to_decided(&mut scene, &door, SOURCES * 7);
        assert_eq!(door.accepted(), taken_at_first * 2);
    }
}

#[test]
fn a_close_in_a_turn_frees_the_place_of_its_network_at_once() {
    for resets in [false, true] {
        let mut scene = Scene::new();
        let limits = Limits::new().max_connections_per_network(1);
        let (door, _, address) = serve(&mut scene, with_limits(limits));
        let mut first = Peer::connect(address);
        assert_echoes(&mut scene, &mut first);
        scene.settle();
        match resets {
            true => first.reset(),
            false => first.close(),
        }
        // mio's `poll(2)` reports in the order of a hash table, and not in that of the kernel.
        if cfg!(mio_unsupported_force_poll_poll) {
            scene.settle();
        }
        let mut second = Peer::connect(address);
        assert_echoes(&mut scene, &mut second);
        assert_eq!((door.accepted(), door.decided()), (2, 2));
    }
}

// The other order of two limits, and the block list before all.
#[test]
fn the_limits_are_compared_in_their_order() {
    let mut scene = scene_with(Limits::unlimited().max_connections(2));
    let limits = Limits::unlimited()
        .max_connections(1)
        .max_connections_per_network(0)
        .accept_rate(AcceptRate::per_second(1).burst(1));
    let (door, server, address) = serve(&mut scene, with_limits(limits));
    let _outside = Peer::connect(address);
    scene.drive("the network", |_| door.refused(AcceptLimit::Network) == 1);
    scene.event_loop.server(server).set_max_connections(0);
    let _outside = Peer::connect(address);
    scene.drive("the server", |_| door.refused(AcceptLimit::Server) == 1);
    let _pairs: Vec<_> = (0..2)
        .map(|_| scene.adopted(netloop::SocketOptions::new(), Recorder::new("own")))
        .collect();
    let _outside = Peer::connect(address);
    scene.drive("the loop", |_| door.refused(AcceptLimit::Loop) == 1);

    let mut blocked = BlockList::new();
    blocked.add_address(host("host2"));
    let options = with_limits(Limits::unlimited().max_connections(0)).block_list(Rc::new(blocked));
    let (door, _, address) = serve(&mut scene, options);
    let _blocked = connect_from(host("host2"), address);
    let _outside = Peer::connect(address);
    scene.drive("one of the two", |_| door.decided() > 0);
    scene.settle();
    assert_eq!(door.decided(), 1);
    assert_eq!(scene.event_loop.statistics().dropped_blocked, 1);
}

#[test]
fn what_is_set_lifts_a_limit_of_the_same_name() {
    let strict = || {
        Limits::internet()
            .max_connections_per_network(0)
            .accept_rate(AcceptRate::per_second(1).burst(1))
    };
    let cases = [
        (with_limits(strict().max_connections(0)), false),
        (with_limits(strict()).max_connections(None), false),
        (with_limits(Limits::unlimited()), true),
        (with_limits(Limits::unlimited().max_connections(0)), false),
        (
            with_limits(Limits::unlimited().max_connections(0)).max_connections(None),
            true,
        ),
        (
            with_limits(Limits::unlimited().max_connections(0)).max_connections(9),
            true,
        ),
        // Those of the loop hold for a server without limits of its own.
        (ListenOptions::new(), false),
        (ListenOptions::new().max_connections(None), false),
    ];
    for (options, is_welcome) in cases {
        let mut scene = scene_with(strict());
        let (door, _, address) = serve(&mut scene, options.clone());
        let peers = connect(address, 3);
        drive_to_decided(&mut scene, &door, 3);
        assert_eq!(door.accepted() == 3, is_welcome, "{options:?}");
        drop(peers);
    }
}
