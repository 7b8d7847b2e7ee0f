//! The bytes that filters send by themselves, while sends fail for a cause that may pass: they are sent again, as written
//! bytes are.

use std::time::Duration;

use netloop::{Limits, ListenOptions};

use super::contracts::Pong;
use super::{accepted, records};
use crate::support::{
    END, HELLO, Peer, PeerEnd, Recorder, Records, Scene, assert_same_bytes, pattern,
    with_failing_calls,
};

// strace counts the sends of both ends. The first of all is the hello of this side.
#[test]
fn a_hello_is_sent_again_after_a_shortage_of_memory() {
    with_failing_calls(&["sendto:error=ENOBUFS:when=1..3"], || {
        let mut scene = Scene::new();
        let mut peer = accepted_silently(&mut scene);
        assert_eq!(scene.peer_reads(&mut peer, HELLO.len()), HELLO);
        peer.write(HELLO);
        scene.drive_until("theirs", "connect");
    });
}

#[test]
fn a_hello_is_sent_again_after_interruptions() {
    with_failing_calls(&["sendto:error=EINTR:when=1..100"], || {
        let mut scene = Scene::new();
        let mut peer = accepted_silently(&mut scene);
        assert_eq!(scene.peer_reads(&mut peer, HELLO.len()), HELLO);
    });
}

#[test]
fn the_end_of_a_filter_is_sent_again_after_a_shortage() {
    // Behind the hellos of both ends.
    with_failing_calls(&["sendto:error=ENOBUFS:when=3..5"], || {
        let mut scene = Scene::new();
        let ending = Recorder::new("theirs").on("connect", |cx, _| cx.socket.end());
        let mut peer = accepted(&mut scene, records(), ending);
        let received = scene.peer_reads_to_end(&mut peer);
        assert_eq!((&received.bytes[..], received.end), (END, PeerEnd::Fin));
        peer.write(END);
        scene.drive_to_close("theirs");
        assert_eq!(scene.world.trace("theirs"), "connect end close:Graceful");
    });
}

#[test]
fn an_answer_of_a_filter_is_sent_again_after_a_shortage() {
    // Behind the question.
    with_failing_calls(&["sendto:error=ENOBUFS:when=2..4"], || {
        let mut scene = Scene::new();
        let options = ListenOptions::new().filter(|| Ok(Pong::new()));
        let (_, address) = scene.listen(options, |_| Recorder::new("theirs"));
        let mut peer = Peer::connect(address);
        peer.write(b"there?");
        assert_eq!(scene.peer_reads(&mut peer, 1), b"!");
        assert_eq!(scene.world.trace("theirs"), "connect data:there?");
    });
}

// The deadline for the first byte looks for one in a pause, and the filter answers what it decodes meanwhile.
#[test]
fn an_answer_made_in_a_pause_is_sent_again_after_a_shortage() {
    with_failing_calls(&["sendto:error=ENOBUFS:when=2..4"], || {
        let mut scene = Scene::new();
        let limits = Limits::new().first_byte_timeout(Duration::from_millis(50));
        let options = ListenOptions::new()
            .limits(limits)
            .filter(|| Ok(Pong::new()));
        let pausing = Recorder::new("theirs").on("connect", |cx, _| cx.socket.pause());
        let mut pausing = Some(pausing);
        let (_, address) = scene.listen(options, move |_| pausing.take().unwrap());
        let mut peer = Peer::connect(address);
        peer.write(b"there?");
        assert_eq!(scene.peer_reads(&mut peer, 1), b"!");
        assert_eq!(scene.world.trace("theirs"), "connect");
    });
}

// Shortages that are not in a row never add up to the sixteen that fail a socket.
#[test]
fn answers_of_a_filter_outlive_shortages_that_are_far_apart() {
    // Each question is a call, its answer fails once, and is sent.
    with_failing_calls(&["sendto:error=ENOBUFS:when=2+3"], || {
        let mut scene = Scene::new();
        let options = ListenOptions::new().filter(|| Ok(Pong::new()));
        let (_, address) = scene.listen(options, |_| Recorder::new("theirs"));
        let mut peer = Peer::connect(address);
        for _ in 0..20 {
            peer.write(b"there?");
            assert_eq!(scene.peer_reads(&mut peer, 1), b"!");
        }
    });
}

#[test]
fn a_shortage_within_a_long_write_sends_no_byte_twice() {
    // Behind the hellos of both ends, and behind some batches of one call.
    with_failing_calls(&["sendto:error=ENOBUFS:when=5..6"], || {
        let mut scene = Scene::new();
        let bytes = pattern(600_000, 3);
        let sent = bytes.clone();
        let writing = Recorder::new("theirs").on("connect", move |cx, _| {
            cx.socket.write(&sent).ignore();
        });
        let mut peer = accepted(&mut scene, records(), writing);
        let expected = Records::of(&bytes);
        let received = scene.peer_reads(&mut peer, expected.len());
        assert_same_bytes(&received, &expected);
    });
}

/// A peer of a server with records, which has sent nothing.
fn accepted_silently(scene: &mut Scene) -> Peer {
    let (_, address) = scene.listen(records(), |_| Recorder::new("theirs"));
    Peer::connect(address)
}
