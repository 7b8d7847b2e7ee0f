//! Servers behind a proxy that speaks the PROXY protocol: the peer is the client, for handlers, block lists and limits.

mod addresses;
mod peers;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use netloop::{Limits, ListenOptions, ProxyHeader, ProxyProtocol};

use super::Behind;
use crate::accept_limits::connect_from;
use crate::support::{
    HELLO, Peer, PeerEnd, Reception, Recorder, Records, Scene, Seen, assert_same_bytes,
    client_host, loopback, pattern,
};

/// What the server and the handler of a connection were told of its ends.
#[derive(Clone, Debug, PartialEq)]
struct Ends {
    accepted: Option<SocketAddr>,
    peer: Option<SocketAddr>,
    proxy: Option<SocketAddr>,
    header: Option<ProxyHeader>,
}

type Book = Rc<RefCell<Vec<Ends>>>;

/// Proxies at every address of the test.
fn proxies() -> ProxyProtocol {
    ProxyProtocol::new().trust("127.0.0.0/8").unwrap()
}

fn behind(proxies: ProxyProtocol) -> ListenOptions {
    ListenOptions::new().proxy_protocol(proxies)
}

/// A server of echoes that are called `0`, `1` and so on, and notes the ends of their connections.
fn serve(scene: &mut Scene, options: ListenOptions) -> (SocketAddr, Book) {
    let book = Book::default();
    let notes = Rc::clone(&book);
    let reception = Reception::welcoming("server", move |cx, accepted| {
        let mut notes = notes.borrow_mut();
        let socket = cx.sockets.socket(accepted.id);
        notes.push(Ends {
            accepted: accepted.peer_address,
            peer: socket.peer_address(),
            proxy: socket.proxy_address(),
            header: socket.proxy_header().cloned(),
        });
        let echo = Recorder::new((notes.len() - 1).to_string());
        Some(echo.reacting(|cx, seen| {
            if let Seen::Data(bytes) = seen {
                cx.socket.write(bytes).ignore();
            }
        }))
    });
    let server = scene.serve(loopback(), options, reception);
    scene.settle();
    (scene.address_of(server), book)
}

fn client() -> SocketAddr {
    ([192, 0, 2, 1], 56324).into()
}

fn line(client: SocketAddr) -> Vec<u8> {
    let family = if client.is_ipv4() { 4 } else { 6 };
    let destination = if client.is_ipv4() {
        "198.51.100.2"
    } else {
        "::2"
    };
    let (ip, port) = (client.ip(), client.port());
    format!("PROXY TCP{family} {ip} {destination} {port} 443\r\n").into_bytes()
}

/// A header of version 2.
fn version_2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap();
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    bytes.extend([command, family]);
    bytes.extend(length.to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// The client of [`client`] in version 2, with a TLV behind its addresses.
fn binary() -> Vec<u8> {
    let addresses = b"\xc0\x00\x02\x01\xc6\x33\x64\x02\xdc\x04\x01\xbb";
    version_2(0x21, 0x11, &[&addresses[..], b"\x05\x00\x02id"].concat())
}

fn of(source: SocketAddr) -> ProxyHeader {
    let destination: SocketAddr = match source.is_ipv4() {
        true => ([198, 51, 100, 2], 443).into(),
        false => "[::2]:443".parse().unwrap(),
    };
    ProxyHeader::Inet {
        source,
        destination,
    }
}

fn ends(peer: &Peer, client: SocketAddr) -> Ends {
    Ends {
        accepted: Some(client),
        peer: Some(client),
        proxy: Some(peer.address()),
        header: Some(of(client)),
    }
}

/// Sends `bytes` through an echo, and reads them back.
fn assert_echoes(scene: &mut Scene, peer: &mut Peer, bytes: &[u8]) {
    peer.write(bytes);
    assert_eq!(scene.peer_reads(peer, bytes.len()), bytes);
}

#[test]
fn the_client_of_a_header_is_the_peer_of_the_socket() {
    let mut scene = Scene::new();
    let (address, book) = serve(&mut scene, behind(proxies()));
    let other: SocketAddr = "[2001:db8::1]:7".parse().unwrap();
    let rows = [
        (line(client()), client()),
        (binary(), client()),
        (line(other), other),
    ];
    for (number, (header, client)) in rows.into_iter().enumerate() {
        let mut peer = Peer::connect(address);
        peer.write(&[&header[..], b"hello"].concat());
        assert_eq!(scene.peer_reads(&mut peer, 5), b"hello");
        assert_eq!(book.borrow()[number], ends(&peer, client));
        let id = scene.world.id(&number.to_string());
        assert_eq!(scene.socket(id).bytes_read(), 5, "the header is no data");
        assert_echoes(&mut scene, &mut peer, &line(client));
        peer.half_close();
        let received = scene.peer_reads_to_end(&mut peer);
        assert_eq!((received.bytes.len(), received.end), (0, PeerEnd::Fin));
        scene.drive_to_close(&number.to_string());
        assert!(
            scene
                .world
                .trace(&number.to_string())
                .ends_with("end close:Graceful")
        );
    }
}

#[test]
fn a_header_may_be_cut_anywhere() {
    for header in [line(client()), binary()] {
        let mut scene = Scene::new();
        let (address, book) = serve(&mut scene, behind(proxies()));
        let stream = [&header[..], b"hello"].concat();
        let mut peers: Vec<Peer> = (0..=stream.len()).map(|_| Peer::connect(address)).collect();
        for (cut, peer) in peers.iter_mut().enumerate() {
            peer.write(&stream[..cut]);
        }
        scene.settle();
        // The server is told of those whose header is whole.
        assert_eq!(book.borrow().len(), 6);
        for (cut, peer) in peers.iter_mut().enumerate() {
            peer.write(&stream[cut..]);
            assert_eq!(scene.peer_reads(peer, 5), b"hello", "{cut}");
        }
        assert_eq!(book.borrow().len(), peers.len());
        assert!(book.borrow().iter().all(|ends| ends.peer == Some(client())));
    }
}

#[test]
fn a_header_comes_byte_for_byte() {
    let mut scene = Scene::new();
    let (address, book) = serve(&mut scene, behind(proxies()));
    let mut peer = Peer::connect(address);
    for byte in binary() {
        assert!(book.borrow().is_empty());
        peer.write(&[byte]);
        scene.settle();
    }
    assert_eq!(*book.borrow(), [ends(&peer, client())]);
    assert_eq!(scene.world.trace("0"), "connect");
}

#[test]
fn a_header_without_an_address_leaves_the_proxys() {
    let paths = [[b'/'; 108], [0; 108]].concat();
    let of_unix = ProxyHeader::Unix {
        source: vec![b'/'; 108],
        destination: Vec::new(),
    };
    let rows = [
        (b"PROXY UNKNOWN\r\n".to_vec(), ProxyHeader::Unknown),
        (
            b"PROXY UNKNOWN ::1 ::2 1 2\r\n".to_vec(),
            ProxyHeader::Unknown,
        ),
        (version_2(0x21, 0x00, b""), ProxyHeader::Unknown),
        (version_2(0x20, 0x00, b""), ProxyHeader::Local),
        (version_2(0x20, 0x11, b"skip all this"), ProxyHeader::Local),
        (version_2(0x21, 0x31, &paths), of_unix),
    ];
    let mut scene = Scene::new();
    let (address, book) = serve(&mut scene, behind(proxies()));
    for (number, (header, told)) in rows.into_iter().enumerate() {
        let mut peer = Peer::connect(address);
        peer.write(&header);
        assert_echoes(&mut scene, &mut peer, b"hello");
        let own = Some(peer.address());
        let expected = Ends {
            accepted: own,
            peer: own,
            proxy: own,
            header: Some(told),
        };
        assert_eq!(book.borrow()[number], expected);
    }
}

#[test]
fn the_server_may_speak_first_and_at_length() {
    let mut scene = Scene::new();
    let bytes = pattern(1 << 20, 9);
    let sent = bytes.clone();
    let (_, address) = scene.listen(behind(proxies()), move |_| {
        let sent = sent.clone();
        Recorder::new("theirs").on("connect", move |cx, _| {
            cx.socket.write(&sent).ignore();
            cx.socket.end();
        })
    });
    let mut peer = Peer::connect(address);
    peer.write(&binary());
    let received = scene.peer_reads_to_end(&mut peer);
    assert_eq!(received.end, PeerEnd::Fin);
    assert_same_bytes(&received.bytes, &bytes);
    scene.peer_writes(&mut peer, &bytes);
    peer.half_close();
    scene.drive_to_close("theirs");
    assert_same_bytes(&scene.world.received("theirs"), &bytes);
}

#[test]
fn behind_its_header_a_socket_is_a_plain_one() {
    let mut scene = Scene::new();
    let (_, address) = scene.listen(behind(proxies()), |_| Recorder::new("theirs"));
    let mut peer = Peer::connect(address);
    peer.write(&[&binary()[..], b"in one piece"].concat());
    scene.drive_until("theirs", "data");
    peer.write(b", and later");
    scene.drive("the rest", |world| world.received_length("theirs") == 23);
    assert_eq!(scene.world.received("theirs"), b"in one piece, and later");
    let id = scene.world.id("theirs");
    assert_eq!(scene.socket(id).bytes_read(), 23);
    assert_eq!(scene.socket(id).proxy_header(), Some(&of(client())));
    // A socket with filters cannot be detached.
    assert!(scene.socket(id).detach().is_some());
    assert_eq!(scene.socket(id).proxy_address(), Some(peer.address()));
}

#[test]
fn a_paused_socket_gets_the_bytes_behind_its_header_later() {
    let mut scene = Scene::new();
    let socket = netloop::SocketOptions::new().pause_on_connect(true);
    let options = ListenOptions::from(socket).proxy_protocol(proxies());
    let (_, address) = scene.listen(options, |_| Recorder::new("theirs"));
    let mut peer = Peer::connect(address);
    peer.write(&[&binary()[..], b"later"].concat());
    peer.half_close();
    scene.drive_until("theirs", "connect");
    scene.settle();
    assert_eq!(scene.world.trace("theirs"), "connect");
    let id = scene.world.id("theirs");
    scene.socket(id).resume();
    scene.drive_to_close("theirs");
    let trace = scene.world.trace("theirs");
    assert_eq!(trace, "connect data:later end close:Graceful");
}

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

#[test]
fn a_second_filter_begins_behind_the_header() {
    // The header comes first, wherever its option was set.
    let records = || ListenOptions::new().filter(|| Ok(Records::default()));
    for options in [records().proxy_protocol(proxies()), {
        let options = behind(proxies());
        options.filter(|| Ok(Records::default()))
    }] {
        let mut scene = Scene::new();
        let (address, book) = serve(&mut scene, options);
        let mut peer = Peer::connect(address);
        peer.write(&line(client())[..20]);
        scene.settle();
        assert_eq!(peer.read_some(1), Ok(None), "no hello before the header");
        // The rest of the header, the hello and a record in one piece.
        let rest = [&line(client())[20..], HELLO, &Records::of(b"abc")].concat();
        peer.write(&rest);
        let expected = [HELLO, &Records::of(b"abc")].concat();
        assert_eq!(scene.peer_reads(&mut peer, expected.len()), expected);
        assert_eq!(*book.borrow(), [ends(&peer, client())]);
    }
}

#[test]
fn a_failure_behind_the_header_names_the_client() {
    let mut scene = Scene::new();
    let addresses = Rc::new(RefCell::new(Vec::new()));
    let told = Rc::clone(&addresses);
    let options = behind(proxies()).filter(|| Ok(Records::default()));
    let server = scene
        .event_loop
        .serve(loopback(), options, peers::Failures { told })
        .unwrap();
    let address = scene.address_of(server);
    let mut peer = Peer::connect(address);
    peer.write(&[&line(client())[..], b"no hello"].concat());
    scene.peer_reads_to_end(&mut peer);
    scene.settle();
    assert_eq!(*addresses.borrow(), [Some(client())]);
}
