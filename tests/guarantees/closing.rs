//! The end of a connection: the order of the last events, and the reason that comes with them (rules A; reliability D).

use std::time::Duration;

use netloop::{Budget, ConnectOptions, Error, Flow, SocketOptions, State};

use crate::support::{Peer, PeerEnd, Recorder, Scene, Seen, loopback};

fn half_open() -> SocketOptions {
    SocketOptions::new().allow_half_open(true)
}

// A1
#[test]
fn on_close_does_not_come_inside_destroy() {
    let mut scene = Scene::new();
    let leaving = Recorder::new("us").reacting(|cx, seen| {
        if let Seen::Data(_) = seen {
            cx.socket.destroy();
            assert!(cx.socket.is_destroyed());
            assert_eq!(cx.socket.state(), State::Closed);
            assert_eq!(cx.shared.close_reason("us"), None);
        }
    });
    let (_, mut peer) = scene.accepted(SocketOptions::new(), leaving);
    peer.write(b"go");
    scene.drive_to_close("us");
    assert_eq!(scene.world.trace("us"), "connect data:go close:Local");
}

// A1, DEVIATE
#[test]
fn on_close_has_a_reason_even_without_a_connection() {
    let mut scene = Scene::new();
    let id = scene
        .event_loop
        .connect((loopback().ip(), 1), Recorder::new("us"))
        .unwrap();
    scene.socket(id).destroy();
    scene.drive_to_close("us");
    assert_eq!(scene.world.trace("us"), "close:Local");
}

// A2
#[test]
fn the_reason_is_a_failure_exactly_when_there_was_an_error() {
    let mut scene = Scene::new();
    type Ending = fn(&mut Scene, netloop::SocketId, Peer);
    let endings: [(&str, Ending, &str, bool); 5] = [
        (
            "destroyed",
            |scene, id, _| scene.socket(id).destroy(),
            "connect close:Local",
            false,
        ),
        (
            "destroyed with an error",
            |scene, id, _| scene.socket(id).destroy_with(Error::other("mine")),
            "connect error:ERR_OTHER close:Error",
            true,
        ),
        (
            "reset by us",
            |scene, id, _| scene.socket(id).reset().unwrap(),
            "connect close:Local",
            false,
        ),
        (
            "reset by the peer",
            |_, _, peer| peer.reset(),
            "connect error:ECONNRESET close:Reset",
            true,
        ),
        (
            "ended",
            |_, _, peer| peer.close(),
            "connect end close:Graceful",
            false,
        ),
    ];
    for (name, ending, trace, is_failure) in endings {
        let (id, peer) = scene.accepted(SocketOptions::new(), Recorder::new(name));
        ending(&mut scene, id, peer);
        scene.drive_to_close(name);
        assert_eq!(scene.world.trace(name), trace, "{name}");
        let reason = scene.world.close_reason(name).unwrap();
        assert_eq!(reason.is_failure(), is_failure, "{name}");
    }
}

// A3 (T6), I3
#[test]
fn the_first_of_several_errors_is_told_right_before_on_close() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    peer.write(b"unread");
    scene.socket(id).destroy_with(Error::other("the first"));
    scene.socket(id).destroy_with(Error::other("the second"));
    scene.socket(id).destroy();
    peer.reset();
    scene.drive_to_close("us");
    scene.settle();
    assert_eq!(
        scene.world.trace("us"),
        "connect error:ERR_OTHER close:Error"
    );
    let error = scene.world.error("us");
    assert_eq!(error.code(), "ERR_OTHER");
    assert_eq!(error.to_string(), "the first");
}

// A3
#[test]
fn destroy_with_takes_an_io_error() {
    let mut scene = Scene::new();
    let (id, _peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    let error = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
    scene.socket(id).destroy_with(error);
    scene.drive_to_close("us");
    assert_eq!(scene.world.trace("us"), "connect error:EACCES close:Error");
}

// A4
#[test]
fn after_destroy_nothing_but_on_close_comes() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(half_open(), Recorder::new("us"));
    // All that could come is on its way: data, the end, a drain, a timeout.
    assert_eq!(scene.socket(id).write(&[0; 8 << 20]), Flow::Full);
    peer.write(b"data");
    peer.half_close();
    while let Ok(Some(_)) = peer.read_some(1 << 20) {}
    scene.socket(id).set_idle_timeout(Duration::from_millis(1));
    scene.socket(id).destroy();
    scene.let_pass(Duration::from_millis(20));
    assert_eq!(scene.world.trace("us"), "connect close:Local");
}

// A5
#[test]
fn on_end_comes_before_on_close_when_the_peer_ended() {
    let mut scene = Scene::new();
    let (_, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    peer.write(b"bye");
    peer.close();
    scene.drive_to_close("us");
    assert_eq!(
        scene.world.trace("us"),
        "connect data:bye end close:Graceful"
    );
}

// A5
#[test]
fn our_own_destroy_never_tells_an_end() {
    let mut scene = Scene::new();
    let (id, peer) = scene.accepted(
        SocketOptions::new().pause_on_connect(true),
        Recorder::new("us"),
    );
    peer.half_close();
    scene.settle();
    scene.socket(id).resume();
    scene.socket(id).destroy();
    scene.drive_to_close("us");
    assert_eq!(scene.world.trace("us"), "connect close:Local");
}

// A6 (T26)
#[test]
fn an_end_may_be_followed_by_the_error_of_a_late_write() {
    let mut scene = Scene::new();
    let (id, peer) = scene.accepted(half_open(), Recorder::new("us"));
    peer.close();
    scene.drive("the end", |world| world.has_seen("us", &Seen::End));
    // The peer is gone altogether, so it answers what we send with a reset.
    scene.drive_with("the error", |scene| {
        scene.socket(id).write(b"is anybody there?") == Flow::Closed
    });
    scene.drive_to_close("us");
    let code = scene.world.error("us").code();
    assert!(matches!(code, "EPIPE" | "ECONNRESET"), "{code}");
    assert_eq!(
        scene.world.trace("us"),
        format!("connect end error:{code} close:Reset")
    );
}

// A7 (T1, T2, T40); reliability D7
#[test]
fn closing_is_graceful_in_whichever_order_both_sides_end() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("we first"));
    scene.socket(id).end();
    assert_eq!(scene.peer_reads_to_end(&mut peer).end, PeerEnd::Fin);
    peer.half_close();
    scene.drive_to_close("we first");

    let (id, mut peer) = scene.accepted(half_open(), Recorder::new("peer first"));
    peer.half_close();
    scene.drive("the end", |world| world.has_seen("peer first", &Seen::End));
    scene.socket(id).end();
    assert_eq!(scene.peer_reads_to_end(&mut peer).end, PeerEnd::Fin);
    scene.drive_to_close("peer first");

    let (id, peer) = scene.accepted(half_open(), Recorder::new("at once"));
    scene.socket(id).end();
    peer.half_close();
    scene.event_loop.flush(Budget::new());
    scene.drive_to_close("at once");

    let (_, peer) = scene.accepted(
        half_open(),
        Recorder::new("in on_end").reacting(|cx, seen| {
            if *seen == Seen::End {
                cx.socket.end();
                assert_eq!(cx.socket.state(), State::Closed);
            }
        }),
    );
    peer.half_close();
    scene.drive_to_close("in on_end");

    for name in ["we first", "peer first", "at once", "in on_end"] {
        let trace = scene.world.trace(name);
        assert_eq!(trace, "connect end close:Graceful", "{name}");
    }
}

// A7
#[test]
fn one_end_alone_closes_nothing() {
    let mut scene = Scene::new();
    let (ours, _peer) = scene.accepted(SocketOptions::new(), Recorder::new("we ended"));
    scene.socket(ours).end();
    let (theirs, peer) = scene.accepted(half_open(), Recorder::new("the peer ended"));
    peer.half_close();
    scene.settle();
    assert_eq!(scene.socket(ours).state(), State::ReadOnly);
    assert_eq!(scene.socket(theirs).state(), State::WriteOnly);
    assert_eq!(scene.world.trace("we ended"), "connect");
    assert_eq!(scene.world.trace("the peer ended"), "connect end");
}

// A8
#[test]
fn destroy_is_idempotent_in_every_callback() {
    let mut scene = Scene::new();
    let stubborn = || {
        |cx: &mut netloop::Context<'_, crate::support::World>, _: &Seen| {
            cx.socket.destroy();
            cx.socket.destroy_with(Error::other("too late"));
            cx.socket.destroy_soon();
            cx.socket.destroy();
        }
    };
    let (_, _peer) = scene.accepted(
        SocketOptions::new(),
        Recorder::new("on connect").reacting(stubborn()),
    );
    scene.drive_to_close("on connect");
    assert_eq!(scene.world.trace("on connect"), "connect close:Local");

    let (ours, peer) = Peer::pair();
    scene
        .event_loop
        .adopt(
            ours,
            SocketOptions::new(),
            Recorder::new("on error").reacting(stubborn()),
        )
        .unwrap();
    peer.reset();
    scene.drive_to_close("on error");
    scene.settle();
    assert_eq!(
        scene.world.trace("on error"),
        "error:ECONNRESET close:Reset",
        "what is told already does not change"
    );
}

// A3, A8
#[test]
fn no_call_on_a_closed_socket_changes_why_it_closed() {
    let mut scene = Scene::new();
    type Ending = fn(&mut Scene, netloop::SocketId);
    let endings: [(&str, Ending, &str); 3] = [
        (
            "destroyed",
            |scene, id| scene.socket(id).destroy(),
            "connect close:Local",
        ),
        (
            "failed",
            |scene, id| scene.socket(id).destroy_with(Error::other("first")),
            "connect error:ERR_OTHER close:Error",
        ),
        (
            "timed out",
            |scene, id| scene.socket(id).set_idle_timeout(Duration::from_millis(1)),
            "connect timeout close:TimedOut",
        ),
    ];
    for (name, ending, trace) in endings {
        let meddling = Recorder::new(name).reacting(|cx, seen| {
            if *seen == Seen::Timeout {
                // The default.
                netloop::SocketHandler::on_timeout(&mut Plain, cx);
                meddle(&mut cx.socket);
            }
        });
        let (id, mut peer) = scene.accepted(SocketOptions::new(), meddling);
        // Our own FIN is out already, which makes a difference to some of what is asked.
        scene.socket(id).end();
        scene.peer_reads_to_end(&mut peer);
        ending(&mut scene, id);
        if name != "timed out" {
            meddle(&mut scene.socket(id));
        }
        scene.drive_to_close(name);
        assert_eq!(scene.world.trace(name), trace, "{name}");
    }
}

struct Plain;

impl netloop::SocketHandler<crate::support::World> for Plain {
    fn on_data(&mut self, _: &mut netloop::Context<'_, crate::support::World>, _: &[u8]) {}
}

/// Everything that could be asked of a socket.
fn meddle(socket: &mut netloop::Socket<'_>) {
    assert_eq!(socket.write(b"x"), Flow::Closed);
    assert_eq!(socket.write_static(&[0; 32 << 10]), Flow::Closed);
    socket.end();
    socket.destroy_soon();
    socket.pause();
    socket.resume();
    socket.set_idle_timeout(Duration::from_millis(1));
    socket.set_no_delay(true).unwrap();
    socket.set_keep_alive(None).unwrap();
    socket.reset().unwrap();
    socket.destroy_with(Error::other("too late"));
    socket.destroy();
    socket.release();
    socket.hold();
}

// C5, A7 (T41): what `nc -N` relies on.
#[test]
fn half_close_carries_the_late_reply() {
    let mut scene = Scene::new();
    let answering = Recorder::new("us").reacting(|cx, seen| {
        if *seen == Seen::End {
            let id = cx.socket.id();
            cx.after(Duration::from_millis(20), move |cx| {
                let mut socket = cx.sockets.socket(id);
                assert!(socket.end_with(b"the late reply").is_accepted());
            });
        }
    });
    let (_, mut peer) = scene.accepted(half_open(), answering);
    peer.write(b"a question");
    peer.half_close();
    let received = scene.peer_reads_to_end(&mut peer);
    assert_eq!(received.bytes, b"the late reply");
    assert_eq!(received.end, PeerEnd::Fin);
    scene.drive_to_close("us");
    assert_eq!(
        scene.world.trace("us"),
        "connect data:a question end close:Graceful"
    );
}

// Reliability D4
#[test]
fn peers_that_end_leave_no_socket_behind() {
    let mut scene = Scene::new();
    let (server, address) = scene.listen(SocketOptions::new(), |n| Recorder::new(n.to_string()));
    let mut peers: Vec<Peer> = (0..100).map(|_| Peer::connect(address)).collect();
    for peer in &mut peers {
        peer.write(b"something");
        peer.half_close();
    }
    scene.drive("100 closes", |world| {
        world.lives.len() == 100 && world.all_are_closed()
    });
    assert_eq!(scene.event_loop.server(server).connection_count(), 0);
    assert_eq!(scene.event_loop.sockets().ids().count(), 0);
    for name in 0..100 {
        let trace = scene.world.trace(&name.to_string());
        assert_eq!(trace, "connect data:something end close:Graceful");
    }
}

// Reliability D7
#[test]
fn both_ends_of_one_loop_may_end_at_once_many_times() {
    let mut scene = Scene::new();
    let (_, address) = scene.listen(SocketOptions::new(), |n| {
        Recorder::new(format!("server {n}")).reacting(|cx, seen| {
            if *seen == Seen::Connect {
                cx.socket.end();
            }
        })
    });
    let times = 200;
    for n in 0..times {
        let client = Recorder::new(format!("client {n}"));
        let id = scene.connect(address, ConnectOptions::new(), client);
        scene.socket(id).end();
    }
    scene.drive("all closes", |world| {
        world.lives.len() == 2 * times && world.all_are_closed()
    });
    for n in 0..times {
        for side in ["server", "client"] {
            let trace = scene.world.trace(&format!("{side} {n}"));
            assert_eq!(trace, "connect end close:Graceful", "{side} {n}");
        }
    }
}
