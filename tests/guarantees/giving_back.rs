//! Bytes that a handler gives back: `Socket::unread`, Node's `unshift`.

use std::time::Duration;

use netloop::{ConnectOptions, Context, SocketHandler, SocketId, SocketOptions};

use crate::support::{PeerEnd, Recorder, Scene, Seen, World};

/// Uses at most `most` bytes of each delivery, and gives the rest back.
struct Sipping {
    most: usize,
    pauses: bool,
}

impl SocketHandler<World> for Sipping {
    fn on_data(&mut self, cx: &mut Context<'_, World>, data: &[u8]) {
        let (used, rest) = data.split_at(self.most.min(data.len()));
        cx.shared.note(String::from_utf8_lossy(used).into_owned());
        assert!(cx.socket.unread(rest));
        if self.pauses {
            cx.socket.pause();
        }
    }
    fn on_end(&mut self, cx: &mut Context<'_, World>) {
        cx.shared.note("end");
    }
}

/// A handler that gives back all but the first `used` bytes of the first delivery, and then calls `next`.
fn giving_back(
    name: &str,
    used: usize,
    mut next: impl FnMut(&mut Context<'_, World>) + 'static,
) -> Recorder {
    let mut is_first = true;
    Recorder::new(name).on("data", move |cx, seen| {
        if let (Seen::Data(bytes), true) = (seen, std::mem::take(&mut is_first)) {
            assert!(cx.socket.unread(&bytes[used..]));
            next(cx);
        }
    })
}

fn replace(scene: &mut Scene, id: SocketId, handler: impl SocketHandler<World> + 'static) {
    let mut cx = scene.event_loop.context(&mut scene.world);
    assert!(cx.replace_handler(id, handler, b""));
}

#[test]
fn bytes_given_back_come_again_before_the_end() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("unused"));
    let sipping = Sipping {
        most: 4,
        pauses: false,
    };
    replace(&mut scene, id, sipping);
    peer.write(b"one,two,three");
    peer.half_close();
    let end = |scene: &mut Scene| scene.world.notes.iter().any(|note| note == "end");
    scene.drive_with("the end", end);
    assert_eq!(scene.world.notes, ["one,", "two,", "thre", "e", "end"]);
    scene.settle();
    let statistics = scene.event_loop.statistics();
    assert_eq!(statistics.bytes_received, 13, "each byte counts once");
}

#[test]
fn bytes_given_back_wait_while_the_socket_is_paused() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("unused"));
    let sipping = Sipping {
        most: 1,
        pauses: true,
    };
    replace(&mut scene, id, sipping);
    peer.write(b"abc");
    for (count, expected) in [(1, "a"), (2, "b"), (3, "c")] {
        scene.drive("a byte", |world| world.notes.len() == count);
        scene.settle();
        assert_eq!(scene.world.notes[count - 1..], [expected]);
        // With a filter, the deadline of its handshake is still on the wheel.
        assert_ne!(scene.event_loop.poll_timeout(), Some(Duration::ZERO));
        assert_eq!(scene.socket(id).bytes_read(), 3);
        scene.socket(id).resume();
    }
    if cfg!(any(windows, mio_unsupported_force_poll_poll)) {
        // These selectors report again only after a read that would block, and the resume asks for this read.
        scene.settle();
    }
    assert_ne!(scene.event_loop.poll_timeout(), Some(Duration::ZERO));
}

#[test]
fn bytes_given_back_later_come_before_earlier_ones() {
    let mut scene = Scene::new();
    let mut is_first = true;
    let piecewise = Recorder::new("us").on("data", move |cx, seen| {
        if let (Seen::Data(bytes), true) = (seen, std::mem::take(&mut is_first)) {
            // The last piece first, as with Node's `unshift`.
            for piece in bytes.chunks(2).rev() {
                assert!(cx.socket.unread(piece));
            }
        }
    });
    let (id, mut peer) = scene.accepted(SocketOptions::new(), piecewise);
    peer.write(b"abcde");
    scene.drive("all twice", |world| world.received("us") == b"abcdeabcde");
    scene.socket(id).pause();
    for piece in [&b"z"[..], b"", b"xy"] {
        assert!(scene.socket(id).unread(piece), "also outside of a callback");
    }
    scene.socket(id).resume();
    scene.drive("the rest", |world| world.received("us").ends_with(b"xyz"));
}

#[test]
fn bytes_given_back_go_to_the_handler_of_then() {
    let mut scene = Scene::new();
    let first = giving_back("first", 1, |cx| {
        let id = cx.socket.id();
        assert!(cx.replace_handler(id, Recorder::new("second"), b"behind"));
    });
    let (_, mut peer) = scene.accepted(SocketOptions::new(), first);
    peer.write(b"abc");
    scene.drive("the rest", |world| world.received("second") == b"bcbehind");
    assert_eq!(scene.world.trace("first"), "connect data:abc");
}

#[test]
fn bytes_given_back_go_through_a_pipe() {
    let mut scene = Scene::new();
    let (b, mut peer_b) = scene.adopted(SocketOptions::new(), Recorder::new("b"));
    let client = giving_back("a", 8, move |cx| {
        let a = cx.socket.id();
        assert!(cx.as_loop().pipe_both(a, b));
    });
    let (_, mut peer_a) = scene.adopted(SocketOptions::new(), client);
    peer_a.write(b"CONNECT\nfirst, second");
    peer_a.half_close();
    let received = scene.peer_reads_to_end(&mut peer_b);
    assert_eq!(
        (&received.bytes[..], received.end),
        (&b"first, second"[..], PeerEnd::Fin)
    );
}

#[test]
fn a_failure_waits_for_bytes_given_back() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(
        SocketOptions::new(),
        giving_back("us", 1, |cx| cx.socket.pause()),
    );
    peer.write(b"words");
    scene.drive_until("us", "data");
    scene.settle();
    peer.reset();
    scene.drive_with("the report", |scene| scene.socket(id).is_peer_gone());
    scene.socket(id).resume();
    scene.drive_to_close("us");
    let trace = scene.world.trace("us");
    assert!(
        trace.ends_with("ords error:ECONNRESET close:Reset"),
        "{trace}"
    );
}

#[test]
fn bytes_given_back_do_not_move_the_idle_timeout() {
    let mut scene = Scene::new();
    let idle = SocketOptions::new().idle_timeout(Duration::from_millis(30));
    let (id, mut peer) = scene.accepted(idle, Recorder::new("unused"));
    // Nothing is used, and everything comes again at once.
    let sipping = Sipping {
        most: 0,
        pauses: false,
    };
    replace(&mut scene, id, sipping);
    peer.write(b"never used");
    scene.drive_with("the close", |scene| scene.socket(id).is_destroyed());
    assert_eq!(scene.socket(id).queued_bytes(), 0);
}

#[test]
fn only_an_open_socket_takes_bytes_back() {
    let mut scene = Scene::new();
    let refusing = |name: &str| {
        let refuse = |cx: &mut Context<'_, World>, _: &Seen| assert!(!cx.socket.unread(b"late"));
        Recorder::new(name).on("end", refuse).on("close", refuse)
    };
    let (_server, address) = scene.listen(SocketOptions::new(), move |_| refusing("accepted"));
    let client = scene.connect(address, ConnectOptions::new(), refusing("client"));
    assert!(!scene.socket(client).unread(b"early"));
    scene.drive_until("client", "connect");
    scene.socket(client).end();
    scene.drive_to_close("client");
    assert!(!scene.socket(client).unread(b"gone"));
    assert_eq!(scene.world.received("client"), b"");
    assert_eq!(scene.world.received("accepted"), b"");
}
