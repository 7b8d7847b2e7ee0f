//! Failures of the connection below filters, which the kernel tells once: the handler gets the true cause, and a true count
//! of the lost bytes.

use netloop::{ListenOptions, SocketOptions};

use super::contracts::Pong;
use super::{accepted, records};
use crate::support::{
    Peer, Recorder, Records, Scene, assert_same_bytes, pattern, with_failing_calls,
};

// D9
#[test]
fn a_reset_that_comes_within_a_pause_is_no_truncation() {
    let mut scene = Scene::new();
    let options = records().socket(SocketOptions::new().pause_on_connect(true));
    let mut peer = accepted(&mut scene, options, Recorder::new("theirs"));
    scene.drive_until("theirs", "connect");
    let id = scene.world.id("theirs");
    peer.write(&Records::of(b"last words"));
    peer.reset();
    scene.drive_with("the report", |scene| scene.socket(id).is_peer_gone());
    scene.settle();
    assert_eq!(scene.world.trace("theirs"), "connect");
    scene.socket(id).resume();
    scene.drive_to_close("theirs");
    assert_eq!(
        scene.world.trace("theirs"),
        "connect data:last words error:ECONNRESET close:Reset"
    );
}

// I5: of the batches of one write, some have left when the next one fails.
#[test]
fn batches_that_left_before_a_failed_one_are_not_lost() {
    const BYTES: usize = 600_000;
    with_failing_calls(&["sendto:error=EACCES:when=4"], || {
        let mut scene = Scene::new();
        let writing = Recorder::new("theirs")
            .on("connect", |cx, _| {
                cx.socket.write(&pattern(BYTES, 4)).ignore();
            })
            .on("close", |cx, _| {
                let lost = cx.socket.queued_bytes();
                cx.shared.note(lost.to_string());
            });
        let mut writing = Some(writing);
        let options = ListenOptions::new().filter(|| Ok(Pong::new()));
        let (_, address) = scene.listen(options, move |_| writing.take().unwrap());
        let mut peer = Peer::connect(address);
        let received = scene.peer_reads_to_end(&mut peer).bytes;
        scene.drive_to_close("theirs");
        let lost: usize = scene.world.notes[0].parse().unwrap();
        assert!(!received.is_empty(), "some have left");
        assert_eq!(received.len() + lost, BYTES);
        assert_same_bytes(&received, &pattern(BYTES, 4)[..received.len()]);
    });
}

#[test]
fn a_failure_that_an_answer_of_a_filter_meets_is_told() {
    // The first send is the question of the peer.
    with_failing_calls(&["sendto:error=ETIMEDOUT:when=2"], || {
        let mut scene = Scene::new();
        let options = ListenOptions::new().filter(|| Ok(Pong::new()));
        let (_, address) = scene.listen(options, |_| Recorder::new("theirs"));
        let mut peer = Peer::connect(address);
        peer.write(b"there?");
        scene.drive_until("theirs", "data");
        peer.half_close();
        scene.drive_to_close("theirs");
        assert_eq!(
            scene.world.trace("theirs"),
            "connect data:there? error:ETIMEDOUT close:TimedOut"
        );
    });
}
