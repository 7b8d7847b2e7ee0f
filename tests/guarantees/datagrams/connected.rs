//! Connected sockets: one peer, and the refusals that the network reports.

use netloop::{DatagramFlow, DatagramOptions, Error};

#[cfg(target_os = "linux")]
use super::stage::dead_port;
use super::{Stage, Watch, peer};

#[test]
fn a_connected_socket_has_one_peer() {
    let mut stage = Stage::new();
    let (peer_socket, peer_address) = peer();
    let (stranger, _) = peer();
    let id = stage.connect(peer_address, Watch::new("a"));
    let address = stage.socket(id).local_address().unwrap();
    assert_eq!(stage.socket(id).peer_address(), Some(peer_address));
    assert_eq!(stage.socket(id).send(b"hello"), DatagramFlow::Open);
    assert_eq!(peer_socket.recv_from(&mut [0; 8]).unwrap(), (5, address));
    stranger.send_to(b"stranger", address).unwrap();
    peer_socket.send_to(b"peer", address).unwrap();
    stage.drive_to("a peer");
    stage.settle_for_a_while();
    assert_eq!(stage.notes, ["a listening", "a connect", "a peer"]);
}

#[test]
fn an_open_socket_can_be_connected_once() {
    let mut stage = Stage::new();
    let (peer_socket, peer_address) = peer();
    let handler = Watch::new("a").on_error(|cx, error| {
        assert!(error.to_string().contains("connected"), "{error}");
        assert!(!cx.socket.is_closed());
    });
    let (id, _) = stage.bind(DatagramOptions::new(), handler);
    assert_eq!(stage.socket(id).send(b"to nobody"), DatagramFlow::Dropped);
    stage.drive_to(&format!("a {}", Error::DATAGRAM_NOT_CONNECTED));

    stage.socket(id).connect(peer_address).unwrap();
    let again = stage.socket(id).connect(peer_address).unwrap_err();
    assert_eq!(again.code(), Error::DATAGRAM_IS_CONNECTED);
    let flow = stage.socket(id).send_to(peer_address, b"x");
    assert_eq!(flow, DatagramFlow::Dropped);
    stage.drive_to(&format!("a {}", Error::DATAGRAM_IS_CONNECTED));
    assert_eq!(stage.count("a connect"), 1);
    assert_eq!(stage.socket(id).send(b"hello"), DatagramFlow::Open);
    assert_eq!(peer_socket.recv(&mut [0; 8]).unwrap(), 5);
}

// The event has the error flag, and no readability.
#[cfg(target_os = "linux")]
#[test]
fn a_refusal_is_told_and_the_socket_goes_on() {
    let mut stage = Stage::new();
    let dead = dead_port();
    let handler = Watch::new("a").on_error(|cx, error| {
        assert!(!cx.socket.is_closed());
        cx.shared.push(error.to_string());
    });
    let id = stage.connect(dead, handler);
    stage.drive_to("a connect");
    assert_eq!(stage.socket(id).send(b"x"), DatagramFlow::Open);
    stage.drive_to("a ECONNREFUSED");
    assert!(stage.has(&format!("recvmsg ECONNREFUSED {dead}")));

    let revived = std::net::UdpSocket::bind(dead).unwrap();
    assert_eq!(stage.socket(id).send(b"again"), DatagramFlow::Open);
    let (_, from) = revived.recv_from(&mut [0; 8]).unwrap();
    revived.send_to(b"welcome", from).unwrap();
    stage.drive_to("a welcome");
    assert_eq!(stage.count("a ECONNREFUSED"), 1);
}

// The kernel returns the refusal of a datagram from the send of the next one, and does not send that one.
#[cfg(target_os = "linux")]
#[test]
fn a_refusal_in_the_way_of_a_send_loses_no_datagram() {
    let mut stage = Stage::new();
    let dead = dead_port();
    let id = stage.connect(dead, Watch::new("a"));
    stage.settle_for_a_while();
    assert_eq!(stage.socket(id).send(b"refused"), DatagramFlow::Open);
    let revived = std::net::UdpSocket::bind(dead).unwrap();
    assert_eq!(stage.socket(id).send(b"taken"), DatagramFlow::Open);
    assert_eq!(revived.recv(&mut [0; 8]).unwrap(), 5);
    stage.drive_to("a ECONNREFUSED");
    assert_eq!(stage.socket(id).sent_datagrams(), 2);
}

#[cfg(target_os = "linux")]
#[test]
fn a_paused_socket_is_told_of_a_refusal_too() {
    let mut stage = Stage::new();
    let id = stage.connect(dead_port(), Watch::new("a"));
    stage.settle_for_a_while();
    stage.socket(id).pause();
    assert_eq!(stage.socket(id).send(b"x"), DatagramFlow::Open);
    stage.drive_to("a ECONNREFUSED");
    stage.settle_for_a_while();
    assert_eq!(stage.count("a ECONNREFUSED"), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn an_unconnected_socket_hears_of_no_refusal() {
    let mut stage = Stage::new();
    let (id, address) = stage.bind(DatagramOptions::new(), Watch::new("a"));
    let dead = dead_port();
    for _ in 0..10 {
        assert_eq!(stage.socket(id).send_to(dead, b"x"), DatagramFlow::Open);
    }
    let (peer, _) = peer();
    peer.send_to(b"alive", address).unwrap();
    stage.drive_to("a alive");
    stage.settle_for_a_while();
    assert_eq!(stage.notes, ["a listening", "a alive"]);
}

#[cfg(target_os = "linux")]
#[test]
fn no_number_of_refusals_closes_a_socket_that_sends_on() {
    const REFUSALS: usize = 200;
    let mut stage = Stage::new();
    let handler = Watch::new("a")
        .on_connect(|cx| {
            cx.socket.send(b"there?");
        })
        .on_error(|cx, _| {
            cx.socket.send(b"there?");
        });
    let id = stage.connect(dead_port(), handler);
    stage.drive("the refusals", |stage| {
        stage.count("a ECONNREFUSED") >= REFUSALS
    });
    assert!(!stage.socket(id).is_closed());
    assert!(!stage.has("a close"));
}

#[test]
fn a_refused_send_is_told_before_a_close_soon_behind_it() {
    let mut stage = Stage::new();
    let (id, _) = stage.bind(DatagramOptions::new(), Watch::new("a"));
    stage.settle_for_a_while();
    assert_eq!(stage.socket(id).send(b"to nobody"), DatagramFlow::Dropped);
    stage.socket(id).close_soon();
    assert!(stage.socket(id).is_closed());
    stage.run_to_its_end();
    let error = format!("a {}", Error::DATAGRAM_NOT_CONNECTED);
    assert_eq!(stage.notes, ["a listening", &error, "a close"]);
}
