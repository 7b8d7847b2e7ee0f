//! Limits, ends and shutdowns of a socket with filters, in each phase.

use std::cell::Cell;
use std::io::IoSlice;
use std::rc::Rc;
use std::time::{Duration, Instant};

use netloop::{
    ConnectOptions, Context, Decoded, Error, EventLoop, EventLoopOptions, Filter, FilterOutput,
    Limits, ListenOptions, Result, SocketHandler, SocketOptions,
};

use super::{Behind, accepted, records};
use crate::support::{END, HELLO, Peer, PeerEnd, Recorder, Records, Scene, World, listener};

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
fn the_network_that_a_connection_leaves_is_the_one_it_entered() {
    let mut scene = Scene::new();
    let limits = Limits::new().max_connections_per_network(1);
    let options = ListenOptions::new().filter(|| Ok(Behind)).limits(limits);
    let (_, address) = scene.listen(options, |_| Recorder::new("theirs"));
    for number in 1..=3 {
        let peer = Peer::connect(address);
        scene.drive_with("the connection", |scene| {
            scene.world.count("theirs", "connect") == number
        });
        peer.close();
        scene.drive_with("the close", |scene| {
            scene.world.count("theirs", "close") == number
        });
    }
    assert!(!scene.world.has("server", "drop"));
}

/// Notes its connects and its failure.
struct Noting;

impl SocketHandler<World> for Noting {
    fn on_connect(&mut self, cx: &mut Context<'_, World>) {
        cx.shared.note("connect".to_owned());
    }
    fn on_data(&mut self, _: &mut Context<'_, World>, _: &[u8]) {}
    fn on_error(&mut self, cx: &mut Context<'_, World>, error: &Error) {
        cx.shared.note(error.code().to_owned());
    }
}

#[test]
fn the_connect_timeout_is_over_when_a_filter_starts_later() {
    let mut scene = Scene::new();
    let (listener, address) = listener();
    let options = ConnectOptions::new().connect_timeout(Duration::from_millis(150));
    let connecting = scene.event_loop.connect_with(address, options, Noting);
    let id = connecting.unwrap();
    let mut peer = scene.peer_accepts(&listener);
    scene.drive("the connection", |world| world.notes == ["connect"]);
    scene.let_pass(Duration::from_millis(200));
    scene
        .socket(id)
        .start_filter(Records::default(), b"")
        .unwrap();
    assert_eq!(scene.peer_reads(&mut peer, HELLO.len()), HELLO);
    peer.write(HELLO);
    scene.drive("the handshake", |world| world.notes.len() == 2);
    assert_eq!(scene.world.notes, ["connect", "connect"]);
}

#[test]
fn bytes_decoded_before_a_filter_is_ready_keep_their_order() {
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
fn an_answer_of_a_filter_behind_our_end_fails_nothing() {
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

/// A filter that counts its inputs. It decodes one byte of each `gap` inputs, and swallows the rest.
struct Swallowing {
    is_ready: bool,
    gap: usize,
    inputs: Rc<Cell<usize>>,
}

impl Filter for Swallowing {
    fn is_ready(&self) -> bool {
        self.is_ready
    }
    fn decode(&mut self, input: &mut [u8], _: &mut FilterOutput<'_>) -> Result<Decoded> {
        self.inputs.set(self.inputs.get() + 1);
        let decoded = usize::from(self.inputs.get() % self.gap == 0);
        Ok(Decoded::used(input.len()).in_place(0..decoded))
    }
    fn encode(&mut self, bytes: &[IoSlice<'_>], to_peer: &mut Vec<u8>) -> Result<usize> {
        to_peer.extend_from_slice(&bytes[0]);
        Ok(bytes[0].len())
    }
}

// Each filter decodes a byte of eight reads, and the last filter decodes none, within its handshake or behind it.
#[test]
fn stacked_filters_read_no_more_in_a_turn_than_one() {
    for (filters, is_ready) in [1, 2, 3]
        .into_iter()
        .flat_map(|it| [(it, true), (it, false)])
    {
        let mut scene = Scene::new();
        let options = EventLoopOptions::new().read_buffer_bytes(1024);
        scene.event_loop = EventLoop::with_options(options).unwrap();
        let (ours, mut peer) = Peer::pair();
        let id = scene
            .event_loop
            .adopt(ours, SocketOptions::new(), Noting)
            .unwrap();
        let inputs = Rc::new(Cell::new(0));
        for number in 1..=filters {
            let filter = Swallowing {
                is_ready: is_ready || number < filters,
                gap: if number < filters { 8 } else { usize::MAX },
                inputs: match number {
                    1 => Rc::clone(&inputs),
                    _ => Rc::default(),
                },
            };
            scene.socket(id).start_filter(filter, b"").unwrap();
            scene.settle();
        }
        peer.write(&[7; 100_000]);
        let mut read = 0;
        scene.drive_with("the bytes", |_| {
            let before = inputs.replace(0);
            assert!(before <= 8, "{filters} filters, {is_ready}: {before} reads");
            read += before;
            read >= 100_000 / 1024
        });
    }
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
fn a_broadcast_does_not_reach_a_connection_within_its_handshake() {
    let mut scene = Scene::new();
    let (server, address) = scene.listen(records(), |_| Recorder::new("theirs"));
    let mut early = Peer::connect(address);
    assert_eq!(scene.peer_reads(&mut early, HELLO.len()), HELLO);
    let slow = scene.event_loop.server(server).broadcast(b"secret");
    assert_eq!(slow, []);
    early.write(HELLO);
    scene.drive_until("theirs", "connect");
    let slow = scene.event_loop.server(server).broadcast(b"news");
    assert_eq!(slow, []);
    let news = Records::of(b"news");
    assert_eq!(scene.peer_reads(&mut early, news.len()), news);
}

#[test]
fn a_shutdown_asks_a_connection_whose_handshake_takes_long() {
    let mut scene = Scene::new();
    let (_, address) = scene.listen(records(), |_| Recorder::new("theirs"));
    let mut peer = Peer::connect(address);
    assert_eq!(scene.peer_reads(&mut peer, HELLO.len()), HELLO);
    let report = Rc::new(Cell::new(None));
    let told = Rc::clone(&report);
    scene
        .event_loop
        .shutdown(Duration::from_secs(30), move |_, report| {
            told.set(Some(report));
        });
    // Longer than a connection without a byte is left in peace.
    scene.let_pass(Duration::from_millis(1_300));
    peer.write(HELLO);
    scene.drive_until("theirs", "connect");
    // The default answer ends an idle socket, and this end is answered.
    let received = scene.peer_reads_to_end(&mut peer);
    assert_eq!((&received.bytes[..], received.end), (END, PeerEnd::Fin));
    peer.write(END);
    peer.half_close();
    scene.drive_with("the report", |_| report.get().is_some());
    assert_eq!(report.get().unwrap().forced, 0);
}

#[test]
fn bytes_from_before_a_filter_count_until_they_are_sent() {
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

#[test]
fn a_shutdown_cuts_a_queue_within_a_handshake_with_a_reset() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.adopted(SocketOptions::new(), Recorder::new("us"));
    scene.settle();
    scene.socket(id).write(&[1; 400_000]).ignore();
    scene
        .socket(id)
        .start_filter(Records::default(), b"")
        .unwrap();
    scene
        .event_loop
        .shutdown(Duration::from_millis(100), |_, _| {});
    scene.drive_until("us", "close");
    assert_eq!(scene.peer_reads_to_end(&mut peer).end, PeerEnd::Reset);
}

#[test]
fn an_idle_time_counts_from_the_end_of_the_handshake() {
    let mut scene = Scene::new();
    let idle = Duration::from_millis(300);
    // Much shorter than the time that the handshake may take.
    let limits = Limits::new().idle_timeout(idle);
    let (_, address) = scene.listen(records().limits(limits), |_| Recorder::new("theirs"));
    let mut peer = Peer::connect(address);
    peer.write(&HELLO[..2]);
    scene.let_pass(Duration::from_millis(200));
    let begun = Instant::now();
    peer.write(&HELLO[2..]);
    scene.drive_until("theirs", "timeout");
    assert!(begun.elapsed() >= idle, "{:?}", begun.elapsed());
}

#[test]
fn a_filter_that_does_not_start_leaves_the_cork() {
    let mut scene = Scene::new();
    let mut peer = accepted(&mut scene, records(), Recorder::new("theirs"));
    scene.drive_until("theirs", "connect");
    let id = scene.world.id("theirs");
    let much = vec![b'm'; 8 << 20];
    let mut socket = scene.socket(id);
    socket.cork();
    socket.write(&much).ignore();
    let started = socket.start_filter(Records::default(), b"");
    assert_eq!(started.unwrap_err().code(), Error::INVALID_STATE);
    let much = Records::of(&much);
    assert_eq!(scene.peer_reads(&mut peer, much.len()).len(), much.len());
    scene.socket(id).write(b"held").ignore();
    scene.settle();
    assert_eq!(peer.read_some(1).unwrap(), None, "the cork has ended");
    scene.socket(id).uncork();
    let held = Records::of(b"held");
    assert_eq!(scene.peer_reads(&mut peer, held.len()), held);
}
