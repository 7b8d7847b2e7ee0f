//! Filters between the wire and the handlers: what the handler sees is as without them, and the wire has what they make.

mod contracts;
#[cfg(target_os = "linux")]
mod failures;
mod faulty;
mod handshakes;
mod proxied;
mod stacked;
#[cfg(unix)]
mod transient;

use std::cell::Cell;
use std::io::IoSlice;
use std::rc::Rc;

use netloop::{
    ConnectOptions, Decoded, Filter, FilterOutput, Flow, ListenOptions, Result, SocketOptions,
};

use crate::support::{
    END, HELLO, Peer, PeerEnd, Recorder, Records, Scene, Seen, assert_same_bytes, pattern,
};

/// Options of a server whose sockets have a filter of records.
fn records() -> ListenOptions {
    ListenOptions::new().filter(|| Ok(Records::default()))
}

/// A loop with a server and a client that speak in records to each other, both open.
fn two_ends(scene: &mut Scene, ours: Recorder, theirs: Recorder) {
    let mut theirs = Some(theirs);
    let (_, address) = scene.listen(records(), move |_| theirs.take().unwrap());
    let options = ConnectOptions::new().filter(|| Ok(Records::default()));
    scene.connect(address, options, ours);
    scene.drive_until("ours", "connect");
    scene.drive_until("theirs", "connect");
}

/// A socket that a server with records has accepted, and its peer, which speaks them by hand.
fn accepted(scene: &mut Scene, options: ListenOptions, recorder: Recorder) -> Peer {
    let mut recorder = Some(recorder);
    let (_, address) = scene.listen(options, move |_| recorder.take().unwrap());
    let mut peer = Peer::connect(address);
    peer.write(HELLO);
    assert_eq!(scene.peer_reads(&mut peer, HELLO.len()), HELLO);
    peer
}

#[test]
fn a_filter_changes_nothing_that_handlers_see() {
    let mut scene = Scene::new();
    let echo = Recorder::new("theirs").reacting(|cx, seen| {
        if let Seen::Data(bytes) = seen {
            cx.socket.write(bytes).ignore();
        }
    });
    two_ends(&mut scene, Recorder::new("ours"), echo);
    let bytes = pattern(1 << 20, 5);
    let id = scene.world.id("ours");
    scene.socket(id).write(&bytes).ignore();
    scene.drive("the echo", |world| world.received_length("ours") == 1 << 20);
    assert_same_bytes(&scene.world.received("ours"), &bytes);
    assert_eq!(scene.socket(id).bytes_read(), 1 << 20);
    assert_eq!(scene.socket(id).bytes_written(), 1 << 20);
    assert_eq!(scene.socket(id).queued_bytes(), 0);
    scene.socket(id).end();
    scene.drive_to_close("ours");
    scene.drive_to_close("theirs");
    assert!(scene.world.trace("ours").ends_with("end close:Graceful"));
    assert!(scene.world.trace("theirs").ends_with("end close:Graceful"));
}

#[test]
fn bytes_arrive_one_at_a_time_through_a_filter() {
    let mut scene = Scene::new();
    let mut peer = accepted(&mut scene, records(), Recorder::new("theirs"));
    for byte in Records::of(b"piecemeal")
        .into_iter()
        .chain(END.iter().copied())
    {
        peer.write(&[byte]);
        scene.settle();
    }
    scene.drive_until("theirs", "end");
    assert_eq!(scene.world.received("theirs"), b"piecemeal");
}

#[test]
fn many_small_writes_are_encoded_as_one() {
    let mut scene = Scene::new();
    let greeting = Recorder::new("theirs").on("connect", |cx, _| {
        for _ in 0..10 {
            cx.socket.write(b"ab").ignore();
        }
    });
    let mut peer = accepted(&mut scene, records(), greeting);
    let record = Records::of(&b"ab".repeat(10));
    assert_eq!(scene.peer_reads(&mut peer, record.len()), record);
}

#[test]
fn an_end_sends_the_bytes_then_the_filters_end_then_a_fin() {
    let mut scene = Scene::new();
    let bytes = pattern(300_000, 3);
    let sent = bytes.clone();
    let ending = Recorder::new("theirs").on("connect", move |cx, _| {
        cx.socket.write(&sent).ignore();
        cx.socket.end();
    });
    let mut peer = accepted(&mut scene, records(), ending);
    let received = scene.peer_reads_to_end(&mut peer);
    assert_eq!(received.end, PeerEnd::Fin);
    let expected = [&Records::of(&bytes)[..], END].concat();
    assert_same_bytes(&received.bytes, &expected);
    // Half-open: the peer goes on.
    peer.write(&Records::of(b"answer"));
    peer.write(END);
    scene.drive_to_close("theirs");
    assert_eq!(scene.world.received("theirs"), b"answer");
    assert!(scene.world.trace("theirs").ends_with("end close:Graceful"));
}

#[test]
fn the_end_of_the_filter_is_an_end_without_a_fin() {
    let mut scene = Scene::new();
    let mut peer = accepted(&mut scene, records(), Recorder::new("theirs"));
    peer.write(&[&Records::of(b"bye")[..], END].concat());
    let received = scene.peer_reads_to_end(&mut peer);
    assert_eq!((&received.bytes[..], received.end), (END, PeerEnd::Fin));
    scene.drive_to_close("theirs");
    let trace = scene.world.trace("theirs");
    assert_eq!(trace, "connect data:bye end close:Graceful");
}

#[test]
fn a_fin_within_the_records_is_a_failure_and_no_end() {
    let mut scene = Scene::new();
    let mut peer = accepted(&mut scene, records(), Recorder::new("theirs"));
    let records = Records::of(b"whole");
    peer.write(&records);
    peer.write(&records[..3]);
    peer.half_close();
    scene.drive_to_close("theirs");
    let trace = scene.world.trace("theirs");
    assert_eq!(trace, "connect data:whole error:ERR_CUT close:Error");
}

#[test]
fn bytes_before_an_error_of_the_filter_are_delivered() {
    let mut scene = Scene::new();
    let mut peer = accepted(&mut scene, records(), Recorder::new("theirs"));
    peer.write(&[&Records::of(b"good")[..], b"\xff\xff"].concat());
    scene.drive_to_close("theirs");
    let trace = scene.world.trace("theirs");
    assert_eq!(trace, "connect data:good error:ERR_RECORD close:Error");
}

#[test]
fn destroy_and_reset_ask_no_filter() {
    for (resets, end) in [(false, PeerEnd::Fin), (true, PeerEnd::Reset)] {
        let mut scene = Scene::new();
        let leaving = Recorder::new("theirs").on("data", move |cx, _| match resets {
            true => cx.socket.reset().unwrap(),
            false => cx.socket.destroy(),
        });
        let mut peer = accepted(&mut scene, records(), leaving);
        peer.write(&Records::of(b"go"));
        let received = scene.peer_reads_to_end(&mut peer);
        assert_eq!((&received.bytes[..], received.end), (&b""[..], end));
    }
}

#[test]
fn a_slow_reader_bounds_what_is_queued_through_a_filter() {
    let mut scene = Scene::new();
    let (ours, mut peer) = Peer::pair();
    let options = SocketOptions::new().max_queued_bytes(200_000);
    let recorder = Recorder::new("us");
    let id = scene.event_loop.adopt(ours, options, recorder).unwrap();
    scene
        .socket(id)
        .start_filter(Records::default(), b"")
        .unwrap();
    peer.write(HELLO);
    scene.drive_until("us", "connect");
    let bytes = pattern(150_000, 4);
    assert_eq!(scene.socket(id).write(&bytes), Flow::Full);
    let queued = scene.socket(id).queued_bytes();
    assert!(queued > 50_000, "{queued}");
    let expected = [HELLO, &Records::of(&bytes)].concat();
    let mut received = scene.peer_reads(&mut peer, expected.len() / 2);
    let left = scene.socket(id).queued_bytes();
    assert!(left < queued, "the queue falls as the wire takes: {left}");
    received.extend(scene.peer_reads(&mut peer, expected.len() - received.len()));
    assert_same_bytes(&received, &expected);
    scene.drive_until("us", "drain");
    assert_eq!(scene.socket(id).queued_bytes(), 0);
}

/// A filter that counts the bytes that it has encoded, and doubles them.
struct Counting(Rc<Cell<usize>>);

impl Filter for Counting {
    fn decode(&mut self, input: &mut [u8], _: &mut FilterOutput<'_>) -> Result<Decoded> {
        Ok(Decoded::used(input.len()).in_place(0..input.len()))
    }
    fn encode(&mut self, bytes: &[IoSlice<'_>], to_peer: &mut Vec<u8>) -> Result<usize> {
        let bytes: Vec<u8> = bytes.iter().flat_map(|slice| slice.to_vec()).collect();
        assert!(bytes.len() <= 64 << 10, "{} bytes at a time", bytes.len());
        self.0.set(self.0.get() + bytes.len());
        to_peer.extend_from_slice(&bytes);
        to_peer.extend_from_slice(&bytes);
        Ok(bytes.len())
    }
}

#[test]
fn a_filter_encodes_at_most_64_kib_ahead_of_the_kernel() {
    let mut scene = Scene::new();
    let (ours, mut peer) = Peer::pair_with_small_sender();
    let id = scene
        .event_loop
        .adopt(ours, SocketOptions::new(), Recorder::new("us"));
    let id = id.unwrap();
    let encoded = Rc::new(Cell::new(0));
    let counting = Counting(Rc::clone(&encoded));
    scene.socket(id).start_filter(counting, b"").unwrap();
    scene.drive_until("us", "connect");
    let bytes = pattern(4 << 20, 8);
    scene.socket(id).write(&bytes).ignore();
    scene.settle();
    let mut received = 0;
    while received < 2 * bytes.len() {
        let sent = bytes.len() - scene.socket(id).queued_bytes();
        let ahead = encoded.get() - sent;
        assert!(ahead <= 64 << 10, "{ahead} bytes are encoded ahead");
        received += scene.peer_reads(&mut peer, 64 << 10).len();
    }
    assert_eq!(encoded.get(), bytes.len());
}

/// A filter that makes many bytes of each received one: more than a read has space for.
struct Expanding {
    held: usize,
}

impl Filter for Expanding {
    fn decode(&mut self, input: &mut [u8], output: &mut FilterOutput<'_>) -> Result<Decoded> {
        self.held += input.len() * 300_000;
        while self.held > 0 && !output.space().is_empty() {
            self.held -= output.put(&vec![7; self.held]);
        }
        Ok(Decoded::used(input.len()))
    }
    fn encode(&mut self, bytes: &[IoSlice<'_>], to_peer: &mut Vec<u8>) -> Result<usize> {
        to_peer.extend_from_slice(&bytes[0]);
        Ok(bytes[0].len())
    }
}

#[test]
fn bytes_that_a_filter_holds_come_without_further_input() {
    let mut scene = Scene::new();
    let options = ListenOptions::new().filter(|| Ok(Expanding { held: 0 }));
    let (_, address) = scene.listen(options, |_| Recorder::new("theirs"));
    let mut peer = Peer::connect(address);
    scene.drive_until("theirs", "connect");
    for number in 1..=3 {
        peer.write(b"x");
        scene.drive("all that it stands for", |world| {
            world.received_length("theirs") == number * 300_000
        });
    }
    assert!(scene.world.received("theirs").iter().all(|byte| *byte == 7));
}

#[test]
fn a_paused_socket_holds_back_what_its_filter_has_decoded() {
    let mut scene = Scene::new();
    let pausing = Recorder::new("theirs").on("connect", |cx, _| cx.socket.pause());
    let mut peer = accepted(&mut scene, records(), pausing);
    peer.write(&[&Records::of(b"later")[..], END].concat());
    scene.settle();
    assert_eq!(scene.world.trace("theirs"), "connect");
    let id = scene.world.id("theirs");
    // Behind this side's end, the loop looks for the peer's end in spite of the pause, and so decodes.
    scene.socket(id).end();
    scene.settle();
    assert_eq!(scene.world.trace("theirs"), "connect");
    scene.socket(id).resume();
    scene.drive_to_close("theirs");
    let trace = scene.world.trace("theirs");
    assert_eq!(trace, "connect data:later end close:Graceful");
}

#[test]
fn a_paused_socket_that_has_ended_hears_the_filters_end() {
    let mut scene = Scene::new();
    let pausing = Recorder::new("theirs").on("connect", |cx, _| {
        cx.socket.pause();
        cx.socket.end();
    });
    let mut peer = accepted(&mut scene, records(), pausing);
    peer.write(END);
    scene.drive_to_close("theirs");
    assert_eq!(scene.world.trace("theirs"), "connect end close:Graceful");
}

/// A filter that puts its mark in front of each batch, to tell the order of a stack.
struct Mark(u8);

impl Filter for Mark {
    fn decode(&mut self, input: &mut [u8], _: &mut FilterOutput<'_>) -> Result<Decoded> {
        let key = self.0;
        input.iter_mut().for_each(|byte| *byte ^= key);
        Ok(Decoded::used(input.len()).in_place(0..input.len()))
    }
    fn encode(&mut self, bytes: &[IoSlice<'_>], to_peer: &mut Vec<u8>) -> Result<usize> {
        to_peer.push(self.0);
        to_peer.extend(bytes[0].iter().map(|byte| byte ^ self.0));
        Ok(bytes[0].len())
    }
}

#[test]
fn filters_stack_from_the_wire_upwards() {
    let mut scene = Scene::new();
    let options = ListenOptions::new()
        .filter(|| Ok(Mark(1)))
        .filter(|| Ok(Records::default()))
        .filter(|| Ok(Mark(2)));
    let echo = Recorder::new("theirs").reacting(|cx, seen| {
        if let Seen::Data(bytes) = seen {
            cx.socket.write(bytes).ignore();
        }
    });
    let mut echo = Some(echo);
    let (_, address) = scene.listen(options, move |_| echo.take().unwrap());
    let mut peer = Peer::connect(address);
    let below = |bytes: &[u8]| bytes.iter().map(|byte| byte ^ 1).collect::<Vec<u8>>();
    peer.write(&below(HELLO));
    let sent: Vec<u8> = b"abc".iter().map(|byte| byte ^ 2).collect();
    peer.write(&below(&Records::of(&sent)));
    let hello = [&[1], &below(HELLO)[..]].concat();
    assert_eq!(scene.peer_reads(&mut peer, hello.len()), hello);
    let record = below(&Records::of(&[&[2], &sent[..]].concat()));
    let answer = [&[1], &record[..]].concat();
    assert_eq!(scene.peer_reads(&mut peer, answer.len()), answer);
    assert_eq!(scene.world.received("theirs"), b"abc");
}

/// A filter that knows a better address, and passes all bytes.
pub(super) struct Behind;

impl Filter for Behind {
    fn decode(&mut self, input: &mut [u8], _: &mut FilterOutput<'_>) -> Result<Decoded> {
        Ok(Decoded::used(input.len()).in_place(0..input.len()))
    }
    fn encode(&mut self, bytes: &[IoSlice<'_>], to_peer: &mut Vec<u8>) -> Result<usize> {
        to_peer.extend_from_slice(&bytes[0]);
        Ok(bytes[0].len())
    }
    fn peer_address(&self) -> Option<std::net::SocketAddr> {
        Some(([192, 0, 2, 7], 7).into())
    }
}

#[test]
fn the_address_that_a_filter_knows_is_the_peers() {
    let mut scene = Scene::new();
    let addresses = Rc::new(std::cell::RefCell::new(Vec::new()));
    let seen = Rc::clone(&addresses);
    let reception = crate::support::Reception::welcoming("server", move |_, accepted| {
        seen.borrow_mut().push(accepted.peer_address);
        let seen = Rc::clone(&seen);
        Some(Recorder::new("theirs").on("data", move |cx, _| {
            seen.borrow_mut().push(cx.socket.peer_address());
            assert!(cx.socket.filter::<Behind>().is_some());
            assert!(cx.socket.filter::<Records>().is_none());
        }))
    });
    let options = ListenOptions::new().filter(|| Ok(Behind));
    let server = scene.serve(crate::support::loopback(), options, reception);
    let address = scene.address_of(server);
    let mut peer = Peer::connect(address);
    peer.write(b"x");
    scene.drive_until("theirs", "data");
    let better = Some(([192, 0, 2, 7], 7).into());
    assert_eq!(*addresses.borrow(), [better, better]);
}
