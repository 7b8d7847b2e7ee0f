//! Servers: listening, accepting, dropping, refusing, closing (rules H, and A5, A8 of the reliability table).

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};

use netloop::{CloseReason, Flow, ListenOptions, ServerId, SocketId, SocketOptions, Syscall};

use crate::support::{Peer, PeerEnd, Reception, Recorder, Scene, Seen, listener, loopback};

/// Listens with `reception` on a port of the system's choice.
pub(crate) fn serve(
    scene: &mut Scene,
    options: impl Into<ListenOptions>,
    reception: Reception,
) -> (ServerId, SocketAddr) {
    let server = scene.serve(loopback(), options, reception);
    (server, scene.address_of(server))
}

/// A reception that welcomes connections as `socket 0`, `socket 1`, .., each of which sends its bytes back.
pub(crate) fn echoing() -> Reception {
    let mut count = 0;
    Reception::welcoming("server", move |_, _| {
        count += 1;
        Some(echo(format!("socket {}", count - 1)))
    })
}

pub(crate) fn echo(name: impl Into<String>) -> Recorder {
    Recorder::new(name).reacting(|cx, seen| {
        if let Seen::Data(bytes) = seen {
            assert_eq!(cx.socket.write(bytes), Flow::Open);
        }
    })
}

/// Asks `peer` for an answer, which only a living socket gives.
pub(crate) fn assert_echoes(scene: &mut Scene, peer: &mut Peer) {
    peer.write(b"are you there?");
    assert_eq!(scene.peer_reads(peer, 14), b"are you there?");
}

// H1, with its DEVIATE: listening succeeds or fails at once.
#[test]
fn listen_takes_the_port_at_once_and_calls_back_in_a_turn() {
    let mut scene = Scene::new();
    let (server, address) = serve(&mut scene, ListenOptions::new(), echoing());
    assert_ne!(address.port(), 0);
    assert!(scene.event_loop.server(server).is_listening());

    let mut peer = Peer::connect(address);
    assert_eq!(scene.world.trace("server"), "");
    assert_echoes(&mut scene, &mut peer);
    assert_eq!(scene.world.trace("server"), "listening connection");
}

// H2
#[test]
fn a_port_that_is_taken_is_an_error_of_listen_in_nodes_words() {
    let mut scene = Scene::new();
    let (_, address) = serve(&mut scene, ListenOptions::new(), echoing());
    let error = scene
        .event_loop
        .serve(address, ListenOptions::new(), echoing())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("listen EADDRINUSE: address already in use {address}")
    );
    assert_eq!(error.code(), "EADDRINUSE");
    assert_eq!(error.syscall(), Some(Syscall::Listen));
    assert_eq!(error.port(), Some(address.port()));
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
}

// H2
#[test]
fn a_listen_that_failed_leaves_nothing_behind() {
    let taken = TcpListener::bind(loopback()).unwrap();
    let mut scene = Scene::new();
    for to in [taken.local_addr().unwrap(), "192.0.2.1:0".parse().unwrap()] {
        scene
            .event_loop
            .serve(to, ListenOptions::new(), echoing())
            .unwrap_err();
    }
    assert!(!scene.event_loop.is_alive(), "nothing listens");
    scene.run_to_its_end();
    assert_eq!(scene.world.trace("server"), "");
}

// H2
#[test]
fn listening_on_a_foreign_address_fails_in_nodes_words() {
    let mut scene = Scene::new();
    let error = scene
        .event_loop
        .serve("192.0.2.1:7000", ListenOptions::new(), echoing())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "listen EADDRNOTAVAIL: address not available 192.0.2.1:7000"
    );
}

// H4
#[test]
fn a_server_closed_at_once_is_told_its_end_and_nothing_else() {
    let mut scene = Scene::new();
    let (server, address) = serve(&mut scene, ListenOptions::new(), echoing());
    scene.event_loop.server(server).close();
    assert_eq!(scene.world.trace("server"), "", "close only marks");
    scene.run_to_its_end();
    assert_eq!(scene.world.trace("server"), "server-close");
    assert_eq!(
        TcpStream::connect(address).unwrap_err().kind(),
        ErrorKind::ConnectionRefused
    );
}

// H5
#[test]
fn close_refuses_newcomers_and_leaves_connections_usable() {
    let mut scene = Scene::new();
    let (server, address) = serve(&mut scene, ListenOptions::new(), echoing());
    let mut old = Peer::connect(address);
    assert_echoes(&mut scene, &mut old);

    scene.event_loop.server(server).close();
    let refused = TcpStream::connect(address).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    let view = scene.event_loop.server(server);
    assert!(!view.is_listening());
    assert_eq!(view.address(), None);
    assert_eq!(view.connection_count(), 1);
    assert_echoes(&mut scene, &mut old);
    assert_eq!(scene.event_loop.server(server).connection_count(), 1);
}

// H5
#[test]
fn close_resets_connections_that_were_queued_but_never_accepted() {
    let mut scene = Scene::new();
    let (server, address) = serve(&mut scene, ListenOptions::new(), echoing());
    let mut queued = Peer::connect(address);
    scene.event_loop.server(server).close();
    let received = scene.peer_reads_to_end(&mut queued);
    assert_eq!((received.bytes.len(), received.end), (0, PeerEnd::Reset));
    scene.settle();
    assert_eq!(scene.world.trace("server"), "server-close");
}

// H6, with its DEVIATE: after the last socket's own close, and once.
#[test]
fn the_end_of_a_server_comes_after_the_end_of_its_last_socket() {
    let mut scene = Scene::new();
    let (server, address) = serve(&mut scene, ListenOptions::new(), echoing());
    let peers: Vec<Peer> = (0..3).map(|_| Peer::connect(address)).collect();
    scene.drive("all connections", |world| {
        world.count("server", "connection") == 3
    });
    scene.event_loop.server(server).close();
    for (closed, peer) in peers.into_iter().enumerate() {
        scene.settle();
        assert!(!scene.world.has_seen("server", &Seen::ServerClose));
        assert_eq!(
            scene.event_loop.server(server).connection_count(),
            3 - closed
        );
        peer.close();
    }
    scene.drive("the server's end", |world| {
        world.has_seen("server", &Seen::ServerClose)
    });
    let (last, before): (Vec<_>, Vec<_>) = scene
        .world
        .log
        .iter()
        .partition(|event| event.seen == Seen::ServerClose);
    assert_eq!(last.len(), 1);
    assert_eq!(
        scene.world.log.last().map(|event| event.name.as_str()),
        Some("server")
    );
    assert!(before.iter().any(|event| event.name == "socket 2"));
}

// H6
#[test]
fn a_server_is_told_its_end_once_however_often_it_is_closed() {
    let mut scene = Scene::new();
    let (server, address) = serve(&mut scene, ListenOptions::new(), echoing());
    let peer = Peer::connect(address);
    scene.drive("the connection", |world| {
        world.count("server", "connection") == 1
    });
    for _ in 0..3 {
        scene.event_loop.server(server).close();
        scene.turn();
    }
    peer.close();
    scene.run_to_its_end();
    scene.event_loop.server(server).close();
    scene.settle();
    assert_eq!(
        scene.world.trace("server"),
        "listening connection server-close"
    );
}

// H7: what Node withholds comes here.
#[test]
fn a_new_server_on_the_port_does_not_delay_the_old_ones_end() {
    let mut scene = Scene::new();
    let (old, address) = serve(&mut scene, ListenOptions::new(), echoing());
    let mut kept = Peer::connect(address);
    assert_echoes(&mut scene, &mut kept);
    scene.event_loop.server(old).close();

    let successor = Reception::welcoming("successor", |_, _| Some(Recorder::new("new socket")));
    scene
        .event_loop
        .serve(address, ListenOptions::new(), successor)
        .unwrap();
    let _newcomer = Peer::connect(address);
    scene.drive("the newcomer", |world| {
        world.count("successor", "connection") == 1
    });
    assert_echoes(&mut scene, &mut kept);
    kept.close();
    scene.drive("the old server's end", |world| {
        world.has_seen("server", &Seen::ServerClose)
    });
    assert_eq!(scene.world.trace("successor"), "listening connection");
}

#[test]
fn a_server_may_close_itself_while_it_welcomes_a_connection() {
    let mut scene = Scene::new();
    let reception = Reception::welcoming("server", |cx, accepted| {
        cx.sockets.server(accepted.server).close();
        Some(echo("only"))
    });
    let (_, address) = serve(&mut scene, ListenOptions::new(), reception);
    let mut first = Peer::connect(address);
    let mut second = Peer::connect(address);
    assert_echoes(&mut scene, &mut first);
    assert_eq!(scene.peer_reads_to_end(&mut second).end, PeerEnd::Reset);
    first.close();
    scene.run_to_its_end();
    assert_eq!(
        scene.world.trace("server"),
        "listening connection server-close"
    );
    assert_eq!(
        scene.world.trace("only"),
        "connect data:are you there? end close:Graceful"
    );
}

// H13
#[test]
fn an_unreferenced_server_lets_run_end_but_its_sockets_do_not() {
    let mut scene = Scene::new();
    let (server, address) = serve(&mut scene, ListenOptions::new(), echoing());
    scene.event_loop.server(server).release();
    scene.run_to_its_end();

    let mut peer = Peer::connect(address);
    assert_echoes(&mut scene, &mut peer);
    assert!(scene.event_loop.is_alive(), "a socket is open");
    peer.close();
    scene.run_to_its_end();
    assert_eq!(
        scene.world.close_reason("socket 0"),
        Some(CloseReason::Graceful)
    );
    assert!(scene.event_loop.server(server).is_listening());

    scene.event_loop.server(server).hold();
    assert!(scene.event_loop.is_alive());
}

#[test]
fn iteration_gives_the_connections_of_this_server_only() {
    let mut scene = Scene::new();
    let (server, address) = serve(&mut scene, ListenOptions::new(), echoing());
    let (_, other) = serve(
        &mut scene,
        ListenOptions::new(),
        Reception::welcoming("other", |_, _| Some(Recorder::new("stranger"))),
    );
    let _peers = [
        Peer::connect(address),
        Peer::connect(address),
        Peer::connect(other),
    ];
    let dialed = scene.connect(address, SocketOptions::new(), Recorder::new("dialed"));
    scene.drive("all connections", |world| {
        world.count("server", "connection") == 3
            && world.count("other", "connection") == 1
            && world.has_seen("dialed", &Seen::Connect)
    });
    let mut accepted: Vec<SocketId> = scene.event_loop.server(server).sockets().collect();
    let mut expected: Vec<SocketId> = ["socket 0", "socket 1", "socket 2"]
        .map(|name| scene.world.id(name))
        .to_vec();
    accepted.sort_unstable();
    expected.sort_unstable();
    assert_eq!(accepted, expected);
    let everything: Vec<SocketId> = scene.event_loop.sockets().ids().collect();
    assert_eq!(everything.len(), 5);
    assert!(everything.contains(&dialed));

    scene.event_loop.server(server).destroy_connections();
    scene.settle();
    assert_eq!(scene.event_loop.server(server).sockets().count(), 0);
    assert_eq!(scene.world.trace("stranger"), "connect");
    // The other end of one of those that were destroyed.
    assert_eq!(
        scene.world.close_reason("dialed"),
        Some(CloseReason::Graceful)
    );
}

#[test]
fn closing_a_server_and_destroying_its_connections_ends_run() {
    let mut scene = Scene::new();
    let (server, address) = serve(&mut scene, ListenOptions::new(), echoing());
    let _peers = [Peer::connect(address), Peer::connect(address)];
    scene.drive("both connections", |world| {
        world.count("server", "connection") == 2
    });
    scene.event_loop.server(server).close();
    scene.event_loop.server(server).destroy_connections();
    scene.run_to_its_end();
    assert_eq!(scene.world.trace("socket 0"), "connect close:Local");
    assert_eq!(
        scene.world.trace("server"),
        "listening connection connection server-close"
    );
}

#[test]
fn a_dead_server_id_reaches_no_server() {
    let mut scene = Scene::new();
    let (dead, _) = serve(&mut scene, ListenOptions::new(), echoing());
    scene.event_loop.server(dead).close();
    scene.run_to_its_end();
    // The new server takes the place of the old one.
    let (_, address) = serve(&mut scene, ListenOptions::new(), echoing());
    let mut view = scene.event_loop.server(dead);
    assert!(!view.is_listening());
    assert_eq!((view.address(), view.connection_count()), (None, 0));
    view.set_max_connections(0);
    view.destroy_connections();
    view.release();
    view.close();
    assert_eq!(view.sockets().count(), 0);
    assert!(scene.event_loop.is_alive());
    assert_echoes(&mut scene, &mut Peer::connect(address));
}

#[test]
fn a_listener_made_elsewhere_is_served_with_what_it_has_queued() {
    let (listener, address) = listener();
    let mut early = Peer::connect(address);
    early.write(b"early");

    let mut scene = Scene::new();
    let server = scene
        .event_loop
        .serve(listener, ListenOptions::new().max_connections(2), echoing())
        .unwrap();
    assert_eq!(scene.event_loop.server(server).address(), Some(address));
    assert_eq!(scene.peer_reads(&mut early, 5), b"early");
    assert_echoes(&mut scene, &mut Peer::connect(address));

    scene.event_loop.server(server).close();
    let refused = TcpStream::connect(address).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn an_ipv6_server_serves_ipv4_peers_unless_told_not_to() {
    let mut scene = Scene::new();
    for only in [false, true] {
        let server = scene
            .event_loop
            .serve("[::]:0", ListenOptions::new().ipv6_only(only), echoing())
            .unwrap();
        let port = scene.event_loop.server(server).address().unwrap().port();
        let v4 = TcpStream::connect((loopback().ip(), port));
        assert_eq!(v4.is_err(), only);
        assert_echoes(
            &mut scene,
            &mut Peer::from(TcpStream::connect(("::1", port)).unwrap()),
        );
    }
}

#[test]
fn two_servers_share_a_port_only_if_both_were_told_to() {
    let mut scene = Scene::new();
    let shared = || ListenOptions::new().reuse_port(true);
    let (_, address) = serve(&mut scene, shared(), echoing());
    scene
        .event_loop
        .serve(address, shared(), echoing())
        .unwrap();
    let error = scene
        .event_loop
        .serve(address, ListenOptions::new(), echoing())
        .unwrap_err();
    assert_eq!(error.code(), "EADDRINUSE");
}
