//! B: how a connection comes about, above all by name.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use netloop::{
    ConnectOptions, HostQuery, KeepAlive, ListenOptions, Resolver, SocketOptions, State, Syscall,
};

use crate::support::{
    BlackHole, DeadPort, Looked, Observed, Peer, PeerEnd, Recorder, Scene, answering, failing,
    host, loopback, observe,
};

/// A resolver that does not answer before the returned sender is dropped.
fn stuck() -> (mpsc::Sender<()>, Arc<dyn Resolver>) {
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let address = host("host1");
    let resolver = Arc::new(move |_: &HostQuery<'_>| {
        let _ = released.lock().unwrap().recv();
        Ok(vec![SocketAddr::new(address, 0)])
    });
    (release, resolver)
}

/// B1, and its deviation: a resolver that answers at once tells nothing inside the call either.
#[test]
fn lookup_attempt_and_connect_come_in_order_after_the_call() {
    let mut scene = Scene::new();
    let (_, address) = scene.listen(ListenOptions::new(), |_| Recorder::new("accepted"));
    let options = ConnectOptions::new().resolver(answering(&["host1"]));
    scene.connect(
        ("example.invalid", address.port()),
        options,
        Recorder::new("client"),
    );
    scene.connect(address, ConnectOptions::new(), Recorder::new("literal"));
    assert!(scene.world.log.is_empty(), "{:?}", scene.world.log);
    scene.drive_until("client", "connect");
    scene.drive_until("literal", "connect");
    assert_eq!(
        scene.world.dialing("client"),
        "lookup:host1 attempt:host1 connect"
    );
    assert_eq!(scene.world.dialing("literal"), "attempt:host1 connect");
}

/// B2.
#[test]
fn a_socket_is_opening_during_its_lookup_and_closed_in_on_error() {
    let mut scene = Scene::new();
    let asked = Looked::default();
    let client = Recorder::new("client")
        .on("lookup", |cx, _| {
            // Over already: what is told here is why.
            cx.shared.note(cx.socket.state().to_string());
        })
        .on("error", |cx, _| {
            cx.shared.note(cx.socket.state().to_string())
        });
    let options = ConnectOptions::new().resolver(failing(&asked));
    let client = scene.connect("example.invalid:80", options, client);
    assert_eq!(scene.socket(client).state(), State::Opening);
    scene.drive_to_close("client");
    assert_eq!(scene.world.notes, ["closed", "closed"]);
}

/// B3.
#[test]
fn a_failing_lookup_tells_itself_then_the_error_then_the_close() {
    let mut scene = Scene::new();
    let asked = Looked::default();
    let options = ConnectOptions::new().resolver(failing(&asked));
    scene.connect("example.invalid:80", options, Recorder::new("client"));
    scene.drive_to_close("client");
    assert_eq!(
        scene.world.dialing("client"),
        "lookup:ENOTFOUND error:ENOTFOUND close:Error"
    );
}

/// B3.
#[test]
fn a_name_without_an_address_is_not_found() {
    let mut scene = Scene::new();
    let options = ConnectOptions::new().resolver(answering(&[]));
    scene.connect("example.invalid:80", options, Recorder::new("client"));
    scene.drive_to_close("client");
    assert_eq!(
        scene.world.dialing("client"),
        "lookup:ENOTFOUND error:ENOTFOUND close:Error"
    );
    let error = scene.world.error("client");
    assert_eq!(error.syscall(), Some(Syscall::Lookup));
}

/// B4.
#[test]
fn a_refused_name_of_one_address_names_the_address() {
    let mut scene = Scene::new();
    let dead = DeadPort::new();
    let options = ConnectOptions::new().resolver(answering(&["host1"]));
    scene.connect(
        ("example.invalid", dead.port()),
        options,
        Recorder::new("client"),
    );
    scene.drive_to_close("client");
    let error = scene.world.error("client");
    assert_eq!(
        error.to_string(),
        format!("connect ECONNREFUSED {}", dead.address())
    );
    assert_eq!(error.address(), Some(dead.address().ip()));
    assert_eq!(error.port(), Some(dead.port()));
    assert!(error.attempts().is_empty());
}

/// B5 and C9.
#[cfg(target_os = "linux")]
#[test]
fn destroying_before_the_connection_fails_writes_with_a_code() {
    let hole = BlackHole::new();
    let (_release, resolver) = stuck();
    let mut scene = Scene::new();
    let by_address = scene.connect(
        hole.address(),
        ConnectOptions::new(),
        Recorder::new("address"),
    );
    let options = ConnectOptions::new().resolver(resolver);
    let by_name = scene.connect("example.invalid:80", options, Recorder::new("name"));
    for socket in [by_address, by_name] {
        let mut socket = scene.socket(socket);
        let _ = socket.write(b"one");
        socket.notify_when_sent(1);
        let _ = socket.end_with(b"two");
        socket.notify_when_sent(2);
    }
    scene.turn();
    scene.socket(by_address).destroy();
    scene.socket(by_name).destroy();
    scene.drive_to_exit();
    let code = "ERR_SOCKET_CLOSED_BEFORE_CONNECTION";
    let expected = format!("sent:1:{code} sent:2:{code} close:Local");
    assert_eq!(scene.world.trace("address"), expected);
    assert_eq!(scene.world.trace("name"), expected);
}

/// B6, T11, by name.
#[test]
fn a_reset_during_the_lookup_follows_the_queued_bytes() {
    let mut scene = Scene::new();
    let listener = TcpListener::bind(loopback()).unwrap();
    let port = listener.local_addr().unwrap().port();
    let options = ConnectOptions::new().resolver(answering(&["host1"]));
    let client = scene.connect(("example.invalid", port), options, Recorder::new("client"));
    let mut socket = scene.socket(client);
    let _ = socket.write(b"last words");
    socket.reset().unwrap();
    assert!(!socket.is_destroyed());
    scene.drive_to_close("client");
    assert_eq!(scene.world.trace("client"), "connect close:Local");
    let mut peer = Peer::accept(&listener);
    assert_eq!(scene.peer_reads_to_end(&mut peer).end, PeerEnd::Reset);
}

/// B7.
#[cfg(not(windows))]
#[test]
fn settings_made_during_the_lookup_hold_on_the_connection() {
    let mut scene = Scene::new();
    let listener = TcpListener::bind(loopback()).unwrap();
    let port = listener.local_addr().unwrap().port();
    let options = ConnectOptions::new().resolver(answering(&["host1"]));
    let client = Recorder::new("client").on("connect", |cx, _| {
        assert!(cx.socket.is_paused());
        assert!(!cx.socket.is_held());
        assert_eq!(cx.socket.type_of_service(), Some(0x10));
    });
    let client = scene.connect(("example.invalid", port), options, client);
    let mut socket = scene.socket(client);
    socket.pause();
    socket.set_no_delay(false).unwrap();
    socket
        .set_keep_alive(KeepAlive::after(Duration::from_secs(7)))
        .unwrap();
    socket.set_type_of_service(0x10).unwrap();
    assert_eq!(socket.type_of_service(), Some(0x10));
    socket.set_idle_timeout(Duration::from_secs(60));
    socket.release();
    scene.drive_until("client", "connect");
    let mut peer = Peer::accept(&listener);
    peer.write(b"unread");
    scene.settle();
    assert_eq!(scene.world.trace("client"), "connect");
    let (stream, _) = scene.socket(client).detach().unwrap();
    let stream = stream.into_tcp().unwrap();
    let expected = Observed {
        no_delay: false,
        keep_alive: true,
        keep_alive_after: Duration::from_secs(7),
    };
    assert_eq!(observe(&stream), expected);
}

/// B8: what was queued goes first, and the drain that it owes comes after `on_connect`.
#[test]
fn bytes_written_during_the_lookup_precede_those_of_on_connect() {
    let mut scene = Scene::new();
    let (_, address) = scene.listen(ListenOptions::new(), |_| Recorder::new("accepted"));
    let options = ConnectOptions::new()
        .resolver(answering(&["host1"]))
        .socket(SocketOptions::new().high_water_mark(6));
    let client = Recorder::new("client").on("connect", |cx, _| {
        let _ = cx.socket.end_with(b" after");
    });
    let client = scene.connect(("example.invalid", address.port()), options, client);
    let _ = scene.socket(client).write(b"before");
    assert!(scene.socket(client).needs_drain());
    scene.drive_to_close("accepted");
    assert_eq!(scene.world.received("accepted"), b"before after");
}

/// B9, and its deviation: a socket is one connection. Connecting anew from `on_close` makes another, and nothing of
/// the first is left in it, its idle timeout neither.
#[test]
fn connecting_anew_from_on_close_begins_from_nothing() {
    let mut scene = Scene::new();
    let (_, address) = scene.listen(ListenOptions::new(), |_| Recorder::new("accepted"));
    let client = Recorder::new("first")
        .on("connect", |cx, _| {
            let _ = cx.socket.write(b"hello");
            cx.socket.set_idle_timeout(Duration::from_secs(60));
            cx.socket.destroy();
        })
        .on("close", move |cx, _| {
            assert_eq!(cx.socket.bytes_written(), 5);
            let second = cx.connect(address, Recorder::new("second")).unwrap();
            assert_ne!(second, cx.socket.id());
            let socket = cx.socket.socket(second);
            assert_eq!(socket.state(), State::Opening);
            assert_eq!((socket.bytes_written(), socket.idle_timeout()), (0, None));
        });
    let first = scene.connect(address, ConnectOptions::new(), client);
    scene.drive_until("second", "connect");
    assert_eq!(scene.world.trace("first"), "connect close:Local");
    assert_eq!(scene.socket(first).state(), State::Closed);
}

/// Pains 6 and 7.
#[cfg(target_os = "linux")]
#[test]
fn the_connect_deadline_is_over_lookup_and_attempts() {
    let hole = BlackHole::new();
    let (_release, resolver) = stuck();
    let brief = ConnectOptions::new().connect_timeout(Duration::from_millis(60));
    for (name, resolver) in [
        ("lookup", resolver),
        ("attempts", answering(&["host2", "host2"])),
    ] {
        let mut scene = Scene::new();
        let begun = Instant::now();
        let to = ("example.invalid", hole.address().port());
        let options = brief.clone().resolver(resolver);
        scene.connect(to, options, Recorder::new(name));
        scene.drive_to_exit();
        assert!(begun.elapsed() >= Duration::from_millis(60));
        assert_eq!(
            scene.world.trace(name),
            "error:ETIMEDOUT close:TimedOut",
            "{name}"
        );
    }
}

#[test]
fn a_lookup_has_a_time_limit_of_its_own() {
    let (_release, resolver) = stuck();
    let mut scene = Scene::new();
    let options = ConnectOptions::new()
        .resolver(resolver)
        .lookup_timeout(Duration::from_millis(30));
    scene.connect("example.invalid:80", options, Recorder::new("client"));
    scene.drive_to_exit();
    assert_eq!(
        scene.world.dialing("client"),
        "lookup:ETIMEDOUT error:ETIMEDOUT close:TimedOut"
    );
    let error = scene.world.error("client");
    assert_eq!(error.syscall(), Some(Syscall::Lookup));
}

#[test]
fn a_loop_is_dropped_at_once_although_a_lookup_is_stuck() {
    let (_release, resolver) = stuck();
    let mut scene = Scene::new();
    let options = ConnectOptions::new().resolver(resolver);
    scene.connect("example.invalid:80", options, Recorder::new("client"));
    scene.turn();
    // It would not end at all if it waited, since the resolver is released after it.
    drop(scene);
}

#[test]
fn the_same_question_is_asked_once_while_it_is_under_way() {
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let asked = Arc::new(Mutex::new(0));
    let times = Arc::clone(&asked);
    let found = host("host1");
    let resolver: Arc<dyn Resolver> = Arc::new(move |_: &HostQuery<'_>| {
        *times.lock().unwrap() += 1;
        let _ = released.lock().unwrap().recv();
        Ok(vec![SocketAddr::new(found, 0)])
    });
    let mut scene = Scene::new();
    let (_, address) = scene.listen(ListenOptions::new(), |_| Recorder::new("accepted"));
    for number in 0..5 {
        let options = ConnectOptions::new().resolver(Arc::clone(&resolver));
        let client = Recorder::new(format!("client-{number}"));
        scene.connect(("example.invalid", address.port()), options, client);
    }
    scene.turn();
    drop(release);
    for number in 0..5 {
        scene.drive_until(&format!("client-{number}"), "connect");
    }
    assert_eq!(*asked.lock().unwrap(), 1);
}
