//! Writing the same to many: each member hears its messages, whole and in order, whatever else happens.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use netloop::{CloseReason, Flow, SocketId, SocketOptions};

use crate::support::{Peer, Recorder, Scene, Seen, pattern};

/// So many members, and the peers that hear what they are sent.
fn room(scene: &mut Scene, members: usize, options: &SocketOptions) -> Vec<(SocketId, Peer)> {
    (0..members)
        .map(|number| scene.accepted(options.clone(), Recorder::new(format!("member {number}"))))
        .collect()
}

/// Does `deed` in a callback that has no socket, in the next turn.
fn at_once(scene: &mut Scene, deed: impl FnOnce(&mut netloop::Sockets<'_>) + 'static) {
    scene.event_loop.defer(|cx| deed(&mut cx.sockets));
    scene.turn();
}

#[test]
fn all_members_hear_all_words_in_order() {
    let mut scene = Scene::new();
    let mut members = room(&mut scene, 20, &SocketOptions::new());
    let ids: Vec<SocketId> = members.iter().map(|(id, _)| *id).collect();
    at_once(&mut scene, move |sockets| {
        for word in [&b"one "[..], b"two ", b"", b"three"] {
            assert!(sockets.broadcast(ids.iter().copied(), word).is_empty());
        }
        for &id in &ids {
            assert_eq!(sockets.socket(id).bytes_written(), 13);
            assert_eq!(sockets.socket(id).queued_bytes(), 13);
        }
    });
    for (id, peer) in &mut members {
        assert_eq!(scene.peer_reads(peer, 13), b"one two three");
        assert_eq!(scene.socket(*id).queued_bytes(), 0);
        assert_eq!(scene.socket(*id).bytes_written(), 13);
    }
}

#[test]
fn members_that_cannot_keep_up_or_are_gone_are_named() {
    let mut scene = Scene::new();
    let options = SocketOptions::new().high_water_mark(100);
    let members = room(&mut scene, 4, &options);
    let ids: Vec<SocketId> = members.iter().map(|(id, _)| *id).collect();
    let [keen, full, ended, gone] = ids[..] else {
        unreachable!()
    };
    // More than any kernel takes.
    assert_eq!(
        scene.socket(full).write_static(vec![0; 8 << 20].leak()),
        Flow::Full
    );
    scene.socket(ended).end();
    scene.socket(gone).destroy();
    at_once(&mut scene, move |sockets| {
        let nobody = SocketId::clone(&gone);
        for word in [&[7; 64][..], &[7; 4_000]] {
            let others = sockets.broadcast([keen, full, ended, nobody], word);
            assert_eq!(
                others,
                [
                    (full, Flow::Full),
                    (ended, Flow::Ended),
                    (gone, Flow::Closed)
                ]
            );
        }
    });
    assert_eq!(scene.socket(keen).bytes_written(), 4_064);
}

#[test]
fn a_panic_of_the_ids_of_a_broadcast_loses_and_doubles_no_byte() {
    let mut scene = Scene::new();
    let mut members = room(&mut scene, 20, &SocketOptions::new());
    let ids: Vec<SocketId> = members.iter().map(|(id, _)| *id).collect();
    let mut sockets = scene.event_loop.sockets();
    assert!(sockets.broadcast(&ids, b"one ").is_empty());
    let faulty = ids.iter().enumerate().map(|(place, id)| {
        assert!(place < 12, "the ids end in a panic");
        id
    });
    let broadcast = AssertUnwindSafe(|| sockets.broadcast(faulty, b"two "));
    assert!(catch_unwind(broadcast).is_err());
    assert_eq!(scene.event_loop.statistics().queued_bytes, 20 * 4 + 12 * 4);
    let others = scene.event_loop.sockets().broadcast(&ids, b"three");
    assert!(others.is_empty());
    for (place, (id, peer)) in members.iter_mut().enumerate() {
        let heard: &[u8] = if place < 12 {
            b"one two three"
        } else {
            b"one three"
        };
        assert_eq!(scene.peer_reads(peer, heard.len()), heard);
        assert_eq!(scene.socket(*id).queued_bytes(), 0);
    }
    assert_eq!(scene.event_loop.statistics().queued_bytes, 0);
}

#[test]
fn a_speaker_hears_its_broadcasts_between_its_writes() {
    for broadcasts in [[true, false, true, false], [false, true, true, false]] {
        let mut scene = Scene::new();
        let mut members = room(&mut scene, 3, &SocketOptions::new());
        let ids: Vec<SocketId> = members.iter().map(|(id, _)| *id).collect();
        let speaker = Recorder::new("speaker").reacting(move |cx, seen| {
            if !matches!(seen, Seen::Data(_)) {
                return;
            }
            let words = [b"one ", b"two ", b"six ", b"ten "];
            for (word, is_broadcast) in words.into_iter().zip(broadcasts) {
                if is_broadcast {
                    let all = ids.iter().copied().chain([cx.socket.id()]);
                    let all: Vec<SocketId> = all.collect();
                    assert!(cx.socket.sockets().broadcast(all, word).is_empty());
                } else {
                    assert_eq!(cx.socket.write(word), Flow::Open);
                }
            }
        });
        let (_, mut peer) = scene.accepted(SocketOptions::new(), speaker);
        peer.write(b"?");
        assert_eq!(scene.peer_reads(&mut peer, 16), b"one two six ten ");
        let heard: &[u8] = match broadcasts[0] {
            true => b"one six ",
            false => b"two six ",
        };
        for (_, peer) in &mut members {
            assert_eq!(scene.peer_reads(peer, 8), heard);
        }
    }
}

#[test]
fn a_broadcast_leaves_ahead_of_a_destroy_in_the_same_turn() {
    let mut scene = Scene::new();
    let mut members = room(&mut scene, 3, &SocketOptions::new());
    let ids: Vec<SocketId> = members.iter().map(|(id, _)| *id).collect();
    at_once(&mut scene, move |sockets| {
        assert!(
            sockets
                .broadcast(ids.iter().copied(), b"farewell")
                .is_empty()
        );
        sockets.socket(ids[1]).destroy();
    });
    scene.drive_to_close("member 1");
    assert_eq!(
        scene.world.close_reason("member 1"),
        Some(CloseReason::Local)
    );
    for (_, peer) in &mut members {
        assert_eq!(scene.peer_reads(peer, 8), b"farewell");
    }
}

/// Writes and broadcasts to the socket named `member` whenever it has data itself, and notes the answers.
fn speaker(name: &'static str) -> Recorder {
    Recorder::new(name).reacting(move |cx, seen| {
        if matches!(seen, Seen::Data(_)) {
            let member = cx.shared.id("member");
            let written = cx.socket.socket(member).write(b"hello");
            let named = cx.socket.sockets().broadcast([member], b"again");
            cx.shared.note(format!("{name}: {written:?}, {named:?}"));
        }
    })
}

// Other selectors than epoll report in another order.
#[cfg(all(target_os = "linux", not(mio_unsupported_force_poll_poll)))]
#[test]
fn a_member_that_fails_within_a_turn_takes_nothing_more() {
    let mut scene = Scene::new();
    let (_, mut before) = scene.accepted(SocketOptions::new(), speaker("before"));
    let (member, peer) = scene.accepted(SocketOptions::new(), Recorder::new("member"));
    let (_, mut after) = scene.accepted(SocketOptions::new(), speaker("after"));
    // In this order the loop hears of them, as it knows of nothing else.
    scene.settle();
    before.write(b"?");
    peer.reset();
    after.write(b"?");
    scene.drive("both speakers", |world| world.notes.len() == 2);
    assert_eq!(scene.world.notes[0], "before: Open, []");
    assert_eq!(
        scene.world.notes[1],
        format!("after: Closed, [({member:?}, Closed)]")
    );
    scene.drive_to_close("member");
    assert_eq!(scene.world.close_reason("member"), Some(CloseReason::Reset));
}

/// The bytes that each member must have heard by now.
type Expected = HashMap<SocketId, Vec<u8>>;

/// One callback's worth of words, each to a random part of the room, with other things done in between.
fn chatter(
    cx: &mut netloop::Context<'_, crate::support::World>,
    ids: &[SocketId],
    random: &mut fastrand::Rng,
    expected: &mut Expected,
) {
    for _ in 0..random.usize(0..30) {
        let longest = [10, 100, 3_000, 20_000][random.usize(0..4)];
        let word = pattern(random.usize(0..longest), random.u64(..));
        let step = random.usize(1..4);
        let to: Vec<SocketId> = ids
            .iter()
            .copied()
            .step_by(step)
            .filter(|_| random.u8(0..8) > 0)
            .collect();
        for id in &to {
            expected.entry(*id).or_default().extend_from_slice(&word);
        }
        match random.u8(0..3) {
            0 => {
                for (_, flow) in cx.socket.sockets().broadcast(to, &word) {
                    assert_eq!(flow, Flow::Full);
                }
            }
            1 => {
                let word: Rc<[u8]> = word.into();
                for id in to {
                    let flow = cx.socket.socket(id).write_shared(Rc::clone(&word));
                    assert!(matches!(flow, Flow::Open | Flow::Full));
                }
            }
            _ => {
                for id in to {
                    let flow = cx.socket.socket(id).write(&word);
                    assert!(matches!(flow, Flow::Open | Flow::Full));
                }
            }
        }
        let someone = ids[random.usize(0..ids.len())];
        let own = expected.entry(someone).or_default();
        let mut socket = cx.socket.socket(someone);
        assert_eq!(socket.bytes_written(), own.len() as u64);
        match random.u8(0..12) {
            0 => socket.pause(),
            1 => socket.resume(),
            2 => socket.cork(),
            3 => socket.uncork(),
            4 => socket.notify_when_sent(1),
            5 => {
                own.extend_from_slice(b"a word in private");
                let flow = socket.write(b"a word in private");
                assert!(matches!(flow, Flow::Open | Flow::Full));
            }
            _ => {}
        }
    }
    for &id in ids {
        cx.socket.socket(id).uncork();
        cx.socket.socket(id).resume();
    }
}

#[test]
fn random_chatter_in_random_rooms_is_heard_whole_and_in_order() {
    for seed in 0..60 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mark = [1, 500, 64 << 10][random.usize(0..3)];
        let options = SocketOptions::new().high_water_mark(mark);
        let mut scene = Scene::new();
        let mut members = room(&mut scene, 12, &options);
        let ids: Vec<SocketId> = members.iter().map(|(id, _)| *id).collect();
        let expected = Rc::new(std::cell::RefCell::new(Expected::new()));
        let shared = Rc::clone(&expected);
        // The one that speaks is a member too, so that broadcasts reach its own socket within its callback.
        let speaking = ids.clone();
        let speaker = Recorder::new("speaker").reacting(move |cx, seen| {
            if matches!(seen, Seen::Data(_)) {
                let mut ids = speaking.clone();
                ids.push(cx.socket.id());
                chatter(cx, &ids, &mut random, &mut shared.borrow_mut());
            }
        });
        let (id, mut peer) = scene.accepted(options, speaker);
        for round in 1..=5 {
            peer.write(b"?");
            scene.drive("the question", |world| {
                world.received_length("speaker") == round
            });
        }
        members.push((id, peer));
        for (id, peer) in &mut members {
            let expected = expected.borrow().get(id).cloned().unwrap_or_default();
            let heard = scene.peer_reads(peer, expected.len());
            assert!(heard == expected, "seed {seed}, {id:?}");
        }
    }
}
