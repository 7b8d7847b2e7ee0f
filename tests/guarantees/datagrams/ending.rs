//! The end of a UDP socket: its close comes once and last, whatever has happened before.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use netloop::{
    AtShutdown, CallbackOwner, DatagramFlow, DatagramOptions, Error, EventLoop, EventLoopOptions,
    PanicPolicy, Stall,
};

use super::{Stage, Watch, peer};

#[test]
fn the_close_comes_once_and_last_and_frees_the_port_at_once() {
    let mut stage = Stage::new();
    let handler = Watch::new("a").on_message(|cx, from, _| {
        let address = cx.socket.local_address().unwrap();
        cx.socket.close();
        cx.socket.close();
        assert!(cx.socket.is_closed());
        assert_eq!(cx.socket.send_to(from, b"late"), DatagramFlow::Closed);
        // The address is free within the callback.
        let successor = Watch::new("b").on_listening(|cx| cx.socket.close());
        cx.as_loop()
            .bind_udp(address, DatagramOptions::new(), successor)
            .unwrap();
    });
    let (id, address) = stage.bind(DatagramOptions::new(), handler);
    let (peer, _) = peer();
    for _ in 0..3 {
        peer.send_to(b"x", address).unwrap();
    }
    stage.run_to_its_end();
    let expected = ["a listening", "a x", "a close", "b listening", "b close"];
    assert_eq!(stage.notes, expected);
    assert!(stage.socket(id).is_closed());
    assert_eq!(stage.event_loop.statistics().datagram_sockets, 0);
}

#[test]
fn the_addresses_are_known_in_on_close() {
    let mut stage = Stage::new();
    let (_peer, peer_address) = peer();
    let handler = Watch::new("a")
        .on_connect(|cx| cx.socket.close())
        .on_close(move |cx| {
            assert!(cx.socket.local_address().is_some());
            assert_eq!(cx.socket.peer_address(), Some(peer_address));
            cx.shared.push("known".to_owned());
        });
    stage.connect(peer_address, handler);
    stage.run_to_its_end();
    assert_eq!(
        stage.notes,
        ["a listening", "a connect", "a close", "known"]
    );
}

#[test]
fn a_socket_that_closes_before_its_first_turn_is_told_of_that() {
    let mut stage = Stage::new();
    let (id, _) = stage.bind(DatagramOptions::new(), Watch::new("a"));
    stage.socket(id).close();
    stage.run_to_its_end();
    assert_eq!(stage.notes, ["a close"]);
}

#[test]
fn a_released_socket_does_not_keep_the_loop() {
    let mut stage = Stage::new();
    let (id, address) = stage.bind(DatagramOptions::new(), Watch::new("a"));
    assert!(stage.socket(id).is_held());
    stage.settle_for_a_while();
    assert!(stage.event_loop.is_alive());
    stage.socket(id).release();
    assert!(!stage.event_loop.is_alive() && !stage.socket(id).is_held());
    stage.run_to_its_end();
    // It is served while the loop turns all the same.
    let (peer, _) = peer();
    peer.send_to(b"x", address).unwrap();
    stage.drive_to("a x");
    stage.socket(id).hold();
    assert!(stage.event_loop.is_alive());
    stage.socket(id).close();
    stage.run_to_its_end();
    assert!(stage.has("a close"));
}

#[test]
fn the_timers_of_a_socket_end_with_it() {
    let mut stage = Stage::new();
    let handler = Watch::new("a").on_timer(|cx, token| {
        if token == 2 {
            cx.socket.after(Duration::ZERO, 9);
            cx.socket.close();
        }
    });
    let (id, _) = stage.bind(DatagramOptions::new(), handler);
    let mut socket = stage.socket(id);
    socket.after(Duration::from_millis(2), 1);
    socket.after(Duration::from_secs(3600), 2);
    socket.after(Duration::from_millis(4), 2);
    socket.after(Duration::from_millis(3), 3);
    assert!(socket.cancel(3) && !socket.cancel(3));
    stage.drive_to("a close");
    stage.settle_for_a_while();
    assert_eq!(
        stage.notes,
        ["a listening", "a timer 1", "a timer 2", "a close"]
    );
    assert_eq!(stage.event_loop.next_deadline(), None);
}

#[test]
fn a_panic_closes_its_socket_alone() {
    let mut stage = Stage::new();
    let handler = Watch::new("a").on_message(|_, _, _| panic!("a fault of the program"));
    let (_, address) = stage.bind(DatagramOptions::new(), handler);
    let (_, other) = stage.bind(DatagramOptions::new(), Watch::echo("b"));
    stage.settle_for_a_while();
    let (peer, _) = peer();
    peer.send_to(b"x", address).unwrap();
    peer.send_to(b"y", address).unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(|| stage.drive_to("a close")));
    assert!(panicked.is_err());
    stage.drive_to("a close");
    let word = format!("a {}", Error::HANDLER_PANICKED);
    let of_a: Vec<_> = stage
        .notes
        .iter()
        .filter(|it| it.starts_with('a'))
        .collect();
    assert_eq!(of_a, ["a listening", "a x", &word, "a close"]);
    peer.send_to(b"z", other).unwrap();
    stage.drive_to("b z");
}

#[test]
fn a_panic_in_on_error_is_followed_by_the_close_of_a_udp_socket() {
    let mut stage = Stage::new();
    let handler = Watch::new("a")
        .on_message(|_, _, _| panic!("the first"))
        .on_error(|_, _| panic!("the second"))
        .on_close(|_| panic!("the third"));
    let (id, address) = stage.bind(DatagramOptions::new(), handler);
    let (peer, _) = peer();
    peer.send_to(b"x", address).unwrap();
    for _ in 0..3 {
        let panicked = catch_unwind(AssertUnwindSafe(|| stage.drive_to("never")));
        assert!(panicked.is_err());
    }
    stage.settle_for_a_while();
    let word = format!("a {}", Error::HANDLER_PANICKED);
    assert_eq!(stage.notes, ["a listening", "a x", &word, "a close"]);
    assert!(stage.socket(id).is_closed() && !stage.event_loop.is_alive());
}

#[test]
fn a_caught_panic_names_the_udp_socket() {
    let options = EventLoopOptions::new().panic_policy(PanicPolicy::Close);
    let mut stage = Stage::on(EventLoop::with_options(options).unwrap());
    stage
        .event_loop
        .on_panic(|cx, panic| cx.shared.push(panic.to_string()));
    let handler = Watch::new("a").on_message(|_, _, _| panic!("oh"));
    let (id, address) = stage.bind(DatagramOptions::new(), handler);
    let (peer, _) = peer();
    peer.send_to(b"x", address).unwrap();
    stage.drive_to("a close");
    let text = format!("a callback of UDP socket {id} ({address}) panicked: oh");
    assert!(stage.has(&text), "{:?}", stage.notes);
    assert_eq!(stage.event_loop.statistics().panics, 1);
}

#[test]
fn a_slow_callback_of_a_udp_socket_is_a_stall() {
    let mut stage = Stage::new();
    let told: Rc<Cell<Option<Stall>>> = Rc::default();
    let place = Rc::clone(&told);
    let limit = Duration::from_millis(1);
    stage.event_loop.on_stall(limit, move |_, stall| {
        if stall.callback == "on_message" {
            place.set(Some(*stall));
        }
    });
    let handler = Watch::new("a").on_message(|_, _, _| {
        #[expect(clippy::disallowed_methods, reason = "a callback is to be slow")]
        std::thread::sleep(Duration::from_millis(2));
    });
    let (id, address) = stage.bind(DatagramOptions::new(), handler);
    let (peer, _) = peer();
    peer.send_to(b"x", address).unwrap();
    stage.drive("a stall", |_| told.get().is_some());
    let stall = told.get().unwrap();
    let address = Some(address);
    assert_eq!(stall.owner, CallbackOwner::Datagram { id, address });
}

#[test]
fn a_shutdown_asks_each_udp_socket_and_ends_the_others() {
    let mut stage = Stage::new();
    let keeper = Watch::new("keeper")
        .at_shutdown(AtShutdown::Keep)
        .on_listening(|cx| assert!(!cx.is_shutting_down()))
        .on_message(|cx, _, _| assert!(cx.is_shutting_down()));
    let (keeper, address) = stage.bind(DatagramOptions::new(), keeper);
    stage.bind(DatagramOptions::new(), Watch::new("idle"));
    stage.settle_for_a_while();
    let (peer, _) = peer();
    stage
        .event_loop
        .shutdown(Duration::from_secs(3600), |cx, _| {
            cx.shared.push("over".to_owned());
        });
    stage.drive_to("idle close");
    assert!(stage.has("keeper shutdown") && !stage.has("over"));
    peer.send_to(b"still here", address).unwrap();
    stage.drive_to("keeper still here");
    stage.socket(keeper).close();
    stage.run_to_its_end();
    assert!(stage.has("keeper close") && stage.has("over"));
}

#[test]
fn a_shutdown_closes_udp_sockets_at_its_deadline() {
    let mut stage = Stage::new();
    let keeper = Watch::new("a").at_shutdown(AtShutdown::Keep);
    stage.bind(DatagramOptions::new(), keeper);
    stage.settle_for_a_while();
    stage
        .event_loop
        .shutdown(Duration::from_millis(20), |cx, _| {
            cx.shared.push("over".to_owned());
        });
    stage.run_to_its_end();
    let expected = ["a listening", "a shutdown", "a close", "over"];
    assert_eq!(stage.notes, expected);
}

// I12.
#[test]
fn dropping_the_loop_closes_udp_sockets_and_calls_none() {
    struct Dropped(Rc<Cell<u32>>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let drops = Rc::new(Cell::new(0));
    let mut stage = Stage::new();
    let dropped = Dropped(Rc::clone(&drops));
    let handler = Watch::new("a").on_message(move |_, _, _| {
        let _ = &dropped;
    });
    let (_, address) = stage.bind(DatagramOptions::new(), handler);
    stage.settle_for_a_while();
    let Stage { event_loop, notes } = stage;
    drop(event_loop);
    assert_eq!(notes, ["a listening"]);
    assert_eq!(drops.get(), 1);
    std::net::UdpSocket::bind(address).unwrap();
}

// A hook is no callback of the socket, so its panic loses no event of the socket.
#[test]
fn a_hook_that_panics_between_two_events_loses_neither() {
    let (_peer, to) = peer();
    for policy in [PanicPolicy::Close, PanicPolicy::Propagate] {
        let options = EventLoopOptions::new().panic_policy(policy);
        let mut stage = Stage::on(EventLoop::with_options(options).unwrap());
        stage.event_loop.on_stall(Duration::ZERO, |_, stall| {
            if stall.callback == "on_listening" {
                std::panic::panic_any("a fault of the hook");
            }
        });
        stage.connect(to, Watch::new("a"));
        let turned = catch_unwind(AssertUnwindSafe(|| stage.turn()));
        assert_eq!(turned.is_err(), policy == PanicPolicy::Propagate);
        stage.drive_to("a connect");
        assert_eq!(stage.notes, ["a listening", "a connect"]);
    }
}
