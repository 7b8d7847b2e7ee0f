//! Turns with a budget: bounded, always with progress, and no source is forgotten (I7, I9; reliability B1;
//! libuv's `budget_read`).

use std::time::{Duration, Instant};

use netloop::{Budget, EventLoop, ListenOptions, SocketOptions, Wait};

use crate::fairness::{Served, Sink, bulk, bytes_of, chatty, turn, wide_pair};
use crate::support::{
    Arrival, PATIENCE, Peer, Recorder, Scene, Seen, filtered, let_time_pass, spend,
};

// I7, I9
// Elsewhere than with epoll and kqueue a short transfer proves nothing: the loop makes one more call, in one more step.
#[cfg(not(any(windows, mio_unsupported_force_poll_poll)))]
#[test]
fn a_turn_with_a_budget_of_steps_resumes_the_last_one() {
    const SOCKETS: usize = 10;
    let mut event_loop = EventLoop::new().unwrap();
    let mut peers = Vec::new();
    for number in 0..SOCKETS {
        let (ours, mut peer) = wide_pair();
        let id = event_loop.adopt(ours, SocketOptions::new(), Sink(number));
        filtered::begin(&mut event_loop, &mut Served::new(), id.unwrap(), &mut peer);
        peers.push(peer);
    }
    for peer in &mut peers {
        peer.write(b"x");
    }
    for budget in [1, 3, 4] {
        let mut served = Served::new();
        for peer in &mut peers {
            peer.write(b"y");
        }
        let mut turns = 0;
        loop {
            let turn = turn(
                &mut event_loop,
                &mut served,
                Wait::No,
                Budget::new().steps(budget),
            );
            turns += 1;
            assert!(turn.events <= budget);
            if !turn.more {
                break;
            }
            assert!(turn.events > 0, "no progress");
            assert_eq!(event_loop.poll_timeout(), Some(Duration::ZERO));
        }
        let mut who: Vec<usize> = served.iter().map(|&(who, _)| who).collect();
        who.sort_unstable();
        assert_eq!(who, (0..SOCKETS).collect::<Vec<_>>());
        assert!(turns >= SOCKETS.div_ceil(budget as usize), "{turns} turns");
    }
}

// Elsewhere than with epoll and kqueue the one step may be a read that finds nothing.
#[cfg(not(any(windows, mio_unsupported_force_poll_poll)))]
#[test]
fn a_turn_with_no_time_at_all_serves_one_source() {
    let (mut event_loop, _peers, filled) = bulk(3);
    let mut served = Served::new();
    let mut turns = 0;
    let deadline = Instant::now() + PATIENCE;
    while served.iter().map(|(_, length)| length).sum::<usize>() < filled.iter().sum() {
        let budget = Budget::new().time(Duration::ZERO);
        let turn = turn(&mut event_loop, &mut served, Wait::No, budget);
        assert_eq!(turn.events, 1);
        turns += 1;
        assert!(Instant::now() < deadline);
    }
    assert_eq!(turns, served.len());
    for (number, &filled) in filled.iter().enumerate() {
        assert_eq!(bytes_of(&served, number), filled);
    }
}

#[test]
fn a_turn_begins_nothing_after_its_budget_of_time() {
    let mut scene = Scene::new();
    let (server, address) = scene.listen(ListenOptions::new(), |number| {
        Recorder::new(format!("slow {number}")).reacting(|_, seen| {
            if matches!(seen, Seen::Data(_)) {
                spend(Duration::from_millis(5));
            }
        })
    });
    let mut peers: Vec<Peer> = (0..20).map(|_| Peer::connect(address)).collect();
    scene.drive_with("all connections", |scene| {
        scene.event_loop.server(server).connection_count() == 20
    });
    for peer in &mut peers {
        peer.write(b"x");
    }
    let budget = Budget::new().time(Duration::from_millis(12));
    let turn = turn(&mut scene.event_loop, &mut scene.world, Wait::No, budget);
    // On a busy machine a sleep may take longer than 5 ms, never less: three of them are too many.
    assert!((1..=3).contains(&turn.events), "{turn:?}");
    assert!(turn.more);
}

// eof_after_budget.
#[test]
fn an_end_behind_the_last_byte_of_a_budget_is_not_lost() {
    let mut scene = Scene::new();
    let (ours, mut peer) = wide_pair();
    let adopted = Recorder::new("socket");
    let adopted = scene.event_loop.adopt(ours, SocketOptions::new(), adopted);
    scene.begin_filters(adopted.unwrap(), &mut peer);
    peer.write(b"the end");
    peer.half_close();
    scene.drive_with("the close", |scene| {
        let budget = Budget::new().steps(1);
        turn(&mut scene.event_loop, &mut scene.world, Wait::No, budget);
        scene.world.close_reason("socket").is_some()
    });
    assert_eq!(
        scene.world.trace("socket"),
        "data:the end end close:Graceful"
    );
}

// idle_not_while_ready: the same for what a budget has left over.
// Elsewhere than with epoll and kqueue a short transfer proves nothing: the loop makes one more call, in one more step.
#[cfg(not(any(windows, mio_unsupported_force_poll_poll)))]
#[test]
fn a_socket_whose_bytes_a_budget_left_unread_does_not_time_out() {
    let mut scene = Scene::new();
    let timeout = Duration::from_millis(100);
    let mut peers = chatty(&mut scene, SocketOptions::new(), 5);
    let ids: Vec<_> = scene.event_loop.sockets().ids().collect();
    for &id in &ids {
        scene.socket(id).set_idle_timeout(timeout);
    }
    for peer in &mut peers {
        peer.write(b"x");
    }
    scene.await_arrival(Arrival::Bytes, ids);
    spend(timeout + Duration::from_millis(10));
    for _ in 0..5 {
        let budget = Budget::new().steps(1);
        turn(&mut scene.event_loop, &mut scene.world, Wait::No, budget);
    }
    for number in 0..5 {
        let name = format!("socket {number}");
        let trace = scene.world.trace(&name);
        // A machine that holds this thread up behind the bytes may let the next timeout pass.
        assert!(trace.starts_with("connect data:x"), "{name}: {trace}");
    }
}

// E4, B13
#[test]
fn ten_thousand_due_timers_let_sockets_be_served_in_between() {
    const TIMERS: usize = 10_000;
    let mut scene = Scene::new();
    let (_, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    for number in 0..TIMERS {
        scene.event_loop.after(Duration::ZERO, move |cx| {
            cx.shared.note(number.to_string());
        });
    }
    // Till all of them are due.
    let_time_pass(Duration::from_millis(5));
    let mut turns = 0;
    while scene.world.notes.len() < TIMERS {
        peer.write(b"?");
        let turn = scene.turn();
        turns += 1;
        assert!(turn.timers <= 4096, "{turn:?}");
        assert_eq!(turn.more, scene.world.notes.len() < TIMERS);
        assert!(turns < 10);
    }
    assert_eq!(turns, 3);
    assert_eq!(scene.world.received_length("us"), 3);
    let order: Vec<String> = (0..TIMERS).map(|number| number.to_string()).collect();
    assert!(scene.world.notes == order, "in arming order, each once");
}
