//! An option out of its range is refused by the call that sets it, with its name and its range, and nothing is set.

use std::net::TcpListener;
#[cfg(unix)]
use std::os::unix::net::UnixListener;
use std::time::Duration;

use netloop::{
    ConnectOptions, Error, EventLoop, EventLoopOptions, KeepAlive, ListenOptions, SocketOptions,
};
use socket2::SockRef;

use crate::support::{Peer, Recorder, Scene, loopback, scratch_path};

/// Keep-alive of which no system keeps all, with the name of the option at fault.
fn excesses() -> [(KeepAlive, &'static str, &'static str); 4] {
    let minute = KeepAlive::after(Duration::from_secs(60));
    [
        (
            KeepAlive::after(Duration::from_secs(36_000)),
            "after",
            "32767",
        ),
        (KeepAlive::after(Duration::MAX), "after", "32767"),
        (
            minute.interval(Duration::from_secs(32_768)),
            "interval",
            "32767",
        ),
        (minute.probes(200), "probes", "127"),
    ]
}

#[track_caller]
fn assert_refused(error: &Error, option: &str, limit: &str) {
    assert_eq!(error.code(), Error::INVALID_ARGUMENT, "{error}");
    let text = error.to_string();
    assert!(text.contains(option) && text.contains(limit), "{text}");
}

#[test]
fn keep_alive_beyond_its_range_is_refused_by_every_call() {
    for (keep_alive, option, limit) in excesses() {
        let mut scene = Scene::new();
        let options = SocketOptions::new().keep_alive(keep_alive);
        let event_loop = &mut scene.event_loop;
        let listened = event_loop.listen_with(loopback(), options.clone(), |_, _| {
            Recorder::new("accepted")
        });
        assert_refused(&listened.unwrap_err(), option, limit);
        let own = TcpListener::bind(loopback()).unwrap();
        let address = own.local_addr().unwrap();
        let connected = event_loop.connect_with(address, options.clone(), Recorder::new("us"));
        assert_refused(&connected.unwrap_err(), option, limit);
        own.set_nonblocking(true).unwrap();
        assert!(own.accept().is_err(), "no connect was made");
        let listened =
            event_loop.listen_with(own, options.clone(), |_, _| Recorder::new("accepted"));
        assert_refused(&listened.unwrap_err(), option, limit);
        let (ours, _peer) = Peer::pair();
        let adopted = event_loop.adopt(ours, options, Recorder::new("us"));
        assert_refused(&adopted.unwrap_err(), option, limit);
        assert_eq!(scene.event_loop.sockets().ids().count(), 0);
        assert!(!scene.event_loop.is_alive());
    }
}

#[cfg(unix)]
#[test]
fn a_refused_keep_alive_leaves_the_socket_as_it_was() {
    let mut scene = Scene::new();
    let before = KeepAlive::after(Duration::from_secs(77))
        .interval(Duration::from_secs(7))
        .probes(5);
    let options = SocketOptions::new().keep_alive(before);
    let (id, _peer) = scene.accepted(options, Recorder::new("us"));
    for (keep_alive, option, limit) in excesses() {
        let mut socket = scene.socket(id);
        let refused = socket.set_keep_alive(keep_alive).unwrap_err();
        assert_refused(&refused, option, limit);
        assert_eq!(socket.keep_alive(), Some(before));
        let descriptor = socket.descriptor().unwrap();
        let system = SockRef::from(&descriptor);
        assert!(system.keepalive().unwrap());
        assert_eq!(system.tcp_keepalive_time().unwrap().as_secs(), 77);
        assert_eq!(system.tcp_keepalive_interval().unwrap().as_secs(), 7);
        assert_eq!(system.tcp_keepalive_retries().unwrap(), 5);
    }
}

#[test]
fn a_connecting_socket_refuses_what_an_open_one_refuses() {
    let mut scene = Scene::new();
    let own = TcpListener::bind(loopback()).unwrap();
    let address = own.local_addr().unwrap();
    let id = scene.connect(address, SocketOptions::new(), Recorder::new("us"));
    for (keep_alive, option, limit) in excesses() {
        let refused = scene.socket(id).set_keep_alive(keep_alive).unwrap_err();
        assert_refused(&refused, option, limit);
        assert_eq!(scene.socket(id).keep_alive(), None);
    }
}

#[cfg(unix)]
#[test]
fn the_widest_keep_alive_is_set_as_it_was_asked_for() {
    let longest = Duration::from_secs(32_767);
    let widest = KeepAlive::after(longest).interval(longest).probes(127);
    let options = SocketOptions::new().keep_alive(widest);
    let mut scene = Scene::new();
    let (accepted, _peer) = scene.accepted(options.clone(), Recorder::new("accepted"));
    let own = TcpListener::bind(loopback()).unwrap();
    let connected = scene.connect(own.local_addr().unwrap(), options, Recorder::new("us"));
    scene.drive_until("us", "connect");
    for id in [accepted, connected] {
        let mut socket = scene.socket(id);
        let descriptor = socket.descriptor().unwrap();
        let system = SockRef::from(&descriptor);
        assert_eq!(system.tcp_keepalive_time().unwrap(), longest);
        assert_eq!(system.tcp_keepalive_interval().unwrap(), longest);
        assert_eq!(system.tcp_keepalive_retries().unwrap(), 127);
    }
}

#[test]
fn a_loop_refuses_buffers_that_no_machine_has() {
    for (options, option) in [
        (
            EventLoopOptions::new().read_buffer_bytes(usize::MAX),
            "read_buffer_bytes",
        ),
        (
            EventLoopOptions::new().events_per_poll(usize::MAX),
            "events_per_poll",
        ),
    ] {
        let refused = EventLoop::<()>::with_options(options);
        assert_refused(&refused.unwrap_err(), option, "at most");
    }
}

#[test]
fn options_at_both_ends_of_their_types_make_a_working_server() {
    for (extreme, count) in [(Duration::ZERO, 0), (Duration::MAX, usize::MAX)] {
        let mut scene = Scene::new();
        let socket = SocketOptions::new()
            .high_water_mark(count)
            .low_water_mark(count)
            .max_queued_bytes(count)
            .idle_timeout(extreme)
            .close_timeout(extreme);
        let options = ListenOptions::from(socket)
            .backlog(if count == 0 { 0 } else { u32::MAX })
            .max_connections(1 + count / 2);
        let (_, address) = scene.listen(options, |_| Recorder::new("us"));
        let mut peer = Peer::connect(address);
        peer.write(b"x");
        scene.drive("the byte", |world| world.received_length("us") == 1);
    }
}

// An option that is accepted in silence looks as if it had an effect.
#[cfg(unix)]
#[test]
fn an_option_of_another_kind_of_socket_is_refused() {
    let mut scene = Scene::new();
    let scratch = scratch_path();
    let own = UnixListener::bind(&scratch.path).unwrap();
    own.set_nonblocking(true).unwrap();
    let from = loopback().ip();
    for (options, option) in [
        (ConnectOptions::new().local_address(from), "local_address"),
        (ConnectOptions::new().local_port(7000), "local_port"),
    ] {
        let event_loop = &mut scene.event_loop;
        let refused = event_loop.connect_with(&scratch.path, options, Recorder::new("us"));
        assert_refused(&refused.unwrap_err(), option, "a path");
    }
    assert!(own.accept().is_err(), "no connect was made");
    let bound = || TcpListener::bind(loopback()).unwrap();
    for (options, option) in [
        (ListenOptions::new().readable_all(true), "readable_all"),
        (ListenOptions::new().writable_all(true), "writable_all"),
    ] {
        let event_loop = &mut scene.event_loop;
        let refused = event_loop.listen_with(loopback(), options.clone(), |_, _| {
            Recorder::new("accepted")
        });
        assert_refused(&refused.unwrap_err(), option, "an address");
        let refused = event_loop.listen_with(("localhost", 0), options.clone(), |_, _| {
            Recorder::new("accepted")
        });
        assert_refused(&refused.unwrap_err(), option, "a name");
        let refused =
            event_loop.listen_with(bound(), options.clone(), |_, _| Recorder::new("accepted"));
        assert_refused(&refused.unwrap_err(), option, "bound already");
        let adopted = own.try_clone().unwrap();
        let refused = event_loop.listen_with(adopted, options, |_, _| Recorder::new("accepted"));
        assert_refused(&refused.unwrap_err(), option, "bound already");
    }
    assert!(!scene.event_loop.is_alive());
}
