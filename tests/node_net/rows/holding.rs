//! Reasons for the loop to go on: sockets and servers that hold it, and those that do not.

use std::time::Duration;

use netloop::{ConnectOptions, ListenOptions, SocketOptions, State};

use super::serve_name;
use crate::support::{PATIENCE, Recorder, Scene, Seen, World, answering, loopback};

/// DEVIATE: a socket is a reason for the loop to go on whether it is paused or not, until it is said not to be.
#[test]
fn net_connect_paused_connection() {
    let mut scene = Scene::new();
    let (server, address) = scene.listen(ListenOptions::new(), |_| {
        Recorder::new("accepted").on("connect", |cx, _| cx.socket.release())
    });
    scene.event_loop.server(server).release();
    let client = scene.connect(address, ConnectOptions::new(), Recorder::new("client"));
    scene.socket(client).pause();
    scene.drive_until("client", "connect");
    scene.drive_until("accepted", "connect");
    scene.settle();
    assert!(scene.event_loop.is_alive());
    scene.socket(client).release();
    assert!(!scene.event_loop.is_alive());
    scene.event_loop.run(&mut scene.world).unwrap();
    assert_eq!(scene.world.trace("client"), "connect");
}

#[test]
fn net_connect_unref() {
    let mut scene = Scene::new();
    let listener = std::net::TcpListener::bind(loopback()).unwrap();
    let client = Recorder::new("client").on("connect", |cx, _| cx.socket.release());
    let client = scene.connect(
        listener.local_addr().unwrap(),
        ConnectOptions::new(),
        client,
    );
    let _peer = scene.peer_accepts(&listener);
    scene.event_loop.run(&mut scene.world).unwrap();
    assert_eq!(scene.socket(client).state(), State::Open);
    assert_eq!(scene.world.trace("client"), "connect");
    // Nor does the end of the loop tell it anything.
    let Scene { event_loop, world } = scene;
    drop(event_loop);
    let World { log, .. } = world;
    assert!(!log.iter().any(|event| matches!(event.seen, Seen::Close(_))));
}

#[test]
fn net_persistent_ref_unref() {
    for is_held_again in [true, false] {
        let mut scene = Scene::new();
        // The other end holds nothing, and answers a little later.
        let (server, address) = scene.listen(SocketOptions::new(), |_| {
            Recorder::new("accepted").on("connect", |cx, _| {
                cx.socket.release();
                let id = cx.socket.id();
                let timer = cx.after(Duration::from_millis(20), move |cx| {
                    let _ = cx.sockets.socket(id).end_with(b"late");
                });
                cx.timer(timer).release();
            })
        });
        scene.event_loop.server(server).release();
        let id = scene.connect(address, SocketOptions::new(), Recorder::new("client"));
        scene.socket(id).release();
        if is_held_again {
            scene.socket(id).hold();
        }
        scene.drive_to_exit();
        let trace = scene.world.trace("client");
        if is_held_again {
            assert_eq!(trace, "connect data:late end close:Graceful");
        } else {
            assert_eq!(trace, "connect", "nothing was left to wait for");
        }
    }
}

/// Runs the loop as a program does that has nothing else to do.
fn run(scene: &mut Scene) {
    let watchdog = scene
        .event_loop
        .after(PATIENCE, |_| panic!("the loop does not end"));
    scene.event_loop.timer(watchdog).release();
    scene.event_loop.run(&mut scene.world).unwrap();
    scene.event_loop.timer(watchdog).cancel();
}

#[test]
fn net_server_unref() {
    let mut scene = Scene::new();
    let (server, _) = scene.listen(SocketOptions::new(), |_| Recorder::new("accepted"));
    scene.event_loop.server(server).release();
    run(&mut scene);
    assert!(scene.event_loop.server(server).is_listening());
    assert!(!scene.world.has("server", "server-close"));
}

#[test]
fn net_server_unref_persistent() {
    let mut scene = Scene::new();
    let server = serve_name(&mut scene, answering(&["host1"]));
    scene.event_loop.server(server).release();
    assert!(!scene.event_loop.server(server).is_listening());
    run(&mut scene);
    scene.drive_until("server", "listening");
    run(&mut scene);
    assert!(scene.event_loop.server(server).is_listening());
}
