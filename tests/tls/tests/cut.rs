//! Ends of TLS: the close_notify in front of the FIN, and connections that are cut at any place.

use crate::by_hand::server_and_client;
use crate::support::{PeerEnd, Recorder, Scene};

#[test]
fn an_end_is_a_close_notify_and_a_fin_behind_all_bytes() {
    let mut scene = Scene::new();
    let ending = |_| {
        Recorder::new("theirs").on("connect", |cx, _| {
            cx.socket.write(&[7; 200_000]).ignore();
            cx.socket.end();
        })
    };
    let mut client = server_and_client(&mut scene, ending);
    client.drive(&mut scene, "the end", |it, _| it.end.is_some());
    assert_eq!(client.received, [7; 200_000]);
    assert!(client.has_close_notify);
    assert_eq!(client.end, Some(PeerEnd::Fin));
}

#[test]
fn a_half_closed_connection_still_receives() {
    let mut scene = Scene::new();
    let ending = |_| Recorder::new("theirs").on("connect", |cx, _| cx.socket.end());
    let mut client = server_and_client(&mut scene, ending);
    client.drive(&mut scene, "their end", |it, _| it.has_close_notify);
    client.write(b"and one more thing");
    client.tls.send_close_notify();
    client.drive(&mut scene, "the close", |_, scene| {
        scene.world.close_reason("theirs").is_some()
    });
    let trace = scene.world.trace("theirs");
    assert_eq!(trace, "connect data:and one more thing end close:Graceful");
}

#[test]
fn a_close_notify_is_the_end_and_is_answered() {
    let mut scene = Scene::new();
    let mut client = server_and_client(&mut scene, |_| Recorder::new("theirs"));
    client.write(b"bye");
    client.shake_hands(&mut scene);
    client.tls.send_close_notify();
    client.drive(&mut scene, "the answer", |it, _| it.end.is_some());
    assert!(client.has_close_notify);
    let trace = scene.world.trace("theirs");
    assert_eq!(trace, "connect data:bye end close:Graceful");
}

#[test]
fn a_fin_without_a_close_notify_is_no_end() {
    let mut scene = Scene::new();
    let mut client = server_and_client(&mut scene, |_| Recorder::new("theirs"));
    client.write(b"a part");
    client.shake_hands(&mut scene);
    client.step();
    client.peer.half_close();
    scene.drive_to_close("theirs");
    let trace = scene.world.trace("theirs");
    assert_eq!(
        trace,
        "connect data:a part error:ERR_TLS_TRUNCATED close:Error"
    );
}

#[test]
fn destroy_sends_no_close_notify() {
    let mut scene = Scene::new();
    let leaving = |_| Recorder::new("theirs").on("connect", |cx, _| cx.socket.destroy());
    let mut client = server_and_client(&mut scene, leaving);
    client.drive(&mut scene, "the end", |it, _| it.end.is_some());
    assert!(!client.has_close_notify);
}

/// Cuts the client's bytes of the handshake behind each of them, with a FIN or a RST.
fn cut_everywhere(resets: bool) {
    let mut scene = Scene::new();
    let mut place = 0;
    loop {
        let mut client = server_and_client(&mut scene, |_| Recorder::new("theirs"));
        let mut left = place;
        let mut is_whole = false;
        scene.drive_with("the cut", |scene| {
            let outgoing = client.outgoing();
            let part = outgoing.len().min(left);
            if part > 0 {
                client.peer.write(&outgoing[..part]);
            }
            left -= part;
            if part < outgoing.len() {
                return true;
            }
            while let Ok(Some(bytes)) = client.peer.read_some(64 << 10) {
                client.take(&bytes);
            }
            is_whole = !client.tls.is_handshaking() && !client.tls.wants_write();
            is_whole && scene.world.has("theirs", "connect")
        });
        match resets {
            true => client.peer.reset(),
            false => client.peer.close(),
        }
        if is_whole {
            scene.drive_to_close("theirs");
            break;
        }
        scene.drive_with("the failure", |scene| {
            scene.world.count("server", "failed") > 0
        });
        assert!(!scene.world.has("theirs", "connect"), "behind {place}");
        scene.world.log.clear();
        // Each record's head, and a place within each of the long messages.
        place += if place < 16 { 1 } else { 37 };
    }
    assert!(place > 300, "the handshake has more bytes than {place}");
    scene.settle();
    assert_eq!(scene.event_loop.sockets().ids().count(), 0);
}

#[test]
fn a_handshake_that_is_cut_anywhere_is_a_failure() {
    cut_everywhere(false);
}

#[test]
fn a_handshake_that_is_reset_anywhere_is_a_failure() {
    cut_everywhere(true);
}
