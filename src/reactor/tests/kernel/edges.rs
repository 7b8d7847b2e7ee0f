//! The reactor keeps levels although the kernel reports edges.

use std::io::{ErrorKind, Write};
use std::time::Duration;

use mio::net::{TcpListener, UdpSocket};

use crate::reactor::{Interest, Reactor, Readiness};
use crate::system::SHORT_READ_EXHAUSTS;

use super::{Report, Wire, await_reports, poll, reset_connection, serve, stream_pair};

#[test]
fn reading_a_byte_a_call_is_served_until_it_would_block() {
    let (wire, mut peer) = stream_pair();
    let mut reactor = Reactor::new(16).unwrap();
    let key = reactor.insert(wire.reading(1), Interest::READABLE).unwrap();
    peer.write_all(&[7; 1_000]).unwrap();
    assert_eq!(poll(&mut reactor), 1);
    for byte in 0..1_000 {
        assert_eq!(serve(&mut reactor), [Report::Bytes(1)], "byte {byte}");
        assert_eq!(poll(&mut reactor), 0, "the kernel says it once (F1)");
    }
    assert_eq!(serve(&mut reactor), []);
    assert!(reactor.is_idle());
    assert_eq!(reactor.get(key).map(|wire| wire.reads), Some(1_001));
}

#[test]
fn further_connections_are_accepted_without_another_event() {
    let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let accept: fn(&mut TcpListener, &mut [u8]) -> _ =
        |listener, buffer| listener.accept().map(|_| buffer.len());
    let mut reactor = Reactor::new(16).unwrap();
    reactor
        .insert(Wire::new(listener, accept), Interest::READABLE)
        .unwrap();
    let connect = |_| std::net::TcpStream::connect(address).unwrap();
    let peers: Vec<_> = (0..5).map(connect).collect();
    assert_eq!(await_reports(&mut reactor, peers.len()).len(), peers.len());
    assert_eq!(serve(&mut reactor), []);
    assert!(reactor.is_idle(), "none is left (F2)");
}

#[test]
fn further_datagrams_are_received_without_another_event() {
    let here = UdpSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = here.local_addr().unwrap();
    let mut reactor = Reactor::new(16).unwrap();
    let receive: fn(&mut UdpSocket, &mut [u8]) -> _ = |socket, buffer| {
        // A datagram never counts as a short read: another datagram may follow.
        socket.recv(buffer).map(|_| buffer.len())
    };
    reactor
        .insert(Wire::new(here, receive), Interest::READABLE)
        .unwrap();
    let there = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..3 {
        there.send_to(b"datagram", address).unwrap();
    }
    assert_eq!(await_reports(&mut reactor, 3), [Report::Bytes(64); 3]);
    assert_eq!(serve(&mut reactor), []);
    assert!(reactor.is_idle(), "none is left (F3)");
}

#[test]
fn pausing_keeps_the_edge() {
    let (wire, mut peer) = stream_pair();
    let mut reactor = Reactor::new(16).unwrap();
    let key = reactor.insert(wire, Interest::empty()).unwrap();
    peer.write_all(b"abc").unwrap();
    assert_eq!(poll(&mut reactor), 1);
    assert!(reactor.is_idle(), "no source waits for it");
    assert_eq!(reactor.poll_timeout(), None);
    assert_eq!(serve(&mut reactor), []);

    reactor.visit(key, |_, registration| registration.want(Interest::READABLE));
    assert_eq!(reactor.poll_timeout(), Some(Duration::ZERO));
    assert_eq!(poll(&mut reactor), 0);
    assert_eq!(serve(&mut reactor), [Report::Bytes(3)]);
}

// Not with poll(2): its reports have only the requested directions, and come again only after a call that would block.
#[cfg(not(mio_unsupported_force_poll_poll))]
#[test]
fn a_reader_is_not_asked_to_write_when_a_byte_arrives() {
    let (wire, mut peer) = stream_pair();
    let mut reactor = Reactor::new(16).unwrap();
    let key = reactor.insert(wire, Interest::READABLE).unwrap();
    peer.write_all(b"a").unwrap();
    assert_eq!(await_reports(&mut reactor, 1), [Report::Bytes(1)]);
    let readiness = reactor.visit(key, |_, registration| registration.readiness());
    assert_eq!(
        readiness,
        Some(Readiness::WRITABLE),
        "although the kernel said so, too (F6)"
    );
    reactor.visit(key, |_, registration| registration.want(Interest::WRITABLE));
    assert_eq!(serve(&mut reactor), [Report::Space]);
}

// Not with poll(2), which reports again only after a call that would block.
#[cfg(not(mio_unsupported_force_poll_poll))]
#[test]
fn a_queued_source_with_another_event_is_served_once() {
    let (wire, mut peer) = stream_pair();
    let mut reactor = Reactor::new(16).unwrap();
    reactor.insert(wire.reading(1), Interest::READABLE).unwrap();
    for _ in 0..3 {
        peer.write_all(b"abc").unwrap();
        assert_eq!(poll(&mut reactor), 1);
    }
    assert_eq!(serve(&mut reactor), [Report::Bytes(1)]);
}

#[test]
fn kernel_events_add_to_the_known_readiness() {
    let (wire, _peer) = stream_pair();
    let mut reactor = Reactor::new(16).unwrap();
    let key = reactor.insert(wire, Interest::empty()).unwrap();
    reactor.visit(key, |_, registration| {
        registration.assume(Readiness::READABLE)
    });
    assert_eq!(poll(&mut reactor), 1);
    let readiness = reactor.visit(key, |_, registration| registration.readiness());
    assert_eq!(readiness, Some(Readiness::READABLE | Readiness::WRITABLE));
}

#[test]
fn a_short_read_saves_the_call_that_would_block() {
    let (wire, mut peer) = stream_pair();
    let mut reactor = Reactor::new(16).unwrap();
    let key = reactor.insert(wire, Interest::READABLE).unwrap();
    for round in 1..=3 {
        peer.write_all(b"abc").unwrap();
        assert_eq!(poll(&mut reactor), 1);
        assert_eq!(serve(&mut reactor), [Report::Bytes(3)]);
        assert!(reactor.is_idle() || !SHORT_READ_EXHAUSTS);
        serve(&mut reactor);
        let calls = if SHORT_READ_EXHAUSTS {
            round
        } else {
            2 * round
        };
        assert_eq!(reactor.get(key).map(|wire| wire.reads), Some(calls));
    }
}

#[test]
fn an_end_behind_a_short_read_is_not_lost() {
    let (wire, mut peer) = stream_pair();
    let mut reactor = Reactor::new(16).unwrap();
    reactor.insert(wire, Interest::READABLE).unwrap();
    peer.write_all(b"abc").unwrap();
    peer.shutdown(std::net::Shutdown::Write).unwrap();
    poll(&mut reactor);
    assert_eq!(serve(&mut reactor), [Report::Bytes(3)]);
    assert!(!reactor.is_idle(), "the end has no event of its own (F7)");
    assert_eq!(poll(&mut reactor), 0);
    assert_eq!(serve(&mut reactor), [Report::End]);
    assert!(reactor.is_idle());
}

#[test]
fn an_end_after_a_short_read_has_its_own_event() {
    let (wire, mut peer) = stream_pair();
    let mut reactor = Reactor::new(16).unwrap();
    reactor.insert(wire, Interest::READABLE).unwrap();
    peer.write_all(b"abc").unwrap();
    assert_eq!(await_reports(&mut reactor, 1), [Report::Bytes(3)]);
    drop(peer);
    assert_eq!(await_reports(&mut reactor, 1), [Report::End]);
}

#[test]
fn a_reset_is_told_by_the_read_behind_the_data_before_it() {
    let mut reactor = Reactor::new(16).unwrap();
    let wire = reset_connection(b"abc");
    reactor.insert(wire, Interest::READABLE).unwrap();
    assert_eq!(
        await_reports(&mut reactor, 2),
        [Report::Bytes(3), Report::Failed(ErrorKind::ConnectionReset)],
        "and not by `closed` (F8)"
    );
}

#[test]
fn an_error_on_a_source_that_does_not_read_is_told_once() {
    let mut reactor = Reactor::new(16).unwrap();
    let wire = reset_connection(b"abc");
    let key = reactor.insert(wire, Interest::empty()).unwrap();
    assert_eq!(await_reports(&mut reactor, 1), [Report::Closed]);
    for _ in 0..3 {
        poll(&mut reactor);
        assert!(reactor.is_idle());
        assert_eq!(serve(&mut reactor), []);
    }
    reactor.visit(key, |_, registration| registration.want(Interest::READABLE));
    assert_eq!(
        await_reports(&mut reactor, 2),
        [Report::Bytes(3), Report::Failed(ErrorKind::ConnectionReset)],
        "and what came before it can still be read"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_refused_datagram_is_told_by_a_read() {
    let unbound = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = unbound.local_addr().unwrap();
    drop(unbound);
    let here = UdpSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    here.connect(address).unwrap();
    let receive: fn(&mut UdpSocket, &mut [u8]) -> _ = |socket, buffer| socket.recv(buffer);
    let mut reactor = Reactor::new(16).unwrap();
    here.send(b"hello").unwrap();
    reactor
        .insert(Wire::new(here, receive), Interest::READABLE)
        .unwrap();
    assert_eq!(
        await_reports(&mut reactor, 1),
        [Report::Failed(ErrorKind::ConnectionRefused)],
        "although nothing is readable (F10)"
    );
}

#[test]
fn bytes_behind_an_urgent_mark_are_read_without_another_edge() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let here = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut there, _) = listener.accept().unwrap();
    here.set_nonblocking(true).unwrap();
    there.write_all(b"before").unwrap();
    socket2::SockRef::from(&there)
        .send_out_of_band(b"!")
        .unwrap();
    there.write_all(b"behind it").unwrap();
    let wire = Wire::new(mio::net::TcpStream::from_std(here), super::read);
    let mut reactor = Reactor::new(16).unwrap();
    reactor.insert(wire, Interest::READABLE).unwrap();
    let reports = await_reports(&mut reactor, 2);
    assert_eq!(reports, [Report::Bytes(6), Report::Bytes(9)]);
}
