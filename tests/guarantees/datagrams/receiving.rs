//! Receiving: datagrams come whole, one by one, with the address of their sender.

use std::net::UdpSocket;
use std::rc::Rc;

use netloop::{BlockList, DatagramOptions, EventLoop, EventLoopOptions};

use super::{Stage, Watch, peer};

#[test]
fn each_datagram_comes_whole_with_its_sender() {
    let mut stage = Stage::new();
    let handler = Watch::new("a").on_message(|cx, from, data| {
        cx.shared.push(format!("{from} {}", data.len()));
    });
    let (_, address) = stage.bind(DatagramOptions::new(), handler);
    let (one, one_address) = peer();
    let (other, other_address) = peer();
    one.send_to(b"first", address).unwrap();
    other.send_to(b"", address).unwrap();
    one.send_to(&[7; 1200], address).unwrap();
    stage.drive("three", |stage| stage.notes.len() == 7);
    let expected = [
        "a listening".to_owned(),
        "a first".to_owned(),
        format!("{one_address} 5"),
        "a ".to_owned(),
        format!("{other_address} 0"),
        "a 1200 bytes".to_owned(),
        format!("{one_address} 1200"),
    ];
    assert_eq!(stage.notes, expected);
}

// Reliability B1: the kernel tells of three datagrams once.
#[test]
fn no_datagram_is_left_behind_by_a_small_budget() {
    let mut stage = Stage::new();
    let options = DatagramOptions::new().receives_per_turn(1);
    let (id, address) = stage.bind(options, Watch::new("a"));
    stage.drive_to("a listening");
    let (peer, _) = peer();
    for number in 0..10 {
        peer.send_to(number.to_string().as_bytes(), address)
            .unwrap();
    }
    stage.drive_to("a 0");
    assert!(!stage.has("a 1"), "one a turn");
    for number in 1..10 {
        assert!(stage.turn().events > 0);
        assert!(stage.has(&format!("a {number}")));
    }
    stage.settle_for_a_while();
    assert_eq!(stage.socket(id).received_datagrams(), 10);
}

#[test]
fn a_datagram_beyond_the_limit_is_told_as_truncated() {
    let mut stage = Stage::new();
    let options = DatagramOptions::new().max_datagram_bytes(4);
    let (_, address) = stage.bind(options, Watch::new("a"));
    let (peer, _) = peer();
    for bytes in [&b"four"[..], b"fives", b"", b"sixsix"] {
        peer.send_to(bytes, address).unwrap();
    }
    stage.drive_to("a truncated sixs");
    let expected = [
        "a listening",
        "a four",
        "a truncated five",
        "a ",
        "a truncated sixs",
    ];
    assert_eq!(stage.notes, expected);
    let statistics = stage.event_loop.statistics();
    assert_eq!(
        (
            statistics.datagrams_received,
            statistics.datagrams_truncated
        ),
        (4, 2)
    );
}

#[test]
fn a_short_read_buffer_truncates_and_says_so() {
    let options = EventLoopOptions::new().read_buffer_bytes(1024);
    let mut stage = Stage::on(EventLoop::with_options(options).unwrap());
    let (_, address) = stage.bind(DatagramOptions::new(), Watch::new("a"));
    let (peer, _) = peer();
    peer.send_to(&[1; 1023], address).unwrap();
    peer.send_to(&[2; 1024], address).unwrap();
    stage.drive_to("a truncated 1023 bytes");
    assert!(stage.has("a 1023 bytes"));
}

// The longest datagram of IPv4.
#[test]
fn the_longest_datagram_is_received_whole() {
    let mut stage = Stage::new();
    let (_, address) = stage.bind(DatagramOptions::new(), Watch::new("a"));
    let (peer, _) = peer();
    peer.send_to(&vec![7; 65_507], address).unwrap();
    stage.drive_to("a 65507 bytes");
}

#[test]
fn a_paused_socket_leaves_datagrams_to_the_kernel() {
    let mut stage = Stage::new();
    let handler = Watch::new("a").on_message(|cx, _, data| {
        if data == b"two" {
            cx.socket.pause();
        }
    });
    let (id, address) = stage.bind(DatagramOptions::new(), handler);
    let (peer, _) = peer();
    for word in ["one", "two", "three", "four"] {
        peer.send_to(word.as_bytes(), address).unwrap();
    }
    stage.drive_to("a two");
    stage.settle_for_a_while();
    assert!(!stage.has("a three") && stage.socket(id).is_paused());
    stage.socket(id).resume();
    stage.drive_to("a four");
    assert!(!stage.socket(id).is_paused());
}

#[test]
fn datagrams_of_a_blocked_address_come_to_no_handler() {
    let mut stage = Stage::new();
    let (blocked, blocked_address) = peer();
    let mut list = BlockList::everything();
    list.remove_address([127, 0, 0, 1]);
    let options = DatagramOptions::new().receive_block_list(Rc::new(list));
    let (id, address) = stage.bind(options, Watch::new("a"));
    assert_ne!(blocked_address.ip().to_string(), "127.0.0.1");
    for _ in 0..100 {
        blocked.send_to(b"blocked", address).unwrap();
    }
    let allowed = UdpSocket::bind("127.0.0.1:0").unwrap();
    allowed.send_to(b"allowed", address).unwrap();
    stage.drive_to("a allowed");
    assert!(!stage.has("a blocked"));
    assert_eq!(stage.event_loop.statistics().datagrams_blocked, 100);
    assert_eq!(stage.socket(id).received_datagrams(), 1);
}

// I8
#[test]
fn a_timer_comes_behind_the_datagram_that_has_arrived() {
    let mut stage = Stage::new();
    let options = DatagramOptions::new().receives_per_turn(1);
    let handler = Watch::new("a").on_message(|cx, _, data| {
        if data == b"two" {
            cx.socket.cancel(7);
        }
    });
    let (id, address) = stage.bind(options, handler);
    stage.settle_for_a_while();
    let (peer, _) = peer();
    peer.send_to(b"one", address).unwrap();
    peer.send_to(b"two", address).unwrap();
    stage.socket(id).after(std::time::Duration::ZERO, 7);
    stage.drive_to("a two");
    stage.settle_for_a_while();
    assert!(!stage.has("a timer 7"));
}

#[test]
fn blocked_datagrams_take_no_more_of_a_turn_than_others() {
    let mut stage = Stage::new();
    let mut list = BlockList::everything();
    list.remove_address([127, 0, 0, 1]);
    let options = DatagramOptions::new().receive_block_list(Rc::new(list));
    let (id, address) = stage.bind(options, Watch::new("a"));
    stage.drive_to("a listening");
    let (blocked, _) = peer();
    for _ in 0..100 {
        blocked.send_to(b"noise", address).unwrap();
    }
    let allowed = UdpSocket::bind("127.0.0.1:0").unwrap();
    allowed.send_to(b"good", address).unwrap();
    // 101 datagrams, of which a turn receives 32.
    let mut turns = 0;
    while !stage.has("a good") {
        stage.turn();
        turns += 1;
        assert!(turns <= 10, "after {turns} turns");
    }
    assert_eq!(stage.socket(id).received_datagrams(), 1);
}
