//! The memory of a spike, which the loop gives back without being told, and that of ten thousand idle connections.

use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use netloop::{EventLoop, SocketOptions};

use super::support::in_own_process;
use super::{
    MANY_DESCRIPTORS, PATIENCE, connect, echo_server, live, most_pairs, report, round_trip, turn,
    turn_until_sockets_are,
};

/// Makes turns until the heap has at most `most` bytes, and returns the bytes that it has then. Nothing tells the loop to
/// give memory back.
fn turn_until_heap_has(event_loop: &mut EventLoop, most: usize) -> usize {
    let deadline = Instant::now() + PATIENCE;
    while live() > most && Instant::now() < deadline {
        turn(event_loop);
    }
    live()
}

// C14 of the reliability table.
#[test]
fn a_spike_is_given_back_without_being_told() {
    in_own_process(MANY_DESCRIPTORS, || {
        let before = live();
        let options = SocketOptions::new().idle_timeout(Duration::from_secs(600));
        let (mut event_loop, address) = echo_server(options);
        let mut first = connect(&mut event_loop, address, 1);
        round_trip(&mut event_loop, &mut first, b"hello");
        // This is the loop that has had no spike.
        let plain = live() - before;
        for spike in 1..=2 {
            for number in 0..100_000 {
                let after = Duration::from_millis(number % 50);
                let id = event_loop.after(after, |_| {});
                if number % 2 == 0 {
                    event_loop.timer(id).cancel();
                }
            }
            for _ in 0..10_000 {
                event_loop.defer(|_| {});
                event_loop.remote().post(|_| {}).unwrap();
            }
            let count = most_pairs().min(10_000);
            let mut peers = connect(&mut event_loop, address, count);
            round_trip(&mut event_loop, &mut peers, &[b'x'; 1_000]);
            let ids: Vec<_> = event_loop.sockets().ids().collect();
            let _ = event_loop
                .sockets()
                .broadcast(ids.iter().copied(), &[b'y'; 10_000]);
            for id in ids {
                event_loop.socket(id).after(Duration::from_millis(10), 7);
            }
            turn(&mut event_loop);
            let most = live() - before;
            drop(peers);
            turn_until_sockets_are(&mut event_loop, 1);
            let left = turn_until_heap_has(&mut event_loop, before + plain * 12 / 10) - before;
            report(&format!(
                "spike {spike} of {count} connections and 100,000 timers: {plain} bytes, {most} at its height, {left} after it"
            ));
            assert!(
                left * 10 <= plain * 12,
                "{left} bytes after, {plain} without"
            );
        }
        drop(first);
        turn_until_sockets_are(&mut event_loop, 0);
    });
}

/// `run` ends before any time has passed, and nothing turns the loop behind it.
#[test]
fn a_run_that_ends_gives_back_the_spike_of_its_timers() {
    in_own_process(r#"exec "$@""#, || {
        let before = live();
        let mut event_loop: EventLoop = EventLoop::new().unwrap();
        event_loop.after(Duration::ZERO, |_| {});
        event_loop.run(&mut ()).unwrap();
        let plain = live() - before;
        for number in 0..100_000 {
            event_loop.after(Duration::from_millis(number % 50), |_| {});
        }
        event_loop.run(&mut ()).unwrap();
        let left = live() - before;
        report(&format!(
            "100,000 timers of a run: {plain} bytes without, {left} after them"
        ));
        assert!(
            left * 10 <= plain * 12,
            "{left} bytes after, {plain} without"
        );
    });
}

/// A socket and a timer keep the memory in front of them, because their ids are places in a table.
#[test]
fn survivors_at_random_places_keep_no_more_than_the_tables() {
    in_own_process(MANY_DESCRIPTORS, || {
        let (mut event_loop, address) = echo_server(SocketOptions::new());
        let mut first = connect(&mut event_loop, address, 1);
        round_trip(&mut event_loop, &mut first, b"hello");
        let before = live();
        let count = most_pairs().min(10_000);
        let mut random = fastrand::Rng::with_seed(15);
        let mut peers = connect(&mut event_loop, address, count);
        round_trip(&mut event_loop, &mut peers, &[b'x'; 1_000]);
        peers.retain(|_| random.u8(0..100) == 0);
        peers.shrink_to_fit();
        turn_until_sockets_are(&mut event_loop, peers.len() + 1);
        turn_until_heap_has(&mut event_loop, before + count * 250);
        let each = (live() - before) / count;
        report(&format!(
            "{} of {count} connections survive: {each} bytes for each of all",
            peers.len()
        ));
        assert!(each <= 250, "{each} bytes for each of {count}");
        round_trip(&mut event_loop, &mut peers, b"and on it goes");
        let survivors = peers.len();
        drop(peers);
        turn_until_sockets_are(&mut event_loop, 1);
        assert!(survivors > 10);
        turn_until_heap_has(&mut event_loop, before + 20_000);
        assert!(live() <= before + 20_000, "{} bytes", live() - before);
    });
}

/// The figure that nginx gives for its idle connections. The handler of an echo has no state: a handler with state is in a
/// box of its own, which comes on top.
#[test]
#[cfg_attr(
    feature = "simulation",
    ignore = "simulated and faulty sockets make each slot larger"
)]
fn ten_thousand_idle_connections_take_at_most_2_5_mb() {
    in_own_process(MANY_DESCRIPTORS, || {
        let count = most_pairs().min(10_000);
        let (mut event_loop, address) = echo_server(SocketOptions::new());
        turn(&mut event_loop);
        let before = live();
        let peers = connect(&mut event_loop, address, count);
        let taken = live() - before - peers.capacity() * size_of::<TcpStream>();
        report(&format!(
            "{count} idle connections: {taken} bytes above the empty loop"
        ));
        assert!(taken <= 250 * count, "{taken} bytes for {count}");
    });
}

/// No socket or timer goes away here: the drain alone tells that chunks are free.
#[test]
fn the_chunks_of_a_drained_queue_are_given_back() {
    in_own_process(r#"exec "$@""#, || {
        let (mut event_loop, address) = echo_server(SocketOptions::new());
        let mut peers = connect(&mut event_loop, address, 1);
        round_trip(&mut event_loop, &mut peers, b"hello");
        let id = event_loop.sockets().ids().next().unwrap();
        let before = live();
        let length = 12 << 20;
        event_loop.socket(id).write(&vec![b'x'; length]).ignore();
        assert!(live() > before + (1 << 20), "nothing is queued");
        let mut received = 0;
        let mut buffer = [0; 64 * 1024];
        let deadline = Instant::now() + PATIENCE;
        while received < length {
            assert!(Instant::now() < deadline, "bytes are missing");
            match peers[0].read(&mut buffer) {
                Ok(read) => received += read,
                Err(_) => turn(&mut event_loop),
            }
        }
        let left = turn_until_heap_has(&mut event_loop, before + 40_000) - before;
        report(&format!("{left} bytes are left of a queue of {length}"));
        assert!(left <= 40_000, "{left} bytes are left");
    });
}
