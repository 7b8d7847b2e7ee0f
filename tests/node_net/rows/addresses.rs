//! Addresses: what is one, what a connection says of both its ends, and what is blocked.

use std::rc::Rc;

use netloop::{
    BlockList, ConnectOptions, Error, Family, ListenOptions, SocketOptions, State, ip_family,
    is_ipv4, is_ipv6,
};

use crate::support::{Recorder, Scene, answering};

#[test]
fn net_blocklist() {
    let mut scene = Scene::new();
    let (_, address) = scene.listen(ListenOptions::new(), |_| Recorder::new("accepted"));
    let mut list = BlockList::new();
    list.add_subnet([127, 0, 0, 0], 8).unwrap();
    let options = ConnectOptions::new().block_list(Rc::new(list));
    let blocked = "error:ERR_IP_BLOCKED close:Error";

    scene.connect(address, options.clone(), Recorder::new("literal"));
    scene.drive_to_close("literal");
    assert_eq!(scene.world.trace("literal"), blocked);
    assert_eq!(scene.world.error("literal").address(), Some(address.ip()));

    let to = ("example.invalid", address.port());
    let one = options.clone().resolver(answering(&["host1"]));
    for (name, options) in [
        ("one-address", one.clone().auto_select_family(false)),
        ("list-of-one", one),
    ] {
        scene.connect(to, options, Recorder::new(name));
        scene.drive_to_close(name);
        assert_eq!(scene.world.trace(name), blocked, "{name}");
        assert!(scene.world.error(name).attempts().is_empty());
    }

    let several = options.resolver(answering(&["host1", "host2"]));
    scene.connect(to, several, Recorder::new("several"));
    scene.drive_to_close("several");
    assert_eq!(scene.world.trace("several"), blocked);
    let codes: Vec<&str> = scene
        .world
        .error("several")
        .attempts()
        .iter()
        .map(Error::code)
        .collect();
    assert_eq!(codes, [Error::IP_BLOCKED; 2]);
    // As in Node, what is blocked counts as failed, but never as tried.
    assert_eq!(scene.world.count("several", "attempt"), 0);
    assert_eq!(scene.world.count("several", "attempt-failed"), 2);

    scene.settle();
    assert!(!scene.world.has("server", "connection"));
}

#[test]
fn net_isip() {
    for (text, version) in [
        ("127.0.0.1", 4),
        ("x127.0.0.1", 0),
        ("example.com", 0),
        ("0000:0000:0000:0000:0000:0000:0000:0000", 6),
        ("0000:0000:0000:0000:0000:0000:0000:0000::0000", 0),
        ("1050:0:0:0:5:600:300c:326b", 6),
        ("2001:252:0:1::2008:6", 6),
        ("2001:dead:beef:1::2008:6", 6),
        ("2001::", 6),
        ("2001:dead::", 6),
        ("2001:dead:beef:1::", 6),
        ("::2001:252:1:2008:6", 6),
        ("::2001:252:1:1.1.1.1", 6),
        ("::2001:252:1:255.255.255.255", 6),
        ("::2001:252:1:255.255.255.255.76", 0),
        ("::2001:252:1:256.1.1.1", 0),
        ("fe80::2008%eth0", 6),
        ("fe80::2008%eth0.0", 6),
        ("fe80::2008%eth0@1", 0),
        ("::anything", 0),
        ("::1", 6),
        ("::", 6),
        (":", 0),
        (":1", 0),
        ("1:", 0),
        ("0000:0000:0000:0000:0000:0000:12345:0000", 0),
        ("0", 0),
        ("", 0),
        (" 127.0.0.1", 0),
        ("127.0.0.1 ", 0),
        ("::1::", 0),
    ] {
        let family = match version {
            4 => Some(Family::IPv4),
            6 => Some(Family::IPv6),
            _ => None,
        };
        assert_eq!(ip_family(text), family, "{text:?}");
        assert_eq!(is_ipv4(text), version == 4, "{text:?}");
        assert_eq!(is_ipv6(text), version == 6, "{text:?}");
    }
}

#[test]
fn net_isipv4() {
    let octets = ["0", "1", "9", "10", "99", "100", "199", "249", "250", "255"];
    for octet in octets {
        for place in 0..4 {
            let mut quad = ["127", "0", "0", "1"];
            quad[place] = octet;
            assert!(is_ipv4(&quad.join(".")), "{quad:?}");
        }
    }
    let wrong = [
        "", "00", "01", "007", "0000", "256", "260", "300", "999", "1000", "a", "-1", "0x1", " 1",
        "1 ", "+1",
    ];
    for octet in wrong {
        for place in 0..4 {
            let mut quad = ["127", "0", "0", "1"];
            quad[place] = octet;
            assert!(!is_ipv4(&quad.join(".")), "{quad:?}");
        }
    }
    for text in [
        ".127.0.0.1",
        "127..0.0.1",
        "127.0.0.1.",
        "127.0.0.0.1",
        "127.0.1",
        "127.1",
        "2130706433",
        "http://127.0.0.1",
        "127.0.0.1:80",
        "",
        ".",
        "...",
    ] {
        assert!(!is_ipv4(text), "{text:?}");
    }
}

/// Every way to write eight groups with one run of zeros left out, with and without an IPv4 tail and a zone. Also texts
/// that are wrong in one place only.
#[test]
fn net_isipv6() {
    let mut valid = 0;
    for tail in [None, Some("1.2.3.4")] {
        let groups = if tail.is_some() { 6 } else { 8 };
        let whole = |before: usize, after: usize, zeros: &str| {
            let group = |place: usize| ["1", "aB", "F0c", "00d2"][place % 4].to_owned();
            let before: Vec<String> = (0..before).map(group).collect();
            let mut after: Vec<String> = (0..after).map(group).collect();
            after.extend(tail.map(str::to_owned));
            format!("{}{zeros}{}", before.join(":"), after.join(":"))
        };
        let mut texts = vec![whole(groups, 0, if tail.is_some() { ":" } else { "" })];
        for before in 0..groups {
            for after in 0..groups - before {
                texts.push(whole(before, after, "::"));
            }
        }
        for text in texts {
            valid += 1;
            assert!(is_ipv6(&text), "{text}");
            assert!(is_ipv6(&format!("{text}%eth0")), "{text}%eth0");
            assert!(is_ipv6(&format!("{text}%1")), "{text}%1");
            for wrong in [
                format!(" {text}"),
                format!("{text} "),
                format!("{text}:"),
                format!(":{text}"),
                format!("{text}::"),
                format!("{text}%"),
                format!("[{text}]"),
                format!("{text}/64"),
                format!("{text}:1:1:1:1:1:1:1:1"),
                format!("{text}:12345"),
                format!("{text}.5"),
            ] {
                assert!(!is_ipv6(&wrong), "{wrong}");
            }
        }
    }
    assert_eq!(valid, 37 + 22);
    for text in [
        "",
        ":",
        ":::",
        "::1::",
        "1",
        "1:2",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "1:2:3:4:5:6:7::8:9",
        "::g",
        "::12345",
        "::1.2.3",
        "::1.2.3.4.5",
        "::256.1.1.1",
        "::1.2.3.086",
        "::1.2.3.4:5",
        "1.2.3.4::",
        "1.2.3.4",
        "::-1",
        "1:2:3:4:5:6:7:1.2.3.4",
        "::1%",
        "%eth0",
        "localhost",
        "::1 ::2",
    ] {
        assert!(!is_ipv6(text), "{text:?}");
    }
}

#[test]
fn net_local_address_port() {
    let mut scene = Scene::new();
    let (server, address) = scene.listen(ListenOptions::new(), |_| {
        Recorder::new("accepted").on("connect", |cx, _| {
            let local = cx.socket.local_address().unwrap();
            cx.shared.note(local.to_string());
        })
    });
    let client = Recorder::new("client").on("connect", |cx, _| cx.socket.end());
    scene.connect(address, ConnectOptions::new(), client);
    scene.drive_until("server", "connection");
    scene.close(server);
    scene.drive_to_exit();
    assert!(address.is_ipv4());
    assert_eq!(scene.world.notes, [address.to_string()]);
    assert_eq!(scene.world.trace("accepted"), "connect end close:Graceful");
}

#[test]
fn net_localport() {
    let mut scene = Scene::new();
    let (server, address) = scene.listen(ListenOptions::new(), |_| {
        Recorder::new("accepted").on("connect", |cx, _| {
            let peer = cx.socket.peer_address().unwrap();
            cx.shared.note(format!("server {}", peer.port()));
            cx.socket.end();
        })
    });
    // Held for us: two may share an address that both say so and do not listen. It is held at all addresses, as the
    // socket that connects from it is bound to all.
    let any: std::net::SocketAddr = "0.0.0.0:0".parse().unwrap();
    let holder = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    holder.set_reuse_address(true).unwrap();
    holder.bind(&any.into()).unwrap();
    let port = holder.local_addr().unwrap().as_socket().unwrap().port();
    let client = Recorder::new("client").on("connect", |cx, _| {
        let local = cx.socket.local_address().unwrap();
        cx.shared.note(format!("client {}", local.port()));
    });
    scene.connect(address, ConnectOptions::new().local_port(port), client);
    scene.drive_until("server", "connection");
    scene.close(server);
    scene.drive_to_exit();
    scene.world.notes.sort();
    assert_eq!(
        scene.world.notes,
        [format!("client {port}"), format!("server {port}")]
    );
}

#[test]
fn net_remote_address() {
    let mut scene = Scene::new();
    let (_, address) = scene.listen(SocketOptions::new(), |_| Recorder::new("accepted"));
    let client = Recorder::new("client").on("connect", |cx, _| {
        let peer = cx.socket.peer_address().unwrap();
        cx.shared.note(peer.to_string());
        cx.socket.end();
    });
    let id = scene.connect(address, SocketOptions::new(), client);
    assert_eq!(scene.socket(id).state(), State::Opening);
    assert_eq!(scene.socket(id).peer_address(), None);
    scene.drive_to_close("client");
    assert_eq!(scene.world.notes, [address.to_string()]);
}

// Each connection is a socket of its own here.
#[test]
fn net_socket_local_address() {
    let mut scene = Scene::new();
    let (_, address) = scene.listen(SocketOptions::new(), |count| {
        Recorder::new(format!("accepted {count}")).on("connect", |cx, _| {
            let port = cx.socket.peer_address().unwrap().port();
            cx.shared.note(format!("server {port}"));
            cx.socket.end();
        })
    });
    for count in 0..2 {
        let name = format!("client {count}");
        let client = Recorder::new(&name).on("connect", |cx, _| {
            let port = cx.socket.local_address().unwrap().port();
            cx.shared.note(format!("client {port}"));
        });
        scene.connect(address, SocketOptions::new(), client);
        scene.drive_to_close(&name);
        scene.drive_to_close(&format!("accepted {count}"));
        scene.world.notes.sort();
        let port = |note: &str| note.split_once(' ').unwrap().1.to_owned();
        let ports: Vec<String> = scene.world.notes.iter().map(|note| port(note)).collect();
        assert_eq!(ports.len(), 2);
        assert_eq!(ports[0], ports[1]);
        scene.world.notes.clear();
    }
}
