//! Bytes that a replaced handler has not used: `replace_handler(id, handler, unread)`.

use std::time::Duration;

use netloop::{Context, EventLoop, RunEnd, SocketHandler, SocketOptions};

use crate::support::{Peer, Recorder, Scene, Seen, World, loopback};

/// A handler that takes one line, and hands the rest on to `next`.
fn lining(name: &'static str, next: impl Fn() -> Recorder + 'static) -> Recorder {
    Recorder::new(name).on("data", move |cx, seen| {
        let Seen::Data(bytes) = seen else { return };
        let Some(end) = bytes.iter().position(|&byte| byte == b'\n') else {
            return;
        };
        let id = cx.socket.id();
        assert!(cx.replace_handler(id, next(), &bytes[end + 1..]));
        cx.shared.note("replaced");
    })
}

fn data(world: &World, name: &str) -> Vec<Vec<u8>> {
    let events = world.of(name).filter_map(|event| match &event.seen {
        Seen::Data(bytes) => Some(bytes.clone()),
        _ => None,
    });
    events.collect()
}

#[test]
fn unread_bytes_are_the_first_data_of_the_new_handler() {
    let mut scene = Scene::new();
    let switching = lining("old", || {
        Recorder::new("new").on("data", |cx, _| cx.shared.note("told"))
    });
    let (id, mut peer) = scene.accepted(SocketOptions::new(), switching);
    peer.write(b"HELLO 2\nrest of the read");
    scene.drive("the rest", |world| !data(world, "new").is_empty());
    peer.write(b", and more");
    scene.drive("more", |world| data(world, "new").len() == 2);
    assert_eq!(
        data(&scene.world, "new"),
        [&b"rest of the read"[..], b", and more"]
    );
    assert_eq!(
        scene.world.notes[..2],
        ["replaced", "told"],
        "on a fresh stack"
    );
    assert_eq!(scene.socket(id).bytes_read(), 34, "each byte counts once");
}

#[test]
fn unread_bytes_come_before_newer_ones_and_before_the_end() {
    let mut scene = Scene::new();
    let switching = lining("first", || lining("second", || Recorder::new("third")));
    let (_, mut peer) = scene.accepted(SocketOptions::new(), switching);
    peer.write(b"one\ntwo\nthree");
    peer.half_close();
    scene.drive_to_close("third");
    assert_eq!(data(&scene.world, "second"), [b"two\nthree"]);
    assert_eq!(scene.world.trace("third"), "data:three end close:Graceful");
}

#[test]
fn unread_bytes_wait_while_the_socket_is_paused() {
    let mut scene = Scene::new();
    let pausing = Recorder::new("old").on("data", |cx, seen| {
        let Seen::Data(bytes) = seen else { return };
        let id = cx.socket.id();
        cx.socket.pause();
        assert!(cx.replace_handler(id, Recorder::new("new"), &bytes[4..]));
    });
    let (id, mut peer) = scene.accepted(SocketOptions::new(), pausing);
    peer.write(b"old\nfor the new one");
    scene.drive("the switch", |world| !world.received("old").is_empty());
    peer.write(b", later");
    scene.settle();
    assert_eq!(scene.world.received("new"), b"");
    assert_eq!(scene.socket(id).queued_bytes(), 0, "they are not queued");
    assert!(
        scene.event_loop.poll_timeout().is_none(),
        "nothing is to be done"
    );
    scene.socket(id).resume();
    assert_eq!(scene.event_loop.poll_timeout(), Some(Duration::ZERO));
    scene.drive("both", |world| world.received("new").len() == 22);
    assert_eq!(scene.world.received("new"), b"for the new one, later");
}

#[test]
fn unread_bytes_of_a_socket_that_closes_are_not_delivered() {
    let mut scene = Scene::new();
    let leaving = Recorder::new("old").on("data", |cx, seen| {
        let Seen::Data(bytes) = seen else { return };
        let id = cx.socket.id();
        assert!(cx.replace_handler(id, Recorder::new("new"), bytes));
        cx.socket.destroy();
        assert!(!cx.replace_handler(id, Recorder::new("too late"), bytes));
    });
    let (_, mut peer) = scene.accepted(SocketOptions::new(), leaving);
    peer.write(b"x");
    scene.drive_to_close("new");
    assert_eq!(scene.world.trace("new"), "close:Local");
}

#[test]
fn a_socket_that_is_not_connected_can_have_no_unread_bytes() {
    let mut scene = Scene::new();
    let (_server, address) = scene.listen(SocketOptions::new(), |_| Recorder::new("accepted"));
    let options = netloop::ConnectOptions::new();
    let id = scene.connect(address, options, Recorder::new("client"));
    let mut cx = scene.event_loop.context(&mut scene.world);
    assert!(!cx.replace_handler(id, Recorder::new("never"), b"x"));
    assert!(cx.replace_handler(id, Recorder::new("other client"), b""));
    scene.drive_until("other client", "connect");
    assert_eq!(scene.world.trace("client"), "");
    assert_eq!(scene.world.trace("never"), "");
}

/// Replaces itself for ever, and takes nothing of what it is given.
struct Restless;

impl SocketHandler<Vec<u8>> for Restless {
    fn on_data(&mut self, cx: &mut Context<'_, Vec<u8>>, data: &[u8]) {
        let id = cx.socket.id();
        cx.replace_handler(id, Self, data);
    }
}

struct Plain;

impl SocketHandler<Vec<u8>> for Plain {
    fn on_data(&mut self, cx: &mut Context<'_, Vec<u8>>, data: &[u8]) {
        cx.shared.extend_from_slice(data);
        cx.stop();
    }
}

#[test]
fn a_handler_that_replaces_itself_for_ever_starves_no_other() {
    let mut event_loop = EventLoop::new().unwrap();
    let restless = event_loop.listen(loopback(), |_, _| Restless).unwrap();
    let plain = event_loop.listen(loopback(), |_, _| Plain).unwrap();
    let [mut first, mut second] =
        [restless, plain].map(|id| Peer::connect(event_loop.server(id).address().unwrap()));
    first.write(b"again");
    let mut received = Vec::new();
    event_loop
        .run_for(&mut received, Duration::from_millis(20))
        .unwrap();
    second.write(b"my turn");
    let limit = Duration::from_secs(10);
    let end = event_loop.run_for(&mut received, limit).unwrap();
    assert_eq!((end, &received[..]), (RunEnd::Stopped, &b"my turn"[..]));
}

#[test]
fn unread_bytes_go_through_a_pipe() {
    let mut scene = Scene::new();
    let (b, mut peer_b) = scene.adopted(SocketOptions::new(), Recorder::new("b"));
    let switching = Recorder::new("a").on("data", move |cx, seen| {
        let Seen::Data(bytes) = seen else { return };
        let a = cx.socket.id();
        assert!(cx.replace_handler(a, Recorder::new("piped"), &bytes[8..]));
        assert!(cx.as_loop().pipe_both(a, b));
    });
    let (_, mut peer_a) = scene.adopted(SocketOptions::new(), switching);
    peer_a.write(b"CONNECT\nfirst,");
    peer_a.half_close();
    let received = scene.peer_reads_to_end(&mut peer_b);
    assert_eq!(received.bytes, b"first,");
    assert_eq!(scene.world.trace("piped"), "end");
}
