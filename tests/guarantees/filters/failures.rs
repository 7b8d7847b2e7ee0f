//! Failures of the connection below filters, which the kernel tells once: the handler gets the true cause, and a true count
//! of the lost bytes.

use std::io::IoSlice;

use netloop::{Decoded, Error, Filter, FilterOutput, ListenOptions, Result, SocketOptions};

use super::contracts::Pong;
use super::{accepted, records};
use crate::support::{
    Peer, Recorder, Records, Scene, assert_same_bytes, pattern, with_failing_calls,
};

// D9
#[test]
fn a_reset_that_comes_within_a_pause_is_no_truncation() {
    let mut scene = Scene::new();
    let options = records().socket(SocketOptions::new().pause_on_connect(true));
    let mut peer = accepted(&mut scene, options, Recorder::new("theirs"));
    scene.drive_until("theirs", "connect");
    let id = scene.world.id("theirs");
    peer.write(&Records::of(b"last words"));
    peer.reset();
    scene.drive_with("the report", |scene| scene.socket(id).is_peer_gone());
    scene.settle();
    assert_eq!(scene.world.trace("theirs"), "connect");
    scene.socket(id).resume();
    scene.drive_to_close("theirs");
    assert_eq!(
        scene.world.trace("theirs"),
        "connect data:last words error:ECONNRESET close:Reset"
    );
}

// I5
#[test]
fn batches_that_left_before_a_failed_one_are_not_lost() {
    const BYTES: usize = 600_000;
    with_failing_calls(&["sendto:error=EACCES:when=4"], || {
        let mut scene = Scene::new();
        let writing = Recorder::new("theirs")
            .on("connect", |cx, _| {
                cx.socket.write(&pattern(BYTES, 4)).ignore();
            })
            .on("close", |cx, _| {
                let lost = cx.socket.queued_bytes();
                cx.shared.note(lost.to_string());
            });
        let mut writing = Some(writing);
        let options = ListenOptions::new().filter(|| Ok(Pong::new()));
        let (_, address) = scene.listen(options, move |_| writing.take().unwrap());
        let mut peer = Peer::connect(address);
        let received = scene.peer_reads_to_end(&mut peer).bytes;
        scene.drive_to_close("theirs");
        let lost: usize = scene.world.notes[0].parse().unwrap();
        assert!(!received.is_empty(), "some have left");
        assert_eq!(received.len() + lost, BYTES);
        assert_same_bytes(&received, &pattern(BYTES, 4)[..received.len()]);
    });
}

/// Encodes small pieces, and fails after eight mebibytes.
#[derive(Default)]
struct Exhausted {
    encoded: usize,
}

impl Filter for Exhausted {
    fn is_ready(&self) -> bool {
        true
    }
    fn decode(&mut self, input: &mut [u8], _: &mut FilterOutput<'_>) -> Result<Decoded> {
        Ok(Decoded::used(input.len()).in_place(0..input.len()))
    }
    fn encode(&mut self, bytes: &[IoSlice<'_>], to_peer: &mut Vec<u8>) -> Result<usize> {
        let length = bytes[0].len().min(1_000);
        self.encoded += length;
        if self.encoded > 8 << 20 {
            return Err(Error::with_code("ERR_EXHAUSTED", "no more is encoded"));
        }
        to_peer.extend_from_slice(&bytes[0][..length]);
        Ok(length)
    }
}

// The kernel was full before, and announces space only once. The call that meets the failure is not announced.
#[test]
fn a_failure_behind_bytes_that_left_needs_no_kernel_event() {
    let mut scene = Scene::new();
    let writing = Recorder::new("theirs").on("connect", |cx, _| {
        cx.socket.write(&pattern(10 << 20, 4)).ignore();
    });
    let mut writing = Some(writing);
    let options = ListenOptions::new().filter(|| Ok(Exhausted::default()));
    let (_, address) = scene.listen(options, move |_| writing.take().unwrap());
    let mut peer = Peer::connect(address);
    scene.drive_until("theirs", "connect");
    scene.settle();
    let received = scene.peer_reads_to_end(&mut peer).bytes;
    scene.drive_to_close("theirs");
    assert!(received.len() > (8 << 20) - 1_000);
    let trace = scene.world.trace("theirs");
    assert!(
        trace.ends_with("error:ERR_EXHAUSTED close:Error"),
        "{trace}"
    );
}

#[test]
fn a_failure_that_an_answer_of_a_filter_meets_is_told() {
    // The first send is the question of the peer.
    with_failing_calls(&["sendto:error=ETIMEDOUT:when=2"], || {
        let mut scene = Scene::new();
        let options = ListenOptions::new().filter(|| Ok(Pong::new()));
        let (_, address) = scene.listen(options, |_| Recorder::new("theirs"));
        let mut peer = Peer::connect(address);
        peer.write(b"there?");
        scene.drive_until("theirs", "data");
        peer.half_close();
        scene.drive_to_close("theirs");
        assert_eq!(
            scene.world.trace("theirs"),
            "connect data:there? error:ETIMEDOUT close:TimedOut"
        );
    });
}

/// A filter that cannot mark the end.
struct Endless;

impl Filter for Endless {
    fn decode(&mut self, input: &mut [u8], _: &mut FilterOutput<'_>) -> Result<Decoded> {
        Ok(Decoded::used(input.len()).in_place(0..input.len()))
    }
    fn encode(&mut self, bytes: &[IoSlice<'_>], to_peer: &mut Vec<u8>) -> Result<usize> {
        to_peer.extend_from_slice(&bytes[0]);
        Ok(bytes[0].len())
    }
    fn end(&mut self, _: &mut Vec<u8>) -> Result<()> {
        Err(Error::with_code("ERR_END", "there is no end"))
    }
}

#[test]
fn a_filter_that_cannot_end_closes_its_socket_with_the_error() {
    let ways: [fn(&mut netloop::Socket<'_>); 4] = [
        |socket| socket.end(),
        |socket| socket.destroy_soon(),
        |socket| socket.end_with(b"bye").ignore(),
        |socket| {
            socket.pause();
            socket.end();
        },
    ];
    for (number, way) in ways.into_iter().enumerate() {
        for has_ended in [false, true] {
            let mut scene = Scene::new();
            let options = ListenOptions::new().filter(|| Ok(Endless));
            let options = options.socket(SocketOptions::new().allow_half_open(true));
            let (_, address) = scene.listen(options, |_| Recorder::new("theirs"));
            let mut peer = Peer::connect(address);
            peer.write(b"data");
            scene.drive("the data", |world| world.received_length("theirs") == 4);
            if has_ended {
                peer.half_close();
                scene.drive_until("theirs", "end");
            }
            let id = scene.world.id("theirs");
            way(&mut scene.socket(id));
            scene.drive_to_close("theirs");
            let trace = scene.world.trace("theirs");
            let ended = trace.ends_with("error:ERR_END close:Error");
            assert!(ended, "way {number}, behind the peer {has_ended}: {trace}");
        }
    }
}

/// Answers each piece that it decodes. It is ready at once.
struct Answering;

impl Filter for Answering {
    fn is_ready(&self) -> bool {
        true
    }
    fn decode(&mut self, input: &mut [u8], output: &mut FilterOutput<'_>) -> Result<Decoded> {
        output.to_peer().push(b'!');
        Ok(Decoded::used(input.len()).in_place(0..input.len()))
    }
    fn encode(&mut self, bytes: &[IoSlice<'_>], to_peer: &mut Vec<u8>) -> Result<usize> {
        to_peer.extend_from_slice(&bytes[0]);
        Ok(bytes[0].len())
    }
}

// The start of a filter offers the kernel what the earlier filters have to send.
#[test]
fn a_filter_does_not_start_on_a_socket_that_fails_meanwhile() {
    for pauses in [false, true] {
        let mut scene = Scene::new();
        let starting = Recorder::new("theirs").on("data", move |cx, _| {
            if pauses {
                cx.socket.pause();
            }
            let started = cx.socket.start_filter(Records::default(), b"");
            cx.shared.note(started.unwrap_err().code());
        });
        let options = ListenOptions::new().filter(|| Ok(Answering));
        let mut starting = Some(starting);
        let (_, address) = scene.listen(options, move |_| starting.take().unwrap());
        let mut peer = Peer::connect(address);
        scene.drive_until("theirs", "connect");
        peer.write(b"x");
        peer.reset();
        scene.drive_to_close("theirs");
        assert_eq!(
            scene.world.trace("theirs"),
            "connect data:x error:ECONNRESET close:Reset",
            "{pauses}"
        );
        assert_eq!(scene.world.notes, [Error::INVALID_STATE]);
    }
}
