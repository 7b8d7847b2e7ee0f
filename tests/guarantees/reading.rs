//! Reading: what is delivered, when, and what a pause holds back (rules D; reliability B1, B10).

use netloop::{EventLoop, EventLoopOptions, Flow, SocketOptions, State};

use crate::support::{
    PeerEnd, Recorder, Scene, Seen, assert_same_bytes, listener, loopback, pattern,
};

fn paused() -> SocketOptions {
    SocketOptions::new().pause_on_connect(true)
}

// D1, with a larger read buffer than Node's 64 KiB.
#[test]
fn data_comes_in_pieces_of_1_byte_to_128_kib() {
    let mut scene = Scene::new();
    let (_, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    let bytes = pattern(8 << 20, 1);
    peer.write(b"x");
    scene.drive("one byte", |world| world.received_length("us") == 1);
    scene.peer_writes(&mut peer, &bytes);
    scene.drive("the rest", |world| {
        world.received_length("us") == 1 + bytes.len()
    });
    assert_same_bytes(&scene.world.received("us")[1..], &bytes);
    for event in &scene.world.log {
        if let Seen::Data(piece) = &event.seen {
            assert!((1..=128 << 10).contains(&piece.len()));
        }
    }
}

#[test]
fn no_piece_is_longer_than_the_read_buffer_and_none_is_lost() {
    let bytes = pattern(1 << 20, 3);
    let mut told = 0;
    // Nothing is too little for a buffer, and counts as 1 KiB.
    for (asked, most) in [(4 << 10, 4 << 10), (0, 1 << 10), (256 << 10, 256 << 10)] {
        let mut scene = Scene::new();
        let options = EventLoopOptions::new().read_buffer_bytes(asked);
        scene.event_loop = EventLoop::with_options(options).unwrap();
        let (_, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
        scene.peer_writes(&mut peer, &bytes);
        scene.drive("all of it", |world| {
            world.received_length("us") == bytes.len()
        });
        assert_same_bytes(&scene.world.received("us"), &bytes);
        let pieces = scene
            .world
            .log
            .iter()
            .filter_map(|event| match &event.seen {
                Seen::Data(piece) => Some(piece.len()),
                _ => None,
            });
        let longest = pieces.inspect(|_| told += 1).max();
        assert!(
            longest.is_some_and(|longest| longest <= most),
            "{longest:?}"
        );
    }
    assert!(told > 1024 + 256, "the short buffers were used");
}

// D2
#[test]
fn pause_inside_on_data_holds_back_the_rest() {
    let mut scene = Scene::new();
    let pausing = Recorder::new("us").reacting(|cx, seen| {
        if let Seen::Data(_) = seen {
            cx.socket.pause();
            assert!(cx.socket.is_paused());
        }
    });
    let (id, mut peer) = scene.accepted(paused(), pausing);
    let bytes = pattern(1 << 20, 2);
    let sent = peer.write_some(&bytes);
    assert!(sent > 256 << 10, "more than one read at hand");
    scene.socket(id).resume();
    let mut pieces = 0;
    while scene.world.received_length("us") < sent {
        scene.settle();
        pieces += 1;
        assert_eq!(scene.world.count("us", "data"), pieces, "one a resume");
        scene.socket(id).resume();
        assert_eq!(
            scene.world.count("us", "data"),
            pieces,
            "resume itself delivers nothing"
        );
    }
    assert_same_bytes(&scene.world.received("us"), &bytes[..sent]);
}

// D2
#[test]
fn the_last_of_several_pauses_and_resumes_counts() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    peer.write(b"held");
    scene.socket(id).pause();
    scene.socket(id).resume();
    scene.socket(id).pause();
    scene.settle();
    assert_eq!(scene.world.trace("us"), "connect");
    scene.socket(id).resume();
    scene.socket(id).pause();
    scene.socket(id).resume();
    scene.drive("the data", |world| world.received("us") == b"held");
}

// D2, B7
#[test]
fn a_pause_while_connecting_holds_from_the_first_byte_on() {
    let mut scene = Scene::new();
    let (listener, address) = listener();
    let mut connect = |name: &str| {
        let recorder = Recorder::new(name);
        scene.event_loop.connect(address, recorder).unwrap()
    };
    let held = connect("held");
    let released = connect("released");
    scene.socket(held).pause();
    scene.socket(released).pause();
    scene.socket(released).resume();
    scene.dial(2);
    for _ in 0..2 {
        let mut peer = crate::support::Peer::accept(&listener);
        peer.write(b"early");
        peer.close();
    }
    scene.drive_to_close("released");
    scene.settle();
    assert_eq!(scene.world.trace("held"), "connect");
    scene.socket(held).resume();
    scene.drive_to_close("held");
    for name in ["held", "released"] {
        let trace = scene.world.trace(name);
        assert_eq!(trace, "connect data:early end close:Graceful", "{name}");
    }
}

// D3: where Node may read ahead by 64 KiB, a paused socket takes nothing from the kernel.
#[test]
fn a_paused_socket_reads_nothing_ahead() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(paused(), Recorder::new("us"));
    peer.write(&[0; 100_000]);
    scene.settle();
    assert_eq!(scene.socket(id).bytes_read(), 0);
    scene.socket(id).resume();
    scene.drive("the data", |world| world.received_length("us") == 100_000);
}

// D4
#[test]
fn an_end_behind_held_back_data_waits_for_it() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(paused(), Recorder::new("us"));
    peer.write(b"held back");
    peer.half_close();
    scene.settle();
    assert_eq!(scene.world.trace("us"), "connect");
    scene.socket(id).resume();
    scene.drive_to_close("us");
    assert_eq!(
        scene.world.trace("us"),
        "connect data:held back end close:Graceful"
    );
}

// D4, DEVIATE: one rule, no on_end while paused (T21a and T21b differ in Node).
#[test]
fn on_end_does_not_come_while_paused_even_if_there_is_no_data() {
    let mut scene = Scene::new();
    let (from_start, peer) = scene.accepted(paused(), Recorder::new("from the start"));
    peer.half_close();
    let (later, mut other) = scene.accepted(SocketOptions::new(), Recorder::new("later"));
    other.write(b"x");
    scene.drive("a byte", |world| world.received("later") == b"x");
    scene.socket(later).pause();
    other.half_close();
    scene.settle();
    assert_eq!(scene.world.trace("from the start"), "connect");
    assert_eq!(scene.world.trace("later"), "connect data:x");
    assert_eq!(scene.socket(later).state(), State::Open);
    scene.socket(from_start).resume();
    scene.socket(later).resume();
    scene.drive_to_close("from the start");
    scene.drive_to_close("later");
    assert_eq!(
        scene.world.trace("from the start"),
        "connect end close:Graceful"
    );
    assert_eq!(
        scene.world.trace("later"),
        "connect data:x end close:Graceful"
    );
}

// D4
#[test]
fn a_pause_in_the_last_on_data_holds_the_end_back() {
    let mut scene = Scene::new();
    let pausing = Recorder::new("us").reacting(|cx, seen| {
        if let Seen::Data(_) = seen {
            cx.socket.pause();
        }
    });
    let (id, mut peer) = scene.accepted(SocketOptions::new(), pausing);
    peer.write(b"all");
    peer.close();
    scene.drive("the data", |world| world.received("us") == b"all");
    scene.settle();
    assert_eq!(scene.world.trace("us"), "connect data:all");
    scene.socket(id).resume();
    scene.drive_to_close("us");
    assert_eq!(
        scene.world.trace("us"),
        "connect data:all end close:Graceful"
    );
}

// D6, DEVIATE: there is no socket without a consumer, so none hangs in CLOSE_WAIT (T25).
#[test]
fn a_handler_that_ignores_its_data_still_ends_and_closes() {
    struct Deaf;
    impl netloop::SocketHandler<Vec<netloop::CloseReason>> for Deaf {
        fn on_data(&mut self, _: &mut netloop::Context<'_, Vec<netloop::CloseReason>>, _: &[u8]) {}
        fn on_close(
            &mut self,
            cx: &mut netloop::Context<'_, Vec<netloop::CloseReason>>,
            reason: netloop::CloseReason,
        ) {
            cx.shared.push(reason);
        }
    }
    let mut event_loop = EventLoop::new().unwrap();
    let server = event_loop.listen(loopback(), |_, _| Deaf).unwrap();
    let address = event_loop.server(server).address().unwrap();
    let mut peer = crate::support::Peer::connect(address);
    peer.write(b"abc");
    peer.half_close();
    let mut reasons = Vec::new();
    let begun = std::time::Instant::now();
    while reasons.is_empty() {
        let wait = netloop::Wait::For(std::time::Duration::from_millis(5));
        event_loop
            .turn(&mut reasons, wait, netloop::Budget::new())
            .unwrap();
        assert!(begun.elapsed() < crate::support::PATIENCE);
    }
    assert_eq!(reasons, [netloop::CloseReason::Graceful]);
}

// D7 (T12)
#[test]
fn after_our_own_end_data_is_still_delivered_in_full() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    scene.socket(id).end();
    assert_eq!(scene.peer_reads_to_end(&mut peer).end, PeerEnd::Fin);
    let bytes = pattern(5_000_000, 3);
    scene.peer_writes(&mut peer, &bytes);
    peer.close();
    scene.drive_to_close("us");
    assert_same_bytes(&scene.world.received("us"), &bytes);
    assert_eq!(
        scene.world.trace("us"),
        "connect data:5000000 end close:Graceful"
    );
}

// D8 (T22)
#[test]
fn destroy_inside_on_data_stops_data_and_resets_the_peer() {
    let mut scene = Scene::new();
    let leaving = Recorder::new("us").reacting(|cx, seen| {
        if let Seen::Data(_) = seen {
            cx.socket.destroy();
        }
    });
    let (_, mut peer) = scene.accepted(SocketOptions::new(), leaving);
    assert!(peer.write_some(&[b'x'; 3_000_000]) > 128 << 10);
    peer.half_close();
    scene.drive_to_close("us");
    scene.settle();
    assert_eq!(scene.world.count("us", "data"), 1);
    assert!(scene.world.trace("us").ends_with(" close:Local"));
    assert_eq!(scene.peer_reads_to_end(&mut peer).end, PeerEnd::Reset);
}

// D10
#[test]
fn on_end_finds_its_socket_open_and_this_side_ends_after_it() {
    let mut scene = Scene::new();
    let looking = Recorder::new("us").reacting(|cx, seen| {
        if *seen == Seen::End {
            assert!(!cx.socket.is_destroyed());
            assert!(cx.socket.is_writable());
            assert_eq!(cx.socket.write(b"still"), Flow::Open);
        }
    });
    let (_, mut peer) = scene.accepted(SocketOptions::new(), looking);
    peer.half_close();
    let received = scene.peer_reads_to_end(&mut peer);
    assert_eq!(
        (&received.bytes[..], received.end),
        (&b"still"[..], PeerEnd::Fin)
    );
    scene.drive_to_close("us");
}

// Reliability B10
#[test]
fn an_end_that_arrives_with_much_data_comes_behind_all_of_it() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(paused(), Recorder::new("us"));
    let bytes = pattern(1 << 20, 4);
    let sent = peer.write_some(&bytes);
    peer.close();
    scene.settle();
    scene.socket(id).resume();
    scene.drive_to_close("us");
    assert_same_bytes(&scene.world.received("us"), &bytes[..sent]);
    assert_eq!(
        scene.world.trace("us"),
        format!("connect data:{sent} end close:Graceful")
    );
}

// Reliability B1; I7
#[test]
fn no_byte_and_no_wake_up_is_lost_through_thousands_of_pauses() {
    let mut scene = Scene::new();
    let pausing = Recorder::new("us").reacting(|cx, seen| {
        if let Seen::Data(_) = seen {
            cx.socket.pause();
            let id = cx.socket.id();
            cx.defer(move |cx| cx.sockets.socket(id).resume());
        }
    });
    let (_, mut peer) = scene.accepted(SocketOptions::new(), pausing);
    let seed = 5;
    let bytes = pattern(1 << 20, seed);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut sent = 0;
    while sent < bytes.len() {
        let length = random.usize(1..600).min(bytes.len() - sent);
        sent += peer.write_some(&bytes[sent..sent + length]);
        if random.bool() {
            scene.turn();
        }
    }
    peer.close();
    scene.drive_to_close("us");
    assert_same_bytes(&scene.world.received("us"), &bytes);
    let pauses = scene.world.count("us", "data");
    assert!(pauses > 500, "{pauses} pauses");
}
