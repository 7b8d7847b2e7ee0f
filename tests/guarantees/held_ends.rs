//! Peers that end and then answer a late write with a reset: the end is told behind the last byte, and then the failure.
//!
//! The rules: I5; D9. Only Linux says that the end came before the reset.

use netloop::{Budget, SocketOptions};

use crate::held_failures::{Far, KINDS, Kind, UNREAD, paused};
use crate::support::{Recorder, Scene, assert_same_bytes, pattern};

// Row 1.1: Node tells the end, and no error. Other systems do not say whether the end came before the reset.
#[test]
fn an_end_before_a_reset_is_told_behind_the_last_byte() {
    for &kind in KINDS {
        for length in [0, UNREAD] {
            for is_paused in [false, true] {
                for is_half_open in [false, true] {
                    let case =
                        format!("{kind:?}, {length}, paused: {is_paused}, half: {is_half_open}");
                    let mut scene = Scene::new();
                    let bytes = pattern(length, 1);
                    let options = SocketOptions::new().allow_half_open(is_half_open);
                    let noting = Recorder::new("us").on("end", |cx, _| {
                        let flow = cx.socket.write(b"too late");
                        cx.shared.note(format!("{flow:?}"));
                    });
                    let (id, far) = paused(&mut scene, kind, options, noting, &bytes);
                    scene.settle();
                    far.close();
                    if !is_paused {
                        scene.socket(id).resume();
                    }
                    for _ in 0..2 {
                        let _ = scene.socket(id).write(b"a late word");
                        scene.event_loop.flush(Budget::new());
                    }
                    if is_paused && length > 0 {
                        scene.drive_with(&case, |scene| scene.socket(id).is_peer_gone());
                        scene.settle();
                        assert_eq!(scene.world.trace("us"), "", "{case}");
                        scene.socket(id).resume();
                    }
                    scene.drive_to_close("us");
                    assert_same_bytes(&scene.world.received("us"), &bytes);
                    let trace = scene.world.trace("us");
                    assert!(
                        trace.ends_with("end error:EPIPE close:Reset"),
                        "{case}: {trace}"
                    );
                    assert_eq!(scene.world.count("us", "end"), 1, "{case}");
                    assert_eq!(scene.world.notes, ["Closed"], "{case}");
                }
            }
        }
    }
}

// The end is in the kernel, behind bytes that were read.
#[test]
fn a_pause_behind_a_failed_write_still_tells_the_end() {
    for &kind in KINDS {
        let mut scene = Scene::new();
        let (ours, far) = Far::having_sent(kind, b"bytes");
        let pausing = Recorder::new("us").on("data", |cx, _| {
            for _ in 0..2 {
                let _ = cx.socket.write(&[0; 32 << 10]);
            }
            cx.socket.pause();
        });
        let id = scene
            .event_loop
            .adopt(ours, SocketOptions::new().pause_on_connect(true), pausing)
            .unwrap();
        far.close();
        let _ = scene.socket(id).write(b"brings the reset");
        scene.event_loop.flush(Budget::new());
        scene.socket(id).resume();
        scene.drive_to_close("us");
        assert_eq!(
            scene.world.trace("us"),
            "data:bytes end error:EPIPE close:Reset",
            "{kind:?}"
        );
    }
}

// EPIPE alone is no end: this peer has only stopped reading.
#[test]
fn a_unix_peer_that_stopped_reading_has_not_ended() {
    use std::net::Shutdown;
    for is_paused in [false, true] {
        let mut scene = Scene::new();
        let recorder = Recorder::new("us");
        let (id, far) = paused(&mut scene, Kind::Unix, SocketOptions::new(), recorder, b"");
        if !is_paused {
            scene.socket(id).resume();
        }
        let Far::Unix(peer) = far else { unreachable!() };
        peer.shutdown(Shutdown::Read).unwrap();
        let _ = scene.socket(id).write(b"refused");
        scene.drive_to_close("us");
        assert_eq!(scene.world.trace("us"), "error:EPIPE close:Reset");
    }
}
