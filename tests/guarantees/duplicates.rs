//! Sockets that other holders share: an end reaches the peer all the same, and no call of the loop waits.
#![cfg(unix)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use netloop::{ListenOptions, SocketOptions, StdStream};
use socket2::{Domain, SockRef, Socket, Type};

use crate::support::{
    PATIENCE, Peer, PeerEnd, Reception, Recorder, Scene, loopback, pattern, scratch_path,
};

/// Runs `body` in a thread, and fails if a call of it waits: the thread is then left behind.
#[track_caller]
pub(super) fn without_waiting(body: impl FnOnce() + Send + 'static) {
    let (done, is_done) = mpsc::channel();
    let thread = thread::spawn(move || {
        body();
        done.send(()).unwrap();
    });
    match is_done.recv_timeout(2 * PATIENCE) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("a call of the loop waits"),
        _ => thread.join().unwrap(),
    }
}

/// A way to end a connection that promises the peer its end.
#[derive(Clone, Copy, Debug)]
enum Ending {
    /// The peer ends, and this side follows.
    AfterThePeer,
    DestroySoon,
    /// This side ends, and the peer follows.
    EndFirst,
}

/// Connected ends of a kind of socket: a stream for the loop, a duplicate of it, and a peer in non-blocking mode.
fn ends(is_unix: bool) -> (StdStream, StdStream, Box<dyn ReadWriteEnd>) {
    if is_unix {
        let (ours, peer) = UnixStream::pair().unwrap();
        peer.set_nonblocking(true).unwrap();
        (
            ours.try_clone().unwrap().into(),
            ours.into(),
            Box::new(peer),
        )
    } else {
        let (ours, peer) = Peer::pair();
        let peer = peer.into_stream();
        peer.set_nonblocking(true).unwrap();
        (
            ours.try_clone().unwrap().into(),
            ours.into(),
            Box::new(peer),
        )
    }
}

trait ReadWriteEnd: Read + Write {
    fn end(&self);
}

impl ReadWriteEnd for TcpStream {
    fn end(&self) {
        self.shutdown(std::net::Shutdown::Write).unwrap();
    }
}

impl ReadWriteEnd for UnixStream {
    fn end(&self) {
        self.shutdown(std::net::Shutdown::Write).unwrap();
    }
}

#[test]
fn an_end_reaches_the_peer_although_a_duplicate_lives() {
    for is_unix in [false, true] {
        for ending in [Ending::AfterThePeer, Ending::DestroySoon, Ending::EndFirst] {
            let (ours, _duplicate, mut peer) = ends(is_unix);
            let mut scene = Scene::new();
            let id = scene
                .event_loop
                .adopt(ours, SocketOptions::new(), Recorder::new("us"))
                .unwrap();
            let _ = scene.socket(id).write(b"bye");
            match ending {
                Ending::AfterThePeer => peer.end(),
                Ending::DestroySoon => scene.socket(id).destroy_soon(),
                Ending::EndFirst => {
                    scene.socket(id).end();
                }
            }
            let mut got = Vec::new();
            scene.drive_with(&format!("the end of {ending:?}"), |_| {
                peer.read_to_end(&mut got).is_ok()
            });
            assert_eq!(got, b"bye", "{ending:?}");
            if let Ending::EndFirst = ending {
                peer.end();
            }
            scene.drive_to_close("us");
        }
    }
}

#[test]
fn an_end_reaches_the_peer_of_a_socket_that_was_lent() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    let _duplicate = scene.socket(id).try_clone_descriptor().unwrap();
    peer.write(b"still answered");
    scene.drive("the bytes", |world| world.received_length("us") == 14);
    let _ = scene.socket(id).write(b"yes");
    assert_eq!(scene.peer_reads(&mut peer, 3), b"yes");
    peer.half_close();
    assert_eq!(scene.peer_reads_to_end(&mut peer).end, PeerEnd::Fin);
    scene.drive_to_close("us");
    assert_eq!(
        scene.world.trace("us"),
        "connect data:still answered end close:Graceful"
    );
}

#[test]
fn destroy_leaves_the_connection_to_a_duplicate() {
    let (ours, duplicate, mut peer) = ends(true);
    let mut scene = Scene::new();
    let id = scene
        .event_loop
        .adopt(ours, SocketOptions::new(), Recorder::new("us"))
        .unwrap();
    scene.socket(id).destroy();
    scene.drive_to_close("us");
    let mut duplicate = duplicate.into_unix().unwrap();
    duplicate.write_all(b"alive").unwrap();
    let mut bytes = [0; 5];
    peer.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"alive");
}

#[test]
fn a_closed_server_leaves_its_backlog_to_a_duplicate() {
    let mut scene = Scene::new();
    let (server, address) = scene.listen(SocketOptions::new(), |_| Recorder::new("guest"));
    let duplicate = scene.event_loop.server(server).try_clone_descriptor();
    let duplicate = TcpListener::from(duplicate.unwrap());
    scene.event_loop.server(server).close();
    scene.settle();
    let _peer = TcpStream::connect(address).unwrap();
    duplicate.set_nonblocking(false).unwrap();
    duplicate.accept().unwrap();
    drop(duplicate);
    assert!(TcpStream::connect(address).is_err());
}

/// Has the loop read and write a socket, while a duplicate keeps clearing O_NONBLOCK.
fn play_with_blocking_duplicate(is_unix: bool) {
    let (ours, duplicate, mut peer) = ends(is_unix);
    let mut scene = Scene::new();
    let options = SocketOptions::new().max_queued_bytes(64 << 20);
    let id = scene
        .event_loop
        .adopt(ours, options, Recorder::new("us"))
        .unwrap();
    let clear = |stream: &StdStream| match stream {
        StdStream::Unix(stream) => stream.set_nonblocking(false).unwrap(),
        StdStream::Tcp(stream) => stream.set_nonblocking(false).unwrap(),
        _ => unreachable!(),
    };
    clear(&duplicate);
    let mut total = 0;
    for length in [1, 100, 128 << 10, 300_000] {
        let bytes = pattern(length, 1);
        let mut sent = 0;
        total += length;
        scene.drive_with("the bytes", |scene| {
            clear(&duplicate);
            sent += peer.write(&bytes[sent..]).unwrap_or(0);
            scene.world.received_length("us") == total
        });
        clear(&duplicate);
        scene.settle();
    }
    // More than the kernel takes: a send that waits would wait for ever.
    let _ = scene.socket(id).write(&pattern(16 << 20, 2));
    clear(&duplicate);
    scene.settle();
    assert!(scene.socket(id).queued_bytes() > 0);
    scene.socket(id).destroy_soon();
    let mut got = 0;
    scene.drive_with("the end", |_| {
        let mut piece = vec![0; 1 << 20];
        match peer.read(&mut piece) {
            Ok(length) => {
                got += length;
                length == 0
            }
            Err(_) => false,
        }
    });
    assert_eq!(got, 16 << 20);
}

#[test]
fn a_duplicate_that_blocks_holds_up_no_read_or_write() {
    without_waiting(|| play_with_blocking_duplicate(false));
    without_waiting(|| play_with_blocking_duplicate(true));
}

#[test]
fn a_duplicate_that_blocks_holds_up_no_look_at_a_deadline() {
    let play = |options: SocketOptions, queued: usize| {
        let (ours, peer) = Peer::pair();
        let duplicate = ours.try_clone().unwrap();
        let mut scene = Scene::new();
        let id = scene
            .event_loop
            .adopt(ours, options, Recorder::new("us"))
            .unwrap();
        scene.socket(id).pause();
        let _ = scene.socket(id).write(&vec![7; queued]);
        scene.socket(id).end();
        duplicate.set_nonblocking(false).unwrap();
        // The peer sends nothing, so a look that waits would wait for ever.
        scene.drive("the deadline", |world| {
            world.trace("us").contains("timeout") || world.trace("us").contains("close")
        });
        drop(peer);
    };
    without_waiting(move || {
        let soon = Duration::from_millis(20);
        play(SocketOptions::new().idle_timeout(soon), 0);
        play(SocketOptions::new().close_timeout(soon), 16 << 20);
    });
}

#[test]
fn an_urgent_byte_alone_holds_up_no_turn() {
    without_waiting(|| {
        let (ours, peer) = Peer::pair();
        let duplicate = ours.try_clone().unwrap();
        let mut scene = Scene::new();
        let options = SocketOptions::new();
        let recorder = Recorder::new("us");
        scene.event_loop.adopt(ours, options, recorder).unwrap();
        duplicate.set_nonblocking(false).unwrap();
        let peer = peer.into_stream();
        SockRef::from(&peer).send_out_of_band(b"!").unwrap();
        scene.settle();
        (&peer).write_all(b"behind").unwrap();
        scene.drive("the bytes", |world| world.received("us") == b"behind");
    });
}

#[test]
fn a_listener_that_blocks_elsewhere_holds_up_no_accept() {
    without_waiting(|| {
        let scratch = scratch_path();
        let tcp = TcpListener::bind(loopback()).unwrap();
        let address = tcp.local_addr().unwrap();
        let other_tcp = tcp.try_clone().unwrap();
        let unix = UnixListener::bind(&scratch.path).unwrap();
        let other_unix = unix.try_clone().unwrap();
        let mut scene = Scene::new();
        let reception = || Reception::new("server", |_| Recorder::new("guest"));
        let options = ListenOptions::new();
        scene.event_loop.serve(tcp, options, reception()).unwrap();
        let options = ListenOptions::new();
        scene.event_loop.serve(unix, options, reception()).unwrap();
        let (lent, lent_address) = scene.listen(SocketOptions::new(), |_| Recorder::new("guest"));
        let duplicate = scene.event_loop.server(lent).try_clone_descriptor();
        let other_lent = TcpListener::from(duplicate.unwrap());
        for round in 1..=2 {
            other_tcp.set_nonblocking(false).unwrap();
            other_unix.set_nonblocking(false).unwrap();
            other_lent.set_nonblocking(false).unwrap();
            let _peers = (
                TcpStream::connect(address).unwrap(),
                Peer::connect(lent_address),
                UnixStream::connect(&scratch.path).unwrap(),
            );
            scene.drive("the connections", |world| {
                world.count("guest", "connect") == 3 * round
            });
            scene.settle();
        }
    });
}

#[test]
fn sockets_that_keep_messages_apart_are_refused() {
    let mut scene = Scene::new();
    for kind in [Type::DGRAM, Type::SEQPACKET] {
        let (ours, _peer) = Socket::pair(Domain::UNIX, kind, None).unwrap();
        let stream = UnixStream::from(OwnedFd::from(ours));
        let recorder = Recorder::new("us");
        let error = scene
            .event_loop
            .adopt(stream, SocketOptions::new(), recorder)
            .unwrap_err();
        assert!(
            error.to_string().contains("keeps messages apart"),
            "{error}"
        );
    }
    let udp = std::net::UdpSocket::bind(loopback()).unwrap();
    udp.connect(udp.local_addr().unwrap()).unwrap();
    let stream = TcpStream::from(OwnedFd::from(udp));
    let recorder = Recorder::new("us");
    let adopted = scene
        .event_loop
        .adopt(stream, SocketOptions::new(), recorder);
    assert!(adopted.is_err());
    let scratch = scratch_path();
    let listener = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
    let address = socket2::SockAddr::unix(&scratch.path).unwrap();
    listener.bind(&address).unwrap();
    listener.listen(1).unwrap();
    let listener = UnixListener::from(OwnedFd::from(listener));
    let reception = Reception::new("server", |_| Recorder::new("guest"));
    let served = scene
        .event_loop
        .serve(listener, ListenOptions::new(), reception);
    assert!(served.is_err());
}
