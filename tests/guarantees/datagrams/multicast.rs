//! Multicast: groups are joined and left on an interface, for any source or for one.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use netloop::{DatagramFlow, DatagramId, DatagramOptions, Error, MulticastInterface};
use socket2::SockRef;

use super::{Stage, Watch};

/// A group of this process: other runs on the machine have others.
fn group() -> Ipv4Addr {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(239, 77, high, low)
}

/// A socket that hears any address of the machine, and its port.
fn hearer(stage: &mut Stage, name: &str) -> (DatagramId, u16) {
    let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let options = DatagramOptions::new();
    let bound = stage.event_loop.bind_udp(any, options, Watch::new(name));
    let id = bound.unwrap();
    let port = stage.socket(id).local_address().unwrap().port();
    (id, port)
}

/// A socket at `host` of the loopback interface that sends to groups.
fn speaker(host: Ipv4Addr) -> UdpSocket {
    let socket = UdpSocket::bind((host, 0)).unwrap();
    let options = SockRef::from(&socket);
    options.set_multicast_if_v4(&Ipv4Addr::LOCALHOST).unwrap();
    socket
}

#[test]
fn a_joined_group_is_heard_until_it_is_left() {
    let mut stage = Stage::new();
    let (id, port) = hearer(&mut stage, "a");
    let speaker = speaker(Ipv4Addr::LOCALHOST);
    let say = |word: &str| speaker.send_to(word.as_bytes(), (group(), port)).unwrap();
    let mark = |word: &str| speaker.send_to(word.as_bytes(), ("127.0.0.1", port));
    say("before");
    mark("first mark").unwrap();
    stage.drive_to("a first mark");
    assert!(!stage.has("a before"));

    let mut socket = stage.socket(id);
    socket.join_multicast(group(), Ipv4Addr::LOCALHOST).unwrap();
    let twice = socket.join_multicast(group(), Ipv4Addr::LOCALHOST);
    assert_eq!(twice.unwrap_err().code(), "EADDRINUSE");
    say("joined");
    stage.drive_to("a joined");

    let mut socket = stage.socket(id);
    socket
        .leave_multicast(group(), Ipv4Addr::LOCALHOST)
        .unwrap();
    let twice = socket.leave_multicast(group(), Ipv4Addr::LOCALHOST);
    assert_eq!(twice.unwrap_err().code(), "EADDRNOTAVAIL");
    say("behind");
    mark("second mark").unwrap();
    stage.drive_to("a second mark");
    assert!(!stage.has("a behind"));
}

#[test]
fn a_group_joined_for_one_source_hears_it_alone() {
    let mut stage = Stage::new();
    let (id, port) = hearer(&mut stage, "a");
    let [wanted, unwanted] = [Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 0, 0, 3)];
    let joined = stage
        .socket(id)
        .join_source_multicast(wanted, group(), Ipv4Addr::LOCALHOST);
    joined.unwrap();
    let to = (group(), port);
    speaker(unwanted).send_to(b"unwanted", to).unwrap();
    speaker(wanted).send_to(b"wanted", to).unwrap();
    stage.drive_to("a wanted");
    assert!(!stage.has("a unwanted"));
    let mut socket = stage.socket(id);
    let left = socket.leave_source_multicast(wanted, group(), Ipv4Addr::LOCALHOST);
    left.unwrap();
    let mixed = socket.join_source_multicast(
        wanted,
        IpAddr::V6("ff02::77".parse().unwrap()),
        MulticastInterface::Any,
    );
    assert_eq!(mixed.unwrap_err().code(), "EINVAL");
}

#[test]
fn our_own_multicast_is_heard_here() {
    let mut stage = Stage::new();
    let (hearer, port) = hearer(&mut stage, "a");
    let joined = stage
        .socket(hearer)
        .join_multicast(group(), Ipv4Addr::LOCALHOST);
    joined.unwrap();
    let options = DatagramOptions::new()
        .multicast_interface(Ipv4Addr::LOCALHOST)
        .multicast_ttl(1);
    let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let speaker = stage
        .event_loop
        .bind_udp(here, options, Watch::new("speaker"))
        .unwrap();
    let to = SocketAddr::from((group(), port));
    assert_eq!(
        stage.socket(speaker).send_to(to, b"loud"),
        DatagramFlow::Open
    );
    stage.drive_to("a loud");
    // The loopback interface brings everything back, so only the kernel can tell.
    stage.socket(speaker).set_multicast_loopback(false).unwrap();
    #[cfg(unix)]
    {
        let mut socket = stage.socket(speaker);
        let descriptor = socket.descriptor().unwrap();
        assert!(!SockRef::from(&descriptor).multicast_loop_v4().unwrap());
    }
}

// Two sockets of one port, as two programs of a machine that discover each other.
#[test]
fn sockets_that_share_a_port_all_hear_a_group() {
    let mut stage = Stage::new();
    let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let options = || DatagramOptions::new().reuse_address(true);
    let one = stage
        .event_loop
        .bind_udp(any, options(), Watch::new("a"))
        .unwrap();
    let address = stage.socket(one).local_address().unwrap();
    let other = stage
        .event_loop
        .bind_udp(address, options(), Watch::new("b"))
        .unwrap();
    for id in [one, other] {
        let joined = stage
            .socket(id)
            .join_multicast(group(), Ipv4Addr::LOCALHOST);
        joined.unwrap();
    }
    let to = (group(), address.port());
    speaker(Ipv4Addr::LOCALHOST).send_to(b"all", to).unwrap();
    stage.drive_to("a all");
    stage.drive_to("b all");
}

#[test]
fn an_interface_that_does_not_fit_the_family_is_refused() {
    let mut stage = Stage::new();
    let (id, _) = hearer(&mut stage, "a");
    let mut socket = stage.socket(id);
    let refused = socket.set_multicast_interface(1);
    assert_eq!(refused.unwrap_err().code(), "ENOTSUP");
    let group = "ff02::77".parse::<IpAddr>().unwrap();
    let refused = socket.join_multicast(group, Ipv4Addr::LOCALHOST);
    assert_eq!(refused.unwrap_err().code(), "EINVAL");
    socket.close();
    let refused = socket.join_multicast(group, 1);
    assert_eq!(refused.unwrap_err().code(), Error::DATAGRAM_NOT_RUNNING);
}

// An interface of one's own has groups of IPv6, which the loopback interface does not.
#[cfg(target_os = "linux")]
#[test]
fn a_group_of_ipv6_is_heard_on_its_interface() {
    use crate::support::in_own_network;

    let setup = "ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up && \
                 ip -6 addr add fe80::77/64 dev v0 nodad";
    in_own_network(setup, || {
        let table = std::fs::read_to_string("/proc/net/if_inet6").unwrap();
        let line = table.lines().find(|line| line.ends_with("v0")).unwrap();
        let number = line.split_whitespace().nth(1).unwrap();
        let index = u32::from_str_radix(number, 16).unwrap();
        let mut stage = Stage::new();
        let any = SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, 0));
        let options = DatagramOptions::new()
            .ipv6_only(true)
            .multicast_interface(index)
            .multicast_ttl(1);
        let bound = stage.event_loop.bind_udp(any, options, Watch::new("a"));
        let id = bound.unwrap();
        let port = stage.socket(id).local_address().unwrap().port();
        let group: std::net::Ipv6Addr = "ff02::77".parse().unwrap();
        stage.socket(id).join_multicast(group, index).unwrap();
        let to = SocketAddr::from((group, port));
        assert_eq!(stage.socket(id).send_to(to, b"hello"), DatagramFlow::Open);
        stage.drive_to("a hello");
        stage.socket(id).leave_multicast(group, index).unwrap();
    });
}
