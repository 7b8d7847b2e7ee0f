//! The ways in which servers come to listen: on names, on Unix paths, on sockets made elsewhere; and how many
//! connections they hold.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use netloop::{HostQuery, ListenOptions, Resolver, ServerId, SocketOptions, State, Syscall};
use socket2::{Domain, Socket, Type};

use crate::support::{
    Peer, PeerEnd, Reception, Recorder, Scene, Seen, World, host, listener, loopback,
};

/// A server that welcomes each connection as `guest`.
fn plain() -> Reception {
    Reception::welcoming("server", |cx, accepted| {
        cx.shared.newest = Some(accepted.id);
        Some(Recorder::new("guest"))
    })
}

/// A resolver that answers once it is `released`.
fn waiting(released: &Arc<AtomicBool>) -> Arc<dyn Resolver> {
    let (released, found) = (Arc::clone(released), host("host1"));
    Arc::new(move |_: &HostQuery<'_>| {
        while !released.load(Ordering::Acquire) {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        Ok(vec![SocketAddr::new(found, 0)])
    })
}

fn is_listening(world: &World) -> bool {
    world.has_seen("server", &Seen::Listening)
}

// H1, H10
#[test]
fn on_listening_comes_once_later_and_before_any_connection() {
    let mut scene = Scene::new();
    let server = scene
        .event_loop
        .serve(loopback(), ListenOptions::new(), plain())
        .unwrap();
    let address = scene.event_loop.server(server).address().unwrap();
    assert!(scene.world.log.is_empty());
    let _peers = [Peer::connect(address), Peer::connect(address)];
    scene.drive("both connections", |world| {
        world.count("guest", "connect") == 2
    });
    scene.settle();
    assert_eq!(
        scene.world.trace("server"),
        "listening connection connection"
    );
}

// H4
#[test]
fn a_server_that_is_closed_at_once_never_listens() {
    let mut scene = Scene::new();
    for place in [loopback().to_string(), "localhost:0".to_owned()] {
        let server = scene
            .event_loop
            .serve(place, ListenOptions::new(), plain())
            .unwrap();
        scene.event_loop.server(server).close();
        scene.event_loop.server(server).close();
    }
    scene.settle();
    assert_eq!(scene.world.trace("server"), "server-close server-close");
    assert!(!scene.event_loop.is_alive());
}

#[test]
fn listening_on_a_name_keeps_what_was_set_during_the_lookup() {
    let mut scene = Scene::new();
    let released = Arc::new(AtomicBool::new(false));
    let options = ListenOptions::new()
        .resolver(waiting(&released))
        .socket(SocketOptions::new().pause_on_connect(true));
    let server = scene
        .event_loop
        .serve("some.name:0", options, plain())
        .unwrap();
    scene.settle();
    assert!(scene.world.log.is_empty());
    let mut view = scene.event_loop.server(server);
    assert!(!view.is_listening());
    assert_eq!(view.address(), None);
    assert_eq!(view.connection_count(), 0);
    view.set_max_connections(1);
    assert!(
        scene.event_loop.is_alive(),
        "a lookup is something to wait for"
    );

    released.store(true, Ordering::Release);
    scene.drive("the server", is_listening);
    let address = scene.event_loop.server(server).address().unwrap();
    assert!(address.ip().is_loopback());
    assert_ne!(address.port(), 0);
    let _guest = Peer::connect(address);
    scene.drive("the connection", |world| world.newest.is_some());
    let guest = scene.world.newest.unwrap();
    assert!(scene.socket(guest).is_paused());
    let mut dropped = Peer::connect(address);
    assert_eq!(scene.peer_reads_to_end(&mut dropped).end, PeerEnd::Fin);
    assert_eq!(scene.world.trace("server"), "listening connection drop");
}

#[test]
fn a_name_that_leads_to_a_taken_port_ends_the_server() {
    let mut scene = Scene::new();
    let (_taken, address) = listener();
    let released = Arc::new(AtomicBool::new(true));
    let options = ListenOptions::new().resolver(waiting(&released));
    let server = scene
        .event_loop
        .serve(("some.name", address.port()), options, plain())
        .unwrap();
    scene.drive("the end of the server", |world| {
        world.has_seen("server", &Seen::ServerClose)
    });
    let error = scene.world.error("server");
    assert_eq!(error.code(), "EADDRINUSE");
    assert_eq!(
        error.to_string(),
        format!("listen EADDRINUSE: address already in use {address}")
    );
    assert_eq!(scene.world.trace("server"), "error:EADDRINUSE server-close");
    assert!(!scene.event_loop.server(server).is_listening());
    assert!(!scene.event_loop.is_alive());
}

/// Connects a peer, and says whether the server took it. The peer stays connected for as long as it is kept.
fn is_welcome(scene: &mut Scene, server: ServerId) -> (Peer, bool) {
    let address: SocketAddr = scene.event_loop.server(server).address().unwrap();
    let taken = |world: &World| world.count("server", "connection");
    let dropped = |world: &World| world.count("server", "drop");
    let before = (taken(&scene.world), dropped(&scene.world));
    let peer = Peer::connect(address);
    scene.drive("the newcomer", |world| {
        taken(world) + dropped(world) > before.0 + before.1
    });
    let is_welcome = taken(&scene.world) > before.0;
    (peer, is_welcome)
}

// H8
#[test]
fn the_most_connections_of_a_server_can_change_at_any_time() {
    let mut scene = Scene::new();
    let server = scene
        .event_loop
        .serve(loopback(), ListenOptions::new(), plain())
        .unwrap();
    let mut guests = Vec::new();
    let steps: [(Option<usize>, bool); 7] = [
        (None, true),
        (Some(2), true),
        (Some(2), false),
        (Some(0), false),
        (Some(3), true),
        (Some(1), false),
        (None, true),
    ];
    for (most, expected) in steps {
        scene.event_loop.server(server).set_max_connections(most);
        let (peer, is_welcome) = is_welcome(&mut scene, server);
        assert_eq!(is_welcome, expected, "{most:?}");
        if is_welcome {
            guests.push(peer);
        }
    }
    // No connection has to go because the limit fell.
    scene.event_loop.server(server).set_max_connections(1);
    scene.settle();
    assert_eq!(scene.event_loop.server(server).connection_count(), 4);
    for mut guest in guests.drain(1..) {
        assert_eq!(guest.read_some(1), Ok(None));
        guest.close();
    }
    scene.drive("three closes", |world| world.count("guest", "close") == 3);
    // The last place is taken until its guest has gone.
    assert!(!is_welcome(&mut scene, server).1);
    guests.clear();
    scene.drive("the last close", |world| world.count("guest", "close") == 4);
    assert!(is_welcome(&mut scene, server).1);
}

#[test]
fn an_adopted_listener_is_served_with_the_socket_options() {
    let mut scene = Scene::new();
    let (listener, address) = listener();
    // A peer is waiting already.
    let peer = Peer::connect(address);
    let server = scene
        .event_loop
        .serve(
            listener,
            SocketOptions::new().allow_half_open(true),
            plain(),
        )
        .unwrap();
    assert_eq!(scene.event_loop.server(server).address(), Some(address));
    scene.drive("the connection", |world| world.newest.is_some());
    assert_eq!(scene.world.trace("server"), "listening connection");
    let guest = scene.world.newest.unwrap();
    peer.half_close();
    scene.drive("the end", |world| world.has_seen("guest", &Seen::End));
    assert_eq!(scene.socket(guest).state(), State::WriteOnly);
    let (stream, _) = scene.socket(guest).detach().unwrap();
    let stream = stream.into_tcp().unwrap();
    assert!(
        stream.nodelay().unwrap(),
        "an adopted listener passes nothing on"
    );
}

#[test]
fn a_bound_socket_is_made_to_listen_and_a_connected_one_refused() {
    let mut scene = Scene::new();
    let bound = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    bound.bind(&loopback().into()).unwrap();
    let server = scene
        .event_loop
        .serve(
            std::net::TcpListener::from(bound),
            ListenOptions::new(),
            plain(),
        )
        .unwrap();
    assert!(is_welcome(&mut scene, server).1);

    let address = scene.event_loop.server(server).address().unwrap();
    let connected = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    connected.connect(&address.into()).unwrap();
    let error = scene
        .event_loop
        .serve(
            std::net::TcpListener::from(connected),
            ListenOptions::new(),
            plain(),
        )
        .unwrap_err();
    assert_eq!(error.syscall(), Some(Syscall::Listen));
    assert_eq!(error.code(), "EINVAL");
}

#[cfg(unix)]
mod unix;

// An address on one link means nothing without its zone: the kernel refuses to bind it with EINVAL.
#[cfg(target_os = "linux")]
#[test]
fn a_server_binds_an_address_with_its_zone() {
    let index = std::fs::read_to_string("/sys/class/net/lo/ifindex").unwrap();
    let index: u32 = index.trim().parse().unwrap();
    let mut scene = Scene::new();
    scene
        .event_loop
        .serve("[fe80::77%lo]:0", ListenOptions::new(), plain())
        .unwrap();
    scene.drive("its end", |world| {
        world.has_seen("server", &Seen::ServerClose)
    });
    // No interface has the address, but the kernel has understood which one was meant.
    let error = scene.world.error("server");
    assert_eq!(error.code(), "EADDRNOTAVAIL");
    let text = error.to_string();
    assert!(text.ends_with(&format!("fe80::77%{index}")), "{text}");
}
