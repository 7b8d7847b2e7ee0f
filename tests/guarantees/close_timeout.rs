//! The close timeout: how long a peer is waited for that neither ends nor reads (reliability D5).

use std::time::{Duration, Instant};

use netloop::{CloseReason, Flow, SocketId, SocketOptions, State};

use crate::support::{
    Disturbed, Peer, PeerEnd, Recorder, Scene, Seen, assert_same_bytes, pattern,
    until_undisturbed_with_more_time,
};

// Reliability D5
#[test]
fn a_peer_that_never_ends_gets_no_more_than_the_close_timeout() {
    let mut scene = Scene::new();
    let timeout = Duration::from_millis(60);
    let options = SocketOptions::new().close_timeout(timeout);
    let (id, mut peer) = scene.accepted(options, Recorder::new("us"));
    let begun = Instant::now();
    scene.socket(id).end();
    scene.drive_to_close("us");
    assert!(begun.elapsed() >= timeout, "never early (I8)");
    assert_eq!(scene.world.trace("us"), "connect close:TimedOut");
    assert_eq!(scene.peer_reads_to_end(&mut peer).end, PeerEnd::Fin);
}

// Reliability D5
#[test]
fn bytes_that_still_move_put_the_close_timeout_off() {
    until_undisturbed_with_more_time(|stretch| {
        let mut scene = Scene::new();
        let timeout = Duration::from_millis(80) * stretch;
        let options = SocketOptions::new().close_timeout(timeout);
        let (id, mut peer) = scene.accepted(options, Recorder::new("us"));
        scene.socket(id).end();
        let mut last = Instant::now();
        for _ in 0..6 {
            scene.let_pass(timeout / 4);
            if last.elapsed() >= timeout {
                return Disturbed::Yes;
            }
            last = Instant::now();
            peer.write(&vec![b'.'; 100 * stretch as usize]);
            scene.turn();
        }
        scene.drive_to_close("us");
        assert!(last.elapsed() >= timeout, "counted from the last byte");
        assert_eq!(scene.world.received_length("us"), 600 * stretch as usize);
        assert!(scene.world.trace("us").ends_with(" close:TimedOut"));
        Disturbed::No
    });
}

// Field report 4.2: one byte now and then has kept such a socket for ever.
#[test]
fn a_trickle_puts_the_close_timeout_off_only_once() {
    for is_queued in [false, true] {
        let mut scene = Scene::new();
        let timeout = Duration::from_millis(150);
        let options = SocketOptions::new().close_timeout(timeout);
        let (id, mut peer) = scene.adopted(options, Recorder::new("us"));
        if is_queued {
            // The peer reads nothing either.
            assert_eq!(scene.socket(id).write(&[0; 8 << 20]), Flow::Full);
        }
        let begun = Instant::now();
        scene.socket(id).end();
        let mut next = begun;
        scene.drive_with("the close", |scene| {
            if Instant::now() >= next && !scene.world.has("us", "close") {
                let _ = peer.try_write(b".");
                next += timeout / 3;
            }
            scene.world.has("us", "close")
        });
        assert!(begun.elapsed() >= timeout, "never early (I8)");
        // On a machine that is too busy, several bytes come at once.
        let bytes = scene.world.received_length("us");
        assert!((1..=8).contains(&bytes), "{bytes} bytes put it off");
        assert_eq!(scene.world.close_reason("us"), Some(CloseReason::TimedOut));
        assert_eq!(scene.event_loop.statistics().timed_out_closes, 1);
    }
}

// Bytes that arrive behind `destroy_soon` are thrown away, and are no progress.
#[test]
fn a_flood_keeps_no_socket_that_waits_for_its_queue() {
    let mut scene = Scene::new();
    let timeout = Duration::from_millis(60);
    let options = SocketOptions::new().close_timeout(timeout);
    let (id, mut peer) = scene.adopted(options, Recorder::new("us"));
    assert_eq!(scene.socket(id).write(&[0; 8 << 20]), Flow::Full);
    scene.socket(id).destroy_soon();
    scene.drive_with("the close", |scene| {
        let _ = peer.try_write(&[0; 4096]);
        scene.world.has("us", "close")
    });
    assert_eq!(scene.world.close_reason("us"), Some(CloseReason::TimedOut));
}

// A pipe resumes the socket it takes from at each drain.
#[test]
fn a_resume_of_a_socket_that_reads_puts_nothing_off() {
    let mut scene = Scene::new();
    let timeout = Duration::from_millis(50);
    let options = SocketOptions::new().close_timeout(timeout);
    let (id, _peer) = scene.accepted(options, Recorder::new("us"));
    scene.socket(id).end();
    scene.drive_with("the close", |scene| {
        scene.socket(id).resume();
        scene.world.has("us", "close")
    });
    assert_eq!(scene.world.trace("us"), "connect close:TimedOut");
}

// Reliability D5; C11
#[test]
fn a_stalled_reader_is_given_up_after_the_close_timeout() {
    let mut scene = Scene::new();
    let timeout = Duration::from_millis(50);
    let options = SocketOptions::new().close_timeout(timeout);
    let counting = Recorder::new("us").reacting(|cx, seen| {
        if let Seen::Close(_) = seen {
            let lost = cx.socket.queued_bytes();
            cx.shared.note(lost.to_string());
        }
    });
    let (id, mut peer) = scene.accepted(options, counting);
    let bytes = pattern(8 << 20, 1);
    assert_eq!(scene.socket(id).write(&bytes), Flow::Full);
    let begun = Instant::now();
    scene.socket(id).destroy_soon();
    scene.drive_to_close("us");
    assert!(begun.elapsed() >= timeout);
    assert_eq!(scene.world.close_reason("us"), Some(CloseReason::TimedOut));
    let received = scene.peer_reads_to_end(&mut peer);
    assert_eq!(received.end, PeerEnd::Reset, "a part is not the whole");
    let lost: usize = scene.world.notes[0].parse().unwrap();
    assert!(lost > 0 && received.bytes.len() + lost <= bytes.len());
}

// Reliability D5
#[test]
fn the_close_timeout_does_not_run_before_our_own_end() {
    let mut scene = Scene::new();
    let timeout = Duration::from_millis(20);
    let options = SocketOptions::new()
        .allow_half_open(true)
        .close_timeout(timeout);
    let (id, peer) = scene.accepted(options, Recorder::new("us"));
    peer.half_close();
    scene.let_pass(3 * timeout);
    assert_eq!(scene.socket(id).state(), State::WriteOnly);
    assert_eq!(scene.world.trace("us"), "connect end");
}

// The peer can be met neither with bytes nor with its end while this side does not read.
#[test]
fn the_close_timeout_rests_while_the_socket_is_paused() {
    let mut scene = Scene::new();
    let timeout = Duration::from_millis(40);
    let options = SocketOptions::new().close_timeout(timeout);
    let (id, mut peer) = scene.accepted(options, Recorder::new("us"));
    scene.settle();
    scene.socket(id).pause();
    let bytes = pattern(200_000, 2);
    scene.peer_writes(&mut peer, &bytes);
    peer.half_close();
    scene.socket(id).end();
    scene.let_pass(3 * timeout);
    assert_eq!(scene.world.trace("us"), "connect");
    scene.socket(id).resume();
    scene.drive_to_close("us");
    assert_same_bytes(&scene.world.received("us"), &bytes);
    assert_eq!(
        scene.world.trace("us"),
        "connect data:200000 end close:Graceful"
    );
}

#[test]
fn the_close_timeout_counts_from_the_resume() {
    for is_ended_first in [false, true] {
        let mut scene = Scene::new();
        let timeout = Duration::from_millis(40);
        let options = SocketOptions::new().close_timeout(timeout);
        let (id, mut peer) = scene.accepted(options, Recorder::new("us"));
        scene.settle();
        let mut socket = scene.socket(id);
        if is_ended_first {
            socket.end();
            socket.pause();
        } else {
            socket.pause();
            socket.end();
        }
        scene.let_pass(3 * timeout);
        assert_eq!(scene.world.trace("us"), "connect");
        let resumed = Instant::now();
        scene.socket(id).resume();
        scene.drive_to_close("us");
        if !is_ended_first {
            assert!(resumed.elapsed() >= timeout, "never early (I8)");
        }
        assert_eq!(scene.world.trace("us"), "connect close:TimedOut");
        assert_eq!(scene.peer_reads_to_end(&mut peer).end, PeerEnd::Fin);
    }
}

#[test]
fn a_paused_socket_with_a_queue_waits_only_for_its_own_reads() {
    for unread in [&b""[..], b"unread"] {
        let mut scene = Scene::new();
        let timeout = Duration::from_millis(30);
        let options = SocketOptions::new()
            .close_timeout(timeout)
            .pause_on_connect(true);
        let (id, mut peer) = scene.adopted(options, Recorder::new("us"));
        assert_eq!(scene.socket(id).write(&[0; 8 << 20]), Flow::Full);
        scene.socket(id).end();
        if unread.is_empty() {
            // The peer could read, and it is not our pause that keeps it from that.
            scene.drive_to_close("us");
        } else {
            peer.write(unread);
            scene.let_pass(3 * timeout);
            assert_eq!(scene.world.trace("us"), "");
            let resumed = Instant::now();
            scene.socket(id).resume();
            scene.drive_to_close("us");
            assert!(resumed.elapsed() >= timeout, "counted from the last byte");
        }
        assert_eq!(scene.world.received("us"), unread);
        assert_eq!(scene.world.close_reason("us"), Some(CloseReason::TimedOut));
        assert_eq!(scene.peer_reads_to_end(&mut peer).end, PeerEnd::Reset);
    }
}

// It waits for the queue and not for the peer's end, so the pause is no reason to wait.
#[test]
fn destroy_soon_of_a_paused_socket_waits_no_longer() {
    for has_ended in [false, true] {
        let mut scene = Scene::new();
        let timeout = Duration::from_millis(30);
        let options = SocketOptions::new()
            .close_timeout(timeout)
            .pause_on_connect(true);
        let (id, mut peer) = scene.adopted(options, Recorder::new("us"));
        assert_eq!(scene.socket(id).write(&[0; 8 << 20]), Flow::Full);
        peer.write(b"unread");
        if has_ended {
            scene.socket(id).end();
            scene.let_pass(3 * timeout);
            assert_eq!(scene.world.trace("us"), "", "it rests");
        }
        scene.socket(id).destroy_soon();
        scene.drive_to_close("us");
        assert_eq!(scene.world.trace("us"), "close:TimedOut");
        assert_eq!(scene.peer_reads_to_end(&mut peer).end, PeerEnd::Reset);
    }
}

/// An order of the pause, of our end and of the peer's.
type Order = [fn(&mut Scene, SocketId, &Peer); 3];

#[test]
fn a_paused_socket_whose_both_sides_ended_closes_now() {
    let pause: fn(&mut Scene, SocketId, &Peer) = |scene, id, _| scene.socket(id).pause();
    let end: fn(&mut Scene, SocketId, &Peer) = |scene, id, _| scene.socket(id).end();
    let peer_ends: fn(&mut Scene, SocketId, &Peer) = |_, _, peer| peer.half_close();
    let orders: [Order; 4] = [
        [pause, end, peer_ends],
        [pause, peer_ends, end],
        [end, pause, peer_ends],
        [pause, pause, pause],
    ];
    for (number, order) in orders.into_iter().enumerate() {
        for allows_half_open in [false, true] {
            let mut scene = Scene::new();
            let options = SocketOptions::new()
                .close_timeout(None)
                .allow_half_open(allows_half_open);
            let (id, peer) = scene.accepted(options, Recorder::new("us"));
            scene.settle();
            for step in order {
                step(&mut scene, id, &peer);
                scene.settle();
            }
            let expected = match number {
                3 => "connect",
                _ => "connect end close:Graceful",
            };
            assert_eq!(scene.world.trace("us"), expected, "order {number}");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_paused_unix_socket_whose_both_sides_ended_closes_now() {
    use std::io::Write;
    for unread in [&b""[..], b"unread"] {
        let mut scene = Scene::new();
        let (ours, mut peer) = std::os::unix::net::UnixStream::pair().unwrap();
        let options = SocketOptions::new().pause_on_connect(true);
        let id = scene
            .event_loop
            .adopt(ours, options, Recorder::new("us"))
            .unwrap();
        scene.socket(id).end();
        scene.settle();
        peer.write_all(unread).unwrap();
        drop(peer);
        scene.settle();
        if !unread.is_empty() {
            assert_eq!(scene.world.trace("us"), "");
            scene.socket(id).resume();
            scene.drive_to_close("us");
        }
        assert!(scene.world.trace("us").ends_with("end close:Graceful"));
        assert_eq!(scene.world.received("us"), unread);
    }
}

#[test]
fn bytes_put_back_are_delivered_before_both_sides_close() {
    for is_put_back_last in [false, true] {
        let mut scene = Scene::new();
        let ending = Recorder::new("old").on("data", move |cx, seen| {
            cx.socket.pause();
            cx.socket.end();
            if let (Seen::Data(bytes), false) = (seen, is_put_back_last) {
                let id = cx.socket.id();
                assert!(cx.replace_handler(id, Recorder::new("new"), bytes));
            }
        });
        let (id, mut peer) = scene.accepted(SocketOptions::new(), ending);
        peer.write(b"words");
        scene.drive_until("old", "data");
        scene.settle();
        if is_put_back_last {
            let mut cx = scene.event_loop.context(&mut scene.world);
            assert!(cx.replace_handler(id, Recorder::new("new"), b"words"));
        }
        peer.half_close();
        scene.settle();
        assert_eq!(scene.world.trace("new"), "");
        scene.socket(id).resume();
        scene.drive_to_close("new");
        assert_eq!(scene.world.trace("new"), "data:words end close:Graceful");
    }
}
