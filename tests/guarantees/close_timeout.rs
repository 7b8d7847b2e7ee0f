//! The close timeout: how long a peer is waited for that neither ends nor reads (reliability D5).

use std::time::{Duration, Instant};

use netloop::{CloseReason, Flow, SocketOptions, State};

use crate::support::{Disturbed, PeerEnd, Recorder, Scene, Seen, pattern, until_undisturbed};

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
    until_undisturbed(|| {
        let mut scene = Scene::new();
        let timeout = Duration::from_millis(80);
        let options = SocketOptions::new().close_timeout(timeout);
        let (id, mut peer) = scene.accepted(options, Recorder::new("us"));
        scene.socket(id).end();
        let mut last = Instant::now();
        for _ in 0..6 {
            scene.let_pass(Duration::from_millis(20));
            if last.elapsed() >= timeout {
                return Disturbed::Yes;
            }
            last = Instant::now();
            peer.write(b".");
            scene.turn();
        }
        scene.drive_to_close("us");
        assert!(last.elapsed() >= timeout, "counted from the last byte");
        assert_eq!(
            scene.world.trace("us"),
            "connect data:...... close:TimedOut"
        );
        Disturbed::No
    });
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
    let arrived = scene.peer_reads_to_end(&mut peer).bytes.len();
    assert_eq!(scene.world.notes, [(bytes.len() - arrived).to_string()]);
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
