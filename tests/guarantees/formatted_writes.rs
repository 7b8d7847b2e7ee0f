//! Formatted writes: `write!` of a socket is one write.
#![allow(clippy::write_literal, reason = "arguments are what is formatted here")]

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use netloop::{Flow, SocketOptions};

use crate::support::{Peer, Recorder, Scene, Seen};

fn scene() -> (Scene, netloop::SocketId, Peer) {
    let mut scene = Scene::new();
    let (id, peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    (scene, id, peer)
}

#[test]
fn a_callback_formats_its_answer() {
    let mut scene = Scene::new();
    let us = Recorder::new("us").reacting(|cx, seen| {
        if let Seen::Data(_) = seen {
            let four = "four";
            write!(cx.socket, "{} by {four}, ", 3);
            writeln!(cx.socket, "and {:>3}", 5);
            write!(cx.socket, "a literal");
            assert_eq!(cx.socket.bytes_written(), 28);
        }
    });
    let (_, mut peer) = scene.accepted(SocketOptions::new(), us);
    peer.write(b"go");
    let received = scene.peer_reads(&mut peer, 28);
    assert_eq!(received, b"3 by four, and   5\na literal");
}

#[test]
fn a_formatted_write_answers_as_a_write_does() {
    let (mut scene, id, mut peer) = scene();
    let mut socket = scene.socket(id);
    assert_eq!(write!(socket, "{}", 1), Flow::Open);
    // Longer than is copied: the text is given away whole.
    assert_eq!(write!(socket, "{}2", " ".repeat(8 << 20)), Flow::Full);
    assert_eq!(write!(socket, "{}", 3), Flow::Full);
    socket.end();
    assert_eq!(write!(socket, "{}", 4), Flow::Ended);
    let received = scene.peer_reads_to_end(&mut peer).bytes;
    assert_eq!(received.len(), (8 << 20) + 3);
    assert!(received.starts_with(b"1 ") && received.ends_with(b" 23"));
    scene.socket(id).destroy();
    assert_eq!(write!(scene.socket(id), "{}", 5), Flow::Closed);
}

#[test]
fn a_formatted_write_that_is_refused_sends_none_of_it() {
    let mut scene = Scene::new();
    let options = SocketOptions::new().max_queued_bytes(1000);
    let (id, mut peer) = scene.accepted(options, Recorder::new("us"));
    let mut socket = scene.socket(id);
    socket.cork();
    assert_eq!(write!(socket, "{:>900}", 1), Flow::Open);
    assert_eq!(write!(socket, "{}{:>200}{}", 2, 3, 4), Flow::Closed);
    scene.drive_to_close("us");
    let received = scene.peer_reads_to_end(&mut peer).bytes;
    assert!(!received.contains(&b'2'), "a part of it was sent");
}

struct Panics;

impl fmt::Display for Panics {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("within a write")
    }
}

struct Fails;

impl fmt::Display for Fails {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Err(fmt::Error)
    }
}

#[test]
fn a_display_that_panics_or_fails_writes_nothing() {
    let (mut scene, id, mut peer) = scene();
    for broken in [&Panics as &dyn fmt::Display, &Fails] {
        let writing = AssertUnwindSafe(|| write!(scene.socket(id), "half of {broken}"));
        catch_unwind(writing).unwrap_err();
        assert_eq!(scene.socket(id).bytes_written(), 0);
    }
    let whole = "all of it";
    write!(scene.socket(id), "{whole}");
    scene.socket(id).end();
    let received = scene.peer_reads_to_end(&mut peer).bytes;
    assert_eq!(received, b"all of it");
}
