//! The rows net-d… to net-k… of the table.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use netloop::{
    ConnectOptions, Flow, KeepAlive, ListenOptions, SocketOptions, State, is_ip, is_ipv4, is_ipv6,
};

use crate::support::{Child, DeadPort, Reception, Recorder, Scene, Seen, has_ipv6};

#[test]
fn net_dns_error() {
    let mut scene = Scene::new();
    // The longest label of a name is 63 characters, so that no server need be asked.
    let host = "*".repeat(64);
    scene.connect(
        (host.as_str(), 30),
        ConnectOptions::new(),
        Recorder::new("client"),
    );
    scene.drive_to_exit();
    assert_eq!(
        scene.world.dialing("client"),
        "lookup:ENOTFOUND error:ENOTFOUND close:Error"
    );
    assert_eq!(scene.world.error("client").hostname(), Some(host.as_str()));
}

#[test]
fn net_dns_lookup() {
    let mut scene = Scene::new();
    let (_, address) = scene.listen(ListenOptions::new(), |_| Recorder::new("accepted"));
    let client = Recorder::new("client").on("lookup", |cx, seen| {
        let Seen::Lookup(host, Ok(found)) = seen else {
            panic!("{seen}");
        };
        assert_eq!(host, "localhost");
        assert!(found.is_loopback());
        assert_eq!(cx.socket.state(), State::Opening);
    });
    scene.connect(("localhost", address.port()), ConnectOptions::new(), client);
    scene.drive_until("client", "connect");
    assert!(scene.world.has("client", "lookup"));
}

#[test]
fn net_dns_lookup_skip() {
    for host in ["127.0.0.1", "::1"] {
        if host == "::1" && !has_ipv6() {
            continue;
        }
        let mut scene = Scene::new();
        let server = scene.serve(
            (host, 0),
            ListenOptions::new(),
            Reception::new("server", |_| Recorder::new("accepted")),
        );
        let port = scene.address_of(server).port();
        scene.connect((host, port), ConnectOptions::new(), Recorder::new("client"));
        scene.drive_until("client", "connect");
        assert_eq!(
            scene.world.dialing("client"),
            format!("attempt:{host} connect")
        );
    }
}

#[test]
fn net_during_close() {
    let mut scene = Scene::new();
    let (server, address) = scene.listen(ListenOptions::new(), |_| Recorder::new("accepted"));
    let client = scene.connect(address, ConnectOptions::new(), Recorder::new("client"));
    scene.close(server);
    let socket = scene.socket(client);
    assert_eq!(socket.peer_address(), None);
    assert_eq!(socket.local_address(), None);
    scene.drive_to_exit();
    assert_eq!(scene.world.count("client", "close"), 1);
}

#[test]
fn net_eaddrinuse() {
    let mut scene = Scene::new();
    let anywhere = "0.0.0.0:0";
    let first = scene.serve(
        anywhere,
        ListenOptions::new(),
        Reception::new("first", |_| Recorder::new("accepted")),
    );
    let port = scene.address_of(first).port();
    let second = Reception::new("second", |_| Recorder::new("accepted"));
    let error = scene
        .event_loop
        .serve(("0.0.0.0", port), ListenOptions::new(), second)
        .unwrap_err();
    assert!(error.to_string().contains("EADDRINUSE"), "{error}");
    scene.settle();
    assert_eq!(scene.world.trace("second"), "");
    assert_eq!(scene.world.trace("first"), "listening");
}

#[test]
fn net_end_close() {
    let mut scene = Scene::new();
    let (_, address) = scene.listen(ListenOptions::new(), |_| Recorder::new("accepted"));
    let client = scene.connect(address, ConnectOptions::new(), Recorder::new("client"));
    scene.socket(client).end();
    scene.drive_to_close("client");
    scene.settle();
    assert_eq!(scene.world.trace("client"), "connect end close:Graceful");
}

/// DEVIATE: there is no socket that does not connect, so it is one whose lookup does not come to an end. The token is
/// told as not sent, since no FIN was.
#[test]
fn net_end_without_connect() {
    let mut scene = Scene::new();
    let (release, released) = mpsc::channel::<()>();
    let released = std::sync::Mutex::new(released);
    let options = ConnectOptions::new().resolver(Arc::new(move |_: &str| {
        let _ = released.lock().unwrap().recv();
        Ok(Vec::new())
    }));
    let client = scene.connect("example.invalid:80", options, Recorder::new("client"));
    let mut socket = scene.socket(client);
    socket.end();
    socket.notify_when_sent(1);
    assert!(!socket.is_writable());
    assert_eq!(socket.write(b"late"), Flow::Ended);
    scene.turn();
    assert_eq!(scene.world.trace("client"), "");
    scene.socket(client).destroy();
    scene.drive_to_exit();
    assert_eq!(
        scene.world.trace("client"),
        "sent:1:ERR_SOCKET_CLOSED_BEFORE_CONNECTION close:Local"
    );
    drop(release);
}

/// DEVIATE: the count is the answer of the call, so that there is no callback that could come too early.
#[test]
fn net_get_connections() {
    let mut scene = Scene::new();
    let dead = DeadPort::new();
    let reception = || Reception::new("server", |_| Recorder::new("accepted"));
    let pending = ("localhost", dead.port());
    let server = scene.serve(pending, ListenOptions::new(), reception());
    assert!(!scene.event_loop.server(server).is_listening());
    assert_eq!(scene.event_loop.server(server).connections(), 0);
    scene.drive_to_exit();
    assert_eq!(scene.world.trace("server"), "error:EADDRINUSE server-close");
    assert_eq!(scene.event_loop.server(server).connections(), 0);
}

#[cfg(unix)]
#[test]
fn net_GH_5504() {
    const MEBIBYTES: usize = 64;
    let mut scene = Scene::new();
    let options = SocketOptions::new().max_queued_bytes(usize::MAX);
    let (server, address) = scene.listen(options, |_| {
        Recorder::new("accepted").on("connect", |cx, _| {
            let _ = cx.socket.write_owned(vec![b'.'; MEBIBYTES << 20]);
        })
    });
    let mut child = Child::start("connect_and_destroy", "", "", &address.to_string());
    let mut turns = 0;
    scene.drive_with("the end of the connection", |scene| {
        turns += 1;
        scene.world.has("accepted", "close")
    });
    scene.close(server);
    scene.drive_to_exit();
    let trace = scene.world.trace("accepted");
    let ends = [
        "connect error:ECONNRESET close:Reset",
        "connect error:EPIPE close:Reset",
        "connect end error:ECONNRESET close:Reset",
        "connect end error:EPIPE close:Reset",
    ];
    assert!(ends.contains(&trace.as_str()), "{trace}");
    assert_eq!(child.says("trace"), "connect close:Local");
    // It waited for what was to come instead of asking again and again: every turn waits a millisecond at least.
    assert!(turns < 20_000, "{turns} turns");
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
        assert_eq!(is_ip(text), version, "{text:?}");
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

/// Every way to write eight groups with one run of zeros left out, with and without an IPv4 tail and a zone; and what
/// is wrong in one place only.
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

/// DEVIATE: half a second of idle time before the first probe is rounded up to one, and not dropped.
#[test]
fn net_keepalive() {
    let mut scene = Scene::new();
    let (server, address) = scene.listen(ListenOptions::new(), |_| {
        Recorder::new("accepted").on("connect", |cx, _| {
            cx.socket.set_timeout(Duration::ZERO);
            let keep_alive = KeepAlive::after(Duration::from_millis(50));
            cx.socket.set_keep_alive(keep_alive).unwrap();
        })
    });
    let client = scene.connect(address, ConnectOptions::new(), Recorder::new("client"));
    scene.drive_until("accepted", "connect");
    scene.drive_until("client", "connect");
    let accepted = scene.world.id("accepted");
    scene.let_pass(Duration::from_millis(100));
    for socket in [client, accepted] {
        assert_eq!(scene.socket(socket).state(), State::Open);
    }
    assert_eq!(State::Open.to_string(), "open");
    scene.socket(client).end();
    scene.socket(accepted).end();
    scene.close(server);
    scene.drive_to_exit();
    let whole = "connect end close:Graceful";
    assert_eq!(scene.world.trace("client"), whole);
    assert_eq!(scene.world.trace("accepted"), whole);
}
