//! Options of the system: keep-alive, TCP_NODELAY and the type of service.

use std::net::TcpListener;
use std::time::Duration;

use netloop::{ConnectOptions, KeepAlive, ListenOptions, SocketOptions, State};
use socket2::SockRef;

use crate::support::{
    Peer, Reception, Recorder, Scene, has_ipv6, host, listener, loopback, observe,
};

/// DEVIATE: it is on unless one says no, since the writes of a callback leave as one anyway.
#[test]
fn net_connect_nodelay() {
    for (options, expected) in [
        (SocketOptions::new().no_delay(true), true),
        (SocketOptions::new().no_delay(false), false),
        (SocketOptions::new(), true),
    ] {
        let mut scene = Scene::new();
        let (_, address) = scene.listen(ListenOptions::new(), |_| Recorder::new("accepted"));
        let client = Recorder::new("client").on("connect", |cx, _| {
            let (stream, _) = cx.socket.detach().unwrap();
            let stream = stream.into_tcp().unwrap();
            cx.shared.note(observe(&stream).no_delay.to_string());
        });
        scene.connect(address, options, client);
        scene.drive_to_close("client");
        assert_eq!(scene.world.notes, [expected.to_string()]);
    }
}

/// DEVIATE: half a second of idle time before the first probe is rounded up to one, and not dropped.
#[test]
fn net_keepalive() {
    let mut scene = Scene::new();
    let (server, address) = scene.listen(ListenOptions::new(), |_| {
        Recorder::new("accepted").on("connect", |cx, _| {
            cx.socket.set_idle_timeout(Duration::ZERO);
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

// Node drops the 400 ms and leaves the system's two hours; netloop rounds up (deviation, `KeepAlive::after`).
#[cfg(not(windows))]
#[test]
fn net_persistent_keepalive() {
    let mut scene = Scene::new();
    let (listener, address) = listener();
    let id = scene.connect(address, SocketOptions::new(), Recorder::new("client"));
    let mut socket = scene.socket(id);
    assert_eq!(socket.state(), State::Opening);
    let idle = Duration::from_millis(400);
    socket.set_keep_alive(KeepAlive::after(idle)).unwrap();
    let mut peer = scene.peer_accepts(&listener);
    scene.let_pass(Duration::from_millis(600));
    assert_eq!(scene.world.trace("client"), "connect");
    assert_eq!(scene.socket(id).state(), State::Open);
    assert_eq!(peer.read_some(1), Ok(None));
    let (stream, _) = scene.socket(id).detach().unwrap();
    let stream = stream.into_tcp().unwrap();
    let observed = observe(&stream);
    assert!(observed.keep_alive);
    assert_eq!(observed.keep_alive_after, Duration::from_secs(1));
}

// TCP_NODELAY is on by default, other than in Node (deviation, `SocketOptions::no_delay`); so each way is asked for.
#[test]
fn net_persistent_nodelay() {
    for wanted in [true, false] {
        let mut scene = Scene::new();
        let (_listener, address) = listener();
        let options = SocketOptions::new().no_delay(!wanted);
        let id = scene.connect(address, options, Recorder::new("client"));
        scene.socket(id).set_no_delay(wanted).unwrap();
        scene.drive_until("client", "connect");
        let (stream, _) = scene.socket(id).detach().unwrap();
        let stream = stream.into_tcp().unwrap();
        assert_eq!(observe(&stream).no_delay, wanted);
    }
}

// Of each connection the system is asked what it has been told.
#[cfg(not(windows))]
#[test]
fn net_server_keepalive() {
    let mut scene = Scene::new();
    let options = SocketOptions::new().keep_alive(KeepAlive::after(Duration::from_secs(1)));
    let later = [None, Some(1), Some(2), Some(3)];
    let mut rest = later.into_iter();
    let reception = Reception::welcoming("server", move |cx, accepted| {
        let mut socket = cx.sockets.socket(accepted.id);
        if let Some(seconds) = rest.next().flatten() {
            let keep_alive = KeepAlive::after(Duration::from_secs(seconds));
            socket.set_keep_alive(keep_alive).unwrap();
        }
        let (stream, _) = socket.detach().unwrap();
        let stream = stream.into_tcp().unwrap();
        let observed = observe(&stream);
        assert!(observed.keep_alive);
        let seconds = observed.keep_alive_after.as_secs();
        cx.shared.note(seconds.to_string());
        None
    });
    let server = scene.serve(loopback(), options, reception);
    let address = scene.address_of(server);
    for count in 1..=later.len() {
        let _peer = Peer::connect(address);
        scene.drive("the connection", |world| world.notes.len() == count);
    }
    assert_eq!(scene.world.notes, ["1", "1", "2", "3"]);
}

// It is on by default, other than in Node (deviation); so both ways are asked for.
#[test]
fn net_server_nodelay() {
    for wanted in [true, false] {
        let mut scene = Scene::new();
        let reception = Reception::welcoming("server", move |cx, accepted| {
            let mut socket = cx.sockets.socket(accepted.id);
            socket.set_no_delay(wanted).unwrap();
            let (stream, _) = socket.detach().unwrap();
            let stream = stream.into_tcp().unwrap();
            assert_eq!(observe(&stream).no_delay, wanted);
            None
        });
        let options = SocketOptions::new().no_delay(wanted);
        let server = scene.serve(loopback(), options, reception);
        let _peer = Peer::connect(scene.address_of(server));
        scene.drive_until("server", "connection");
    }
}

// Values that do not fit are no `u8`. The two lowest bits belong to the system.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[test]
fn net_socket_tos() {
    const OURS: u8 = 0xFC;
    let hosts = ["host1", "::1"];
    for name in &hosts[..if has_ipv6() { 2 } else { 1 }] {
        let listener = TcpListener::bind((host(name), 0)).unwrap();
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
        let stream = stream.into_tcp().unwrap();
        let socket = SockRef::from(&stream);
        let value = if address.is_ipv4() {
            socket.tos_v4().unwrap()
        } else {
            socket.tclass_v6().unwrap()
        };
        assert_eq!(value & u32::from(OURS), 0xFC);
    }
}
