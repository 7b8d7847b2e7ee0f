//! The deadlines of sockets whose loop is turned once a frame, with a small budget. A deadline is told in one frame and
//! decided in the next, and meanwhile the peer goes on.
#![cfg(unix)]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use netloop::{Budget, CloseReason, Flow, SocketId, SocketOptions, Wait};

use crate::support::{Peer, Recorder, Scene, spend};

/// A timeout that is shorter than a frame of three [`STEP`]s, and longer than a step.
const TIMEOUT: Duration = Duration::from_millis(60);
const STEP: Duration = Duration::from_millis(25);
const FRAMES: usize = 8;

/// The bytes that a peer sends each step: enough to put a close timeout off (240 a second), even if a frame takes
/// seconds.
const MESSAGE: &[u8] = &[b'x'; 1_000];

/// Budgets that the handler of one message uses up.
fn budgets() -> [Budget; 2] {
    [
        Budget::new().steps(1),
        Budget::new().time(Duration::from_millis(1)),
    ]
}

fn slow(name: &str) -> Recorder {
    Recorder::new(name).on("data", |_, _| spend(Duration::from_millis(3)))
}

fn turn(scene: &mut Scene, budget: Budget) {
    let turned = scene
        .event_loop
        .turn(&mut scene.world, Wait::No, budget)
        .unwrap();
    assert!(turned.alive, "{}", scene.world.brief());
}

/// One frame, in which every peer sends a message each step.
fn chatter(scene: &mut Scene, peers: &mut [Box<dyn Write>], budget: Budget) {
    for _ in 0..3 {
        for peer in &mut *peers {
            peer.write_all(MESSAGE).unwrap();
        }
        spend(STEP);
    }
    turn(scene, budget);
}

fn adopted_unix(scene: &mut Scene, options: SocketOptions, name: &str) -> (SocketId, UnixStream) {
    let (ours, peer) = UnixStream::pair().unwrap();
    let id = scene.event_loop.adopt(ours, options, slow(name)).unwrap();
    (id, peer)
}

#[test]
fn no_idle_timeout_is_decided_a_frame_late() {
    const NAMES: [&str; 4] = ["tcp", "unix", "input", "pipe"];
    for budget in budgets() {
        let mut scene = Scene::new();
        let (ours, tcp_peer) = Peer::roomy_pair();
        let options = SocketOptions::new();
        let tcp = scene.event_loop.adopt(ours, options.clone(), slow("tcp"));
        let (unix, unix_peer) = adopted_unix(&mut scene, options, "unix");
        let (input, input_peer) = UnixStream::pair().unwrap();
        let input = scene.event_loop.read_input(&input, slow("input"));
        let (pipe_peer, pipe) = mio::unix::pipe::new().unwrap();
        let pipe = scene.event_loop.read_input(&pipe, slow("pipe"));
        let mut peers: Vec<Box<dyn Write>> = vec![
            Box::new(tcp_peer.into_stream()),
            Box::new(unix_peer),
            Box::new(input_peer),
            Box::new(pipe_peer),
        ];
        scene.settle();
        for id in [tcp.unwrap(), unix, input.unwrap(), pipe.unwrap()] {
            scene.socket(id).set_idle_timeout(TIMEOUT);
        }
        for _ in 0..FRAMES {
            chatter(&mut scene, &mut peers, budget);
        }
        for name in NAMES {
            assert!(!scene.world.has(name, "timeout"), "{name} with {budget:?}");
        }
        // In silence, each comes all the same.
        for name in NAMES {
            scene.drive_until(name, "timeout");
            assert_eq!(
                scene.world.received_length(name),
                3 * FRAMES * MESSAGE.len(),
                "{name}"
            );
        }
    }
}

// Alone, so that the one message of each frame is the news of the deadline.
#[test]
fn a_lone_socket_is_not_idle_between_two_frames() {
    for budget in budgets() {
        let mut scene = Scene::new();
        let (id, peer) = adopted_unix(&mut scene, SocketOptions::new(), "us");
        scene.settle();
        scene.socket(id).set_idle_timeout(TIMEOUT);
        for _ in 0..FRAMES {
            chatter(
                &mut scene,
                &mut [Box::new(peer.try_clone().unwrap())],
                budget,
            );
        }
        assert!(!scene.world.has("us", "timeout"), "{budget:?}");
    }
}

#[test]
fn no_close_timeout_is_decided_a_frame_late() {
    for budget in budgets() {
        let mut scene = Scene::new();
        let options = SocketOptions::new().close_timeout(TIMEOUT);
        let (id, peer) = adopted_unix(&mut scene, options, "us");
        scene.settle();
        scene.socket(id).end();
        // The FIN leaves, and no turn may find that the timeout has passed meanwhile.
        scene.event_loop.flush(Budget::new());
        for _ in 0..FRAMES {
            chatter(
                &mut scene,
                &mut [Box::new(peer.try_clone().unwrap())],
                budget,
            );
        }
        drop(peer);
        scene.drive_to_close("us");
        let reason = scene.world.close_reason("us");
        assert_eq!(reason, Some(CloseReason::Graceful), "{budget:?}");
        assert_eq!(
            scene.world.received_length("us"),
            3 * FRAMES * MESSAGE.len()
        );
    }
}

// Bytes that the host has written are news too, although a small budget has not sent them yet.
#[test]
fn written_bytes_that_wait_for_a_flush_keep_a_socket_busy() {
    for budget in budgets() {
        let mut scene = Scene::new();
        let mut neighbours: Vec<Box<dyn Write>> = Vec::new();
        let mut busy = Vec::new();
        for _ in 0..8 {
            let (id, peer) = adopted_unix(&mut scene, SocketOptions::new(), "busy");
            neighbours.push(Box::new(peer));
            busy.push(id);
        }
        let (writes, _one) = adopted_unix(&mut scene, SocketOptions::new(), "writes");
        let (told, _other) = adopted_unix(&mut scene, SocketOptions::new(), "told");
        scene.settle();
        for id in [writes, told] {
            scene.socket(id).set_idle_timeout(TIMEOUT);
        }
        for _ in 0..2 * FRAMES {
            spend(2 * STEP);
            for peer in &mut neighbours {
                peer.write_all(b"x").unwrap();
            }
            spend(STEP);
            assert_eq!(scene.socket(writes).write(b"y"), Flow::Open);
            assert!(
                scene
                    .event_loop
                    .sockets()
                    .broadcast([told], b"y")
                    .is_empty()
            );
            turn(&mut scene, budget);
        }
        for name in ["writes", "told"] {
            assert!(!scene.world.has(name, "timeout"), "{name} with {budget:?}");
        }
        // A cork is the program's own silence.
        scene.socket(writes).cork();
        assert_eq!(scene.socket(writes).write(b"z"), Flow::Open);
        scene.drive_until("writes", "timeout");
    }
}

// The peer cannot answer an end of which it knows nothing.
#[test]
fn a_close_timeout_counts_from_the_fin_behind_a_stall() {
    for budget in [Budget::new(), budgets()[0], budgets()[1]] {
        let mut scene = Scene::new();
        let options = SocketOptions::new().close_timeout(TIMEOUT);
        let (id, peer) = adopted_unix(&mut scene, options, "us");
        scene.settle();
        scene.socket(id).end();
        spend(2 * TIMEOUT);
        let mut byte = [0];
        peer.set_nonblocking(true).unwrap();
        while (&peer).read(&mut byte).is_err() {
            turn(&mut scene, budget);
        }
        turn(&mut scene, budget);
        drop(peer);
        scene.drive_to_close("us");
        assert_eq!(scene.world.trace("us"), "end close:Graceful", "{budget:?}");
    }
}
