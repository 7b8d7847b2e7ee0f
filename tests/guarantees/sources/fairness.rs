//! Sources and sockets share one run queue and one budget (I9; budget_udp, embed_ready_list).

use std::time::Duration;

use netloop::{Budget, Interest, Wait};

use super::{Stage, Watch, pair, receive_one};
use crate::support::let_time_pass;

// budget_udp: one report, a hundred datagrams, and no datagram waits for further traffic.
#[test]
fn a_budget_cuts_a_hundred_datagrams_into_turns() {
    const DATAGRAMS: usize = 100;
    const BUDGET: u32 = 16;
    let mut stage = Stage::new();
    let (source, peer) = pair();
    // The kernel queues few datagrams of a Unix socket, so the test refills the queue as it drains.
    peer.set_nonblocking(true).unwrap();
    let mut sent = 0;
    let mut refill = move || {
        while sent < DATAGRAMS && peer.send(sent.to_string().as_bytes()).is_ok() {
            sent += 1;
        }
        sent
    };
    refill();
    stage.add(
        source,
        Interest::READABLE,
        Watch::new("a").on_readable(receive_one),
    );
    let mut turns = 0;
    loop {
        let turn = stage.turn_within(Wait::No, Budget::new().steps(BUDGET));
        assert!(turn.events <= BUDGET);
        turns += 1;
        let is_sent = refill() == DATAGRAMS;
        if !turn.more && is_sent {
            break;
        }
        if turn.more {
            assert!(turn.events > 0, "no progress");
            assert_eq!(stage.event_loop.poll_timeout(), Some(Duration::ZERO));
        }
        assert!(turns < 10 * DATAGRAMS, "{:?}", stage.notes.len());
    }
    stage.settle();
    let words: Vec<_> = stage
        .notes
        .iter()
        .filter(|note| note.parse::<usize>().is_ok())
        .collect();
    assert_eq!(words.len(), DATAGRAMS);
    assert!(
        words
            .iter()
            .enumerate()
            .all(|(at, note)| **note == at.to_string())
    );
    assert!(turns >= DATAGRAMS / BUDGET as usize, "{turns} turns");
}

// embed_ready_list: the descriptor of the loop is quiet then, and the host must not wait on it alone.
#[test]
fn a_source_that_a_budget_left_over_is_more_to_do() {
    let mut stage = Stage::new();
    let (source, peer) = pair();
    stage.add(
        source,
        Interest::READABLE,
        Watch::new("a").on_readable(receive_one),
    );
    peer.send(b"one").unwrap();
    peer.send(b"two").unwrap();
    let one = Budget::new().steps(1);
    for expected in ["one", "two", "would block"] {
        let turn = stage.turn_within(Wait::Forever, one);
        assert_eq!(turn.events, 1);
        assert_eq!(stage.notes.last().unwrap(), expected);
        let is_last = expected == "would block";
        assert_eq!(turn.more, !is_last);
        let timeout = (!is_last).then_some(Duration::ZERO);
        assert_eq!(stage.event_loop.poll_timeout(), timeout);
    }
}

// I9: while others wait, a source is called once; alone, as often in a row as its handler said.
#[test]
fn a_source_that_is_always_ready_starves_no_other() {
    for burst in [1_usize, 4, 16] {
        let mut stage = Stage::new();
        let (busy, busy_peer) = pair();
        busy_peer.send(b"x").unwrap();
        let handler = Watch::new("busy")
            .burst(u32::try_from(burst).unwrap())
            .on_readable(|_| ());
        stage.add(busy, Interest::READABLE, handler);
        let mut peers = Vec::new();
        for number in 0..3 {
            let (source, peer) = pair();
            peer.send(b"word").unwrap();
            let handler = Watch::new(number.to_string()).on_readable(receive_one);
            stage.add(source, Interest::READABLE, handler);
            peers.push(peer);
        }
        let turn = stage.turn();
        assert_eq!(stage.count("busy readable"), 1);
        assert_eq!(stage.count("word"), 3);
        assert!(turn.more);
        // In the second turn the others find nothing. From the third on the source is alone.
        stage.turn();
        assert_eq!(stage.count("would block"), 3);
        let before = stage.count("busy readable");
        for _ in 0..5 {
            stage.turn();
        }
        assert_eq!(stage.count("busy readable"), before + 5 * burst);
    }
}

#[test]
fn busy_sources_share_a_small_budget() {
    let mut stage = Stage::new();
    let mut peers = Vec::new();
    for name in ["a", "b"] {
        let (source, peer) = pair();
        peer.send(b"x").unwrap();
        let handler = Watch::new(name).on_readable(|_| ());
        stage.add(source, Interest::READABLE, handler);
        peers.push(peer);
    }
    for _ in 0..48 {
        let turn = stage.turn_within(Wait::No, Budget::new().steps(1));
        assert_eq!(turn.events, 1);
    }
    assert_eq!(stage.count("a readable"), 24);
    assert!(stage.notes.windows(2).all(|pair| pair[0] != pair[1]));
}

#[test]
fn a_busy_source_does_not_hold_timers_back() {
    let mut stage = Stage::new();
    let (source, peer) = pair();
    peer.send(b"x").unwrap();
    let id = stage.add(
        source,
        Interest::READABLE,
        Watch::new("busy").on_readable(|_| ()),
    );
    stage.event_loop.after(Duration::from_millis(1), move |cx| {
        cx.shared.push("timer".to_owned());
        cx.sockets.source(id).close();
    });
    stage.run_to_its_end();
    assert!(stage.has("timer") && stage.has("busy close"));
}

#[test]
fn a_datagram_that_came_in_time_is_read_before_the_timer() {
    for busy in 0..8 {
        let mut stage = Stage::new();
        let mut peers = Vec::new();
        for _ in 0..busy {
            let (source, peer) = pair();
            peer.send(b"x").unwrap();
            let handler = Watch::new("busy").on_readable(|_| ());
            stage.add(source, Interest::READABLE, handler);
            peers.push(peer);
        }
        let (source, peer) = pair();
        let handler = Watch::new("a").on_readable(receive_one);
        let id = stage.add(source, Interest::READABLE, handler);
        stage
            .event_loop
            .source(id)
            .after(Duration::from_millis(1), 1);
        peer.send(b"in time").unwrap();
        let_time_pass(Duration::from_millis(3));
        for _ in 0..100 {
            stage.turn_within(Wait::No, Budget::new().steps(1));
        }
        let at = |note: &str| stage.notes.iter().position(|noted| noted == note);
        assert!(
            at("in time").unwrap() < at("a timer 1").unwrap(),
            "beside {busy}"
        );
        assert_eq!(stage.count("a timer 1"), 1);
    }
}
