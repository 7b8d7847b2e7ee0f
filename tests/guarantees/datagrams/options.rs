//! The options, and the errors of a bind.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use netloop::{DatagramFlow, DatagramOptions, Error};

use super::{Stage, Watch, loopback, peer};
use crate::support::has_ipv6;

#[test]
fn a_taken_address_is_refused_at_once_by_its_name() {
    let mut stage = Stage::new();
    let (_peer, taken) = peer();
    let options = DatagramOptions::new();
    let refused = stage.event_loop.bind_udp(taken, options, Watch::new("a"));
    let error = refused.unwrap_err();
    assert_eq!(error.to_string(), format!("bind EADDRINUSE {taken}"));
    assert!(!stage.event_loop.is_alive());
}

#[test]
fn an_option_out_of_its_range_is_refused_before_any_call() {
    let mut stage = Stage::new();
    let (id, _) = stage.bind(DatagramOptions::new(), Watch::new("a"));
    let mut socket = stage.socket(id);
    for hops in [1, 64, 255] {
        socket.set_ttl(hops).unwrap();
        socket.set_multicast_ttl(hops).unwrap();
    }
    socket.set_multicast_ttl(0).unwrap();
    for error in [
        socket.set_ttl(0),
        socket.set_ttl(256),
        socket.set_multicast_ttl(256),
        socket.set_receive_buffer_size(usize::MAX),
        socket.join_multicast(Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::LOCALHOST),
    ] {
        assert_eq!(error.unwrap_err().code(), Error::INVALID_ARGUMENT);
    }
    for options in [
        DatagramOptions::new().ttl(0),
        DatagramOptions::new().multicast_ttl(256),
        DatagramOptions::new().send_buffer_size(usize::MAX),
    ] {
        let refused = stage
            .event_loop
            .bind_udp(loopback(), options, Watch::new("b"));
        assert_eq!(refused.unwrap_err().code(), Error::INVALID_ARGUMENT);
    }
}

#[test]
fn the_sizes_of_the_kernels_buffers_are_set_and_read() {
    let mut stage = Stage::new();
    let options = DatagramOptions::new()
        .receive_buffer_size(20_000)
        .send_buffer_size(30_000);
    let (id, _) = stage.bind(options, Watch::new("a"));
    let mut socket = stage.socket(id);
    // Linux doubles them.
    let received = socket.receive_buffer_size().unwrap().unwrap();
    let sent = socket.send_buffer_size().unwrap().unwrap();
    assert!((20_000..=40_000).contains(&received), "{received}");
    assert!((30_000..=60_000).contains(&sent), "{sent}");
    socket.set_receive_buffer_size(40_000).unwrap();
    assert!(socket.receive_buffer_size().unwrap().unwrap() >= 40_000);
}

#[cfg(target_os = "linux")]
#[test]
fn a_broadcast_needs_its_option() {
    let mut stage = Stage::new();
    let broadcast = SocketAddr::from((Ipv4Addr::new(127, 255, 255, 255), 9));
    let (id, _) = stage.bind(DatagramOptions::new(), Watch::new("a"));
    assert_eq!(
        stage.socket(id).send_to(broadcast, b"x"),
        DatagramFlow::Dropped
    );
    stage.drive_to("a EACCES");
    stage.socket(id).set_broadcast(true).unwrap();
    assert_eq!(
        stage.socket(id).send_to(broadcast, b"x"),
        DatagramFlow::Open
    );
    let options = DatagramOptions::new().broadcast(true);
    let (id, _) = stage.bind(options, Watch::new("b"));
    assert_eq!(
        stage.socket(id).send_to(broadcast, b"x"),
        DatagramFlow::Open
    );
}

#[test]
fn ipv6_alone_is_an_option_of_ipv6() {
    let mut stage = Stage::new();
    let options = || DatagramOptions::new().ipv6_only(true);
    let refused = stage
        .event_loop
        .bind_udp(loopback(), options(), Watch::new("a"));
    assert_eq!(refused.unwrap_err().code(), "EINVAL");
    if !has_ipv6() {
        return;
    }
    for (is_only, is_heard) in [(false, true), (true, false)] {
        let mut stage = Stage::new();
        let options = DatagramOptions::new().ipv6_only(is_only);
        let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
        let handler = Watch::new("a");
        let id = stage.event_loop.bind_udp(any, options, handler).unwrap();
        let port = stage.socket(id).local_address().unwrap().port();
        let ipv4 = UdpSocket::bind("127.0.0.1:0").unwrap();
        ipv4.send_to(b"ipv4", ("127.0.0.1", port)).unwrap();
        let ipv6 = UdpSocket::bind("[::1]:0").unwrap();
        ipv6.send_to(b"ipv6", ("::1", port)).unwrap();
        stage.drive_to("a ipv6");
        stage.settle_for_a_while();
        assert_eq!(stage.has("a ipv4"), is_heard);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn sockets_on_one_port_share_the_datagrams_of_many_senders() {
    let mut stage = Stage::new();
    let options = || DatagramOptions::new().reuse_port(true);
    let (_, address) = stage.bind(options(), Watch::new("a"));
    let second = stage
        .event_loop
        .bind_udp(address, options(), Watch::new("b"));
    second.unwrap();
    let stranger = stage
        .event_loop
        .bind_udp(address, DatagramOptions::new(), Watch::new("c"));
    assert_eq!(stranger.unwrap_err().code(), "EADDRINUSE");
    // With 64 senders, one socket gets all with a probability of 2^-63.
    let peers: Vec<_> = (0..64).map(|_| peer().0).collect();
    for peer in &peers {
        peer.send_to(b"x", address).unwrap();
    }
    stage.drive("all", |stage| stage.count("a x") + stage.count("b x") == 64);
    assert!(stage.has("a x") && stage.has("b x"));
}

#[test]
fn a_view_shows_its_socket() {
    let mut stage = Stage::new();
    let (id, address) = stage.bind(DatagramOptions::new(), Watch::new("a"));
    let shown = format!("{:?}", stage.socket(id));
    assert_eq!(
        shown,
        format!("DatagramSocket {{ id: {id}, local: {address}, peer: None, queued: 0 }}")
    );
    stage.socket(id).close();
    let shown = format!("{:?}", stage.socket(id));
    assert!(shown.contains("state: Closed"), "{shown}");
}
