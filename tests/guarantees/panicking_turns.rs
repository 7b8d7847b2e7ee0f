//! Callbacks that panic in each turn starve no other work, with a budget and without (I9).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use netloop::{Budget, EventLoop, EventLoopOptions, LoopContext, PanicPolicy, SocketOptions, Wait};

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
