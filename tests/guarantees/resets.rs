//! Peers that reset the connection: it is told as a reset, and never as a clean end.
//!
//! The rules: D5, D9, C13; reliability B8, B9, C3, C12, D13.

use std::time::Duration;

use netloop::{Budget, CloseReason, Flow, SocketId, SocketOptions};

use crate::support::{Peer, PeerEnd, Recorder, Scene, Seen, assert_same_bytes, listener, pattern};

/// An action after the reset has arrived and before the loop can have noticed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum First {
    /// Nothing: the loop's read meets it.
    Read,
    /// A write that is gathered, and meets it in the flush.
    SmallWrite,
    /// A write that goes to the kernel at once.
    LargeWrite,
    /// The FIN meets it.
    End,
}

// D9 and D5, both DEVIATE. In libuv, data and RST become a clean end, and a paused socket without unread bytes is told
// only at its resume.
// Reliability B9, D13
#[test]
fn data_before_a_reset_is_delivered_in_every_combination() {
    for data in [&b""[..], b"last words"] {
        for first in [
            First::Read,
            First::SmallWrite,
            First::LargeWrite,
            First::End,
        ] {
            for paused in [false, true] {
                let case = format!("{} data bytes, {first:?}, paused: {paused}", data.len());
                let mut scene = Scene::new();
                let options = SocketOptions::new().pause_on_connect(paused);
                let (id, mut peer) = scene.accepted(options, Recorder::new("us"));
                scene.settle();
                peer.write(data);
                peer.reset();
                match first {
                    First::Read => {}
                    First::SmallWrite => {
                        let _ = scene.socket(id).write(b"hello?");
                        scene.event_loop.flush(Budget::new());
                    }
                    First::LargeWrite => {
                        let _ = scene.socket(id).write(&[0; 32 << 10]);
                    }
                    First::End => {
                        scene.socket(id).end();
                        scene.event_loop.flush(Budget::new());
                    }
                }
                if paused && !data.is_empty() {
                    scene.drive_with("the report", |scene| scene.socket(id).is_peer_gone());
                    scene.settle();
                    assert_eq!(scene.world.trace("us"), "connect", "{case}");
                    scene.socket(id).resume();
                }
                scene.drive_to_close("us");
                scene.settle();
                let code = scene.world.error("us").code();
                assert_eq!(code, "ECONNRESET", "{case}");
                let delivered = match data {
                    b"" => "",
                    _ => "data:last words ",
                };
                assert_eq!(
                    scene.world.trace("us"),
                    format!("connect {delivered}error:ECONNRESET close:Reset"),
                    "{case}"
                );
            }
        }
    }
}

// D9 (T10)
#[test]
fn a_reset_that_comes_while_data_is_being_handled_is_not_lost() {
    let mut scene = Scene::new();
    let (listener, address) = listener();
    // The peer's reset follows when its first bytes have been read: after the short read.
    let peer = std::rc::Rc::new(std::cell::RefCell::new(None::<Peer>));
    let killing = {
        let peer = std::rc::Rc::clone(&peer);
        Recorder::new("us").reacting(move |_, seen| {
            if let Seen::Data(_) = seen {
                if let Some(mut peer) = peer.borrow_mut().take() {
                    peer.write(b" more");
                    peer.reset();
                }
            }
        })
    };
    scene.event_loop.connect(address, killing).unwrap();
    *peer.borrow_mut() = Some(scene.peer_accepts(&listener));
    peer.borrow_mut().as_mut().unwrap().write(b"some");
    scene.drive_to_close("us");
    assert_eq!(
        scene.world.trace("us"),
        "connect data:some more error:ECONNRESET close:Reset"
    );
}

// Reliability C3, C12
#[test]
fn data_before_a_reset_is_delivered_if_a_write_met_it_first() {
    let mut scene = Scene::new();
    let bytes = pattern(200_000, 1);
    let (ours, mut peer) = Peer::roomy_pair();
    peer.write(&bytes);
    while ours.peek(&mut vec![0; bytes.len()]).unwrap() < bytes.len() {
        std::thread::yield_now();
    }
    let echo = Recorder::new("us").reacting(|cx, seen| {
        if let Seen::Data(bytes) = seen {
            let flow = cx.socket.write(bytes);
            cx.shared.note(format!("{flow:?}"));
        }
    });
    scene
        .event_loop
        .adopt(ours, SocketOptions::new(), echo)
        .unwrap();
    peer.reset();
    scene.drive_to_close("us");
    assert_same_bytes(&scene.world.received("us"), &bytes);
    assert_eq!(
        scene.world.notes,
        ["Closed", "Closed"],
        "one for each of the two reads"
    );
    assert_eq!(
        scene.world.trace("us"),
        "data:200000 error:ECONNRESET close:Reset"
    );
}

// Reliability B8: a program that pauses because its write was not taken must not wait for ever.
#[test]
fn a_socket_paused_after_a_write_met_a_reset_is_told_at_once() {
    let mut scene = Scene::new();
    let careful = Recorder::new("us").reacting(|cx, seen| {
        if let Seen::Data(_) = seen {
            if cx.socket.write(&[0; 32 << 10]) != Flow::Open {
                cx.socket.pause();
            }
        }
    });
    let (_, mut peer) = scene.accepted(SocketOptions::new(), careful);
    scene.settle();
    peer.write(b"question");
    peer.reset();
    scene.drive_to_close("us");
    assert_eq!(
        scene.world.trace("us"),
        "connect data:question error:ECONNRESET close:Reset"
    );
}

/// Where in the life of a connection the peer resets it.
type Point = (
    &'static str,
    fn(&mut Scene, SocketId, &mut Peer),
    &'static str,
);

// Reliability B8, B9
#[test]
fn a_reset_at_any_point_of_life_is_told_as_a_reset() {
    let points: [Point; 6] = [
        ("idle", |_, _, _| {}, "connect"),
        (
            "while much is queued",
            |scene, id, _| assert_eq!(scene.socket(id).write(&[0; 8 << 20]), Flow::Full),
            "connect",
        ),
        (
            "while paused",
            |scene, id, _| scene.socket(id).pause(),
            "connect",
        ),
        (
            "after our end",
            |scene, id, peer| {
                scene.socket(id).end();
                assert_eq!(scene.peer_reads_to_end(peer).end, PeerEnd::Fin);
            },
            "connect",
        ),
        (
            "after our end, while paused",
            |scene, id, peer| {
                scene.socket(id).pause();
                scene.socket(id).end();
                assert_eq!(scene.peer_reads_to_end(peer).end, PeerEnd::Fin);
            },
            "connect",
        ),
        (
            "after the peer's end",
            |scene, _, peer| {
                peer.half_close();
                scene.drive("the end", |world| world.has_seen("us", &Seen::End));
            },
            "connect end",
        ),
    ];
    for (point, prepare, before) in points {
        let mut scene = Scene::new();
        let options = SocketOptions::new().allow_half_open(true);
        let (id, mut peer) = scene.accepted(options, Recorder::new("us"));
        prepare(&mut scene, id, &mut peer);
        scene.settle();
        assert_eq!(scene.world.trace("us"), before, "{point}");
        peer.reset();
        scene.drive_to_close("us");
        scene.settle();
        let code = scene.world.error("us").code();
        // Linux calls it EPIPE once the peer's FIN was seen (tcp_reset in CLOSE_WAIT).
        assert!(matches!(code, "ECONNRESET" | "EPIPE"), "{point}: {code}");
        assert_eq!(
            scene.world.trace("us"),
            format!("{before} error:{code} close:Reset"),
            "{point}"
        );
    }
}

// G3, DEVIATE: in Node such a connection has no remote address at all.
#[test]
fn a_connection_reset_before_its_accept_still_knows_its_peer() {
    let mut scene = Scene::new();
    let (_, address) = scene.listen(SocketOptions::new(), |_| {
        Recorder::new("us").reacting(|cx, seen| {
            let peer = cx.socket.peer_address();
            cx.shared.note(format!("{seen} {}", peer.unwrap()));
        })
    });
    let mut peer = Peer::connect(address);
    let peer_address = peer.address();
    peer.write(b"bytes");
    peer.reset();
    scene.drive_to_close("us");
    let wanted = ["connect", "data:bytes", "error:ECONNRESET", "close:Reset"];
    let wanted = wanted.map(|event| format!("{event} {peer_address}"));
    assert_eq!(scene.world.notes, wanted);
}

// Reliability C3
#[test]
fn a_reset_in_the_middle_of_a_long_write_counts_what_was_lost() {
    let mut scene = Scene::new();
    let counting = Recorder::new("us").reacting(|cx, seen| {
        if let Seen::Close(_) = seen {
            let lost = cx.socket.queued_bytes();
            cx.shared.note(lost.to_string());
        }
    });
    let options = SocketOptions::new().max_queued_bytes(64 << 20);
    let (id, mut peer) = scene.accepted(options, counting);
    for _ in 0..32 {
        assert!(scene.socket(id).write(&[7; 1 << 20]).is_accepted());
    }
    scene.peer_reads(&mut peer, 128 << 10);
    peer.reset();
    scene.drive_to_close("us");
    assert_eq!(scene.world.close_reason("us"), Some(CloseReason::Reset));
    let lost: usize = scene.world.notes[0].parse().unwrap();
    assert!(lost > 16 << 20 && lost < 32 << 20, "{lost} of 32 MiB");
}

// C13
#[test]
fn our_own_reset_throws_the_queue_away_and_is_no_error_here() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    assert_eq!(scene.socket(id).write(&[0; 8 << 20]), Flow::Full);
    scene.socket(id).reset().unwrap();
    assert!(scene.socket(id).is_destroyed());
    scene.drive_to_close("us");
    assert_eq!(scene.world.trace("us"), "connect close:Local");
    let received = scene.peer_reads_to_end(&mut peer);
    assert_eq!(received.end, PeerEnd::Reset);
    assert!(received.bytes.len() < 8 << 20);
}

// C13: also of a socket that is gone, where Node has an error.
#[test]
fn a_reset_of_a_closed_socket_does_nothing() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    scene.socket(id).destroy();
    scene.socket(id).reset().unwrap();
    scene.drive_to_close("us");
    scene.socket(id).reset().unwrap();
    scene.settle();
    assert_eq!(scene.world.trace("us"), "connect close:Local");
    assert_eq!(
        scene.peer_reads_to_end(&mut peer).end,
        PeerEnd::Fin,
        "the destroy came first"
    );
}

// Reliability B8
#[test]
fn a_paused_socket_without_a_peer_keeps_no_loop_busy() {
    let mut scene = Scene::new();
    let paused = SocketOptions::new().pause_on_connect(true);
    let (_, mut unread) = scene.accepted(paused.clone(), Recorder::new("unread"));
    unread.write(b"never read");
    let (_, ended) = scene.accepted(paused.clone(), Recorder::new("ended"));
    ended.half_close();
    let (both, mut peer) = scene.accepted(paused.clone(), Recorder::new("both ended"));
    scene.socket(both).end();
    scene.settle();
    peer.write(b"unread");
    peer.half_close();
    let (_, mut gone) = scene.accepted(paused, Recorder::new("gone"));
    gone.write(b"unread");
    gone.reset();
    let half_open = SocketOptions::new().allow_half_open(true);
    let (_, open) = scene.accepted(half_open, Recorder::new("half open"));
    open.half_close();
    scene.settle();

    for _ in 0..3 {
        let wait = Duration::from_millis(20);
        let begun = std::time::Instant::now();
        let turn = scene.turn_within(netloop::Wait::For(wait));
        assert!(begun.elapsed() >= wait, "the turn did not wait");
        assert_eq!(turn.events + turn.closed, 0);
        assert!(!turn.more);
    }
}

// C13
#[cfg(unix)]
#[test]
fn a_unix_socket_cannot_be_reset_and_lives_on() {
    let path = std::env::temp_dir().join(format!("netloop-c13-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let mut scene = Scene::new();
    scene
        .event_loop
        .listen(path.as_path(), |_, _| Recorder::new("server"))
        .unwrap();
    let id = scene
        .event_loop
        .connect(path.as_path(), Recorder::new("us"))
        .unwrap();
    let while_connecting = scene.socket(id).reset().unwrap_err();
    scene.drive("the connection", |world| {
        world.has_seen("us", &Seen::Connect)
    });
    let when_connected = scene.socket(id).reset().unwrap_err();
    for error in [while_connecting, when_connected] {
        assert_eq!(error.code(), "ERR_INVALID_HANDLE_TYPE");
    }
    assert!(!scene.socket(id).is_destroyed());
    assert_eq!(scene.socket(id).write(b"alive"), Flow::Open);
    scene.drive("the bytes", |world| world.received("server") == b"alive");
    let _ = std::fs::remove_file(&path);
}
