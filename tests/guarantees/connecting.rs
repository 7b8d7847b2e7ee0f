//! Connecting to an address: what may be done before the connection is there, and how it fails (rules B; reliability
//! B11, D8, D10).

use std::net::{SocketAddr, SocketAddrV6};
use std::sync::Arc;
use std::time::{Duration, Instant};

use netloop::{
    ConnectOptions, Endpoint, Error, Family, Flow, HostQuery, KeepAlive, SocketOptions, State,
    Syscall,
};

use crate::support::{
    BlackHole, DeadPort, Peer, PeerEnd, Recorder, Scene, Seen, let_time_pass, listener,
};

// B1; J
#[test]
fn nothing_is_told_inside_connect_and_a_refusal_is_told_later() {
    let mut scene = Scene::new();
    let dead = DeadPort::new();
    let id = scene
        .event_loop
        .connect(dead.address(), Recorder::new("us"))
        .unwrap();
    assert!(scene.world.log.is_empty());
    assert_eq!(scene.socket(id).state(), State::Opening, "B2");
    scene.drive_to_close("us");
    assert_eq!(scene.world.trace("us"), "error:ECONNREFUSED close:Error");
}

// B1
#[test]
fn an_immediate_error_of_the_system_is_told_later_too() {
    let mut scene = Scene::new();
    // Broadcast is not for TCP: connect(2) itself says so.
    let id = scene
        .event_loop
        .connect("255.255.255.255:9", Recorder::new("us"))
        .unwrap();
    assert!(scene.world.log.is_empty());
    assert_eq!(scene.socket(id).write(b"x"), Flow::Open, "not yet");
    scene.drive_to_close("us");
    let error = scene.world.error("us");
    let code = error.code();
    assert!(matches!(code, "ENETUNREACH" | "EACCES"), "{code}");
    assert_eq!(error.syscall(), Some(Syscall::Connect));
    assert_eq!(scene.world.trace("us"), format!("error:{code} close:Error"));
}

// B2
#[test]
fn the_state_is_opening_until_on_connect_or_on_error() {
    let mut scene = Scene::new();
    let (_listener, address) = listener();
    let looking = |name: &str| {
        Recorder::new(name).reacting(|cx, seen| {
            let state = cx.socket.state();
            cx.shared.note(format!("{seen}: {state}"));
            if *seen == Seen::Connect {
                cx.socket.destroy();
            }
        })
    };
    let id = scene.event_loop.connect(address, looking("ok")).unwrap();
    assert_eq!(scene.socket(id).state(), State::Opening);
    assert!(scene.socket(id).is_writable());
    scene.drive_to_close("ok");
    let dead = DeadPort::new();
    scene
        .event_loop
        .connect(dead.address(), looking("no"))
        .unwrap();
    scene.drive_to_close("no");
    assert_eq!(
        scene.world.notes,
        [
            "connect: open",
            "close:Local: closed",
            "error:ECONNREFUSED: closed",
            "close:Error: closed"
        ]
    );
}

// B5 (T7, T8)
#[test]
fn destroy_while_connecting_tells_only_on_close() {
    let mut scene = Scene::new();
    let (_listener, address) = listener();
    let dead = DeadPort::new();
    for (name, address) in [("there", address), ("refused", dead.address())] {
        let id = scene
            .event_loop
            .connect(address, Recorder::new(name))
            .unwrap();
        assert_eq!(scene.socket(id).write(b"queued"), Flow::Open);
        scene.socket(id).end();
        scene.socket(id).destroy();
        assert_eq!(scene.socket(id).state(), State::Closed);
        scene.drive_to_close(name);
        scene.settle();
        assert_eq!(scene.world.trace(name), "close:Local", "{name}");
    }
}

// B6 (T11)
#[test]
fn reset_while_connecting_follows_the_queued_bytes() {
    let mut scene = Scene::new();
    let (listener, address) = listener();
    let id = scene
        .event_loop
        .connect(address, Recorder::new("us"))
        .unwrap();
    assert_eq!(scene.socket(id).write(b"queued"), Flow::Open);
    scene.socket(id).reset().unwrap();
    assert!(!scene.socket(id).is_destroyed(), "not yet");
    scene.drive_to_close("us");
    assert_eq!(scene.world.trace("us"), "connect close:Local");
    let received = scene.peer_reads_to_end(&mut Peer::accept(&listener));
    assert_eq!(received.bytes, b"queued");
    assert_eq!(received.end, PeerEnd::Reset);
}

// macOS refuses SO_LINGER on a connection that is dead. The socket reads nothing that could tell of that.
#[cfg(feature = "simulation")]
#[test]
fn a_reset_while_connecting_closes_a_dead_connection_too() {
    use netloop::simulation::{Faults, faulty_event_loop};

    let faults = Faults {
        refused_options: 1000,
        ..Faults::NONE
    };
    let mut scene = Scene::new();
    scene.event_loop = faulty_event_loop(1, faults).unwrap();
    let (_listener, address) = listener();
    let options = SocketOptions::new().pause_on_connect(true);
    let connecting = scene
        .event_loop
        .connect_with(address, options, Recorder::new("us"));
    let id = connecting.unwrap();
    scene.socket(id).reset().unwrap();
    scene.drive_to_close("us");
    assert_eq!(scene.world.trace("us"), "connect close:Local");
}

// B6
#[test]
fn reset_and_then_destroy_while_connecting_tells_only_on_close() {
    let mut scene = Scene::new();
    let (_listener, address) = listener();
    let id = scene
        .event_loop
        .connect(address, Recorder::new("us"))
        .unwrap();
    scene.socket(id).reset().unwrap();
    scene.socket(id).destroy();
    scene.drive_to_close("us");
    scene.settle();
    assert_eq!(scene.world.trace("us"), "close:Local");
}

// B7
#[test]
fn everything_may_be_asked_for_while_connecting() {
    let mut scene = Scene::new();
    let (listener, address) = listener();
    let id = scene
        .event_loop
        .connect(address, Recorder::new("us"))
        .unwrap();
    let mut socket = scene.socket(id);
    socket.set_no_delay(false).unwrap();
    socket
        .set_keep_alive(KeepAlive::after(Duration::from_secs(60)))
        .unwrap();
    socket.set_idle_timeout(Duration::from_secs(60));
    socket.release();
    socket.hold();
    socket.pause();
    socket.resume();
    socket.pause();
    assert!(socket.is_paused() && socket.is_held());
    assert_eq!(socket.write(b"and written to"), Flow::Open);
    scene.drive("the connection", |world| {
        world.has_seen("us", &Seen::Connect)
    });
    let mut peer = Peer::accept(&listener);
    assert_eq!(scene.peer_reads(&mut peer, 14), b"and written to");
    peer.write(b"answer");
    scene.settle();
    assert_eq!(scene.world.trace("us"), "connect", "paused");
    scene.socket(id).resume();
    scene.drive("the answer", |world| world.received("us") == b"answer");
}

// B8 (T15)
#[test]
fn an_owed_drain_comes_between_on_connect_and_data() {
    let mut scene = Scene::new();
    let (listener, address) = listener();
    let id = scene
        .event_loop
        .connect(address, Recorder::new("us"))
        .unwrap();
    assert_eq!(scene.socket(id).write(&[b'x'; 64 << 10]), Flow::Full);
    let mut peer = scene.peer_accepts(&listener);
    peer.write(b"hello");
    scene.drive("the data", |world| world.received("us") == b"hello");
    assert_eq!(scene.world.trace("us"), "connect drain data:hello");
}

// B8
#[test]
fn options_are_applied_before_on_connect() {
    let mut scene = Scene::new();
    let (listener, address) = listener();
    let options = SocketOptions::new()
        .pause_on_connect(true)
        .allow_half_open(true)
        .high_water_mark(10)
        .idle_timeout(Duration::from_secs(9));
    let looking = Recorder::new("us").reacting(|cx, _| {
        assert!(cx.socket.is_paused() && cx.socket.allows_half_open());
        assert_eq!(cx.socket.high_water_mark(), 10);
        assert_eq!(cx.socket.idle_timeout(), Some(Duration::from_secs(9)));
    });
    scene
        .event_loop
        .connect_with(address, options, looking)
        .unwrap();
    scene.drive("the connection", |world| {
        world.has_seen("us", &Seen::Connect)
    });
    drop(listener);
}

// B7, B8
#[test]
fn options_set_while_connecting_hold_on_the_connection() {
    let mut scene = Scene::new();
    let (_listener, address) = listener();
    let idle = Duration::from_secs(60);
    let mut check = |name: &str, keeps_alive: bool| {
        let id = scene
            .event_loop
            .connect(address, Recorder::new(name))
            .unwrap();
        if keeps_alive {
            scene.socket(id).set_no_delay(false).unwrap();
            let keep_alive = KeepAlive::after(idle);
            scene.socket(id).set_keep_alive(keep_alive).unwrap();
        }
        scene.drive("the connection", |world| {
            world.has_seen(name, &Seen::Connect)
        });
        let (stream, unsent) = scene.socket(id).detach().unwrap();
        let stream = stream.into_tcp().unwrap();
        assert!(unsent.is_empty());
        let options = socket2::SockRef::from(&stream);
        assert_eq!(stream.nodelay().unwrap(), !keeps_alive);
        assert_eq!(options.keepalive().unwrap(), keeps_alive);
        #[cfg(not(windows))]
        if keeps_alive {
            assert_eq!(options.tcp_keepalive_time().unwrap(), idle);
        }
    };
    check("asked", true);
    check("default", false);
}

// Reliability D8: only the kernel's choice of port decides whether a connect to a dead port meets itself.
#[test]
fn a_connection_to_itself_is_refused() {
    // 0.0.0.0 leads to this machine, by an address that the caller did not ask for.
    for host in ["127.0.0.1", "0.0.0.0"] {
        let mut scene = Scene::new();
        let dead = DeadPort::everywhere();
        let port = dead.address().port();
        let to_itself = ConnectOptions::new().local_port(port);
        scene
            .event_loop
            .connect_with((host, port), to_itself, Recorder::new("us"))
            .unwrap();
        scene.drive_to_close("us");
        assert_eq!(scene.world.trace("us"), "error:ECONNREFUSED close:Error");
    }
}

// Reliability D10
#[test]
fn a_thousand_connects_that_are_given_up_leave_nothing_behind() {
    let mut scene = Scene::new();
    let nobody = BlackHole::new();
    let (_listener, address) = listener();
    for n in 0..500 {
        for address in [nobody.address(), address] {
            let recorder = Recorder::new(format!("{n} {address}"));
            let id = scene.event_loop.connect(address, recorder).unwrap();
            if n % 2 == 0 {
                scene.turn();
            }
            scene.socket(id).destroy();
        }
        if n % 10 == 0 {
            scene.turn();
        }
    }
    scene.settle();
    assert_eq!(scene.world.lives.len(), 1000);
    assert!(scene.world.all_are_closed());
    assert_eq!(scene.event_loop.sockets().ids().count(), 0);
    assert!(!scene.event_loop.is_alive());
}

// The connect deadline, which Node does not have.
#[test]
fn the_connect_deadline_is_never_early_and_fails_with_etimedout() {
    let mut scene = Scene::new();
    let nobody = BlackHole::new();
    let timeout = Duration::from_millis(50);
    scene.settle();
    // The clock of the loop stands still while the host does other things.
    let_time_pass(2 * timeout);
    let begun = Instant::now();
    let options = ConnectOptions::new().connect_timeout(timeout);
    scene
        .event_loop
        .connect_with(nobody.address(), options, Recorder::new("us"))
        .unwrap();
    scene.drive_to_close("us");
    assert!(begun.elapsed() >= timeout, "after {:?}", begun.elapsed());
    assert_eq!(scene.world.trace("us"), "error:ETIMEDOUT close:TimedOut");
    let text = scene.world.error("us").to_string();
    assert_eq!(text, format!("connect ETIMEDOUT {}", nobody.address()));
}

// The connect deadline
#[test]
fn the_connect_deadline_is_over_when_the_connection_is_there() {
    let mut scene = Scene::new();
    let (listener, address) = listener();
    let timeout = Duration::from_millis(30);
    let options = ConnectOptions::new().connect_timeout(timeout);
    scene
        .event_loop
        .connect_with(address, options, Recorder::new("us"))
        .unwrap();
    scene.let_pass(2 * timeout);
    assert_eq!(scene.world.trace("us"), "connect");
    drop(listener);
}

#[test]
fn no_deadline_of_a_connect_is_left_behind_it() {
    let mut scene = Scene::new();
    let (listener, address) = listener();
    let options = ConnectOptions::new().connect_timeout(Duration::from_secs(3600));
    scene
        .event_loop
        .connect_with(address, options, Recorder::new("us"))
        .unwrap();
    assert!(scene.event_loop.next_deadline().is_some());
    scene.drive_until("us", "connect");
    assert_eq!(scene.event_loop.next_deadline(), None);
    drop(listener);
}

// An address on one link means nothing without its zone (curl#22079): the kernel refuses it with EINVAL.
#[cfg(target_os = "linux")]
#[test]
fn the_zone_of_an_address_reaches_the_kernel() {
    let index = std::fs::read_to_string("/sys/class/net/lo/ifindex").unwrap();
    let index: u32 = index.trim().parse().unwrap();
    let address: SocketAddr = format!("[fe80::77%{index}]:9").parse().unwrap();
    let resolver = Arc::new(move |_: &HostQuery<'_>| {
        Ok(vec![SocketAddr::V6(SocketAddrV6::new(
            "fe80::77".parse().unwrap(),
            0,
            0,
            index,
        ))])
    });
    for host in ["fe80::77%lo", &format!("fe80::77%{index}"), "a.name"] {
        let mut scene = Scene::new();
        let options = ConnectOptions::new().resolver(resolver.clone());
        scene
            .event_loop
            .connect_with((host, 9), options, Recorder::new("us"))
            .unwrap();
        scene.drive_to_close("us");
        let error = scene.world.error("us");
        assert_eq!(error.syscall(), Some(Syscall::Connect), "{host}");
        assert_eq!(error.endpoint(), Some(&Endpoint::Socket(address)), "{host}");
        assert_ne!(error.code(), "EINVAL", "{host}");
        let text = error.to_string();
        assert!(text.contains(&format!("fe80::77%{index}:9")), "{text}");
    }
}

#[test]
fn a_resolver_fails_with_a_code_of_its_own() {
    let mut scene = Scene::new();
    let resolver = Arc::new(|query: &HostQuery<'_>| {
        assert_eq!(query.family, Some(Family::IPv6));
        Err(Error::with_code("ESERVFAIL", "the name server is upset"))
    });
    let options = ConnectOptions::new()
        .family(Family::IPv6)
        .resolver(resolver);
    scene
        .event_loop
        .connect_with("a.name:9", options, Recorder::new("us"))
        .unwrap();
    scene.drive_to_close("us");
    assert_eq!(scene.world.trace("us"), "error:ESERVFAIL close:Error");
    assert_eq!(
        scene.world.error("us").to_string(),
        "getaddrinfo ESERVFAIL: the name server is upset a.name"
    );
}

#[test]
fn a_resolver_may_choose_the_port_too() {
    let mut scene = Scene::new();
    let (_listener, address) = listener();
    let resolver = Arc::new(move |_: &HostQuery<'_>| Ok(vec![address]));
    let options = ConnectOptions::new().resolver(resolver);
    let id = scene
        .event_loop
        .connect_with(("a.name", 9), options, Recorder::new("us"))
        .unwrap();
    scene.drive("connect", |world| world.has_seen("us", &Seen::Connect));
    assert_eq!(scene.socket(id).peer_address(), Some(address));
}
