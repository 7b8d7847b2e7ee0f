//! Corks: writes that are held back until they are let go.

use netloop::{ConnectOptions, Flow, SocketId, SocketOptions};

use crate::support::{HELLO, Peer, PeerEnd, Recorder, Records, Scene, Seen, listener};

/// Nothing has come to the peer, and nothing will by itself.
#[track_caller]
fn nothing_arrives(scene: &mut Scene, peer: &mut Peer) {
    scene.settle();
    assert_eq!(peer.read_some(1), Ok(None));
}

#[test]
fn what_is_corked_leaves_when_it_is_uncorked() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    scene.socket(id).cork();
    for _ in 0..3 {
        assert_eq!(scene.socket(id).write(b"head"), Flow::Open);
        nothing_arrives(&mut scene, &mut peer);
    }
    assert_eq!(scene.socket(id).queued_bytes(), 12);
    assert_eq!(scene.socket(id).bytes_written(), 12, "F2");
    scene.socket(id).uncork();
    assert_eq!(scene.peer_reads(&mut peer, 12), b"headheadhead");
    // And from now on nothing is held back.
    assert_eq!(scene.socket(id).write(b"tail"), Flow::Open);
    assert_eq!(scene.peer_reads(&mut peer, 4), b"tail");
}

// Node: a write before `cork` has reached the kernel.
#[test]
fn bytes_written_before_a_cork_are_not_held_back() {
    let corks = Recorder::new("us").reacting(|cx, seen| {
        if let Seen::Data(_) = seen {
            assert_eq!(cx.socket.write(b"before"), Flow::Open);
            cx.socket.cork();
            assert_eq!(cx.socket.write(b"after"), Flow::Open);
            assert_eq!(cx.socket.queued_bytes(), 5);
        }
    });
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(SocketOptions::new(), corks);
    scene.peer_writes(&mut peer, b"in a callback");
    assert_eq!(scene.peer_reads(&mut peer, 6), b"before");
    nothing_arrives(&mut scene, &mut peer);
    scene.socket(id).uncork();
    assert_eq!(scene.peer_reads(&mut peer, 5), b"after");

    assert_eq!(scene.socket(id).write(b"before"), Flow::Open);
    scene.socket(id).cork();
    scene.socket(id).cork();
    assert_eq!(scene.socket(id).write(b"after"), Flow::Open);
    assert_eq!(scene.peer_reads(&mut peer, 6), b"before");
    nothing_arrives(&mut scene, &mut peer);
}

#[test]
fn corking_while_connecting_holds_back_beyond_the_connect() {
    let (listener, address) = listener();
    let mut scene = Scene::new();
    let id = scene
        .event_loop
        .connect(address, Recorder::new("us"))
        .unwrap();
    scene.socket(id).cork();
    assert_eq!(scene.socket(id).write(b"later"), Flow::Open);
    let mut peer = scene.peer_accepts(&listener);
    scene.drive("the connect", |world| world.has_seen("us", &Seen::Connect));
    nothing_arrives(&mut scene, &mut peer);
    scene.socket(id).uncork();
    assert_eq!(scene.peer_reads(&mut peer, 5), b"later");
}

#[test]
fn bytes_written_before_a_cork_and_the_connect_leave_with_it() {
    for is_filtered in [false, true] {
        let (listener, address) = listener();
        let mut scene = Scene::new();
        let mut options = ConnectOptions::new();
        if is_filtered {
            options = options.filter(|| Ok(Records::default()));
        }
        let wire = |bytes: &[u8]| match is_filtered {
            true => Records::of(bytes),
            false => bytes.to_vec(),
        };
        let recorder = Recorder::new("us");
        let id = scene.event_loop.connect_with(address, options, recorder);
        let id = id.unwrap();
        assert_eq!(scene.socket(id).write(b"before"), Flow::Open);
        scene.socket(id).cork();
        let mut peer = scene.peer_accepts(&listener);
        if is_filtered {
            assert_eq!(scene.peer_reads(&mut peer, HELLO.len()), HELLO);
            peer.write(HELLO);
        }
        let before = wire(b"before");
        assert_eq!(scene.peer_reads(&mut peer, before.len()), before);
        assert_eq!(scene.socket(id).write(b"later"), Flow::Open);
        nothing_arrives(&mut scene, &mut peer);
        scene.socket(id).uncork();
        let later = wire(b"later");
        assert_eq!(scene.peer_reads(&mut peer, later.len()), later);
    }
}

#[test]
fn a_cork_in_a_handshake_holds_back_what_is_written_after_it() {
    let mut scene = Scene::new();
    let recorder = Recorder::new("us").on("connect", |cx, _| {
        cx.socket.write(b"held").ignore();
    });
    let (id, mut peer) = scene.adopted(SocketOptions::new(), recorder);
    let mut socket = scene.socket(id);
    socket.write(b"plain").ignore();
    socket.start_filter(Records::default(), b"").unwrap();
    socket.cork();
    let first = [&b"plain"[..], HELLO].concat();
    assert_eq!(scene.peer_reads(&mut peer, first.len()), first);
    peer.write(HELLO);
    scene.drive_until("us", "connect");
    nothing_arrives(&mut scene, &mut peer);
    scene.socket(id).uncork();
    let held = Records::of(b"held");
    assert_eq!(scene.peer_reads(&mut peer, held.len()), held);
}

#[test]
fn a_cork_gives_way_at_the_high_water_mark() {
    let mut scene = Scene::new();
    let options = SocketOptions::new().high_water_mark(1000);
    let (id, mut peer) = scene.accepted(options, Recorder::new("us"));
    scene.socket(id).cork();
    assert_eq!(scene.socket(id).write(&[1; 999]), Flow::Open);
    nothing_arrives(&mut scene, &mut peer);
    assert_eq!(
        scene.socket(id).write(b"x"),
        Flow::Open,
        "the kernel took it all"
    );
    assert_eq!(scene.peer_reads(&mut peer, 1000).len(), 1000);
    // It is still corked.
    assert_eq!(scene.socket(id).write(b"y"), Flow::Open);
    nothing_arrives(&mut scene, &mut peer);
}

/// Writes until the kernel takes no more and so much is queued, and says how much that was.
fn write_until_queued(scene: &mut Scene, id: SocketId, queued: usize) -> usize {
    let mut written = 0;
    while scene.socket(id).queued_bytes() < queued {
        assert!(scene.socket(id).write(&[7; 5_000]).is_accepted());
        written += 5_000;
        scene.turn();
    }
    written
}

// F2, and I10: the kernel's space would wake the loop for nothing, again and again, were it held back.
#[test]
fn a_cork_holds_back_nothing_that_waits_for_space() {
    const MARK: usize = 64 << 10;
    for (is_corked_first, queued) in [(true, MARK + 20_000), (false, 20_000)] {
        let mut scene = Scene::new();
        let options = SocketOptions::new().high_water_mark(MARK);
        let (id, mut peer) = scene.adopted(options, Recorder::new("us"));
        if is_corked_first {
            scene.socket(id).cork();
        }
        let written = write_until_queued(&mut scene, id, queued);
        scene.socket(id).cork();
        assert_eq!(scene.peer_reads(&mut peer, written).len(), written);
        scene.settle();
        assert_eq!(scene.socket(id).queued_bytes(), 0);
        let has_drained = scene.world.has_seen("us", &Seen::Drain);
        assert_eq!(
            has_drained, is_corked_first,
            "only one had been told to wait"
        );

        // And now it holds.
        assert_eq!(scene.socket(id).write(b"corked"), Flow::Open);
        nothing_arrives(&mut scene, &mut peer);
        scene.socket(id).uncork();
        assert_eq!(scene.peer_reads(&mut peer, 6), b"corked");
    }
}

#[test]
fn the_end_takes_along_what_is_corked() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    scene.socket(id).cork();
    assert_eq!(scene.socket(id).write(b"last words"), Flow::Open);
    scene.socket(id).end();
    let received = scene.peer_reads_to_end(&mut peer);
    assert_eq!(received.bytes, b"last words");
    assert_eq!(received.end, PeerEnd::Fin);
    peer.close();
    scene.drive_to_close("us");
    assert_eq!(scene.world.trace("us"), "connect end close:Graceful");
}

#[test]
fn a_cork_after_end_delays_neither_the_last_bytes_nor_the_fin() {
    for words in [b"".as_slice(), b"last words"] {
        let mut scene = Scene::new();
        let (id, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
        let _ = scene.socket(id).write(words);
        scene.socket(id).end();
        scene.socket(id).cork();
        let received = scene.peer_reads_to_end(&mut peer);
        assert_eq!(received.bytes, words);
        assert_eq!(received.end, PeerEnd::Fin);
    }
}

// C10: what was only held back is lost with the rest.
#[test]
fn destroying_a_corked_socket_says_what_was_lost() {
    let mut scene = Scene::new();
    let us = Recorder::new("us").reacting(|cx, seen| {
        if let Seen::Close(_) = seen {
            let lost = cx.socket.queued_bytes();
            cx.shared.note(format!("{lost} lost"));
        }
    });
    let (id, mut peer) = scene.accepted(SocketOptions::new(), us);
    scene.socket(id).cork();
    assert_eq!(scene.socket(id).write(b"never"), Flow::Open);
    scene.socket(id).destroy();
    assert_eq!(scene.peer_reads_to_end(&mut peer).bytes, b"");
    assert_eq!(scene.world.notes, ["5 lost"]);
}

// A long write takes the bytes before it straight to the kernel, so the cork holds nothing back.
#[test]
fn a_cork_behind_a_long_write_delays_no_drain_and_no_marker() {
    let mut scene = Scene::new();
    let (listener, address) = listener();
    let options = SocketOptions::new().high_water_mark(1 << 10);
    let corking = Recorder::new("us").on("connect", |cx, _| {
        let _ = cx.socket.write_static(&[b'y'; 20 << 10]);
        cx.socket.cork();
    });
    let id = scene.connect(address, options, corking);
    assert_eq!(scene.socket(id).write(&[b'x'; 2 << 10]), Flow::Full);
    scene.socket(id).notify_when_sent(1);
    let _peer = scene.peer_accepts(&listener);
    scene.drive_until("us", "drain");
    scene.drive_until("us", "sent");
    assert_eq!(scene.socket(id).queued_bytes(), 0);
}
