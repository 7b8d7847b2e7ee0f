//! H: servers.

use netloop::{BlockList, ConnectOptions, ListenOptions, SocketOptions};
use std::net::TcpListener;
use std::rc::Rc;

use crate::support::{
    Child, DeadPort, Looked, Peer, PeerEnd, Reception, Recorder, Scene, Seen, failing, loopback,
};

/// H6. DEVIATE: Node's comes just before the last socket's, and again for each call.
#[test]
fn a_server_closes_once_and_after_the_last_of_its_sockets() {
    let mut scene = Scene::new();
    let (server, address) = scene.listen(ListenOptions::new(), |number| {
        Recorder::new(format!("accepted-{number}")).on("close", move |cx, _| {
            let id = cx.socket.accepted_by().unwrap();
            let is_last = cx.shared.count("server", "connection") == 2
                && cx.socket.sockets().server(id).connection_count() == 1;
            cx.shared.note(format!("{number} {is_last}"));
            assert!(!cx.shared.has("server", "server-close"));
        })
    });
    let one = Peer::connect(address);
    let other = Peer::connect(address);
    scene.drive("both", |world| world.count("server", "connection") == 2);
    for _ in 0..3 {
        scene.close(server);
    }
    assert_eq!(scene.event_loop.server(server).connection_count(), 2);
    scene.settle();
    assert!(!scene.world.has("server", "server-close"));
    one.close();
    scene.drive_to_close("accepted-0");
    assert_eq!(scene.event_loop.server(server).connection_count(), 1);
    other.close();
    scene.drive_to_exit();
    assert_eq!(scene.world.notes, ["0 false", "1 true"]);
    assert_eq!(
        scene.world.trace("server"),
        "listening connection connection server-close"
    );
}

/// H7. DEVIATE: listening again is another server, and neither waits for the other.
#[test]
fn a_port_can_be_listened_on_again_while_old_connections_live() {
    let mut scene = Scene::new();
    let (old, address) = scene.listen(ListenOptions::new(), |_| Recorder::new("old-accepted"));
    let peer = Peer::connect(address);
    scene.drive_until("old-accepted", "connect");
    scene.close(old);
    let new = scene.serve(
        address,
        ListenOptions::new(),
        Reception::new("new", |_| Recorder::new("new-accepted")),
    );
    let _newcomer = Peer::connect(address);
    scene.drive_until("new-accepted", "connect");
    assert_eq!(scene.event_loop.server(old).connection_count(), 1);
    peer.close();
    scene.drive_until("server", "server-close");
    assert!(!scene.world.has("new", "server-close"));
    assert!(scene.event_loop.server(new).is_listening());
}

/// H8.
#[test]
fn a_limit_of_0_drops_all_and_can_be_changed_at_any_time() {
    let mut scene = Scene::new();
    let options = ListenOptions::new().max_connections(0);
    let (server, address) = scene.listen(options, |_| Recorder::new("accepted"));
    let mut dropped = Peer::connect(address);
    let from = dropped.address();
    let received = scene.peer_reads_to_end(&mut dropped);
    assert_eq!((received.bytes.len(), received.end), (0, PeerEnd::Fin));
    let seen = scene.world.log.last().map(|event| event.seen.clone());
    assert!(
        matches!(seen, Some(Seen::Drop(Some(peer))) if peer == from),
        "{seen:?}"
    );
    assert_eq!(scene.event_loop.server(server).connection_count(), 0);

    scene.event_loop.server(server).set_max_connections(1);
    let first = Peer::connect(address);
    scene.drive_until("accepted", "connect");
    let mut second = Peer::connect(address);
    scene.peer_reads_to_end(&mut second);
    first.close();
    scene.drive_to_close("accepted");
    // Its place is free again.
    let _third = Peer::connect(address);
    scene.drive("the third", |world| {
        world.count("server", "connection") == 2
    });

    scene.event_loop.server(server).set_max_connections(None);
    let _fourth = Peer::connect(address);
    scene.drive("the fourth", |world| {
        world.count("server", "connection") == 3
    });
    assert_eq!(
        scene.world.trace("server"),
        "listening drop connection drop connection connection"
    );
}

/// H9.
#[test]
fn peers_on_the_block_list_are_neither_counted_nor_told() {
    let mut scene = Scene::new();
    let mut list = BlockList::new();
    list.add("127.0.0.1").unwrap();
    let options = ListenOptions::new()
        .max_connections(0)
        .block_list(Rc::new(list));
    let (server, address) = scene.listen(options, |_| Recorder::new("accepted"));
    let mut blocked = Peer::connect(address);
    scene.peer_reads_to_end(&mut blocked);
    scene.settle();
    assert_eq!(scene.world.trace("server"), "listening");
    assert_eq!(scene.event_loop.server(server).connection_count(), 0);
}

/// H10, T38.
#[test]
fn a_socket_may_be_destroyed_in_on_connection() {
    let mut scene = Scene::new();
    let reception = Reception::welcoming("server", |cx, accepted| {
        cx.sockets.socket(accepted.id).destroy();
        Some(Recorder::new("accepted"))
    });
    let server = scene.serve(loopback(), ListenOptions::new(), reception);
    let address = scene.address_of(server);
    let mut peer = Peer::connect(address);
    scene.peer_reads_to_end(&mut peer);
    scene.drive_to_close("accepted");
    assert_eq!(scene.world.trace("accepted"), "close:Local");
    scene.close(server);
    scene.drive_to_exit();
}

/// H11, T39. DEVIATE: it is told, once, where Node says nothing.
#[cfg(unix)]
#[test]
fn a_server_without_descriptors_fails_once_and_goes_on() {
    let mut child = Child::start("run_out_of_descriptors", "ulimit -n 64;", "", "-");
    assert_eq!(
        child.says("trace"),
        "listening connection connection error:EMFILE connection"
    );
    assert!(child.says("text").starts_with("accept EMFILE 127."));
    assert_eq!(child.says("refused"), "3");
}

/// H13.
#[test]
fn unref_outlasts_the_lookup_and_is_not_passed_on_to_sockets() {
    let mut scene = Scene::new();
    let server = scene.serve(
        ("localhost", 0),
        ListenOptions::new(),
        Reception::new("server", |_| Recorder::new("accepted")),
    );
    scene.event_loop.server(server).release();
    assert!(
        scene.event_loop.is_alive(),
        "a lookup under way counts, as in Node"
    );
    scene.drive_until("server", "listening");
    assert!(!scene.event_loop.is_alive());
    let address = scene.address_of(server);
    let _peer = Peer::connect(address);
    scene.drive_until("accepted", "connect");
    assert!(
        scene.event_loop.is_alive(),
        "its socket is a reason of its own"
    );
    scene.event_loop.server(server).hold();
    let accepted = scene.world.id("accepted");
    scene.socket(accepted).release();
    assert!(scene.event_loop.is_alive());
}

/// H2 for names. DEVIATE: the server that will never listen has its end told too, as every server does.
#[test]
fn a_name_that_cannot_be_listened_on_ends_the_server() {
    let mut scene = Scene::new();
    let asked = Looked::default();
    let options = ListenOptions::new().resolver(failing(&asked));
    let reception = Reception::new("lookup", |_| Recorder::new("accepted"));
    scene.serve("example.invalid:0", options, reception);
    let dead = DeadPort::localhost();
    scene.serve(
        ("localhost", dead.port()),
        ListenOptions::new(),
        Reception::new("bind", |_| Recorder::new("accepted")),
    );
    scene.drive_to_exit();
    assert_eq!(scene.world.trace("lookup"), "error:ENOTFOUND server-close");
    assert_eq!(scene.world.trace("bind"), "error:EADDRINUSE server-close");
    assert_eq!(scene.world.error("bind").port(), Some(dead.port()));
}

/// A descriptor that is bound listens from then on, as in Node's `listen({ fd })`.
#[test]
fn a_socket_that_is_only_bound_is_made_to_listen() {
    let mut scene = Scene::new();
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&loopback().into()).unwrap();
    let server = scene
        .event_loop
        .serve(
            TcpListener::from(socket),
            SocketOptions::new(),
            Reception::new("server", |_| Recorder::new("accepted")),
        )
        .unwrap();
    let address = scene.address_of(server);
    scene.connect(address, ConnectOptions::new(), Recorder::new("client"));
    scene.drive_until("accepted", "connect");
    assert_eq!(scene.world.trace("server"), "listening connection");
}
