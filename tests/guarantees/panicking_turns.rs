//! Callbacks that panic in each turn starve no other work, with a budget and without (I9).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use netloop::{
    Budget, Context, EventLoop, EventLoopOptions, LoopContext, PanicPolicy, SocketHandler,
    SocketOptions, Wait,
};

use crate::support::{Peer, Recorder, Scene, World, let_time_pass};

/// Within this many turns, each kind of work makes a step.
const ROTATION: u32 = 8;

fn catching_or_not(panic_policy: PanicPolicy) -> Scene {
    let options = EventLoopOptions::new().panic_policy(panic_policy);
    Scene {
        event_loop: EventLoop::with_options(options).unwrap(),
        world: World::default(),
    }
}

fn turn(scene: &mut Scene, budget: Budget) {
    let turn = scene.event_loop.turn(&mut scene.world, Wait::No, budget);
    turn.unwrap();
}

// A turn with a budget ends at a panic. Peers or callers whose callbacks panic each time must not keep the others waiting.
#[test]
fn callbacks_that_panic_each_turn_starve_no_other_work() {
    type Provoke = fn(&mut Scene) -> Option<Peer>;
    fn fail(_: &mut LoopContext<'_, World>) {
        std::panic::panic_any("a fault of the test");
    }
    let provokers: [Provoke; 3] = [
        |scene| {
            scene.event_loop.defer(fail);
            None
        },
        |scene| {
            scene.event_loop.remote().post(fail).unwrap();
            None
        },
        |scene| {
            let recorder = Recorder::new("bad").on("data", |cx, _| fail(&mut cx.as_loop()));
            let (_, mut peer) = scene.adopted(SocketOptions::new(), recorder);
            peer.write(b"x");
            Some(peer)
        },
    ];
    for policy in [PanicPolicy::Close, PanicPolicy::Propagate] {
        for provoke in provokers {
            let mut scene = catching_or_not(policy);
            let (doomed, peer) = scene.adopted(SocketOptions::new(), Recorder::new("doomed"));
            let mut peers = vec![peer];
            scene.settle();
            let timer = scene.event_loop.after(Duration::ZERO, |_| ());
            scene.socket(doomed).destroy();
            let_time_pass(Duration::from_millis(3));
            for _ in 0..=ROTATION {
                peers.extend(provoke(&mut scene));
                let budget = Budget::new().steps(1_000);
                let made = catch_unwind(AssertUnwindSafe(|| turn(&mut scene, budget)));
                assert!(made.is_ok() || policy == PanicPolicy::Propagate);
            }
            assert!(!scene.event_loop.timer(timer).cancel(), "{policy:?}");
            let is_left = scene.event_loop.sockets().ids().any(|id| id == doomed);
            assert!(!is_left, "{policy:?}");
        }
    }
}

// A turn without a budget goes on behind each caught panic, up to a limit.
#[test]
fn a_call_that_always_panics_starves_no_other_work() {
    fn fail_again(cx: &mut LoopContext<'_, World>) {
        cx.defer(fail_again);
        std::panic::panic_any("a fault of the test");
    }
    let mut scene = catching_or_not(PanicPolicy::Close);
    let (_, mut peer) = scene.adopted(SocketOptions::new(), Recorder::new("good"));
    scene.settle();
    let timer = scene.event_loop.after(Duration::ZERO, |_| ());
    let_time_pass(Duration::from_millis(3));
    peer.write(b"x");
    scene.event_loop.defer(fail_again);
    turn(&mut scene, Budget::new());
    assert!(!scene.event_loop.timer(timer).cancel());
    assert!(scene.world.has("good", "data"));
}

// The work that a turn makes once is not made again behind each of its panics.
#[test]
fn a_turn_with_many_panics_calls_its_hooks_once() {
    fn fail_again(cx: &mut LoopContext<'_, World>) {
        cx.defer(fail_again);
        std::panic::panic_any("a fault of the test");
    }
    fn post_again(cx: &mut LoopContext<'_, World>) {
        cx.remote().post(post_again).unwrap();
        std::panic::panic_any("a fault of the test");
    }
    let provokers: [fn(&mut Scene); 3] = [
        |scene| scene.event_loop.defer(fail_again),
        |scene| scene.event_loop.remote().post(post_again).unwrap(),
        |scene| {
            scene.event_loop.defer(fail_again);
            scene.event_loop.remote().post(post_again).unwrap();
        },
    ];
    for provoke in provokers {
        let mut scene = catching_or_not(PanicPolicy::Close);
        scene.event_loop.on_prepare(|cx| cx.shared.note("prepare"));
        scene.event_loop.on_check(|cx| cx.shared.note("check"));
        provoke(&mut scene);
        for _ in 0..3 {
            scene.world.notes.clear();
            turn(&mut scene, Budget::new());
            assert_eq!(scene.world.notes, ["prepare", "check"]);
        }
    }
}

#[test]
fn a_hook_that_panics_keeps_no_other_hook_from_its_one_call() {
    fn fail(_: &mut LoopContext<'_, World>) {
        std::panic::panic_any("a fault of the test");
    }
    let mut scene = catching_or_not(PanicPolicy::Close);
    let event_loop = &mut scene.event_loop;
    event_loop.on_prepare(|cx| cx.shared.note("prepare 1"));
    event_loop.on_prepare(fail);
    event_loop.on_prepare(|cx| cx.shared.note("prepare 2"));
    event_loop.on_check(|cx| cx.shared.note("check 1"));
    event_loop.on_check(fail);
    event_loop.on_check(|cx| cx.shared.note("check 2"));
    for _ in 0..2 {
        scene.world.notes.clear();
        turn(&mut scene, Budget::new());
        let expected = ["prepare 1", "prepare 2", "check 1", "check 2"];
        assert_eq!(scene.world.notes, expected);
    }
    assert_eq!(scene.event_loop.statistics().panics, 2);
}

// Otherwise a busy thread would keep the sockets waiting.
#[test]
fn a_turn_with_many_panics_makes_no_more_posts_than_another() {
    fn fail_again(cx: &mut LoopContext<'_, World>) {
        cx.defer(fail_again);
        std::panic::panic_any("a fault of the test");
    }
    let mut scene = catching_or_not(PanicPolicy::Close);
    scene.event_loop.defer(fail_again);
    let remote = scene.event_loop.remote();
    for _ in 0..5_000 {
        remote.post(|cx| cx.shared.note("post")).unwrap();
    }
    turn(&mut scene, Budget::new());
    assert_eq!(scene.world.notes.len(), 1024);
}

// The panic comes before all parts, in the drop of a handler that was replaced between the turns.
#[test]
fn a_turn_that_begins_with_a_panic_still_polls() {
    struct BadDrop;
    impl Drop for BadDrop {
        fn drop(&mut self) {
            std::panic::panic_any("a fault of the test");
        }
    }
    impl SocketHandler<World> for BadDrop {
        fn on_data(&mut self, _: &mut Context<'_, World>, _: &[u8]) {}
    }
    let mut scene = catching_or_not(PanicPolicy::Close);
    let (ours, mut peer) = Peer::pair();
    let options = SocketOptions::new();
    let id = scene.event_loop.adopt(ours, options, BadDrop).unwrap();
    scene.event_loop.on_prepare(|cx| cx.shared.note("prepare"));
    turn(&mut scene, Budget::new());
    scene.world.notes.clear();
    scene
        .event_loop
        .context(&mut scene.world)
        .replace_handler(id, Recorder::new("successor"), b"");
    peer.write(b"x");
    turn(&mut scene, Budget::new());
    assert_eq!(scene.event_loop.statistics().panics, 1);
    assert_eq!(scene.world.notes, ["prepare"]);
    assert!(scene.world.has("successor", "data"));
}
