//! Connections without a valid header: late, broken, of strangers, or without one on purpose.

use std::time::{Duration, Instant};

use netloop::{Limits, ProxyProtocol};

use super::{Ends, assert_echoes, behind, client, ends, line, proxies, serve, version_2};
use crate::accept_limits::connect_from;
use crate::support::{Peer, Scene, client_host};

#[test]
fn a_header_that_does_not_come_in_time_is_a_failure() {
    let mut scene = Scene::new();
    let limits = Limits::new().handshake_timeout(Duration::from_millis(200));
    let (address, book) = serve(&mut scene, behind(proxies()).limits(limits));
    let mut peers = [Peer::connect(address), Peer::connect(address)];
    let begun = Instant::now();
    // Bytes do not extend the time.
    let mut sent = 0;
    scene.drive_with("the end of both", |scene| {
        let due = usize::try_from(begun.elapsed().as_millis() / 40).unwrap();
        while sent < due.min(20) {
            let _ = peers[1].try_write(&line(client())[sent..=sent]);
            sent += 1;
        }
        scene.world.count("server", "failed") == 2
    });
    let error = scene.world.error("server");
    let words = "the handshake was not complete within 200ms (handshake_timeout)";
    assert_eq!((error.code(), &error.to_string()[..]), ("ETIMEDOUT", words));
    assert!(
        error
            .address()
            .is_some_and(|it| it == peers[1].address().ip())
    );
    assert!(book.borrow().is_empty());
    let statistics = scene.event_loop.statistics();
    assert_eq!(statistics.timed_out_handshakes, 2);
    assert_eq!(scene.event_loop.sockets().ids().count(), 0);
    // A whole header in time ends the time.
    let mut peer = Peer::connect(address);
    peer.write(&line(client()));
    scene.drive_until("0", "connect");
    scene.let_pass(Duration::from_millis(300));
    assert_echoes(&mut scene, &mut peer, b"alive");
}

#[test]
fn a_peer_without_a_valid_header_fails_with_its_address() {
    let too_long = version_2(0x21, 0x00, &[0; 4081]);
    let rows: [(&[u8], &str); 7] = [
        (
            b"GET / HTTP/1.1\r\n\r\n",
            "no PROXY header at the beginning",
        ),
        (
            b"PROXY TCP4 1.1.1.1\r\n",
            "the PROXY header has no destination address",
        ),
        (
            b"PROXY TCP4 x 2.2.2.2 1 2\r\n",
            "the PROXY header has the source address \"x\"",
        ),
        (
            &version_2(0x22, 0x11, b""),
            "the PROXY header has the unknown command 2",
        ),
        (
            &too_long,
            "the PROXY header has 4097 bytes, and 4096 are allowed",
        ),
        (
            b"PROXY TCP4 192",
            "the connection ends within its PROXY header",
        ),
        (b"", "the connection ends before its PROXY header"),
    ];
    for (bytes, words) in rows {
        let mut scene = Scene::new();
        let (address, book) = serve(&mut scene, behind(proxies()));
        let mut peer = Peer::connect(address);
        peer.write(bytes);
        let own = peer.address();
        let _ = peer.half_close_if_open();
        scene.drive_until("server", "failed");
        assert_eq!(
            scene.world.trace("server"),
            "listening failed:ERR_PROXY_HEADER"
        );
        let error = scene.world.error("server");
        assert_eq!(error.to_string(), format!("{own}: {words}"));
        assert_eq!(
            (error.address(), error.port()),
            (Some(own.ip()), Some(own.port()))
        );
        scene.peer_reads_to_end(&mut peer);
        assert!(book.borrow().is_empty());
        scene.settle();
        assert_eq!(scene.event_loop.sockets().ids().count(), 0);
    }
}

#[test]
fn a_peer_that_is_not_trusted_cannot_lie() {
    for admits in [false, true] {
        let mut scene = Scene::new();
        let trusted = ProxyProtocol::new().trust("192.0.2.0/24").unwrap();
        let trusted = trusted.trust(&client_host(1).to_string()).unwrap();
        let options = behind(trusted.admit_others(admits));
        let (address, book) = serve(&mut scene, options);
        let mut liar = connect_from(client_host(2), address);
        let own = liar.address();
        // The refusal may come before this is written.
        let _ = liar.try_write(&line(client()));
        if admits {
            assert_eq!(
                scene.peer_reads(&mut liar, line(client()).len()),
                line(client())
            );
            let expected = Ends {
                accepted: Some(own),
                peer: Some(own),
                proxy: None,
                header: None,
            };
            assert_eq!(*book.borrow(), [expected]);
        } else {
            scene.peer_reads_to_end(&mut liar);
            scene.drive_until("server", "failed");
            let error = scene.world.error("server");
            assert_eq!(error.code(), "ERR_PROXY_HEADER");
            let words = "this address is not trusted to send a PROXY header";
            assert_eq!(error.to_string(), format!("{own}: {words}"));
            assert!(book.borrow().is_empty());
        }
        let mut proxy = connect_from(client_host(1), address);
        proxy.write(&line(client()));
        assert_echoes(&mut scene, &mut proxy, b"hello");
        assert_eq!(book.borrow().last(), Some(&ends(&proxy, client())));
    }
}

#[test]
fn an_optional_header_may_be_missing_and_not_broken() {
    let mut scene = Scene::new();
    let (address, book) = serve(&mut scene, behind(proxies().optional(true)));
    let mut plain = Peer::connect(address);
    plain.write(b"PRO");
    scene.settle();
    assert!(book.borrow().is_empty(), "it may still be a header");
    plain.write(b"POSE");
    assert_eq!(scene.peer_reads(&mut plain, 7), b"PROPOSE");
    assert_eq!(book.borrow()[0].peer, Some(plain.address()));
    assert_eq!(
        (book.borrow()[0].proxy, &book.borrow()[0].header),
        (None, &None)
    );
    let mut proxied = Peer::connect(address);
    proxied.write(&line(client()));
    assert_echoes(&mut scene, &mut proxied, b"hello");
    assert_eq!(book.borrow()[1], ends(&proxied, client()));
    let mut broken = Peer::connect(address);
    broken.write(b"PROXY TCP9 \r\n");
    scene.drive_until("server", "failed");
    assert_eq!(scene.world.error("server").code(), "ERR_PROXY_HEADER");
}
