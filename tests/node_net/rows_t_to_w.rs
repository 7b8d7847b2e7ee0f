//! The rows from `net-sync-cork` on, and `net-settimeout`: timeouts and writes.

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use netloop::{CloseReason, Context, Flow, SocketHandler, SocketOptions};

use crate::support::{BlackHole, Peer, PeerEnd, Recorder, Scene, Seen, World, assert_same_bytes};

/// A server of the standard library, and where it is.
fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[test]
fn net_settimeout() {
    for never in [None, Some(Duration::ZERO)] {
        let mut scene = Scene::new();
        let (_, address) = scene.listen(SocketOptions::new(), |_| Recorder::new("accepted"));
        let id = scene.connect(address, SocketOptions::new(), Recorder::new("client"));
        let mut socket = scene.socket(id);
        socket.set_timeout(Duration::from_millis(100));
        assert_eq!(socket.timeout(), Some(Duration::from_millis(100)));
        socket.set_timeout(never);
        assert_eq!(socket.timeout(), None);
        scene.drive_until("accepted", "connect");
        let accepted = scene.world.id("accepted");
        let _ = scene.socket(accepted).write(b"meanwhile");
        scene.let_pass(Duration::from_millis(250));
        assert_eq!(scene.world.trace("client"), "connect data:meanwhile");
    }
}

#[test]
fn net_sync_cork() {
    const PAIRS: usize = 100;
    let mut scene = Scene::new();
    let (_, address) = scene.listen(SocketOptions::new(), |_| Recorder::new("accepted"));
    let client = Recorder::new("client").on("connect", |cx, _| {
        for _ in 0..PAIRS {
            cx.socket.cork();
            assert_eq!(cx.socket.write(b"aa"), Flow::Open);
            assert_eq!(cx.socket.write(b"bb"), Flow::Open);
            cx.socket.uncork();
        }
        cx.socket.end();
    });
    scene.connect(address, SocketOptions::new(), client);
    scene.drive_to_close("client");
    scene.drive_to_close("accepted");
    assert_eq!(scene.world.received("accepted"), b"aabb".repeat(PAIRS));
    assert_eq!(
        scene.world.trace("accepted"),
        "connect data:400 end close:Graceful"
    );
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
    scene.socket(id).set_timeout(Duration::from_millis(50));
    scene.drive_until("client", "timeout");
    scene.let_pass(Duration::from_millis(120));
    assert_eq!(scene.world.trace("client"), "timeout");

    scene.socket(id).set_timeout(Duration::from_millis(50));
    scene.socket(id).unref();
    scene.drive_to_exit();
    assert_eq!(
        scene.world.trace("client"),
        "timeout",
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
        cx.every(Duration::from_millis(200), move |cx| {
            let _ = cx.sockets.socket(id).write(b"hello");
        });
    });
    scene.connect(address, options, client);
    let mut peer = Peer::accept(&listener);
    scene.let_pass(Duration::from_millis(1100));
    assert_eq!(scene.world.trace("client"), "connect");
    assert!(matches!(peer.read_some(10), Ok(Some(bytes)) if bytes == b"hellohello"));
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
    let mut peer = Peer::accept(&listener);
    peer.half_close();
    let received = scene.peer_reads_to_end(&mut peer);
    assert_eq!(received.bytes, b"hello world");
    assert_eq!(received.end, PeerEnd::Fin);
    scene.drive_to_close("client");
    assert_eq!(scene.world.trace("client"), "connect end close:Graceful");
}

// What a write callback would tell is what the call answers.
#[test]
fn net_write_after_close() {
    let mut scene = Scene::new();
    let (_, address) = scene.listen(SocketOptions::new(), |_| Recorder::new("accepted"));
    let client = Recorder::new("client")
        .on("connect", |cx, _| cx.socket.end())
        .on("end", |cx, _| {
            let accepted = cx.shared.id("accepted");
            let flow = cx.socket.other(accepted).write(b"test");
            cx.shared.note(format!("{flow:?}"));
        });
    scene.connect(address, SocketOptions::new(), client);
    scene.drive_to_close("client");
    scene.drive_to_close("accepted");
    assert!(["Closed", "Ended"].contains(&scene.world.notes[0].as_str()));
    assert_eq!(scene.world.trace("accepted"), "connect end close:Graceful");
}

#[test]
fn net_write_connect_write() {
    let mut scene = Scene::new();
    let (_, address) = scene.listen(SocketOptions::new(), |_| {
        Recorder::new("accepted").on("data", |cx, seen| {
            let Seen::Data(bytes) = seen else { return };
            let _ = cx.socket.write(bytes);
        })
    });
    let client = Recorder::new("client").on("connect", |cx, _| {
        let _ = cx.socket.end_with(b" after");
    });
    let id = scene.connect(address, SocketOptions::new(), client);
    assert_eq!(scene.socket(id).write(b"before"), Flow::Open);
    scene.drive_to_close("client");
    assert_eq!(
        scene.world.trace("client"),
        "connect data:before after end close:Graceful"
    );
}

/// The `number`th of the buffers that are written until the kernel takes no more.
fn buffer(number: usize) -> Vec<u8> {
    vec![u8::try_from(number % 251).unwrap(); 1_000_000]
}

/// Writes until it is told to stop, and again at each drain.
struct Filling {
    rounds: u32,
    buffers: usize,
}

impl Filling {
    fn fill(&mut self, cx: &mut Context<'_, World>) {
        loop {
            self.buffers += 1;
            // Nobody keeps what is written.
            match cx.socket.write_owned(buffer(self.buffers)) {
                Flow::Open => {}
                flow => return assert_eq!(flow, Flow::Full),
            }
        }
    }
}

impl SocketHandler<World> for Filling {
    fn on_connect(&mut self, cx: &mut Context<'_, World>) {
        self.fill(cx);
    }
    fn on_data(&mut self, _: &mut Context<'_, World>, _: &[u8]) {}
    fn on_drain(&mut self, cx: &mut Context<'_, World>) {
        self.rounds -= 1;
        if self.rounds > 0 {
            self.fill(cx);
        } else {
            cx.socket.end();
        }
    }
    fn on_close(&mut self, cx: &mut Context<'_, World>, reason: CloseReason) {
        let Self { rounds, buffers } = self;
        cx.shared.note(format!(
            "{reason:?}, {rounds} rounds left, {buffers} buffers"
        ));
    }
}

/// Checks that it is given the buffers in their order.
#[derive(Default)]
struct Checking {
    buffers: usize,
    rest: Vec<u8>,
}

impl SocketHandler<World> for Checking {
    fn on_data(&mut self, _: &mut Context<'_, World>, mut data: &[u8]) {
        while !data.is_empty() {
            if self.rest.is_empty() {
                self.buffers += 1;
                self.rest = buffer(self.buffers);
            }
            let length = data.len().min(self.rest.len());
            let (now, later) = data.split_at(length);
            let expected = self.rest.split_off(self.rest.len() - length);
            assert!(now == expected, "buffer {}", self.buffers);
            data = later;
        }
    }
    fn on_close(&mut self, cx: &mut Context<'_, World>, reason: CloseReason) {
        assert!(self.rest.is_empty());
        let buffers = self.buffers;
        cx.shared
            .note(format!("{reason:?}, 0 rounds left, {buffers} buffers"));
    }
}

#[test]
fn net_write_fully_async_buffer() {
    let mut scene = Scene::new();
    let server = scene
        .event_loop
        .listen("127.0.0.1:0", |_, _| Checking::default())
        .unwrap();
    let address = scene.address_of(server);
    let filling = Filling {
        rounds: 20,
        buffers: 0,
    };
    scene.event_loop.connect(address, filling).unwrap();
    scene.drive("both ends closed", |world| world.notes.len() == 2);
    assert_eq!(scene.world.notes[0], scene.world.notes[1]);
    assert!(scene.world.notes[0].starts_with("Graceful, 0 rounds left, "));
}

#[test]
fn net_write_slow() {
    const WRITES: u64 = 10;
    const BYTES: usize = 200_000;
    let mut scene = Scene::new();
    let options = SocketOptions::new().idle_timeout(Duration::from_millis(9_999));
    let (_, address) = scene.listen(options, |_| {
        Recorder::new("accepted").on("connect", |cx, _| {
            for write in 1..=WRITES {
                let byte = u8::try_from(write).unwrap();
                assert!(cx.socket.write(&vec![byte; BYTES]).is_accepted());
                cx.socket.notify_when_sent(write);
            }
            cx.socket.end();
        })
    });
    let client = Recorder::new("client").on("data", |cx, _| {
        cx.socket.pause();
        let id = cx.socket.id();
        cx.after(Duration::from_millis(20), move |cx| {
            cx.sockets.socket(id).resume();
        });
    });
    scene.connect(address, SocketOptions::new(), client);
    scene.drive_to_close("client");
    scene.drive_to_close("accepted");
    assert_eq!(
        scene.world.trace("accepted"),
        "connect sent:1 sent:2 sent:3 sent:4 sent:5 sent:6 sent:7 sent:8 sent:9 sent:10 \
         end close:Graceful"
    );
    assert_eq!(
        scene.world.trace("client"),
        "connect data:2000000 end close:Graceful"
    );
    let expected: Vec<u8> = (1..=10).flat_map(|byte| vec![byte; BYTES]).collect();
    assert_same_bytes(&scene.world.received("client"), &expected);
}
