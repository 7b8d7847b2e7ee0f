//! The PROXY protocol: the peer is the client that the header names, and only a trusted proxy may name one.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use netloop::{BlockList, Error, Limits, ListenOptions, ProxyHeader};

use crate::support::{Peer, Reception, Recorder, Scene, loopback};

const V1: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n";
const V2: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x02\xdc\x04\x01\xbb";

/// The addresses that the server and the handler have got.
type Addresses = Rc<RefCell<Vec<Option<SocketAddr>>>>;

/// A server that trusts the network `trusted`, and the addresses that its handlers get.
fn server(scene: &mut Scene, trusted: [u8; 4]) -> (SocketAddr, Addresses) {
    let mut list = BlockList::new();
    list.add_subnet(trusted, 8).unwrap();
    let limits = Limits::new().handshake_timeout(Duration::from_secs(2));
    let options = ListenOptions::new()
        .limits(limits)
        .proxy_header(Rc::new(list));
    let addresses = Addresses::default();
    let seen = Rc::clone(&addresses);
    let reception = Reception::welcoming("server", move |_, accepted| {
        seen.borrow_mut().push(accepted.peer_address);
        let seen = Rc::clone(&seen);
        Some(Recorder::new("theirs").on("data", move |cx, _| {
            let header = cx.socket.filter::<ProxyHeader>().unwrap();
            let ends = [header.proxy_address(), header.destination()];
            seen.borrow_mut().push(cx.socket.peer_address());
            seen.borrow_mut().extend(ends);
        }))
    });
    let server = scene.serve(loopback(), options, reception);
    (scene.address_of(server), addresses)
}

#[test]
fn the_peer_is_the_client_that_the_header_names() {
    for header in [V1, V2] {
        let mut scene = Scene::new();
        let (address, addresses) = server(&mut scene, [127, 0, 0, 0]);
        let mut peer = Peer::connect(address);
        let proxy = Some(peer.address());
        peer.write(&[header, b"request"].concat());
        scene.drive_until("theirs", "data");
        assert_eq!(scene.world.received("theirs"), b"request");
        let client = Some(([192, 0, 2, 1], 56324).into());
        let destination = Some(([198, 51, 100, 2], 443).into());
        assert_eq!(*addresses.borrow(), [client, client, proxy, destination]);
    }
}

#[test]
fn a_header_arrives_one_byte_at_a_time() {
    for header in [V1, V2] {
        let mut scene = Scene::new();
        let (address, addresses) = server(&mut scene, [127, 0, 0, 0]);
        let mut peer = Peer::connect(address);
        for byte in header {
            assert!(addresses.borrow().is_empty());
            peer.write(&[*byte]);
            scene.settle();
        }
        assert_eq!(addresses.borrow().len(), 1);
        peer.write(b"x");
        scene.drive_until("theirs", "data");
    }
}

#[test]
fn a_proxy_that_speaks_for_itself_is_the_peer() {
    let mut scene = Scene::new();
    let (address, addresses) = server(&mut scene, [127, 0, 0, 0]);
    let mut peer = Peer::connect(address);
    let proxy = Some(peer.address());
    peer.write(b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00");
    scene.drive_until("theirs", "connect");
    assert_eq!(*addresses.borrow(), [proxy]);
}

#[test]
fn a_header_of_a_stranger_is_not_believed() {
    let mut scene = Scene::new();
    let (address, addresses) = server(&mut scene, [10, 0, 0, 0]);
    let mut peer = Peer::connect(address);
    peer.write(V1);
    scene.drive_until("server", "failed");
    assert_eq!(scene.world.error("server").code(), Error::PROXY_HEADER);
    assert!(addresses.borrow().is_empty());
}

#[test]
fn bytes_that_are_no_header_fail_the_connection() {
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[b'x'; 5000],
        V1.split_at(20).0,
    ] {
        let mut scene = Scene::new();
        let (address, addresses) = server(&mut scene, [127, 0, 0, 0]);
        let mut peer = Peer::connect(address);
        peer.write(bytes);
        peer.half_close();
        scene.drive_until("server", "failed");
        assert_eq!(scene.world.error("server").code(), Error::PROXY_HEADER);
        assert!(addresses.borrow().is_empty());
    }
}

#[test]
fn a_header_that_never_ends_is_over_in_time() {
    let mut scene = Scene::new();
    let (address, _) = server(&mut scene, [127, 0, 0, 0]);
    let mut peer = Peer::connect(address);
    peer.write(&V1[..V1.len() - 1]);
    scene.drive_until("server", "failed");
    assert_eq!(scene.world.error("server").code(), "ETIMEDOUT");
}
