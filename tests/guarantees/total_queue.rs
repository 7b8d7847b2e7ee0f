//! The limit on all queued bytes: it holds at every step, the longest queues pay, and a hook is told before
//! (reliability C5).

use std::cell::RefCell;
use std::rc::Rc;

use netloop::{Error, EventLoop, EventLoopOptions, Flow, Limits, SocketId, SocketOptions};

use crate::support::{BlackHole, Peer, PeerEnd, Recorder, Scene, World, pattern, unless_lost};

fn scene_with(limit: usize) -> Scene {
    let limits = Limits::new().max_total_queued_bytes(limit);
    let options = EventLoopOptions::new().limits(limits);
    Scene {
        event_loop: EventLoop::with_options(options).unwrap(),
        world: World::default(),
    }
}

fn queued(scene: &Scene) -> usize {
    scene.event_loop.statistics().queued_bytes
}

/// A socket that is never connected, so that all of its bytes wait.
fn waiting(scene: &mut Scene, hole: &BlackHole, name: &str) -> SocketId {
    scene.connect(hole.address(), SocketOptions::new(), Recorder::new(name))
}

#[test]
fn a_thousand_never_readers_stay_within_the_total() {
    const LIMIT: usize = 3 << 20;
    let mut scene = scene_with(LIMIT);
    let hogs: Vec<(SocketId, Peer)> = (0..1000)
        .map(|number| {
            let hog = Recorder::new(format!("hog {number}"));
            scene.adopted(SocketOptions::new(), hog)
        })
        .collect();
    let mut healthy: Vec<(SocketId, Peer, Vec<u8>)> = (0..5)
        .map(|number| {
            let (ours, peer) = Peer::roomy_pair();
            let recorder = Recorder::new(format!("healthy {number}"));
            let id = scene.event_loop.adopt(ours, SocketOptions::new(), recorder);
            (id.unwrap(), peer, Vec::new())
        })
        .collect();
    let message = pattern(3000, 1);
    let mut closed = 0;
    let mut written = 0;
    while closed < 400 {
        for (id, _) in &hogs {
            scene.socket(*id).write(&message).ignore();
            assert!(queued(&scene) <= LIMIT, "{} bytes", queued(&scene));
        }
        for (id, _, _) in &healthy {
            assert_eq!(scene.socket(*id).write(&message), Flow::Open);
        }
        written += message.len();
        scene.turn();
        for (_, peer, received) in &mut healthy {
            while let Ok(Some(bytes)) = peer.read_some(1 << 16) {
                received.extend_from_slice(&bytes);
            }
        }
        closed = scene.event_loop.statistics().closed_over_total;
    }
    for (_, peer, received) in &mut healthy {
        let rest = scene.peer_reads(peer, written - received.len());
        received.extend_from_slice(&rest);
        assert!(received.chunks(message.len()).all(|chunk| chunk == message));
    }
    scene.settle();
    let ended = (0..1000)
        .filter(|number| scene.world.close_reason(&format!("hog {number}")).is_some())
        .count();
    assert_eq!(ended as u64, closed);
    for number in 0..5 {
        assert_eq!(scene.world.trace(&format!("healthy {number}")), "");
    }
}

#[test]
fn every_way_to_write_makes_the_longest_queue_pay() {
    type Write = fn(&mut Scene, SocketId);
    let ways: [(&str, Write); 8] = [
        ("borrowed", |scene, id| {
            scene.socket(id).write(&[0; 500]).ignore()
        }),
        ("owned", |scene, id| {
            scene.socket(id).write_owned(vec![0; 500]).ignore()
        }),
        ("shared", |scene, id| {
            scene.socket(id).write_shared(Rc::from([0; 500])).ignore()
        }),
        ("static", |scene, id| {
            scene.socket(id).write_static(&[0; 500]).ignore()
        }),
        ("formatted", |scene, id| {
            write!(scene.socket(id), "{:>500}", 1);
        }),
        ("end_with", |scene, id| {
            scene.socket(id).end_with(&[0; 500]);
        }),
        ("a broadcast", |scene, id| {
            let _ = scene.event_loop.sockets().broadcast([id], &[0; 500]);
        }),
        ("a long broadcast", |scene, id| {
            let _ = scene.event_loop.sockets().broadcast([id], &[0; 1500]);
        }),
    ];
    for (way, write) in ways {
        let hole = BlackHole::new();
        let mut scene = scene_with(2000);
        let hog = waiting(&mut scene, &hole, "hog");
        let writer = waiting(&mut scene, &hole, "writer");
        assert_eq!(scene.socket(hog).write(&[1; 1600]), Flow::Open);
        write(&mut scene, writer);
        assert!(scene.socket(hog).is_destroyed(), "{way}");
        let kept = scene.socket(writer).queued_bytes();
        assert!(kept == 500 || kept == 1500, "{way}: {kept}");
        assert_eq!(queued(&scene), kept, "{way}");
        scene.drive_to_close("hog");
        assert_eq!(
            scene.world.trace("hog"),
            "error:ERR_TOTAL_QUEUE_LIMIT close:Limit",
            "{way}"
        );
        assert!(!scene.socket(writer).is_destroyed(), "{way}");
    }
}

#[test]
fn a_corked_socket_and_its_own_callback_count_too() {
    let mut scene = scene_with(10_000);
    let hole = BlackHole::new();
    let hog = waiting(&mut scene, &hole, "hog");
    assert_eq!(scene.socket(hog).write(&[1; 9_000]), Flow::Open);
    let corked = Recorder::new("us").on("data", |cx, _| {
        cx.socket.cork();
        for _ in 0..4 {
            cx.socket.write(&[2; 500]).ignore();
            let queued = cx.statistics().queued_bytes;
            assert!(queued <= 10_000, "{queued}");
        }
    });
    let (us, mut peer) = scene.accepted(SocketOptions::new(), corked);
    peer.write(b"go");
    scene.drive_until("us", "data");
    assert!(scene.socket(hog).is_destroyed());
    assert_eq!(scene.socket(us).queued_bytes(), 2000);
    scene.socket(us).uncork();
    assert_eq!(scene.peer_reads(&mut peer, 2000).len(), 2000);
}

#[test]
fn a_reply_beside_a_full_total_leaves_at_once() {
    // Where a packet is lost, the kernel takes the reply later, and the longest queue pays for it.
    unless_lost(|| {
        let mut scene = scene_with(10_000);
        let hole = BlackHole::new();
        let hog = waiting(&mut scene, &hole, "hog");
        assert_eq!(scene.socket(hog).write(&[1; 10_000]), Flow::Open);
        let echo = Recorder::new("us").on("data", |cx, _| {
            for _ in 0..20 {
                assert_eq!(cx.socket.write(&[2; 2_000]), Flow::Open);
                assert!(cx.statistics().queued_bytes <= 10_000);
            }
        });
        let (_, mut peer) = scene.accepted(SocketOptions::new(), echo);
        peer.write(b"go");
        assert_eq!(scene.peer_reads(&mut peer, 40_000).len(), 40_000);
        assert!(!scene.socket(hog).is_destroyed());
    });
}

#[test]
fn a_writer_with_the_longest_queue_is_refused() {
    let hole = BlackHole::new();
    let mut scene = scene_with(2000);
    let (hog, other) = (
        waiting(&mut scene, &hole, "hog"),
        waiting(&mut scene, &hole, "other"),
    );
    assert_eq!(scene.socket(hog).write(&[1; 1200]), Flow::Open);
    assert_eq!(scene.socket(other).write(&[1; 700]), Flow::Open);
    assert_eq!(scene.socket(hog).write(&[1; 101]), Flow::Closed);
    assert_eq!(queued(&scene), 700);
    scene.drive_to_close("hog");
    assert_eq!(
        scene.world.trace("hog"),
        "error:ERR_TOTAL_QUEUE_LIMIT close:Limit"
    );
    assert_eq!(scene.world.count("other", "close"), 0);
    assert_eq!(scene.event_loop.statistics().closed_over_total, 1);
    assert_eq!(scene.event_loop.statistics().closed_over_limit, 1);
}

#[test]
fn a_write_longer_than_the_total_costs_no_other_socket() {
    let hole = BlackHole::new();
    let mut scene = scene_with(2000);
    let (hog, other) = (
        waiting(&mut scene, &hole, "hog"),
        waiting(&mut scene, &hole, "other"),
    );
    assert_eq!(scene.socket(other).write(&[1; 700]), Flow::Open);
    assert_eq!(scene.socket(hog).write(&[1; 2001]), Flow::Closed);
    assert!(!scene.socket(other).is_destroyed());
    assert_eq!(queued(&scene), 700);
}

#[test]
fn a_part_that_left_before_the_total_is_no_whole() {
    let mut scene = scene_with(100_000);
    let (ours, mut peer) = Peer::pair();
    let id = scene
        .event_loop
        .adopt(ours, SocketOptions::new(), Recorder::new("us"))
        .unwrap();
    scene.begin_filters(id, &mut peer);
    assert_eq!(scene.socket(id).write(&vec![1; 4 << 20]), Flow::Closed);
    scene.drive_to_close("us");
    let received = scene.peer_reads_to_end(&mut peer);
    assert_eq!(received.end, PeerEnd::Reset);
    let texts = scene.world.error("us").to_string();
    assert!(texts.contains("100000"), "{texts}");
}

#[test]
fn a_write_refused_by_the_total_counts_the_part_that_left() {
    // A write that is offered at once, and one behind a queue, of which the kernel takes all or a part.
    for queued_before in [0, 500, 50_000] {
        let mut scene = scene_with(100_000);
        let (ours, _peer) = Peer::pair();
        let id = scene
            .event_loop
            .adopt(ours, SocketOptions::new(), Recorder::new("us"))
            .unwrap();
        assert_eq!(scene.socket(id).write(&vec![1; queued_before]), Flow::Open);
        assert_eq!(scene.socket(id).write(&vec![1; 4 << 20]), Flow::Closed);
        let sent = scene.event_loop.statistics().bytes_sent;
        let lost = scene.socket(id).queued_bytes() as u64;
        assert!(sent > 0 && lost <= queued_before as u64);
        assert_eq!(scene.socket(id).bytes_written(), sent + lost);
    }
}

#[test]
fn a_write_that_the_kernel_takes_meets_no_total() {
    let mut scene = scene_with(1000);
    let (id, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    for length in [100_000, 900, 900, 900, 20_000] {
        assert_eq!(scene.socket(id).write(&vec![1; length]), Flow::Open);
        assert!(queued(&scene) <= 1000);
    }
    assert_eq!(scene.peer_reads(&mut peer, 122_700).len(), 122_700);
}

#[test]
fn bytes_of_closed_sockets_make_space_at_once() {
    let hole = BlackHole::new();
    let mut scene = scene_with(2000);
    let (gone, kept) = (
        waiting(&mut scene, &hole, "gone"),
        waiting(&mut scene, &hole, "kept"),
    );
    let writer = waiting(&mut scene, &hole, "writer");
    assert_eq!(scene.socket(gone).write(&[1; 900]), Flow::Open);
    assert_eq!(scene.socket(kept).write(&[1; 1100]), Flow::Open);
    scene.socket(gone).destroy();
    // Without a turn in between, so that the close is still to come.
    assert_eq!(scene.socket(writer).write(&[1; 800]), Flow::Open);
    assert!(!scene.socket(kept).is_destroyed());
    assert_eq!(queued(&scene), 1900);
    scene.settle();
    assert_eq!(scene.world.trace("gone"), "close:Local");
}

#[test]
fn a_piped_hog_pays_and_its_source_closes_too() {
    let mut scene = scene_with(100_000);
    let (source, mut sender) = scene.adopted(SocketOptions::new(), Recorder::new("source"));
    let (target, mut stuck) = scene.adopted(SocketOptions::new(), Recorder::new("target"));
    scene
        .event_loop
        .context(&mut scene.world)
        .pipe(source, target);
    let hole = BlackHole::new();
    let other = waiting(&mut scene, &hole, "other");
    scene.drive_with("a full pipe", |scene| {
        sender.write_some(&[0; 4096]);
        scene.socket(target).queued_bytes() > 60_000
    });
    assert_eq!(scene.socket(other).write(&[1; 45_000]), Flow::Open);
    assert!(scene.socket(target).is_destroyed());
    assert_eq!(queued(&scene), 45_000);
    scene.drive_to_close("target");
    scene.drive_to_close("source");
    assert_eq!(
        scene.world.trace("target"),
        "error:ERR_TOTAL_QUEUE_LIMIT close:Limit"
    );
    assert_eq!(scene.peer_reads_to_end(&mut stuck).end, PeerEnd::Reset);
}

#[test]
fn pressure_is_told_once_until_it_has_fallen() {
    let mut scene = scene_with(10_000);
    let told = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&told);
    scene.event_loop.on_pressure(move |_, pressure| {
        log.borrow_mut()
            .push((pressure.queued_bytes, pressure.limit));
    });
    let hole = BlackHole::new();
    let ids: Vec<_> = (0..10)
        .map(|it| waiting(&mut scene, &hole, &it.to_string()))
        .collect();
    let write = |scene: &mut Scene, id: SocketId, bytes: usize| {
        assert_eq!(scene.socket(id).write(&vec![0; bytes]), Flow::Open);
        scene.turn();
        scene.turn();
    };
    for id in &ids[..8] {
        write(&mut scene, *id, 1000);
    }
    write(&mut scene, ids[8], 999);
    assert_eq!(*told.borrow(), []);
    write(&mut scene, ids[8], 1);
    assert_eq!(*told.borrow(), [(9000, 10_000)]);
    write(&mut scene, ids[9], 500);
    // Down to eight tenths, which is not below.
    scene.socket(ids[9]).destroy();
    scene.socket(ids[8]).destroy();
    scene.settle();
    assert_eq!(queued(&scene), 8000);
    write(&mut scene, ids[0], 1500);
    assert_eq!(told.borrow().len(), 1);
    scene.socket(ids[0]).destroy();
    scene.settle();
    write(&mut scene, ids[1], 2500);
    assert_eq!(told.borrow().len(), 2);
    assert_eq!(scene.event_loop.statistics().pressures, 2);
    scene.event_loop.ignore_pressure();
    scene.socket(ids[1]).destroy();
    scene.settle();
    write(&mut scene, ids[2], 4000);
    assert_eq!(told.borrow().len(), 2);
    assert_eq!(scene.event_loop.statistics().pressures, 3);
}

#[test]
fn pressure_is_told_behind_the_callback_that_caused_it() {
    let mut scene = scene_with(10_000);
    scene.event_loop.on_pressure(|cx, _| {
        cx.shared.note("pressure");
        let ids: Vec<_> = cx.sockets.ids().collect();
        for id in ids {
            let mut socket = cx.sockets.socket(id);
            if socket.queued_bytes() > 5_000 {
                socket.destroy_with(Error::other("too far behind"));
            }
        }
    });
    let hole = BlackHole::new();
    let hog = waiting(&mut scene, &hole, "hog");
    let writing = Recorder::new("us").on("data", move |cx, _| {
        cx.socket.socket(hog).write(&[0; 9_500]).ignore();
        cx.shared.note("written");
    });
    let (_, mut peer) = scene.accepted(SocketOptions::new(), writing);
    peer.write(b"go");
    scene.drive_until("us", "data");
    scene.drive_to_close("hog");
    assert_eq!(scene.world.notes, ["written", "pressure"]);
    assert_eq!(scene.world.trace("hog"), "error:ERR_OTHER close:Error");
    assert_eq!(scene.event_loop.statistics().closed_over_total, 0);
}

#[test]
fn a_pressure_hook_that_panics_is_dropped() {
    let mut scene = scene_with(1000);
    scene
        .event_loop
        .on_pressure(|_, _| panic!("the hook's own fault"));
    let hole = BlackHole::new();
    let id = waiting(&mut scene, &hole, "us");
    assert_eq!(scene.socket(id).write(&[0; 950]), Flow::Open);
    let turned = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| scene.turn()));
    assert!(turned.is_err());
    scene.turn();
    assert!(!scene.socket(id).is_destroyed());
}

// Reliability B9: the kernel is asked before anything closes.
#[test]
fn a_reset_that_is_met_at_the_total_costs_no_other_socket() {
    let mut scene = scene_with(10_000);
    let hole = BlackHole::new();
    let hog = waiting(&mut scene, &hole, "hog");
    assert_eq!(scene.socket(hog).write(&[1; 10_000]), Flow::Open);
    let (id, peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    peer.reset();
    assert_eq!(scene.socket(id).write(&[0; 3000]), Flow::Closed);
    assert!(!scene.socket(hog).is_destroyed());
    scene.drive_to_close("us");
    assert_eq!(
        scene.world.trace("us"),
        "connect error:ECONNRESET close:Reset"
    );
}
