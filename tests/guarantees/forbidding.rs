//! A handler that closes its socket in an event of a connect forbids the next connect: no server sees one (I3).

use std::cell::Cell;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::time::Duration;

use netloop::{
    BlockList, Budget, ConnectOptions, Context, Error, SocketHandler, SocketOptions, Wait,
};

use super::panics::{OWN_FAULT, drive_to_panic};
use crate::support::{DeadPort, Peer, Recorder, Scene, Seen, World, answering, host, loopback};

const NAME: &str = "example.invalid";

/// A server outside of the loop, which takes note of no connection: the kernel does that.
pub(crate) struct Outside(pub(crate) TcpListener);

impl Outside {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind(loopback()).unwrap();
        Self(listener)
    }

    fn port(&self) -> u16 {
        self.address().port()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// Takes a connection out of the backlog, and asserts that there was one.
    #[track_caller]
    pub(crate) fn assert_connected(&self, what: &str) {
        self.0.set_nonblocking(true).unwrap();
        assert!(self.0.accept().is_ok(), "{what}: nothing has connected");
    }

    /// A connect over loopback is in the backlog when connect(2) returns.
    #[track_caller]
    pub(crate) fn assert_empty(&self, what: &str) {
        self.0.set_nonblocking(true).unwrap();
        match self.0.accept() {
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            Ok((_, from)) => panic!("{what}: {from} has connected"),
        }
    }
}

/// A server at `host1`, and a neighbour on the same port of `host2`.
fn beside<T>(neighbour: impl Fn(u16) -> std::io::Result<T>) -> (Outside, T) {
    for _ in 0..64 {
        let outside = Outside::new();
        if let Ok(neighbour) = neighbour(outside.port()) {
            return (outside, neighbour);
        }
    }
    panic!("no port is free at both");
}

fn fast() -> ConnectOptions {
    ConnectOptions::new().attempt_delay(Duration::from_millis(10))
}

/// Connects to a name with `addresses`, and does `deed` in the first event of `word`.
fn dial(
    scene: &mut Scene,
    port: u16,
    addresses: &[&str],
    word: &'static str,
    deed: impl Fn(&mut Context<'_, World>) + 'static,
) {
    let client = Recorder::new("client").on(word, move |cx, _| deed(cx));
    let options = fast().resolver(answering(addresses));
    let id = scene.connect((NAME, port), options, client);
    let _ = scene.socket(id).write(b"secret");
}

/// The ways in which a handler gives its socket up.
pub(crate) const WAYS: [fn(&mut Context<'_, World>); 2] = [
    |cx| cx.socket.destroy(),
    |cx| cx.socket.destroy_with(Error::other("a private address")),
];

#[test]
fn a_socket_destroyed_before_an_attempt_reaches_no_server() {
    for word in ["lookup", "attempt"] {
        for way in WAYS {
            let mut scene = Scene::new();
            let outside = Outside::new();
            let addresses = ["host1", "host2", "host3"];
            dial(&mut scene, outside.port(), &addresses, word, way);
            scene.drive_to_close("client");
            scene.settle();
            outside.assert_empty(word);
            assert_eq!(scene.world.count("client", word), 1, "{word}");
        }
    }
}

#[test]
fn a_socket_destroyed_after_a_failed_attempt_reaches_no_server() {
    for way in WAYS {
        let mut scene = Scene::new();
        let (outside, _dead) = beside(|port| DeadPort::at("host2", port));
        let addresses = ["host2", "host1"];
        dial(
            &mut scene,
            outside.port(),
            &addresses,
            "attempt-failed",
            way,
        );
        scene.drive_to_close("client");
        scene.settle();
        outside.assert_empty("attempt-failed");
        assert_eq!(scene.world.count("client", "attempt"), 1);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_socket_destroyed_after_a_slow_attempt_reaches_no_server() {
    for way in WAYS {
        let mut scene = Scene::new();
        let (outside, _hole) = beside(|port| crate::support::BlackHole::at("host2", port));
        let addresses = ["host2", "host1"];
        dial(
            &mut scene,
            outside.port(),
            &addresses,
            "attempt-timeout",
            way,
        );
        scene.drive_to_close("client");
        scene.settle();
        outside.assert_empty("attempt-timeout");
        assert_eq!(scene.world.count("client", "attempt"), 1);
    }
}

#[test]
fn a_socket_destroyed_after_a_blocked_address_reaches_no_server() {
    let mut scene = Scene::new();
    let outside = Outside::new();
    let mut blocked = BlockList::new();
    blocked.add_address(host("host2"));
    let client = Recorder::new("client").on("attempt-failed", |cx, _| cx.socket.destroy());
    let options = fast()
        .resolver(answering(&["host2", "host1"]))
        .block_list(Rc::new(blocked));
    scene.connect((NAME, outside.port()), options, client);
    scene.drive_to_close("client");
    scene.settle();
    outside.assert_empty("a blocked address");
}

#[test]
fn a_socket_destroyed_after_a_refused_bind_reaches_no_server() {
    let mut scene = Scene::new();
    let outside = Outside::new();
    let client = Recorder::new("client").on("attempt-failed", |cx, _| cx.socket.destroy());
    // No interface has the address (TEST-NET-1).
    let options = fast()
        .resolver(answering(&["host2", "host1"]))
        .local_address(std::net::IpAddr::from([192, 0, 2, 1]));
    scene.connect((NAME, outside.port()), options, client);
    scene.drive_to_close("client");
    outside.assert_empty("a refused bind");
    assert_eq!(scene.world.count("client", "attempt-failed"), 1);
}

#[test]
fn a_panic_in_an_event_of_a_connect_forbids_the_next_attempt() {
    for word in ["lookup", "attempt", "attempt-failed"] {
        let mut scene = Scene::new();
        let (outside, _dead) = beside(|port| DeadPort::at("host2", port));
        let has_panicked = Cell::new(false);
        let addresses: &[&str] = match word {
            "attempt-failed" => &["host2", "host1"],
            _ => &["host1"],
        };
        dial(&mut scene, outside.port(), addresses, word, move |_| {
            if !has_panicked.replace(true) {
                std::panic::panic_any(OWN_FAULT);
            }
        });
        drive_to_panic(&mut scene, word);
        scene.drive_to_close("client");
        scene.settle();
        outside.assert_empty(word);
        assert_eq!(scene.world.error("client").code(), Error::HANDLER_PANICKED);
    }
}

#[test]
fn each_attempt_is_announced_before_its_connect() {
    let mut scene = Scene::new();
    let outside = Rc::new(Outside::new());
    let port = outside.port();
    let seen = Rc::clone(&outside);
    let client = Recorder::new("client")
        .on("lookup", {
            let seen = Rc::clone(&outside);
            move |_, _| seen.assert_empty("in on_lookup")
        })
        .on("attempt", move |_, _| seen.assert_empty("in the attempt"));
    let options = fast().resolver(answering(&["host1"]));
    scene.connect((NAME, port), options, client);
    scene.drive_until("client", "connect");
    Peer::accept(&outside.0);
}

#[test]
fn a_socket_that_is_paused_or_ended_meanwhile_still_connects() {
    for word in ["lookup", "attempt"] {
        let mut scene = Scene::new();
        let outside = Outside::new();
        dial(&mut scene, outside.port(), &["host1"], word, |cx| {
            cx.socket.pause();
            cx.socket.end();
        });
        scene.drive_until("client", "connect");
        let mut peer = Peer::accept(&outside.0);
        assert_eq!(scene.peer_reads_to_end(&mut peer).bytes, b"secret");
    }
}

/// A handler that leaves its socket to a recorder.
struct Leaving;

impl SocketHandler<World> for Leaving {
    fn on_lookup(&mut self, cx: &mut Context<'_, World>, _: &str, _: Result<SocketAddr, &Error>) {
        let id = cx.socket.id();
        let heir = Recorder::new("heir").on("attempt", |cx, _| cx.socket.destroy());
        assert!(cx.as_loop().replace_handler(id, heir, &[]));
    }
    fn on_data(&mut self, _: &mut Context<'_, World>, _: &[u8]) {}
}

#[test]
fn a_handler_that_took_over_in_a_lookup_may_forbid_the_attempt() {
    let mut scene = Scene::new();
    let outside = Outside::new();
    let options = fast().resolver(answering(&["host1"]));
    let to = (NAME, outside.port());
    scene.event_loop.connect_with(to, options, Leaving).unwrap();
    scene.drive_to_close("heir");
    outside.assert_empty("the heir");
}

#[test]
fn a_budget_of_one_step_still_tells_each_event_in_time() {
    let mut scene = Scene::new();
    let (outside, _dead) = beside(|port| DeadPort::at("host2", port));
    let addresses = ["host2", "host1"];
    dial(
        &mut scene,
        outside.port(),
        &addresses,
        "attempt-failed",
        |cx| cx.socket.destroy(),
    );
    scene.drive_with("the close", |scene| {
        let budget = Budget::new().steps(1);
        let turned = scene.event_loop.turn(
            &mut scene.world,
            Wait::For(Duration::from_millis(1)),
            budget,
        );
        turned.unwrap();
        scene.world.has("client", "close")
    });
    outside.assert_empty("one step a turn");
    let is_close = |seen: &Seen| matches!(seen, Seen::Close(_));
    assert!(scene.world.log.iter().any(|event| is_close(&event.seen)));
}

#[test]
fn sockets_of_one_lookup_are_forbidden_each_for_itself() {
    let mut scene = Scene::new();
    let outside = Outside::new();
    let resolver = answering(&["host1"]);
    for (name, forbids) in [("forbidden", true), ("allowed", false)] {
        let client = Recorder::new(name).on("lookup", move |cx, _| {
            if forbids {
                cx.socket.destroy();
            }
        });
        let options = ConnectOptions::from(SocketOptions::new()).resolver(resolver.clone());
        scene.connect((NAME, outside.port()), options, client);
    }
    scene.drive_until("allowed", "connect");
    scene.drive_to_close("forbidden");
    let _allowed = Peer::accept(&outside.0);
    outside.assert_empty("the other socket");
}
