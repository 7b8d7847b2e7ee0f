//! A socket that is released does not keep the loop going by being open, but until its connect and its bytes are done
//! (J1). The peers here are threads, because `run` blocks.

use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use netloop::{
    Budget, CloseReason, ConnectOptions, HostQuery, ListenOptions, RunEnd, SocketId, SocketOptions,
    Wait,
};
use socket2::SockRef;

use crate::support::{BlackHole, PATIENCE, Peer, Recorder, Scene, answering, loopback};

/// More than the kernel takes for a peer that does not read.
const MUCH: usize = 20 << 20;

/// A peer that accepts one connection, and reads it to its end once it is told to.
struct SlowPeer {
    address: SocketAddr,
    begin: mpsc::Sender<()>,
    reads: JoinHandle<usize>,
}

impl SlowPeer {
    fn new() -> Self {
        let listener = TcpListener::bind(loopback()).unwrap();
        // The time limit of reading is that of accepting, too.
        SockRef::from(&listener)
            .set_read_timeout(Some(PATIENCE))
            .unwrap();
        let address = listener.local_addr().unwrap();
        let (begin, may_begin) = mpsc::channel();
        let reads = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let peer = Peer::from(stream);
            may_begin.recv_timeout(PATIENCE).unwrap();
            read_to_end(peer)
        });
        Self {
            address,
            begin,
            reads,
        }
    }

    fn begin(&self) {
        self.begin.send(()).unwrap();
    }

    fn bytes(self) -> usize {
        self.reads.join().unwrap()
    }
}

fn read_to_end(peer: Peer) -> usize {
    let mut stream = peer.into_stream();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes.len()
}

/// Runs as a program does that has nothing else to do, and fails instead of hanging.
fn run(scene: &mut Scene) {
    let end = scene.event_loop.run_for(&mut scene.world, PATIENCE);
    assert_eq!(end.unwrap(), RunEnd::Finished, "{}", scene.world.brief());
}

fn release_and_end(scene: &mut Scene, id: SocketId) {
    let mut socket = scene.socket(id);
    let _ = socket.end_with(b"last log line\n");
    socket.release();
}

#[test]
fn bytes_written_while_connecting_leave_before_run_returns() {
    let peer = SlowPeer::new();
    peer.begin();
    let mut scene = Scene::new();
    let id = scene.connect(peer.address, ConnectOptions::new(), Recorder::new("us"));
    release_and_end(&mut scene, id);
    assert!(scene.event_loop.is_alive());
    run(&mut scene);
    drop(scene);
    assert_eq!(peer.bytes(), 14);
}

#[test]
fn bytes_written_during_a_lookup_leave_before_run_returns() {
    let peer = SlowPeer::new();
    peer.begin();
    let mut scene = Scene::new();
    let options = ConnectOptions::new().resolver(answering(&["host1"]));
    let to = ("example.invalid", peer.address.port());
    let id = scene.connect(to, options, Recorder::new("us"));
    release_and_end(&mut scene, id);
    run(&mut scene);
    drop(scene);
    assert_eq!(peer.bytes(), 14);
}

// A timer serves the socket, which has no connection to write to yet.
#[test]
fn a_timer_within_a_lookup_ends_no_run_of_a_released_socket() {
    let peer = SlowPeer::new();
    peer.begin();
    let (told, is_told) = mpsc::channel();
    let is_told = Mutex::new(is_told);
    let resolver = answering(&["host1"]);
    let late = Arc::new(move |query: &HostQuery<'_>| {
        is_told.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        resolver.resolve(query)
    });
    let mut scene = Scene::new();
    let us = Recorder::new("us").on("timer", move |_, _| told.send(()).unwrap());
    let to = ("example.invalid", peer.address.port());
    let id = scene.connect(to, ConnectOptions::new().resolver(late), us);
    scene.socket(id).after(Duration::from_millis(1), 0);
    release_and_end(&mut scene, id);
    run(&mut scene);
    drop(scene);
    assert_eq!(peer.bytes(), 14);
}

#[cfg(unix)]
#[test]
fn bytes_for_a_unix_socket_leave_before_run_returns() {
    let path = crate::support::scratch_path();
    let listener = std::os::unix::net::UnixListener::bind(path.text()).unwrap();
    SockRef::from(&listener)
        .set_read_timeout(Some(PATIENCE))
        .unwrap();
    let reads = thread::spawn(move || {
        let mut bytes = Vec::new();
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.read_to_end(&mut bytes).unwrap();
        bytes.len()
    });
    let mut scene = Scene::new();
    let id = scene.connect(path.text(), ConnectOptions::new(), Recorder::new("us"));
    release_and_end(&mut scene, id);
    run(&mut scene);
    drop(scene);
    assert_eq!(reads.join().unwrap(), 14);
}

#[test]
fn a_queue_leaves_before_run_returns_however_it_ends() {
    for ending in ["end", "destroy_soon", "open"] {
        let peer = SlowPeer::new();
        let begin = peer.begin.clone();
        let mut scene = Scene::new();
        let us = Recorder::new("us").on("connect", move |cx, _| {
            cx.socket.release();
            let _ = cx.socket.write_owned(vec![1; MUCH]);
            match ending {
                "end" => cx.socket.end(),
                "destroy_soon" => cx.socket.destroy_soon(),
                _ => {}
            }
            begin.send(()).unwrap();
        });
        let options = SocketOptions::new().max_queued_bytes(2 * MUCH);
        scene.connect(peer.address, options, us);
        run(&mut scene);
        drop(scene);
        assert_eq!(peer.bytes(), MUCH, "{ending}");
    }
}

#[test]
fn an_accepted_socket_sends_its_queue_before_run_returns() {
    let mut scene = Scene::new();
    let (server, address) = scene.listen(ListenOptions::new(), |_| {
        Recorder::new("us").on("connect", |cx, _| {
            cx.socket.release();
            let _ = cx.socket.write_owned(vec![1; 12 << 20]);
            cx.socket.end();
            let server = cx.socket.accepted_by().unwrap();
            cx.socket.server(server).close();
        })
    });
    let reads = thread::spawn(move || read_to_end(Peer::connect(address)));
    run(&mut scene);
    assert!(!scene.event_loop.server(server).is_listening());
    drop(scene);
    assert_eq!(reads.join().unwrap(), 12 << 20);
}

#[test]
fn bytes_written_by_the_host_leave_before_run_returns() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    scene.settle();
    scene.socket(id).release();
    assert!(!scene.event_loop.is_alive());
    let _ = scene.socket(id).write(b"bye");
    assert!(scene.event_loop.is_alive());
    run(&mut scene);
    assert_eq!(scene.peer_reads(&mut peer, 3), b"bye");
    assert!(!scene.event_loop.is_alive());
}

#[test]
fn a_turn_says_that_a_released_socket_still_sends() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.adopted(SocketOptions::new(), Recorder::new("us"));
    scene.socket(id).release();
    let _ = scene.socket(id).write_owned(vec![1; 1 << 20]);
    let turn = scene
        .event_loop
        .turn(&mut scene.world, Wait::No, Budget::new())
        .unwrap();
    assert!(turn.alive && scene.event_loop.is_alive());
    scene.peer_reads(&mut peer, 1 << 20);
    scene.drive_to_exit();
    assert!(!scene.turn().alive);
}

#[test]
fn a_peer_that_never_reads_holds_the_loop_until_a_timeout() {
    let timeout = Duration::from_millis(50);
    for options in [
        SocketOptions::new().idle_timeout(timeout),
        SocketOptions::new().close_timeout(timeout),
    ] {
        let mut scene = Scene::new();
        let us = Recorder::new("us").on("timeout", |cx, _| cx.socket.destroy());
        let (id, _peer) = scene.adopted(options, us);
        scene.socket(id).release();
        let _ = scene.socket(id).write_owned(vec![1; 1 << 20]);
        scene.socket(id).end();
        run(&mut scene);
        let reason = scene.world.close_reason("us");
        assert_eq!(reason, Some(CloseReason::TimedOut));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_connect_that_hangs_holds_the_loop_until_its_timeout() {
    let hole = BlackHole::new();
    let mut scene = Scene::new();
    let options = ConnectOptions::new().connect_timeout(Duration::from_millis(50));
    let id = scene.connect(hole.address(), options, Recorder::new("us"));
    scene.socket(id).release();
    run(&mut scene);
    assert_eq!(scene.world.trace("us"), "error:ETIMEDOUT close:TimedOut");
}

#[test]
fn a_released_socket_with_nothing_to_send_holds_nothing() {
    let mut scene = Scene::new();
    let (id, _peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    scene.settle();
    scene.socket(id).release();
    assert!(!scene.event_loop.is_alive());
    scene.socket(id).cork();
    let _ = scene.socket(id).write(b"held back by the program");
    scene.turn();
    assert!(!scene.event_loop.is_alive(), "only the program can uncork");
    assert_eq!(scene.world.trace("us"), "connect");
}

// As in Node, where the lookup keeps the process.
#[test]
fn a_released_server_keeps_run_going_until_its_name_is_found() {
    let mut scene = Scene::new();
    let options = ListenOptions::new().resolver(answering(&["host1"]));
    let reception = crate::support::Reception::new("server", |_| Recorder::new("theirs"));
    let server = scene.serve(("example.invalid", 0), options, reception);
    scene.event_loop.server(server).release();
    run(&mut scene);
    assert!(
        scene.world.has("server", "listening"),
        "{}",
        scene.world.brief()
    );
    assert!(scene.event_loop.server(server).is_listening());
}
