//! The write stall: queued bytes of which the peer takes none for too long (C9).

use std::time::Instant;

use netloop::{CloseReason, Flow, SocketOptions};

use super::time_limits::{LIMIT, adopted, assert_limited, limited, none};
use crate::support::{
    BlackHole, Disturbed, PeerEnd, Recorder, spend, until_undisturbed_with_more_time,
};

// Reliability C9
#[test]
fn a_peer_that_reads_nothing_is_reset_although_it_sends() {
    for is_paused in [false, true] {
        let mut scene = limited(none().write_stall_timeout(LIMIT));
        let (id, mut peer) = adopted(&mut scene);
        let begun = Instant::now();
        assert_eq!(scene.socket(id).write(&[0; 8 << 20]), Flow::Full);
        if is_paused {
            scene.socket(id).pause();
        }
        scene.drive_with("the close", |scene| {
            if !scene.world.has("us", "close") {
                let _ = peer.try_write(b".");
            }
            scene.world.has("us", "close")
        });
        assert_limited(&scene, "write_stall_timeout", begun);
        assert_eq!(scene.peer_reads_to_end(&mut peer).end, PeerEnd::Reset);
        assert_eq!(scene.event_loop.statistics().timed_out_writes, 1);
    }
}

#[test]
fn a_stall_counts_for_a_side_that_ends() {
    for destroys in [false, true] {
        let mut scene = limited(none().write_stall_timeout(LIMIT));
        let (id, mut peer) = adopted(&mut scene);
        let begun = Instant::now();
        assert_eq!(scene.socket(id).write(&[0; 8 << 20]), Flow::Full);
        match destroys {
            true => scene.socket(id).destroy_soon(),
            false => scene.socket(id).end(),
        }
        scene.drive_to_close("us");
        assert_limited(&scene, "write_stall_timeout", begun);
        assert_eq!(scene.peer_reads_to_end(&mut peer).end, PeerEnd::Reset);
    }
}

// I8
#[test]
fn a_stall_behind_a_long_callback_counts_from_the_write() {
    let mut scene = limited(none().write_stall_timeout(LIMIT));
    let slow = Recorder::new("us").on("data", |cx, _| {
        spend(2 * LIMIT);
        let _ = cx.socket.write(&[0; 8 << 20]);
        cx.shared.notes.push("written".to_owned());
    });
    let (_, mut peer) = scene.adopted(SocketOptions::new(), slow);
    peer.write(b"?");
    let mut written = None;
    scene.drive_with("the close", |scene| {
        if !scene.world.notes.is_empty() {
            written.get_or_insert_with(Instant::now);
        }
        scene.world.has("us", "close")
    });
    // `written` was read a little later than the write.
    let passed = written.unwrap().elapsed();
    assert!(passed >= LIMIT / 2, "{passed:?}");
    assert!(scene.world.trace("us").ends_with("close:TimedOut"));
}

#[test]
fn a_peer_that_reads_slowly_does_not_stall() {
    until_undisturbed_with_more_time(|stretch| {
        let limit = LIMIT * stretch;
        let mut scene = limited(none().write_stall_timeout(3 * limit));
        let (id, mut peer) = adopted(&mut scene);
        assert_eq!(scene.socket(id).write(&[0; 256 << 10]), Flow::Full);
        let (mut read, mut last) = (0, Instant::now());
        while read < 256 << 10 {
            scene.let_pass(limit / 2);
            if last.elapsed() >= 2 * limit {
                return Disturbed::Yes;
            }
            last = Instant::now();
            if let Ok(Some(bytes)) = peer.read_some(16 << 10) {
                read += bytes.len();
            }
            scene.turn();
        }
        assert!(!scene.world.has("us", "close"));
        Disturbed::No
    });
}

#[test]
fn bytes_that_do_not_wait_for_the_peer_never_stall() {
    let mut scene = limited(none().write_stall_timeout(LIMIT));
    let nobody = BlackHole::new();
    let connecting = scene.connect(
        nobody.address(),
        SocketOptions::new(),
        Recorder::new("connecting"),
    );
    let (corked, _peer) = adopted(&mut scene);
    let (sent, _other) = scene.adopted(SocketOptions::new(), Recorder::new("sent"));
    scene.socket(corked).cork();
    for id in [connecting, corked, sent] {
        scene.socket(id).write(b"few").ignore();
    }
    scene.let_pass(3 * LIMIT);
    for name in ["us", "sent", "connecting"] {
        assert!(!scene.world.has(name, "close"), "{name}");
    }
    assert_eq!(scene.socket(corked).queued_bytes(), 3);
    assert_eq!(scene.socket(connecting).queued_bytes(), 3);
    assert_eq!(scene.socket(sent).queued_bytes(), 0);
}

// A wait that is over leaves nothing behind.
#[test]
fn a_second_wait_of_a_queue_counts_from_its_beginning() {
    until_undisturbed_with_more_time(|stretch| {
        let limit = LIMIT * stretch;
        let mut scene = limited(none().write_stall_timeout(limit));
        let (id, mut peer) = adopted(&mut scene);
        for _ in 0..3 {
            let begun = Instant::now();
            scene.socket(id).write(&[0; 64 << 10]).ignore();
            scene.peer_reads(&mut peer, 64 << 10);
            if begun.elapsed() >= limit {
                return Disturbed::Yes;
            }
            scene.let_pass(2 * limit);
            assert!(!scene.world.has("us", "close"));
        }
        let begun = Instant::now();
        assert_eq!(scene.socket(id).write(&[0; 8 << 20]), Flow::Full);
        scene.drive_to_close("us");
        assert_limited(&scene, "write_stall_timeout", begun);
        Disturbed::No
    });
}

#[test]
fn a_stall_of_one_end_of_a_pipe_closes_both() {
    let mut scene = limited(none().write_stall_timeout(LIMIT));
    let (from, mut giver) = scene.adopted(SocketOptions::new(), Recorder::new("from"));
    let (to, mut taker) = adopted(&mut scene);
    let mut cx = scene.event_loop.context(&mut scene.world);
    cx.pipe_both(from, to);
    scene.drive_with("both closes", |scene| {
        if !scene.world.has("us", "close") {
            let _ = giver.try_write(&[0; 4096]);
        }
        scene.world.has("us", "close") && scene.world.has("from", "close")
    });
    assert_eq!(scene.world.close_reason("us"), Some(CloseReason::TimedOut));
    assert_eq!(scene.peer_reads_to_end(&mut taker).end, PeerEnd::Reset);
}

#[cfg(unix)]
#[test]
fn a_unix_peer_that_reads_nothing_is_closed_too() {
    let mut scene = limited(none().write_stall_timeout(LIMIT));
    let (ours, _peer) = std::os::unix::net::UnixStream::pair().unwrap();
    let id = scene
        .event_loop
        .adopt(ours, SocketOptions::new(), Recorder::new("us"))
        .unwrap();
    let begun = Instant::now();
    assert_eq!(scene.socket(id).write(&[0; 8 << 20]), Flow::Full);
    scene.drive_to_close("us");
    assert_limited(&scene, "write_stall_timeout", begun);
}
