//! A callback that panics takes its own socket with it and nothing else: the loop can be used on (D3; I2).

use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use netloop::{
    Budget, CloseReason, Error, EventLoop, EventLoopOptions, Flow, HookId, ListenOptions,
    LoopContext, RunEnd, SocketOptions, Wait,
};

use crate::support::{
    PATIENCE, Peer, Recorder, Scene, Seen, World, assert_same_bytes, loopback, pattern,
};

/// The message of every panic of these tests, so that another is not taken for it.
pub(crate) const OWN_FAULT: &str = "the handler's own fault";

/// Turns until a callback panics.
pub(crate) fn drive_to_panic(scene: &mut Scene, what: &str) {
    drive_to_panic_with(scene, what, || ());
}

/// As [`drive_to_panic`], playing the peer before each turn.
fn drive_to_panic_with(scene: &mut Scene, what: &str, mut play: impl FnMut()) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < deadline, "no panic in {what}");
        play();
        let wait = Wait::For(Duration::from_millis(1));
        let caught = catch_unwind(AssertUnwindSafe(|| scene.turn_within(wait)));
        if let Err(payload) = caught {
            assert_eq!(payload.downcast_ref(), Some(&OWN_FAULT), "in {what}");
            return;
        }
    }
}

/// A recorder that panics at its first event of the kind that `is_it` recognises, after it was noted.
pub(crate) fn panicking(name: &str, is_it: impl Fn(&Seen) -> bool + 'static) -> Recorder {
    let mut has_panicked = false;
    Recorder::new(name).reacting(move |_, seen| {
        if is_it(seen) && !has_panicked {
            has_panicked = true;
            std::panic::panic_any(OWN_FAULT);
        }
    })
}

/// A socket that has nothing to do with the panic, and its peer.
pub(crate) fn bystander(scene: &mut Scene) -> Peer {
    let echo = Recorder::new("bystander").reacting(|cx, seen| {
        if let Seen::Data(bytes) = seen {
            assert_eq!(cx.socket.write(bytes), Flow::Open);
        }
    });
    scene.accepted(SocketOptions::new(), echo).1
}

/// The loop serves, accepts and keeps time.
pub(crate) fn assert_usable(scene: &mut Scene, bystander: &mut Peer) {
    bystander.write(b"and you?");
    assert_eq!(scene.peer_reads(bystander, 8), b"and you?");
    assert_eq!(scene.world.close_reason("bystander"), None);

    let before = scene.world.notes.len();
    scene
        .event_loop
        .after(Duration::from_millis(1), |cx| cx.shared.note("timer"));
    scene.event_loop.defer(|cx| cx.shared.note("deferred"));
    let remote = scene.event_loop.remote();
    remote.post(|cx| cx.shared.note("post")).unwrap();
    scene.drive("the calls", |world| world.notes.len() == before + 3);
    assert_eq!(
        scene.world.notes[before..],
        ["deferred", "post", "timer"].map(str::to_owned)
    );
    let (_, mut newcomer) = scene.accepted(SocketOptions::new(), Recorder::new("newcomer"));
    newcomer.write(b"x");
    scene.drive("the newcomer", |world| {
        world.received_length("newcomer") > 0
    });
}

/// Lets the handler `name` panic in the one callback, and checks what becomes of it and of everything else.
fn assert_only_its_own_socket_goes(
    what: &str,
    is_it: impl Fn(&Seen) -> bool + 'static,
    provoke: impl FnOnce(&mut Scene, &mut Peer),
    trace: &str,
) {
    let mut scene = Scene::new();
    let mut bystander = bystander(&mut scene);
    let handler = panicking("socket", is_it);
    let (id, mut peer) = scene.adopted(SocketOptions::new(), handler);
    let idle = Duration::from_millis(20);
    scene.socket(id).set_idle_timeout(idle);
    scene.world.ids.insert("socket".to_owned(), id);
    provoke(&mut scene, &mut peer);
    drive_to_panic_with(&mut scene, what, || {
        let _ = peer.read_some(64 << 10);
    });
    scene.settle();
    assert_eq!(scene.world.trace("socket"), trace, "in {what}");
    assert!(scene.socket(id).is_destroyed());
    assert_eq!(scene.socket(id).write(b"x"), Flow::Closed);
    assert_usable(&mut scene, &mut bystander);
    assert_eq!(scene.world.trace("socket"), trace, "in {what}");
}

#[test]
fn a_panic_in_on_data_closes_the_socket_with_an_error() {
    assert_only_its_own_socket_goes(
        "on_data",
        |seen| matches!(seen, Seen::Data(_)),
        |_, peer| peer.write(b"x"),
        "data:x error:ERR_HANDLER_PANICKED close:Error",
    );
}

#[test]
fn a_panic_in_on_end_closes_the_socket_with_an_error() {
    assert_only_its_own_socket_goes(
        "on_end",
        |seen| *seen == Seen::End,
        |_, peer| peer.half_close(),
        "end error:ERR_HANDLER_PANICKED close:Error",
    );
}

#[test]
fn a_panic_in_on_timeout_closes_the_socket_with_an_error() {
    assert_only_its_own_socket_goes(
        "on_timeout",
        |seen| *seen == Seen::Timeout,
        |_, _| {},
        "timeout error:ERR_HANDLER_PANICKED close:Error",
    );
}

#[test]
fn a_panic_in_on_deadline_closes_the_socket_with_an_error() {
    assert_only_its_own_socket_goes(
        "on_deadline",
        |seen| *seen == Seen::Deadline,
        |scene, _| {
            let id = scene.world.id("socket");
            scene.socket(id).set_idle_timeout(None);
            scene.socket(id).set_deadline(Duration::from_millis(5));
        },
        "deadline error:ERR_HANDLER_PANICKED close:Error",
    );
}

#[test]
fn a_panic_in_on_drain_closes_the_socket_with_an_error() {
    assert_only_its_own_socket_goes(
        "on_drain",
        |seen| *seen == Seen::Drain,
        |scene, _| {
            let id = scene.world.id("socket");
            scene.socket(id).set_idle_timeout(None);
            let flow = scene.socket(id).write(&vec![b'x'; 200_000]);
            assert_eq!(flow, Flow::Full);
        },
        "drain error:ERR_HANDLER_PANICKED close:Error",
    );
}

// I2
#[test]
fn a_panic_in_on_error_is_followed_by_the_close() {
    assert_only_its_own_socket_goes(
        "on_error",
        |seen| matches!(seen, Seen::Error(..)),
        |scene, _| {
            let id = scene.world.id("socket");
            scene.socket(id).destroy_with(Error::other("enough"));
        },
        "error:ERR_OTHER close:Error",
    );
}

#[test]
fn a_panic_in_on_close_is_the_end_of_the_socket() {
    assert_only_its_own_socket_goes(
        "on_close",
        |seen| matches!(seen, Seen::Close(_)),
        |scene, _| {
            let id = scene.world.id("socket");
            scene.socket(id).destroy();
        },
        "close:Local",
    );
}

#[test]
fn a_panic_in_on_connect_closes_an_accepted_socket() {
    let mut scene = Scene::new();
    let mut bystander = bystander(&mut scene);
    let (server, address) = scene.listen(ListenOptions::new(), |number| {
        if number == 0 {
            panicking("socket", |seen| *seen == Seen::Connect)
        } else {
            Recorder::new("next")
        }
    });
    let mut peer = Peer::connect(address);
    let _next = Peer::connect(address);
    drive_to_panic(&mut scene, "on_connect");
    scene.peer_reads_to_end(&mut peer);
    scene.drive("the next one", |world| {
        world.has_seen("next", &Seen::Connect)
    });
    assert_eq!(
        scene.world.trace("socket"),
        "connect error:ERR_HANDLER_PANICKED close:Error"
    );
    assert_eq!(scene.event_loop.server(server).connection_count(), 1);
    assert_usable(&mut scene, &mut bystander);
}

#[test]
fn a_panic_in_on_connect_closes_a_connecting_socket() {
    let mut scene = Scene::new();
    let mut bystander = bystander(&mut scene);
    let listener = TcpListener::bind(loopback()).unwrap();
    let handler = panicking("socket", |seen| *seen == Seen::Connect);
    scene
        .event_loop
        .connect(listener.local_addr().unwrap(), handler)
        .unwrap();
    drive_to_panic(&mut scene, "on_connect");
    scene.drive_to_close("socket");
    assert_eq!(
        scene.world.trace("socket"),
        "connect error:ERR_HANDLER_PANICKED close:Error"
    );
    assert_usable(&mut scene, &mut bystander);
}

#[test]
fn a_panic_in_a_call_without_a_socket_costs_that_call_only() {
    type Ask = fn(&mut Scene);
    fn fail(_: &mut LoopContext<'_, World>) {
        std::panic::panic_any(OWN_FAULT);
    }
    let asks: [(&str, Ask); 3] = [
        ("a deferred call", |scene| scene.event_loop.defer(fail)),
        ("a post", |scene| {
            scene.event_loop.remote().post(fail).unwrap()
        }),
        ("a timer", |scene| {
            scene.event_loop.after(Duration::ZERO, fail);
        }),
    ];
    for (what, ask) in asks {
        let mut scene = Scene::new();
        let mut bystander = bystander(&mut scene);
        ask(&mut scene);
        // Another of its kind waits behind it.
        scene.event_loop.defer(|cx| cx.shared.note("behind"));
        scene
            .event_loop
            .remote()
            .post(|cx| cx.shared.note("behind"))
            .unwrap();
        scene
            .event_loop
            .after(Duration::ZERO, |cx| cx.shared.note("behind"));
        drive_to_panic(&mut scene, what);
        scene.drive("those behind", |world| world.notes.len() == 3);
        assert_usable(&mut scene, &mut bystander);
    }
}

#[test]
fn a_repeating_timer_that_panics_is_over() {
    let mut scene = Scene::new();
    let mut bystander = bystander(&mut scene);
    let mut calls = 0;
    let id = scene.event_loop.every(Duration::from_millis(1), move |_| {
        calls += 1;
        assert_eq!(calls, 1, "called again after it had panicked");
        std::panic::panic_any(OWN_FAULT);
    });
    drive_to_panic(&mut scene, "the timer");
    scene.let_pass(Duration::from_millis(10));
    assert_eq!(scene.event_loop.timer(id).due_at(), None);
    assert!(!scene.event_loop.timer(id).cancel());
    assert_usable(&mut scene, &mut bystander);
    drop(bystander);
    scene.event_loop.sockets();
    scene.drive("all closes", |world| {
        world.close_reason("bystander").is_some()
    });
    let newcomer = scene.world.id("newcomer");
    scene.socket(newcomer).destroy();
    scene.run_to_its_end();
}

// Otherwise `run` would go on for another period, or for ever.
#[test]
fn a_repeated_call_that_panicked_holds_the_loop_no_more() {
    fn fail(_: &mut LoopContext<'_, World>) {
        std::panic::panic_any(OWN_FAULT);
    }
    let mut scene = Scene::new();
    let period = Duration::from_millis(1);
    let timer = scene.event_loop.every(period, fail);
    drive_to_panic(&mut scene, "the timer");
    // The next turn recovers. Its only step is a call, so it fires no timer, even if a second period has passed.
    scene.event_loop.defer(|_| ());
    let budget = Budget::new().steps(1);
    let turn = scene
        .event_loop
        .turn(&mut scene.world, Wait::No, budget)
        .unwrap();
    assert_eq!((turn.calls, turn.timers), (1, 0));
    assert!(!scene.event_loop.timer(timer).cancel());
    let mut add: [&mut dyn FnMut(&mut Scene) -> HookId; 2] = [
        &mut |scene| scene.event_loop.on_prepare(fail),
        &mut |scene| scene.event_loop.on_check(fail),
    ];
    for add in &mut add {
        let hook = add(&mut scene);
        drive_to_panic(&mut scene, "the hook");
        let run = scene.event_loop.run_for(&mut scene.world, PATIENCE);
        assert_eq!(run.unwrap(), RunEnd::Finished);
        assert!(!scene.event_loop.hook(hook).remove());
    }
}

// Sources that waited in the same turn are served in the next.
#[test]
fn a_panic_in_the_middle_of_a_turn_loses_no_event_of_others() {
    let mut scene = Scene::new();
    let (server, address) = scene.listen(ListenOptions::new(), |number| {
        let name = format!("socket {number}");
        if number % 3 == 0 {
            panicking(&name, |seen| matches!(seen, Seen::Data(_)))
        } else {
            Recorder::new(name)
        }
    });
    let mut peers: Vec<Peer> = (0..9).map(|_| Peer::connect(address)).collect();
    scene.drive_with("all connections", |scene| {
        scene.event_loop.server(server).connection_count() == 9
    });
    for peer in &mut peers {
        peer.write(b"x");
    }
    for _ in 0..3 {
        drive_to_panic(&mut scene, "one of three");
    }
    scene.drive("all others", |world| {
        (0..9).all(|number| world.received(&format!("socket {number}")) == b"x")
    });
    scene.drive_with("the closes", |scene| {
        scene.event_loop.server(server).connection_count() == 6
    });
    for number in [0, 3, 6] {
        assert_eq!(
            scene.world.close_reason(&format!("socket {number}")),
            Some(CloseReason::Error)
        );
    }
}

// The panic drops the buffer, and the next turn makes another.
#[test]
fn the_read_buffer_is_as_long_after_a_panic_as_before() {
    const LENGTH: usize = 2 << 10;
    let mut scene = Scene::new();
    let options = EventLoopOptions::new().read_buffer_bytes(LENGTH);
    scene.event_loop = EventLoop::with_options(options).unwrap();
    let handler = panicking("panicking", |seen| matches!(seen, Seen::Data(_)));
    let (_, mut peer) = scene.accepted(SocketOptions::new(), handler);
    peer.write(b"x");
    drive_to_panic(&mut scene, "on_data");

    let bytes = pattern(32 * LENGTH, 1);
    let (_, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("other"));
    scene.peer_writes(&mut peer, &bytes);
    scene.drive("all bytes", |world| {
        world.received_length("other") == bytes.len()
    });
    assert_same_bytes(&scene.world.received("other"), &bytes);
    let pieces = scene
        .world
        .of("other")
        .filter_map(|event| match &event.seen {
            Seen::Data(piece) => Some(piece.len()),
            _ => None,
        });
    assert_eq!(pieces.max(), Some(LENGTH));
}
