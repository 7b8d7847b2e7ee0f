//! A connect to an address is made in the turn in which it was asked for, after every event that may forbid it (I3).

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use netloop::{Budget, ConnectOptions, Error, LoopContext, SocketOptions, Wait};

use super::forbidding::{Outside, WAYS};
use super::panics::{OWN_FAULT, drive_to_panic};
use crate::support::{PATIENCE, Peer, Recorder, Scene, World};

#[test]
fn a_socket_destroyed_right_after_connect_reaches_no_server() {
    let mut scene = Scene::new();
    let outside = Outside::new();
    for (number, destroy) in ["plainly", "with an error"].into_iter().enumerate() {
        let client = Recorder::new(destroy);
        let id = scene.connect(outside.address(), ConnectOptions::new(), client);
        let _ = scene.socket(id).write(b"secret");
        match number {
            0 => scene.socket(id).destroy(),
            _ => scene
                .socket(id)
                .destroy_with(Error::other("a private address")),
        }
        outside.assert_empty("within the call");
        scene.drive_to_close(destroy);
        scene.settle();
        outside.assert_empty(destroy);
        assert_eq!(scene.world.dialing(destroy).matches("attempt").count(), 0);
    }
}

#[test]
fn a_callback_that_connects_and_destroys_reaches_no_server() {
    for budget in [Budget::new(), Budget::new().steps(1_000)] {
        for (place, plan) in PLACES {
            let mut scene = Scene::new();
            let outside = Outside::new();
            let deed = Deed::new(outside.address(), |cx, address| {
                let id = cx.connect(address, Recorder::new("client")).unwrap();
                cx.sockets.socket(id).destroy();
            });
            turn_until_done(&mut scene, budget, plan, deed);
            scene.drive_to_close("client");
            scene.settle();
            outside.assert_empty(place);
        }
    }
}

#[test]
fn a_connect_is_made_in_the_turn_that_it_was_asked_for_in() {
    for budget in [Budget::new(), Budget::new().steps(1_000)] {
        for (place, plan) in PLACES {
            let mut scene = Scene::new();
            let outside = Outside::new();
            let deed = Deed::new(outside.address(), |cx, address| {
                cx.connect(address, Recorder::new("client")).unwrap();
            });
            turn_until_done(&mut scene, budget, plan, deed);
            outside.assert_connected(place);
            scene.drive_until("client", "connect");
        }
    }
}

#[test]
fn a_connect_asked_for_before_a_turn_is_made_in_it() {
    for budget in [Budget::new(), Budget::new().steps(1)] {
        let mut scene = Scene::new();
        let outside = Outside::new();
        scene.connect(
            outside.address(),
            ConnectOptions::new(),
            Recorder::new("client"),
        );
        assert_eq!(scene.event_loop.poll_timeout(), Some(Duration::ZERO));
        // No handler is called by a flush, so none could forbid the connect.
        scene.event_loop.flush(Budget::new());
        outside.assert_empty("a flush");
        assert_eq!(scene.event_loop.poll_timeout(), Some(Duration::ZERO));
        turn(&mut scene, budget);
        outside.assert_connected("the turn");
    }
}

#[test]
fn a_connect_that_the_system_refuses_is_told_after_its_attempt() {
    let mut scene = Scene::new();
    // Broadcast is not for TCP: connect(2) itself says so.
    let client = Recorder::new("client");
    scene.connect("255.255.255.255:9", ConnectOptions::new(), client);
    scene.drive_to_close("client");
    let seen = scene.world.dialing("client");
    let words: Vec<&str> = seen
        .split(' ')
        .filter_map(|it| it.split(':').next())
        .collect();
    assert_eq!(words, ["attempt", "attempt-failed", "error", "close"]);
}

#[cfg(unix)]
#[test]
fn a_path_is_connected_to_within_the_call_as_in_node() {
    let scratch = crate::support::scratch_path();
    let listener = std::os::unix::net::UnixListener::bind(&scratch.path).unwrap();
    listener.set_nonblocking(true).unwrap();
    let mut scene = Scene::new();
    let client = Recorder::new("client");
    let id = scene.connect(scratch.path.as_path(), ConnectOptions::new(), client);
    scene.socket(id).destroy();
    listener.accept().unwrap();
}

#[cfg(unix)]
#[test]
fn an_option_set_in_the_attempt_is_set_before_the_connect() {
    let mut scene = Scene::new();
    let outside = Outside::new();
    let client = Recorder::new("client").on("attempt", |cx, _| {
        let descriptor = cx.socket.descriptor().unwrap();
        let socket = socket2::SockRef::from(&descriptor);
        assert!(socket.peer_addr().is_err(), "not connected yet");
        socket.set_recv_buffer_size(4096).unwrap();
    });
    let id = scene.connect(outside.address(), ConnectOptions::new(), client);
    let _ = scene.socket(id).write(b"all");
    scene.socket(id).end();
    scene.drive_until("client", "connect");
    let mut view = scene.socket(id);
    let descriptor = view.descriptor().unwrap();
    let size = socket2::SockRef::from(&descriptor).recv_buffer_size();
    assert!(size.unwrap() <= 16 << 10);
    let mut peer = Peer::accept(&outside.0);
    assert_eq!(scene.peer_reads_to_end(&mut peer).bytes, b"all");
}

#[test]
fn a_socket_destroyed_in_its_attempt_reaches_no_server() {
    for way in WAYS {
        for budget in [Budget::new(), Budget::new().steps(1)] {
            let mut scene = Scene::new();
            let outside = Outside::new();
            let client = Recorder::new("client").on("attempt", move |cx, _| way(cx));
            scene.connect(outside.address(), ConnectOptions::new(), client);
            while !scene.world.has("client", "close") {
                turn(&mut scene, budget);
            }
            scene.settle();
            outside.assert_empty("the attempt");
            assert_eq!(scene.world.count("client", "attempt"), 1);
        }
    }
}

#[test]
fn a_panic_in_the_attempt_on_an_address_forbids_it() {
    let mut scene = Scene::new();
    let outside = Outside::new();
    let has_panicked = Cell::new(false);
    let client = Recorder::new("client").on("attempt", move |_, _| {
        if !has_panicked.replace(true) {
            std::panic::panic_any(OWN_FAULT);
        }
    });
    scene.connect(outside.address(), ConnectOptions::new(), client);
    drive_to_panic(&mut scene, "attempt");
    scene.drive_to_close("client");
    scene.settle();
    outside.assert_empty("a panic");
    assert_eq!(scene.world.error("client").code(), Error::HANDLER_PANICKED);
}

#[test]
fn an_address_is_announced_before_its_connect() {
    let mut scene = Scene::new();
    let outside = Rc::new(Outside::new());
    let seen = Rc::clone(&outside);
    let client = Recorder::new("client").on("attempt", move |_, _| {
        seen.assert_empty("in the attempt");
    });
    scene.connect(outside.address(), ConnectOptions::new(), client);
    outside.assert_empty("before the turn");
    scene.drive_until("client", "connect");
    Peer::accept(&outside.0);
}

/// Something that a callback does once, with an address.
#[derive(Clone)]
struct Deed {
    is_done: Arc<AtomicBool>,
    address: SocketAddr,
    act: fn(&mut LoopContext<'_, World>, SocketAddr),
}

impl Deed {
    fn new(address: SocketAddr, act: fn(&mut LoopContext<'_, World>, SocketAddr)) -> Self {
        Self {
            is_done: Arc::default(),
            address,
            act,
        }
    }

    fn do_once(&self, cx: &mut LoopContext<'_, World>) {
        if !self.is_done.swap(true, Ordering::Relaxed) {
            (self.act)(cx, self.address);
        }
    }
}

/// Prepares a scene so that a deed is done in a callback of a certain place in the turn.
type Plan = fn(&mut Scene, Deed);

/// All places in the turn in which a callback may ask for a connect.
const PLACES: [(&str, Plan); 11] = [
    ("a deferred call", |scene, deed| {
        scene.event_loop.defer(move |cx| deed.do_once(cx));
    }),
    ("a hook before the wait", |scene, deed| {
        scene.event_loop.on_prepare(move |cx| deed.do_once(cx));
    }),
    ("a post", |scene, deed| {
        let remote = scene.event_loop.remote();
        remote.post(move |cx| deed.do_once(cx)).unwrap();
    }),
    ("an attempt", |scene, deed| {
        let other = Outside::new();
        let recorder = Recorder::new("other").on("attempt", move |cx, _| {
            deed.do_once(&mut cx.as_loop());
        });
        scene.connect(other.address(), ConnectOptions::new(), recorder);
    }),
    ("on_connection", |scene, deed| {
        let (_, address) = scene.listen(SocketOptions::new(), move |_| {
            let deed = deed.clone();
            Recorder::new("guest").on("connect", move |cx, _| deed.do_once(&mut cx.as_loop()))
        });
        Peer::connect(address);
    }),
    ("on_data", |scene, deed| in_event(scene, "data", deed)),
    ("on_end", |scene, deed| in_event(scene, "end", deed)),
    ("a hook behind the sockets", |scene, deed| {
        scene.event_loop.on_check(move |cx| deed.do_once(cx));
    }),
    ("a timer", |scene, deed| {
        let after = Duration::from_millis(1);
        scene.event_loop.after(after, move |cx| deed.do_once(cx));
    }),
    ("on_timeout", |scene, deed| {
        let options = SocketOptions::new().idle_timeout(Duration::from_millis(1));
        let recorder = Recorder::new("idle").on("timeout", move |cx, _| {
            deed.do_once(&mut cx.as_loop());
        });
        // The recorder keeps the peer, so that no end comes before the time-out.
        let (ours, peer) = Peer::pair();
        let recorder = recorder.on("close", move |_, _| assert_ne!(peer.address().port(), 0));
        scene.event_loop.adopt(ours, options, recorder).unwrap();
    }),
    ("on_close", |scene, deed| in_event(scene, "close", deed)),
];

/// Does the deed in the event `word` of a socket whose peer sends a byte and ends.
fn in_event(scene: &mut Scene, word: &'static str, deed: Deed) {
    let neighbour = Recorder::new("neighbour").on(word, move |cx, _| {
        deed.do_once(&mut cx.as_loop());
    });
    let (_, mut peer) = scene.adopted(SocketOptions::new(), neighbour);
    peer.write(b"x");
    peer.close();
}

fn turn(scene: &mut Scene, budget: Budget) {
    let wait = Wait::For(Duration::from_millis(1));
    let turned = scene.event_loop.turn(&mut scene.world, wait, budget);
    turned.unwrap();
}

/// Makes turns up to the end of the turn in which the deed is done.
fn turn_until_done(scene: &mut Scene, budget: Budget, plan: Plan, deed: Deed) {
    let is_done = Arc::clone(&deed.is_done);
    plan(scene, deed);
    let deadline = std::time::Instant::now() + PATIENCE;
    while !is_done.load(Ordering::Relaxed) {
        assert!(std::time::Instant::now() < deadline, "no callback came");
        turn(scene, budget);
    }
}
