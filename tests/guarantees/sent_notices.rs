//! Notices of what the kernel has taken, which are Node's write callbacks (rules C3 and C9).

use netloop::{Budget, ConnectOptions, Error, Flow, SocketOptions};

use crate::support::{DeadPort, HELLO, Peer, Recorder, Records, Scene, Seen, listener};

// C3: Node's write callback.
#[test]
fn each_sent_notice_comes_once_in_order_and_after_the_call() {
    let mut scene = Scene::new();
    let writing = Recorder::new("us").reacting(|cx, seen| {
        if let Seen::Data(_) = seen {
            for token in 1..=3 {
                let _ = cx.socket.write(b"a few bytes");
                cx.socket.notify_when_sent(token);
            }
            let _ = cx.socket.write(b"");
            cx.socket.notify_when_sent(4);
            let _ = cx.socket.write(&[0; 100_000]);
            cx.socket.notify_when_sent(5);
            assert_eq!(cx.shared.trace("us"), "connect data:go");
        }
    });
    let (_, mut peer) = scene.accepted(SocketOptions::new(), writing);
    peer.write(b"go");
    scene.peer_reads(&mut peer, 100_033);
    scene.settle();
    assert_eq!(
        scene.world.trace("us"),
        "connect data:go sent:1 sent:2 sent:3 sent:4 sent:5"
    );
}

// A handler that asks again and again ends with its socket.
#[test]
fn asking_again_in_the_on_sent_of_a_close_does_not_hang() {
    let mut scene = Scene::new();
    let asking = Recorder::new("us").reacting(|cx, seen| {
        if let Seen::Sent(token, Err(_)) = seen {
            cx.socket.notify_when_sent(token + 1);
        }
    });
    let (id, _peer) = scene.accepted(SocketOptions::new(), asking);
    let _ = scene.socket(id).write(&[0; 16 << 20]);
    scene.socket(id).notify_when_sent(1);
    scene.settle();
    scene.socket(id).destroy();
    scene.settle();
    let trace = scene.world.trace("us");
    assert_eq!(trace.matches("sent").count(), 1, "{trace}");
    assert!(trace.contains("close"), "{trace}");
}

// C3: success means that the kernel has it, and C2: the drain comes first.
#[test]
fn a_notice_of_what_was_sent_waits_for_the_kernel_to_take_it() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    assert_eq!(scene.socket(id).write(b"at once"), Flow::Open);
    scene.socket(id).notify_when_sent(1);
    assert_eq!(scene.socket(id).write(&[0; 8 << 20]), Flow::Full);
    scene.socket(id).notify_when_sent(2);
    scene.settle();
    assert_eq!(scene.world.trace("us"), "connect sent:1");
    scene.peer_reads(&mut peer, 7 + (8 << 20));
    scene.settle();
    assert_eq!(scene.world.trace("us"), "connect sent:1 drain sent:2");
}

// C3: also if one call takes the bytes before the notice and only a part of those behind it.
#[test]
fn a_notice_before_a_long_write_does_not_wait_for_its_end() {
    let mut scene = Scene::new();
    let (id, _peer) = scene.adopted(SocketOptions::new(), Recorder::new("us"));
    scene.settle();
    assert_eq!(scene.socket(id).write(b"at once"), Flow::Open);
    scene.socket(id).notify_when_sent(1);
    assert_eq!(scene.socket(id).write_owned(vec![0; 8 << 20]), Flow::Full);
    scene.settle();
    assert_eq!(scene.world.trace("us"), "sent:1");
}

// C9, A1 DEVIATE: each notice once and in order.
#[test]
fn what_was_never_sent_is_told_before_on_close() {
    type Ending = fn(&mut Scene, netloop::SocketId, Peer);
    let endings: [(&str, Ending, &str); 3] = [
        (
            "destroyed",
            |scene, id, peer| {
                scene.socket(id).destroy();
                scene.settle();
                drop(peer);
            },
            "connect sent:1:ERR_SOCKET_CLOSED sent:2:ERR_SOCKET_CLOSED close:Local",
        ),
        (
            "failed",
            |scene, id, peer| {
                let error = Error::other("mine");
                scene.socket(id).destroy_with(error);
                scene.settle();
                drop(peer);
            },
            "connect error:ERR_OTHER sent:1:ERR_OTHER sent:2:ERR_OTHER close:Error",
        ),
        (
            "reset",
            |_, _, peer| peer.reset(),
            "connect error:ECONNRESET sent:1:ECONNRESET sent:2:ECONNRESET close:Reset",
        ),
    ];
    for (name, ending, trace) in endings {
        let mut scene = Scene::new();
        let (id, peer) = scene.accepted(SocketOptions::new(), Recorder::new(name));
        for token in 1..=2 {
            assert_eq!(scene.socket(id).write(&[0; 8_000_000]), Flow::Full);
            scene.socket(id).notify_when_sent(token);
        }
        ending(&mut scene, id, peer);
        scene.drive_to_close(name);
        assert_eq!(scene.world.trace(name), trace);
    }
}

// C9
#[test]
fn bytes_for_a_connection_that_fails_are_told_as_unsent() {
    let mut scene = Scene::new();
    let dead = DeadPort::new();
    let id = scene
        .event_loop
        .connect(dead.address(), Recorder::new("us"))
        .unwrap();
    let _ = scene.socket(id).write(b"in vain");
    scene.socket(id).notify_when_sent(1);
    scene.drive_to_close("us");
    assert_eq!(
        scene.world.trace("us"),
        "error:ECONNREFUSED sent:1:ECONNREFUSED close:Error"
    );
}

// C3: the kernel had taken it before the call.
#[test]
fn what_was_sent_is_told_although_the_socket_is_destroyed() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    assert_eq!(scene.socket(id).write(b"sent"), Flow::Open);
    scene.socket(id).notify_when_sent(1);
    // The kernel takes the bytes here, and the handler is told in the next turn.
    assert!(!scene.event_loop.flush(Budget::new()));
    scene.socket(id).destroy();
    scene.drive_to_close("us");
    assert_eq!(scene.world.trace("us"), "connect sent:1 close:Local");
    assert_eq!(scene.peer_reads_to_end(&mut peer).bytes, b"sent");
}

// I1; reliability C11
#[test]
fn writing_again_and_again_from_on_sent_does_not_nest() {
    let mut scene = Scene::new();
    let rounds = 20_000;
    let writing = Recorder::new("us").reacting(move |cx, seen| match seen {
        Seen::Connect => cx.socket.notify_when_sent(0),
        Seen::Sent(token, Ok(())) if *token < rounds => {
            let _ = cx.socket.write(b".");
            cx.socket.notify_when_sent(token + 1);
            cx.shared.log.clear();
        }
        _ => {}
    });
    let (_, mut peer) = scene.accepted(SocketOptions::new(), writing);
    scene.drive_with("20,000 rounds", |scene| {
        let _ = peer.read_some(1 << 20);
        scene.world.has_seen("us", &Seen::Sent(rounds, Ok(())))
    });
}

// C3: a large write does not wait for the flush.
#[test]
fn a_notice_comes_when_a_later_large_write_took_its_bytes_along() {
    let mut scene = Scene::new();
    let us = Recorder::new("us").reacting(|cx, seen| {
        if let Seen::Data(_) = seen {
            assert_eq!(cx.socket.write(b"small"), Flow::Open);
            cx.socket.notify_when_sent(1);
            assert_eq!(cx.socket.write(&[0; 20_000]), Flow::Open);
        }
    });
    let (_, mut peer) = scene.accepted(SocketOptions::new(), us);
    peer.write(b"go");
    scene.peer_reads(&mut peer, 20_005);
    scene.settle();
    assert_eq!(scene.world.trace("us"), "connect data:go sent:1");
}

// C3: it is a place in the stream, also in an empty one.
#[test]
fn a_notice_asked_for_before_the_connection_comes_after_it() {
    let (_listener, address) = listener();
    let mut scene = Scene::new();
    let id = scene
        .event_loop
        .connect(address, Recorder::new("us"))
        .unwrap();
    scene.socket(id).notify_when_sent(1);
    scene.drive("the notice", |world| {
        world.has_seen("us", &Seen::Sent(1, Ok(())))
    });
    assert_eq!(scene.world.trace("us"), "connect sent:1");
}

// C7
#[test]
fn a_notice_asked_for_after_destroy_fails() {
    let mut scene = Scene::new();
    let (id, _peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    scene.socket(id).destroy();
    assert_eq!(scene.socket(id).write(b"too late"), Flow::Closed);
    scene.socket(id).notify_when_sent(1);
    scene.drive_to_close("us");
    assert_eq!(
        scene.world.trace("us"),
        "connect sent:1:ERR_SOCKET_CLOSED close:Local"
    );
}

// The failure of a handshake is no error to tell the marks, if the program itself closes.
#[test]
fn marks_lost_with_a_late_filter_had_a_connection() {
    for (is_late, code) in [
        (true, Error::SOCKET_CLOSED),
        (false, Error::CLOSED_BEFORE_CONNECTION),
    ] {
        let mut scene = Scene::new();
        let (listener, address) = listener();
        let mut options = ConnectOptions::new();
        if !is_late {
            options = options.filter(|| Ok(Records::default()));
        }
        let id = scene.connect(address, options, Recorder::new("us"));
        let mut peer = scene.peer_accepts(&listener);
        if is_late {
            scene.drive_until("us", "connect");
            let mut socket = scene.socket(id);
            socket.start_filter(Records::default(), b"").unwrap();
        }
        assert_eq!(scene.peer_reads(&mut peer, HELLO.len()), HELLO);
        scene.socket(id).write(b"inside").ignore();
        scene.socket(id).notify_when_sent(1);
        scene.settle();
        scene.socket(id).destroy();
        scene.drive_to_close("us");
        let trace = scene.world.trace("us");
        let expected = format!("sent:1:{code} close:Local");
        assert!(trace.ends_with(&expected), "{trace}");
    }
}

// The same without a byte sent before, so that nothing but the connection itself tells.
#[test]
fn a_mark_behind_no_bytes_waits_for_no_late_handshake() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    let mut socket = scene.socket(id);
    socket.start_filter(Records::default(), b"").unwrap();
    socket.notify_when_sent(1);
    scene.drive_until("us", "sent");
    assert_eq!(scene.world.trace("us"), "connect sent:1");
    assert_eq!(scene.peer_reads(&mut peer, HELLO.len()), HELLO);
}
