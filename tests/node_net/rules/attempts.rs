//! I: a name with several addresses. The numbers are those of the rule.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use netloop::{ConnectOptions, Family, ListenOptions, SocketOptions, State};
use socket2::{Domain, Socket, Type};

use crate::support::{
    BlackHole, DeadPort, Peer, Recorder, Scene, answering, descriptors, has_ipv6, host,
    in_own_process,
};

const NAME: &str = "example.invalid";

fn fast() -> ConnectOptions {
    ConnectOptions::new().attempt_delay(Duration::from_millis(10))
}

/// Checks that no attempt still asks for the address of `hole`, which begins to answer now.
///
/// The system asks again after a second, and the address answers in the order of asking. The first answer must be for a
/// socket that asks only now. The attempts must be older than the system's timers are exact, a tenth of a second.
#[cfg(target_os = "linux")]
fn assert_no_attempt_is_left(scene: &mut Scene, hole: BlackHole) {
    let asking = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    asking.set_nonblocking(true).unwrap();
    let _ = asking.connect(&hole.address().into());
    let listener = hole.open();
    let mut first = None;
    scene.drive_with("an answer", |_| {
        first = listener.accept().ok().map(|(_, from)| from);
        first.is_some()
    });
    assert_eq!(first, asking.local_addr().unwrap().as_socket());
}

/// I1. DEVIATE: a local address and a family do not switch the other addresses off; those that cannot be come from are
/// attempts that fail.
#[cfg(target_os = "linux")]
#[test]
fn a_local_address_fails_attempts_of_the_other_family_only() {
    if !has_ipv6() {
        return;
    }
    let mut scene = Scene::new();
    let (_, address) = scene.listen(ListenOptions::new(), |_| {
        Recorder::new("accepted").on("connect", |cx, _| {
            let peer = cx.socket.peer_address().unwrap().ip();
            cx.shared.note(peer.to_string());
        })
    });
    let options = fast()
        .resolver(answering(&["::1", "host1"]))
        .local_address(host("host3"));
    scene.connect((NAME, address.port()), options, Recorder::new("client"));
    scene.drive("the connection", |world| !world.notes.is_empty());
    scene.drive_until("client", "connect");
    assert_eq!(scene.world.notes, [host("host3").to_string()]);
    assert_eq!(scene.world.count("client", "attempt"), 1);
    assert_eq!(scene.world.count("client", "attempt-failed"), 1);
}

/// I1. Node tells the address that it tries, whatever its resolver has found.
#[test]
fn a_family_that_was_asked_for_is_the_only_one_that_is_tried() {
    let mut scene = Scene::new();
    let (_, address) = scene.listen(ListenOptions::new(), |_| Recorder::new("accepted"));
    let options = fast()
        .resolver(answering(&["::1", "host1"]))
        .family(Family::IPv4);
    scene.connect((NAME, address.port()), options, Recorder::new("client"));
    scene.drive_until("client", "connect");
    assert_eq!(
        scene.world.dialing("client"),
        "lookup:host1 attempt:host1 connect"
    );
}

/// I3: what comes after `destroy` is silence, also behind the address that was just told.
#[test]
fn destroying_in_on_lookup_stops_everything() {
    let mut scene = Scene::new();
    let (server, address) = scene.listen(ListenOptions::new(), |_| Recorder::new("wrong"));
    let options = fast().resolver(answering(&["host1", "host2"]));
    let client = Recorder::new("client").on("lookup", |cx, _| cx.socket.destroy());
    scene.connect((NAME, address.port()), options, client);
    scene.drive_to_close("client");
    scene.settle();
    assert_eq!(scene.world.dialing("client"), "lookup:host1 close:Local");
    scene.close(server);
    scene.drive_to_exit();
}

/// I4: families take turns, beginning with that of the first; duplicates are left out.
#[test]
fn addresses_are_tried_in_turn_by_family_and_each_once() {
    if !has_ipv6() {
        return;
    }
    let mut scene = Scene::new();
    let dead = DeadPort::of(&["host1", "host2", "host3", "::1"]);
    let found = ["host1", "host2", "host1", "host3", "::1"];
    let options = fast().resolver(answering(&found));
    scene.connect((NAME, dead.port()), options, Recorder::new("client"));
    scene.drive_to_close("client");
    let dialing = scene.world.dialing("client");
    let attempts: Vec<&str> = dialing
        .split(' ')
        .filter_map(|word| word.strip_prefix("attempt:"))
        .collect();
    assert_eq!(attempts, ["host1", "::1", "host2", "host3"]);
}

/// I4: an only address makes an ordinary connect of it.
#[test]
fn one_address_leaves_no_list_of_attempts() {
    let mut scene = Scene::new();
    let (_, address) = scene.listen(ListenOptions::new(), |_| Recorder::new("accepted"));
    let options = fast().resolver(answering(&["host1", "host1"]));
    let client = scene.connect((NAME, address.port()), options, Recorder::new("client"));
    scene.drive_until("client", "connect");
    assert!(scene.socket(client).attempted_addresses().is_empty());
}

/// I5 and I6: the next begins at once, long before the attempt delay.
#[test]
fn a_refusal_lets_the_next_address_be_tried_at_once() {
    let delay = Duration::from_secs(60);
    let mut scene = Scene::new();
    let (port, _dead) = scene.listen_beside(
        |port| DeadPort::at("host2", port),
        |_| Recorder::new("accepted"),
    );
    let options = ConnectOptions::new()
        .attempt_delay(delay)
        .resolver(answering(&["host2", "host1"]));
    let client = scene.connect((NAME, port), options, Recorder::new("client"));
    scene.drive_until("client", "connect");
    assert_eq!(
        scene.world.dialing("client"),
        "lookup:host2 lookup:host1 attempt:host2 \
         attempt-failed:host2:ECONNREFUSED attempt:host1 connect"
    );
    let attempted = scene.socket(client).attempted_addresses();
    assert_eq!(
        attempted.last(),
        Some(&SocketAddr::new(host("host1"), port))
    );
    assert_eq!(attempted.len(), 2);
}

/// I7 and I8, T27: what was written goes to the winner alone.
#[cfg(target_os = "linux")]
#[test]
fn an_address_that_does_not_answer_is_passed_by_after_the_delay() {
    let mut scene = Scene::new();
    let (port, hole) = scene.listen_beside(
        |port| BlackHole::at("host2", port),
        |_| Recorder::new("accepted"),
    );
    let options = fast().resolver(answering(&["host2", "host1"]));
    let client = scene.connect((NAME, port), options, Recorder::new("client"));
    let _ = scene.socket(client).write(b"to whom it may concern");
    scene.drive("the bytes", |world| world.received_length("accepted") == 22);
    assert_eq!(
        scene.world.dialing("client"),
        "lookup:host2 lookup:host1 attempt:host2 attempt-timeout:host2 \
         attempt:host1 connect"
    );
    assert_eq!(
        scene.socket(client).peer_address(),
        Some(SocketAddr::new(host("host1"), port))
    );
    drop(hole);
}

/// I7, T27.
#[cfg(target_os = "linux")]
#[test]
fn destroying_when_an_attempt_is_slow_leaves_only_the_close() {
    let mut scene = Scene::new();
    let (port, hole) = scene.listen_beside(
        |port| BlackHole::at("host2", port),
        |_| Recorder::new("wrong"),
    );
    let options = fast()
        .attempt_delay(Duration::from_millis(200))
        .resolver(answering(&["host2", "host1"]));
    let client = Recorder::new("client").on("attempt-timeout", |cx, _| cx.socket.destroy());
    scene.connect((NAME, port), options, client);
    scene.drive_to_close("client");
    scene.settle();
    assert_eq!(scene.world.trace("client"), "close:Local");
    assert_eq!(scene.world.count("client", "attempt-timeout"), 1);
    assert_no_attempt_is_left(&mut scene, hole);
}

/// I9.
#[test]
fn one_error_lists_all_failed_attempts_in_order() {
    let mut scene = Scene::new();
    let hosts = ["host3", "host1", "host2"];
    let dead = DeadPort::of(&hosts);
    let options = fast().resolver(answering(&hosts));
    scene.connect((NAME, dead.port()), options, Recorder::new("client"));
    scene.drive_to_close("client");
    assert_eq!(
        scene.world.trace("client"),
        "error:ECONNREFUSED close:Error"
    );
    let error = scene.world.error("client");
    let each: Vec<String> = error.attempts().iter().map(ToString::to_string).collect();
    let expected = hosts.map(|name| format!("connect ECONNREFUSED {}:{}", host(name), dead.port()));
    assert_eq!(each, expected);
}

/// I10: it ends nothing by itself.
#[cfg(target_os = "linux")]
#[test]
fn the_idle_timeout_goes_on_through_all_attempts() {
    let hole = BlackHole::new();
    let mut scene = Scene::new();
    let options = fast()
        .resolver(answering(&["host2", "host2"]))
        .socket(SocketOptions::new().idle_timeout(Duration::from_millis(50)));
    let client = Recorder::new("client").on("timeout", |cx, _| {
        assert_eq!(cx.socket.state(), State::Opening);
        cx.socket.destroy();
    });
    scene.connect((NAME, hole.address().port()), options, client);
    scene.drive_to_close("client");
    assert_eq!(scene.world.trace("client"), "timeout close:TimedOut");
}

/// I11. DEVIATE: an attempt that is slow goes on beside the next, and is taken if it answers first. The addresses here
/// do not answer until the system asks the first of them again, a second later.
#[cfg(target_os = "linux")]
#[test]
fn an_earlier_attempt_goes_on_and_may_still_be_the_one() {
    let first = BlackHole::new();
    let second = BlackHole::at("host3", first.address().port()).unwrap();
    let mut scene = Scene::new();
    let to = (NAME, first.address().port());
    let options = fast().resolver(answering(&["host2", "host3"]));
    let client = scene.connect(to, options, Recorder::new("client"));
    scene.drive("both attempts", |world| {
        world.count("client", "attempt") == 2
    });
    let address = first.address();
    let listener: TcpListener = first.open();
    scene.drive_until("client", "connect");
    assert_eq!(scene.socket(client).peer_address(), Some(address));
    let mut peer = Peer::accept(&listener);
    let _ = scene.socket(client).end_with(b"late, but here");
    assert_eq!(scene.peer_reads_to_end(&mut peer).bytes, b"late, but here");
    drop(second);
}

/// I8.
#[cfg(target_os = "linux")]
#[test]
fn the_attempts_that_lose_are_given_up() {
    let mut scene = Scene::new();
    let (port, hole) = scene.listen_beside(
        |port| BlackHole::at("host2", port),
        |_| Recorder::new("accepted"),
    );
    let options = fast()
        .attempt_delay(Duration::from_millis(200))
        .resolver(answering(&["host2", "host1"]));
    scene.connect((NAME, port), options, Recorder::new("client"));
    scene.drive_until("client", "connect");
    assert_no_attempt_is_left(&mut scene, hole);
}

/// I6.
#[cfg(target_os = "linux")]
#[test]
fn attempts_that_lost_keep_no_descriptor() {
    in_own_process(r#"exec "$@""#, || {
        let mut scene = Scene::new();
        let (port, _hole) = scene.listen_beside(
            |port| BlackHole::at("host2", port),
            |_| Recorder::new("accepted"),
        );
        scene.settle();
        let before = descriptors();
        let options = fast().resolver(answering(&["host2", "host1"]));
        scene.connect((NAME, port), options, Recorder::new("client"));
        scene.drive_until("client", "connect");
        scene.drive_until("accepted", "connect");
        assert_eq!(scene.world.count("client", "attempt"), 2);
        assert_eq!(descriptors(), before + 2, "both ends of one connection");
    });
}

/// B4: what the system refuses only later carries as much as what it refuses at once. The address refuses when the
/// system asks it again, a second later.
#[cfg(target_os = "linux")]
#[test]
fn a_late_refusal_names_the_local_address_that_was_asked_for() {
    let first = BlackHole::new();
    let address = first.address();
    let second = BlackHole::at("host3", address.port()).unwrap();
    let mut scene = Scene::new();
    let local = host("host1");
    let options = fast().local_address(local);
    scene.connect(address, options.clone(), Recorder::new("address"));
    let options = options.resolver(answering(&["host2", "host3"]));
    scene.connect((NAME, address.port()), options, Recorder::new("name"));
    scene.drive("both attempts", |world| world.count("name", "attempt") == 2);
    drop((first, second));
    scene.drive_to_exit();
    let by_name = scene.world.error("name").attempts();
    assert_eq!(by_name.len(), 2);
    for error in by_name.iter().chain([scene.world.error("address")]) {
        assert_eq!(error.code(), "ECONNREFUSED");
        assert_eq!(
            error.local().map(|local| local.ip()),
            Some(local),
            "{error}"
        );
    }
}
