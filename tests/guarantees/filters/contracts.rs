//! What limits, ends and shutdowns mean for a socket with filters, in each phase.

use std::cell::Cell;
use std::io::IoSlice;
use std::rc::Rc;

use netloop::{Decoded, Filter, FilterOutput, ListenOptions, Result, SocketOptions};

use super::{accepted, records};
use crate::support::{HELLO, Peer, PeerEnd, Recorder, Records, Scene};

/// A filter that answers each `?` with a `!`, and hands all bytes on. It is ready once `late` bytes have come.
pub(super) struct Pong {
    late: usize,
    decoded: Rc<Cell<usize>>,
}

impl Pong {
    pub(super) fn new() -> Self {
        Self::ready_after(0)
    }

    fn ready_after(late: usize) -> Self {
        Self {
            late,
            decoded: Rc::default(),
        }
    }
}

impl Filter for Pong {
    fn is_ready(&self) -> bool {
        self.decoded.get() >= self.late
    }
    fn decode(&mut self, input: &mut [u8], output: &mut FilterOutput<'_>) -> Result<Decoded> {
        self.decoded.set(self.decoded.get() + input.len());
        let asked = input.iter().filter(|byte| **byte == b'?').count();
        output.to_peer().extend(b"!".repeat(asked));
        let decoded = Decoded::used(input.len()).in_place(0..input.len());
        match input.ends_with(b".") {
            true => Ok(decoded.end()),
            false => Ok(decoded),
        }
    }
    fn encode(&mut self, bytes: &[IoSlice<'_>], to_peer: &mut Vec<u8>) -> Result<usize> {
        to_peer.extend_from_slice(&bytes[0]);
        Ok(bytes[0].len())
    }
}

#[test]
fn bytes_that_a_filter_decodes_before_it_is_ready_keep_their_order() {
    let mut scene = Scene::new();
    let options = ListenOptions::new().filter(|| Ok(Pong::ready_after(10)));
    let (_, address) = scene.listen(options, |_| Recorder::new("theirs"));
    let mut peer = Peer::connect(address);
    for part in [b"0123", b"4567", b"89ab"] {
        peer.write(part);
        scene.settle();
    }
    scene.drive_until("theirs", "data");
    assert_eq!(scene.world.received("theirs"), b"0123456789ab");
}

#[test]
fn a_filter_that_decodes_without_end_before_it_is_ready_fails() {
    let mut scene = Scene::new();
    let decoded = Rc::new(Cell::new(0));
    let counter = Rc::clone(&decoded);
    let options = ListenOptions::new().filter(move || {
        Ok(Pong {
            late: usize::MAX,
            decoded: Rc::clone(&counter),
        })
    });
    let (_, address) = scene.listen(options, |_| Recorder::new("theirs"));
    let mut peer = Peer::connect(address);
    scene.drive_with("the failure", |scene| {
        let _ = peer.try_write(&[7; 64 << 10]);
        scene.world.has("server", "failed") || decoded.get() > 64 << 20
    });
    assert!(decoded.get() < 1 << 20, "{}", decoded.get());
}

#[test]
fn a_reset_that_a_write_meets_is_no_truncation() {
    let mut scene = Scene::new();
    let mut peer = accepted(&mut scene, records(), Recorder::new("theirs"));
    peer.write(&Records::of(b"a"));
    scene.drive_until("theirs", "data");
    peer.reset();
    let id = scene.world.id("theirs");
    scene.socket(id).write(&[1; 100_000]).ignore();
    scene.drive_to_close("theirs");
    let trace = scene.world.trace("theirs");
    assert!(
        trace.starts_with("connect data:a error:E") && trace.ends_with("close:Reset"),
        "{trace}"
    );
}

#[test]
fn a_filter_that_answers_behind_the_end_of_its_side_fails_nothing() {
    let mut scene = Scene::new();
    let ending = Recorder::new("theirs").on("connect", |cx, _| cx.socket.end());
    let mut ending = Some(ending);
    let options = ListenOptions::new().filter(|| Ok(Pong::new()));
    let (_, address) = scene.listen(options, move |_| ending.take().unwrap());
    let mut peer = Peer::connect(address);
    assert_eq!(scene.peer_reads_to_end(&mut peer).end, PeerEnd::Fin);
    peer.write(b"are you there?");
    scene.drive_until("theirs", "data");
    peer.write(b" bye.");
    scene.drive_to_close("theirs");
    let trace = scene.world.trace("theirs");
    assert_eq!(trace, "connect data:are you there? bye. end close:Graceful");
}

#[test]
fn a_peer_that_takes_no_answers_is_not_read_without_end() {
    let mut scene = Scene::new();
    let (ours, mut peer) = Peer::pair();
    let id = scene
        .event_loop
        .adopt(ours, SocketOptions::new(), Recorder::new("us"))
        .unwrap();
    let decoded = Rc::new(Cell::new(0));
    let pong = Pong {
        late: 0,
        decoded: Rc::clone(&decoded),
    };
    scene.socket(id).start_filter(pong, b"").unwrap();
    let mut quiet = 0;
    scene.drive_with("an end of the reads", |_| {
        let sent = peer.write_some(&[b'?'; 64 << 10]);
        quiet = if sent == 0 { quiet + 1 } else { 0 };
        quiet > 50 || decoded.get() > 64 << 20
    });
    assert!(decoded.get() < 8 << 20, "{}", decoded.get());
    // The peer reads, and everything goes on.
    let answers = decoded.get();
    let received = scene.peer_reads(&mut peer, answers);
    assert!(received.iter().all(|byte| *byte == b'!'));
}

/// A filter with frames of four bytes, which leaves a part of one to its caller.
struct Fours;

impl Filter for Fours {
    fn decode(&mut self, input: &mut [u8], _: &mut FilterOutput<'_>) -> Result<Decoded> {
        let whole = input.len() / 4 * 4;
        Ok(Decoded::used(whole).in_place(0..whole))
    }
    fn encode(&mut self, bytes: &[IoSlice<'_>], to_peer: &mut Vec<u8>) -> Result<usize> {
        to_peer.extend_from_slice(&bytes[0]);
        Ok(bytes[0].len())
    }
}

#[test]
fn a_fin_behind_bytes_that_a_filter_has_not_used_is_no_end() {
    let mut scene = Scene::new();
    let options = ListenOptions::new().filter(|| Ok(Fours));
    let (_, address) = scene.listen(options, |_| Recorder::new("theirs"));
    let mut peer = Peer::connect(address);
    peer.write(b"abcdef");
    peer.half_close();
    scene.drive_to_close("theirs");
    let trace = scene.world.trace("theirs");
    assert_eq!(trace, "connect data:abcd error:ERR_FILTER close:Error");
}

#[test]
fn a_socket_reports_marks_only_when_bytes_from_before_a_filter_are_sent() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.adopted(SocketOptions::new(), Recorder::new("us"));
    scene.settle();
    scene.socket(id).write(&[1; 400_000]).ignore();
    scene.socket(id).notify_when_sent(5);
    scene
        .socket(id)
        .start_filter(Records::default(), b"")
        .unwrap();
    assert!(scene.socket(id).queued_bytes() > 100_000);
    peer.write(HELLO);
    scene.settle();
    assert!(!scene.world.has("us", "sent"));
    let received = scene.peer_reads(&mut peer, 400_000 + HELLO.len());
    assert!(received[..400_000].iter().all(|byte| *byte == 1));
    assert_eq!(&received[400_000..], HELLO);
    scene.drive_until("us", "sent");
    assert_eq!(scene.socket(id).queued_bytes(), 0);
}
