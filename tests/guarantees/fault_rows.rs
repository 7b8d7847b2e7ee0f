//! Rows of the reliability table that no other file holds; `FAULTS.md` has all rows.
//!
//! The rules: A1 (the processor time), A15, A16, D13, G2.

use std::env;
use std::fs::{self, File};
use std::process::{self, Command, Stdio};
use std::time::{Duration, Instant};

use netloop::{CloseReason, ConnectOptions, EventLoop, ListenOptions, SocketOptions, Wait};

use crate::servers::{assert_echoes, echoing, serve};
use crate::support::{Peer, Recorder, Scene, World, in_own_process, loopback, with_failing_calls};

/// The processor time that this process has taken.
fn processor_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .collect();
    let ticks: u64 = [11, 12]
        .map(|at: usize| fields[at].parse::<u64>().unwrap())
        .iter()
        .sum();
    // A hundred a second, on every Linux.
    Duration::from_millis(ticks * 10)
}

// A1. The bound that each change has to hold is a count of turns, in `faults`.
#[test]
#[ignore = "measures processor time, of which a loaded machine takes more"]
fn out_of_descriptors_takes_under_a_twentieth_of_the_time() {
    in_own_process(r#"ulimit -n 64; exec "$@""#, || {
        let mut scene = Scene::new();
        let (_, address) = serve(&mut scene, ListenOptions::new(), echoing());
        scene.settle();
        let _crowd: Vec<Peer> = (0..25).map(|_| Peer::connect(address)).collect();
        let mut taken = Vec::new();
        while let Ok(file) = File::open("/dev/null") {
            taken.push(file);
        }
        scene.drive("the error", |world| world.count("server", "error") == 1);
        // The file of the processor time needs a descriptor.
        taken.pop();
        let (began, before) = (Instant::now(), processor_time());
        let spare = File::open("/dev/null").unwrap();
        let end = began + Duration::from_secs(4);
        while Instant::now() < end {
            scene.turn_within(Wait::Until(end));
        }
        drop(spare);
        let share = (processor_time() - before).as_secs_f64() / began.elapsed().as_secs_f64();
        println!(
            "{:.2} % of the processor without a descriptor",
            share * 100.0
        );
        assert!(share < 0.05, "{share}");
    });
}

/// Names, in the environment of the child, what it does.
const CHILD: &str = "NETLOOP_TEST_WITHOUT_STANDARD_STREAMS";

/// The status with which the child says that all is well: a panic has another.
const IS_WELL: i32 = 42;

// A15: the runtime of Rust opens /dev/null in their place before `main`. With poll(2) the loop has no descriptor to look at.
#[cfg(not(mio_unsupported_force_poll_poll))]
#[test]
fn without_standard_streams_no_socket_takes_their_places() {
    use std::os::fd::{AsFd, AsRawFd};

    if env::var_os(CHILD).is_some() {
        let mut event_loop: EventLoop<World> = EventLoop::new().unwrap();
        let lowest = event_loop.as_fd().as_raw_fd();
        let server = event_loop.listen(loopback(), |_, _| Recorder::new("accepted"));
        assert!(server.is_err() || lowest > 2);
        process::exit(if lowest > 2 { IS_WELL } else { 1 });
    }
    let status = Command::new("sh")
        .args(["-c", r#"exec "$@" 0<&- 1>&- 2>&-"#, "sh"])
        .arg(env::current_exe().unwrap())
        .args([
            "--exact",
            "fault_rows::without_standard_streams_no_socket_takes_their_places",
        ])
        .env(CHILD, "1")
        .status();
    assert_eq!(status.unwrap().code(), Some(IS_WELL));
}

/// Lists the descriptors of a program that this one starts.
fn descriptors_of_a_child() -> String {
    let listed = Command::new("ls")
        .arg("/proc/self/fd")
        .stdin(Stdio::null())
        .output();
    String::from_utf8(listed.unwrap().stdout).unwrap()
}

// A16
#[test]
fn a_program_started_in_a_callback_inherits_no_socket() {
    in_own_process(r#"exec "$@""#, || {
        let before = descriptors_of_a_child();
        let mut scene = Scene::new();
        let (_, address) = scene.listen(ListenOptions::new(), |_| {
            Recorder::new("accepted").on("data", |cx, _| {
                let listed = descriptors_of_a_child();
                cx.socket.write_owned(listed.into_bytes()).ignore();
            })
        });
        let client = Recorder::new("client").on("connect", |cx, _| {
            cx.socket.write(b"?").ignore();
        });
        scene.connect(address, ConnectOptions::new(), client);
        scene.drive("the list", |world| world.has("client", "data"));
        let within = String::from_utf8(scene.world.received("client")).unwrap();
        assert_eq!(within, before);
    });
}

// D13: macOS says so of a peer that has closed.
#[test]
fn a_shutdown_of_a_connection_that_is_gone_is_no_error() {
    with_failing_calls(&["shutdown:error=ENOTCONN:when=1+"], || {
        let mut scene = Scene::new();
        let (id, mut peer) = scene.adopted(SocketOptions::new(), Recorder::new("socket"));
        scene.socket(id).end_with(b"hello");
        assert_eq!(scene.peer_reads(&mut peer, 5), b"hello");
        peer.close();
        scene.drive_to_close("socket");
        assert_eq!(scene.world.count("socket", "error"), 0);
        assert_eq!(
            scene.world.close_reason("socket"),
            Some(CloseReason::Graceful)
        );
    });
}

// G2. Each thread counts its own calls, and this one has started one other.
#[test]
fn a_lookup_without_a_thread_fails_alone() {
    with_failing_calls(&["clone3:error=EAGAIN:when=2+"], || {
        let mut scene = Scene::new();
        let (_, address) = serve(&mut scene, ListenOptions::new(), echoing());
        scene.connect(
            "example.invalid:80",
            ConnectOptions::new(),
            Recorder::new("client"),
        );
        scene.drive_to_close("client");
        assert_eq!(scene.world.error("client").code(), "EAGAIN");
        assert_echoes(&mut scene, &mut Peer::connect(address));
    });
}
