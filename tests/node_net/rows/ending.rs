//! Ends: `end`, `destroy` and resets, before, during and after the connection.

use std::cell::RefCell;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use netloop::{ConnectOptions, Flow, HostQuery, KeepAlive, ListenOptions, SocketOptions, State};

use crate::support::{Child, DeadPort, PeerEnd, Recorder, Scene, listener};

#[test]
fn net_after_close() {
    let mut scene = Scene::new();
    let (server, address) = scene.listen(ListenOptions::new(), |_| {
        Recorder::new("accepted").on("connect", |cx, _| cx.socket.end())
    });
    let client = Recorder::new("client").on("close", |cx, _| {
        let socket = &mut cx.socket;
        socket.set_no_delay(true).unwrap();
        socket.set_keep_alive(KeepAlive::new()).unwrap();
        socket.set_type_of_service(0x10).unwrap();
        socket.set_idle_timeout(Duration::from_millis(1));
        assert_eq!(socket.queued_bytes(), 0);
        socket.pause();
        socket.resume();
        socket.hold();
        socket.release();
        socket.end();
        socket.destroy();
        assert_eq!(socket.local_address(), None);
        // Other than in Node, where the address is lost unless it was asked for before.
        assert!(socket.peer_address().is_some());
        assert!(socket.detach().is_none(), "there is no descriptor any more");
        assert_eq!(socket.state(), State::Closed);
    });
    scene.connect(address, ConnectOptions::new(), client);
    scene.drive_to_close("client");
    assert_eq!(scene.world.trace("client"), "connect end close:Graceful");
    scene.close(server);
    scene.drive_to_exit();
}

#[cfg(unix)]
#[test]
fn net_child_process_connect_reset() {
    let mut child = Child::start("accept_and_wait", "", "", "-");
    let address = child.says("address");
    let mut scene = Scene::new();
    let child = RefCell::new(child);
    let client = Recorder::new("client").on("connect", move |_, _| child.borrow_mut().kill());
    scene.connect(address.as_str(), ConnectOptions::new(), client);
    scene.drive_to_exit();
    let trace = scene.world.trace("client");
    assert!(
        [
            "connect end close:Graceful",
            "connect error:ECONNRESET close:Reset"
        ]
        .contains(&trace.as_str()),
        "{trace}"
    );
}

/// A socket that is reset in `on_connect` and then `more`, and the peer that it was connected to.
fn reset_in_connect(more: impl Fn(&mut netloop::Socket<'_>) + 'static) -> (Scene, PeerEnd) {
    let mut scene = Scene::new();
    let (listener, address) = listener();
    let client = Recorder::new("client").on("connect", move |cx, _| {
        cx.socket.reset().unwrap();
        more(&mut cx.socket);
        let id = cx.socket.id();
        cx.defer(move |cx| {
            let flow = cx.sockets.socket(id).write(b"late");
            cx.shared.note(format!("{flow:?}"));
        });
    });
    scene.connect(address, ConnectOptions::new(), client);
    let mut peer = scene.peer_accepts(&listener);
    let received = scene.peer_reads_to_end(&mut peer);
    assert_eq!(received.bytes, b"");
    scene.drive("the late write", |world| !world.notes.is_empty());
    scene.drive_to_close("client");
    (scene, received.end)
}

#[test]
fn net_connect_reset_after_destroy() {
    let (scene, end) = reset_in_connect(|socket| {
        socket.destroy();
        assert!(socket.is_destroyed());
        assert_eq!(socket.write(b"now"), Flow::Closed);
    });
    assert_eq!(scene.world.notes, ["Closed"]);
    assert_eq!(scene.world.trace("client"), "connect close:Local");
    assert_eq!(end, PeerEnd::Reset);
}

#[test]
fn net_connect_reset_before_connected() {
    let mut scene = Scene::new();
    let (server, address) = scene.listen(ListenOptions::new(), |_| Recorder::new("accepted"));
    scene.turn();
    let client = scene.connect(address, ConnectOptions::new(), Recorder::new("client"));
    scene.close(server);
    scene.socket(client).reset().unwrap();
    scene.socket(client).destroy();
    scene.drive_to_exit();
    assert_eq!(scene.world.trace("client"), "close:Local");
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
    let options = ConnectOptions::new().resolver(Arc::new(move |_: &HostQuery<'_>| {
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
    let mut peer = scene.peer_accepts(&listener);
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

#[test]
fn net_socket_reset_send() {
    let mut scene = Scene::new();
    let (listener, address) = listener();
    let client = Recorder::new("client").on("connect", |cx, _| {
        cx.socket.reset().unwrap();
        assert_eq!(cx.socket.write(b"too late"), Flow::Closed);
    });
    scene.connect(address, SocketOptions::new(), client);
    let mut peer = scene.peer_accepts(&listener);
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

#[test]
fn net_writable() {
    let mut scene = Scene::new();
    let (listener, address) = listener();
    let client = Recorder::new("client").on("end", |cx, _| {
        assert!(cx.socket.is_writable());
        assert_eq!(cx.socket.write(b"hello world"), Flow::Open);
    });
    scene.connect(address, SocketOptions::new(), client);
    let mut peer = scene.peer_accepts(&listener);
    peer.half_close();
    let received = scene.peer_reads_to_end(&mut peer);
    assert_eq!(received.bytes, b"hello world");
    assert_eq!(received.end, PeerEnd::Fin);
    scene.drive_to_close("client");
    assert_eq!(scene.world.trace("client"), "connect end close:Graceful");
}
