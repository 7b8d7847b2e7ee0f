//! Pipes whose target takes no more: handlers that are replaced meanwhile, and the limit on the queue.

use netloop::{Flow, SocketId, SocketOptions};

use super::pipes::{MUCH, joined};
use crate::support::{Peer, Recorder, Scene, assert_same_bytes, pattern};

/// Fills the pipe from `a` to `b` until `a` is paused, and returns the number of bytes that the peer has sent.
fn fill(scene: &mut Scene, a: SocketId, peer_a: &mut Peer, bytes: &[u8]) -> usize {
    let mut sent = 0;
    scene.drive_with("backpressure", |scene| {
        sent += peer_a.write_some(&bytes[sent..]);
        scene.socket(a).is_paused()
    });
    sent
}

/// Sends the rest of `bytes` after `sent`, and reads all of them at the other peer.
fn pass_the_rest(scene: &mut Scene, from: &mut Peer, to: &mut Peer, bytes: &[u8], sent: usize) {
    let (mut sent, mut received) = (sent, Vec::new());
    scene.drive_with("the bytes at the other peer", |_| {
        sent += from.write_some(&bytes[sent..]);
        while let Some(more) = to.read_some(64 << 10).unwrap() {
            received.extend_from_slice(&more);
        }
        received.len() == bytes.len()
    });
    assert_same_bytes(&received, bytes);
}

#[test]
fn a_target_that_leaves_a_full_pipe_still_drains_its_source() {
    let mut scene = Scene::new();
    let [(a, mut peer_a), (b, mut peer_b)] = joined(&mut scene);
    let bytes = pattern(MUCH, 20);
    let sent = fill(&mut scene, a, &mut peer_a, &bytes);
    let mut cx = scene.event_loop.context(&mut scene.world);
    assert!(cx.replace_handler(b, Recorder::new("new"), b""));
    pass_the_rest(&mut scene, &mut peer_a, &mut peer_b, &bytes, sent);
    assert!(scene.world.has("new", "drain"));
}

#[test]
fn a_source_that_leaves_a_full_pipe_reads_again() {
    let mut scene = Scene::new();
    let [(a, mut peer_a), (b, _peer_b)] = joined(&mut scene);
    fill(&mut scene, a, &mut peer_a, &pattern(MUCH, 21));
    let mut cx = scene.event_loop.context(&mut scene.world);
    assert!(cx.replace_handler(b, Recorder::new("b again"), b""));
    assert!(cx.replace_handler(a, Recorder::new("new"), b""));
    scene.drive_until("new", "data");
}

#[test]
fn a_former_target_that_drains_resumes_no_source_of_another() {
    let mut scene = Scene::new();
    let [(a, mut peer_a), (former, mut peer_of_former)] = joined(&mut scene);
    let bytes = pattern(MUCH, 24);
    let sent = fill(&mut scene, a, &mut peer_a, &bytes);
    let (target, _peer) = scene.adopted(SocketOptions::new(), Recorder::new("target"));
    assert_eq!(scene.socket(target).write(&bytes), Flow::Full);
    let mut cx = scene.event_loop.context(&mut scene.world);
    assert!(cx.replace_handler(a, Recorder::new("a again"), b""));
    assert!(cx.pipe(a, target));
    peer_a.write_some(&bytes[sent..]);
    let read = scene.socket(a).bytes_read();
    scene.drive_with("the drain of the former target", |scene| {
        while peer_of_former.read_some(64 << 10).unwrap().is_some() {}
        scene.socket(former).queued_bytes() == 0
    });
    scene.settle();
    assert!(scene.socket(a).is_paused());
    assert_eq!(scene.socket(a).bytes_read(), read, "its target is full");
}

#[test]
fn a_pipe_does_not_pass_the_limit_of_its_target() {
    for most in [40 << 10, 100 << 10] {
        let mut scene = Scene::new();
        let (ours, mut peer_a) = Peer::roomy_pair();
        let adopted = scene
            .event_loop
            .adopt(ours, SocketOptions::new(), Recorder::new("a"));
        let a = adopted.unwrap();
        let options = SocketOptions::new().max_queued_bytes(most);
        let (b, mut peer_b) = scene.adopted(options, Recorder::new("b"));
        let mut cx = scene.event_loop.context(&mut scene.world);
        assert!(cx.pipe_both(a, b));
        let bytes = pattern(MUCH, 23);
        let mut sent = 0;
        // A queue below the high watermark, and then more at once than the limit leaves.
        scene.drive_with("a queue", |scene| {
            sent += peer_a.write_some(&bytes[sent..sent + 3_000]);
            scene.socket(a).is_paused() || scene.socket(b).queued_bytes() > 30 << 10
        });
        sent += peer_a.write_some(&bytes[sent..]);
        scene.settle();
        assert!(!scene.world.has("b", "close"), "{}", scene.world.brief());
        assert!(scene.socket(b).queued_bytes() <= most);
        pass_the_rest(&mut scene, &mut peer_a, &mut peer_b, &bytes, sent);
    }
}
