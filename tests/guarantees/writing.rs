//! Writing: what a write answers, when the drain comes, and that the bytes arrive (rules C1 to C4).

use std::rc::Rc;

use netloop::{Flow, SocketOptions};

use crate::support::{Recorder, Scene, Seen, assert_same_bytes, listener, pattern};

const MARK: usize = 64 << 10;

// C1
#[test]
fn a_large_write_that_the_kernel_takes_whole_answers_open() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    let bytes = pattern(2 * MARK, 1);
    assert_eq!(scene.socket(id).write(&bytes), Flow::Open);
    assert_eq!(scene.socket(id).queued_bytes(), 0);
    assert_same_bytes(&scene.peer_reads(&mut peer, bytes.len()), &bytes);
    assert_eq!(scene.world.trace("us"), "connect", "no drain is owed");
}

// C1
#[test]
fn a_write_that_leaves_the_mark_queued_answers_full() {
    let mut scene = Scene::new();
    let (id, _peer) = scene.adopted(SocketOptions::new(), Recorder::new("us"));
    assert_eq!(scene.socket(id).write(&[0; 8 * MARK]), Flow::Full);
    assert!(scene.socket(id).needs_drain());
    assert!(scene.socket(id).queued_bytes() >= MARK);
}

// C1 (T15)
#[test]
fn while_connecting_writes_answer_full_from_the_mark_on() {
    let mut scene = Scene::new();
    let (_listener, address) = listener();
    let id = scene
        .event_loop
        .connect(address, Recorder::new("us"))
        .unwrap();
    assert_eq!(scene.socket(id).write(b"1"), Flow::Open);
    assert_eq!(scene.socket(id).write(&[0; MARK - 2]), Flow::Open);
    assert_eq!(scene.socket(id).queued_bytes(), MARK - 1);
    assert_eq!(scene.socket(id).write(b"1"), Flow::Full);
    assert_eq!(scene.socket(id).queued_bytes(), MARK);
    assert_eq!(scene.socket(id).bytes_written(), MARK as u64);
    scene.drive("the drain", |world| world.has_seen("us", &Seen::Drain));
    assert_eq!(scene.world.trace("us"), "connect drain");
}

// C1
#[test]
fn with_a_mark_of_zero_every_queued_write_answers_full() {
    let mut scene = Scene::new();
    let options = SocketOptions::new().high_water_mark(0);
    let (id, mut peer) = scene.adopted(options, Recorder::new("us"));
    assert_eq!(
        scene.socket(id).write(b"x"),
        Flow::Open,
        "the kernel takes it at once"
    );
    let mut flow = Flow::Open;
    let mut written = 1;
    while flow == Flow::Open {
        flow = scene.socket(id).write(&[b'x'; 1000]);
        written += 1000;
    }
    assert_eq!(flow, Flow::Full);
    assert!(
        (1..=1000).contains(&scene.socket(id).queued_bytes()),
        "the first byte that stayed queued made it full"
    );
    scene.peer_reads(&mut peer, written);
    scene.drive("the drain", |world| world.has_seen("us", &Seen::Drain));
}

// C2
#[test]
fn drain_comes_once_for_all_writes_that_answered_full() {
    let mut scene = Scene::new();
    let drained = Recorder::new("us").reacting(|cx, seen| {
        if *seen == Seen::Drain {
            let queued = cx.socket.queued_bytes();
            cx.shared.note(format!("{queued} queued at drain"));
        }
    });
    let (id, mut peer) = scene.accepted(SocketOptions::new(), drained);
    let chunk = pattern(1 << 20, 2);
    let mut sent = Vec::new();
    for _ in 0..8 {
        sent.extend_from_slice(&chunk);
        assert!(scene.socket(id).write(&chunk).is_accepted());
    }
    assert_eq!(scene.socket(id).write(b"last"), Flow::Full);
    sent.extend_from_slice(b"last");

    assert_same_bytes(&scene.peer_reads(&mut peer, sent.len()), &sent);
    scene.settle();
    assert_eq!(scene.world.trace("us"), "connect drain");
    assert_eq!(scene.world.notes, ["0 queued at drain"], "F3");
}

// C2
#[test]
fn drain_does_not_come_unless_a_write_answered_full() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.adopted(SocketOptions::new(), Recorder::new("us"));
    let bytes = pattern(48 << 10, 3);
    assert_eq!(
        scene.socket(id).write(&bytes),
        Flow::Open,
        "below the mark, although the kernel did not take it all"
    );
    assert!(scene.socket(id).queued_bytes() > 0);
    assert_same_bytes(&scene.peer_reads(&mut peer, bytes.len()), &bytes);
    scene.settle();
    assert_eq!(scene.world.trace("us"), "");
}

// C2 (T16)
#[test]
fn drain_does_not_come_after_end() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    let bytes = pattern(8 << 20, 4);
    assert_eq!(scene.socket(id).write(&bytes), Flow::Full);
    scene.socket(id).end();
    assert!(!scene.socket(id).needs_drain());
    let received = scene.peer_reads_to_end(&mut peer);
    assert_same_bytes(&received.bytes, &bytes);
    peer.close();
    scene.drive_to_close("us");
    assert_eq!(scene.world.trace("us"), "connect end close:Graceful");
}

// C2
#[test]
fn drain_does_not_come_after_destroy() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    assert_eq!(scene.socket(id).write(&[0; 8 << 20]), Flow::Full);
    scene.socket(id).destroy();
    scene.peer_reads_to_end(&mut peer);
    scene.settle();
    assert_eq!(scene.world.trace("us"), "connect close:Local");
}

// C2: drain comes before anything that is written in it, and can come again.
#[test]
fn each_time_the_queue_was_full_it_drains() {
    let mut scene = Scene::new();
    let mut rounds = 3;
    let producer = Recorder::new("us").reacting(move |cx, seen| {
        if *seen == Seen::Drain && rounds > 0 {
            rounds -= 1;
            assert_eq!(cx.socket.write(&[b'x'; 8 << 20]), Flow::Full);
        }
    });
    let (id, mut peer) = scene.accepted(SocketOptions::new(), producer);
    assert_eq!(scene.socket(id).write(&[b'x'; 8 << 20]), Flow::Full);
    scene.peer_reads(&mut peer, 4 * (8 << 20));
    scene.settle();
    assert_eq!(scene.world.count("us", "drain"), 4);
}

// C3; reliability C6
#[test]
fn an_empty_write_sends_nothing_and_changes_nothing() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    assert_eq!(scene.socket(id).write(b""), Flow::Open);
    assert_eq!(scene.socket(id).write_owned(Vec::new()), Flow::Open);
    assert_eq!(scene.socket(id).write_shared(Rc::from([])), Flow::Open);
    assert_eq!(scene.socket(id).write_static(b""), Flow::Open);
    assert_eq!(scene.socket(id).bytes_written(), 0);
    scene.settle();
    assert_eq!(peer.read_some(1), Ok(None), "neither a byte nor an end");
    assert_eq!(scene.world.trace("us"), "connect");
}

// C4; B8
#[test]
fn early_writes_precede_those_of_on_connect() {
    let mut scene = Scene::new();
    let (listener, address) = listener();
    let greeter = Recorder::new("us").reacting(|cx, seen| {
        if *seen == Seen::Connect {
            let _ = cx.socket.write(b"third ");
            // Long enough to go to the kernel at once, behind what is queued.
            let _ = cx.socket.write(&[b'4'; 32 << 10]);
        }
    });
    let id = scene.event_loop.connect(address, greeter).unwrap();
    assert_eq!(scene.socket(id).write(b"first "), Flow::Open);
    assert_eq!(
        scene.socket(id).write_owned(b"second ".to_vec()),
        Flow::Open
    );
    assert_eq!(scene.socket(id).queued_bytes(), 13, "queued at once");
    assert_eq!(scene.socket(id).bytes_written(), 13, "counted at once (F2)");
    let mut peer = scene.peer_accepts(&listener);
    let got = scene.peer_reads(&mut peer, 19 + (32 << 10));
    assert_eq!(&got[..19], b"first second third ");
    assert_same_bytes(&got[19..], &[b'4'; 32 << 10]);
}

// I5; reliability C1
#[test]
fn bytes_arrive_in_order_through_huge_mixed_writes() {
    static FOREVER: [u8; 50_000] = [b'~'; 50_000];
    let seed = 10;
    let mut random = fastrand::Rng::with_seed(seed);
    let mut scene = Scene::new();
    let options = SocketOptions::new().max_queued_bytes(64 << 20);
    let (id, mut peer) = scene.accepted(options, Recorder::new("us"));
    let mut sent: Vec<u8> = Vec::new();
    let mut received = Vec::new();
    while sent.len() < 32 << 20 {
        // Mostly small writes, with some that are larger than the kernel takes.
        let length = match random.u8(..10) {
            0..6 => random.usize(..200),
            6..9 => random.usize(..40_000),
            _ => random.usize(..3_000_000),
        };
        let bytes = pattern(length, random.u64(..));
        let flow = match random.u8(..4) {
            0 => {
                sent.extend_from_slice(&bytes);
                scene.socket(id).write(&bytes)
            }
            1 => {
                sent.extend_from_slice(&bytes);
                scene.socket(id).write_owned(bytes)
            }
            2 => {
                sent.extend_from_slice(&bytes);
                scene.socket(id).write_shared(bytes.into())
            }
            _ => {
                let part = &FOREVER[..length.min(FOREVER.len())];
                sent.extend_from_slice(part);
                scene.socket(id).write_static(part)
            }
        };
        assert!(flow.is_accepted(), "seed {seed}");
        if random.u8(..4) == 0 {
            scene.turn();
        }
        if random.u8(..4) == 0 {
            if let Ok(Some(more)) = peer.read_some(random.usize(1..500_000)) {
                received.extend_from_slice(&more);
            }
        }
    }
    scene.socket(id).end();
    received.extend(scene.peer_reads_to_end(&mut peer).bytes);
    assert_same_bytes(&received, &sent);
}

// Reliability C7
#[test]
fn a_write_larger_than_one_system_call_takes_arrives_whole() {
    let mut scene = Scene::new();
    let options = SocketOptions::new().max_queued_bytes(usize::MAX);
    let (id, mut peer) = scene.accepted(options, Recorder::new("us"));
    let bytes: Rc<[u8]> = pattern(16 << 20, 11).into();
    let times = 16;
    for _ in 0..times {
        // 256 MiB are queued, and lie in memory once.
        assert!(
            scene
                .socket(id)
                .write_shared(Rc::clone(&bytes))
                .is_accepted()
        );
    }
    scene.socket(id).end();
    for _ in 0..times {
        assert_same_bytes(&scene.peer_reads(&mut peer, bytes.len()), &bytes);
    }
    assert_eq!(scene.peer_reads_to_end(&mut peer).bytes, b"");
}
