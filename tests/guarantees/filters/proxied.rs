//! Servers behind a proxy that speaks the PROXY protocol: the peer is the client, for handlers, block lists and limits.

mod addresses;
mod peers;
mod refused;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use netloop::{ListenOptions, ProxyHeader, ProxyProtocol};

use super::Behind;
use crate::support::{
    HELLO, Peer, PeerEnd, Reception, Recorder, Records, Scene, Seen, assert_same_bytes, loopback,
    pattern,
};

/// The events that the server and the handler of a connection were told.
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
