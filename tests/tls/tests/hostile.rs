//! Peers that mean harm: no panic, bounded memory, and gone in time.

use std::time::Duration;

use netloop::Limits;

use crate::by_hand::server_and_client;
use crate::support::{Peer, Recorder, Scene, pattern};

#[test]
fn random_bytes_fail_the_handshake() {
    let mut scene = Scene::new();
    let (options, _) = crate::options();
    let (_, address) = scene.listen(options, |_| Recorder::new("theirs"));
    for seed in 0..200 {
        let mut peer = Peer::connect(address);
        let mut bytes = pattern(1 + usize::try_from(seed % 40).unwrap() * 50, seed);
        if seed % 3 == 0 {
            // The head of a record, so that the bytes behind it are looked at.
            let head = [22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3];
            let length = head.len().min(bytes.len());
            bytes[..length].copy_from_slice(&head[..length]);
        }
        let _ = peer.try_write(&bytes);
        peer.close();
    }
    scene.drive_with("all failures", |scene| {
        scene.world.count("server", "failed") == 200
    });
    assert!(!scene.world.has("theirs", "connect"));
}

#[test]
fn a_changed_byte_anywhere_fails_the_connection() {
    for place in [0, 1, 3, 5, 9, 20] {
        let mut scene = Scene::new();
        let mut client = server_and_client(&mut scene, |_| Recorder::new("theirs"));
        client.shake_hands(&mut scene);
        client.drive(&mut scene, "the connection", |_, scene| {
            scene.world.has("theirs", "connect")
        });
        client.write(b"what must not be changed");
        let mut record = client.outgoing();
        record[place] ^= 0x40;
        client.peer.write(&record);
        client.peer.half_close();
        scene.drive_to_close("theirs");
        assert_eq!(scene.world.received("theirs"), b"", "{place}");
        assert!(scene.world.has("theirs", "error"), "{place}");
    }
}

#[test]
fn a_record_that_is_too_long_fails_the_connection() {
    let mut scene = Scene::new();
    let mut client = server_and_client(&mut scene, |_| Recorder::new("theirs"));
    client.shake_hands(&mut scene);
    client.drive(&mut scene, "the connection", |_, scene| {
        scene.world.has("theirs", "connect")
    });
    client.peer.write(&[23, 3, 3, 0xff, 0xff]);
    client.peer.write(&[0; 60_000]);
    scene.drive_to_close("theirs");
    let text = scene.world.error("theirs").to_string();
    assert!(text.starts_with("TLS failed: "), "{text}");
}

#[test]
fn half_handshakes_are_gone_by_the_deadline() {
    let mut scene = Scene::new();
    let (options, _) = crate::options();
    let limits = Limits::new().handshake_timeout(Duration::from_millis(400));
    let (_, address) = scene.listen(options.limits(limits), |_| Recorder::new("theirs"));
    let silent: Vec<Peer> = (0..100).map(|_| Peer::connect(address)).collect();
    let mut halves = Vec::new();
    for _ in 0..100 {
        let mut peer = Peer::connect(address);
        // A record that never ends.
        peer.write(&[22, 3, 1, 0x3f, 0xff, 1, 0, 0x3f, 0xfb]);
        halves.push(peer);
    }
    scene.drive_with("the end of all", |scene| {
        scene.world.count("server", "failed") == 200
    });
    assert_eq!(scene.event_loop.statistics().timed_out_handshakes, 200);
    assert_eq!(scene.event_loop.sockets().ids().count(), 0);
    drop((silent, halves));
}

#[test]
fn a_flood_of_empty_records_is_cut_off() {
    let mut scene = Scene::new();
    let mut client = server_and_client(&mut scene, |_| Recorder::new("theirs"));
    client.shake_hands(&mut scene);
    client.drive(&mut scene, "the connection", |_, scene| {
        scene.world.has("theirs", "connect")
    });
    // A change of the cipher is allowed within a handshake alone.
    scene.drive_with("the close", |scene| {
        let _ = client.peer.try_write(&[20, 3, 3, 0, 1, 1].repeat(100));
        scene.world.close_reason("theirs").is_some()
    });
}

#[test]
fn a_flood_of_key_updates_is_cut_off() {
    let mut scene = Scene::new();
    let mut client = server_and_client(&mut scene, |_| Recorder::new("theirs"));
    client.shake_hands(&mut scene);
    let mut updates = 0;
    scene.drive_with("the close", |scene| {
        // The answers are not read.
        for _ in 0..100 {
            if client.tls.refresh_traffic_keys().is_ok() {
                updates += 1;
            }
        }
        let outgoing = client.outgoing();
        let _ = client.peer.try_write(&outgoing);
        scene.world.close_reason("theirs").is_some() || updates > 100_000
    });
    let trace = scene.world.trace("theirs");
    assert!(updates <= 100_000, "they are not cut off: {trace}");
}
