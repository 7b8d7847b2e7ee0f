//! Sockets that are joined: `LoopContext::pipe` and `pipe_both`, between real peers.

use std::time::Duration;

use netloop::{CloseReason, Flow, SocketId, SocketOptions};

use crate::support::{
    Peer, PeerEnd, Recorder, Scene, Seen, assert_same_bytes, filtered, let_time_pass, pattern,
};

/// Much more than the buffers of both connections hold.
pub(super) const MUCH: usize = 4 << 20;

/// Two sockets, called `a` and `b`, with a peer each.
fn two(scene: &mut Scene) -> [(SocketId, Peer); 2] {
    ["a", "b"].map(|name| scene.adopted(SocketOptions::new(), Recorder::new(name)))
}

/// Two sockets as [`two`] makes them, joined, that note at their close how many bytes they have read.
fn joined_and_counting(scene: &mut Scene) -> [(SocketId, Peer); 2] {
    let [a, b] = ["a", "b"].map(|name| {
        let counting = Recorder::new(name).on("close", |cx, _| {
            let read = cx.socket.bytes_read();
            cx.shared.note(read.to_string());
        });
        scene.adopted(SocketOptions::new(), counting)
    });
    assert!(
        scene
            .event_loop
            .context(&mut scene.world)
            .pipe_both(a.0, b.0)
    );
    [a, b]
}

/// The bytes that the socket that closed first had read.
fn read_by_the_first(scene: &Scene) -> usize {
    scene.world.notes[0].parse().unwrap()
}

/// [`two`], joined in both directions.
pub(super) fn joined(scene: &mut Scene) -> [(SocketId, Peer); 2] {
    let [a, b] = two(scene);
    assert!(
        scene
            .event_loop
            .context(&mut scene.world)
            .pipe_both(a.0, b.0)
    );
    [a, b]
}

/// Sends `bytes` from one peer and reads them at the other, which begins late.
fn passes(scene: &mut Scene, from: &mut Peer, to: &mut Peer, bytes: &[u8]) {
    let (mut sent, mut received) = (0, Vec::new());
    let mut turns = 0;
    scene.drive_with("the bytes at the other peer", |_| {
        sent += from.write_some(&bytes[sent..]);
        turns += 1;
        if turns <= 50 {
            return false;
        }
        while let Some(more) = to.read_some(64 << 10).unwrap() {
            received.extend_from_slice(&more);
        }
        received.len() == bytes.len()
    });
    assert_same_bytes(&received, bytes);
}

#[test]
fn bytes_pass_both_ways_intact_under_backpressure() {
    let mut scene = Scene::new();
    let [(a, mut peer_a), (b, mut peer_b)] = joined(&mut scene);
    passes(&mut scene, &mut peer_a, &mut peer_b, &pattern(MUCH, 1));
    passes(&mut scene, &mut peer_b, &mut peer_a, &pattern(MUCH, 2));
    for id in [a, b] {
        assert_eq!(scene.socket(id).bytes_read(), MUCH as u64);
        assert_eq!(scene.socket(id).bytes_written(), MUCH as u64);
    }
    assert_eq!(scene.world.received("a"), b"", "the handlers get no bytes");
    assert_eq!(scene.world.received("b"), b"");
}

#[test]
fn a_peer_that_does_not_read_stops_the_other() {
    let mut scene = Scene::new();
    let [(a, mut peer_a), (b, mut peer_b)] = joined(&mut scene);
    // More than the kernel of the sending peer would take by itself.
    let bytes = pattern(32 << 20, 3);
    let mut sent = 0;
    for _ in 0..400 {
        sent += peer_a.write_some(&bytes[sent..]);
        scene.turn();
    }
    assert!(scene.socket(a).is_paused());
    let queued = scene.socket(b).queued_bytes();
    let bound = scene.socket(b).high_water_mark() + (128 << 10);
    assert!(queued <= bound, "{queued} bytes are queued");
    assert!(sent < bytes.len(), "its peer is stopped");
    let (mut received, mut rest) = (Vec::new(), &bytes[sent..]);
    scene.drive_with("the rest", |_| {
        rest = &rest[peer_a.write_some(rest)..];
        while let Ok(Some(more)) = peer_b.read_some(64 << 10) {
            received.extend_from_slice(&more);
        }
        received.len() == bytes.len()
    });
    assert_same_bytes(&received, &bytes);
    assert!(!scene.socket(a).is_paused());
}

#[test]
fn an_end_follows_the_last_byte_and_the_way_back_stays_open() {
    for first in [0, 1] {
        let mut scene = Scene::new();
        let mut sides = joined(&mut scene);
        if first == 1 {
            sides.reverse();
        }
        let [(_, mut near), (_, mut far)] = sides;
        let bytes = pattern(300 << 10, 4);
        scene.peer_writes(&mut near, &bytes);
        near.half_close();
        let received = scene.peer_reads_to_end(&mut far);
        assert_same_bytes(&received.bytes, &bytes);
        assert_eq!(received.end, PeerEnd::Fin);
        // The other direction knows nothing of it.
        let answer = pattern(300 << 10, 5);
        scene.peer_writes(&mut far, &answer);
        far.half_close();
        let received = scene.peer_reads_to_end(&mut near);
        assert_same_bytes(&received.bytes, &answer);
        assert_eq!(received.end, PeerEnd::Fin);
        for name in ["a", "b"] {
            scene.drive_to_close(name);
            assert_eq!(scene.world.close_reason(name), Some(CloseReason::Graceful));
            assert_eq!(scene.world.count(name, "end"), 1);
        }
    }
}

#[test]
fn a_failure_is_carried_over_behind_earlier_bytes() {
    for first in ["a", "b"] {
        let mut scene = Scene::new();
        let mut sides = joined_and_counting(&mut scene);
        if first == "b" {
            sides.reverse();
        }
        let [(near_id, mut near), (far_id, mut far)] = sides;
        let other = if first == "a" { "b" } else { "a" };
        let bytes = pattern(1 << 20, 6);
        near.write_some(&bytes);
        scene.drive_with("a full queue", |scene| scene.socket(near_id).is_paused());
        assert!(scene.socket(far_id).queued_bytes() > 0, "it is behind");
        let before = scene.socket(near_id).bytes_read();
        near.reset();
        let received = scene.peer_reads_to_end(&mut far);
        scene.drive_to_close(first);
        let read = read_by_the_first(&scene);
        assert!(read as u64 > before, "the pause has cost no byte");
        // The queue is sent, but the reset behind it discards the bytes that the kernel still holds.
        let got = received.bytes.len();
        assert!(got <= read, "{got} of {read}");
        assert_same_bytes(&received.bytes, &bytes[..got]);
        assert_eq!(received.end, PeerEnd::Reset);
        scene.drive_to_close(other);
        let errors = [first, other].map(|name| scene.world.error(name).code());
        assert_eq!(errors, ["ECONNRESET"; 2]);
        assert_eq!(scene.world.close_reason(first), Some(CloseReason::Reset));
    }
}

#[test]
fn bytes_of_the_other_direction_cut_nothing_short() {
    let mut scene = Scene::new();
    let (ours, mut peer_a) = Peer::roomy_pair();
    let bytes = pattern(300 << 10, 7);
    peer_a.write(&bytes);
    peer_a.half_close();
    let (b, mut peer_b) = scene.adopted(SocketOptions::new(), Recorder::new("b"));
    let options = SocketOptions::new();
    let a = scene
        .event_loop
        .adopt(ours, options, Recorder::new("a"))
        .unwrap();
    let mut cx = scene.event_loop.context(&mut scene.world);
    assert!(cx.pipe_both(a, b));
    let mut received = Vec::new();
    scene.drive_with("the end of the first", |scene| {
        if scene.world.count("a", "end") == 1 {
            return true;
        }
        if let Ok(Some(more)) = peer_b.read_some(16 << 10) {
            received.extend(more);
        }
        false
    });
    assert!(scene.socket(b).queued_bytes() > 0, "it is behind");
    // Nothing takes these any more when the first socket is gone; unread they would make a reset of the close.
    peer_b.write_some(&pattern(100 << 10, 8));
    peer_a.reset();
    scene.settle();
    peer_b.write_some(&pattern(100 << 10, 9));
    let rest = scene.peer_reads_to_end(&mut peer_b);
    received.extend_from_slice(&rest.bytes);
    assert_same_bytes(&received, &bytes);
    assert_eq!(rest.end, PeerEnd::Fin, "the bytes of the first are whole");
    scene.drive_to_close("b");
}

#[test]
fn a_socket_that_is_destroyed_takes_the_other_along() {
    let mut scene = Scene::new();
    let [(a, mut peer_a), (_, mut peer_b)] = joined(&mut scene);
    scene.peer_writes(&mut peer_a, b"the last words");
    scene.drive_with("the words being read", |scene| {
        scene.socket(a).bytes_read() > 0
    });
    scene.socket(a).destroy();
    scene.drive_to_close("b");
    let received = scene.peer_reads_to_end(&mut peer_b);
    assert_eq!(received.bytes, b"the last words");
    assert_eq!(received.end, PeerEnd::Reset, "the end was not among them");
    assert_eq!(scene.world.trace("a"), "close:Local");
    assert_eq!(scene.world.trace("b"), "close:Local");
}

#[test]
fn a_pipe_of_a_dead_socket_changes_nothing() {
    let mut scene = Scene::new();
    let [(a, mut peer_a), (b, _peer_b)] = two(&mut scene);
    scene.socket(b).destroy();
    scene.drive_to_close("b");
    let mut cx = scene.event_loop.context(&mut scene.world);
    assert!(!cx.pipe(a, b) && !cx.pipe(b, a) && !cx.pipe_both(a, b) && !cx.pipe_both(b, a));
    scene.peer_writes(&mut peer_a, b"for the handler");
    scene.drive("the bytes", |world| {
        world.received("a") == b"for the handler"
    });
}

#[test]
fn a_socket_that_is_about_to_close_takes_the_other_along() {
    let mut scene = Scene::new();
    let [(a, mut peer_a), (b, _peer_b)] = two(&mut scene);
    scene
        .socket(b)
        .destroy_with(netloop::Error::other("broken"));
    assert!(scene.event_loop.context(&mut scene.world).pipe_both(a, b));
    assert_eq!(scene.peer_reads_to_end(&mut peer_a).end, PeerEnd::Reset);
    scene.drive_to_close("a");
    assert_eq!(scene.world.trace("b"), "error:ERR_OTHER close:Error");
    assert_eq!(scene.world.trace("a"), "error:ERR_OTHER close:Error");
}

#[test]
fn one_way_leaves_the_way_back_to_the_handlers() {
    let mut scene = Scene::new();
    let [(a, mut peer_a), (b, mut peer_b)] = two(&mut scene);
    assert!(scene.event_loop.context(&mut scene.world).pipe(a, b));
    scene.peer_writes(&mut peer_b, b"for the handler");
    scene.drive("the bytes", |world| {
        world.received("b") == b"for the handler"
    });
    // The end of its own peer is no end of the pipe.
    peer_b.half_close();
    scene.drive_until("b", "end");
    passes(&mut scene, &mut peer_a, &mut peer_b, &pattern(MUCH, 10));
    peer_a.half_close();
    assert_eq!(scene.peer_reads_to_end(&mut peer_b).end, PeerEnd::Fin);
    scene.drive_to_close("b");
    scene.drive_to_close("a");
    for name in ["a", "b"] {
        assert_eq!(scene.world.close_reason(name), Some(CloseReason::Graceful));
    }
}

#[test]
fn two_pipes_one_way_are_one_both_ways() {
    let mut scene = Scene::new();
    let [(a, mut peer_a), (b, mut peer_b)] = two(&mut scene);
    let mut cx = scene.event_loop.context(&mut scene.world);
    assert!(cx.pipe(a, b) && cx.pipe(b, a));
    passes(&mut scene, &mut peer_a, &mut peer_b, &pattern(MUCH, 11));
    passes(&mut scene, &mut peer_b, &mut peer_a, &pattern(MUCH, 12));
    peer_a.half_close();
    assert_eq!(scene.peer_reads_to_end(&mut peer_b).end, PeerEnd::Fin);
    peer_b.half_close();
    scene.drive_to_close("a");
    scene.drive_to_close("b");
}

#[test]
fn a_socket_that_is_piped_to_itself_is_an_echo() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.adopted(SocketOptions::new(), Recorder::new("us"));
    assert!(scene.event_loop.context(&mut scene.world).pipe(id, id));
    let bytes = pattern(MUCH, 13);
    let (mut sent, mut received) = (0, Vec::new());
    scene.drive_with("the echo", |_| {
        sent += peer.write_some(&bytes[sent..]);
        while let Ok(Some(more)) = peer.read_some(64 << 10) {
            received.extend_from_slice(&more);
        }
        received.len() == bytes.len()
    });
    assert_same_bytes(&received, &bytes);
    peer.half_close();
    scene.drive_to_close("us");
    assert_eq!(scene.world.close_reason("us"), Some(CloseReason::Graceful));
}

#[test]
fn the_handlers_get_every_other_event() {
    let mut scene = Scene::new();
    let [(a, mut peer_a), (_b, peer_b)] = joined(&mut scene);
    scene.socket(a).notify_when_sent(5);
    scene.socket(a).after(Duration::ZERO, 6);
    scene.socket(a).set_idle_timeout(Duration::from_millis(5));
    scene.drive_until("a", "timeout");
    scene.peer_writes(&mut peer_a, b"x");
    peer_a.half_close();
    peer_b.half_close();
    scene.drive_to_close("a");
    assert_eq!(
        scene.world.trace("a"),
        "sent:5 timer:6 timeout end close:Graceful"
    );
}

#[test]
fn a_server_can_pipe_a_connection_to_one_that_it_makes() {
    let mut scene = Scene::new();
    let (_, upstream) = scene.listen(SocketOptions::new(), |number| {
        Recorder::new(format!("upstream {number}")).on("data", |cx, seen| {
            if let Seen::Data(bytes) = seen {
                let _ = cx.socket.write(&bytes.to_ascii_uppercase());
            }
        })
    });
    let proxy = scene
        .event_loop
        .listen(crate::support::loopback(), move |cx, accepted| {
            let options = filtered::options_to(upstream);
            let to = Recorder::new("to upstream");
            let to = cx.connect_with(upstream, options, to).ok()?;
            assert!(cx.pipe_both(accepted.id, to), "it may still be connecting");
            Some(Recorder::new("proxied"))
        })
        .unwrap();
    let address = scene.address_of(proxy);
    let mut peer = Peer::connect(address);
    peer.write(b"hello");
    assert_eq!(scene.peer_reads(&mut peer, 5), b"HELLO");
    peer.half_close();
    assert_eq!(scene.peer_reads_to_end(&mut peer).end, PeerEnd::Fin);
    for name in ["proxied", "to upstream", "upstream 0"] {
        scene.drive_to_close(name);
        assert_eq!(scene.world.close_reason(name), Some(CloseReason::Graceful));
    }
    assert_eq!(scene.world.trace("proxied"), "connect end close:Graceful");
}

#[test]
fn bytes_that_were_read_before_are_written_before() {
    let mut scene = Scene::new();
    let (b, mut peer_b) = scene.adopted(SocketOptions::new(), Recorder::new("b"));
    let switching = Recorder::new("a").on("data", move |cx, seen| {
        let Seen::Data(bytes) = seen else { return };
        // The first line is for the proxy.
        let head = bytes.iter().position(|&byte| byte == b'\n').unwrap() + 1;
        assert_ne!(cx.socket.socket(b).write(&bytes[head..]), Flow::Closed);
        let a = cx.socket.id();
        assert!(cx.as_loop().pipe_both(a, b));
    });
    let (_, mut peer_a) = scene.adopted(SocketOptions::new(), switching);
    peer_a.write(b"CONNECT b\nfirst,");
    let_time_pass(Duration::from_millis(5));
    scene.settle();
    peer_a.write(b"second");
    assert_eq!(scene.peer_reads(&mut peer_b, 12), b"first,second");
}

#[test]
fn a_replaced_handler_leaves_the_pipe() {
    let mut scene = Scene::new();
    let [(a, mut peer_a), (b, mut peer_b)] = joined(&mut scene);
    let mut cx = scene.event_loop.context(&mut scene.world);
    assert!(cx.replace_handler(a, Recorder::new("new"), b""));
    scene.peer_writes(&mut peer_a, b"mine");
    scene.drive("the bytes", |world| world.received("new") == b"mine");
    scene.peer_writes(&mut peer_b, b"still passed on");
    assert_eq!(scene.peer_reads(&mut peer_a, 15), b"still passed on");
    scene.socket(a).destroy();
    scene.drive_to_close("new");
    assert!(!scene.socket(b).is_destroyed(), "it was not told");
}
