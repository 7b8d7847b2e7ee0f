//! Batches (feature `udp-batch`): what is sent in a turn leaves in few calls, and arrives as it was sent.

use std::net::{SocketAddr, UdpSocket};

use netloop::{DatagramFlow, DatagramOptions, EventLoop, EventLoopOptions};
use socket2::SockRef;

use super::{Stage, Watch, peer};

fn batched() -> DatagramOptions {
    DatagramOptions::new().in_batches(true)
}

// udp_mmsg
#[test]
fn a_burst_arrives_exactly_once_and_whole() {
    let mut stage = Stage::new();
    let (_, to) = stage.bind(batched(), Watch::new("a"));
    let (id, from) = stage.bind(batched(), Watch::new("b"));
    stage.settle_for_a_while();
    for number in 0..40 {
        // Two lengths, so that runs end in the middle.
        let word = format!("{number:0width$}", width = if number < 20 { 8 } else { 12 });
        assert_eq!(
            stage.socket(id).send_to(to, word.as_bytes()),
            DatagramFlow::Open
        );
    }
    assert_eq!(stage.socket(id).queued_datagrams(), 40, "until the flush");
    stage.drive("all", |stage| stage.notes.len() == 42);
    for number in 0..40 {
        let word = format!(
            "a {number:0width$}",
            width = if number < 20 { 8 } else { 12 }
        );
        assert_eq!(stage.count(&word), 1, "{word}");
        assert_eq!(stage.notes[2 + number], word, "in order");
    }
    assert_ne!(to, from);
    assert_eq!(stage.socket(id).sent_datagrams(), 40);
}

#[test]
fn a_handler_knows_the_rest_of_its_batch() {
    for (options, rests) in [
        (batched(), ["4", "3", "2", "1", "0"]),
        (DatagramOptions::new(), ["0"; 5]),
    ] {
        let mut stage = Stage::new();
        let handler = Watch::new("a").on_message(|cx, _, _| {
            let rest = cx.socket.remaining_in_batch();
            cx.shared.push(rest.to_string());
        });
        let (_, to) = stage.bind(options, handler);
        let (id, _) = stage.bind(batched(), Watch::new("b"));
        stage.settle_for_a_while();
        // The kernel joins a run of one length again on its way.
        for _ in 0..5 {
            stage.socket(id).send_to(to, &[0; 100]).ignore();
        }
        stage.drive("all", |stage| stage.count("a 100 bytes") == 5);
        assert_eq!(stage.notes_but("a 100 bytes")[2..], rests);
        assert_eq!(stage.socket(id).remaining_in_batch(), 0);
    }
}

#[test]
fn empty_short_and_long_datagrams_stay_apart() {
    let mut stage = Stage::new();
    let (_, to) = stage.bind(batched(), Watch::new("a"));
    let (id, _) = stage.bind(batched(), Watch::new("b"));
    let (plain, _) = peer();
    stage.settle_for_a_while();
    for length in [5, 0, 5, 5, 3, 1200, 1200, 700, 0, 0] {
        let bytes = vec![b'x'; length];
        assert_eq!(stage.socket(id).send_to(to, &bytes), DatagramFlow::Open);
    }
    stage.drive("all", |stage| stage.notes.len() == 12);
    plain.send_to(b"plain", to).unwrap();
    stage.drive_to("a plain");
    let expected = [
        "a xxxxx",
        "a ",
        "a xxxxx",
        "a xxxxx",
        "a xxx",
        "a 1200 bytes",
        "a 1200 bytes",
        "a 700 bytes",
        "a ",
        "a ",
        "a plain",
    ];
    assert_eq!(stage.notes[2..], expected);
}

#[test]
fn a_batch_goes_to_each_of_its_addresses() {
    let mut stage = Stage::new();
    let peers: Vec<_> = (0..3).map(|_| peer()).collect();
    let (id, address) = stage.bind(batched(), Watch::new("a"));
    for number in 0..30_u8 {
        let (_, to) = &peers[usize::from(number) % 3];
        assert_eq!(
            stage.socket(id).send_to(*to, &[number; 100]),
            DatagramFlow::Open
        );
    }
    stage.settle_for_a_while();
    for number in 0..30_u8 {
        let (peer, _) = &peers[usize::from(number) % 3];
        let mut buffer = [0; 200];
        assert_eq!(peer.recv_from(&mut buffer).unwrap(), (100, address));
        assert_eq!(buffer[..100], [number; 100]);
    }
}

#[test]
fn a_burst_beyond_the_queue_leaves_before_it_is_dropped() {
    let mut stage = Stage::new();
    let (peer, to) = peer();
    let (id, _) = stage.bind(batched(), Watch::new("a"));
    // More than the queue holds, and less than the kernel does.
    for number in 0..100_u8 {
        let flow = stage.socket(id).send_to(to, &[number; 1000]);
        assert!(flow.is_accepted(), "{flow:?} at {number}");
    }
    stage.settle_for_a_while();
    assert_eq!(stage.socket(id).dropped_datagrams(), 0);
    for number in 0..100_u8 {
        let mut buffer = [0; 2000];
        assert_eq!(peer.recv(&mut buffer).unwrap(), 1000);
        assert_eq!(buffer[0], number);
    }
}

#[test]
fn a_datagram_that_a_short_buffer_cuts_is_told_as_cut() {
    let options = EventLoopOptions::new().read_buffer_bytes(1024);
    let mut stage = Stage::on(EventLoop::with_options(options).unwrap());
    let (_, address) = stage.bind(batched(), Watch::new("a"));
    let (peer, _) = peer();
    peer.send_to(&[1; 1000], address).unwrap();
    peer.send_to(&[2; 2000], address).unwrap();
    stage.drive_to("a truncated 1024 bytes");
    assert!(stage.has("a 1000 bytes"));
}

#[test]
fn a_close_behind_a_send_loses_nothing() {
    let mut stage = Stage::new();
    let (peer, to) = peer();
    let (id, _) = stage.bind(batched(), Watch::new("a"));
    assert_eq!(stage.socket(id).send_to(to, b"one"), DatagramFlow::Open);
    assert_eq!(stage.socket(id).send_to(to, b"two"), DatagramFlow::Open);
    stage.socket(id).close();
    let mut buffer = [0; 8];
    for word in [b"one", b"two"] {
        assert_eq!(peer.recv(&mut buffer).unwrap(), 3);
        assert_eq!(&buffer[..3], word);
    }
    stage.run_to_its_end();
}

#[test]
fn a_handler_that_closes_hears_no_rest_of_its_batch() {
    let mut stage = Stage::new();
    let handler = Watch::new("a").on_message(|cx, _, _| cx.socket.close());
    let (_, to) = stage.bind(batched(), handler);
    let (id, _) = stage.bind(batched(), Watch::new("b"));
    stage.settle_for_a_while();
    for _ in 0..10 {
        assert_eq!(stage.socket(id).send_to(to, b"burst"), DatagramFlow::Open);
    }
    stage.drive_to("a close");
    stage.settle_for_a_while();
    assert_eq!(stage.count("a burst"), 1);
}

// The answer waits for the flush, so that the socket does not close at once.
#[test]
fn a_handler_that_closes_soon_hears_no_rest_of_its_batch() {
    let mut stage = Stage::new();
    let handler = Watch::new("a").on_message(|cx, from, data| {
        assert_eq!(cx.socket.send_to(from, data), DatagramFlow::Open);
        cx.socket.close_soon();
        cx.socket.resume();
        assert!(!cx.socket.is_closed());
        assert_eq!(cx.socket.remaining_in_batch(), 0);
    });
    let (_, to) = stage.bind(batched(), handler);
    let (id, _) = stage.bind(batched(), Watch::new("b"));
    stage.settle_for_a_while();
    for _ in 0..20 {
        assert_eq!(stage.socket(id).send_to(to, b"burst"), DatagramFlow::Open);
    }
    stage.drive_to("b burst");
    stage.drive_to("a close");
    assert_eq!(stage.count("a burst"), 1);
}

#[test]
fn a_connected_socket_sends_its_bursts_too() {
    let mut stage = Stage::new();
    let (peer, peer_address) = peer();
    let options = batched().local_address(peer_address.ip());
    let made = stage
        .event_loop
        .connect_udp(peer_address, options, Watch::new("a"));
    let id = made.unwrap();
    for number in 0..20_u8 {
        assert_eq!(stage.socket(id).send(&[number; 50]), DatagramFlow::Open);
    }
    stage.settle_for_a_while();
    for number in 0..20_u8 {
        let mut buffer = [0; 100];
        assert_eq!(peer.recv(&mut buffer).unwrap(), 50);
        assert_eq!(buffer[..50], [number; 50]);
    }
}

#[test]
fn a_batch_that_is_cut_is_told_as_truncated() {
    let mut stage = Stage::new();
    let options = batched().max_datagram_bytes(4);
    let (_, to) = stage.bind(options, Watch::new("a"));
    let (id, _) = stage.bind(batched(), Watch::new("b"));
    stage.settle_for_a_while();
    for word in ["fives", "sixes", "four"] {
        let to: SocketAddr = to;
        assert_eq!(
            stage.socket(id).send_to(to, word.as_bytes()),
            DatagramFlow::Open
        );
    }
    stage.drive_to("a four");
    let expected = ["a truncated five", "a truncated sixe", "a four"];
    assert_eq!(stage.notes[2..], expected);
}

// The simulated network has no batches.
#[cfg(feature = "simulation")]
#[test]
fn a_simulated_socket_sends_its_batches_one_by_one() {
    use netloop::simulation::{Options, Simulation};

    let mut simulation = Simulation::new(1, Options::new()).unwrap();
    let mut host = simulation.host(super::Notes::new()).unwrap();
    let to: SocketAddr = "10.0.0.1:7000".parse().unwrap();
    for (name, address) in [("a", "10.0.0.1:7000"), ("b", "10.0.0.1:7001")] {
        let handler = Watch::new(name).on_listening(move |cx| {
            for _ in 0..10 {
                cx.socket.send_to(to, b"x").ignore();
            }
        });
        host.event_loop
            .bind_udp(address, batched(), handler)
            .unwrap();
    }
    simulation.run(&mut [&mut host]).unwrap();
    let arrived = host.shared.iter().filter(|note| *note == "a x").count();
    assert_eq!(arrived, 20);
}

// Another holder clears O_NONBLOCK. A blocking `recvmmsg` waits until all of its buffers are full.
#[test]
fn a_duplicate_in_blocking_mode_does_not_block_a_batch() {
    let mut stage = Stage::new();
    let (id, address) = stage.bind(batched(), Watch::echo("a"));
    let duplicate = UdpSocket::from(stage.socket(id).try_clone_descriptor().unwrap());
    stage.settle_for_a_while();
    let is_nonblocking = || SockRef::from(&duplicate).nonblocking().unwrap();
    let (peer, peer_address) = peer();
    for _ in 0..5 {
        duplicate.set_nonblocking(false).unwrap();
        peer.send_to(b"x", address).unwrap();
        assert_eq!(duplicate.peek(&mut [0; 8]).unwrap(), 1);
        stage.settle_for_a_while();
        assert_eq!(peer.recv(&mut [0; 8]).unwrap(), 1);
        assert!(is_nonblocking(), "a receive");
        for count in 1..=2 {
            duplicate.set_nonblocking(false).unwrap();
            for _ in 0..count {
                let flow = stage.socket(id).send_to(peer_address, b"y");
                assert_eq!(flow, DatagramFlow::Open);
            }
            stage.settle_for_a_while();
            assert!(is_nonblocking(), "a send of {count}");
            for _ in 0..count {
                assert_eq!(peer.recv(&mut [0; 8]).unwrap(), 1);
            }
        }
    }
    assert_eq!(stage.count("a x"), 5);
}

#[test]
fn a_close_sends_the_queue_to_any_number_of_peers() {
    let mut stage = Stage::new();
    let peers: Vec<_> = (0..40).map(|_| peer()).collect();
    let (id, _) = stage.bind(batched(), Watch::new("a"));
    for (_, to) in &peers {
        assert_eq!(stage.socket(id).send_to(*to, b"bye"), DatagramFlow::Open);
    }
    stage.socket(id).close();
    for (peer, _) in &peers {
        assert_eq!(peer.recv(&mut [0; 8]).unwrap(), 3);
    }
    stage.run_to_its_end();
}

#[test]
fn a_burst_to_many_peers_is_not_dropped_for_want_of_a_flush() {
    let mut stage = Stage::new();
    let peers: Vec<_> = (0..200).map(|_| peer()).collect();
    let (id, _) = stage.bind(batched(), Watch::new("a"));
    for (_, to) in &peers {
        assert!(stage.socket(id).send_to(*to, &[7; 1200]).is_accepted());
    }
    stage.settle_for_a_while();
    assert_eq!(stage.socket(id).dropped_datagrams(), 0);
    for (peer, _) in &peers {
        assert_eq!(peer.recv(&mut [0; 2000]).unwrap(), 1200);
    }
}

#[test]
fn short_datagrams_leave_before_the_queue_drops_them() {
    for (options, length) in [
        (batched(), 0),
        (batched(), 1),
        (batched().max_queued_bytes(4 << 10), 10),
    ] {
        let mut stage = Stage::new();
        let (_peer, to) = peer();
        let (id, _) = stage.bind(options, Watch::new("a"));
        for number in 0..8_000 {
            let flow = stage.socket(id).send_to(to, &vec![7; length]);
            assert!(flow.is_accepted(), "{flow:?} at {number}");
        }
        stage.settle_for_a_while();
        assert_eq!(stage.socket(id).dropped_datagrams(), 0, "{length}");
        assert_eq!(stage.socket(id).sent_datagrams(), 8_000, "{length}");
    }
}

#[test]
fn the_limit_of_the_loop_drops_no_datagram_of_a_writable_socket() {
    let limits = netloop::Limits::new().max_total_queued_bytes(1_000);
    let options = EventLoopOptions::new().limits(limits);
    let mut stage = Stage::on(EventLoop::with_options(options).unwrap());
    let (peer, to) = peer();
    let (id, _) = stage.bind(batched(), Watch::new("a"));
    stage.drive_to("a listening");
    for number in 0..50_u8 {
        let length = if number % 10 == 9 { 1_200 } else { 300 };
        let flow = stage.socket(id).send_to(to, &vec![number; length]);
        assert!(flow.is_accepted(), "{flow:?} at {number}");
    }
    stage.settle_for_a_while();
    assert_eq!(stage.socket(id).dropped_datagrams(), 0);
    for number in 0..50_u8 {
        let mut buffer = [0; 2000];
        peer.recv(&mut buffer).unwrap();
        assert_eq!(buffer[0], number);
    }
}

#[test]
fn a_hook_that_panics_within_a_batch_leaves_no_bytes_of_another() {
    let options = EventLoopOptions::new().panic_policy(netloop::PanicPolicy::Close);
    let mut stage = Stage::on(EventLoop::with_options(options).unwrap());
    let (_, to) = stage.bind(batched(), Watch::new("a"));
    let (id, _) = stage.bind(batched(), Watch::new("b"));
    stage.settle_for_a_while();
    stage
        .event_loop
        .on_stall(std::time::Duration::ZERO, |_, stall| {
            if stall.callback == "on_message" {
                std::panic::panic_any("a fault of the hook");
            }
        });
    for number in 0..5 {
        let word = format!("old {number}");
        stage.socket(id).send_to(to, word.as_bytes()).ignore();
    }
    stage.drive_to("a old 0");
    for number in 0..5 {
        let word = format!("new {number}");
        stage.socket(id).send_to(to, word.as_bytes()).ignore();
    }
    stage.drive_to("a new 4");
    stage.settle_for_a_while();
    let old = stage.notes.iter().filter(|note| note.starts_with("a old"));
    let (old, rest): (Vec<_>, Vec<_>) = (old.collect(), stage.notes_but("x"));
    assert_eq!(rest.len(), 2 + old.len() + 5, "{rest:?}");
}

// Without batches the kernel has them already.
#[test]
fn datagrams_sent_before_a_panic_or_the_drop_of_the_loop_leave() {
    let options = EventLoopOptions::new().panic_policy(netloop::PanicPolicy::Close);
    let mut stage = Stage::on(EventLoop::with_options(options).unwrap());
    let (peer, peer_address) = peer();
    let handler = Watch::new("a").on_message(|cx, from, _| {
        assert!(cx.socket.send_to(from, b"last").is_accepted());
        panic!("oh");
    });
    let (_, address) = stage.bind(batched(), handler);
    peer.send_to(b"x", address).unwrap();
    stage.drive_to("a close");
    assert_eq!(peer.recv(&mut [0; 8]).unwrap(), 4);
    let (id, _) = stage.bind(batched(), Watch::new("b"));
    for number in 0..40 {
        assert!(
            stage
                .socket(id)
                .send_to(peer_address, &[number])
                .is_accepted()
        );
    }
    drop(stage);
    for _ in 0..40 {
        assert_eq!(peer.recv(&mut [0; 8]).unwrap(), 1);
    }
}

#[test]
fn a_close_behind_close_soon_tells_no_error() {
    let mut stage = Stage::new();
    let (_peer, to) = peer();
    let (id, _) = stage.bind(batched(), Watch::new("a"));
    stage.drive_to("a listening");
    // The kernel refuses it in the close, because no datagram is so long.
    assert!(stage.socket(id).send_to(to, &[7; 65_530]).is_accepted());
    stage.socket(id).close_soon();
    assert!(!stage.socket(id).is_closed());
    stage.socket(id).close();
    stage.run_to_its_end();
    assert_eq!(stage.notes, ["a listening", "a close"]);
}
