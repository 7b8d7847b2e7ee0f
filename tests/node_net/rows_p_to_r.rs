//! The rows from `net-pause` to `net-reuseport`, without the games of ping and pong.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use netloop::{
    CloseReason, Context, Error, KeepAlive, ListenOptions, SocketHandler, SocketOptions, State,
};

use crate::support::{
    DeadPort, Peer, Reception, Recorder, Scene, World, has_ipv6, observe, scratch_path,
};

// The bytes and the pauses are five times as fast as in Node's test.
#[test]
fn net_pause() {
    const BYTES: usize = 200;
    let mut scene = Scene::new();
    let (_, address) = scene.listen(SocketOptions::new(), |_| {
        Recorder::new("accepted").on("connect", |cx, _| {
            let id = cx.socket.id();
            let mut left = BYTES;
            cx.every(Duration::from_millis(2), move |cx| {
                let mut socket = cx.sockets.socket(id);
                if left > 0 {
                    left -= 1;
                    let _ = socket.write(b"x");
                } else {
                    socket.end();
                }
            });
        })
    });
    let mut pauses = [50, 120].into_iter().peekable();
    let client = Recorder::new("client").on("data", move |cx, _| {
        let received = cx.shared.received_length("client");
        if pauses.next_if(|&mark| received >= mark).is_some() {
            cx.socket.pause();
            let id = cx.socket.id();
            cx.after(Duration::from_millis(100), move |cx| {
                let more = cx.shared.received_length("client") - received;
                cx.shared.note(format!("{more} while paused"));
                cx.sockets.socket(id).resume();
            });
        }
    });
    scene.connect(address, SocketOptions::new(), client);
    scene.drive_to_close("client");
    assert_eq!(scene.world.notes, ["0 while paused", "0 while paused"]);
    assert_eq!(
        scene.world.trace("client"),
        "connect data:200 end close:Graceful"
    );
}

// Node drops the 400 ms and leaves the system's two hours; netloop rounds up (deviation, `KeepAlive::after`).
#[test]
fn net_persistent_keepalive() {
    let mut scene = Scene::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let id = scene.connect(address, SocketOptions::new(), Recorder::new("client"));
    let mut socket = scene.socket(id);
    assert_eq!(socket.state(), State::Opening);
    let idle = Duration::from_millis(400);
    socket.set_keep_alive(KeepAlive::after(idle)).unwrap();
    let mut peer = Peer::accept(&listener);
    scene.let_pass(Duration::from_millis(600));
    assert_eq!(scene.world.trace("client"), "connect");
    assert_eq!(scene.socket(id).state(), State::Open);
    assert_eq!(peer.read_some(1), Ok(None));
    let (stream, _) = scene.socket(id).detach().unwrap();
    let observed = observe(&stream);
    assert!(observed.keep_alive);
    assert_eq!(observed.keep_alive_after, Duration::from_secs(1));
}

// TCP_NODELAY is on by default, other than in Node (deviation, `SocketOptions::no_delay`); so each way is asked for.
#[test]
fn net_persistent_nodelay() {
    for wanted in [true, false] {
        let mut scene = Scene::new();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let options = SocketOptions::new().no_delay(!wanted);
        let address = listener.local_addr().unwrap();
        let id = scene.connect(address, options, Recorder::new("client"));
        scene.socket(id).set_no_delay(wanted).unwrap();
        scene.drive_until("client", "connect");
        let (stream, _) = scene.socket(id).detach().unwrap();
        assert_eq!(observe(&stream).no_delay, wanted);
    }
}

#[test]
fn net_persistent_ref_unref() {
    for is_held_again in [true, false] {
        let mut scene = Scene::new();
        // The other end holds nothing, and answers a little later.
        let (server, address) = scene.listen(SocketOptions::new(), |_| {
            Recorder::new("accepted").on("connect", |cx, _| {
                cx.socket.unref();
                let id = cx.socket.id();
                let timer = cx.after(Duration::from_millis(20), move |cx| {
                    let _ = cx.sockets.socket(id).end_with(b"late");
                });
                cx.hold_timer(timer, false);
            })
        });
        scene.event_loop.server(server).unref();
        let id = scene.connect(address, SocketOptions::new(), Recorder::new("client"));
        scene.socket(id).unref();
        if is_held_again {
            scene.socket(id).hold();
        }
        scene.drive_to_exit();
        let trace = scene.world.trace("client");
        if is_held_again {
            assert_eq!(trace, "connect data:late end close:Graceful");
        } else {
            assert_eq!(trace, "", "nothing was left to wait for");
        }
    }
}

#[cfg(unix)]
#[test]
fn net_pipe_connect_errors() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::{UnixListener, UnixStream};

    let [file, missing, locked] = [scratch_path(), scratch_path(), scratch_path()];
    std::fs::write(&file.path, "not a socket").unwrap();
    let _listener = UnixListener::bind(&locked.path).unwrap();
    std::fs::set_permissions(&locked.path, PermissionsExt::from_mode(0o000)).unwrap();

    let mut expected = vec![
        (&file.path, &["ENOTSOCK", "ECONNREFUSED"][..]),
        (&missing.path, &["ENOENT"]),
    ];
    // No mode keeps root out.
    if UnixStream::connect(&locked.path).is_err() {
        expected.push((&locked.path, &["EACCES"]));
    }
    for (path, codes) in expected {
        let mut scene = Scene::new();
        scene.connect(path, SocketOptions::new(), Recorder::new("client"));
        assert_eq!(scene.world.trace("client"), "", "not within the call");
        scene.drive_to_close("client");
        let error = scene.world.error("client");
        let code = error.code();
        assert!(codes.contains(&code), "{code}");
        assert_eq!(
            error.to_string(),
            format!("connect {code} {}", path.display())
        );
        assert_eq!(
            scene.world.trace("client"),
            format!("error:{code} close:Error")
        );
    }
}

// It is refused by the call, before any system call; Node reports EINVAL later (deviation: what is wrong with an
// argument comes back from the call).
#[cfg(unix)]
#[test]
fn net_pipe_with_long_path() {
    let scratch = scratch_path();
    let folder = scratch.path.parent().unwrap();
    let path = folder.join("x".repeat(10_000));
    let mut scene = Scene::new();
    let reception = Reception::new("server", |_| Recorder::new("accepted"));
    let listened = scene
        .event_loop
        .serve(&path, ListenOptions::new(), reception);
    let connected = scene.event_loop.connect(&path, Recorder::new("client"));
    for error in [listened.unwrap_err(), connected.unwrap_err()] {
        assert_eq!(error.code(), Error::INVALID_ARGUMENT);
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    }
    scene.settle();
    assert!(scene.world.log.is_empty());
    let mut files = std::fs::read_dir(folder).unwrap();
    assert!(files.next().is_none(), "made under a shorter name");
}

/// Connects to where nobody is, and once more from each close.
struct Stubborn {
    address: SocketAddr,
    retries: u32,
}

impl SocketHandler<World> for Stubborn {
    fn on_connect(&mut self, cx: &mut Context<'_, World>) {
        cx.shared.note("connect");
    }
    fn on_data(&mut self, _: &mut Context<'_, World>, _: &[u8]) {}
    fn on_error(&mut self, cx: &mut Context<'_, World>, error: &Error) {
        assert_eq!(cx.socket.state(), State::Closed);
        cx.shared.note(error.code());
    }
    fn on_close(&mut self, cx: &mut Context<'_, World>, reason: CloseReason) {
        assert_eq!(reason, CloseReason::Error);
        cx.shared.note("close");
        if self.retries > 0 {
            let again = Self {
                retries: self.retries - 1,
                ..*self
            };
            cx.connect(self.address, again).unwrap();
        }
    }
}

// Each try is a socket of its own (deviation: one handle for each connection, so that nothing stale can be left in it).
#[test]
fn net_reconnect_error() {
    let nobody = DeadPort::new();
    let mut scene = Scene::new();
    let stubborn = Stubborn {
        address: nobody.address(),
        retries: 20,
    };
    scene
        .event_loop
        .connect(nobody.address(), stubborn)
        .unwrap();
    scene.drive_to_exit();
    assert_eq!(scene.world.notes, ["ECONNREFUSED", "close"].repeat(21));
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

#[cfg(any(target_os = "linux", target_os = "android"))]
#[test]
fn net_reuseport() {
    let hosts = ["127.0.0.1", "::"];
    for host in &hosts[..if has_ipv6() { 2 } else { 1 }] {
        let mut scene = Scene::new();
        let reception = || Reception::new("server", |_| Recorder::new("accepted"));
        let shared = ListenOptions::new().reuse_port(true);
        let first = scene.serve((*host, 0), shared.clone(), reception());
        let address = scene.address_of(first);
        let second = scene.serve(address, shared, reception());
        assert_eq!(scene.address_of(second), address);
        scene.settle();
        assert_eq!(scene.world.trace("server"), "listening listening");
        // Without the option the port is taken.
        let third = scene
            .event_loop
            .serve(address, ListenOptions::new(), reception());
        assert_eq!(third.unwrap_err().code(), "EADDRINUSE");
    }
}
