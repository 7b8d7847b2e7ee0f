//! Failures of the connection below filters, which the kernel tells once: the handler gets the true cause.

use netloop::{ListenOptions, SocketOptions};

use super::contracts::Pong;
use super::{accepted, records};
use crate::support::{Peer, Recorder, Records, Scene, with_failing_calls};

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
