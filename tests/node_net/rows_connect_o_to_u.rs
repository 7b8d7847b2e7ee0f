//! The rows net-connect-o… to net-connect-u… of the table.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use netloop::{ConnectOptions, Family, Flow, ListenOptions, SocketOptions, State};

use crate::support::{
    Peer, PeerEnd, Reception, Recorder, Scene, Seen, World, answering, has_ipv6, scratch_path,
};

#[test]
fn net_connect_options_ipv6() {
    if !has_ipv6() {
        return;
    }
    let mut scene = Scene::new();
    let server = scene.serve(
        "[::1]:0",
        SocketOptions::new().allow_half_open(true),
        Reception::new("server", |_| {
            Recorder::new("accepted").on("connect", |cx, _| cx.socket.end())
        }),
    );
    let port = scene.address_of(server).port();
    let (asked, questions) = mpsc::channel();
    let asked = Mutex::new(asked);
    let options = ConnectOptions::new()
        .family(Family::IPv6)
        .socket(SocketOptions::new().allow_half_open(true))
        .resolver(Arc::new(move |host: &str| {
            let _ = asked.lock().unwrap().send(host.to_owned());
            Ok(vec![
                [127, 0, 0, 1].into(),
                std::net::Ipv6Addr::LOCALHOST.into(),
            ])
        }));
    let client = Recorder::new("client").on("end", |cx, _| {
        let id = cx.socket.id();
        cx.after(Duration::from_millis(10), move |cx| {
            let mut socket = cx.sockets.socket(id);
            assert!(socket.is_writable());
            assert_eq!(socket.state(), State::WriteOnly);
            socket.end();
        });
    });
    scene.connect(("example.invalid", port), options, client);
    scene.drive_to_close("client");
    scene.drive_to_close("accepted");
    let ended = "connect end close:Graceful";
    assert_eq!(scene.world.trace("client"), ended);
    assert_eq!(scene.world.trace("accepted"), ended);
    let questions: Vec<String> = questions.try_iter().collect();
    assert_eq!(questions, ["example.invalid"]);
    assert_eq!(scene.world.count("client", "attempt"), 1);
}

#[cfg(unix)]
#[test]
fn net_connect_options_path() {
    let mut scene = Scene::new();
    let path = scratch_path();
    let server = scene.serve(
        path.path.as_path(),
        ListenOptions::new(),
        Reception::new("server", |number| {
            Recorder::new(format!("accepted-{number}")).on("connect", |cx, _| {
                let _ = cx.socket.end_with(b"ok");
            })
        }),
    );
    for number in 0..12 {
        let client =
            Recorder::new(format!("client-{number}")).on("connect", |cx, _| cx.socket.end());
        scene.connect(path.path.as_path(), ConnectOptions::new(), client);
    }
    for number in 0..12 {
        let name = format!("client-{number}");
        scene.drive_to_close(&name);
        assert_eq!(
            scene.world.trace(&name),
            "connect data:ok end close:Graceful"
        );
    }
    assert_eq!(scene.world.count("server", "connection"), 12);
    scene.close(server);
    scene.drive_to_exit();
}

#[test]
fn net_connect_options_port() {
    let mut scene = Scene::new();
    let (server, address) = scene.listen(ListenOptions::new(), |_| Recorder::new("accepted"));
    let name = |number: usize| format!("client-{number}");
    for number in 0..72 {
        let client = Recorder::new(name(number)).on("connect", |cx, _| cx.socket.end());
        if number % 2 == 0 {
            scene.connect(address, ConnectOptions::new(), client);
        } else {
            let options = ConnectOptions::new().resolver(answering(&["127.0.0.1"]));
            scene.connect(("localhost", address.port()), options, client);
        }
    }
    for number in 0..72 {
        scene.drive_to_close(&name(number));
    }
    assert_eq!(scene.world.count("server", "connection"), 72);

    let to_port_0 = |scene: &mut Scene, name: &str| {
        scene.drive_to_close(name);
        let trace = scene.world.trace(name);
        let refused = ["error:ECONNREFUSED", "error:EADDRNOTAVAIL"];
        assert!(
            refused.contains(&trace.trim_end_matches(" close:Error")),
            "{trace}"
        );
    };
    scene.connect(
        "127.0.0.1:0",
        ConnectOptions::new(),
        Recorder::new("address-0"),
    );
    assert!(!scene.world.has("address-0", "error"), "told too early");
    to_port_0(&mut scene, "address-0");
    scene.connect(
        ("localhost", 0),
        ConnectOptions::new(),
        Recorder::new("name-0"),
    );
    to_port_0(&mut scene, "name-0");
    scene.close(server);
    scene.drive_to_exit();
}

/// DEVIATE: a socket is a reason for the loop to go on whether it is paused or not, until it is said not to be.
#[test]
fn net_connect_paused_connection() {
    let mut scene = Scene::new();
    let (server, address) = scene.listen(ListenOptions::new(), |_| {
        Recorder::new("accepted").on("connect", |cx, _| cx.socket.unref())
    });
    scene.event_loop.server(server).unref();
    let client = scene.connect(address, ConnectOptions::new(), Recorder::new("client"));
    scene.socket(client).pause();
    scene.drive_until("client", "connect");
    scene.drive_until("accepted", "connect");
    scene.settle();
    assert!(scene.event_loop.is_alive());
    scene.socket(client).unref();
    assert!(!scene.event_loop.is_alive());
    scene.event_loop.run(&mut scene.world).unwrap();
    assert_eq!(scene.world.trace("client"), "connect");
}

/// A socket that is reset in `on_connect` and then `more`, and the peer that it was connected to.
fn reset_in_connect(more: impl Fn(&mut netloop::Socket<'_>) + 'static) -> (Scene, PeerEnd) {
    let mut scene = Scene::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
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
    let mut peer = Peer::accept(&listener);
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
fn net_connect_unref() {
    let mut scene = Scene::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let client = Recorder::new("client").on("connect", |cx, _| cx.socket.unref());
    let client = scene.connect(
        listener.local_addr().unwrap(),
        ConnectOptions::new(),
        client,
    );
    let _peer = Peer::accept(&listener);
    scene.event_loop.run(&mut scene.world).unwrap();
    assert_eq!(scene.socket(client).state(), State::Open);
    assert_eq!(scene.world.trace("client"), "connect");
    // Nor does the end of the loop tell it anything.
    let Scene { event_loop, world } = scene;
    drop(event_loop);
    let World { log, .. } = world;
    assert!(!log.iter().any(|event| matches!(event.seen, Seen::Close(_))));
}
