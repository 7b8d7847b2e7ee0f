//! Writes of a socket in its own callback: they leave as one, and no question about the socket shows where they are
//! meanwhile.

use std::time::Duration;

use netloop::{Context, EventLoop, EventLoopOptions, Flow, SocketOptions};

use crate::support::{Recorder, Scene, Seen, World, assert_same_bytes, pattern};

/// A scene with one socket that does `deed` when the first data comes, which it does.
fn once_it_hears(
    options: SocketOptions,
    mut deed: impl FnMut(&mut Context<'_, World>) + 'static,
) -> (Scene, crate::support::Peer) {
    let mut scene = Scene::new();
    let recorder = Recorder::new("us").reacting(move |cx, seen| {
        if matches!(seen, Seen::Data(_)) {
            deed(cx);
        }
    });
    let (_, mut peer) = scene.accepted(options, recorder);
    peer.write(b"?");
    scene.drive("the question", |world| world.received_length("us") == 1);
    (scene, peer)
}

#[test]
fn the_counts_include_what_was_written_a_moment_ago() {
    let (mut scene, mut peer) = once_it_hears(SocketOptions::new(), |cx| {
        assert_eq!(cx.socket.write(b"12345"), Flow::Open);
        assert_eq!(cx.socket.queued_bytes(), 5);
        assert_eq!(cx.socket.bytes_written(), 5);
        assert_eq!(cx.socket.write_static(b"678"), Flow::Open);
        assert_eq!(cx.socket.queued_bytes(), 8);
        let id = cx.socket.id();
        assert_eq!(cx.socket.socket(id).bytes_written(), 8);
    });
    let id = scene.world.id("us");
    assert_eq!(scene.socket(id).queued_bytes(), 0);
    assert_eq!(scene.socket(id).bytes_written(), 8);
    assert_eq!(scene.peer_reads(&mut peer, 8), b"12345678");
}

#[test]
fn gathered_bytes_count_towards_the_mark_of_a_write() {
    let options = SocketOptions::new()
        .high_water_mark(10)
        .max_queued_bytes(12);
    let (mut scene, mut peer) = once_it_hears(options, |cx| {
        // The kernel takes them when the mark is reached, so both answers are `Open`.
        assert_eq!(cx.socket.write(b"123456"), Flow::Open);
        assert_eq!(cx.socket.write(b"7890"), Flow::Open);
        assert_eq!(cx.socket.queued_bytes(), 0, "the mark sent them");
        assert_eq!(cx.socket.write(b"abc"), Flow::Open);
        assert_eq!(cx.socket.queued_bytes(), 3);
    });
    assert_eq!(scene.peer_reads(&mut peer, 13), b"1234567890abc");
}

#[test]
fn an_empty_write_answers_what_any_other_would() {
    let (scene, _peer) = once_it_hears(SocketOptions::new(), |cx| {
        assert_eq!(cx.socket.write(b""), Flow::Open);
        assert_eq!(cx.socket.write(b"the last"), Flow::Open);
        cx.socket.end();
        assert_eq!(cx.socket.write(b""), Flow::Ended);
        cx.socket.destroy();
        assert_eq!(cx.socket.write(b""), Flow::Closed);
        assert_eq!(cx.socket.write(b"too late"), Flow::Closed);
    });
    assert_eq!(scene.world.received_length("us"), 1);
}

#[test]
fn a_panic_behind_a_write_does_not_take_the_write_back() {
    let mut scene = Scene::new();
    let recorder = Recorder::new("us").reacting(|cx, seen| {
        if matches!(seen, Seen::Data(_)) {
            assert_eq!(cx.socket.write(b"said"), Flow::Open);
            panic!("behind the write");
        }
    });
    let (_, mut peer) = scene.accepted(SocketOptions::new(), recorder);
    peer.write(b"?");
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        scene.drive("the panic", |_| false);
    }));
    assert!(panicked.is_err());
    scene.drive_to_close("us");
    assert_eq!(scene.peer_reads_to_end(&mut peer).bytes, b"said");
}

/// Does what a handler may do between two writes; none of it may change the bytes or their order.
fn something_harmless(cx: &mut Context<'_, World>, which: usize) {
    let id = cx.socket.id();
    match which {
        0 => cx.socket.pause(),
        1 => cx.socket.resume(),
        2 => cx.socket.cork(),
        3 => cx.socket.uncork(),
        4 => cx.socket.set_idle_timeout(Duration::from_secs(60)),
        5 => cx.socket.set_no_delay(true).unwrap(),
        6 => cx.socket.notify_when_sent(7),
        7 => cx.socket.socket(id).hold(),
        _ => {
            let _ = (cx.socket.state(), cx.socket.local_address());
        }
    }
}

#[test]
fn writes_of_a_callback_arrive_in_order_whatever_is_in_between() {
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let said = pattern(300_000, seed);
        let whole = said.clone();
        let mark = random.usize(1..100_000);
        let options = SocketOptions::new().high_water_mark(mark);
        let (mut scene, mut peer) = once_it_hears(options, move |cx| {
            let mut from = 0;
            while from < said.len() {
                let longest = [20, 2_000, 40_000][random.usize(0..3)];
                let to = (from + random.usize(0..=longest)).min(said.len());
                let piece = &said[from..to];
                let id = cx.socket.id();
                let before = cx.socket.bytes_written();
                let flow = match random.usize(0..5) {
                    0 => cx.socket.write_owned(piece.to_vec()),
                    1 => cx.socket.write_shared(piece.into()),
                    2 => cx.socket.socket(id).write(piece),
                    _ => cx.socket.write(piece),
                };
                assert!(matches!(flow, Flow::Open | Flow::Full), "{flow:?}");
                let queued = cx.socket.queued_bytes();
                assert_eq!(flow == Flow::Full, queued >= mark, "{queued} of {mark}");
                assert_eq!(cx.socket.bytes_written() - before, piece.len() as u64);
                from = to;
                if random.usize(0..4) == 0 {
                    something_harmless(cx, random.usize(0..9));
                }
            }
            cx.socket.uncork();
            if random.bool() {
                cx.socket.end();
            }
        });
        let heard = scene.peer_reads(&mut peer, whole.len());
        assert!(heard == whole, "seed {seed}");
        assert_same_bytes(&heard, &whole);
    }
}

// Each reply is gathered and leaves at once, until the kernel has no space for one.
#[test]
fn a_reply_taken_in_part_is_neither_lost_nor_overtaken() {
    let mut scene = Scene::new();
    let options = EventLoopOptions::new().read_buffer_bytes(8 << 10);
    scene.event_loop = EventLoop::with_options(options).unwrap();
    let echo = Recorder::new("us").reacting(|cx, seen| {
        if let Seen::Data(piece) = seen {
            assert_ne!(cx.socket.write(piece), Flow::Closed);
        }
    });
    let (id, mut peer) = scene.accepted(SocketOptions::new(), echo);
    let bytes = pattern(12 << 20, 1);
    scene.peer_writes(&mut peer, &bytes);
    scene.drive("all of it", |world| {
        world.received_length("us") == bytes.len()
    });
    let queued = scene.socket(id).queued_bytes();
    assert!(queued > 0, "the kernel has taken all of it");
    let answer = scene.peer_reads(&mut peer, bytes.len());
    assert_same_bytes(&answer, &bytes);
}

#[test]
fn writes_of_every_callback_count_at_once_and_arrive_in_order() {
    let mut scene = Scene::new();
    let recorder = Recorder::new("us").reacting(|cx, seen| {
        let word: &[u8] = match seen {
            Seen::Connect => b"connect ",
            Seen::Data(_) => b"data ",
            Seen::Drain => b"drain ",
            Seen::Sent(..) => b"sent ",
            Seen::Timeout => b"timeout ",
            Seen::Timer(_) => b"timer ",
            Seen::End => b"end ",
            _ => return,
        };
        let (queued, written) = (cx.socket.queued_bytes(), cx.socket.bytes_written());
        for byte in word {
            assert_eq!(cx.socket.write(&[*byte]), Flow::Open);
        }
        assert_eq!(cx.socket.queued_bytes() - queued, word.len());
        assert_eq!(cx.socket.bytes_written() - written, word.len() as u64);
        if *seen == Seen::Timeout {
            // Else the next one counts from these bytes.
            cx.socket.set_idle_timeout(None);
        }
    });
    let (id, mut peer) = scene.accepted(SocketOptions::new(), recorder);
    assert_eq!(scene.peer_reads(&mut peer, 8), b"connect ");
    peer.write(b"?");
    assert_eq!(scene.peer_reads(&mut peer, 5), b"data ");
    scene.socket(id).notify_when_sent(0);
    assert_eq!(scene.peer_reads(&mut peer, 5), b"sent ");
    scene.socket(id).after(Duration::from_millis(1), 0);
    assert_eq!(scene.peer_reads(&mut peer, 6), b"timer ");
    scene.socket(id).set_idle_timeout(Duration::from_millis(1));
    assert_eq!(scene.peer_reads(&mut peer, 8), b"timeout ");
    let bytes = pattern(8 << 20, 1);
    assert_eq!(scene.socket(id).write(&bytes), Flow::Full);
    scene.peer_reads(&mut peer, bytes.len());
    assert_eq!(scene.peer_reads(&mut peer, 6), b"drain ");
    peer.half_close();
    assert_eq!(scene.peer_reads(&mut peer, 4), b"end ");
    scene.drive_to_close("us");
}
