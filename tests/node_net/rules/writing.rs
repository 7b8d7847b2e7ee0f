//! C: what becomes of what is written.

use netloop::{CloseReason, ConnectOptions, Flow, ListenOptions, SocketOptions, State};

use crate::support::{Peer, Recorder, Scene};

/// C3.
#[test]
fn each_token_comes_once_in_order_and_after_the_call() {
    let mut scene = Scene::new();
    let (_, address) = scene.listen(ListenOptions::new(), |_| Recorder::new("accepted"));
    let client = Recorder::new("client").on("connect", |cx, _| {
        for (token, bytes) in [&b"one"[..], b"", b"two"].into_iter().enumerate() {
            let _ = cx.socket.write(bytes);
            cx.socket.notify_when_sent(token as u64);
        }
        assert!(!cx.shared.has("client", "sent"));
    });
    let client = scene.connect(address, ConnectOptions::new(), client);
    scene.drive("all tokens", |world| world.count("client", "sent") == 3);
    scene.socket(client).end();
    scene.drive_to_close("client");
    assert_eq!(
        scene.world.trace("client"),
        "connect sent:0 sent:1 sent:2 end close:Graceful"
    );
    assert_eq!(scene.world.received("accepted"), b"onetwo");
}

/// C6. DEVIATE: Node destroys the socket with ERR_STREAM_WRITE_AFTER_END and loses what was not sent.
#[test]
fn a_write_after_end_is_told_to_the_caller_and_harms_nothing() {
    let mut scene = Scene::new();
    let (_, address) = scene.listen(ListenOptions::new(), |_| Recorder::new("accepted"));
    let client = Recorder::new("client").on("connect", |cx, _| {
        let _ = cx.socket.end_with(b"last");
        assert_eq!(cx.socket.write(b"too late"), Flow::Ended);
        assert_eq!(cx.socket.bytes_written(), 4);
    });
    scene.connect(address, ConnectOptions::new(), client);
    scene.drive_to_close("client");
    scene.drive_to_close("accepted");
    assert_eq!(scene.world.trace("client"), "connect end close:Graceful");
    assert_eq!(
        scene.world.trace("accepted"),
        "connect data:last end close:Graceful"
    );
}

/// C8, T19. DEVIATE: the later write is told to the caller, and is no EPIPE.
#[test]
fn a_write_is_taken_within_on_end_and_refused_afterwards() {
    let mut scene = Scene::new();
    let (_, address) = scene.listen(SocketOptions::new().allow_half_open(true), |_| {
        Recorder::new("accepted").on("connect", |cx, _| cx.socket.end())
    });
    let client = Recorder::new("client").on("end", |cx, _| {
        assert!(cx.socket.is_writable());
        assert!(cx.socket.write(b"A").is_accepted());
        cx.socket.notify_when_sent(1);
        let id = cx.socket.id();
        cx.defer(move |cx| {
            let mut socket = cx.sockets.socket(id);
            assert!(!socket.is_writable());
            let flow = socket.write(b"B");
            assert!([Flow::Ended, Flow::Closed].contains(&flow));
        });
    });
    scene.connect(address, ConnectOptions::new(), client);
    scene.drive_to_close("client");
    scene.drive_to_close("accepted");
    assert_eq!(
        scene.world.trace("client"),
        "connect end sent:1 close:Graceful"
    );
    assert_eq!(scene.world.received("accepted"), b"A");
}

/// C9, T14.
#[test]
fn a_reset_tells_the_error_then_every_token_then_the_close() {
    let mut scene = Scene::new();
    let (ours, peer) = Peer::pair();
    let client = scene
        .event_loop
        .adopt(ours, SocketOptions::new(), Recorder::new("client"))
        .unwrap();
    let mut socket = scene.socket(client);
    let _ = socket.write(&vec![b'.'; 4 << 20]);
    socket.notify_when_sent(1);
    let _ = socket.write(b"more");
    socket.notify_when_sent(2);
    socket.end();
    socket.notify_when_sent(3);
    scene.settle();
    assert_eq!(scene.world.trace("client"), "");
    peer.reset();
    scene.drive_to_close("client");
    assert_eq!(
        scene.world.trace("client"),
        "error:ECONNRESET sent:1:ECONNRESET sent:2:ECONNRESET sent:3:ECONNRESET close:Reset"
    );
}

/// C9: without an error there is a code of its own. C7: a write that was refused is nobody's token.
#[test]
fn destroying_tells_every_token_that_it_was_not_sent() {
    let mut scene = Scene::new();
    let (ours, _peer) = Peer::pair();
    let client = scene
        .event_loop
        .adopt(ours, SocketOptions::new(), Recorder::new("client"))
        .unwrap();
    let mut socket = scene.socket(client);
    let _ = socket.write(&vec![b'.'; 4 << 20]);
    socket.notify_when_sent(1);
    socket.destroy();
    assert_eq!(socket.write(b"late"), Flow::Closed);
    socket.notify_when_sent(2);
    scene.drive_to_close("client");
    assert_eq!(
        scene.world.trace("client"),
        "sent:1:ERR_SOCKET_CLOSED sent:2:ERR_SOCKET_CLOSED close:Local"
    );
}

/// C7: also if everything that was written before had been sent.
#[test]
fn a_token_asked_for_after_destroy_is_never_told_as_sent() {
    let mut scene = Scene::new();
    let (_, address) = scene.listen(ListenOptions::new(), |_| Recorder::new("accepted"));
    let client = Recorder::new("client").on("connect", |cx, _| {
        cx.socket.destroy();
        assert_eq!(cx.socket.write(b"late"), Flow::Closed);
        cx.socket.notify_when_sent(1);
    });
    scene.connect(address, ConnectOptions::new(), client);
    scene.drive_to_close("client");
    assert_eq!(
        scene.world.trace("client"),
        "connect sent:1:ERR_SOCKET_CLOSED close:Local"
    );
}

/// C13.
#[test]
fn a_reset_is_no_error_here_and_econnreset_at_the_peer() {
    let mut scene = Scene::new();
    let (server, address) = scene.listen(ListenOptions::new(), |_| Recorder::new("accepted"));
    let client = scene.connect(address, ConnectOptions::new(), Recorder::new("client"));
    scene.drive_until("client", "connect");
    scene.drive_until("accepted", "connect");
    scene.socket(client).reset().unwrap();
    assert_eq!(scene.socket(client).state(), State::Closed);
    scene.drive_to_close("client");
    scene.drive_to_close("accepted");
    assert_eq!(scene.world.trace("client"), "connect close:Local");
    assert_eq!(
        scene.world.trace("accepted"),
        "connect error:ECONNRESET close:Reset"
    );
    // DEVIATE: once more is harmless, and no ERR_SOCKET_CLOSED.
    scene.socket(client).reset().unwrap();
    scene.settle();
    assert_eq!(scene.world.close_reason("client"), Some(CloseReason::Local));
    scene.close(server);
    scene.drive_to_exit();
}
