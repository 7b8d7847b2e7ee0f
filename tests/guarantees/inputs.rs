//! Descriptors that the loop only reads and shares with other programs: pipes, terminals, sockets, files.
#![cfg(unix)]

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::{Command, Stdio};

use netloop::SocketOptions;
use socket2::{Domain, SockRef, Socket, Type};

use super::duplicates::without_waiting;
use crate::support::{Recorder, Scene, in_own_process, loopback, pattern, scratch_path};

/// A pipe in blocking mode, as a shell makes it.
fn pipe() -> (OwnedFd, File) {
    let (sender, receiver) = mio::unix::pipe::new().unwrap();
    sender.set_nonblocking(false).unwrap();
    receiver.set_nonblocking(false).unwrap();
    (receiver.into(), OwnedFd::from(sender).into())
}

/// Lets two sockets of one loop read `input`, so that each takes bytes that the kernel has reported to the other.
fn play_thieves(input: impl AsFd, mut writer: impl Write) {
    let mut scene = Scene::new();
    for name in ["one", "other"] {
        let recorder = Recorder::new(name);
        scene.event_loop.read_input(&input, recorder).unwrap();
    }
    for round in 1..=3 {
        writer.write_all(b"line\n").unwrap();
        scene.drive("the line", |world| {
            world.received_length("one") + world.received_length("other") == 5 * round
        });
        scene.settle();
    }
    for name in ["one", "other"] {
        assert!(!scene.world.has(name, "end"), "a theft is no end");
    }
}

/// Takes the bytes of `input` while the loop does not read, and lets the loop read again.
fn play_thief_during_pause(input: impl AsFd, mut writer: impl Write, mut thief: impl Read) {
    let mut scene = Scene::new();
    let recorder = Recorder::new("us");
    let id = scene.event_loop.read_input(&input, recorder).unwrap();
    scene.settle();
    scene.socket(id).pause();
    writer.write_all(b"line\n").unwrap();
    scene.settle();
    let mut stolen = Vec::new();
    while stolen.len() < 5 {
        let mut bytes = [0; 8];
        let length = thief.read(&mut bytes).unwrap();
        stolen.extend_from_slice(&bytes[..length]);
    }
    scene.socket(id).resume();
    scene.settle();
    assert_eq!(scene.world.trace("us"), "", "a theft is no end");
    writer.write_all(b"late\n").unwrap();
    scene.drive("the line", |world| world.received_length("us") == 5);
}

#[test]
fn a_theft_from_a_pipe_holds_up_no_turn() {
    without_waiting(|| {
        let (reader, writer) = pipe();
        play_thieves(reader, writer);
    });
}

#[test]
fn a_theft_from_a_named_pipe_holds_up_no_turn() {
    without_waiting(|| {
        let scratch = scratch_path();
        mkfifo(&scratch.path);
        let both = File::options().read(true).write(true).open(&scratch.path);
        let both = both.unwrap();
        play_thieves(&both, &both);
    });
}

#[test]
fn a_theft_from_a_socket_holds_up_no_turn() {
    without_waiting(|| {
        let (ours, peer) = UnixStream::pair().unwrap();
        play_thieves(ours, peer);
    });
    // A socket that is adopted, twice, and in blocking mode.
    without_waiting(|| {
        let (ours, mut peer) = UnixStream::pair().unwrap();
        let duplicate = ours.try_clone().unwrap();
        let mut scene = Scene::new();
        for name in ["one", "other"] {
            let ours = ours.try_clone().unwrap();
            let options = SocketOptions::new();
            scene
                .event_loop
                .adopt(ours, options, Recorder::new(name))
                .unwrap();
        }
        for round in 1..=3 {
            duplicate.set_nonblocking(false).unwrap();
            peer.write_all(b"line\n").unwrap();
            scene.drive("the line", |world| {
                world.received_length("one") + world.received_length("other") == 5 * round
            });
            duplicate.set_nonblocking(false).unwrap();
            scene.settle();
        }
    });
}

fn mkfifo(path: &std::path::Path) {
    let made = Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

#[test]
fn the_flags_of_an_input_stay_as_they_are() {
    let (reader, mut writer) = pipe();
    let mut scene = Scene::new();
    let recorder = Recorder::new("us");
    scene.event_loop.read_input(&reader, recorder).unwrap();
    assert!(!SockRef::from(&reader).nonblocking().unwrap());
    let bytes = pattern(50_000, 5);
    writer.write_all(&bytes).unwrap();
    drop(writer);
    scene.drive_to_close("us");
    crate::support::assert_same_bytes(&scene.world.received("us"), &bytes);
    assert!(scene.world.trace("us").ends_with("end close:Graceful"));
    assert!(!SockRef::from(&reader).nonblocking().unwrap());
}

#[test]
fn a_pipe_whose_writers_have_gone_gives_its_bytes_and_ends() {
    let (reader, mut writer) = pipe();
    writer.write_all(b"rest").unwrap();
    drop(writer);
    let scratch = scratch_path();
    mkfifo(&scratch.path);
    let named = File::options().read(true).write(true).open(&scratch.path);
    let mut named = named.unwrap();
    let named_reader = File::open(&scratch.path).unwrap();
    named.write_all(b"rest").unwrap();
    drop(named);
    let mut scene = Scene::new();
    for (name, input) in [
        ("nameless", reader.as_fd()),
        ("named", named_reader.as_fd()),
    ] {
        let recorder = Recorder::new(name);
        scene.event_loop.read_input(input, recorder).unwrap();
        scene.drive_to_close(name);
        assert_eq!(scene.world.trace(name), "data:rest end close:Graceful");
    }
}

#[test]
fn a_named_pipe_waits_for_its_first_writer() {
    use std::os::unix::fs::OpenOptionsExt;
    let scratch = scratch_path();
    mkfifo(&scratch.path);
    let mut options = File::options();
    options.read(true).custom_flags(libc::O_NONBLOCK);
    let reader = options.open(&scratch.path).unwrap();
    let mut scene = Scene::new();
    let recorder = Recorder::new("us");
    scene.event_loop.read_input(&reader, recorder).unwrap();
    scene.settle();
    assert_eq!(scene.world.trace("us"), "");
    let mut writer = File::options().write(true).open(&scratch.path).unwrap();
    writer.write_all(b"late").unwrap();
    scene.drive("the bytes", |world| world.received("us") == b"late");
    drop(writer);
    scene.drive_to_close("us");
}

#[test]
fn files_and_the_null_device_end_after_their_last_byte() {
    let scratch = scratch_path();
    let bytes = pattern(300_000, 9);
    std::fs::write(&scratch.path, &bytes).unwrap();
    let mut scene = Scene::new();
    let file = File::open(&scratch.path).unwrap();
    let recorder = Recorder::new("file");
    scene.event_loop.read_input(&file, recorder).unwrap();
    let null = File::open("/dev/null").unwrap();
    let recorder = Recorder::new("null");
    scene.event_loop.read_input(&null, recorder).unwrap();
    scene.drive_to_close("file");
    scene.drive_to_close("null");
    crate::support::assert_same_bytes(&scene.world.received("file"), &bytes);
    assert_eq!(scene.world.trace("null"), "end close:Graceful");
}

#[test]
fn descriptors_that_are_no_stream_of_bytes_are_refused() {
    let mut scene = Scene::new();
    let mut refusal = |what: &str, input: &dyn Fn() -> OwnedFd| -> String {
        let refused = scene.event_loop.read_input(input(), Recorder::new("us"));
        match refused {
            Ok(_) => panic!("{what} is read"),
            Err(error) => error.to_string(),
        }
    };
    let datagrams = "keeps messages apart";
    let udp = || std::net::UdpSocket::bind(loopback()).unwrap().into();
    assert!(refusal("UDP", &udp).contains(datagrams));
    let unix = || UnixDatagram::unbound().unwrap().into();
    assert!(refusal("a Unix datagram socket", &unix).contains(datagrams));
    let packets = || {
        let pair = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        OwnedFd::from(pair.0)
    };
    assert!(refusal("SOCK_SEQPACKET", &packets).contains(datagrams));
    let folder = || File::open("/").unwrap().into();
    assert!(refusal("a directory", &folder).contains("EISDIR"));
    let writer = || OwnedFd::from(pipe().1);
    assert!(refusal("the end to write to", &writer).contains("EBADF"));
    if cfg!(target_os = "linux") {
        let scratch = scratch_path();
        let listener = || UnixListener::bind(&scratch.path).unwrap().into();
        assert!(refusal("a listener", &listener).contains("listens"));
    }
}

#[test]
fn an_empty_datagram_ends_nothing() {
    // Any stranger could send one and end the input, so such an input is refused, and nothing is read from it.
    let (ours, peer) = UnixDatagram::pair().unwrap();
    let mut scene = Scene::new();
    let refused = scene.event_loop.read_input(&ours, Recorder::new("us"));
    assert!(refused.is_err());
    peer.send(b"").unwrap();
    peer.send(b"kept").unwrap();
    scene.settle();
    let mut bytes = [0; 8];
    assert_eq!(ours.recv(&mut bytes).unwrap(), 0);
    assert_eq!(ours.recv(&mut bytes).unwrap(), 4);
}

/// Runs a shell command beside a terminal, in which python3 types a letter at a time.
const IN_TERMINAL: &str = r#"exec python3 -c '
import os, pty, subprocess, sys, time
master, slave = pty.openpty()
child = subprocess.Popen(sys.argv[1:], env={**os.environ, "NETLOOP_TERMINAL": os.ttyname(slave)})
while child.poll() is None:
    os.write(master, b"x")
    time.sleep(0.005)
sys.exit(child.returncode)
' "$@""#;

/// Runs a shell command beside a terminal. The blocking master is the command's standard error, and `NETLOOP_TERMINAL`
/// the path of the other end.
const WITH_MASTER: &str = r#"exec python3 -c '
import os, pty, subprocess, sys
master, slave = pty.openpty()
environment = {**os.environ, "NETLOOP_TERMINAL": os.ttyname(slave)}
sys.exit(subprocess.call(sys.argv[1:], stderr=master, env=environment))
' "$@""#;

#[test]
fn a_theft_from_a_terminal_holds_up_no_turn_and_ends_nothing() {
    if !has_python() {
        eprintln!("SKIPPED: python3 is missing");
        return;
    }
    in_own_process(WITH_MASTER, || {
        let path = std::env::var("NETLOOP_TERMINAL").unwrap();
        let open = || {
            let mut options = File::options();
            options.read(true).write(true).open(&path).unwrap()
        };
        let master = || File::from(std::io::stderr().as_fd().try_clone_to_owned().unwrap());
        let set = |modes: &[&str]| {
            let done = Command::new("stty")
                .args(["-F", &path])
                .args(modes)
                .status();
            assert!(done.unwrap().success());
        };
        set(&["raw", "-echo", "min", "0", "time", "0"]);
        let terminal = open();
        without_waiting(move || {
            play_thieves(&terminal, master());
            play_thief_during_pause(&terminal, master(), &terminal);
        });
        let terminal = open();
        without_waiting(move || {
            play_thieves(master(), &terminal);
            play_thief_during_pause(master(), &terminal, master());
        });
        // The key for the end of input is one all the same.
        set(&["sane", "-echo"]);
        let terminal = open();
        let mut scene = Scene::new();
        let recorder = Recorder::new("us");
        scene.event_loop.read_input(&terminal, recorder).unwrap();
        master().write_all(b"line\n\x04").unwrap();
        scene.drive_to_close("us");
        assert!(scene.world.trace("us").ends_with("end close:Graceful"));
    });
}

#[test]
fn a_theft_during_a_pause_holds_up_no_turn() {
    without_waiting(|| {
        let (reader, writer) = pipe();
        let thief = File::from(reader.try_clone().unwrap());
        play_thief_during_pause(reader, writer, thief);
        let (ours, peer) = UnixStream::pair().unwrap();
        play_thief_during_pause(&ours, peer, &ours);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_theft_from_an_eventfd_made_blocking_holds_up_no_turn() {
    use rustix::event::{EventfdFlags, eventfd};
    without_waiting(|| {
        let counter = File::from(eventfd(0, EventfdFlags::NONBLOCK).unwrap());
        let mut scene = Scene::new();
        let recorder = Recorder::new("us");
        let id = scene.event_loop.read_input(&counter, recorder).unwrap();
        scene.settle();
        scene.socket(id).pause();
        (&counter).write_all(&1_u64.to_ne_bytes()).unwrap();
        scene.settle();
        (&counter).read_exact(&mut [0; 8]).unwrap();
        SockRef::from(&counter).set_nonblocking(false).unwrap();
        scene.socket(id).resume();
        scene.settle();
        (&counter).write_all(&7_u64.to_ne_bytes()).unwrap();
        scene.drive("the count", |world| {
            world.received("us") == 7_u64.to_ne_bytes()
        });
    });
}

fn has_python() -> bool {
    let mut python = Command::new("python3");
    let status = python.arg("-V").stdout(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

#[test]
fn a_terminal_that_returns_empty_reads_does_not_end() {
    if !has_python() {
        eprintln!("SKIPPED: python3 is missing");
        return;
    }
    in_own_process(IN_TERMINAL, || {
        let path = std::env::var("NETLOOP_TERMINAL").unwrap();
        let raw = Command::new("stty")
            .args(["-F", &path, "raw", "-echo", "min", "0", "time", "0"])
            .status();
        assert!(raw.unwrap().success());
        let terminal = File::open(&path).unwrap();
        let mut scene = Scene::new();
        let recorder = Recorder::new("us");
        scene.event_loop.read_input(&terminal, recorder).unwrap();
        scene.drive("typing", |world| world.received_length("us") >= 20);
        assert!(!scene.world.has("us", "end"), "no byte is no end");
        assert!(!SockRef::from(&terminal).nonblocking().unwrap());
    });
}
