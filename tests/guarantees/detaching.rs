//! Sockets that move: to another loop, to a thread, or from elsewhere.

use std::cell::Cell;
use std::io::{Read, Write};
#[cfg(unix)]
use std::net::Shutdown;
use std::net::TcpStream;
use std::rc::Rc;
#[cfg(unix)]
use std::time::Instant;

use netloop::{Error, Flow, KeepAlive, Limits, ListenOptions, SocketOptions, State};
use socket2::{Domain, Socket, Type};

use crate::accept_limits::connect_from;
#[cfg(unix)]
use crate::support::PATIENCE;
use crate::support::{
    BlackHole, Peer, Reception, Recorder, Scene, Seen, assert_same_bytes, client_host, loopback,
    pattern,
};

#[test]
fn a_detached_stream_goes_on_in_another_loop_without_loss() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.adopted(SocketOptions::new(), Recorder::new("before"));
    let bytes = pattern(300_000, 1);
    let (first, second) = bytes.split_at(200_000);
    assert_eq!(scene.socket(id).write(first), Flow::Full);
    scene.socket(id).notify_when_sent(1);
    // Bytes that have arrived and were not read go along.
    scene.socket(id).pause();
    peer.write(b"unread");
    scene.settle();
    let (stream, unsent) = scene.socket(id).detach().unwrap();
    let stream = stream.into_tcp().unwrap();
    assert!(!unsent.is_empty(), "the kernel cannot have taken all of it");
    assert_eq!(scene.socket(id).state(), State::Closed);
    assert_eq!(scene.socket(id).write(b"too late"), Flow::Closed);
    assert!(scene.socket(id).detach().is_none());
    scene.drive_to_close("before");
    assert_eq!(
        scene.world.trace("before"),
        "sent:1:ERR_SOCKET_CLOSED close:Detached"
    );

    let mut other = Scene::new();
    let id = other
        .event_loop
        .adopt(stream, SocketOptions::new(), Recorder::new("after"))
        .unwrap();
    assert!(other.socket(id).write_owned(unsent).is_accepted());
    assert!(other.socket(id).end_with(second).is_accepted());
    let received = other.peer_reads_to_end(&mut peer);
    assert_same_bytes(&received.bytes, &bytes);
    peer.close();
    other.drive_to_close("after");
    assert_eq!(other.world.trace("after"), "data:unread end close:Graceful");
    // The first loop has heard nothing of all that.
    scene.settle();
    assert_eq!(scene.world.trace("before").matches(' ').count(), 1);
}

#[test]
fn a_handler_can_hand_its_socket_to_a_thread() {
    let mut scene = Scene::new();
    let us = Recorder::new("us").reacting(|cx, seen| {
        if let Seen::Data(_) = seen {
            let (stream, unsent) = cx.socket.detach().unwrap();
            let mut stream = stream.into_tcp().unwrap();
            assert!(unsent.is_empty());
            stream.set_nonblocking(false).unwrap();
            std::thread::spawn(move || {
                let mut rest = Vec::new();
                stream.read_to_end(&mut rest).unwrap();
                stream.write_all(&rest).unwrap();
            });
        }
    });
    let (_, mut peer) = scene.accepted(SocketOptions::new(), us);
    peer.write(b"switch");
    scene.drive_to_close("us");
    peer.write(b"to the thread");
    peer.half_close();
    let received = scene.peer_reads_to_end(&mut peer);
    assert_eq!(received.bytes, b"to the thread");
    assert_eq!(
        scene.world.trace("us"),
        "connect data:switch close:Detached"
    );
}

#[test]
fn only_a_connection_that_is_there_can_be_detached() {
    let mut scene = Scene::new();
    let hole = BlackHole::new();
    let connecting = scene
        .event_loop
        .connect(hole.address(), Recorder::new("connecting"))
        .unwrap();
    assert!(scene.socket(connecting).detach().is_none());
    assert_eq!(scene.socket(connecting).state(), State::Opening);

    let (id, _peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    scene.socket(id).destroy();
    assert!(scene.socket(id).detach().is_none());
    scene.drive_to_close("us");
    assert!(scene.socket(id).detach().is_none());
    assert_eq!(scene.world.trace("us"), "connect close:Local");
}

// H6: the server waits for its sockets, not for what became of their streams.
#[test]
fn a_detached_socket_is_none_of_its_servers_any_more() {
    let mut scene = Scene::new();
    let (server, address) = scene.listen(SocketOptions::new(), |_| Recorder::new("us"));
    let _peer = Peer::connect(address);
    scene.drive("the connection", |world| world.newest.is_some());
    let id = scene.world.newest.unwrap();
    let _stream = scene.socket(id).detach().unwrap();
    scene.drive_to_close("us");
    assert_eq!(scene.event_loop.server(server).connection_count(), 0);
    scene.event_loop.server(server).close();
    scene.settle();
    assert!(!scene.event_loop.is_alive());
}

#[test]
fn a_stream_without_a_connection_is_not_adopted() {
    let mut scene = Scene::new();
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let error = scene
        .event_loop
        .adopt(
            TcpStream::from(socket),
            SocketOptions::new(),
            Recorder::new("us"),
        )
        .unwrap_err();
    assert_eq!(error.code(), "ENOTCONN");
    scene.settle();
    assert!(!scene.event_loop.is_alive());
}

/// A way in which a connection ends before a loop adopts it.
#[cfg(unix)]
#[derive(Clone, Copy, Debug)]
enum Over {
    Reset,
    EndedByBoth,
}

/// A socket whose connection is over. The peer has sent `bytes` before.
#[cfg(unix)]
fn stream_that_is_over(how: Over, bytes: &[u8]) -> TcpStream {
    let (ours, mut peer) = Peer::roomy_pair();
    peer.write(bytes);
    match how {
        Over::Reset => peer.reset(),
        Over::EndedByBoth => {
            ours.shutdown(Shutdown::Write).unwrap();
            peer.close();
        }
    }
    let begun = Instant::now();
    while ours.peer_addr().is_ok() {
        assert!(begun.elapsed() < PATIENCE, "the connection is not over");
        std::thread::yield_now();
    }
    ours
}

// Windows discards the received bytes on a reset.
#[cfg(unix)]
#[test]
fn a_stream_that_is_over_is_adopted_with_its_unread_bytes() {
    let bytes = pattern(5000, 7);
    for how in [Over::Reset, Over::EndedByBoth] {
        for is_paused in [false, true] {
            for bytes in [&bytes[..], b""] {
                let ours = stream_that_is_over(how, bytes);
                let mut scene = Scene::new();
                let options = SocketOptions::new().pause_on_connect(is_paused);
                let recorder = Recorder::new("us");
                let id = scene.event_loop.adopt(ours, options, recorder).unwrap();
                scene.settle();
                scene.socket(id).resume();
                scene.drive_to_close("us");
                assert_same_bytes(&scene.world.received("us"), bytes);
                let end = match how {
                    Over::Reset => "error:ECONNRESET close:Reset",
                    Over::EndedByBoth => "end close:Graceful",
                };
                let trace = scene.world.trace("us");
                assert!(trace.ends_with(end), "{how:?} {is_paused} {trace}");
            }
        }
    }
}

#[cfg(unix)]
#[test]
fn unix_sockets_move_between_loops_too_and_are_no_tcp() {
    use std::os::unix::net::UnixStream;

    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let mut scene = Scene::new();
    let options = SocketOptions::new()
        .keep_alive(KeepAlive::new())
        .type_of_service(0x10);
    let id = scene
        .event_loop
        .adopt(ours, options, Recorder::new("before"))
        .unwrap();
    let mut socket = scene.socket(id);
    assert_eq!(
        (socket.local_address(), socket.peer_address()),
        (None, None)
    );
    socket.set_no_delay(true).unwrap();
    socket.set_keep_alive(None).unwrap();
    socket.set_type_of_service(0).unwrap();
    assert_eq!(socket.type_of_service(), None);
    let error = socket.reset().unwrap_err();
    assert_eq!(error.code(), Error::INVALID_HANDLE_TYPE, "K");
    assert_eq!(socket.state(), State::Open);
    let (ours, unsent) = socket.detach().unwrap();
    let ours = ours.into_unix().unwrap();
    assert!(unsent.is_empty());
    scene.drive_to_close("before");
    assert_eq!(scene.world.trace("before"), "close:Detached");

    let mut other = Scene::new();
    let options = SocketOptions::new();
    let id = other
        .event_loop
        .adopt(ours, options, Recorder::new("after"))
        .unwrap();
    theirs.write_all(b"hello").unwrap();
    assert_eq!(other.socket(id).end_with(b"hi"), Flow::Open);
    other.drive("the bytes", |world| world.received("after") == b"hello");
    let mut answer = String::new();
    theirs.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "hi");
    drop(theirs);
    other.drive_to_close("after");
    assert_eq!(other.world.trace("after"), "data:hello end close:Graceful");
}

// One peer of a burst is over a limit, and the next one, which the loop has accepted too, is not.
#[test]
fn a_server_detached_over_a_limit_refuses_no_peer() {
    let mut scene = Scene::new();
    let number = Rc::new(Cell::new(None));
    let (own, taken) = (Rc::clone(&number), Rc::new(Cell::new(None)));
    let keeps = Rc::clone(&taken);
    let reception = Reception::new("server", |number| {
        Recorder::new(format!("theirs {number}")).on("data", |cx, _| {
            let _ = cx.socket.write(b"!");
        })
    })
    .on("drop", move |cx, _| {
        let server = own.get().unwrap();
        keeps.set(cx.sockets.server(server).detach());
    });
    let limits = Limits::new().max_connections_per_network(1);
    let options = ListenOptions::new().limits(limits);
    let server = scene.serve(loopback(), options, reception);
    number.set(Some(server));
    let address = scene.address_of(server);
    let _inside = connect_from(client_host(0), address);
    scene.drive_until("theirs 0", "connect");
    let _over = connect_from(client_host(0), address);
    let mut accepted = connect_from(client_host(1), address);
    let _queued = connect_from(client_host(2), address);
    accepted.write(b"?");
    scene.drive_until("server", "drop");
    assert_eq!(scene.peer_reads(&mut accepted, 1), b"!");
    // The last one is in the backlog of the listener.
    let listener = taken.take().unwrap().into_tcp().unwrap();
    assert!(listener.accept().is_ok());
    for id in scene.event_loop.sockets().ids() {
        scene.socket(id).destroy();
    }
    scene.drive_until("server", "server-close");
    assert_eq!(scene.world.count("server", "connection"), 2);
}
