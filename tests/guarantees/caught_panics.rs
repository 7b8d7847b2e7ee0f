//! `PanicPolicy::Close`: a panic of any callback closes its owner and calls the hook, and all others go on in the same
//! turn (D3). The file is long because each kind of callback has its case here.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use netloop::{
    Accepted, AtShutdown, Budget, CallbackOwner, CloseReason, ConnectOptions, Context, Error,
    EventLoop, EventLoopOptions, Limits, ListenOptions, LoopContext, OverLimit, PanicPolicy,
    ServerHandler, SocketHandler, SocketOptions, Wait,
};

use crate::panics::{OWN_FAULT, assert_usable, bystander, panicking};
use crate::support::{BlackHole, DeadPort, Peer, Recorder, Scene, Seen, World, listener, loopback};

type Told = Rc<RefCell<Vec<(CallbackOwner, Option<String>)>>>;

/// A scene whose loop catches panics, and the panics that its hook was told of.
fn catching(limits: Limits) -> (Scene, Told) {
    let options = EventLoopOptions::new()
        .panic_policy(PanicPolicy::Close)
        .limits(limits);
    let mut scene = Scene {
        event_loop: EventLoop::with_options(options).unwrap(),
        world: World::default(),
    };
    let told = Told::default();
    let log = Rc::clone(&told);
    scene.event_loop.on_panic(move |_, panic| {
        let message = panic.message().map(str::to_owned);
        log.borrow_mut().push((panic.owner(), message));
    });
    (scene, told)
}

fn fail(_: &mut LoopContext<'_, World>) {
    std::panic::panic_any(OWN_FAULT);
}

#[test]
fn a_panic_in_any_callback_of_a_socket_closes_that_socket() {
    type Provoke = fn(&mut Scene, &mut Peer);
    let failed = "error:ERR_HANDLER_PANICKED close:Error";
    let kinds: [(&str, Provoke, String); 9] = [
        (
            "data",
            |_, peer| peer.write(b"x"),
            format!("data:x {failed}"),
        ),
        ("end", |_, peer| peer.half_close(), format!("end {failed}")),
        (
            "timeout",
            |scene, _| {
                let id = scene.world.id("socket");
                let short = Duration::from_millis(5);
                scene.socket(id).set_idle_timeout(short);
            },
            format!("timeout {failed}"),
        ),
        (
            "deadline",
            |scene, _| {
                let id = scene.world.id("socket");
                scene.socket(id).set_deadline(Duration::ZERO);
            },
            format!("deadline {failed}"),
        ),
        (
            "timer",
            |scene, _| {
                let id = scene.world.id("socket");
                scene.socket(id).after(Duration::ZERO, 7);
            },
            format!("timer:7 {failed}"),
        ),
        (
            "drain",
            |scene, peer| {
                let id = scene.world.id("socket");
                scene.socket(id).write(&[b'x'; 200_000]).ignore();
                scene.peer_reads(peer, 150_000);
            },
            format!("drain {failed}"),
        ),
        (
            "sent",
            |scene, _| {
                let id = scene.world.id("socket");
                scene.socket(id).notify_when_sent(3);
            },
            format!("sent:3 {failed}"),
        ),
        (
            "error",
            |scene, _| {
                let id = scene.world.id("socket");
                scene.socket(id).destroy_with(Error::other("enough"));
            },
            "error:ERR_OTHER close:Error".to_owned(),
        ),
        (
            "close",
            |scene, _| {
                let id = scene.world.id("socket");
                scene.socket(id).destroy();
            },
            "close:Local".to_owned(),
        ),
    ];
    for (kind, provoke, trace) in kinds {
        let (mut scene, told) = catching(Limits::new());
        let mut bystander = bystander(&mut scene);
        let (ours, mut peer) = Peer::pair_with_small_sender();
        let handler = panicking("socket", move |seen| seen.word() == kind);
        let options = SocketOptions::new();
        let id = scene.event_loop.adopt(ours, options, handler).unwrap();
        scene.begin_filters(id, &mut peer);
        scene.world.ids.insert("socket".to_owned(), id);
        provoke(&mut scene, &mut peer);
        scene.drive(kind, |_| !told.borrow().is_empty());
        scene.drive_to_close("socket");
        scene.settle();
        let seen = scene.world.trace("socket");
        assert_eq!(seen, trace, "{kind}");
        let (owner, message) = told.borrow()[0].clone();
        assert!(
            matches!(owner, CallbackOwner::Socket { id: it, .. } if it == id),
            "{kind}"
        );
        assert_eq!(message.as_deref(), Some(OWN_FAULT), "{kind}");
        assert_usable(&mut scene, &mut bystander);
        assert_eq!(told.borrow().len(), 1, "{kind}");
        assert_eq!(scene.event_loop.statistics().panics, 1, "{kind}");
    }
}

#[test]
fn a_panic_while_connecting_closes_that_socket() {
    for kind in ["attempt", "connect", "attempt-failed"] {
        let (mut scene, told) = catching(Limits::new());
        let mut bystander = bystander(&mut scene);
        let (listener, address) = listener();
        let dead = DeadPort::new();
        let address = match kind {
            "attempt-failed" => dead.address(),
            _ => address,
        };
        let handler = Recorder::new("us").on(kind, |_, _| std::panic::panic_any(OWN_FAULT));
        scene.connect(address, ConnectOptions::new(), handler);
        let _peer = (kind == "connect").then(|| scene.peer_accepts(&listener));
        scene.drive_to_close("us");
        assert!(!told.borrow().is_empty(), "{kind}");
        assert_usable(&mut scene, &mut bystander);
    }
}

/// A server of which one callback panics.
struct Fragile(&'static str, Rc<RefCell<Vec<&'static str>>>);

impl Fragile {
    fn tell(&self, what: &'static str) {
        self.1.borrow_mut().push(what);
        if self.0 == what {
            std::panic::panic_any(OWN_FAULT);
        }
    }
}

impl ServerHandler<World> for Fragile {
    fn on_listening(&mut self, _: &mut LoopContext<'_, World>, _: netloop::ServerId) {
        self.tell("listening");
    }
    fn on_connection(
        &mut self,
        _: &mut LoopContext<'_, World>,
        _: &Accepted,
    ) -> Option<Box<dyn SocketHandler<World>>> {
        self.tell("connection");
        Some(Box::new(Recorder::new("socket")))
    }
    fn on_over_limit(&mut self, _: &mut LoopContext<'_, World>, _: &OverLimit) {
        self.tell("over limit");
    }
    fn on_close(&mut self, _: &mut LoopContext<'_, World>) {
        self.tell("close");
    }
}

#[test]
fn a_panic_of_a_server_closes_it_and_keeps_its_connections() {
    for (kind, places) in [("listening", 5), ("over limit", 1), ("close", 5)] {
        let (mut scene, told) = catching(Limits::new());
        let mut bystander = bystander(&mut scene);
        let log = Rc::default();
        let options = ListenOptions::new().max_connections(places);
        let fragile = Fragile(kind, Rc::clone(&log));
        let id = scene
            .event_loop
            .serve(loopback(), options, fragile)
            .unwrap();
        let address = scene.address_of(id);
        let mut peers = Vec::new();
        match kind {
            "over limit" => {
                peers.push(Peer::connect(address));
                scene.drive_until("socket", "connect");
                peers.push(Peer::connect(address));
            }
            "close" => scene.close(id),
            _ => {}
        }
        scene.drive(kind, |_| !told.borrow().is_empty());
        scene.settle();
        let (owner, _) = told.borrow()[0].clone();
        assert!(
            matches!(owner, CallbackOwner::Server { id: it, .. } if it == id),
            "{kind}"
        );
        assert!(!scene.event_loop.server(id).is_listening(), "{kind}");
        assert!(!scene.world.has("socket", "close"), "{kind}");
        assert_usable(&mut scene, &mut bystander);
        drop(peers);
        scene.drive("the close of the server", |_| {
            log.borrow().contains(&"close")
        });
        assert_eq!(told.borrow().len(), 1, "{kind}");
    }
}

// A peer that provokes this must not be able to close the server.
#[test]
fn a_panic_in_on_connection_closes_the_new_socket_alone() {
    let (mut scene, told) = catching(Limits::new());
    let mut bystander = bystander(&mut scene);
    let fragile = Fragile("connection", Rc::default());
    let options = ListenOptions::new();
    let id = scene
        .event_loop
        .serve(loopback(), options, fragile)
        .unwrap();
    let address = scene.address_of(id);
    for _ in 0..3 {
        let mut peer = Peer::connect(address);
        scene.peer_reads_to_end(&mut peer);
    }
    assert_eq!(told.borrow().len(), 3);
    assert!(
        told.borrow()
            .iter()
            .all(|it| matches!(it.0, CallbackOwner::Socket { .. }))
    );
    assert!(scene.event_loop.server(id).is_listening());
    assert_usable(&mut scene, &mut bystander);
}

#[test]
fn a_panic_in_a_call_of_the_loop_is_told_and_closes_nothing() {
    type Ask = fn(&mut Scene);
    let kinds: [(&str, Ask); 6] = [
        ("defer", |scene| scene.event_loop.defer(fail)),
        ("post", |scene| {
            scene.event_loop.remote().post(fail).unwrap()
        }),
        ("after", |scene| {
            scene.event_loop.after(Duration::ZERO, fail);
        }),
        ("every", |scene| {
            scene.event_loop.every(Duration::from_millis(1), fail);
        }),
        ("on_prepare", |scene| {
            scene.event_loop.on_prepare(fail);
        }),
        ("on_check", |scene| {
            scene.event_loop.on_check(fail);
        }),
    ];
    for (kind, ask) in kinds {
        let (mut scene, told) = catching(Limits::new());
        let mut bystander = bystander(&mut scene);
        ask(&mut scene);
        scene.drive(kind, |_| !told.borrow().is_empty());
        let expected = (CallbackOwner::Loop, Some(OWN_FAULT.to_owned()));
        assert_eq!(*told.borrow(), [expected], "{kind}");
        assert_usable(&mut scene, &mut bystander);
        assert_eq!(told.borrow().len(), 1, "{kind}: it is over");
    }
}

#[test]
fn a_turn_goes_on_behind_a_panic() {
    let (mut scene, told) = catching(Limits::new());
    for number in 0..5 {
        scene.event_loop.defer(fail);
        scene
            .event_loop
            .defer(move |cx| cx.shared.note(number.to_string()));
    }
    scene
        .event_loop
        .after(Duration::ZERO, |cx| cx.shared.note("timer"));
    scene.drive("all calls", |world| world.notes.len() == 6);
    // Each panic ends its part of the turn, so the timer may come between two calls.
    scene.world.notes.retain(|note| note != "timer");
    assert_eq!(scene.world.notes, ["0", "1", "2", "3", "4"]);
    assert_eq!(told.borrow().len(), 5);
}

#[test]
fn all_ready_sockets_are_served_in_the_turn_of_a_panic() {
    let (mut scene, told) = catching(Limits::new());
    let mut peers = Vec::new();
    for number in 0..9 {
        let name = format!("socket {number}");
        let handler = match number % 3 {
            0 => panicking(&name, |seen| matches!(seen, Seen::Data(_))),
            _ => Recorder::new(name),
        };
        let (_, peer) = scene.adopted(SocketOptions::new(), handler);
        peers.push(peer);
    }
    scene.settle();
    peers.iter_mut().for_each(|peer| peer.write(b"x"));
    // The bytes have arrived: loopback delivers within the call.
    scene.turn();
    for number in 0..9 {
        assert_eq!(scene.world.received(&format!("socket {number}")), b"x");
    }
    assert_eq!(told.borrow().len(), 3);
}

#[test]
fn a_call_that_panics_for_ever_ends_its_turn() {
    fn again(cx: &mut LoopContext<'_, World>) {
        cx.defer(again);
        std::panic::panic_any(OWN_FAULT);
    }
    let (mut scene, told) = catching(Limits::new());
    scene.event_loop.defer(again);
    for turns in 1..4 {
        let turn = scene.turn();
        assert!(turn.more && turn.alive);
        assert_eq!(told.borrow().len(), 64 * turns);
    }
}

#[test]
fn a_turn_with_a_budget_ends_at_its_panic() {
    let (mut scene, told) = catching(Limits::new());
    for _ in 0..3 {
        scene.event_loop.defer(fail);
    }
    for panics in 1..=3 {
        let budget = Budget::new().steps(100);
        let turn = scene.event_loop.turn(&mut scene.world, Wait::No, budget);
        assert!(turn.unwrap().more);
        assert_eq!(told.borrow().len(), panics);
    }
}

#[test]
fn run_returns_no_panic() {
    let (mut scene, told) = catching(Limits::new());
    scene.event_loop.defer(fail);
    scene.event_loop.after(Duration::from_millis(1), fail);
    scene.event_loop.run(&mut scene.world).unwrap();
    assert_eq!(told.borrow().len(), 2);
}

#[test]
fn a_panic_of_another_hook_is_caught_and_ends_that_hook() {
    let (mut scene, told) = catching(Limits::new().max_total_queued_bytes(1000));
    let mut bystander = bystander(&mut scene);
    scene
        .event_loop
        .on_pressure(|_, _| std::panic::panic_any(OWN_FAULT));
    let hole = BlackHole::new();
    let id = scene.connect(hole.address(), SocketOptions::new(), Recorder::new("us"));
    scene.socket(id).write(&[0; 950]).ignore();
    scene.drive("the pressure", |_| !told.borrow().is_empty());
    scene
        .event_loop
        .on_stall(Duration::ZERO, |_, _| std::panic::panic_any(OWN_FAULT));
    scene.event_loop.defer(|_| ());
    scene.drive("the stall", |_| told.borrow().len() == 2);
    assert!(!scene.socket(id).is_destroyed());
    scene.socket(id).destroy();
    assert_usable(&mut scene, &mut bystander);
    assert_eq!(told.borrow().len(), 2);
}

#[test]
fn a_panic_hook_that_panics_is_dropped() {
    let (mut scene, _) = catching(Limits::new());
    let mut bystander = bystander(&mut scene);
    let calls = Rc::new(Cell::new(0));
    let counted = Rc::clone(&calls);
    scene.event_loop.on_panic(move |_, _| {
        counted.set(counted.get() + 1);
        std::panic::panic_any(OWN_FAULT);
    });
    scene.event_loop.defer(fail);
    scene.event_loop.defer(fail);
    scene.settle();
    assert_eq!(calls.get(), 1);
    assert_eq!(scene.event_loop.statistics().panics, 3);
    assert_usable(&mut scene, &mut bystander);
}

/// A handler, or the value of a panic, whose drop panics.
struct BadDrop;

impl Drop for BadDrop {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            std::panic::panic_any(OWN_FAULT);
        }
    }
}

impl SocketHandler<World> for BadDrop {
    fn on_data(&mut self, _: &mut Context<'_, World>, _: &[u8]) {
        std::panic::panic_any(Self);
    }
    fn on_close(&mut self, cx: &mut Context<'_, World>, reason: CloseReason) {
        cx.shared.note(format!("{reason:?}"));
    }
    fn on_shutdown(&mut self, _: &mut Context<'_, World>) -> AtShutdown {
        std::panic::panic_any(OWN_FAULT);
    }
}

#[test]
fn a_drop_that_panics_is_caught_too() {
    let (mut scene, told) = catching(Limits::new());
    let mut bystander = bystander(&mut scene);
    let (ours, mut peer) = Peer::pair();
    scene
        .event_loop
        .adopt(ours, SocketOptions::new(), BadDrop)
        .unwrap();
    peer.write(b"x");
    scene.drive("the close", |world| !world.notes.is_empty());
    scene.settle();
    // The callback, with a value that is no text, and the drop of the handler.
    let messages: Vec<_> = told.borrow().iter().map(|it| it.1.clone()).collect();
    assert_eq!(messages, [None, Some(OWN_FAULT.to_owned())]);
    assert_eq!(scene.world.notes, ["Error"]);
    let (ours, _peer) = Peer::pair();
    let id = scene
        .event_loop
        .adopt(ours, SocketOptions::new(), BadDrop)
        .unwrap();
    scene
        .event_loop
        .context(&mut scene.world)
        .replace_handler(id, Recorder::new("successor"), b"");
    scene.settle();
    assert_eq!(told.borrow().len(), 3);
    assert!(!scene.socket(id).is_destroyed());
    assert_usable(&mut scene, &mut bystander);
}

#[test]
fn a_panic_in_on_shutdown_closes_that_socket() {
    let (mut scene, told) = catching(Limits::new());
    let (ours, _peer) = Peer::pair();
    scene
        .event_loop
        .adopt(ours, SocketOptions::new(), BadDrop)
        .unwrap();
    scene
        .event_loop
        .shutdown(Duration::from_secs(60), |cx, _| cx.shared.note("over"));
    scene.drive("the end", |world| world.notes.contains(&"over".to_owned()));
    assert_eq!(scene.world.notes, ["Error", "over"]);
    assert_eq!(told.borrow().len(), 2, "and the drop");
}

#[test]
fn a_caught_panic_is_shown_as_a_line_for_a_log() {
    let (mut scene, _) = catching(Limits::new());
    let lines = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&lines);
    scene.event_loop.on_panic(move |_, panic| {
        assert!(panic.payload().is::<String>());
        log.borrow_mut().push(panic.to_string());
    });
    scene
        .event_loop
        .defer(|cx| panic!("a fault of the {}", cx.shared.brief()));
    scene.turn();
    let expected = "a callback of the loop panicked: a fault of the ";
    assert!(lines.borrow()[0].starts_with(expected), "{lines:?}");
}
