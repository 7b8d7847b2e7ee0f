//! One helper for all callbacks and for the host; what the closure of `listen` may do; options of the loop; `run_for`;
//! `flush` within a budget.

use std::time::{Duration, Instant};

use netloop::{
    Budget, CloseReason, EventLoop, EventLoopOptions, Limits, LoopContext, RunEnd, SocketOptions,
    Wait,
};

use crate::support::{PATIENCE, Peer, PeerEnd, Recorder, Scene, Seen, World, filtered, loopback};

const FAR: Duration = Duration::from_secs(60);

/// A helper as users write it.
fn note(cx: &mut LoopContext<'_, World>, from: &str) {
    let sockets = cx.sockets.ids().count();
    cx.shared.note(format!("{from}:{sockets}"));
}

#[test]
fn a_helper_is_called_from_every_callback_and_from_the_host() {
    let mut scene = Scene::new();
    let noting = Recorder::new("us").on("data", |cx, _| note(&mut cx.as_loop(), "on_data"));
    let (_, mut peer) = scene.accepted(SocketOptions::new(), noting);
    note(&mut scene.event_loop.context(&mut scene.world), "host");
    scene.event_loop.defer(|cx| note(cx, "deferred"));
    scene
        .event_loop
        .after(Duration::ZERO, |cx| note(cx, "timer"));
    peer.write(b"x");
    scene.drive("all four", |world| world.notes.len() == 4);
    scene.world.notes.sort();
    assert_eq!(
        scene.world.notes,
        ["deferred:1", "host:1", "on_data:1", "timer:1"]
    );
}

#[test]
fn a_closure_that_accepts_can_refuse_write_and_connect() {
    let mut scene = Scene::new();
    let (_, upstream) = scene.listen(SocketOptions::new(), |_| Recorder::new("upstream"));
    let mut count = 0;
    let server = scene
        .event_loop
        .listen(loopback(), move |cx, accepted| {
            count += 1;
            if count == 1 {
                return None;
            }
            let _ = cx.sockets.socket(accepted.id).write(b"welcome");
            let options = filtered::options_to(upstream);
            let downstream = Recorder::new("downstream");
            cx.connect_with(upstream, options, downstream).ok()?;
            Some(Recorder::new("accepted"))
        })
        .unwrap();
    let address = scene.address_of(server);
    let mut refused = Peer::connect(address);
    assert_eq!(scene.peer_reads_to_end(&mut refused).end, PeerEnd::Fin);
    let mut welcome = Peer::connect(address);
    assert_eq!(scene.peer_reads(&mut welcome, 7), b"welcome");
    scene.drive_until("upstream", "connect");
    scene.drive_until("downstream", "connect");
    assert_eq!(scene.world.trace("accepted"), "connect");
}

#[test]
fn an_adopted_listener_has_the_closure_form() {
    let mut scene = Scene::new();
    let listener = std::net::TcpListener::bind(loopback()).unwrap();
    let address = listener.local_addr().unwrap();
    scene
        .event_loop
        .listen(listener, |_, _| Recorder::new("accepted"))
        .unwrap();
    let mut peer = Peer::connect(address);
    peer.write(b"hello");
    scene.drive("the bytes", |world| world.received("accepted") == b"hello");
}

#[test]
fn run_for_says_how_it_ended() {
    let mut event_loop: EventLoop<Vec<&str>> = EventLoop::new().unwrap();
    let mut told = Vec::new();
    assert_eq!(
        event_loop.run_for(&mut told, FAR).unwrap(),
        RunEnd::Finished
    );

    event_loop.after(Duration::from_millis(1), |cx| cx.shared.push("timer"));
    assert_eq!(
        event_loop.run_for(&mut told, FAR).unwrap(),
        RunEnd::Finished
    );
    assert_eq!(told, ["timer"]);

    let id = event_loop.after(FAR, |_| {});
    let limit = Duration::from_millis(20);
    let began = Instant::now();
    assert_eq!(
        event_loop.run_for(&mut told, limit).unwrap(),
        RunEnd::TimedOut
    );
    assert!(began.elapsed() >= limit, "it came early");

    event_loop.defer(|cx| cx.stop());
    assert_eq!(event_loop.run_for(&mut told, FAR).unwrap(), RunEnd::Stopped);
    event_loop.stop();
    assert_eq!(event_loop.run_for(&mut told, FAR).unwrap(), RunEnd::Stopped);

    event_loop.timer(id).release();
    assert_eq!(
        event_loop.run_for(&mut told, Duration::MAX).unwrap(),
        RunEnd::Finished
    );
}

#[test]
fn run_for_ends_in_time_while_something_happens_all_the_time() {
    let mut event_loop: EventLoop<u64> = EventLoop::new().unwrap();
    fn again(cx: &mut LoopContext<'_, u64>) {
        *cx.shared += 1;
        cx.defer(again);
    }
    event_loop.defer(again);
    let began = Instant::now();
    let end = event_loop
        .run_for(&mut 0, Duration::from_millis(20))
        .unwrap();
    assert_eq!(end, RunEnd::TimedOut);
    assert!(began.elapsed() < FAR);
}

#[test]
fn a_budget_keeps_the_smaller_of_two_limits() {
    let (little, much) = (Duration::from_millis(1), Duration::from_secs(1));
    let budget = Budget::new().time(little).steps(3);
    assert_eq!(budget.time(much).steps(9), budget);
    assert_eq!(
        Budget::new().time(much).time(little),
        Budget::new().time(little)
    );
    assert_eq!(Budget::new().steps(9).steps(3), Budget::new().steps(3));
    assert_eq!(Budget::new(), Budget::default());
}

#[test]
fn a_flush_within_a_budget_says_whether_more_is_left() {
    let mut scene = Scene::new();
    let mut sides: Vec<_> = (0..5)
        .map(|n| scene.adopted(SocketOptions::new(), Recorder::new(format!("{n}"))))
        .collect();
    scene.settle();
    for (id, _) in &sides {
        let _ = scene.socket(*id).write(b"frame");
    }
    let two = Budget::new().steps(2);
    assert!(scene.event_loop.flush(two), "three are left");
    let have = |sides: &mut Vec<(_, Peer)>| {
        let have = sides.iter_mut();
        have.filter_map(|(_, peer)| peer.read_some(5).unwrap())
            .count()
    };
    let mut arrived = have(&mut sides);
    assert!(scene.event_loop.flush(two), "one is left");
    assert!(!scene.event_loop.flush(two), "none is left");
    let deadline = Instant::now() + PATIENCE;
    while arrived < 5 {
        assert!(Instant::now() < deadline, "{arrived} of 5 have theirs");
        arrived += have(&mut sides);
    }
    // Whatever the budget, something is done.
    let _ = scene.socket(sides[0].0).write(b"frame");
    assert!(!scene.event_loop.flush(Budget::new().time(Duration::ZERO)));
}

#[test]
fn the_options_of_a_loop_are_heeded_and_can_be_asked() {
    let options = EventLoopOptions::new()
        .events_per_poll(1)
        .read_buffer_bytes(2048)
        .busy_poll(Duration::from_micros(10))
        .posts_capacity(2)
        .limits(Limits::new().lookup_threads(1))
        .pooled_bytes(0);
    let mut scene = Scene::new();
    scene.event_loop = EventLoop::with_options(options.clone()).unwrap();
    assert_eq!(*scene.event_loop.options(), options);

    let remote = scene.event_loop.remote();
    let posts = [0; 3].map(|_| remote.post(|cx| cx.shared.note("post")));
    let full = posts[2].as_ref().unwrap_err();
    assert_eq!(full.code(), netloop::Error::MAILBOX_FULL);
    assert!(posts[..2].iter().all(Result::is_ok));

    let (_, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    let (_, mut other) = scene.accepted(SocketOptions::new(), Recorder::new("other"));
    peer.write(&[7; 5000]);
    other.write(&[8; 5000]);
    peer.half_close();
    scene.drive("the bytes", |world| world.received_length("other") == 5000);
    scene.drive_to_close("us");
    let pieces = scene.world.of("us").filter_map(|event| match &event.seen {
        Seen::Data(piece) => Some(piece.len()),
        _ => None,
    });
    assert!(
        pieces
            .inspect(|piece| assert!(*piece <= 2048))
            .sum::<usize>()
            == 5000
    );
    assert_eq!(scene.world.close_reason("us"), Some(CloseReason::Graceful));
    assert_eq!(scene.world.notes, ["post"; 2]);
}

#[test]
fn a_timer_that_is_released_does_not_keep_the_loop_going() {
    let mut event_loop: EventLoop = EventLoop::new().unwrap();
    let id = event_loop.after(FAR, |_| {});
    assert!(event_loop.timer(id).is_held());
    event_loop.timer(id).release();
    event_loop.timer(id).release();
    assert!(!event_loop.timer(id).is_held() && !event_loop.is_alive());
    event_loop.timer(id).hold();
    assert!(event_loop.is_alive());
    assert!(event_loop.timer(id).cancel());
    assert!(!event_loop.timer(id).is_held() && !event_loop.is_alive());
    event_loop.timer(id).hold();
    assert!(!event_loop.is_alive(), "it is over");
    let turn = event_loop.turn(&mut (), Wait::No, Budget::new()).unwrap();
    assert!(!turn.alive);
}
