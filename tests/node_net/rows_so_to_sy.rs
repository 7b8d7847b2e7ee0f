//! The rows from `net-socket-byteswritten` to `net-socket-tos`.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use netloop::{ConnectOptions, Flow, SocketOptions, State};
use socket2::SockRef;

use crate::support::{
    BlackHole, DeadPort, Peer, PeerEnd, Reception, Recorder, Scene, answering, has_ipv6,
};

/// A server of the standard library, and where it is.
fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[test]
fn net_socket_byteswritten() {
    let mut scene = Scene::new();
    let (_, address) = scene.listen(SocketOptions::new(), |_| Recorder::new("accepted"));
    let client = Recorder::new("client")
        .on("connect", |cx, _| {
            let written = cx.socket.bytes_written();
            cx.shared.note(format!("connect {written}"));
            cx.socket.end();
        })
        .on("end", |cx, _| {
            let written = cx.socket.bytes_written();
            cx.shared.note(format!("end {written}"));
        });
    let id = scene.connect(address, SocketOptions::new(), client);
    let mut socket = scene.socket(id);
    socket.cork();
    assert_eq!(socket.write(b"one"), Flow::Open);
    assert_eq!(socket.write("twø".as_bytes()), Flow::Open);
    socket.uncork();
    assert_eq!(socket.bytes_written(), 7);
    scene.drive_to_close("client");
    assert_eq!(scene.world.notes, ["connect 7", "end 7"]);
    assert_eq!(scene.world.received("accepted"), "onetwø".as_bytes());
}

// All below 10 ms counts as 10 ms. Node refuses 0 (deviation), and a negative `Duration` cannot be said.
#[test]
fn net_socket_connect_invalid_autoselectfamilyattempttimeout() {
    for (asked_ms, waited_ms) in [(0, 10), (1, 10), (9, 10), (10, 10), (30, 30)] {
        let hole = BlackHole::new();
        let live = SocketAddr::new([127, 0, 0, 1].into(), hole.address().port());
        // Somebody else may have the port there; then nobody needs to answer at all.
        let _listener = TcpListener::bind(live);
        let mut scene = Scene::new();
        let options = ConnectOptions::new()
            .resolver(answering(&["127.0.0.2", "127.0.0.1"]))
            .attempt_delay(Duration::from_millis(asked_ms));
        let port = live.port();
        scene.connect(("a.name", port), options, Recorder::new("client"));
        scene.drive_until("client", "attempt-timeout");
        let waited = scene.world.time_of("client", "attempt-timeout")
            - scene.world.time_of("client", "attempt");
        assert!(waited >= Duration::from_millis(waited_ms), "{waited:?}");
    }
}

#[test]
fn net_socket_connect_without_cb() {
    let mut scene = Scene::new();
    let reception = Reception::new("server", |_| Recorder::new("accepted"));
    let server = scene.serve("127.0.0.1:0", SocketOptions::new(), reception);
    let address = scene.address_of(server);
    let id = scene.connect(address, SocketOptions::new(), Recorder::new("client"));
    scene.drive_until("client", "connect");
    scene.socket(id).end();
    scene.drive_to_close("client");
    assert_eq!(scene.world.trace("client"), "connect end close:Graceful");
}

#[test]
fn net_socket_connecting() {
    let mut scene = Scene::new();
    let (_listener, address) = listener();
    let client = Recorder::new("client").on("connect", |cx, _| {
        let state = cx.socket.state();
        cx.shared.note(state.to_string());
    });
    let id = scene.connect(address, SocketOptions::new(), client);
    assert_eq!(scene.socket(id).state(), State::Opening);
    scene.drive_until("client", "connect");
    assert_eq!(scene.world.notes, ["open"]);
}

#[test]
fn net_socket_destroy_send() {
    let mut scene = Scene::new();
    let (listener, address) = listener();
    let client = Recorder::new("client").on("connect", |cx, _| {
        cx.socket.destroy();
        cx.socket.destroy();
        assert_eq!(cx.socket.write(b"too late"), Flow::Closed);
        cx.socket.notify_when_sent(1);
    });
    let id = scene.connect(address, SocketOptions::new(), client);
    let mut peer = Peer::accept(&listener);
    scene.drive_to_close("client");
    assert_eq!(
        scene.world.trace("client"),
        "connect sent:1:ERR_SOCKET_CLOSED close:Local"
    );
    let received = scene.peer_reads_to_end(&mut peer);
    assert!(received.bytes.is_empty());
    assert_eq!(received.end, PeerEnd::Fin);

    // And when it is gone, nothing at all comes.
    assert_eq!(scene.socket(id).write(b"much too late"), Flow::Closed);
    scene.socket(id).notify_when_sent(2);
    scene.settle();
    assert_eq!(scene.world.count("client", "sent"), 1);
}

#[test]
fn net_socket_end_before_connect() {
    let mut scene = Scene::new();
    let (_, address) = scene.listen(SocketOptions::new(), |_| Recorder::new("accepted"));
    let id = scene.connect(address, SocketOptions::new(), Recorder::new("client"));
    scene.socket(id).end();
    scene.drive_to_close("client");
    scene.drive_to_close("accepted");
    for name in ["client", "accepted"] {
        assert_eq!(scene.world.trace(name), "connect end close:Graceful");
    }
}

// A callback of `end` is `end` and then `notify_when_sent`.
#[test]
fn net_socket_end_callback() {
    for data in [&b""[..], b"data"] {
        for is_connected in [false, true] {
            let mut scene = Scene::new();
            let (_, address) = scene.listen(SocketOptions::new(), |_| Recorder::new("accepted"));
            let id = scene.connect(address, SocketOptions::new(), Recorder::new("client"));
            if is_connected {
                scene.drive_until("client", "connect");
            }
            let _ = scene.socket(id).end_with(data);
            scene.socket(id).notify_when_sent(7);
            scene.drive_to_close("client");
            scene.drive_to_close("accepted");
            assert_eq!(
                scene.world.trace("client"),
                "connect sent:7 end close:Graceful"
            );
            assert_eq!(scene.world.received("accepted"), data);
        }
    }
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

// `ready` is an alias of `connect` in Node, and has no callback of its own here.
#[test]
fn net_socket_ready_without_cb() {
    let mut scene = Scene::new();
    let (_, address) = scene.listen(SocketOptions::new(), |_| Recorder::new("accepted"));
    let client = Recorder::new("client").on("connect", |cx, _| cx.socket.end());
    scene.connect(address, SocketOptions::new(), client);
    scene.drive_to_close("client");
    assert_eq!(scene.world.count("client", "connect"), 1);
}

#[test]
fn net_socket_reset_send() {
    let mut scene = Scene::new();
    let (listener, address) = listener();
    let client = Recorder::new("client").on("connect", |cx, _| {
        cx.socket.reset().unwrap();
        assert_eq!(cx.socket.write(b"too late"), Flow::Closed);
    });
    scene.connect(address, SocketOptions::new(), client);
    let mut peer = Peer::accept(&listener);
    scene.drive_to_close("client");
    assert_eq!(scene.world.trace("client"), "connect close:Local");
    let received = scene.peer_reads_to_end(&mut peer);
    assert!(received.bytes.is_empty());
    assert_eq!(received.end, PeerEnd::Reset);
}

#[test]
fn net_socket_reset_twice() {
    let dead = DeadPort::new();
    let mut scene = Scene::new();
    let client = Recorder::new("client").on("error", |cx, _| {
        cx.socket.reset().unwrap();
        cx.socket.reset().unwrap();
    });
    scene.connect(dead.address(), SocketOptions::new(), client);
    scene.drive_to_exit();
    assert_eq!(
        scene.world.trace("client"),
        "error:ECONNREFUSED close:Error"
    );
}

// Values that do not fit are no `u8`. The two lowest bits belong to the system.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[test]
fn net_socket_tos() {
    const OURS: u8 = 0xFC;
    let hosts = ["127.0.0.1", "::1"];
    for host in &hosts[..if has_ipv6() { 2 } else { 1 }] {
        let listener = TcpListener::bind((*host, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let mut scene = Scene::new();
        let id = scene.connect(address, SocketOptions::new(), Recorder::new("client"));
        scene.socket(id).set_type_of_service(0x10).unwrap();
        assert_eq!(scene.socket(id).type_of_service(), Some(0x10));
        scene.drive_until("client", "connect");
        let value = scene.socket(id).type_of_service().unwrap();
        assert_eq!(value & OURS, 0x10);
        for value in [0, 0x3F, 0xFF] {
            scene.socket(id).set_type_of_service(value).unwrap();
            let got = scene.socket(id).type_of_service().unwrap();
            assert_eq!(got & OURS, value & OURS);
        }
        // It is the system that says so.
        let (stream, _) = scene.socket(id).detach().unwrap();
        let socket = SockRef::from(&stream);
        let value = if address.is_ipv4() {
            socket.tos_v4().unwrap()
        } else {
            socket.tclass_v6().unwrap()
        };
        assert_eq!(value & u32::from(OURS), 0xFC);
    }
}
