//! Failures that are held: the peer has gone, but a paused socket still delivers the bytes that were received before.
//!
//! The rules: I5, D5; reliability B9, C3. `resets.rs` has the resets that meet a socket without unread bytes. The file is
//! long because each request that a program can make of such a socket is a case.

use std::rc::Rc;
use std::time::{Duration, Instant};

use netloop::{Budget, CloseReason, Flow, RunEnd, SocketId, SocketOptions, StdStream, Wait};

use crate::support::{
    Arrival, Peer, PeerEnd, Recorder, Scene, Seen, assert_same_bytes, filtered, let_time_pass,
    pattern,
};

/// The number of bytes that are unread when the peer goes.
pub(crate) const UNREAD: usize = 100_000;

/// The other end, and the ways in which it goes.
pub(crate) enum Far {
    Tcp(Peer),
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixStream),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Tcp,
    #[cfg(unix)]
    Unix,
}

pub(crate) const KINDS: &[Kind] = &[
    Kind::Tcp,
    #[cfg(unix)]
    Kind::Unix,
];

impl Far {
    /// Two connected ends. The second has sent `bytes`, which have all arrived at the first.
    pub(crate) fn having_sent(kind: Kind, bytes: &[u8]) -> (StdStream, Self) {
        match kind {
            Kind::Tcp => {
                let (ours, mut peer) = Peer::roomy_pair();
                peer.write(bytes);
                while !bytes.is_empty()
                    && ours.peek(&mut vec![0; bytes.len()]).unwrap() < bytes.len()
                {
                    std::thread::yield_now();
                }
                (ours.into(), Self::Tcp(peer))
            }
            #[cfg(unix)]
            Kind::Unix => {
                use std::io::Write;
                let (ours, mut peer) = std::os::unix::net::UnixStream::pair().unwrap();
                peer.write_all(bytes).unwrap();
                (ours.into(), Self::Unix(peer))
            }
        }
    }

    /// Closes cleanly, after everything was read that has arrived.
    pub(crate) fn close(self) {
        match self {
            Self::Tcp(peer) => peer.close(),
            #[cfg(unix)]
            Self::Unix(stream) => drop(stream),
        }
    }

    /// Goes so that the kernel reports an error. A Unix socket has no reset, but an end with unread bytes.
    fn fail(self) {
        match self {
            Self::Tcp(peer) => peer.reset(),
            #[cfg(unix)]
            Self::Unix(stream) => drop(stream),
        }
    }
}

/// A paused socket, at which `bytes` of its peer have arrived.
pub(crate) fn paused(
    scene: &mut Scene,
    kind: Kind,
    options: SocketOptions,
    recorder: Recorder,
    bytes: &[u8],
) -> (SocketId, Far) {
    let over_tls = filtered::is_tls() && kind == Kind::Tcp;
    let (ours, mut far) = Far::having_sent(kind, if over_tls { b"" } else { bytes });
    let options = options.pause_on_connect(true);
    let id = scene.event_loop.adopt(ours, options, recorder).unwrap();
    if let (true, Far::Tcp(peer)) = (over_tls, &mut far) {
        scene.begin_filters(id, peer);
        peer.write(bytes);
        if !bytes.is_empty() {
            scene.await_arrival(Arrival::Bytes, [id]);
        }
    }
    (id, far)
}

/// A paused socket that holds the failure, with `UNREAD` bytes of its peer.
fn held(scene: &mut Scene, kind: Kind, options: SocketOptions, recorder: Recorder) -> SocketId {
    let (id, far) = paused(scene, kind, options, recorder, &pattern(UNREAD, 1));
    // The peer never reads this, so that its close is a failure for a Unix socket too.
    assert_eq!(scene.socket(id).write(b"hello?"), Flow::Open);
    scene.settle();
    far.fail();
    scene.drive_with("the report", |scene| scene.socket(id).is_peer_gone());
    id
}

fn plain_held(scene: &mut Scene) -> SocketId {
    held(scene, Kind::Tcp, SocketOptions::new(), Recorder::new("us"))
}

/// Whether the error says that the peer's end came before its reset.
fn is_behind_end(code: &str) -> bool {
    cfg!(target_os = "linux") && code == "EPIPE"
}

/// Resumes the socket of "us", and checks that all bytes come, then the end if it is known, then the failure.
#[track_caller]
fn assert_delivers(scene: &mut Scene, id: SocketId, case: &str) {
    assert!(scene.socket(id).is_peer_gone(), "{case}");
    assert!(!scene.socket(id).is_writable(), "{case}");
    assert_eq!(scene.socket(id).write(b"more"), Flow::Closed, "{case}");
    let refused = scene.event_loop.sockets().broadcast([id], b"to all");
    assert_eq!(refused, [(id, Flow::Closed)], "{case}");
    scene.settle();
    assert_eq!(scene.world.count("us", "data"), 0, "{case}");
    assert_eq!(scene.world.count("us", "close"), 0, "{case}");
    scene.socket(id).resume();
    scene.drive_to_close("us");
    assert_same_bytes(&scene.world.received("us"), &pattern(UNREAD, 1));
    assert_eq!(
        scene.world.close_reason("us"),
        Some(CloseReason::Reset),
        "{case}"
    );
    assert!(!scene.socket(id).is_peer_gone(), "{case}");
    let code = scene.world.error("us").code();
    assert!(matches!(code, "ECONNRESET" | "EPIPE"), "{case}: {code}");
    let end = if is_behind_end(code) { "end " } else { "" };
    assert_eq!(
        scene.world.trace("us"),
        format!("data:{UNREAD} {end}error:{code} close:Reset"),
        "{case}"
    );
}

/// A way to send that meets the failure.
type Send = (&'static str, fn(&mut Scene, SocketId));

const SENDS: &[Send] = &[
    ("a gathered write", |scene, id| {
        let _ = scene.socket(id).write(b"hello?");
        scene.event_loop.flush(Budget::new());
    }),
    ("a direct write", |scene, id| {
        let _ = scene.socket(id).write(&[0; 32 << 10]);
    }),
    ("a write past the high watermark", |scene, id| {
        scene.socket(id).cork();
        for _ in 0..20 {
            let _ = scene.socket(id).write(&[0; 10_000]);
        }
    }),
    ("a vectored write", |scene, id| {
        let shared: Rc<[u8]> = vec![0; 8_000].into();
        scene.socket(id).cork();
        for _ in 0..3 {
            let _ = scene.socket(id).write_shared(Rc::clone(&shared));
            let _ = scene.socket(id).write_static(&[0; 9_000]);
        }
        scene.socket(id).uncork();
        scene.event_loop.flush(Budget::new());
    }),
    ("a short broadcast", |scene, id| {
        let _ = scene.event_loop.sockets().broadcast([id], b"to all");
        scene.event_loop.flush(Budget::new());
    }),
    ("a long broadcast", |scene, id| {
        let _ = scene.event_loop.sockets().broadcast([id], &[0; 40_000]);
        scene.event_loop.flush(Budget::new());
    }),
    ("a last write and an end", |scene, id| {
        let _ = scene.socket(id).end_with(b"bye");
        scene.event_loop.flush(Budget::new());
    }),
];

#[test]
fn bytes_from_before_a_failed_send_are_delivered() {
    for &kind in KINDS {
        for &(send, make) in SENDS {
            for is_clean in [true, false] {
                let case = format!("{kind:?}, {send}, closed cleanly: {is_clean}");
                let mut scene = Scene::new();
                let recorder = Recorder::new("us");
                let bytes = pattern(UNREAD, 1);
                let (id, far) = paused(&mut scene, kind, SocketOptions::new(), recorder, &bytes);
                match is_clean {
                    true => far.close(),
                    false => far.fail(),
                }
                // The first send to a peer that closed cleanly succeeds, and brings its reset.
                for _ in 0..2 {
                    make(&mut scene, id);
                }
                scene.drive_with(&case, |scene| scene.socket(id).is_peer_gone());
                assert_delivers(&mut scene, id, &case);
            }
        }
    }
}

#[test]
fn bytes_from_before_a_reported_failure_are_delivered() {
    for &kind in KINDS {
        let mut scene = Scene::new();
        let id = held(&mut scene, kind, SocketOptions::new(), Recorder::new("us"));
        assert_delivers(&mut scene, id, &format!("{kind:?}"));
    }
}

#[test]
fn bytes_lost_by_a_failure_that_is_held_are_not_queued() {
    let mut scene = Scene::new();
    let (recorder, bytes) = (Recorder::new("us"), pattern(UNREAD, 1));
    let (id, far) = paused(
        &mut scene,
        Kind::Tcp,
        SocketOptions::new(),
        recorder,
        &bytes,
    );
    assert_eq!(scene.socket(id).write(&[0; 8 << 20]), Flow::Full);
    far.fail();
    scene.drive_with("the report", |scene| scene.socket(id).is_peer_gone());
    scene.settle();
    assert!(scene.socket(id).queued_bytes() > 0, "they are lost");
    assert_eq!(scene.event_loop.statistics().queued_bytes, 0);
}

#[test]
fn bytes_from_before_a_failed_end_are_delivered() {
    let mut scene = Scene::new();
    let recorder = Recorder::new("us");
    let bytes = pattern(UNREAD, 1);
    let (id, far) = paused(
        &mut scene,
        Kind::Tcp,
        SocketOptions::new(),
        recorder,
        &bytes,
    );
    scene.settle();
    far.close();
    // Our FIN is answered by a reset.
    scene.socket(id).end();
    scene.settle();
    scene.socket(id).resume();
    scene.drive_to_close("us");
    assert_same_bytes(&scene.world.received("us"), &bytes);
}

#[test]
fn a_socket_that_reads_gets_all_bytes_before_the_failure() {
    for &kind in KINDS {
        for &(send, make) in SENDS {
            let case = format!("{kind:?}, {send}");
            let mut scene = Scene::new();
            let bytes = pattern(UNREAD, 1);
            let (ours, far) = Far::having_sent(kind, &bytes);
            let recorder = Recorder::new("us");
            let id = scene
                .event_loop
                .adopt(ours, SocketOptions::new(), recorder)
                .unwrap();
            far.fail();
            for _ in 0..2 {
                make(&mut scene, id);
            }
            scene.drive_to_close("us");
            assert_same_bytes(&scene.world.received("us"), &bytes);
            assert_eq!(scene.world.count("us", "error"), 1, "{case}");
            // A Unix socket has no reset: its peer closed.
            let ends = usize::from(is_behind_end(scene.world.error("us").code()));
            assert_eq!(scene.world.count("us", "end"), ends, "{case}");
            assert!(ends == 0 || kind != Kind::Tcp, "{case}: a reset is no end");
        }
    }
}

#[test]
fn a_failure_behind_nothing_is_told_at_once_while_paused() {
    for &kind in KINDS {
        let mut scene = Scene::new();
        let recorder = Recorder::new("us");
        let (id, far) = paused(&mut scene, kind, SocketOptions::new(), recorder, b"");
        assert_eq!(scene.socket(id).write(b"hello?"), Flow::Open);
        scene.settle();
        far.fail();
        scene.drive_to_close("us");
        assert_eq!(scene.world.trace("us"), "error:ECONNRESET close:Reset");
    }
}

#[test]
fn the_queue_of_a_gone_peer_is_dropped_and_counted() {
    let mut scene = Scene::new();
    let counting = Recorder::new("us").on("close", |cx, _| {
        let lost = cx.socket.queued_bytes();
        cx.shared.note(lost.to_string());
    });
    let (id, mut peer) = scene.adopted(SocketOptions::new(), counting);
    scene.socket(id).pause();
    let written = 1 << 20;
    assert_eq!(scene.socket(id).write(&vec![0; written]), Flow::Full);
    scene.socket(id).notify_when_sent(7);
    assert!(scene.socket(id).needs_drain());
    let kept: Rc<[u8]> = vec![0; written].into();
    assert_eq!(scene.socket(id).write_shared(Rc::clone(&kept)), Flow::Full);
    peer.write(b"unread");
    scene.settle();
    let queued = scene.socket(id).queued_bytes();
    peer.reset();
    scene.drive_with("the report", |scene| scene.socket(id).is_peer_gone());
    scene.settle();
    assert_eq!(scene.socket(id).queued_bytes(), queued);
    assert!(!scene.socket(id).needs_drain(), "no drain will come");
    assert_eq!(Rc::strong_count(&kept), 1, "its memory is free");
    assert_eq!(scene.socket(id).write(b"more"), Flow::Closed);
    assert_eq!(scene.socket(id).queued_bytes(), queued);
    scene.socket(id).notify_when_sent(8);
    scene.socket(id).resume();
    scene.drive_to_close("us");
    assert_eq!(
        scene.world.trace("us"),
        "data:unread error:ECONNRESET sent:7:ECONNRESET sent:8:ECONNRESET close:Reset"
    );
    assert_eq!(scene.world.notes, [queued.to_string()]);
}

#[test]
fn unread_bytes_are_kept_for_the_unread_timeout() {
    let mut scene = Scene::new();
    let timeout = Duration::from_millis(60);
    let options = SocketOptions::new().unread_timeout(timeout);
    let begun = Instant::now();
    held(&mut scene, Kind::Tcp, options, Recorder::new("us"));
    scene.drive_to_close("us");
    assert!(begun.elapsed() >= timeout, "never early (I8)");
    assert_eq!(scene.world.trace("us"), "error:ECONNRESET close:Reset");
}

#[test]
fn without_an_unread_timeout_the_bytes_are_kept_for_ever() {
    let mut scene = Scene::new();
    let options = SocketOptions::new().unread_timeout(None);
    let id = held(&mut scene, Kind::Tcp, options, Recorder::new("us"));
    scene.settle();
    assert_eq!(scene.event_loop.next_deadline(), None);
    assert_delivers(&mut scene, id, "for ever");
}

#[test]
fn the_unread_timeout_does_not_interrupt_a_resumed_socket() {
    let mut scene = Scene::new();
    let timeout = Duration::from_millis(20);
    let options = SocketOptions::new().unread_timeout(timeout);
    let bytes = pattern(600_000, 3);
    let (id, far) = paused(&mut scene, Kind::Tcp, options, Recorder::new("us"), &bytes);
    far.fail();
    scene.drive_with("the report", |scene| scene.socket(id).is_peer_gone());
    scene.socket(id).resume();
    // One read a turn, and the timeout has passed before the second.
    while scene.world.count("us", "close") == 0 {
        let budget = Budget::new().steps(1);
        scene
            .event_loop
            .turn(&mut scene.world, Wait::No, budget)
            .unwrap();
        let_time_pass(timeout);
    }
    assert_same_bytes(&scene.world.received("us"), &bytes);
}

#[test]
fn a_socket_paused_between_two_reads_keeps_the_rest() {
    let mut scene = Scene::new();
    let bytes = pattern(600_000, 4);
    let (ours, far) = Far::having_sent(Kind::Tcp, &bytes);
    let pausing = Recorder::new("us").on("data", |cx, _| {
        let _ = cx.socket.write(&[0; 32 << 10]);
        cx.socket.pause();
    });
    let id = scene
        .event_loop
        .adopt(ours, SocketOptions::new(), pausing)
        .unwrap();
    far.fail();
    let mut turns = 0;
    while scene.world.count("us", "close") == 0 {
        scene.settle();
        turns += 1;
        scene.socket(id).resume();
    }
    assert!(turns > 3, "it was paused after each read");
    assert_same_bytes(&scene.world.received("us"), &bytes);
    assert_eq!(scene.world.count("us", "error"), 1);
}

#[test]
fn destroy_gives_up_a_held_failure_and_its_bytes() {
    type Destroy = fn(&mut Scene, SocketId);
    let destroys: [(Destroy, &str); 4] = [
        (|scene, id| scene.socket(id).destroy(), "close:Local"),
        (|scene, id| scene.socket(id).reset().unwrap(), "close:Local"),
        (
            |scene, id| {
                let error = netloop::Error::other("enough");
                scene.socket(id).destroy_with(error);
            },
            "error:ERR_OTHER close:Error",
        ),
        // It has nothing to wait for.
        (
            |scene, id| scene.socket(id).destroy_soon(),
            "error:ECONNRESET close:Reset",
        ),
    ];
    for (destroy, trace) in destroys {
        let mut scene = Scene::new();
        let id = plain_held(&mut scene);
        destroy(&mut scene, id);
        scene.settle();
        assert_eq!(scene.world.trace("us"), trace);
        assert!(!scene.socket(id).is_peer_gone());
    }
}

#[test]
fn an_end_changes_nothing_about_a_held_failure() {
    let mut scene = Scene::new();
    let options = SocketOptions::new().close_timeout(Duration::from_millis(20));
    let id = held(&mut scene, Kind::Tcp, options, Recorder::new("us"));
    scene.socket(id).end();
    scene.let_pass(Duration::from_millis(60));
    assert_delivers(&mut scene, id, "after an end");
}

#[test]
fn a_socket_with_a_held_failure_cannot_be_detached() {
    for &kind in KINDS {
        let mut scene = Scene::new();
        let id = held(&mut scene, kind, SocketOptions::new(), Recorder::new("us"));
        // The kernel has told its error, so the next reader would take the reset for an end.
        assert!(scene.socket(id).detach().is_none());
        assert_delivers(&mut scene, id, "not detached");
    }
}

#[test]
fn timers_go_on_beside_a_held_failure() {
    let mut scene = Scene::new();
    let id = plain_held(&mut scene);
    scene.socket(id).set_idle_timeout(Duration::from_millis(10));
    scene.socket(id).after(Duration::from_millis(5), 3);
    scene.drive_until("us", "timeout");
    scene.drive_until("us", "timer");
    assert!(scene.socket(id).is_peer_gone());
    scene.socket(id).resume();
    scene.drive_to_close("us");
    assert_eq!(scene.world.received("us").len(), UNREAD);
}

#[test]
fn a_new_handler_inherits_a_held_failure() {
    for unread in [&b""[..], b"put back, "] {
        let mut scene = Scene::new();
        let id = held(
            &mut scene,
            Kind::Tcp,
            SocketOptions::new(),
            Recorder::new("old"),
        );
        let mut cx = scene.event_loop.context(&mut scene.world);
        assert!(cx.replace_handler(id, Recorder::new("new"), unread));
        scene.settle();
        scene.socket(id).resume();
        scene.drive_to_close("new");
        let bytes = [unread, &pattern(UNREAD, 1)].concat();
        assert_same_bytes(&scene.world.received("new"), &bytes);
        assert_eq!(scene.world.trace("old"), "");
        assert_eq!(scene.world.close_reason("new"), Some(CloseReason::Reset));
    }
}

// The bytes are within the loop here, and not in the kernel.
#[test]
fn bytes_that_were_put_back_hold_a_failure_too() {
    let mut scene = Scene::new();
    let taking_one = Recorder::new("old").on("data", |cx, seen| {
        if let Seen::Data(bytes) = seen {
            let id = cx.socket.id();
            cx.socket.pause();
            assert!(cx.replace_handler(id, Recorder::new("new"), &bytes[1..]));
        }
    });
    let (id, mut peer) = scene.accepted(SocketOptions::new(), taking_one);
    peer.write(b"words");
    scene.drive_until("old", "data");
    scene.settle();
    peer.reset();
    scene.drive_with("the report", |scene| scene.socket(id).is_peer_gone());
    scene.settle();
    scene.socket(id).resume();
    scene.drive_to_close("new");
    assert_eq!(
        scene.world.trace("new"),
        "data:ords error:ECONNRESET close:Reset"
    );
}

#[test]
fn a_held_failure_keeps_the_loop_going_unless_released() {
    let mut scene = Scene::new();
    let id = plain_held(&mut scene);
    let brief = Duration::from_millis(10);
    let end = scene.event_loop.run_for(&mut scene.world, brief).unwrap();
    assert_eq!(end, RunEnd::TimedOut);
    scene.socket(id).release();
    scene.event_loop.run(&mut scene.world).unwrap();
    assert!(scene.socket(id).is_peer_gone());
    scene.socket(id).hold();
    scene.socket(id).resume();
    scene.event_loop.run(&mut scene.world).unwrap();
    assert_eq!(scene.world.received("us").len(), UNREAD);
}

#[test]
fn a_server_closes_after_a_socket_that_holds_its_failure() {
    let mut scene = Scene::new();
    let options = SocketOptions::new().pause_on_connect(true);
    let (server, address) = scene.listen(options, |_| Recorder::new("us"));
    let mut peer = Peer::connect(address);
    peer.write(b"unread");
    scene.drive_until("us", "connect");
    let id = scene.world.id("us");
    scene.settle();
    peer.reset();
    scene.drive_with("the report", |scene| scene.socket(id).is_peer_gone());
    scene.close(server);
    scene.settle();
    assert!(!scene.world.has("server", "server-close"));
    scene.socket(id).resume();
    scene.drive_until("server", "server-close");
    assert_eq!(
        scene.world.trace("us"),
        "connect data:unread error:ECONNRESET close:Reset"
    );
}

#[test]
fn a_loop_is_dropped_with_a_held_failure() {
    for &kind in KINDS {
        let mut scene = Scene::new();
        held(&mut scene, kind, SocketOptions::new(), Recorder::new("us"));
        drop(scene.event_loop);
        assert_eq!(scene.world.trace("us"), "");
    }
}

#[test]
fn a_held_failure_keeps_no_loop_busy() {
    let mut scene = Scene::new();
    plain_held(&mut scene);
    scene.settle();
    for _ in 0..3 {
        let wait = Duration::from_millis(20);
        let begun = Instant::now();
        let turn = scene.turn_within(Wait::For(wait));
        assert!(begun.elapsed() >= wait, "the turn did not wait");
        assert_eq!(turn.events + turn.closed, 0);
    }
}

// Windows' selector and poll may tell a paused socket of the reset in a later turn than the bytes of the other one.
#[cfg(not(any(windows, mio_unsupported_force_poll_poll)))]
#[test]
fn a_failed_socket_takes_no_bytes_behind_those_of_its_turn() {
    let mut scene = Scene::new();
    let near = Recorder::new("near");
    let (near, far) = paused(&mut scene, Kind::Tcp, SocketOptions::new(), near, b"unread");
    let speaker = Recorder::new("speaker").on("data", move |cx, _| {
        let mut socket = cx.socket.socket(near);
        assert!(socket.is_peer_gone(), "the report came before");
        let before = (socket.bytes_written(), socket.queued_bytes());
        assert_eq!(before, (3, 3), "the bytes of the post wait");
        let flow = socket.write(b"two");
        assert_eq!(flow, Flow::Closed);
        let mut cx = cx.as_loop();
        let answers = cx.sockets.broadcast([near], b"three");
        assert_eq!(answers, [(near, Flow::Closed)]);
        let socket = cx.sockets.socket(near);
        assert_eq!((socket.bytes_written(), socket.queued_bytes()), before);
        cx.shared.note("refused");
    });
    let (speaker, mut peer) = scene.adopted(SocketOptions::new(), speaker);
    scene.settle();
    // The post comes before all that the turn serves, and the failure was reported before the speaker's bytes.
    let posted = scene.event_loop.remote().post(move |cx| {
        let _ = cx.sockets.broadcast([near], b"one");
    });
    posted.unwrap();
    far.fail();
    scene.await_arrival(Arrival::End, [near]);
    peer.write(b"?");
    scene.await_arrival(Arrival::Bytes, [speaker]);
    scene.turn();
    assert_eq!(scene.world.notes, ["refused"]);
    scene.socket(near).resume();
    scene.drive_to_close("near");
}

/// Passes bytes on to `other`, and ends it with `destroy_soon` when its own socket closes.
fn proxying(name: &'static str) -> Recorder {
    Recorder::new(name)
        .on("data", |cx, seen| {
            let Seen::Data(bytes) = seen else { return };
            let other = other_of(cx);
            if cx.socket.socket(other).write(bytes) == Flow::Full {
                cx.socket.pause();
            }
        })
        .on("drain", |cx, _| {
            let other = other_of(cx);
            cx.socket.socket(other).resume();
        })
        .on("close", |cx, _| {
            let other = other_of(cx);
            cx.socket.socket(other).destroy_soon();
        })
}

fn other_of(cx: &netloop::Context<'_, crate::support::World>) -> SocketId {
    let mut ids = ["near", "far"].map(|name| cx.shared.id(name)).into_iter();
    let own = cx.socket.id();
    ids.find(|&id| id != own).unwrap()
}

// nodejs/node#149, http-party/node-http-proxy#327
#[test]
fn a_proxy_loses_nothing_of_a_peer_that_has_gone() {
    let mut scene = Scene::new();
    let bytes = pattern(600_000, 5);
    let (ours, peer) = Far::having_sent(Kind::Tcp, &bytes);
    let (far, mut far_peer) = scene.adopted(SocketOptions::new(), proxying("far"));
    let near = scene
        .event_loop
        .adopt(ours, SocketOptions::new(), proxying("near"))
        .unwrap();
    for (name, id) in [("near", near), ("far", far)] {
        scene.world.ids.insert(name.to_owned(), id);
    }
    scene.drive_with("backpressure", |scene| scene.socket(near).is_paused());
    peer.close();
    // A late word, which brings the reset, comes while most of the bytes are still in the kernel.
    far_peer.write(b"a late word");
    scene.drive_with("the report", |scene| scene.socket(near).is_peer_gone());
    let received = scene.peer_reads_to_end(&mut far_peer);
    assert_same_bytes(&received.bytes, &bytes);
    assert_eq!(received.end, PeerEnd::Fin);
}
