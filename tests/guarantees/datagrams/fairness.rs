//! Floods: a socket that always has a datagram delays the others by one budget.

use std::io::Write as _;
use std::time::{Duration, Instant};

use netloop::{Budget, Context, DatagramOptions, SocketHandler, SocketOptions, Wait};

use super::{Notes, Stage, Watch, peer};
use crate::support::PATIENCE;

/// Fills the kernel's buffer of the socket at `address`.
fn flood(address: std::net::SocketAddr, datagrams: usize) {
    let (peer, _) = peer();
    for _ in 0..datagrams {
        peer.send_to(b"flood", address).unwrap();
    }
}

fn count(stage: &Stage) -> usize {
    stage.count("a flood")
}

// I9; libuv reads 32 at a time, too.
#[test]
fn a_flood_is_received_in_turns_of_the_budget() {
    for (budget, turns) in [(32, 4), (5, 20)] {
        let mut stage = Stage::new();
        let options = DatagramOptions::new().receives_per_turn(budget);
        let (_, address) = stage.bind(options, Watch::new("a"));
        stage.settle_for_a_while();
        flood(address, 100);
        let mut taken = 0;
        while count(&stage) < 100 {
            let before = count(&stage);
            let turn = stage.turn();
            let received = count(&stage) - before;
            assert!(received <= budget as usize, "{received} in a turn");
            assert_eq!(turn.events as usize, received);
            taken += 1;
        }
        assert!(taken >= turns, "{taken} turns");
        stage.settle_for_a_while();
        assert_eq!(count(&stage), 100);
    }
}

#[test]
fn a_flood_delays_tcp_and_timers_by_one_budget() {
    struct Pong;
    impl SocketHandler<Notes> for Pong {
        fn on_data(&mut self, cx: &mut Context<'_, Notes>, data: &[u8]) {
            cx.shared.push("pong".to_owned());
            cx.socket.write(data).ignore();
        }
    }
    let mut stage = Stage::new();
    let (_, address) = stage.bind(DatagramOptions::new(), Watch::new("a"));
    let (ours, mut theirs) = tcp_pair();
    let options = SocketOptions::new();
    stage.event_loop.adopt(ours, options, Pong).unwrap();
    for _ in 0..20 {
        stage.settle_for_a_while();
        stage.notes.clear();
        flood(address, 200);
        theirs.write_all(b"ping").unwrap();
        stage.event_loop.after(Duration::ZERO, |cx| {
            cx.shared.push("timer".to_owned());
        });
        stage.turn();
        let pong = stage.notes.iter().position(|note| note == "pong");
        assert!(pong.is_some_and(|before| before <= 32), "{:?}", stage.notes);
        while !stage.has("timer") {
            let due = stage.event_loop.next_deadline().unwrap();
            // The wheel counts whole milliseconds.
            let is_due = due + Duration::from_millis(2) <= Instant::now();
            let before = count(&stage);
            stage.turn_within(Wait::For(Duration::from_millis(1)), Budget::new());
            if is_due {
                assert!(stage.has("timer"), "it was due before this turn");
                assert!(count(&stage) - before <= 32);
            }
        }
    }
}

fn tcp_pair() -> (std::net::TcpStream, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind(super::loopback()).unwrap();
    let ours = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (theirs, _) = listener.accept().unwrap();
    theirs.set_nodelay(true).unwrap();
    (ours, theirs)
}

#[test]
fn a_budget_of_the_turn_counts_datagrams_and_their_bytes() {
    let mut stage = Stage::new();
    let (_, address) = stage.bind(DatagramOptions::new(), Watch::new("a"));
    stage.settle_for_a_while();
    flood(address, 20);
    let turn = stage.turn_within(Wait::No, Budget::new().steps(3));
    assert_eq!((turn.events, count(&stage)), (3, 3));
    assert!(turn.more);
    let turn = stage.turn_within(Wait::No, Budget::new().bytes(10));
    assert_eq!((turn.events, count(&stage)), (2, 5));
    stage.settle_for_a_while();
    assert_eq!(count(&stage), 20);
}

#[test]
fn two_floods_are_served_in_turn() {
    let mut stage = Stage::new();
    let options = DatagramOptions::new().receives_per_turn(4);
    let (_, one) = stage.bind(options.clone(), Watch::new("a"));
    let (_, other) = stage.bind(options, Watch::new("b"));
    stage.settle_for_a_while();
    flood(one, 40);
    flood(other, 40);
    for turn in 1..=10 {
        stage.turn();
        assert_eq!(stage.count("a flood"), 4 * turn);
        assert_eq!(stage.count("b flood"), 4 * turn);
    }
}

#[test]
fn the_statistics_count_datagrams_and_their_bytes() {
    let mut stage = Stage::new();
    let (id, address) = stage.bind(DatagramOptions::new(), Watch::echo("a"));
    stage.settle_for_a_while();
    let (peer, _) = peer();
    for _ in 0..10 {
        peer.send_to(b"1234567", address).unwrap();
    }
    stage.drive("all", |stage| stage.socket(id).sent_datagrams() == 10);
    let one = stage.event_loop.statistics();
    assert_eq!((one.datagrams_received, one.datagrams_sent), (10, 10));
    assert_eq!((one.bytes_received, one.bytes_sent), (70, 70));
    assert_eq!((one.datagram_sockets, one.sockets, one.servers), (1, 0, 0));
    stage.socket(id).close();
    stage.run_to_its_end();
    let after = stage.event_loop.statistics();
    assert_eq!((after.datagrams_received, after.bytes_received), (10, 70));
    assert_eq!(after.datagram_sockets, 0);
    assert_eq!(after.since(&one).datagrams_received, 0);
}

#[test]
fn an_idle_udp_socket_costs_no_turn() {
    let mut stage = Stage::new();
    stage.bind(DatagramOptions::new(), Watch::new("a"));
    stage.settle_for_a_while();
    let before = stage.event_loop.statistics();
    let deadline = Instant::now() + Duration::from_millis(50);
    stage
        .event_loop
        .run_until(&mut stage.notes, deadline)
        .unwrap();
    let turns = stage.event_loop.statistics().since(&before).turns;
    assert!(turns <= 3, "{turns} turns");
}

/// Turns within `budget` until the timer that was armed with `after` has passed, and on until it is told.
fn drive_to_timer(stage: &mut Stage, due: Instant, budget: Budget) {
    while Instant::now() < due {
        std::hint::spin_loop();
    }
    let deadline = Instant::now() + PATIENCE;
    while !stage.has("a timer 1") {
        stage.turn_within(Wait::No, budget);
        assert!(Instant::now() < deadline, "{:?}", stage.notes);
    }
}

// I8: the answers to the questions that a resolver times. The loop has stalled, and each answer came in time.
#[test]
fn a_timer_is_told_after_datagrams_that_came_before() {
    for budget in [Budget::new(), Budget::new().steps(1)] {
        let mut stage = Stage::new();
        let options = DatagramOptions::new().receives_per_turn(4);
        let (id, address) = stage.bind(options, Watch::new("a"));
        stage.settle_for_a_while();
        stage.socket(id).after(Duration::from_millis(5), 1);
        let due = stage.event_loop.next_deadline().unwrap() + Duration::from_millis(2);
        flood(address, 5);
        drive_to_timer(&mut stage, due, budget);
        assert_eq!(count(&stage), 5);
        assert_eq!(stage.notes.last().unwrap(), "a timer 1");
    }
}

#[test]
fn a_flood_puts_a_timer_off_by_the_receives_of_a_turn() {
    let mut stage = Stage::new();
    let options = DatagramOptions::new().receives_per_turn(4);
    let (id, address) = stage.bind(options, Watch::new("a"));
    stage.settle_for_a_while();
    stage.socket(id).after(Duration::from_millis(5), 1);
    let due = stage.event_loop.next_deadline().unwrap() + Duration::from_millis(2);
    flood(address, 100);
    drive_to_timer(&mut stage, due, Budget::new());
    assert_eq!(count(&stage), 8);
    assert_eq!(stage.notes.last().unwrap(), "a timer 1");
}

/// Sends five datagrams to a socket with a timer, which passes after them, and turns until the timer is told. No poll
/// reports anything, and system calls are interrupted as often as `interruptions` of a thousand.
#[cfg(feature = "simulation")]
fn told_behind_silent_polls(seed: u64, interruptions: u16) -> Stage {
    use netloop::simulation::{Faults, faulty_event_loop};

    let faults = Faults {
        empty_polls: 1000,
        interruptions,
        ..Faults::NONE
    };
    let mut stage = Stage::on(faulty_event_loop(seed, faults).unwrap());
    let (id, address) = stage.bind(DatagramOptions::new(), Watch::new("a"));
    stage.drive_to("a listening");
    stage.socket(id).after(Duration::from_millis(5), 1);
    let due = stage.event_loop.next_deadline().unwrap() + Duration::from_millis(2);
    flood(address, 5);
    drive_to_timer(&mut stage, due, Budget::new());
    stage
}

// A poll may return before the kernel's report, and then proves nothing.
#[cfg(feature = "simulation")]
#[test]
fn a_timer_asks_the_kernel_for_datagrams_it_did_not_report() {
    let stage = told_behind_silent_polls(1, 0);
    assert_eq!(count(&stage), 5);
    assert_eq!(stage.notes.last().unwrap(), "a timer 1");
}

// A signal that interrupts a receive says nothing of the datagrams that have arrived. A call is repeated seven times at once.
#[cfg(feature = "simulation")]
#[test]
fn a_timer_waits_for_receives_that_signals_interrupt() {
    for seed in 0..10 {
        let stage = told_behind_silent_polls(seed, 850);
        assert_eq!(count(&stage), 5, "seed {seed}");
        assert_eq!(stage.notes.last().unwrap(), "a timer 1");
    }
}

#[cfg(feature = "simulation")]
#[test]
fn a_timer_does_not_wait_for_signals_without_end() {
    let stage = told_behind_silent_polls(1, 1000);
    assert_eq!(stage.notes, ["a listening", "a timer 1"]);
}
