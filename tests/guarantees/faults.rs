//! Faults of the system: no descriptors left, calls that fail or are interrupted, SIGPIPE at its default.
//!
//! The rules: A1 to A6, A10, C4 of the reliability table.
//!
//! Each fault needs a process of its own. Where the kernel cannot be brought to it, strace makes the calls fail.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use netloop::{Budget, CloseReason, Flow, ListenOptions, SocketId, SocketOptions, Wait};
use socket2::SockRef;

use crate::servers::{assert_echoes, echoing, serve};
use crate::support::{
    PATIENCE, Peer, PeerEnd, Recorder, Scene, Seen, World, in_own_process, listener, loopback,
    with_failing_calls,
};

/// A shell that leaves the test few descriptors.
pub(super) const FEW_DESCRIPTORS: &str = r#"ulimit -n 64; exec "$@""#;

/// The number of those that a test leaves free.
const FREE: usize = 4;

fn errors(world: &World) -> usize {
    world.count("server", "error")
}

pub(super) fn connections(world: &World) -> usize {
    world.count("server", "connection")
}

/// Takes all descriptors that are left but `FREE`.
pub(super) fn take_descriptors() -> Vec<File> {
    let mut taken = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        taken.push(file);
    }
    taken.truncate(taken.len() - FREE);
    taken
}

// A1
#[test]
fn without_descriptors_a_server_fails_once_and_does_not_spin() {
    in_own_process(FEW_DESCRIPTORS, || {
        let mut scene = Scene::new();
        let (server, address) = serve(&mut scene, ListenOptions::new(), echoing());
        let mut inside: Vec<Peer> = (0..5).map(|_| Peer::connect(address)).collect();
        for peer in &mut inside {
            assert_echoes(&mut scene, peer);
        }
        let mut crowd: Vec<Peer> = (0..25).map(|_| Peer::connect(address)).collect();
        let _taken = take_descriptors();
        scene.drive("the error", |world| errors(world) == 1);
        let error = scene.world.error("server");
        assert_eq!(error.code(), "EMFILE");
        assert_eq!(error.to_string(), format!("accept EMFILE {address}"));
        assert_eq!(connections(&scene.world), 5 + FREE);
        assert!(scene.event_loop.server(server).is_listening());

        // Not spinning: while it is out of descriptors it looks again in growing intervals.
        let end = Instant::now() + Duration::from_secs(1);
        let mut turns = 0;
        while Instant::now() < end {
            scene.turn_within(Wait::Until(end));
            turns += 1;
        }
        assert!((2..40).contains(&turns), "{turns} turns in a second");
        for peer in &mut inside {
            assert_echoes(&mut scene, peer);
        }
        assert_eq!(errors(&scene.world), 1, "once for the whole episode");

        // Each look has turned one peer away, so that those in the queue learn of it.
        let turned_away = |crowd: &mut Vec<Peer>| {
            let before = crowd.len();
            crowd.retain_mut(|peer| match peer.read_some(1) {
                Ok(_) => true,
                Err(end) => {
                    assert_eq!(end, PeerEnd::Reset);
                    false
                }
            });
            before - crowd.len()
        };
        let away = turned_away(&mut crowd);
        assert!((2..20).contains(&away), "{away} of 25 turned away");

        // Not deaf: the close of one of ours frees a descriptor at once, long before the next look.
        let accepted = connections(&scene.world);
        inside.pop().unwrap().close();
        scene.drive_to_close("socket 4");
        scene.turn();
        assert!(connections(&scene.world) > accepted);

        // And in the end all that still wait are served.
        inside.clear();
        scene.drive_with("everybody", |scene| {
            crowd.retain_mut(|peer| peer.read_some(1).is_ok());
            if let Some(peer) = crowd.first_mut() {
                peer.write(b"x");
                scene.peer_reads(peer, 1);
                crowd.remove(0);
            }
            crowd.is_empty()
        });
        scene.drive_with("all closes", |scene| {
            scene.event_loop.server(server).connection_count() == 0
        });
        assert_eq!(errors(&scene.world), 1, "it was one episode");
        assert_echoes(&mut scene, &mut Peer::connect(address));
    });
}

// A1
#[test]
fn a_server_that_runs_out_of_descriptors_again_says_so_again() {
    in_own_process(FEW_DESCRIPTORS, || {
        let mut scene = Scene::new();
        let (server, address) = serve(&mut scene, ListenOptions::new(), echoing());
        for episode in 1..=3 {
            let crowd: Vec<Peer> = (0..10).map(|_| Peer::connect(address)).collect();
            let taken = take_descriptors();
            scene.drive("the error", |world| errors(world) == episode);
            drop((crowd, taken));
            scene.drive_with("all closes", |scene| {
                scene.event_loop.server(server).connection_count() == 0
            });
            assert_echoes(&mut scene, &mut Peer::connect(address));
            scene.settle();
            assert_eq!(errors(&scene.world), episode);
        }
    });
}

// A1: the descriptors are freed elsewhere, and no event tells the server.
#[test]
fn a_server_finds_by_itself_that_descriptors_are_free_again() {
    in_own_process(FEW_DESCRIPTORS, || {
        let mut scene = Scene::new();
        let (_, address) = serve(&mut scene, ListenOptions::new(), echoing());
        scene.settle();
        let mut peers: Vec<Peer> = (0..10).map(|_| Peer::connect(address)).collect();
        let mut files = Vec::new();
        while let Ok(file) = File::open("/dev/null") {
            files.push(file);
        }
        scene.drive("the error", |world| errors(world) == 1);
        assert_eq!(connections(&scene.world), 0);
        drop(files);
        // A1: within 1.1 s, which is the longest rest. It ends a turn, and the next one accepts.
        let mut turns = 0;
        while connections(&scene.world) == 0 {
            assert!(turns < 4, "{turns} turns, each as long as a rest");
            scene.turn_within(Wait::For(Duration::from_millis(1_100)));
            turns += 1;
        }
        scene.drive_with("everybody", |scene| {
            peers.retain_mut(|peer| peer.read_some(1).is_ok());
            connections(&scene.world) == peers.len()
        });
        for peer in &mut peers {
            assert_echoes(&mut scene, peer);
        }
    });
}

// A10: the listening socket is shut down through a copy of its descriptor.
#[test]
fn a_broken_listener_is_told_and_closed_but_its_sockets_stay() {
    let mut scene = Scene::new();
    let (listener, address) = listener();
    let same = listener.try_clone().unwrap();
    let server = scene
        .event_loop
        .serve(listener, ListenOptions::new(), echoing())
        .unwrap();
    let mut peer = Peer::connect(address);
    assert_echoes(&mut scene, &mut peer);
    SockRef::from(&same).shutdown(Shutdown::Both).unwrap();
    scene.drive("the error", |world| errors(world) == 1);
    assert!(!scene.event_loop.server(server).is_listening());
    assert_echoes(&mut scene, &mut peer);
    peer.close();
    scene.run_to_its_end();
    assert_eq!(
        scene.world.trace("server"),
        "listening connection error:EINVAL server-close"
    );
}

// A4: the fault of one peer is no fault of the server, and no reason to pause. The errors of that kind are tested
// beside their table.
#[test]
fn connections_that_fail_before_their_accept_are_passed_over() {
    // Every second accept fails.
    with_failing_calls(&["accept4:error=ECONNABORTED:when=1+2"], || {
        let mut scene = Scene::new();
        let (server, address) = serve(&mut scene, ListenOptions::new(), echoing());
        let mut peers: Vec<Peer> = (0..60).map(|_| Peer::connect(address)).collect();
        let begun = Instant::now();
        scene.drive_with("all connections", |scene| {
            scene.event_loop.server(server).connection_count() == 60
        });
        for peer in &mut peers {
            assert_echoes(&mut scene, peer);
        }
        assert_eq!(errors(&scene.world), 0);
        assert!(begun.elapsed() < PATIENCE / 2);
    });
}

// A4
#[test]
fn accepts_that_fail_without_end_do_not_starve_a_socket() {
    // The first connection is let in, and then none.
    with_failing_calls(&["accept4:error=ECONNABORTED:when=2+"], || {
        let mut scene = Scene::new();
        let (server, address) = serve(&mut scene, ListenOptions::new(), echoing());
        let mut inside = Peer::connect(address);
        assert_echoes(&mut scene, &mut inside);
        let _waiting: Vec<Peer> = (0..5).map(|_| Peer::connect(address)).collect();
        for round in 2..100 {
            inside.write(b"x");
            scene.turn();
            assert_eq!(scene.world.received_length("socket 0"), 14 + round - 1);
        }
        assert!(scene.event_loop.server(server).is_listening());
        assert_eq!(errors(&scene.world), 1, "many in a row are told once");
    });
}

// A2, A3
#[test]
fn a_system_wide_shortage_is_waited_out_like_ones_own() {
    // The second is that of turning a peer away.
    with_failing_calls(&["accept4:error=ENFILE:when=1..2"], || {
        let mut scene = Scene::new();
        let (_, address) = serve(&mut scene, ListenOptions::new(), echoing());
        let mut peer = Peer::connect(address);
        assert_echoes(&mut scene, &mut peer);
        assert_eq!(errors(&scene.world), 1);
        assert_eq!(scene.world.error("server").code(), "ENFILE");
    });
}

/// A peer whose own calls are `read` and `write`, which strace leaves alone.
fn plain(peer: Peer) -> File {
    File::from(OwnedFd::from(peer.into_stream()))
}

// A6
#[test]
fn calls_that_are_interrupted_are_made_again() {
    let injections = &[
        "accept4:error=EINTR:when=1+2",
        "epoll_wait:error=EINTR:when=1+3",
        "recvfrom:error=EINTR:when=1+2",
        "sendto:error=EINTR:when=1+2",
        "sendmsg:error=EINTR:when=1+2",
    ];
    with_failing_calls(injections, || {
        let mut scene = Scene::new();
        let (_, address) = serve(&mut scene, ListenOptions::new(), echoing());
        for _ in 0..20 {
            let mut peer = plain(Peer::connect(address));
            for _ in 0..5 {
                peer.write_all(b"hello").unwrap();
                let before = scene.world.log.len();
                scene.drive("the bytes", |world| world.log.len() > before);
                scene.settle();
                let mut answer = [0; 5];
                peer.read_exact(&mut answer).unwrap();
                assert_eq!(&answer, b"hello");
            }
        }
        assert_eq!(errors(&scene.world), 0);
    });
}

/// A process that stops this one and lets it go on, as fast as it can: without any signal handler that interrupts waits
/// (signal(7)).
struct Storm {
    child: Child,
    /// It goes on for as long as this file is there. Killing it would not do: it might just have stopped us.
    flag: PathBuf,
}

impl Storm {
    fn begin() -> Self {
        let pid = std::process::id();
        let flag = std::env::temp_dir().join(format!("netloop-storm-{pid}"));
        File::create(&flag).unwrap();
        // It ends with this process too, which may be killed.
        let storm =
            format!(r#"while [ -e "$0" ] && kill -STOP {pid} && kill -CONT {pid}; do :; done"#);
        let child = Command::new("sh").args(["-c", &storm]).arg(&flag).spawn();
        Self {
            child: child.unwrap(),
            flag,
        }
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        std::fs::remove_file(&self.flag).unwrap();
        self.child.wait().unwrap();
    }
}

// A6, without strace.
#[test]
fn a_storm_of_signals_neither_ends_a_wait_nor_loses_a_byte() {
    in_own_process(r#"exec "$@""#, || {
        let mut scene = Scene::new();
        let (_, address) = serve(&mut scene, ListenOptions::new(), echoing());
        let mut peer = Peer::connect(address);
        assert_echoes(&mut scene, &mut peer);
        scene.settle();
        let storm = Storm::begin();
        for _ in 0..5 {
            let begun = Instant::now();
            scene.turn_within(Wait::For(Duration::from_millis(50)));
            assert!(begun.elapsed() >= Duration::from_millis(50));
        }
        let armed = Instant::now();
        scene
            .event_loop
            .after(Duration::from_millis(50), move |cx| {
                assert!(armed.elapsed() >= Duration::from_millis(50));
                cx.shared.note("timer");
            });
        for _ in 0..200 {
            assert_echoes(&mut scene, &mut peer);
        }
        scene.drive("the timer", |world| world.notes == ["timer"]);
        drop(storm);
        assert_eq!(errors(&scene.world), 0);
    });
}

/// Whether SIGPIPE is ignored by this process (proc(5)), as it is in every program of Rust.
fn ignores_sigpipe() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = u64::from_str_radix(mask.unwrap().trim(), 16).unwrap();
    mask & (1 << 12) != 0
}

static LONG: [u8; 40_000] = [b'x'; 40_000];

/// The ways in which bytes get to the kernel.
const WRITES: [fn(&mut Scene, SocketId); 3] = [
    // One small piece, at the next flush point.
    |scene, id| assert!(scene.socket(id).write(b"x").is_accepted()),
    // Several pieces in one call.
    |scene, id| {
        assert!(scene.socket(id).write(b"x").is_accepted());
        let _ = scene.socket(id).write_owned(vec![b'x'; 9_000]);
        let _ = scene.socket(id).write_owned(vec![b'x'; 9_000]);
    },
    // At once, as gathering it would not pay.
    |scene, id| assert_eq!(scene.socket(id).write_static(&LONG), Flow::Closed),
];

// C4: in a host that has left SIGPIPE at its default, it would end the process.
#[test]
fn sigpipe_at_its_default_does_not_kill_the_process() {
    in_own_process(r#"exec "$@""#, || {
        assert!(ignores_sigpipe());
        sigpipe::reset();
        assert!(!ignores_sigpipe());

        let listener = TcpListener::bind(loopback()).unwrap();
        for (number, write) in WRITES.into_iter().enumerate() {
            let mut scene = Scene::new();
            let name = format!("socket {number}");
            let options = SocketOptions::new().allow_half_open(true);
            let peer = Peer::connect(listener.local_addr().unwrap());
            let (ours, _) = listener.accept().unwrap();
            let id = scene
                .event_loop
                .adopt(ours, options, Recorder::new(name.clone()))
                .unwrap();
            peer.half_close();
            scene.drive("the end", |world| world.has_seen(&name, &Seen::End));
            // A reset behind a FIN is EPIPE at the next write, whereas one without is ECONNRESET at first.
            peer.reset();
            write(&mut scene, id);
            scene.event_loop.flush(Budget::new());
            scene.drive_to_close(&name);
            assert_eq!(
                scene.world.trace(&name),
                "end error:EPIPE close:Reset",
                "{number}"
            );
        }
    });
}

// C4, for Unix sockets.
#[test]
fn sigpipe_at_its_default_does_not_kill_on_a_unix_socket() {
    in_own_process(r#"exec "$@""#, || {
        sigpipe::reset();
        let path = std::env::temp_dir().join(format!("netloop-{}.socket", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        for (number, write) in WRITES.into_iter().enumerate() {
            let mut scene = Scene::new();
            let name = format!("socket {number}");
            let id = scene
                .event_loop
                .connect(path.as_path(), Recorder::new(name.clone()))
                .unwrap();
            scene.drive("the connection", |world| {
                world.has_seen(&name, &Seen::Connect)
            });
            drop(listener.accept().unwrap());
            write(&mut scene, id);
            scene.event_loop.flush(Budget::new());
            scene.drive_to_close(&name);
            assert_eq!(scene.world.close_reason(&name), Some(CloseReason::Reset));
        }
        std::fs::remove_file(&path).unwrap();
    });
}
