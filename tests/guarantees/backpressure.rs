//! Peers that do not read: their queues stay within the limits, and cost the other peers nothing (I6, I9;
//! reliability C5).

use std::rc::Rc;

use netloop::{CloseReason, Context, Flow, SocketId, SocketOptions};

use crate::support::{Peer, PeerEnd, Recorder, Scene, Seen, World, assert_same_bytes, pattern};

const MARK: usize = 64 << 10;

/// Notes the answer of a write and what is queued after it.
fn note(cx: &mut Context<'_, World>, flow: Flow) {
    let queued = cx.socket.queued_bytes();
    cx.shared.note(format!("{flow:?} {queued}"));
}

// I6
// Elsewhere than with epoll and kqueue a short transfer proves nothing: the loop makes one more call, in one more step.
#[cfg(not(any(windows, mio_unsupported_force_poll_poll)))]
#[test]
fn a_write_past_the_limit_is_refused_and_fails_the_socket() {
    let mut scene = Scene::new();
    let limit = 100_000;
    let options = SocketOptions::new().max_queued_bytes(limit);
    let counting = Recorder::new("us").reacting(|cx, seen| {
        if let Seen::Close(_) = seen {
            let lost = cx.socket.queued_bytes();
            cx.shared.note(lost.to_string());
        }
    });
    let (id, mut peer) = scene.adopted(options, counting);
    // Fill the kernel, and then the queue.
    while scene.socket(id).queued_bytes() == 0 {
        assert_eq!(scene.socket(id).write(&[1; 20_000]), Flow::Open);
    }
    let filled = scene.socket(id).queued_bytes();
    let rest = limit - filled;
    assert_eq!(scene.socket(id).write(&vec![2; rest]), Flow::Full);
    assert_eq!(scene.socket(id).queued_bytes(), limit, "exactly full");
    let written = scene.socket(id).bytes_written();

    assert_eq!(scene.socket(id).write(b"3"), Flow::Closed);
    assert_eq!(scene.socket(id).queued_bytes(), limit, "I6");
    assert_eq!(scene.socket(id).bytes_written(), written, "F2");
    scene.drive_to_close("us");
    assert_eq!(scene.world.trace("us"), "error:ERR_QUEUE_LIMIT close:Limit");
    assert_eq!(scene.world.notes, [limit.to_string()], "all lost");
    let received = scene.peer_reads_to_end(&mut peer);
    assert!(!received.bytes.contains(&3));
    assert!(received.bytes.len() as u64 <= written - limit as u64);
    assert_eq!(received.end, PeerEnd::Reset, "a part is not the whole");
}

// I6
#[test]
fn the_limit_error_names_the_limit_and_the_peer_and_what_to_do() {
    struct Flood;
    impl netloop::SocketHandler<Vec<String>> for Flood {
        fn on_data(&mut self, cx: &mut Context<'_, Vec<String>>, _: &[u8]) {
            let refused = (0..1000).find(|_| cx.socket.write(&[0; 10_000]) == Flow::Closed);
            assert!(refused.is_some(), "10 MB are queued");
        }
        fn on_error(&mut self, cx: &mut Context<'_, Vec<String>>, error: &netloop::Error) {
            cx.shared.push(error.code().into());
            cx.shared.push(error.to_string());
            cx.shared.push(format!("{error:#}"));
            cx.shared.push(format!("{:?}", error.endpoint()));
        }
        fn on_close(&mut self, cx: &mut Context<'_, Vec<String>>, reason: CloseReason) {
            assert!(reason.is_failure());
            cx.shared.push(format!("{reason:?}"));
        }
    }
    let mut event_loop = netloop::EventLoop::new().unwrap();
    let (ours, mut peer) = Peer::pair();
    peer.write(b"go");
    let options = SocketOptions::new().max_queued_bytes(1 << 20);
    event_loop.adopt(ours, options.clone(), Flood).unwrap();
    let mut log = Vec::new();
    event_loop.run(&mut log).unwrap();
    let [code, text, long, endpoint, reason] = &log[..] else {
        panic!("{log:?}")
    };
    assert_eq!(code, netloop::Error::QUEUE_LIMIT);
    assert!(text.contains("1048576"), "{text}");
    assert!(long.contains("Flow::Full") && long.contains("max_queued_bytes"));
    assert!(endpoint.contains(&peer.address().to_string()), "{endpoint}");
    assert_eq!(reason, "Limit");
}

// I6: the limit speaks of what the kernel would not take.
#[test]
fn what_a_reading_peer_takes_at_once_never_meets_the_limit() {
    let mut scene = Scene::new();
    let options = SocketOptions::new().max_queued_bytes(4096);
    let writing = Recorder::new("us").reacting(|cx, seen| {
        if let Seen::Data(_) = seen {
            // One larger than the limit, many that are so together, and one that is much larger.
            for length in [8000, 3000, 3000, 3000, 1, 100_000] {
                let flow = cx.socket.write(&vec![b'x'; length]);
                note(cx, flow);
            }
        }
    });
    let (_, mut peer) = scene.accepted(options, writing);
    peer.write(b"go");
    assert_eq!(scene.peer_reads(&mut peer, 117_001).len(), 117_001);
    scene.settle();
    assert_eq!(scene.world.trace("us"), "connect data:go");
    assert!(
        scene
            .world
            .notes
            .iter()
            .all(|note| note.starts_with("Open "))
    );
}

// I6: the limit is for what piles up; what the writer had in one piece takes no more memory here than there.
#[test]
fn one_write_is_taken_whatever_its_length_if_nothing_is_queued() {
    let mut scene = Scene::new();
    let options = SocketOptions::new().max_queued_bytes(4096);
    let (id, mut peer) = scene.accepted(options, Recorder::new("us"));
    let bytes = pattern(8 << 20, 4);
    assert_eq!(scene.socket(id).write(&bytes), Flow::Full);
    assert_same_bytes(&scene.peer_reads(&mut peer, bytes.len()), &bytes);
    scene.settle();
    assert_eq!(scene.world.trace("us"), "connect drain");
}

// Reliability B9: making space may be what meets a reset.
#[test]
fn a_reset_that_is_met_at_the_limit_is_told_as_a_reset() {
    for data in ["", "last words"] {
        let mut scene = Scene::new();
        let options = SocketOptions::new().max_queued_bytes(4096);
        let (id, mut peer) = scene.accepted(options, Recorder::new("us"));
        assert_eq!(scene.socket(id).write(&[0; 3000]), Flow::Open);
        peer.write(data.as_bytes());
        peer.reset();
        assert_eq!(scene.socket(id).write(&[0; 3000]), Flow::Closed);
        scene.drive_to_close("us");
        let delivered = match data {
            "" => String::new(),
            data => format!("data:{data} "),
        };
        assert_eq!(
            scene.world.trace("us"),
            format!("connect {delivered}error:ECONNRESET close:Reset")
        );
    }
}

// I6
#[test]
fn the_limit_holds_while_connecting() {
    let mut scene = Scene::new();
    let nobody = crate::support::BlackHole::new();
    let options = SocketOptions::new().max_queued_bytes(1000);
    let id = scene
        .event_loop
        .connect_with(nobody.address(), options, Recorder::new("us"))
        .unwrap();
    assert_eq!(scene.socket(id).write(&[0; 1000]), Flow::Open);
    assert_eq!(scene.socket(id).write(b"1"), Flow::Closed);
    scene.drive_to_close("us");
    assert_eq!(scene.world.trace("us"), "error:ERR_QUEUE_LIMIT close:Limit");
}

// I6
#[test]
fn the_limit_holds_for_every_way_to_write() {
    type Write = fn(&mut netloop::Socket<'_>) -> Flow;
    let ways: [(&str, Write); 4] = [
        ("borrowed", |socket| socket.write(&[0; 50_000])),
        ("owned", |socket| socket.write_owned(vec![0; 50_000])),
        ("shared", |socket| {
            socket.write_shared(Rc::from([0; 50_000]))
        }),
        ("static", |socket| socket.write_static(&[0; 50_000])),
    ];
    for (way, write) in ways {
        let mut scene = Scene::new();
        let options = SocketOptions::new().max_queued_bytes(200_000);
        let (id, _peer) = scene.adopted(options, Recorder::new("us"));
        let mut writes = 0;
        while write(&mut scene.socket(id)) != Flow::Closed {
            assert!(scene.socket(id).queued_bytes() <= 200_000, "{way}");
            writes += 1;
        }
        assert!((4..10).contains(&writes), "{way}: {writes} writes");
        scene.drive_to_close("us");
        assert_eq!(
            scene.world.close_reason("us"),
            Some(CloseReason::Limit),
            "{way}"
        );
    }
}

// C1, C2
#[test]
fn full_comes_at_the_high_mark_and_drain_at_the_low_mark() {
    let mut scene = Scene::new();
    let (high, low) = (400_000, 100_000);
    let options = SocketOptions::new()
        .high_water_mark(high)
        .low_water_mark(low);
    let draining = Recorder::new("us").reacting(move |cx, seen| {
        if *seen == Seen::Drain {
            let queued = cx.socket.queued_bytes();
            assert!(queued <= low, "{queued}");
            assert!(!cx.socket.needs_drain());
            cx.shared.note(queued.to_string());
        }
    });
    let (ours, mut peer) = Peer::pair_with_small_sender();
    let id = scene
        .event_loop
        .adopt(ours, options.clone(), draining)
        .unwrap();
    scene.begin_filters(id, &mut peer);
    let mut written = 0;
    loop {
        let flow = scene.socket(id).write(&[0; 10_000]);
        written += 10_000;
        let queued = scene.socket(id).queued_bytes();
        assert_eq!(flow == Flow::Full, queued >= high, "{flow:?} at {queued}");
        if flow == Flow::Full {
            break;
        }
    }
    assert!(scene.socket(id).needs_drain());
    // Between the marks nothing is told, whichever way it goes.
    let mut read = 0;
    while scene.socket(id).queued_bytes() > low {
        assert_eq!(scene.world.trace("us"), "");
        read += peer
            .read_some(8 << 10)
            .unwrap()
            .map_or(0, |more| more.len());
        scene.turn();
    }
    scene.drive("the drain", |world| !world.notes.is_empty());
    scene.peer_reads(&mut peer, written - read);
    scene.settle();
    assert_eq!(scene.world.trace("us"), "drain", "once");
}

// C2
#[test]
fn a_producer_that_heeds_full_and_drain_stays_at_the_mark() {
    let mut scene = Scene::new();
    let chunk = pattern(10_000, 1);
    let whole = 12 << 20;
    let most = Rc::new(std::cell::Cell::new(0));
    let producer = {
        let (chunk, most) = (chunk.clone(), Rc::clone(&most));
        let mut written = 0;
        Recorder::new("us").reacting(move |cx, seen| {
            if !matches!(seen, Seen::Connect | Seen::Drain) {
                return;
            }
            while written < whole {
                written += chunk.len();
                let flow = cx.socket.write(&chunk);
                most.set(most.get().max(cx.socket.queued_bytes()));
                if flow == Flow::Full {
                    return;
                }
            }
            cx.socket.end();
        })
    };
    let (_, mut peer) = scene.accepted(SocketOptions::new(), producer);
    let received = scene.peer_reads_to_end(&mut peer).bytes;
    assert!(received.len() >= whole);
    for piece in received.chunks(chunk.len()) {
        assert_same_bytes(piece, &chunk);
    }
    assert!(
        most.get() < MARK + chunk.len(),
        "at most one write above the mark: {}",
        most.get()
    );
}

// I6; reliability C5: what a server needs to do about a peer that sends and does not read.
#[test]
fn slow_reader_bounds_memory() {
    let mut scene = Scene::new();
    let most = Rc::new(std::cell::Cell::new(0));
    let echo = {
        let most = Rc::clone(&most);
        Recorder::new("us").reacting(move |cx, seen| {
            if let Seen::Data(bytes) = seen {
                let flow = cx.socket.write(bytes);
                if flow == Flow::Full {
                    cx.socket.pause();
                }
            } else if *seen == Seen::Drain {
                cx.socket.resume();
            }
            most.set(most.get().max(cx.socket.queued_bytes()));
        })
    };
    let (id, mut peer) = scene.accepted(SocketOptions::new(), echo);
    let sent = pattern(32 << 20, 2);
    let mut position = 0;
    // It sends as much as the loop takes, and reads nothing.
    let mut stuck = 0;
    while stuck < 20 && position < sent.len() {
        let taken = peer.write_some(&sent[position..]);
        position += taken;
        stuck = if taken == 0 { stuck + 1 } else { 0 };
        scene.turn();
    }
    assert!(position < sent.len(), "the echo pushes back");
    assert!(scene.socket(id).is_paused());
    assert!(
        most.get() <= MARK + (128 << 10),
        "at most one read above the mark: {}",
        most.get()
    );
    // Now it reads, and everything comes.
    let mut received = Vec::new();
    scene.drive_with("the echo of all", |_| {
        position += peer.write_some(&sent[position..]);
        while let Ok(Some(more)) = peer.read_some(256 << 10) {
            received.extend_from_slice(&more);
        }
        received.len() == sent.len()
    });
    assert_same_bytes(&received, &sent);
}

// I6, I9
#[test]
fn peers_that_never_read_cost_the_others_nothing() {
    let mut scene = Scene::new();
    let limit = 1 << 20;
    let options = SocketOptions::new().max_queued_bytes(limit);
    // A room in which each member hears every other.
    let (server, address) = scene.listen(options, |n| {
        Recorder::new(n.to_string()).reacting(|cx, seen| {
            let Seen::Data(bytes) = seen else {
                return;
            };
            let line: Rc<[u8]> = bytes.as_slice().into();
            let ids: Vec<SocketId> = cx.socket.sockets().ids().collect();
            for id in ids {
                let _ = cx.socket.socket(id).write_shared(Rc::clone(&line));
            }
        })
    });
    let mut peers: Vec<Peer> = (0..3).map(|_| Peer::connect(address)).collect();
    let stalled: Vec<Peer> = (0..10)
        .map(|_| Peer::connect_with_small_window(address))
        .collect();
    scene.drive("all members", |world| world.lives.len() == 13);

    let line = pattern(20_000, 3);
    for round in 0..400 {
        let speaker = round % peers.len();
        peers[speaker].write(&line);
        for peer in &mut peers {
            let heard = scene.peer_reads(peer, line.len());
            assert_same_bytes(&heard, &line);
        }
        let sockets: Vec<SocketId> = scene.event_loop.server(server).sockets().collect();
        for id in sockets {
            assert!(scene.socket(id).queued_bytes() <= limit, "I6");
        }
    }
    let limits = scene.world.log.iter();
    let limits = limits.filter(|event| event.seen == Seen::Close(CloseReason::Limit));
    assert_eq!(limits.count(), stalled.len(), "each failed by itself");
    assert_eq!(
        scene.event_loop.server(server).connection_count(),
        peers.len()
    );
}

// Reliability B1, C2: full and drain in turns, with writes of every size and reads at random.
#[test]
fn after_every_full_comes_exactly_one_drain() {
    for seed in 0..8 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut scene = Scene::new();
        let high = random.usize(0..2_000_000);
        let low = random.usize(0..=high);
        let options = SocketOptions::new()
            .high_water_mark(high)
            .low_water_mark(low)
            .max_queued_bytes(usize::MAX);
        let (id, mut peer) = scene.accepted(options, Recorder::new("us"));
        let drains = |scene: &Scene| scene.world.count("us", "drain");
        let (mut written, mut read, mut owed) = (0, 0, 0);
        for _ in 0..120 {
            if random.bool() {
                let length = random.usize(0..1_000_000);
                let flow = scene.socket(id).write(&vec![0; length]);
                assert!(flow.is_accepted(), "seed {seed}");
                written += length;
                if flow == Flow::Full && owed == drains(&scene) {
                    owed += 1;
                }
                assert_eq!(
                    scene.socket(id).needs_drain(),
                    owed > drains(&scene),
                    "seed {seed}"
                );
            } else {
                let most = random.usize(1..1_000_000);
                read += peer.read_some(most).unwrap().map_or(0, |bytes| bytes.len());
            }
            if random.u8(..3) == 0 {
                scene.turn();
            }
            assert!(drains(&scene) <= owed, "seed {seed}");
        }
        assert!(owed > 0, "seed {seed}");
        scene.peer_reads(&mut peer, written - read);
        scene.drive("the last drain", |world| world.count("us", "drain") == owed);
        scene.settle();
        assert_eq!(drains(&scene), owed, "seed {seed}");
        assert_eq!(scene.socket(id).queued_bytes(), 0, "seed {seed}");
    }
}
