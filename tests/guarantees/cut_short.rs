//! Closes that lose bytes of our own queue: the peer gets a reset, so that it takes no part for the whole.
//!
//! The rules: I5, D5; reliability C9. A `destroy` is the user's choice, and its peer gets a FIN, as in Node.

use std::time::Duration;

use netloop::{CloseReason, Flow, SocketId, SocketOptions};

use crate::panics::{drive_to_panic, panicking};
use crate::support::{Peer, PeerEnd, Received, Recorder, Scene, Seen, with_failing_calls};

/// Much more than both kernels hold.
const MUCH: usize = 8 << 20;

/// Notes how many bytes are lost at the close.
fn counting(recorder: Recorder) -> Recorder {
    recorder.on("close", |cx, _| {
        let lost = cx.socket.queued_bytes();
        cx.shared.note(lost.to_string());
    })
}

/// A socket with `MUCH` bytes for a peer that does not read.
fn stalled(scene: &mut Scene, options: SocketOptions, recorder: Recorder) -> (SocketId, Peer) {
    let (id, peer) = scene.adopted(options, counting(recorder));
    assert_eq!(scene.socket(id).write(&vec![7; MUCH]), Flow::Full);
    scene.settle();
    (id, peer)
}

/// Reads at the peer of a socket that has closed. Checks that the count of lost bytes is not too large.
#[track_caller]
fn received_after_the_close(scene: &mut Scene, peer: &mut Peer) -> Received {
    scene.drive_to_close("us");
    let received = scene.peer_reads_to_end(peer);
    let lost: usize = scene.world.notes[0].parse().unwrap();
    assert!(lost > 0, "bytes are lost");
    assert!(received.bytes.len() + lost <= MUCH, "at least so many");
    received
}

#[test]
fn a_close_timeout_with_a_queue_resets_the_peer() {
    let mut scene = Scene::new();
    let options = SocketOptions::new().close_timeout(Duration::from_millis(20));
    let (id, mut peer) = stalled(&mut scene, options, Recorder::new("us"));
    scene.socket(id).end();
    let received = received_after_the_close(&mut scene, &mut peer);
    assert_eq!(received.end, PeerEnd::Reset);
    assert_eq!(scene.world.close_reason("us"), Some(CloseReason::TimedOut));
}

#[test]
fn an_idle_timeout_with_a_queue_resets_the_peer() {
    let mut scene = Scene::new();
    let giving_up = Recorder::new("us").on("timeout", |cx, _| cx.socket.destroy());
    let options = SocketOptions::new().idle_timeout(Duration::from_millis(20));
    let (_, mut peer) = stalled(&mut scene, options, giving_up);
    let received = received_after_the_close(&mut scene, &mut peer);
    assert_eq!(received.end, PeerEnd::Reset);
    assert_eq!(scene.world.close_reason("us"), Some(CloseReason::TimedOut));
}

#[test]
fn the_hard_limit_resets_the_peer() {
    let mut scene = Scene::new();
    let options = SocketOptions::new().max_queued_bytes(MUCH);
    let (id, mut peer) = stalled(&mut scene, options, Recorder::new("us"));
    assert_eq!(scene.socket(id).write(&vec![7; MUCH]), Flow::Closed);
    let received = received_after_the_close(&mut scene, &mut peer);
    assert_eq!(received.end, PeerEnd::Reset);
    assert_eq!(scene.world.close_reason("us"), Some(CloseReason::Limit));
}

#[test]
fn a_panicking_handler_with_a_queue_resets_the_peer() {
    let mut scene = Scene::new();
    let options = SocketOptions::new();
    let handler = panicking("us", |seen| matches!(seen, Seen::Data(_)));
    let (_, mut peer) = stalled(&mut scene, options, handler);
    peer.write(b"panic");
    drive_to_panic(&mut scene, "on_data");
    let received = received_after_the_close(&mut scene, &mut peer);
    assert_eq!(received.end, PeerEnd::Reset);
}

#[test]
fn a_dropped_loop_resets_the_peers_it_owes_bytes() {
    let mut scene = Scene::new();
    let (_, mut peer) = stalled(&mut scene, SocketOptions::new(), Recorder::new("us"));
    let (_, mut idle) = scene.adopted(SocketOptions::new(), Recorder::new("idle"));
    let Scene { event_loop, .. } = scene;
    drop(event_loop);
    let mut other = Scene::new();
    assert_eq!(
        other.peer_reads_to_end(&mut peer).end,
        PeerEnd::Reset,
        "a part is not the whole"
    );
    assert_eq!(other.peer_reads_to_end(&mut idle).end, PeerEnd::Fin);
}

#[test]
fn a_destroy_with_a_queue_ends_the_peer_as_in_node() {
    let destroys: [fn(&mut Scene, SocketId); 2] = [
        |scene, id| scene.socket(id).destroy(),
        |scene, id| {
            let error = netloop::Error::other("enough");
            scene.socket(id).destroy_with(error);
        },
    ];
    for destroy in destroys {
        let mut scene = Scene::new();
        let (id, mut peer) = stalled(&mut scene, SocketOptions::new(), Recorder::new("us"));
        destroy(&mut scene, id);
        let received = received_after_the_close(&mut scene, &mut peer);
        assert_eq!(received.end, PeerEnd::Fin);
    }
}

// strace makes the call fail, with an error that is not the peer's.
#[cfg(target_os = "linux")]
#[test]
fn a_failed_send_with_a_queue_resets_the_peer() {
    with_failing_calls(&["sendto:error=EACCES:when=3+"], || {
        let mut scene = Scene::new();
        let (id, mut peer) = scene.adopted(SocketOptions::new(), counting(Recorder::new("us")));
        for _ in 0..3 {
            let _ = scene.socket(id).write(b"a part");
            scene.settle();
        }
        scene.drive_to_close("us");
        assert_eq!(scene.world.trace("us"), "error:EACCES close:Error");
        assert_eq!(scene.world.notes, ["6"], "lost");
        assert_eq!(scene.peer_reads_to_end(&mut peer).end, PeerEnd::Reset);
    });
}

// The peer is still there, and neither ends nor sends more: only a read that would block tells that all was read.
#[cfg(target_os = "linux")]
#[test]
fn bytes_before_a_failed_send_to_a_living_peer_are_delivered() {
    with_failing_calls(&["sendto:error=EACCES:when=2+2"], || {
        for is_paused in [false, true] {
            let mut scene = Scene::new();
            let options = SocketOptions::new().pause_on_connect(is_paused);
            let (id, mut peer) = scene.adopted(options, Recorder::new("us"));
            peer.write(b"unread");
            let _ = scene.socket(id).write(b"a part");
            scene.event_loop.flush(netloop::Budget::new());
            if is_paused {
                scene.drive_with("the report", |scene| scene.socket(id).is_peer_gone());
                scene.settle();
                scene.socket(id).resume();
            }
            scene.drive_to_close("us");
            let trace = scene.world.trace("us");
            assert_eq!(trace, "data:unread error:EACCES close:Error");
            assert_eq!(scene.peer_reads_to_end(&mut peer).end, PeerEnd::Reset);
        }
    });
}

#[test]
fn a_timeout_that_loses_nothing_ends_the_peer() {
    let mut scene = Scene::new();
    let options = SocketOptions::new().close_timeout(Duration::from_millis(20));
    let (id, mut peer) = scene.adopted(options, Recorder::new("us"));
    assert_eq!(scene.socket(id).write(b"all"), Flow::Open);
    scene.socket(id).end();
    scene.drive_to_close("us");
    let received = scene.peer_reads_to_end(&mut peer);
    assert_eq!(received.bytes, b"all");
    assert_eq!(received.end, PeerEnd::Fin);
}

#[cfg(unix)]
#[test]
fn a_unix_socket_that_loses_bytes_closes_as_ever() {
    let mut scene = Scene::new();
    let (ours, peer) = std::os::unix::net::UnixStream::pair().unwrap();
    let options = SocketOptions::new().close_timeout(Duration::from_millis(20));
    let id = scene
        .event_loop
        .adopt(ours, options, counting(Recorder::new("us")))
        .unwrap();
    assert_eq!(scene.socket(id).write(&vec![7; MUCH]), Flow::Full);
    scene.socket(id).end();
    scene.drive_to_close("us");
    assert_eq!(scene.world.trace("us"), "close:TimedOut");
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut &peer, &mut bytes).unwrap();
    let lost: usize = scene.world.notes[0].parse().unwrap();
    assert_eq!(bytes.len() + lost, MUCH, "what the kernel held arrives");
}
