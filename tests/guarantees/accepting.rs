//! Accepting: welcomed, refused, dropped, with which options, from how long a queue (H8, H10, H12; A5, A8, D6).

use std::cell::RefCell;
use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use netloop::{
    Accepted, Flow, KeepAlive, ListenOptions, LoopContext, OverLimit, ServerHandler, SocketHandler,
    SocketId, SocketOptions, State,
};

use crate::servers::{assert_echoes, echo, echoing, serve};
use crate::support::{
    Peer, PeerEnd, Reception, Recorder, Scene, Seen, World, loopback, unless_lost,
};

// H8
#[test]
fn one_connection_too_many_is_dropped_and_reported() {
    let mut scene = Scene::new();
    let options = ListenOptions::new().max_connections(2);
    let (server, address) = serve(&mut scene, options, echoing());
    let mut held: Vec<Peer> = (0..2).map(|_| Peer::connect(address)).collect();
    let mut dropped = Peer::connect(address);
    let received = scene.peer_reads_to_end(&mut dropped);
    assert_eq!((received.bytes.len(), received.end), (0, PeerEnd::Fin));
    assert_eq!(
        scene.world.trace("server"),
        "listening connection connection drop"
    );
    assert_eq!(scene.event_loop.server(server).connection_count(), 2);
    for peer in &mut held {
        assert_echoes(&mut scene, peer);
    }

    held.pop().unwrap().close();
    scene.drive_to_close("socket 1");
    assert_echoes(&mut scene, &mut Peer::connect(address));
}

// H8
#[test]
fn a_destroyed_socket_frees_one_place_however_often_destroyed() {
    let mut scene = Scene::new();
    let options = ListenOptions::new().max_connections(3);
    let (server, address) = serve(&mut scene, options, echoing());
    let mut held: Vec<Peer> = (0..3).map(|_| Peer::connect(address)).collect();
    for peer in &mut held {
        assert_echoes(&mut scene, peer);
    }
    let id = scene.world.id("socket 2");
    scene.event_loop.socket(id).destroy();
    scene.event_loop.socket(id).destroy();
    scene.drive_to_close("socket 2");

    assert_echoes(&mut scene, &mut held[0]);
    let mut next = Peer::connect(address);
    assert_echoes(&mut scene, &mut next);
    let mut dropped = Peer::connect(address);
    let received = scene.peer_reads_to_end(&mut dropped);
    assert_eq!((received.bytes.len(), received.end), (0, PeerEnd::Fin));
    assert_eq!(scene.event_loop.server(server).connection_count(), 3);
}

// H8: a close that the peer or a failure has caused frees it as `destroy` does, and not a turn later.
#[test]
fn a_place_is_free_as_soon_as_its_socket_closes() {
    for resets in [false, true] {
        let mut scene = Scene::new();
        let options = ListenOptions::new().max_connections(1);
        let (server, address) = serve(&mut scene, options, echoing());
        let mut first = Peer::connect(address);
        assert_echoes(&mut scene, &mut first);
        scene.settle();
        // Both are in the kernel before the next turn, in this order.
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
        assert_eq!(
            scene.world.trace("server"),
            "listening connection connection"
        );
        assert_eq!(scene.event_loop.server(server).connection_count(), 1);
    }
}

// H8
#[test]
fn a_limit_of_no_connections_drops_all_of_them() {
    let mut scene = Scene::new();
    let options = ListenOptions::new().max_connections(0);
    let (server, address) = serve(&mut scene, options, echoing());
    for _ in 0..3 {
        scene.peer_reads_to_end(&mut Peer::connect(address));
    }
    assert_eq!(scene.world.trace("server"), "listening drop drop drop");

    scene.event_loop.server(server).set_max_connections(None);
    assert_echoes(&mut scene, &mut Peer::connect(address));
}

/// Notes the addresses of what it drops.
#[derive(Default)]
struct Bouncer {
    dropped: Rc<RefCell<Vec<OverLimit>>>,
}

impl ServerHandler<World> for Bouncer {
    fn on_connection(
        &mut self,
        _: &mut LoopContext<'_, World>,
        _: &Accepted,
    ) -> Option<Box<dyn SocketHandler<World>>> {
        None
    }
    fn on_over_limit(&mut self, _: &mut LoopContext<'_, World>, dropped: &OverLimit) {
        self.dropped.borrow_mut().push(*dropped);
    }
}

// H8
#[test]
fn a_dropped_connection_is_reported_with_both_addresses() {
    let mut scene = Scene::new();
    let bouncer = Bouncer::default();
    let dropped = Rc::clone(&bouncer.dropped);
    let server = scene
        .event_loop
        .serve(loopback(), ListenOptions::new().max_connections(0), bouncer)
        .unwrap();
    let address = scene.event_loop.server(server).address().unwrap();
    let peer = Peer::connect(address);
    scene.drive("the drop", |_| !dropped.borrow().is_empty());
    let dropped = dropped.borrow();
    assert_eq!(dropped[0].server, server);
    assert_eq!(dropped[0].local_address, Some(address));
    assert_eq!(dropped[0].peer_address, Some(peer.address()));
}

// H10
#[test]
fn on_connection_comes_first_with_options_and_peer_known() {
    let mut scene = Scene::new();
    let seen_inside = Rc::new(RefCell::new(None));
    let noted = Rc::clone(&seen_inside);
    let reception = Reception::welcoming("server", move |cx, accepted| {
        let socket = cx.sockets.socket(accepted.id);
        *noted.borrow_mut() = Some((
            socket.state(),
            socket.is_paused(),
            socket.idle_timeout(),
            socket.allows_half_open(),
            socket.accepted_by(),
            socket.peer_address(),
        ));
        Some(Recorder::new("socket"))
    });
    let options = SocketOptions::new()
        .pause_on_connect(true)
        .idle_timeout(Duration::from_secs(60))
        .allow_half_open(true);
    let (server, address) = serve(&mut scene, options, reception);
    let mut peer = Peer::connect(address);
    peer.write(b"before you even looked");
    scene.drive("the connection", |world| {
        world.has_seen("socket", &Seen::Connect)
    });
    assert_eq!(
        *seen_inside.borrow(),
        Some((
            State::Open,
            true,
            Some(Duration::from_secs(60)),
            true,
            Some(server),
            Some(peer.address())
        ))
    );
    let log = scene.world.log.iter();
    let log: Vec<String> = log
        .map(|event| format!("{} {}", event.name, event.seen))
        .collect();
    assert_eq!(
        log,
        ["server listening", "server connection", "socket connect"]
    );

    scene.settle();
    assert_eq!(scene.world.trace("socket"), "connect", "it is paused");
    let id = scene.world.id("socket");
    scene.socket(id).resume();
    scene.drive("the bytes", |world| world.received_length("socket") == 22);
}

// H10
#[test]
fn bytes_of_on_connection_go_out_ahead_of_those_of_on_connect() {
    let mut scene = Scene::new();
    let reception = Reception::welcoming("server", |cx, accepted| {
        assert_eq!(cx.sockets.socket(accepted.id).write(b"wel"), Flow::Open);
        Some(Recorder::new("socket").reacting(|cx, seen| {
            if *seen == Seen::Connect {
                assert_eq!(cx.socket.write(b"come"), Flow::Open);
            }
        }))
    });
    let (_, address) = serve(&mut scene, ListenOptions::new(), reception);
    let mut peer = Peer::connect(address);
    assert_eq!(scene.peer_reads(&mut peer, 7), b"welcome");
}

// H10 (T38)
#[test]
fn a_socket_destroyed_in_on_connection_gets_its_close_only() {
    let mut scene = Scene::new();
    let reception = Reception::welcoming("server", |cx, accepted| {
        cx.sockets.socket(accepted.id).destroy();
        Some(Recorder::new("socket"))
    });
    let (server, address) = serve(&mut scene, ListenOptions::new(), reception);
    let mut peer = Peer::connect(address);
    assert_eq!(scene.peer_reads_to_end(&mut peer).end, PeerEnd::Fin);
    scene.drive_to_close("socket");
    assert_eq!(scene.world.trace("socket"), "close:Local");
    assert_eq!(scene.event_loop.server(server).connection_count(), 0);
}

#[test]
fn a_refused_connection_ends_silently_and_the_next_is_welcome() {
    let mut scene = Scene::new();
    let mut count = 0;
    let reception = Reception::welcoming("server", move |_, _| {
        count += 1;
        (count > 1).then(|| echo("welcome"))
    });
    let (server, address) = serve(&mut scene, ListenOptions::new(), reception);
    let mut refused = Peer::connect(address);
    assert_eq!(scene.peer_reads_to_end(&mut refused).end, PeerEnd::Fin);
    assert_eq!(scene.event_loop.server(server).connection_count(), 0);
    assert_eq!(scene.world.trace("server"), "listening connection");

    assert_echoes(&mut scene, &mut Peer::connect(address));
    assert_eq!(
        scene.world.trace("server"),
        "listening connection connection"
    );
}

// H12
#[test]
fn each_connection_is_told_once() {
    let mut scene = Scene::new();
    let (server, address) = serve(&mut scene, ListenOptions::new(), echoing());
    let peers: Vec<Peer> = (0..200).map(|_| Peer::connect(address)).collect();
    scene.drive("all connections", |world| {
        world.count("server", "connection") == 200
    });
    scene.settle();
    assert_eq!(scene.world.count("server", "connection"), 200);
    assert_eq!(scene.event_loop.server(server).connection_count(), 200);

    // Every peer that connected is there, and none twice.
    let view = scene.event_loop.server(server);
    let ids: Vec<SocketId> = view.sockets().collect();
    let mut told: Vec<SocketAddr> = ids
        .into_iter()
        .map(|id| scene.socket(id).peer_address().unwrap())
        .collect();
    let mut connected: Vec<SocketAddr> = peers.iter().map(Peer::address).collect();
    told.sort_unstable();
    connected.sort_unstable();
    assert_eq!(told, connected);
}

/// Whether one more connect to a server that does not accept is queued by the kernel.
fn is_queued(address: SocketAddr, queued: &mut Vec<TcpStream>) -> bool {
    // On this machine a connect that is queued takes microseconds; one that is not is tried again after a second.
    match TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        Ok(stream) => {
            queued.push(stream);
            true
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            false
        }
    }
}

// A8. The kernel queues one more than it is told.
#[test]
fn the_backlog_is_511_unless_it_is_chosen() {
    let most: usize = fs::read_to_string("/proc/sys/net/core/somaxconn")
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    for (options, backlog) in [
        (ListenOptions::new(), 511.min(most)),
        (ListenOptions::new().backlog(3), 3),
    ] {
        unless_lost(|| {
            let mut scene = Scene::new();
            let (_, address) = serve(&mut scene, options.clone(), echoing());
            let mut queued = Vec::new();
            while queued.len() <= backlog {
                assert!(
                    is_queued(address, &mut queued),
                    "only {} of {backlog}",
                    queued.len()
                );
            }
            assert!(!is_queued(address, &mut queued), "more than {backlog}");
            scene.drive("all that were queued", |world| {
                world.count("server", "connection") > backlog
            });
        });
    }
}

/// The kind of timer that the kernel runs for our end of the connection of `peer` (proc(5), /proc/net/tcp): 2 is
/// keep-alive.
fn kernel_timer(peer: &Peer) -> String {
    let (ours, theirs) = (peer.peer_address().port(), peer.address().port());
    let (ours, theirs) = (format!(":{ours:04X}"), format!(":{theirs:04X}"));
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let line = table.lines().map(|line| line.split_whitespace().collect());
    let mut line =
        line.filter(|line: &Vec<&str>| line[1].ends_with(&ours) && line[2].ends_with(&theirs));
    let timer = line.next().unwrap()[5];
    timer.split(':').next().unwrap().to_owned()
}

// D6, H10. Linux copies the option from the listener, unless that was made elsewhere.
#[test]
fn keep_alive_is_on_for_sockets_of_every_kind_of_listener() {
    let mut scene = Scene::new();
    let options = || SocketOptions::new().keep_alive(KeepAlive::after(Duration::from_secs(60)));
    let (_, own) = serve(&mut scene, options(), echoing());
    let (_, plain) = serve(&mut scene, ListenOptions::new(), echoing());
    let adopted = TcpListener::bind(loopback()).unwrap();
    let adopted_address = adopted.local_addr().unwrap();
    scene
        .event_loop
        .serve(adopted, options(), echoing())
        .unwrap();
    for (address, timer) in [(own, "02"), (plain, "00"), (adopted_address, "02")] {
        let mut peer = Peer::connect(address);
        assert_echoes(&mut scene, &mut peer);
        // Our answer is acknowledged a moment later, and until then the timer is that of sending it again.
        scene.drive_with("the timer", |_| kernel_timer(&peer) == timer);
    }
}

// A5
#[test]
fn peers_that_reset_before_their_accept_do_no_harm() {
    const PEERS: usize = 200;
    let mut scene = Scene::new();
    let (server, address) = serve(&mut scene, ListenOptions::new(), echoing());
    for _ in 0..PEERS {
        Peer::connect(address).reset();
    }
    let mut well = Peer::connect(address);
    assert_echoes(&mut scene, &mut well);
    scene.drive_with("all closes", |scene| {
        scene.event_loop.server(server).connection_count() == 1
    });
    for number in 0..PEERS {
        assert_eq!(
            scene.world.trace(&format!("socket {number}")),
            "connect error:ECONNRESET close:Reset"
        );
    }
    assert_eq!(
        scene.world.trace("server").matches("error").count(),
        0,
        "it is no fault of the server"
    );
}
