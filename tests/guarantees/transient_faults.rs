//! Failures that may pass: each is tried again, none in a spin, and one that does not pass is told (A2 to A6, C5).
//!
//! strace makes the calls fail. The bounds are counts of turns and the least time that they take, which hold on a machine
//! of any speed.

use std::net::Shutdown;
use std::time::{Duration, Instant};

use netloop::{Budget, ListenOptions, RunEnd, SocketOptions, Wait};
use socket2::SockRef;

use crate::event_loop::assert_short;
use crate::servers::{assert_echoes, echoing, serve};
use crate::support::{PATIENCE, Peer, Recorder, Scene, Seen, World, listener, with_failing_calls};

fn errors(world: &World) -> usize {
    world.count("server", "error")
}

/// Makes `turns` turns, each of which waits for something to do, and returns the time that they took.
fn time_of_turns(scene: &mut Scene, turns: usize) -> Duration {
    let begun = Instant::now();
    for _ in 0..turns {
        scene.turn_within(Wait::For(PATIENCE));
    }
    begun.elapsed()
}

/// Turns until `done`, in turns that wait for something to do, and returns their number.
fn turns_until(scene: &mut Scene, what: &str, done: impl Fn(&World) -> bool) -> usize {
    let mut turns = 0;
    while !done(&scene.world) {
        assert!(turns < 1_000, "{what} did not come in {turns} turns");
        assert_short(|| scene.turn_within(Wait::For(PATIENCE)));
        turns += 1;
    }
    turns
}

// envoy#14784, netpoll#230: a filter of system calls forbids accept.
#[test]
fn accepts_that_always_fail_are_told_once_and_do_not_spin() {
    with_failing_calls(&["accept4:error=EPERM:when=1+"], || {
        let mut scene = Scene::new();
        let (server, address) = serve(&mut scene, ListenOptions::new(), echoing());
        let _peer = Peer::connect(address);
        turns_until(&mut scene, "the error", |world| errors(world) == 1);
        assert_eq!(scene.world.error("server").code(), "EPERM");
        // A rest takes two turns: one that waits, and one that accepts. The rests are 10, 20, 40, 80 and 100 ms long.
        let took = time_of_turns(&mut scene, 16);
        assert!(took >= Duration::from_millis(300), "16 turns in {took:?}");
        assert_eq!(errors(&scene.world), 1);
        assert!(scene.event_loop.server(server).is_listening());
    });
}

#[test]
fn accepts_are_tried_again_until_they_succeed() {
    with_failing_calls(&["accept4:error=EACCES:when=1..40"], || {
        let mut scene = Scene::new();
        let (_, address) = serve(&mut scene, ListenOptions::new(), echoing());
        let mut peer = Peer::connect(address);
        assert_echoes(&mut scene, &mut peer);
        assert_eq!(errors(&scene.world), 1, "16 in a row");
        scene.settle();
        assert_echoes(&mut scene, &mut Peer::connect(address));
        assert_eq!(errors(&scene.world), 1);
    });
}

#[test]
fn accepts_that_are_always_interrupted_do_not_keep_the_loop() {
    with_failing_calls(&["accept4:error=EINTR:when=1+"], || {
        let mut scene = Scene::new();
        let (_, address) = serve(&mut scene, ListenOptions::new(), echoing());
        let _peer = Peer::connect(address);
        turns_until(&mut scene, "the error", |world| errors(world) == 1);
        assert_eq!(scene.world.error("server").code(), "EINTR");
    });
}

// A shortage of memory is not one of descriptors: to refuse a peer would not help.
#[test]
fn a_shortage_of_memory_resets_no_peer() {
    with_failing_calls(&["accept4:error=ENOBUFS:when=1..4"], || {
        let mut scene = Scene::new();
        let (_, address) = serve(&mut scene, ListenOptions::new(), echoing());
        let mut peers: Vec<Peer> = (0..5).map(|_| Peer::connect(address)).collect();
        for peer in &mut peers {
            assert_echoes(&mut scene, peer);
        }
        assert_eq!(errors(&scene.world), 1);
        assert_eq!(scene.world.error("server").code(), "ENOBUFS");
    });
}

// Three failures of the listening socket in a row end it, and an accept that finds no peer ends the row. After a
// shutdown, poll(2) reports a listener without end.
#[cfg(not(mio_unsupported_force_poll_poll))]
#[test]
fn broken_accepts_with_others_between_do_not_end_a_server() {
    let mut scene = Scene::new();
    let (listener, address) = listener();
    let same = listener.try_clone().unwrap();
    let same = SockRef::from(&same);
    let server = scene
        .event_loop
        .serve(listener, ListenOptions::new(), echoing())
        .unwrap();
    assert_echoes(&mut scene, &mut Peer::connect(address));
    for _ in 0..5 {
        scene.settle();
        same.shutdown(Shutdown::Both).unwrap();
        // One accept, which fails with EINVAL.
        scene.turn_within(Wait::For(PATIENCE));
        same.listen(16).unwrap();
        scene.turn();
    }
    assert_eq!(errors(&scene.world), 0);
    assert!(scene.event_loop.server(server).is_listening());
    // It has another port now.
    let address = same.local_addr().unwrap().as_socket().unwrap();
    assert_echoes(&mut scene, &mut Peer::connect(address));
}

/// A connection of a server, and its peer, which has sent five bytes.
fn with_five_bytes(scene: &mut Scene, options: SocketOptions) -> Peer {
    let (_, mut peer) = scene.adopted(options, Recorder::new("socket"));
    peer.write(b"hello");
    peer
}

#[test]
fn a_read_without_memory_is_tried_again_after_a_rest() {
    with_failing_calls(&["recvfrom:error=ENOBUFS:when=1..4"], || {
        let mut scene = Scene::new();
        let peer = with_five_bytes(&mut scene, SocketOptions::new());
        peer.half_close();
        let begun = Instant::now();
        let turns = turns_until(&mut scene, "the end", |world| {
            world.has_seen("socket", &Seen::End)
        });
        // The rests take 10, 20, 40 and 80 ms, each less a part of a tick.
        let took = begun.elapsed();
        assert!(took >= Duration::from_millis(140), "{took:?}");
        assert!(turns <= 20, "{turns} turns");
        assert_eq!(scene.world.received("socket"), b"hello");
        assert_eq!(scene.world.count("socket", "error"), 0);
    });
}

#[test]
fn a_read_that_is_always_interrupted_does_not_spin() {
    with_failing_calls(&["recvfrom:error=EINTR:when=1+"], || {
        let mut scene = Scene::new();
        let _peer = with_five_bytes(&mut scene, SocketOptions::new());
        // 16 at once, and then rests of 10, 20, .. ms, each of which takes two turns.
        let took = time_of_turns(&mut scene, 28);
        assert!(took >= Duration::from_millis(150), "28 turns in {took:?}");
        assert_eq!(scene.world.count("socket", "close"), 0);
    });
}

#[test]
fn a_socket_that_cannot_read_for_long_is_idle() {
    with_failing_calls(&["recvfrom:error=ENOMEM:when=1+"], || {
        let mut scene = Scene::new();
        let options = SocketOptions::new().idle_timeout(Duration::from_millis(100));
        let _peer = with_five_bytes(&mut scene, options);
        turns_until(&mut scene, "the timeout", |world| {
            world.has("socket", "timeout")
        });
    });
}

/// The ways in which bytes get to the kernel, each of which may find it without memory.
const WRITES: [fn(&mut Scene, netloop::SocketId); 3] = [
    |scene, id| assert!(scene.socket(id).write(b"hello").is_accepted()),
    |scene, id| {
        scene.socket(id).cork();
        assert!(scene.socket(id).write(b"hel").is_accepted());
        let _ = scene.socket(id).write_owned(b"lo".to_vec());
        scene.socket(id).uncork();
    },
    |scene, id| assert!(scene.socket(id).end_with(b"hello").is_accepted()),
];

// C5: the connection is intact.
#[test]
fn a_write_without_memory_is_tried_again_after_a_rest() {
    let injections = &[
        "sendto:error=ENOBUFS:when=1..3",
        "sendmsg:error=ENOBUFS:when=1..3",
    ];
    with_failing_calls(injections, || {
        for write in WRITES {
            let mut scene = Scene::new();
            let (ours, mut peer) = Peer::pair();
            let id = scene
                .event_loop
                .adopt(ours, SocketOptions::new(), Recorder::new("socket"))
                .unwrap();
            write(&mut scene, id);
            assert_eq!(scene.peer_reads(&mut peer, 5), b"hello");
            assert_eq!(scene.world.count("socket", "error"), 0);
        }
    });
}

/// C2 of the reliability table.
#[test]
#[ignore = "takes eleven seconds"]
fn a_write_that_never_finds_memory_fails_in_ten_seconds() {
    let injections = &[
        "sendto:error=ENOBUFS:when=1+",
        "sendmsg:error=ENOBUFS:when=1+",
    ];
    with_failing_calls(injections, || {
        let mut scene = Scene::new();
        let (id, _peer) = scene.adopted(SocketOptions::new(), Recorder::new("socket"));
        assert!(scene.socket(id).write(b"hello").is_accepted());
        let begun = Instant::now();
        turns_until(&mut scene, "the close", |world| {
            world.has("socket", "close")
        });
        assert!(begun.elapsed() >= Duration::from_secs(10));
        assert_eq!(scene.world.error("socket").code(), "ENOBUFS");
    });
}

#[test]
fn a_write_that_always_fails_for_now_does_not_spin() {
    for_each_error_of_send(|| {
        let mut scene = Scene::new();
        let options = SocketOptions::new().idle_timeout(Duration::from_millis(100));
        let (id, _peer) = scene.adopted(options, Recorder::new("socket"));
        assert!(scene.socket(id).write(b"hello").is_accepted());
        let took = time_of_turns(&mut scene, 28);
        assert!(took >= Duration::from_millis(150), "28 turns in {took:?}");
        assert!(scene.world.has("socket", "timeout"), "and it is idle");
        assert_eq!(scene.world.count("socket", "close"), 0);
    });
}

/// Runs `body` while each send is interrupted.
fn for_each_error_of_send(body: impl FnOnce()) {
    with_failing_calls(
        &["sendto:error=EINTR:when=1+", "sendmsg:error=EINTR:when=1+"],
        body,
    );
}

#[test]
fn an_interrupted_shutdown_is_made_again() {
    with_failing_calls(&["shutdown:error=EINTR:when=1..3"], || {
        let mut scene = Scene::new();
        let (id, mut peer) = scene.adopted(SocketOptions::new(), Recorder::new("socket"));
        scene.socket(id).end_with(b"hello");
        assert_eq!(scene.peer_reads_to_end(&mut peer).bytes, b"hello");
        assert_eq!(scene.world.count("socket", "error"), 0);
    });
}

#[test]
fn polls_that_are_always_interrupted_keep_no_time_from_passing() {
    with_failing_calls(&["epoll_wait:error=EINTR:when=1+"], || {
        let mut scene = Scene::new();
        scene
            .event_loop
            .after(Duration::from_millis(20), |cx| cx.shared.note("timer"));
        scene.event_loop.after(PATIENCE, |_| ());
        let limit = Duration::from_millis(40);
        let end = scene.event_loop.run_for(&mut scene.world, limit).unwrap();
        assert_eq!(end, RunEnd::TimedOut);
        assert_eq!(scene.world.notes, ["timer"]);
    });
}

// The failing call is that of epoll.
#[cfg(not(mio_unsupported_force_poll_poll))]
#[test]
fn polls_that_are_always_interrupted_are_an_error_of_run() {
    with_failing_calls(&["epoll_wait:error=EINTR:when=1+"], || {
        let mut scene = Scene::new();
        let begun = Instant::now();
        let end = scene
            .event_loop
            .turn(&mut scene.world, Wait::Forever, Budget::new());
        assert_eq!(
            end.unwrap_err().to_string(),
            "poll EINTR: interrupted system call"
        );
        // It has rested between them.
        assert!(begun.elapsed() >= Duration::from_millis(500));
    });
}

// The failing call is that of epoll.
#[cfg(not(mio_unsupported_force_poll_poll))]
#[test]
fn polls_that_fail_are_an_error_of_run_at_once() {
    with_failing_calls(&["epoll_wait:error=EBADF:when=1+"], || {
        let mut scene = Scene::new();
        for _ in 0..3 {
            let end = scene
                .event_loop
                .turn(&mut scene.world, Wait::Forever, Budget::new());
            assert_eq!(end.unwrap_err().code(), "EBADF");
        }
    });
}

// The first two registrations are those of the waker and of the socket.
#[test]
fn a_registration_that_is_refused_for_now_is_made_later() {
    with_failing_calls(&["epoll_ctl:error=ENOMEM:when=3..5"], || {
        let mut scene = Scene::new();
        let (id, mut peer) = scene.adopted(SocketOptions::new(), Recorder::new("socket"));
        let bytes = vec![b'x'; 4 << 20];
        let _ = scene.socket(id).write(&bytes);
        scene.socket(id).end();
        assert_eq!(scene.peer_reads_to_end(&mut peer).bytes, bytes);
        assert_eq!(scene.world.count("socket", "error"), 0);
    });
}
