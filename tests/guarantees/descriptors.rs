//! Descriptors that are lent and duplicated, listeners that are given away, and the paths of Unix sockets.
#![cfg(unix)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use netloop::{Error, ListenOptions, SocketOptions, StdListener};
use socket2::SockRef;

use crate::support::{BlackHole, Peer, PeerEnd, Reception, Recorder, Scene, scratch_path};

#[test]
fn a_descriptor_is_lent_as_long_as_the_socket_is_there() {
    let mut scene = Scene::new();
    let (id, _peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    let mut socket = scene.socket(id);
    let descriptor = socket.descriptor().unwrap();
    SockRef::from(&descriptor)
        .set_recv_buffer_size(8 << 10)
        .unwrap();
    let number = descriptor.as_raw_fd();
    let duplicate = socket.try_clone_descriptor().unwrap();
    assert_ne!(duplicate.as_raw_fd(), number);
    socket.destroy();
    assert!(socket.descriptor().is_none(), "about to close");
    scene.drive_to_close("us");
    let mut socket = scene.socket(id);
    assert!(socket.descriptor().is_none());
    let error = socket.try_clone_descriptor().unwrap_err();
    assert_eq!(error.code(), Error::NO_DESCRIPTOR);
}

// epoll forgets a socket with its last descriptor only.
#[cfg(not(mio_unsupported_force_poll_poll))]
#[test]
fn a_duplicate_keeps_the_connection_and_not_the_socket() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    let duplicate = scene.socket(id).try_clone_descriptor().unwrap();
    scene.socket(id).destroy();
    scene.drive_to_close("us");
    let mut stream = TcpStream::from(duplicate);
    stream.set_nonblocking(false).unwrap();
    peer.write(b"to the duplicate");
    let mut bytes = [0; 16];
    stream.peek(&mut bytes).unwrap();
    let mut poll = Poll::new().unwrap();
    let event_loop = scene.event_loop.as_fd().as_raw_fd();
    poll.registry()
        .register(&mut SourceFd(&event_loop), Token(0), Interest::READABLE)
        .unwrap();
    let mut events = Events::with_capacity(1);
    poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
    assert!(
        events.is_empty(),
        "the loop is woken for a socket that is gone"
    );

    stream.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"to the duplicate");
    stream.write_all(b"still here").unwrap();
    drop(stream);
    let received = scene.peer_reads_to_end(&mut peer);
    assert_eq!(
        (&*received.bytes, received.end),
        (&b"still here"[..], PeerEnd::Fin)
    );
    assert_eq!(scene.world.trace("us"), "connect close:Local");
}

#[test]
fn a_socket_that_connects_has_a_descriptor_and_a_dead_one_none() {
    let mut scene = Scene::new();
    let hole = BlackHole::new();
    let id = scene.connect(hole.address(), SocketOptions::new(), Recorder::new("us"));
    assert!(scene.socket(id).descriptor().is_some());
    let named = scene.connect(
        ("localhost", hole.address().port()),
        SocketOptions::new(),
        Recorder::new("named"),
    );
    assert!(scene.socket(named).descriptor().is_none(), "still a name");
}

#[test]
fn a_server_lends_its_descriptor_while_it_listens() {
    let mut scene = Scene::new();
    let (server, address) = scene.listen(SocketOptions::new(), |_| Recorder::new("guest"));
    let mut view = scene.event_loop.server(server);
    assert!(view.descriptor().is_some());
    let duplicate = view.try_clone_descriptor().unwrap();
    let duplicate = TcpListener::from(duplicate);
    assert_eq!(duplicate.local_addr().unwrap(), address);
    scene.event_loop.server(server).close();
    let mut view = scene.event_loop.server(server);
    assert!(view.descriptor().is_none());
    let error = view.try_clone_descriptor().unwrap_err();
    assert_eq!(error.code(), Error::NO_DESCRIPTOR);
}

#[test]
fn a_listener_moves_between_loops_and_refuses_no_peer() {
    let mut scene = Scene::new();
    let (server, address) = scene.listen(SocketOptions::new(), |_| Recorder::new("first"));
    let _first = Peer::connect(address);
    scene.drive("the connection", |world| world.newest.is_some());
    // It waits in the kernel's queue when the listener moves.
    let mut second = Peer::connect(address);
    let listener = scene.event_loop.server(server).detach().unwrap();
    assert!(!scene.event_loop.server(server).is_listening());
    assert!(scene.event_loop.server(server).detach().is_none());
    let mut third = Peer::connect(address);
    scene.settle();
    assert_eq!(scene.event_loop.server(server).connection_count(), 1);
    scene.event_loop.server(server).destroy_connections();
    scene.settle();
    assert!(scene.world.trace("server").ends_with("server-close"));
    assert!(!scene.event_loop.is_alive());

    let mut other = Scene::new();
    let listener = listener.into_tcp().unwrap();
    let reception = Reception::new("server", |_| Recorder::new("guest"));
    let server = other
        .event_loop
        .serve(listener, ListenOptions::new(), reception)
        .unwrap();
    other.drive_with("both connections", |other| {
        other.event_loop.server(server).connection_count() == 2
    });
    let answers = other.event_loop.server(server).broadcast(b"here");
    assert_eq!(answers, []);
    for peer in [&mut second, &mut third] {
        assert_eq!(other.peer_reads(peer, 4), b"here");
    }
}

#[test]
fn a_server_without_a_listener_has_none_to_give() {
    let mut scene = Scene::new();
    let (server, _) = scene.listen(SocketOptions::new(), |_| Recorder::new("guest"));
    scene.event_loop.server(server).close();
    assert!(scene.event_loop.server(server).detach().is_none());
    let reception = Reception::new("named", |_| Recorder::new("guest"));
    let named = scene.serve("localhost:0", ListenOptions::new(), reception);
    assert!(scene.event_loop.server(named).detach().is_none());
    scene.drive("the lookup", |world| world.trace("named") == "listening");
    let detached = scene.event_loop.server(named).detach();
    assert!(matches!(detached, Some(StdListener::Tcp(_))));
}

#[test]
fn the_file_of_a_unix_listener_goes_with_the_listener() {
    let scratch = scratch_path();
    let path = &scratch.path;
    let mut scene = Scene::new();
    let reception = Reception::new("server", |_| Recorder::new("guest"));
    let server = scene.serve(path.as_path(), ListenOptions::new(), reception);
    let listener = scene.event_loop.server(server).detach().unwrap();
    scene.settle();
    assert!(scene.world.trace("server").ends_with("server-close"));
    drop(scene);
    let listener: UnixListener = listener.into_unix().unwrap();
    let _peer = UnixStream::connect(path).unwrap();
    listener.set_nonblocking(false).unwrap();
    listener.accept().unwrap();
}

#[test]
fn unix_sockets_name_the_paths_of_both_ends() {
    let scratch = scratch_path();
    let path = &scratch.path;
    let mut scene = Scene::new();
    let reception = Reception::new("server", |_| Recorder::new("guest"));
    scene.serve(path.as_path(), ListenOptions::new(), reception);
    let id = scene.connect(path.as_path(), SocketOptions::new(), Recorder::new("us"));
    scene.drive("both ends", |world| {
        world.trace("us") == "connect" && world.trace("guest") == "connect"
    });
    let guest = scene.world.newest.unwrap();
    let us = scene.socket(id);
    assert_eq!(
        (us.local_path(), us.peer_path()),
        (None, Some(path.clone()))
    );
    let guest = scene.socket(guest);
    assert_eq!(
        (guest.local_path(), guest.peer_path()),
        (Some(path.clone()), None)
    );
    scene.socket(id).destroy();
    assert_eq!(scene.socket(id).peer_path(), None);
}
