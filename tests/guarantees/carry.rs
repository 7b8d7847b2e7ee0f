//! Bytes that a replaced handler did not use: the next handler is told them first, as if they were read again (I1, I9).

use netloop::{Budget, Context, Flow, SocketHandler, SocketId, SocketOptions, State, Wait};

use crate::support::{Peer, Recorder, Scene, Seen, World, assert_same_bytes, pattern};

/// A handler that takes `head` bytes of the first data, and leaves the rest to `next`.
fn handing_over(name: &str, head: usize, next: Recorder) -> Recorder {
    let mut next = Some(next);
    Recorder::new(name).reacting(move |cx, seen| {
        if let Seen::Data(bytes) = seen {
            let id = cx.socket.id();
            let next = next.take().expect("it is told no second data");
            assert!(cx.replace_handler(id, next, &bytes[head..]));
        }
    })
}

fn replace(scene: &mut Scene, id: SocketId, next: Recorder, unread: &[u8]) -> bool {
    let mut cx = scene.event_loop.context(&mut scene.world);
    cx.replace_handler(id, next, unread)
}

/// A socket whose first handler has passed on all but the first of six bytes, while it was paused.
fn paused_with_five() -> (Scene, SocketId, Peer) {
    let mut scene = Scene::new();
    let first = handing_over("first", 1, Recorder::new("second"));
    let (id, mut peer) = scene.accepted(SocketOptions::new(), first);
    peer.write(b"012345");
    scene.drive("the data", |world| world.received_length("first") == 6);
    scene.socket(id).pause();
    (scene, id, peer)
}

#[test]
fn unread_bytes_come_first_and_before_the_end() {
    let mut scene = Scene::new();
    let first = handing_over("first", 5, Recorder::new("second"));
    let (_, mut peer) = scene.accepted(SocketOptions::new(), first);
    peer.write(b"HELLOpayload");
    scene.drive("the head", |world| world.has("first", "data"));
    peer.write(b"later");
    peer.half_close();
    scene.drive_to_close("second");
    assert_eq!(scene.world.trace("first"), "connect data:HELLOpayload");
    assert_eq!(
        scene.world.trace("second"),
        "data:payloadlater end close:Graceful"
    );
    let payload = Seen::Data(b"payload".to_vec());
    assert!(scene.world.has_seen("second", &payload), "by itself");
}

#[test]
fn unread_bytes_go_down_a_chain_of_handlers() {
    let mut scene = Scene::new();
    let third = Recorder::new("third");
    let second = handing_over("second", 1, third);
    let first = handing_over("first", 1, second);
    let (_, mut peer) = scene.accepted(SocketOptions::new(), first);
    peer.write(b"abc");
    scene.drive("the last", |world| world.has("third", "data"));
    assert_eq!(scene.world.trace("first"), "connect data:abc");
    assert_eq!(scene.world.trace("second"), "data:bc");
    assert_eq!(scene.world.trace("third"), "data:c");
}

#[test]
fn unread_bytes_of_two_calls_come_in_the_order_of_the_calls() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("first"));
    assert!(replace(&mut scene, id, Recorder::new("second"), b"one, "));
    assert!(replace(&mut scene, id, Recorder::new("third"), b"two, "));
    peer.write(b"three");
    scene.drive("all", |world| world.received("third") == b"one, two, three");
    assert_eq!(scene.world.trace("second"), "");
}

#[test]
fn unread_bytes_are_counted_as_read_once() {
    let (mut scene, id, _peer) = paused_with_five();
    assert_eq!(scene.socket(id).bytes_read(), 6);
    assert_eq!(scene.socket(id).queued_bytes(), 0);
    scene.socket(id).resume();
    scene.drive("the rest", |world| world.received("second") == b"12345");
    assert_eq!(scene.socket(id).bytes_read(), 6);
}

// Elsewhere than with epoll and kqueue a short transfer proves nothing: the loop makes one more call, in one more step.
#[cfg(not(any(windows, mio_unsupported_force_poll_poll)))]
#[test]
fn unread_bytes_go_with_a_socket_that_is_destroyed() {
    let (mut scene, id, _peer) = paused_with_five();
    scene.socket(id).resume();
    scene.socket(id).destroy();
    scene.drive_to_close("second");
    assert_eq!(scene.world.trace("second"), "close:Local");
    assert!(!replace(&mut scene, id, Recorder::new("third"), b"x"));
}

// Elsewhere than with epoll and kqueue a short transfer proves nothing: the loop makes one more call, in one more step.
#[cfg(not(any(windows, mio_unsupported_force_poll_poll)))]
#[test]
fn a_socket_with_unread_bytes_cannot_be_detached() {
    let (mut scene, id, _peer) = paused_with_five();
    assert!(scene.socket(id).detach().is_none(), "they would be lost");
    scene.socket(id).resume();
    scene.drive("the rest", |world| world.received("second") == b"12345");
    assert!(scene.socket(id).detach().is_some());
}

#[test]
fn unread_bytes_behind_the_end_are_refused() {
    let mut scene = Scene::new();
    let first = Recorder::new("first").on("end", |cx, _| {
        let id = cx.socket.id();
        let second = Recorder::new("second");
        assert!(!cx.replace_handler(id, second, b"too late"));
    });
    let half_open = SocketOptions::new().allow_half_open(true);
    let (id, peer) = scene.accepted(half_open, first);
    peer.half_close();
    scene.drive_until("first", "end");
    scene.settle();
    assert_eq!(scene.world.trace("second"), "");
    assert_eq!(scene.socket(id).state(), State::WriteOnly);
}

#[test]
fn more_unread_bytes_than_a_read_takes_arrive_whole() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("first"));
    let bytes = pattern(1 << 20, 1);
    peer.write(b"behind them");
    assert!(replace(&mut scene, id, Recorder::new("second"), &bytes));
    let all = bytes.len() + 11;
    scene.drive("all", |world| world.received_length("second") == all);
    let received = scene.world.received("second");
    assert_same_bytes(&received[..bytes.len()], &bytes);
    assert_eq!(&received[bytes.len()..], b"behind them");
}

#[test]
fn a_reply_to_unread_bytes_leaves_with_its_callback() {
    let mut scene = Scene::new();
    let second = Recorder::new("second").on("data", |cx, _| {
        assert_eq!(cx.socket.write(b"reply"), Flow::Open);
    });
    let first = handing_over("first", 1, second);
    let (id, mut peer) = scene.accepted(SocketOptions::new(), first);
    peer.write(b"ab");
    scene.drive("the reply", |world| world.has("second", "data"));
    assert_eq!(scene.socket(id).queued_bytes(), 0);
    assert_eq!(scene.peer_reads(&mut peer, 5), b"reply");
}

/// A handler that never uses a byte: it replaces itself for ever.
struct Procrastinator;

impl SocketHandler<World> for Procrastinator {
    fn on_data(&mut self, cx: &mut Context<'_, World>, data: &[u8]) {
        let id = cx.socket.id();
        assert!(cx.replace_handler(id, Self, data));
    }
}

/// A scene with a socket that replaces itself for ever, and has begun to.
fn procrastinating() -> (Scene, Peer) {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("first"));
    let mut cx = scene.event_loop.context(&mut scene.world);
    assert!(cx.replace_handler(id, Procrastinator, b"never used"));
    peer.write(b", nor this");
    (scene, peer)
}

#[test]
fn unread_bytes_are_steps_of_the_budget() {
    let (mut scene, _peer) = procrastinating();
    for _ in 0..5 {
        let budget = Budget::new().steps(1);
        let turn = scene
            .event_loop
            .turn(&mut scene.world, Wait::No, budget)
            .unwrap();
        assert_eq!(turn.events, 1);
    }
}
