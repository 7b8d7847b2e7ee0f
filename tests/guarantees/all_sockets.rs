//! All sockets of a server and all sockets of a loop: lists that borrow nothing, and broadcasts to them.

use netloop::{Flow, ServerId, SocketOptions};

use crate::support::{Peer, Recorder, Scene, Seen};

/// A server with `count` connections, and their peers.
fn crowd(scene: &mut Scene, count: usize) -> (ServerId, Vec<Peer>) {
    let (server, address) = scene.listen(SocketOptions::new(), |_| Recorder::new("member"));
    let peers: Vec<_> = (0..count).map(|_| Peer::connect(address)).collect();
    scene.drive_with("all connections", |scene| {
        scene.event_loop.server(server).sockets().count() == count
    });
    (server, peers)
}

#[test]
fn the_sockets_of_a_server_are_used_while_they_are_listed() {
    let mut scene = Scene::new();
    let (server, mut peers) = crowd(&mut scene, 3);
    let (_, mut strangers) = crowd(&mut scene, 1);
    let mut view = scene.event_loop.server(server);
    for id in view.sockets() {
        write!(view.socket(id), "{id}");
        view.socket(id).end();
    }
    for peer in &mut peers {
        let received = scene.peer_reads_to_end(peer);
        assert!(!received.bytes.is_empty());
    }
    let mut sockets = scene.event_loop.sockets();
    for id in sockets.ids() {
        sockets.socket(id).end();
    }
    // It was not among those of the server.
    assert_eq!(scene.peer_reads_to_end(&mut strangers[0]).bytes, b"");
}

#[test]
fn a_list_of_sockets_is_as_the_loop_was_when_it_was_made() {
    let mut scene = Scene::new();
    let (server, _peers) = crowd(&mut scene, 3);
    let ids = scene.event_loop.sockets().ids();
    let sockets = scene.event_loop.server(server).sockets();
    scene.event_loop.server(server).destroy_connections();
    scene.settle();
    assert_eq!((ids.count(), sockets.count()), (3, 3));
    assert_eq!(scene.event_loop.sockets().ids().count(), 0);
    assert_eq!(scene.event_loop.server(server).sockets().count(), 0);
}

#[test]
fn a_broadcast_of_a_server_reaches_its_own_sockets_alone() {
    let mut scene = Scene::new();
    let (server, mut peers) = crowd(&mut scene, 3);
    let (other, mut strangers) = crowd(&mut scene, 1);
    assert_eq!(scene.event_loop.server(server).broadcast(b"all"), []);
    assert_eq!(scene.event_loop.server(other).broadcast(b"other"), []);
    for peer in &mut peers {
        assert_eq!(scene.peer_reads(peer, 3), b"all");
    }
    assert_eq!(scene.peer_reads(&mut strangers[0], 5), b"other");
}

#[test]
fn a_broadcast_of_a_server_names_the_sockets_that_lag() {
    let mut scene = Scene::new();
    let (server, _peers) = crowd(&mut scene, 3);
    let lagging = scene.event_loop.server(server).sockets().next().unwrap();
    assert_eq!(scene.socket(lagging).write(&[0; 8 << 20]), Flow::Full);
    let answers = scene.event_loop.server(server).broadcast(b"all");
    assert_eq!(answers, [(lagging, Flow::Full)]);
}

#[test]
fn a_callback_broadcasts_to_the_server_of_its_socket() {
    let mut scene = Scene::new();
    let (_, address) = scene.listen(SocketOptions::new(), |_| {
        Recorder::new("member").reacting(|cx, seen| {
            if let Seen::Data(bytes) = seen {
                let server = cx.socket.accepted_by().unwrap();
                assert_eq!(cx.socket.server(server).broadcast(bytes), []);
            }
        })
    });
    let mut peers = [Peer::connect(address), Peer::connect(address)];
    scene.drive_with("both connections", |scene| {
        scene.event_loop.sockets().ids().count() == 2
    });
    peers[0].write(b"hello");
    for peer in &mut peers {
        assert_eq!(scene.peer_reads(peer, 5), b"hello");
    }
}
