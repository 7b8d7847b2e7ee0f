//! Block lists and limits behind a proxy: which address they mean, before the header and behind it.

use std::rc::Rc;

use netloop::{BlockList, Error, Limits, ListenOptions, Refusal};

use super::{Behind, assert_echoes, behind, client, line, proxies, serve, version_2};
use crate::accept_limits::connect_from;
use crate::support::{HELLO, Peer, PeerEnd, Records, Scene, Seen, client_host};

#[test]
fn a_block_list_means_the_proxy_and_then_the_client() {
    let mut scene = Scene::new();
    let mut blocked = BlockList::new();
    blocked.add_address(client_host(1));
    blocked.add_address(client().ip());
    // A filter behind the header has not begun when the client is blocked.
    let options = behind(proxies())
        .block_list(Rc::new(blocked))
        .filter(|| Ok(Records::default()));
    let (address, book) = serve(&mut scene, options);
    let mut proxy = connect_from(client_host(1), address);
    scene.peer_reads_to_end(&mut proxy);
    assert_eq!(scene.event_loop.statistics().dropped_blocked, 1);
    let mut of_client = Peer::connect(address);
    of_client.write(&line(client()));
    let received = scene.peer_reads_to_end(&mut of_client);
    assert_eq!(
        (&received.bytes[..], received.end),
        (&b""[..], PeerEnd::Fin)
    );
    assert_eq!(scene.event_loop.statistics().dropped_blocked, 2);
    let mut welcome = Peer::connect(address);
    welcome.write(&line(([192, 0, 2, 2], 1).into()));
    assert_eq!(scene.peer_reads(&mut welcome, HELLO.len()), HELLO);
    scene.settle();
    assert_eq!(scene.world.trace("server"), "listening", "without an event");
    assert!(book.borrow().is_empty());
    assert_eq!(scene.event_loop.sockets().ids().count(), 1);
}

#[test]
fn the_limit_of_a_network_counts_clients_and_not_their_proxy() {
    for (refusal, end) in [
        (Refusal::End, PeerEnd::Fin),
        (Refusal::Reset, PeerEnd::Reset),
    ] {
        let mut scene = Scene::new();
        let limits = Limits::new()
            .max_connections_per_network(1)
            .refusal(refusal);
        let (address, book) = serve(&mut scene, behind(proxies()).limits(limits));
        // Connections that have not sent their header are in no network.
        let mut peers: Vec<Peer> = (0..4).map(|_| Peer::connect(address)).collect();
        scene.settle();
        for (number, peer) in (0..).zip(&mut peers) {
            peer.write(&line(([192, 0, 2, number], 1).into()));
            assert_echoes(&mut scene, peer, b"hello");
        }
        assert_eq!(book.borrow().len(), 4);
        let again = ([192, 0, 2, 3], 2).into();
        for refused in 1..=2 {
            let mut second = Peer::connect(address);
            second.write(&line(again));
            let received = scene.peer_reads_to_end(&mut second);
            assert_eq!((received.bytes.len(), received.end), (0, end));
            let told = Seen::Drop(Some(again));
            assert!(scene.world.has_seen("server", &told));
            assert_eq!(scene.world.count("server", "drop"), refused);
            let statistics = scene.event_loop.statistics();
            assert_eq!(statistics.dropped_over_network_limit, refused as u64);
        }
        assert_eq!(book.borrow().len(), 4);
        // The place of a client comes back with its close.
        drop(peers.pop());
        scene.drive_to_close("3");
        let mut second = Peer::connect(address);
        second.write(&line(again));
        assert_echoes(&mut scene, &mut second, b"hello");
        assert_eq!(book.borrow().len(), 5);
    }
}

#[test]
fn a_proxy_that_speaks_for_itself_counts_in_its_own_network() {
    let mut scene = Scene::new();
    let limits = Limits::new().max_connections_per_network(1);
    let (address, book) = serve(&mut scene, behind(proxies()).limits(limits));
    let local = version_2(0x20, 0x00, b"");
    let mut first = Peer::connect(address);
    first.write(&local);
    assert_echoes(&mut scene, &mut first, b"hello");
    let mut second = Peer::connect(address);
    let own = second.address();
    second.write(&local);
    scene.peer_reads_to_end(&mut second);
    assert!(scene.world.has_seen("server", &Seen::Drop(Some(own))));
    // A client beside it.
    let mut third = Peer::connect(address);
    third.write(&line(client()));
    assert_echoes(&mut scene, &mut third, b"hello");
    first.close();
    scene.drive_to_close("0");
    let mut fourth = Peer::connect(address);
    fourth.write(&local);
    assert_echoes(&mut scene, &mut fourth, b"hello");
    assert_eq!(book.borrow().len(), 3);
}

#[test]
fn peers_without_a_header_count_in_their_own_networks() {
    let mut scene = Scene::new();
    let limits = Limits::new().max_connections_per_network(1);
    let optional = behind(proxies().optional(true)).limits(limits.clone());
    let nobody = netloop::ProxyProtocol::new().admit_others(true);
    for options in [optional, behind(nobody).limits(limits)] {
        let (address, book) = serve(&mut scene, options);
        let mut first = Peer::connect(address);
        assert_echoes(&mut scene, &mut first, b"hello");
        let mut second = Peer::connect(address);
        let own = second.address();
        let _ = second.try_write(b"hello");
        scene.peer_reads_to_end(&mut second);
        scene.settle();
        assert!(scene.world.has_seen("server", &Seen::Drop(Some(own))));
        assert_eq!(book.borrow().len(), 1);
        let mut other = connect_from(client_host(1), address);
        assert_echoes(&mut scene, &mut other, b"hello");
    }
}

#[test]
fn the_other_limits_count_a_connection_before_its_header() {
    let mut scene = Scene::new();
    let options = behind(proxies()).max_connections(1);
    let (address, _) = serve(&mut scene, options);
    let silent = Peer::connect(address);
    scene.settle();
    let mut second = Peer::connect(address);
    let own = second.address();
    scene.peer_reads_to_end(&mut second);
    assert!(scene.world.has_seen("server", &Seen::Drop(Some(own))));
    silent.close();
    scene.drive_until("server", "failed");
    let mut third = Peer::connect(address);
    third.write(&line(client()));
    assert_echoes(&mut scene, &mut third, b"hello");
}

#[test]
fn a_filter_that_knows_the_address_moves_the_connection() {
    // Any filter, and not only that of the header.
    let mut scene = Scene::new();
    let limits = Limits::new().max_connections_per_network(1);
    let options = ListenOptions::new().filter(|| Ok(Behind)).limits(limits);
    let (address, book) = serve(&mut scene, options);
    for round in 0..3 {
        let mut peer = Peer::connect(address);
        assert_echoes(&mut scene, &mut peer, b"hello");
        // The network of the wire has its place again, but that of the client has not.
        let mut second = Peer::connect(address);
        scene.peer_reads_to_end(&mut second);
        assert_eq!(scene.world.count("server", "drop"), round + 1);
        peer.close();
        scene.drive_to_close(&round.to_string());
    }
    assert_eq!(book.borrow().len(), 3);
    assert_eq!(scene.event_loop.sockets().ids().count(), 0);
}

#[test]
fn a_connection_that_fails_early_leaves_its_network_right() {
    let mut scene = Scene::new();
    let limits = Limits::new().max_connections_per_network(1);
    let options = behind(proxies())
        .limits(limits)
        .filter(|| -> netloop::Result<Records> { Err(Error::other("no filter")) });
    let (address, _) = serve(&mut scene, options);
    for failures in 1..=3 {
        let mut peer = Peer::connect(address);
        scene.peer_reads_to_end(&mut peer);
        scene.settle();
        assert_eq!(scene.world.count("server", "failed"), failures);
    }
}
