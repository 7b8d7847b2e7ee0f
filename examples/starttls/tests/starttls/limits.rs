//! Clients that are slow, or say too much.

use crate::peer::{Peer, SecurePeer};
use crate::sink::Sink;

#[test]
fn a_line_that_does_not_end_is_refused_at_its_limit() {
    let sink = Sink::start(&[]);
    let mut peer = Peer::greeted(&sink);
    peer.send(&[b'a'; 1001]);
    peer.hears("500 5.5.2");
    drop(peer);
    sink.is_left();
}

#[test]
fn a_message_beyond_the_limit_is_refused_and_the_next_is_taken() {
    let sink = Sink::start(&["--message", "1000"]);
    let Some(mut peer) = SecurePeer::greeting(&sink) else {
        return;
    };
    sink.says(" speaks ");
    peer.envelope();
    peer.send(format!("{}.\r\n", "a line\r\n".repeat(200)).as_bytes());
    peer.hears("552 5.3.4");
    peer.envelope();
    peer.send(b"short\r\n.\r\n");
    peer.hears("250 2.0.0");
    sink.says(" has sent 7 bytes");
}

#[test]
fn a_command_that_does_not_come_is_told_as_too_slow() {
    let sink = Sink::start(&["--time", "0.1"]);
    let mut peer = Peer::greeted(&sink);
    // The beginning of a command does not extend the time.
    peer.send(b"NO");
    peer.hears("421 4.4.2");
    assert_eq!(peer.rest(), b"");
    drop(peer);
    sink.says(" is gone: Graceful");
}

#[test]
fn a_message_that_does_not_end_is_told_as_too_slow() {
    let sink = Sink::start(&["--time", "4"]);
    let Some(mut peer) = SecurePeer::greeting(&sink) else {
        return;
    };
    peer.envelope();
    peer.send(b"a line\r\n");
    peer.hears("421 4.4.2");
}

#[test]
fn a_client_that_guesses_commands_is_sent_away() {
    let sink = Sink::start(&[]);
    let mut peer = Peer::greeted(&sink);
    peer.send("what\r\n".repeat(20).as_bytes());
    for _ in 0..9 {
        peer.hears("530 ");
    }
    peer.hears("421 4.7.0");
    assert_eq!(peer.rest(), b"");
}
