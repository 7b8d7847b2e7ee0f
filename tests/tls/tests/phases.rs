//! Requests of a program to a socket with TLS, in each phase: pauses, budgets, pipes, panics, limits.

use std::sync::Arc;
use std::time::Duration;

use netloop::{
    Budget, CloseReason, EventLoopOptions, Limits, ListenOptions, PanicPolicy, SocketOptions, Wait,
};
use netloop_tls::Authority;

use crate::by_hand::{TlsPeer, server_and_client};
use crate::support::{Peer, PeerEnd, Recorder, Scene, assert_same_bytes, pattern};
use crate::{NAME, name};

#[test]
fn bytes_before_a_bad_record_are_delivered_behind_a_pause() {
    let mut scene = Scene::new();
    let pausing = |_| {
        Recorder::new("theirs").on("connect", |cx, _| {
            cx.socket.pause();
            // The loop then looks for the end in spite of the pause, and decodes.
            cx.socket.end();
        })
    };
    let mut client = server_and_client(&mut scene, pausing);
    client.drive(&mut scene, "their end", |it, _| it.has_close_notify);
    let bytes = pattern(16 << 10, 3);
    client.write(&bytes);
    let mut outgoing = client.outgoing();
    outgoing.extend([23, 3, 3, 0, 20]);
    outgoing.extend([0; 20]);
    client.peer.write(&outgoing);
    scene.settle();
    let id = scene.world.id("theirs");
    if scene.world.close_reason("theirs").is_none() {
        scene.socket(id).resume();
    }
    scene.drive_to_close("theirs");
    assert_same_bytes(&scene.world.received("theirs"), &bytes);
    assert_eq!(scene.world.error("theirs").code(), "ERR_TLS_PROTOCOL");
}

#[test]
fn bytes_before_a_bad_record_are_delivered_with_a_small_space() {
    // Each length leaves another space in front of the last record.
    for length in [1, 4_000, 9_000, 16_000] {
        let mut scene = Scene::new();
        let mut client = server_and_client(&mut scene, |_| Recorder::new("theirs"));
        client.shake_hands(&mut scene);
        client.drive(&mut scene, "the connection", |_, scene| {
            scene.world.has("theirs", "connect")
        });
        let bytes = pattern(length + 40 * (16 << 10), 3);
        client.write(&bytes[..length]);
        client.write(&bytes[length..]);
        let mut outgoing = client.outgoing();
        outgoing.extend([23, 3, 3, 0, 20]);
        outgoing.extend([0; 20]);
        let mut sent = 0;
        while sent < outgoing.len() {
            sent += client.peer.write_some(&outgoing[sent..]);
            if sent < outgoing.len() {
                scene.turn();
            }
        }
        scene.drive_to_close("theirs");
        assert_same_bytes(&scene.world.received("theirs"), &bytes);
    }
}

#[test]
fn a_handshake_message_without_end_fails_in_words() {
    let mut scene = Scene::new();
    let (options, _) = crate::options();
    let (_, address) = scene.listen(options, |_| Recorder::new("theirs"));
    for (number, length) in [65_000_u32, 0xff_ffff].into_iter().enumerate() {
        let mut peer = Peer::connect(address);
        let mut message = vec![1];
        message.extend(&length.to_be_bytes()[1..]);
        message.resize(64 << 10, 0);
        for record in message.chunks(16 << 10) {
            let size = u16::try_from(record.len()).unwrap();
            let head = [&[22, 3, 1][..], &size.to_be_bytes()].concat();
            // The server may have closed the connection before the last record.
            let _ = peer.try_write(&[&head, record].concat());
        }
        scene.drive_with("the failure", |scene| {
            scene.world.count("server", "failed") == number + 1
        });
        let error = scene.world.error("server");
        assert_eq!(error.code(), "ERR_TLS_HANDSHAKE", "{error}");
    }
}

#[test]
fn a_truncation_is_carried_over_a_pipe() {
    let mut scene = Scene::new();
    // The other end of the pipe is a plain socket.
    let (plain, mut reader) = {
        let (ours, peer) = Peer::roomy_pair();
        let id = scene
            .event_loop
            .adopt(ours, SocketOptions::new(), Recorder::new("plain"))
            .unwrap();
        (id, peer)
    };
    let mut client = server_and_client(&mut scene, |_| Recorder::new("theirs"));
    client.shake_hands(&mut scene);
    client.drive(&mut scene, "the connection", |_, scene| {
        scene.world.has("theirs", "connect")
    });
    let id = scene.world.id("theirs");
    let mut cx = scene.event_loop.context(&mut scene.world);
    assert!(cx.pipe_both(id, plain));
    client.write(b"a part");
    client.step();
    assert_eq!(scene.peer_reads(&mut reader, 6), b"a part");
    reader.write(b"an answer");
    client.drive(&mut scene, "the answer", |it, _| it.received.len() == 9);
    client.peer.half_close();
    // The reader must not take the part for the whole.
    assert_eq!(scene.peer_reads_to_end(&mut reader).end, PeerEnd::Reset);
    scene.drive_to_close("plain");
    assert_eq!(scene.world.error("plain").code(), "ERR_TLS_TRUNCATED");
    assert_eq!(scene.world.error("theirs").code(), "ERR_TLS_TRUNCATED");
}

#[test]
fn a_socket_with_tls_is_not_detached() {
    let mut scene = Scene::new();
    let detaching = |_| {
        Recorder::new("theirs").on("connect", |cx, _| {
            assert!(cx.socket.detach().is_none());
            cx.socket.write(b"still here").ignore();
        })
    };
    let mut client = server_and_client(&mut scene, detaching);
    client.drive(&mut scene, "the bytes", |it, _| {
        it.received == b"still here"
    });
}

#[test]
fn tls_starts_on_an_adopted_socket() {
    let mut scene = Scene::new();
    let authority = Authority::new();
    let (ours, peer) = Peer::roomy_pair();
    let id = scene
        .event_loop
        .adopt(ours, SocketOptions::new(), Recorder::new("us"))
        .unwrap();
    let config = Arc::new(authority.identity(&[NAME]).server());
    scene.socket(id).start_tls(config, b"").unwrap();
    let mut client = TlsPeer::client(peer, &authority);
    client.write(b"hello");
    client.drive(&mut scene, "the bytes", |_, scene| {
        scene.world.received("us") == b"hello"
    });
    let negotiated = format!("{:?}", scene.socket(id).tls().unwrap());
    assert!(negotiated.contains("TLSv1_3"), "{negotiated}");
    client.tls.send_close_notify();
    client.drive(&mut scene, "the end", |it, _| it.end == Some(PeerEnd::Fin));
}

#[test]
fn held_plaintext_comes_without_news_of_the_kernel() {
    let mut scene = Scene::new();
    let mut client = server_and_client(&mut scene, |_| Recorder::new("theirs"));
    client.shake_hands(&mut scene);
    client.drive(&mut scene, "the connection", |_, scene| {
        scene.world.has("theirs", "connect")
    });
    let bytes = pattern(600_000, 5);
    client.write(&bytes);
    let outgoing = client.outgoing();
    let mut sent = 0;
    // A host that never waits, and gives each turn one event.
    let one = Budget::new().steps(1);
    let mut turns = 0;
    while scene.world.received_length("theirs") < bytes.len() {
        sent += client.peer.write_some(&outgoing[sent..]);
        let turned = scene.event_loop.turn(&mut scene.world, Wait::No, one);
        turned.unwrap();
        turns += 1;
        assert!(turns < 1_000_000, "only {}", scene.world.brief());
    }
    assert_same_bytes(&scene.world.received("theirs"), &bytes);
}

#[test]
fn a_panic_in_on_connect_costs_its_own_connection() {
    let mut scene = Scene::new();
    let options = EventLoopOptions::new().panic_policy(PanicPolicy::Close);
    scene.event_loop = netloop::EventLoop::with_options(options).unwrap();
    let panicking = |number| {
        Recorder::new(format!("theirs{number}")).on("connect", move |_, _| {
            assert_ne!(number, 0, "a fault of the program");
        })
    };
    let authority = Authority::new();
    let server = Arc::new(authority.identity(&[NAME]).server());
    let (_, address) = scene.listen(ListenOptions::new().tls(server), panicking);
    let mut first = TlsPeer::client(Peer::connect(address), &authority);
    first.drive(&mut scene, "the end", |it, _| it.end.is_some());
    let mut second = TlsPeer::client(Peer::connect(address), &authority);
    second.write(b"hello");
    second.drive(&mut scene, "the bytes", |_, scene| {
        scene.world.received("theirs1") == b"hello"
    });
    assert_eq!(scene.event_loop.sockets().ids().count(), 1);
}

#[test]
fn a_long_write_in_one_call_passes_within_the_limits() {
    const LENGTH: usize = 64 << 20;
    let mut scene = Scene::new();
    let bytes = pattern(LENGTH, 9);
    let sent = bytes.clone();
    let writing = move |_| {
        let sent = sent.clone();
        Recorder::new("theirs").on("connect", move |cx, _| {
            cx.socket.write(&sent).ignore();
            cx.socket.end();
        })
    };
    let mut client = server_and_client(&mut scene, writing);
    client.drive(&mut scene, "the end", |it, _| it.end.is_some());
    assert_same_bytes(&client.received, &bytes);
    assert!(client.has_close_notify);
}

#[test]
fn more_than_a_socket_may_queue_closes_it() {
    let mut scene = Scene::new();
    let limits = Limits::new().max_queued_bytes(1 << 20);
    let authority = Authority::new();
    let server = Arc::new(authority.identity(&[NAME]).server());
    let options = ListenOptions::new().tls(server).limits(limits);
    let flooding = |_| {
        Recorder::new("theirs").on("connect", |cx, _| {
            for _ in 0..1_000 {
                cx.socket.write(&[1; 64 << 10]).ignore();
            }
        })
    };
    let (_, address) = scene.listen(options, flooding);
    let peer = Peer::connect_with_small_window(address);
    let mut client = TlsPeer::client(peer, &authority);
    client.drive(&mut scene, "the close", |_, scene| {
        scene.world.close_reason("theirs").is_some()
    });
    assert_eq!(scene.world.close_reason("theirs"), Some(CloseReason::Limit));
    client.drive(&mut scene, "the reset", |it, _| it.end.is_some());
    assert_eq!(client.end, Some(PeerEnd::Reset));
}

#[test]
fn the_first_byte_is_one_of_the_handler_and_not_of_the_wire() {
    let mut scene = Scene::new();
    let limits = Limits::new().first_byte_timeout(Duration::from_millis(200));
    let authority = Authority::new();
    let server = Arc::new(authority.identity(&[NAME]).server());
    let options = ListenOptions::new().tls(server).limits(limits);
    let (_, address) = scene.listen(options, |_| Recorder::new("theirs"));
    let mut client = TlsPeer::client(Peer::connect(address), &authority);
    client.shake_hands(&mut scene);
    client.drive(&mut scene, "the connection", |_, scene| {
        scene.world.has("theirs", "connect")
    });
    client.write(b"a request");
    let outgoing = client.outgoing();
    client.peer.write(&outgoing[..outgoing.len() - 1]);
    scene.drive_to_close("theirs");
    assert_eq!(
        scene.world.close_reason("theirs"),
        Some(CloseReason::TimedOut)
    );
    assert_eq!(scene.event_loop.statistics().timed_out_first_bytes, 1);
}

#[test]
fn counters_are_those_of_the_plaintext() {
    let mut scene = Scene::new();
    let echo = |_| {
        Recorder::new("theirs").on("data", |cx, seen| {
            let crate::support::Seen::Data(bytes) = seen else {
                return;
            };
            cx.socket.write(bytes).ignore();
        })
    };
    let mut client = server_and_client(&mut scene, echo);
    client.write(&[7; 50_000]);
    client.drive(&mut scene, "the echo", |it, _| it.received.len() == 50_000);
    let id = scene.world.id("theirs");
    let socket = scene.socket(id);
    assert_eq!(socket.bytes_read(), 50_000);
    assert_eq!(socket.bytes_written(), 50_000);
    assert_eq!(socket.queued_bytes(), 0);
    let statistics = scene.event_loop.statistics();
    assert_eq!(statistics.bytes_received, 50_000);
    assert_eq!(statistics.bytes_sent, 50_000);
}

#[test]
fn requests_within_a_handshake_come_behind_it_or_at_once() {
    for word in ["end", "destroy_soon", "destroy", "reset"] {
        let mut scene = Scene::new();
        let (listener, address) = crate::support::listener();
        let authority = Authority::new();
        let options = netloop::ConnectOptions::new().tls(Arc::new(authority.client()), name());
        let id = scene.connect(address, options, Recorder::new("us"));
        let peer = scene.peer_accepts(&listener);
        let config = Arc::new(authority.identity(&[NAME]).server());
        let server = rustls::ServerConnection::new(config).unwrap();
        let mut peer = TlsPeer::new(peer, server.into());
        scene.settle();
        let mut socket = scene.socket(id);
        socket.write(b"early").ignore();
        match word {
            "end" => socket.end(),
            "destroy_soon" => socket.destroy_soon(),
            "destroy" => socket.destroy(),
            _ => socket.reset().unwrap(),
        }
        peer.drive(&mut scene, word, |it, _| it.end.is_some());
        let is_graceful = matches!(word, "end" | "destroy_soon");
        assert_eq!(peer.received == b"early", is_graceful, "{word}");
        assert_eq!(peer.has_close_notify, is_graceful, "{word}");
        let is_reset = peer.end == Some(PeerEnd::Reset);
        assert_eq!(is_reset, word == "reset", "{word}");
    }
}
