//! The end of what we write: the FIN behind the last byte, and the ways to go without waiting for it (rules C5 to C12).

use netloop::{CloseReason, Flow, SocketOptions, State};

use crate::support::{PeerEnd, Recorder, Scene, Seen, assert_same_bytes, listener, pattern};

// C5
#[test]
fn fin_waits_for_the_last_byte() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    let bytes = pattern(8 << 20, 5);
    assert_eq!(scene.socket(id).write(&bytes), Flow::Full);
    assert_eq!(scene.socket(id).end_with(b"the end"), Flow::Full);
    assert_eq!(scene.socket(id).state(), State::ReadOnly, "even before");
    let received = scene.peer_reads_to_end(&mut peer);
    assert_eq!(received.end, PeerEnd::Fin);
    let (body, tail) = received.bytes.split_at(bytes.len());
    assert_same_bytes(body, &bytes);
    assert_eq!(tail, b"the end");
    assert_eq!(
        scene.world.trace("us"),
        "connect",
        "it stays open until the peer has ended too"
    );
    peer.close();
    scene.drive_to_close("us");
    assert_eq!(scene.world.trace("us"), "connect end close:Graceful");
}

// C5
#[test]
fn an_end_while_connecting_waits_for_the_connection() {
    let mut scene = Scene::new();
    let (listener, address) = listener();
    let id = scene
        .event_loop
        .connect(address, Recorder::new("us"))
        .unwrap();
    assert_eq!(scene.socket(id).end_with(b"all"), Flow::Open);
    assert_eq!(scene.socket(id).state(), State::Opening);
    let mut peer = scene.peer_accepts(&listener);
    let received = scene.peer_reads_to_end(&mut peer);
    assert_eq!(
        (&received.bytes[..], received.end),
        (&b"all"[..], PeerEnd::Fin)
    );
    peer.write(b"a late answer");
    peer.close();
    scene.drive_to_close("us");
    assert_eq!(
        scene.world.trace("us"),
        "connect data:a late answer end close:Graceful"
    );
}

// C5
#[test]
fn ending_twice_is_harmless() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    assert_eq!(scene.socket(id).end_with(b"once"), Flow::Open);
    scene.socket(id).end();
    scene.settle();
    scene.socket(id).end();
    assert_eq!(scene.socket(id).end_with(b"twice"), Flow::Ended);
    assert_eq!(scene.peer_reads_to_end(&mut peer).bytes, b"once");
    peer.close();
    scene.drive_to_close("us");
    scene.socket(id).end();
    scene.settle();
    assert_eq!(scene.world.trace("us"), "connect end close:Graceful");
}

// C6, DEVIATE: Node destroys the socket and loses what is queued.
#[test]
fn a_write_after_end_is_refused_and_the_graceful_close_goes_on() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    let bytes = pattern(8 << 20, 6);
    assert_eq!(scene.socket(id).end_with(&bytes), Flow::Full);
    assert_eq!(scene.socket(id).write(b"too late"), Flow::Ended);
    assert!(!scene.socket(id).is_writable());
    assert_eq!(scene.socket(id).bytes_written(), bytes.len() as u64, "F2");
    let received = scene.peer_reads_to_end(&mut peer);
    assert_same_bytes(&received.bytes, &bytes);
    peer.close();
    scene.drive_to_close("us");
    assert_eq!(scene.world.trace("us"), "connect end close:Graceful");
}

// C7
#[test]
fn a_write_after_destroy_is_refused_without_an_error() {
    let mut scene = Scene::new();
    let (id, _peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    scene.socket(id).destroy();
    assert_eq!(scene.socket(id).write(b"dead"), Flow::Closed);
    assert_eq!(scene.socket(id).end_with(b"dead"), Flow::Closed);
    assert_eq!(scene.socket(id).bytes_written(), 0, "F2");
    scene.drive_to_close("us");
    assert_eq!(scene.socket(id).write(b"dead"), Flow::Closed);
    assert_eq!(scene.world.trace("us"), "connect close:Local");
}

// C8 (T19)
#[test]
fn what_on_end_writes_leaves_before_the_automatic_fin() {
    let mut scene = Scene::new();
    let answering = Recorder::new("us").reacting(|cx, seen| {
        if *seen == Seen::End {
            assert_eq!(cx.socket.state(), State::WriteOnly);
            assert!(cx.socket.write(&[b'.'; 4 << 20]).is_accepted());
            assert!(cx.socket.write(b"the answer").is_accepted());
        }
    });
    let (id, mut peer) = scene.accepted(SocketOptions::new(), answering);
    peer.write(b"question");
    peer.half_close();
    scene.drive("the end", |world| world.has_seen("us", &Seen::End));
    assert_eq!(
        scene.socket(id).write(b"later"),
        Flow::Ended,
        "after on_end this side has ended too"
    );
    let received = scene.peer_reads_to_end(&mut peer);
    assert_eq!(received.end, PeerEnd::Fin);
    assert_eq!(received.bytes.len(), (4 << 20) + 10);
    assert!(received.bytes.ends_with(b"the answer"));
    scene.drive_to_close("us");
    assert_eq!(
        scene.world.trace("us"),
        "connect data:question end close:Graceful"
    );
}

// C8
#[test]
fn with_half_open_writing_goes_on_after_the_peers_end() {
    let mut scene = Scene::new();
    let options = SocketOptions::new().allow_half_open(true);
    let (id, mut peer) = scene.accepted(options, Recorder::new("us"));
    peer.half_close();
    scene.drive("the end", |world| world.has_seen("us", &Seen::End));
    scene.settle();
    assert_eq!(scene.socket(id).state(), State::WriteOnly);
    assert_eq!(scene.socket(id).write(b"one "), Flow::Open);
    assert_eq!(scene.peer_reads(&mut peer, 4), b"one ");
    assert_eq!(scene.socket(id).end_with(b"two"), Flow::Open);
    let received = scene.peer_reads_to_end(&mut peer);
    assert_eq!(
        (&received.bytes[..], received.end),
        (&b"two"[..], PeerEnd::Fin)
    );
    scene.drive_to_close("us");
    assert_eq!(scene.world.trace("us"), "connect end close:Graceful");
}

// C10 (T13)
#[test]
fn destroy_drops_the_user_queue_only() {
    let mut scene = Scene::new();
    let counting = Recorder::new("us").reacting(|cx, seen| {
        if let Seen::Close(_) = seen {
            let lost = cx.socket.queued_bytes();
            cx.shared.note(lost.to_string());
        }
    });
    let (id, mut peer) = scene.accepted(SocketOptions::new(), counting);
    let bytes = pattern(16 << 20, 7);
    assert_eq!(scene.socket(id).write(&bytes), Flow::Full);
    scene.socket(id).destroy();
    let received = scene.peer_reads_to_end(&mut peer);
    assert_eq!(received.end, PeerEnd::Fin, "not a reset");
    let arrived = received.bytes.len();
    assert!(arrived > 0 && arrived < bytes.len());
    assert_same_bytes(&received.bytes, &bytes[..arrived]);
    scene.drive_to_close("us");
    assert_eq!(
        scene.world.notes,
        [(bytes.len() - arrived).to_string()],
        "on_close can ask how much was lost (I5)"
    );
}

// C10 (T13): a write that was only gathered counts as one that the kernel took, which it would have been in Node.
#[test]
fn what_was_gathered_leaves_before_a_destroy() {
    type Ending = fn(&mut netloop::Socket<'_>);
    let endings: [(&str, Ending); 2] = [
        ("destroy", |socket| socket.destroy()),
        ("destroy_with", |socket| {
            socket.destroy_with(netloop::Error::other("mine"));
        }),
    ];
    for (name, ending) in endings {
        let mut scene = Scene::new();
        let leaving = Recorder::new(name).reacting(move |cx, seen| {
            if let Seen::Data(_) = seen {
                let _ = cx.socket.write(b"good");
                let _ = cx.socket.write(b"bye");
                ending(&mut cx.socket);
            }
        });
        let (_, mut peer) = scene.accepted(SocketOptions::new(), leaving);
        peer.write(b"go");
        let received = scene.peer_reads_to_end(&mut peer);
        assert_eq!(received.bytes, b"goodbye", "{name}");
        assert_eq!(received.end, PeerEnd::Fin, "{name}");
        scene.drive_to_close(name);
    }
}

// A4
#[test]
fn a_reset_met_by_the_last_bytes_of_a_destroy_is_not_told() {
    for paused in [false, true] {
        let mut scene = Scene::new();
        let options = SocketOptions::new().pause_on_connect(paused);
        let (one, peer) = scene.accepted(options.clone(), Recorder::new("destroyed"));
        let (other, other_peer) = scene.accepted(options, Recorder::new("failed"));
        peer.reset();
        other_peer.reset();
        let _ = scene.socket(one).write(b"bye");
        scene.socket(one).destroy();
        let _ = scene.socket(other).write(b"bye");
        scene
            .socket(other)
            .destroy_with(netloop::Error::other("mine"));
        scene.drive_to_close("destroyed");
        scene.drive_to_close("failed");
        assert_eq!(
            scene.world.trace("destroyed"),
            "connect close:Local",
            "paused: {paused}"
        );
        assert_eq!(
            scene.world.trace("failed"),
            "connect error:ERR_OTHER close:Error",
            "paused: {paused}"
        );
    }
}

// C10 (T22), D8
#[test]
fn destroy_with_unread_data_resets_the_peer() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(
        SocketOptions::new().pause_on_connect(true),
        Recorder::new("us"),
    );
    peer.write(b"never read");
    scene.settle();
    scene.socket(id).destroy();
    scene.drive_to_close("us");
    assert_eq!(scene.peer_reads_to_end(&mut peer).end, PeerEnd::Reset);
}

// C11 (T23)
#[test]
fn destroy_soon_flushes_8_mb_to_a_slow_reader() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    let bytes = pattern(8_000_000, 8);
    assert_eq!(scene.socket(id).write(&bytes), Flow::Full);
    scene.socket(id).destroy_soon();
    scene.settle();
    assert!(!scene.socket(id).is_destroyed(), "it waits for the flush");

    // A reader that takes some, rests a turn, and takes some more.
    let mut received = Vec::new();
    scene.drive_with("8 MB at the slow reader", |_| {
        while let Ok(Some(more)) = peer.read_some(200_000) {
            received.extend_from_slice(&more);
            if more.len() > 100_000 {
                break;
            }
        }
        received.len() == bytes.len()
    });
    assert_same_bytes(&received, &bytes);
    scene.drive_to_close("us");
    assert_eq!(
        scene.world.trace("us"),
        "connect close:Local",
        "the peer's end is not waited for"
    );
    assert_eq!(scene.peer_reads_to_end(&mut peer).end, PeerEnd::Fin);
}

// C11
#[test]
fn destroy_soon_works_while_connecting() {
    let mut scene = Scene::new();
    let (listener, address) = listener();
    let id = scene
        .event_loop
        .connect(address, Recorder::new("us"))
        .unwrap();
    assert_eq!(scene.socket(id).write(b"a short visit"), Flow::Open);
    scene.socket(id).destroy_soon();
    let mut peer = scene.peer_accepts(&listener);
    let received = scene.peer_reads_to_end(&mut peer);
    assert_eq!(
        (&received.bytes[..], received.end),
        (&b"a short visit"[..], PeerEnd::Fin)
    );
    scene.drive_to_close("us");
    assert_eq!(scene.world.trace("us"), "connect close:Local");
}

// C11
#[test]
fn destroy_soon_after_end_closes_without_the_peers_fin() {
    let mut scene = Scene::new();
    let (id, _peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    scene.socket(id).end();
    scene.settle();
    assert_eq!(scene.world.trace("us"), "connect");
    scene.socket(id).destroy_soon();
    scene.drive_to_close("us");
    assert_eq!(scene.world.trace("us"), "connect close:Local");
}

// C12 (T20)
#[test]
fn the_peers_fin_does_not_cut_off_what_is_queued() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    let bytes = pattern(12 << 20, 9);
    assert_eq!(scene.socket(id).write(&bytes), Flow::Full);
    peer.half_close();
    scene.drive("the end", |world| world.has_seen("us", &Seen::End));
    assert_eq!(scene.socket(id).state(), State::Closed);
    assert!(!scene.socket(id).is_destroyed());
    let received = scene.peer_reads_to_end(&mut peer);
    assert_eq!(received.end, PeerEnd::Fin);
    assert_same_bytes(&received.bytes, &bytes);
    scene.drive_to_close("us");
    assert_eq!(scene.world.trace("us"), "connect end close:Graceful");
}

// Reliability C10
#[test]
fn an_answer_is_complete_although_the_peer_goes_on_sending() {
    let mut scene = Scene::new();
    let answer = pattern(4 << 20, 12);
    let answering = {
        let answer = answer.clone();
        Recorder::new("us").reacting(move |cx, seen| {
            if let (Seen::Data(_), State::Open) = (seen, cx.socket.state()) {
                let _ = cx.socket.end_with(&answer);
            }
        })
    };
    let (_, mut peer) = scene.accepted(SocketOptions::new(), answering);
    let mut received = Vec::new();
    scene.drive_with("the answer and the end", |_| {
        // Bytes sent after the answer must not turn our close into a reset that eats the answer.
        let _ = peer.try_write(&[b'?'; 1000]);
        loop {
            match peer.read_some(64 << 10) {
                Ok(Some(more)) => received.extend_from_slice(&more),
                Ok(None) => return false,
                Err(end) => {
                    assert_eq!(end, PeerEnd::Fin);
                    return true;
                }
            }
        }
    });
    assert_same_bytes(&received, &answer);
    peer.half_close();
    scene.drive_to_close("us");
    assert_eq!(scene.world.close_reason("us"), Some(CloseReason::Graceful));
}
