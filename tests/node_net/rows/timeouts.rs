//! Idle timeouts.

use std::time::{Duration, Instant};

use netloop::SocketOptions;

use crate::support::{BlackHole, Recorder, Scene, Seen, listener};

#[test]
fn net_settimeout() {
    for never in [None, Some(Duration::ZERO)] {
        let mut scene = Scene::new();
        let (_, address) = scene.listen(SocketOptions::new(), |_| Recorder::new("accepted"));
        let id = scene.connect(address, SocketOptions::new(), Recorder::new("client"));
        let mut socket = scene.socket(id);
        socket.set_idle_timeout(Duration::from_millis(100));
        assert_eq!(socket.idle_timeout(), Some(Duration::from_millis(100)));
        socket.set_idle_timeout(never);
        assert_eq!(socket.idle_timeout(), None);
        scene.drive_until("accepted", "connect");
        let accepted = scene.world.id("accepted");
        let _ = scene.socket(accepted).write(b"meanwhile");
        scene.let_pass(Duration::from_millis(250));
        assert_eq!(scene.world.trace("client"), "connect data:meanwhile");
    }
}

// The exchanges and the timeout are shorter than in Node's test. The socket destroys itself, which is the default of
// `on_timeout` (deviation: Node only tells).
#[test]
fn net_timeout() {
    const ROUNDS: u32 = 5;
    const IDLE: Duration = Duration::from_millis(600);
    let mut scene = Scene::new();
    let options = SocketOptions::new().idle_timeout(IDLE);
    let (_, address) = scene.listen(options, |_| {
        Recorder::new("accepted")
            .on("data", |cx, seen| {
                let Seen::Data(bytes) = seen else { return };
                let _ = cx.socket.write(bytes);
            })
            .on("timeout", |cx, _| cx.socket.destroy())
    });
    let client = Recorder::new("client").on("connect", |cx, _| {
        let id = cx.socket.id();
        for round in 1..=ROUNDS {
            cx.after(Duration::from_millis(120) * round, move |cx| {
                let _ = cx.sockets.socket(id).write(b"ping");
            });
        }
    });
    scene.connect(address, SocketOptions::new(), client);
    scene.drive_to_close("client");
    scene.drive_to_close("accepted");
    let trace = scene.world.trace("accepted");
    assert_eq!(
        trace,
        "connect data:pingpingpingpingping timeout close:TimedOut"
    );
    let trace = scene.world.trace("client");
    assert_eq!(
        trace,
        "connect data:pingpingpingpingping end close:Graceful"
    );
    let waited =
        scene.world.time_of("accepted", "timeout") - last_time_of(&scene, "accepted", "data");
    assert!(waited >= IDLE, "{waited:?}");
}

/// When `name` was told `word` last.
fn last_time_of(scene: &Scene, name: &str, word: &str) -> Instant {
    let told = scene
        .world
        .of(name)
        .filter(|event| event.seen.word() == word);
    told.last().unwrap().at
}

#[test]
fn net_timeout_no_handle() {
    let hole = BlackHole::new();
    let mut scene = Scene::new();
    let id = scene.connect(
        hole.address(),
        SocketOptions::new(),
        Recorder::new("client"),
    );
    scene.socket(id).set_idle_timeout(Duration::from_millis(50));
    scene.drive_until("client", "timeout");
    scene.let_pass(Duration::from_millis(120));
    assert_eq!(scene.world.trace("client"), "timeout");

    // A connect that is under way would hold the loop, so this is a socket that is open.
    scene.socket(id).destroy();
    let (id, _peer) = scene.accepted(SocketOptions::new(), Recorder::new("open"));
    scene.settle();
    scene.socket(id).set_idle_timeout(Duration::from_millis(50));
    scene.socket(id).release();
    scene.drive_to_exit();
    assert_eq!(
        scene.world.trace("open"),
        "connect",
        "a timer alone holds nothing"
    );
}

// Five times as fast as in Node's test.
#[test]
fn net_timeout2() {
    let mut scene = Scene::new();
    let (listener, address) = listener();
    let options = SocketOptions::new().idle_timeout(Duration::from_millis(500));
    let client = Recorder::new("client").on("connect", |cx, _| {
        let id = cx.socket.id();
        cx.as_loop().every(Duration::from_millis(200), move |cx| {
            let _ = cx.sockets.socket(id).write(b"hello");
        });
    });
    scene.connect(address, options, client);
    let mut peer = scene.peer_accepts(&listener);
    scene.let_pass(Duration::from_millis(1100));
    assert_eq!(scene.world.trace("client"), "connect");
    assert!(matches!(peer.read_some(10), Ok(Some(bytes)) if bytes == b"hellohello"));
}
