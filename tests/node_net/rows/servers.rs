//! Servers with connections: how many, and which are turned away.

use std::net::SocketAddr;
use std::rc::Rc;

use netloop::{BlockList, ConnectOptions, ListenOptions};
use socket2::{Domain, Socket, Type};

use super::plain;
use crate::support::{DeadPort, Peer, PeerEnd, Reception, Recorder, Scene, host, loopback};

/// DEVIATE: the count is the answer of the call, so that there is no callback that could come too early.
#[test]
fn net_get_connections() {
    let mut scene = Scene::new();
    let dead = DeadPort::localhost();
    let reception = || Reception::new("server", |_| Recorder::new("accepted"));
    let pending = ("localhost", dead.port());
    let server = scene.serve(pending, ListenOptions::new(), reception());
    assert!(!scene.event_loop.server(server).is_listening());
    assert_eq!(scene.event_loop.server(server).connection_count(), 0);
    scene.drive_to_exit();
    assert_eq!(scene.world.trace("server"), "error:EADDRINUSE server-close");
    assert_eq!(scene.event_loop.server(server).connection_count(), 0);
}

#[test]
fn net_many_clients() {
    const CLIENTS: usize = 50;
    const ROUNDS: usize = 3;
    const BYTES: usize = 40 << 10;
    let mut scene = Scene::new();
    let (server, address) = scene.listen(ListenOptions::new(), |number| {
        Recorder::new(format!("accepted-{number}")).on("connect", |cx, _| {
            let _ = cx.socket.end_with(&[b'C'; BYTES]);
        })
    });
    fn client(number: usize, round: usize, address: SocketAddr) -> Recorder {
        Recorder::new(format!("client-{number}-{round}")).on("close", move |cx, _| {
            if round + 1 < ROUNDS {
                let next = client(number, round + 1, address);
                cx.connect(address, next).unwrap();
            }
        })
    }
    for number in 0..CLIENTS {
        scene.connect(address, ConnectOptions::new(), client(number, 0, address));
    }
    for number in 0..CLIENTS {
        for round in 0..ROUNDS {
            let name = format!("client-{number}-{round}");
            scene.drive_to_close(&name);
            assert_eq!(
                scene.world.trace(&name),
                format!("connect data:{BYTES} end close:Graceful")
            );
        }
    }
    assert_eq!(scene.world.count("server", "connection"), CLIENTS * ROUNDS);
    scene.close(server);
    scene.drive_to_exit();
}

#[test]
fn net_server_blocklist() {
    let mut scene = Scene::new();
    let mut list = BlockList::new();
    // Connections to any address of the range come from this one.
    list.add_address([127, 0, 0, 1]);
    let options = ListenOptions::new().block_list(Rc::new(list));
    let server = scene.serve(loopback(), options, plain());
    let address = scene.address_of(server);

    let mut blocked = Peer::connect(address);
    assert_eq!(scene.peer_reads_to_end(&mut blocked).bytes, b"");
    scene.settle();
    assert_eq!(scene.world.trace("server"), "listening");
    assert_eq!(scene.event_loop.server(server).connection_count(), 0);

    // The same server, another client.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let from = SocketAddr::new(host("host2"), 0);
    socket.bind(&from.into()).unwrap();
    socket.connect(&address.into()).unwrap();
    scene.drive_until("server", "connection");
}

#[test]
fn net_server_max_connections() {
    const MOST: usize = 10;
    let mut scene = Scene::new();
    let options = ListenOptions::new().max_connections(MOST);
    let reception = Reception::new("server", |count| {
        Recorder::new(format!("accepted {count}")).on("connect", |cx, _| {
            let _ = cx.socket.write(b"hello");
        })
    });
    let server = scene.serve(loopback(), options, reception);
    let address = scene.address_of(server);

    let mut peers = Vec::new();
    for count in 1..=2 * MOST {
        peers.push(Peer::connect(address));
        scene.drive("the connection, or that it was dropped", |world| {
            world.count("server", "connection") + world.count("server", "drop") == count
        });
    }
    assert_eq!(scene.world.count("server", "connection"), MOST);
    assert_eq!(scene.event_loop.server(server).connection_count(), MOST);
    for peer in &mut peers[MOST..] {
        assert_eq!(scene.peer_reads_to_end(peer).bytes, b"");
    }

    for id in scene.world.ids.values() {
        scene.event_loop.socket(*id).end();
    }
    for peer in &mut peers[..MOST] {
        let received = scene.peer_reads_to_end(peer);
        assert_eq!(received.bytes, b"hello");
        assert_eq!(received.end, PeerEnd::Fin);
    }
}
