//! Packet info (feature `udp-batch`): the address that a datagram was sent to, the address that it is sent from, and marks of
//! ECN.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use netloop::{
    DatagramContext, DatagramFlow, DatagramId, DatagramOptions, Ecn, Family, PacketInfo,
};

use crate::support::{PATIENCE, hosts};

use super::{Notes, Stage, Watch, peer};

fn batched() -> DatagramOptions {
    DatagramOptions::new().in_batches(true)
}

/// Binds a socket to all addresses of one family, and returns its id and its port.
fn bind_everywhere(stage: &mut Stage, any: &str, handler: Watch) -> (DatagramId, u16) {
    let bound = stage.event_loop.bind_udp(any, batched(), handler);
    let id = bound.unwrap();
    let port = stage.socket(id).local_address().unwrap().port();
    (id, port)
}

/// A handler that notes the packet info of each datagram.
fn noting(name: &str) -> Watch {
    Watch::new(name).on_message(|cx, _, data| {
        let PacketInfo { local_address, ecn } = cx.socket.packet_info();
        let length = data.len();
        let note = format!("{length} bytes to {local_address:?}, {ecn:?}");
        cx.shared.push(note);
    })
}

fn answer_from_the_asked_address(
    cx: &mut DatagramContext<'_, Notes>,
    from: SocketAddr,
    data: &[u8],
) {
    let local_address = cx.socket.packet_info().local_address;
    let info = PacketInfo {
        local_address,
        ecn: None,
    };
    cx.socket.send_with(from, info, data).ignore();
}

#[test]
fn each_datagram_of_a_batch_has_the_address_it_was_sent_to() {
    let mut stage = Stage::new();
    let (_, port) = bind_everywhere(&mut stage, "0.0.0.0:0", noting("a"));
    stage.drive_to("a listening");
    let (peer, _) = peer();
    for (number, host) in hosts().into_iter().enumerate() {
        let bytes = vec![0; number + 1];
        peer.send_to(&bytes, (host, port)).unwrap();
    }
    for (number, host) in hosts().into_iter().enumerate() {
        stage.drive_to(&format!("{} bytes to Some({host}), None", number + 1));
    }
}

#[test]
fn an_answer_leaves_from_the_address_that_was_asked() {
    let mut stage = Stage::new();
    let handler = Watch::new("a").on_message(answer_from_the_asked_address);
    let (_, port) = bind_everywhere(&mut stage, "0.0.0.0:0", handler);
    stage.drive_to("a listening");
    let mut buffer = [0; 8];
    for host in hosts() {
        // A connected socket takes an answer from the asked address alone.
        let (peer, _) = peer();
        peer.connect((host, port)).unwrap();
        peer.send(b"whence?").unwrap();
        peer.set_nonblocking(true).unwrap();
        stage.drive("the answer", |_| peer.recv(&mut [0; 8]).is_ok());
    }
    // Without packet info the system chooses, and its choice is another address.
    let handler = Watch::echo("b");
    let (_, port) = bind_everywhere(&mut stage, "0.0.0.0:0", handler);
    let peer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    peer.send_to(b"whence?", (hosts()[1], port)).unwrap();
    stage.drive_to("b whence?");
    stage.settle_for_a_while();
    let (_, from) = peer.recv_from(&mut buffer).unwrap();
    assert_ne!(from.ip(), hosts()[1]);
}

#[test]
fn a_socket_of_both_families_answers_from_the_asked_address() {
    let mut stage = Stage::new();
    let handler = Watch::new("a").on_message(answer_from_the_asked_address);
    if UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        return;
    }
    let (_, port) = bind_everywhere(&mut stage, "[::]:0", handler);
    stage.drive_to("a listening");
    for host in [hosts()[1], Ipv6Addr::LOCALHOST.into()] {
        let peer = UdpSocket::bind((host, 0)).unwrap();
        peer.connect((host, port)).unwrap();
        peer.send(b"whence?").unwrap();
        peer.set_nonblocking(true).unwrap();
        stage.drive("the answer", |_| peer.recv(&mut [0; 8]).is_ok());
    }
}

#[test]
fn a_mark_of_ecn_arrives_with_its_datagram_alone() {
    let mut stage = Stage::new();
    let (_, to) = stage.bind(batched(), noting("a"));
    let (id, _) = stage.bind(batched(), Watch::new("b"));
    stage.settle_for_a_while();
    let host = to.ip();
    // Datagrams of one length, which a run would join.
    let marks = [
        None,
        Some(Ecn::Ect0),
        Some(Ecn::Ect0),
        Some(Ecn::Ect1),
        Some(Ecn::CongestionExperienced),
        None,
    ];
    for ecn in marks {
        let info = PacketInfo {
            local_address: None,
            ecn,
        };
        let flow = stage.socket(id).send_with(to, info, &[0; 100]);
        assert_eq!(flow, DatagramFlow::Open);
    }
    stage.drive("all", |stage| stage.count("a 100 bytes") == marks.len());
    let expected = marks.map(|ecn| format!("100 bytes to Some({host}), {ecn:?}"));
    let noted = stage.notes_but("a 100 bytes");
    assert_eq!(noted[2..], expected);
}

/// Packet info that has a source address alone.
fn from_address(address: impl Into<IpAddr>) -> PacketInfo {
    PacketInfo {
        local_address: Some(address.into()),
        ecn: None,
    }
}

#[test]
fn an_address_of_another_host_loses_its_datagrams_alone() {
    let mut stage = Stage::new();
    let (_, to) = stage.bind(batched(), noting("a"));
    let (id, from) = stage.bind(batched(), Watch::new("b"));
    stage.settle_for_a_while();
    let foreign = from_address(Ipv4Addr::new(192, 0, 2, 1));
    for _ in 0..3 {
        let flow = stage.socket(id).send_with(to, foreign, b"lost");
        assert_eq!(flow, DatagramFlow::Open, "until the flush");
    }
    let own = from_address(from.ip());
    stage.socket(id).send_with(to, own, b"found").ignore();
    stage.drive_to("a found");
    stage.drive_to("b ENETUNREACH");
    assert_eq!(stage.count("a lost"), 0);
    assert_eq!(stage.socket(id).dropped_datagrams(), 3);
    assert_eq!(stage.socket(id).sent_datagrams(), 1);
}

// quinn-udp takes EINVAL for a limit of the system, and would not send a mark over IPv4 again.
#[test]
fn an_ipv6_address_of_another_host_keeps_no_mark_back() {
    let mut stage = Stage::new();
    if UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        return;
    }
    let (_, port) = bind_everywhere(&mut stage, "[::]:0", noting("a"));
    let (id, _) = bind_everywhere(&mut stage, "[::]:0", Watch::new("b"));
    stage.settle_for_a_while();
    let foreign = from_address(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
    let to = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
    stage.socket(id).send_with(to, foreign, b"lost").ignore();
    stage.drive_to("b EINVAL");
    let marked = PacketInfo {
        local_address: None,
        ecn: Some(Ecn::Ect0),
    };
    let mapped = Ipv4Addr::LOCALHOST.to_ipv6_mapped();
    let to = SocketAddr::from((mapped, port));
    stage.socket(id).send_with(to, marked, b"found").ignore();
    stage.drive_to(&format!("5 bytes to Some({mapped}), Some(Ect0)"));
    assert_eq!(stage.count("a lost"), 0);
}

#[test]
fn from_an_address_of_many_the_system_chooses() {
    let mut stage = Stage::new();
    let (_, to) = stage.bind(batched(), Watch::new("a"));
    let (id, _) = stage.bind(batched(), Watch::new("b"));
    stage.settle_for_a_while();
    for address in ["239.255.7.7", "255.255.255.255", "0.0.0.0", "ff02::1", "::"] {
        let info = from_address(address.parse::<IpAddr>().unwrap());
        let flow = stage.socket(id).send_with(to, info, address.as_bytes());
        assert_eq!(flow, DatagramFlow::Open);
        stage.drive_to(&format!("a {address}"));
    }
}

#[test]
fn without_batches_an_address_is_refused_and_a_mark_ignored() {
    let mut stage = Stage::new();
    let (_, to) = stage.bind(DatagramOptions::new(), noting("a"));
    let (id, from) = stage.bind(DatagramOptions::new(), Watch::new("b"));
    stage.settle_for_a_while();
    let addressed = from_address(from.ip());
    let flow = stage.socket(id).send_with(to, addressed, b"refused");
    assert_eq!(flow, DatagramFlow::Dropped);
    stage.drive_to("b ENOTSUP");
    let marked = PacketInfo {
        local_address: None,
        ecn: Some(Ecn::Ect1),
    };
    let flow = stage.socket(id).send_with(to, marked, b"sent");
    assert_eq!(flow, DatagramFlow::Open);
    stage.drive_to("4 bytes to None, None");
    stage.socket(id).close();
    let flow = stage.socket(id).send_with(to, addressed, b"late");
    assert_eq!(flow, DatagramFlow::Closed);
}

// Whether the socket will have batches is known after its bind.
#[test]
fn during_a_lookup_an_address_is_refused_and_a_mark_ignored() {
    let mut stage = Stage::new();
    let (_, to) = stage.bind(batched(), noting("a"));
    let options = batched().family(Family::IPv4);
    let bound = stage
        .event_loop
        .bind_udp("localhost:0", options, Watch::new("b"));
    let id = bound.unwrap();
    let addressed = from_address(to.ip());
    let flow = stage.socket(id).send_with(to, addressed, b"refused");
    assert_eq!(flow, DatagramFlow::Dropped);
    let marked = PacketInfo {
        local_address: None,
        ecn: Some(Ecn::Ect1),
    };
    let flow = stage.socket(id).send_with(to, marked, b"sent");
    assert_eq!(flow, DatagramFlow::Open);
    stage.drive_to(&format!("4 bytes to Some({}), None", to.ip()));
    assert!(stage.has("b ENOTSUP"));
    assert_eq!(stage.count("b listening"), 1);
}

#[test]
fn a_connected_socket_sends_to_no_address_with_packet_info() {
    let mut stage = Stage::new();
    let (_peer, to) = peer();
    let made = stage.event_loop.connect_udp(to, batched(), Watch::new("a"));
    let id = made.unwrap();
    let flow = stage
        .socket(id)
        .send_with(to, PacketInfo::default(), b"refused");
    assert_eq!(flow, DatagramFlow::Dropped);
    stage.drive_to("a ERR_SOCKET_DGRAM_IS_CONNECTED");
}
