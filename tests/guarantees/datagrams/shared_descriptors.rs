//! Descriptors: lent, duplicated, taken out and adopted.

use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::rc::Rc;

use netloop::{BlockList, DatagramFlow, DatagramOptions, Error};

use super::{Stage, Watch, loopback, peer};

#[test]
fn a_lent_descriptor_is_of_the_socket() {
    let mut stage = Stage::new();
    let (id, address) = stage.bind(DatagramOptions::new(), Watch::echo("a"));
    let mut socket = stage.socket(id);
    let descriptor = socket.descriptor().unwrap();
    let asked = socket2::SockRef::from(&descriptor).local_addr().unwrap();
    assert_eq!(asked.as_socket(), Some(address));
    let (peer, _) = peer();
    peer.send_to(b"x", address).unwrap();
    stage.drive_to("a x");
    assert_eq!(peer.recv(&mut [0; 8]).unwrap(), 1);
    stage.socket(id).close();
    assert!(stage.socket(id).descriptor().is_none());
    let error = stage.socket(id).try_clone_descriptor().unwrap_err();
    assert_eq!(error.code(), Error::NO_DESCRIPTOR);
}

// Another holder clears O_NONBLOCK.
#[test]
fn a_duplicate_in_blocking_mode_does_not_block_the_loop() {
    let mut stage = Stage::new();
    let (id, address) = stage.bind(DatagramOptions::new(), Watch::echo("a"));
    let duplicate = UdpSocket::from(stage.socket(id).try_clone_descriptor().unwrap());
    stage.settle_for_a_while();
    let (peer, _) = peer();
    for _ in 0..5 {
        duplicate.set_nonblocking(false).unwrap();
        peer.send_to(b"x", address).unwrap();
        assert_eq!(duplicate.peek(&mut [0; 8]).unwrap(), 1);
        stage.settle_for_a_while();
        assert_eq!(peer.recv(&mut [0; 8]).unwrap(), 1);
    }
    assert_eq!(stage.count("a x"), 5);
}

// The duplicate outlives the close, and the kernel must not report it here.
#[test]
fn no_event_of_a_duplicate_comes_after_the_close() {
    let mut stage = Stage::new();
    let (id, address) = stage.bind(DatagramOptions::new(), Watch::new("a"));
    let duplicate = stage.socket(id).try_clone_descriptor().unwrap();
    stage.socket(id).close();
    stage.run_to_its_end();
    let (peer, _) = peer();
    peer.send_to(b"x", address).unwrap();
    let before = stage.event_loop.statistics().reports;
    stage.settle_for_a_while();
    assert_eq!(stage.event_loop.statistics().reports, before);
    assert_eq!(UdpSocket::from(duplicate).recv(&mut [0; 8]).unwrap(), 1);
}

#[test]
fn a_detached_socket_lives_on_and_can_be_adopted() {
    let mut stage = Stage::new();
    let (id, address) = stage.bind(DatagramOptions::new(), Watch::new("a"));
    let (peer, peer_address) = peer();
    let socket = stage.socket(id).detach().unwrap();
    assert!(stage.socket(id).detach().is_none());
    peer.send_to(b"between", address).unwrap();
    stage.run_to_its_end();
    assert_eq!(stage.notes, ["a close"]);

    let descriptor = socket.as_raw_fd();
    let options = DatagramOptions::new().ttl(9);
    let adopted = stage.event_loop.adopt_udp(socket, options, Watch::new("b"));
    let id = adopted.unwrap();
    assert_eq!(stage.socket(id).local_address(), Some(address));
    stage.drive_to("b between");
    assert_eq!(
        stage.socket(id).send_to(peer_address, b"x"),
        DatagramFlow::Open
    );
    assert_eq!(peer.recv(&mut [0; 8]).unwrap(), 1);
    let lent = stage.socket(id).descriptor().unwrap().as_raw_fd();
    assert_eq!(lent, descriptor);
}

#[test]
fn an_adopted_socket_may_be_connected_already() {
    let mut stage = Stage::new();
    let (peer, peer_address) = peer();
    let socket = UdpSocket::bind(loopback()).unwrap();
    socket.connect(peer_address).unwrap();
    let options = DatagramOptions::new();
    let adopted = stage.event_loop.adopt_udp(socket, options, Watch::new("a"));
    let id = adopted.unwrap();
    assert_eq!(stage.socket(id).peer_address(), Some(peer_address));
    assert_eq!(stage.socket(id).send(b"hello"), DatagramFlow::Open);
    assert_eq!(peer.recv(&mut [0; 8]).unwrap(), 5);
    stage.drive_to("a connect");
}

#[test]
fn an_adopted_socket_has_no_peer_that_is_blocked() {
    let mut stage = Stage::new();
    let (_peer, peer_address) = peer();
    let mut list = BlockList::new();
    list.add_address(peer_address.ip());
    let options = DatagramOptions::new().send_block_list(Rc::new(list));
    let socket = UdpSocket::bind(loopback()).unwrap();
    let address = socket.local_addr().unwrap();
    socket.connect(peer_address).unwrap();
    let refused = stage
        .event_loop
        .adopt_udp(socket, options.clone(), Watch::new("a"));
    assert_eq!(refused.unwrap_err().code(), Error::IP_BLOCKED);
    assert!(!stage.event_loop.is_alive());
    // The refused socket is closed, and one without a peer is adopted.
    let socket = UdpSocket::bind(address).unwrap();
    let adopted = stage.event_loop.adopt_udp(socket, options, Watch::new("b"));
    let id = adopted.unwrap();
    let flow = stage.socket(id).send_to(peer_address, b"x");
    assert_eq!(flow, DatagramFlow::Dropped);
    stage.drive_to("b ERR_IP_BLOCKED");
}
