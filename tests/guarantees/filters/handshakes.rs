//! The handshakes of filters: who hears of them when, how they fail, and how a filter starts in mid-stream.

use std::time::{Duration, Instant};

use netloop::{
    Budget, ConnectOptions, Context, Error, EventLoop, Flow, Limits, ListenOptions, SocketHandler,
    SocketOptions, State, Wait,
};

use super::{Behind, records};
use crate::support::{END, HELLO, PATIENCE, Peer, Recorder, Records, Scene, Seen, listener};

#[test]
fn the_server_hears_of_a_connection_once_its_filter_is_ready() {
    let mut scene = Scene::new();
    let (_, address) = scene.listen(records(), |_| Recorder::new("theirs"));
    let mut peer = Peer::connect(address);
    peer.write(&HELLO[..3]);
    assert_eq!(scene.peer_reads(&mut peer, HELLO.len()), HELLO);
    scene.settle();
    assert_eq!(scene.world.trace("server"), "listening");
    peer.write(&HELLO[3..]);
    peer.write(&Records::of(b"first"));
    scene.drive_until("theirs", "data");
    assert_eq!(scene.world.trace("server"), "listening connection");
    assert_eq!(scene.world.trace("theirs"), "connect data:first");
}

#[test]
fn no_deadline_of_a_handshake_is_left_behind_it() {
    let mut scene = Scene::new();
    let limits = Limits::new().handshake_timeout(Duration::from_secs(3600));
    let (_, address) = scene.listen(records().limits(limits), |_| Recorder::new("theirs"));
    let mut peer = Peer::connect(address);
    peer.write(&HELLO[..3]);
    scene.drive_with("the handshake's deadline", |scene| {
        scene.event_loop.next_deadline().is_some()
    });
    peer.write(&HELLO[3..]);
    for _ in 0..3 {
        peer.write(&Records::of(b"bytes"));
        scene.drive_until("theirs", "data");
    }
    // An entry that is due stays on the wheel until the next turn.
    scene.drive_with("no deadline", |scene| {
        scene.event_loop.next_deadline().is_none()
    });
}

#[test]
fn a_failed_handshake_is_told_to_the_server_alone() {
    let mut scene = Scene::new();
    let (_, address) = scene.listen(records(), |_| Recorder::new("theirs"));
    let mut peer = Peer::connect(address);
    peer.write(b"GET / HTTP/1.0");
    let received = scene.peer_reads_to_end(&mut peer);
    assert_eq!(
        received.bytes,
        [HELLO, b"no!"].concat(),
        "the answer leaves"
    );
    scene.drive_until("server", "failed");
    assert_eq!(scene.world.trace("server"), "listening failed:ERR_HELLO");
    assert_eq!(scene.world.trace("theirs"), "");
    scene.settle();
    assert_eq!(scene.event_loop.sockets().ids().count(), 0, "it is gone");
}

#[test]
fn an_end_or_a_reset_within_the_handshake_fails_it() {
    for resets in [false, true] {
        let mut scene = Scene::new();
        let (_, address) = scene.listen(records(), |_| Recorder::new("theirs"));
        let mut peer = Peer::connect(address);
        peer.write(&HELLO[..2]);
        scene.settle();
        match resets {
            true => peer.reset(),
            false => peer.half_close(),
        }
        scene.drive_until("server", "failed");
        let code = if resets { "ECONNRESET" } else { "ERR_CUT" };
        let trace = format!("listening failed:{code}");
        assert_eq!(scene.world.trace("server"), trace);
    }
}

#[test]
fn a_handshake_that_never_ends_is_over_in_time() {
    let mut scene = Scene::new();
    let limits = Limits::new().handshake_timeout(Duration::from_millis(300));
    let (_, address) = scene.listen(records().limits(limits), |_| Recorder::new("theirs"));
    let mut peers: Vec<Peer> = (0..20).map(|_| Peer::connect(address)).collect();
    let begun = Instant::now();
    // Bytes do not extend the time: the next one comes whenever there was time for it.
    let mut sent = 0;
    scene.drive_with("the end of all handshakes", |scene| {
        let due = usize::try_from(begun.elapsed().as_millis() / 50).unwrap();
        while sent < due.min(HELLO.len() - 1) {
            for peer in &mut peers {
                let _ = peer.try_write(&HELLO[sent..=sent]);
            }
            sent += 1;
        }
        scene.world.count("server", "failed") == 20
    });
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert_eq!(scene.event_loop.statistics().timed_out_handshakes, 20);
    assert_eq!(scene.world.error("server").code(), "ETIMEDOUT");
}

#[test]
fn a_client_connects_when_its_filter_is_ready() {
    let mut scene = Scene::new();
    let (listener, address) = listener();
    let options = ConnectOptions::new().filter(|| Ok(Records::default()));
    let id = scene.connect(address, options, Recorder::new("us"));
    assert_eq!(scene.socket(id).write(b"early"), Flow::Open);
    let mut peer = scene.peer_accepts(&listener);
    assert_eq!(scene.peer_reads(&mut peer, HELLO.len()), HELLO);
    scene.settle();
    assert_eq!(scene.socket(id).state(), State::Opening);
    assert!(!scene.world.has("us", "connect"));
    peer.write(HELLO);
    let early = Records::of(b"early");
    assert_eq!(scene.peer_reads(&mut peer, early.len()), early);
    assert!(scene.world.has("us", "connect"));
}

#[test]
fn a_client_whose_handshake_fails_gets_the_error() {
    let mut scene = Scene::new();
    let (listener, address) = listener();
    let options = ConnectOptions::new().filter(|| Ok(Records::default()));
    scene.connect(address, options, Recorder::new("us"));
    let mut peer = scene.peer_accepts(&listener);
    peer.write(b"SSH-2.0");
    scene.drive_to_close("us");
    assert_eq!(scene.world.trace("us"), "error:ERR_HELLO close:Error");
}

#[test]
fn a_filter_does_not_start_behind_unread_bytes() {
    let mut scene = Scene::new();
    let starting = Recorder::new("theirs").on("data", |cx, seen| {
        let Seen::Data(bytes) = seen else { return };
        let behind = bytes.strip_prefix(b"STARTTLS\n").unwrap_or_default();
        let started = cx.socket.start_filter(Records::default(), behind);
        let error = started.unwrap_err();
        cx.shared.note(error.code().to_owned());
        cx.socket.destroy_with(error);
    });
    let (_, mut peer) = scene.accepted(SocketOptions::new(), starting);
    peer.write(b"STARTTLS\nRSET\n");
    scene.drive_to_close("theirs");
    assert_eq!(scene.world.notes, [Error::UNREAD_BYTES]);
}

// Nothing that the handler writes could leave before the filter is ready.
#[test]
fn a_deadline_within_a_handshake_asks_no_handler() {
    let mut scene = Scene::new();
    let (listener, address) = listener();
    let options = ConnectOptions::new().filter(|| Ok(Records::default()));
    let answering = Recorder::new("us").on("deadline", |cx, _| cx.socket.end());
    let id = scene.connect(address, options, answering);
    let _silent = scene.peer_accepts(&listener);
    scene.socket(id).set_deadline(Duration::from_millis(5));
    scene.drive_to_close("us");
    assert_eq!(scene.world.trace("us"), "error:ETIMEDOUT close:TimedOut");
}

#[test]
fn a_filter_does_not_start_behind_bytes_given_back() {
    let mut scene = Scene::new();
    let starting = Recorder::new("theirs").on("data", |cx, seen| {
        let Seen::Data(bytes) = seen else { return };
        assert!(cx.socket.unread(&bytes[9..]));
        let started = cx.socket.start_filter(Records::default(), b"");
        cx.shared.note(started.unwrap_err().code());
        cx.socket.destroy();
    });
    let (_, mut peer) = scene.accepted(SocketOptions::new(), starting);
    peer.write(b"STARTTLS\nRSET\n");
    scene.drive_to_close("theirs");
    assert_eq!(scene.world.notes, [Error::UNREAD_BYTES]);
}

#[test]
fn a_filter_that_cannot_be_made_fails_the_connection() {
    let mut scene = Scene::new();
    let none = || Err::<Records, _>(Error::with_code("ERR_NONE", "no filter today"));
    let options = ListenOptions::new().filter(none);
    let (_, address) = scene.listen(options, |_| Recorder::new("theirs"));
    let options = ConnectOptions::new().filter(none);
    let refused = scene
        .event_loop
        .connect_with(address, options, Recorder::new("ours"));
    assert_eq!(refused.unwrap_err().code(), "ERR_NONE");
    let _peer = Peer::connect(address);
    scene.drive_until("server", "failed");
    assert_eq!(scene.world.trace("server"), "listening failed:ERR_NONE");
}

#[test]
fn a_closed_server_waits_for_its_handshakes() {
    let mut scene = Scene::new();
    let (server, address) = scene.listen(records(), |_| Recorder::new("theirs"));
    let mut peer = Peer::connect(address);
    assert_eq!(scene.peer_reads(&mut peer, HELLO.len()), HELLO);
    scene.close(server);
    scene.settle();
    assert_eq!(scene.world.trace("server"), "listening");
    peer.write(&[HELLO, END].concat());
    scene.drive_until("server", "server-close");
    let trace = scene.world.trace("theirs");
    assert_eq!(trace, "connect end close:Graceful");
}

/// Starts a filter when the peer asks for it, and then echoes.
struct Starting;

impl SocketHandler<Vec<String>> for Starting {
    fn on_connect(&mut self, cx: &mut Context<'_, Vec<String>>) {
        cx.shared.push("connected".to_owned());
    }
    fn on_data(&mut self, cx: &mut Context<'_, Vec<String>>, data: &[u8]) {
        cx.shared.push(String::from_utf8_lossy(data).into_owned());
        if data != b"STARTTLS\n" {
            return cx.socket.write(data).ignore();
        }
        cx.socket.write(b"go ahead\n").ignore();
        let started = cx.socket.start_filter(Records::default(), b"");
        started.unwrap();
        cx.socket.write(b"inside").ignore();
    }
}

#[test]
fn a_filter_starts_in_mid_stream() {
    let (ours, mut peer) = Peer::roomy_pair();
    let mut event_loop = EventLoop::new().unwrap();
    event_loop
        .adopt(ours, SocketOptions::new(), Starting)
        .unwrap();
    let mut trace = Vec::new();
    let mut answer = |peer: &mut Peer, length: usize| {
        let mut bytes = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        while bytes.len() < length {
            assert!(Instant::now() < deadline, "the peer has only {bytes:?}");
            let wait = Wait::For(Duration::from_millis(1));
            event_loop.turn(&mut trace, wait, Budget::new()).unwrap();
            bytes.extend(
                peer.read_some(length - bytes.len())
                    .unwrap()
                    .unwrap_or_default(),
            );
        }
        bytes
    };
    peer.write(b"STARTTLS\n");
    let expected = [&b"go ahead\n"[..], HELLO].concat();
    assert_eq!(answer(&mut peer, expected.len()), expected);
    peer.write(HELLO);
    let inside = Records::of(b"inside");
    assert_eq!(answer(&mut peer, inside.len()), inside);
    let echo = Records::of(b"echo");
    peer.write(&echo);
    assert_eq!(answer(&mut peer, echo.len()), echo);
    assert_eq!(trace, ["STARTTLS\n", "connected", "echo"]);
}

/// More than the kernel takes for a peer that does not read.
const MUCH: usize = 8 << 20;

#[test]
fn a_drain_owed_from_before_a_filter_comes_behind_it() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("theirs"));
    scene.world.unheard.insert(id);
    assert_eq!(scene.socket(id).write(&vec![b'p'; MUCH]), Flow::Full);
    let mut socket = scene.socket(id);
    socket.start_filter(Records::default(), b"").unwrap();
    assert!(socket.needs_drain());
    let received = scene.peer_reads(&mut peer, MUCH + HELLO.len());
    assert_eq!(&received[MUCH..], HELLO);
    peer.write(HELLO);
    scene.drive_until("theirs", "drain");
    assert!(!scene.socket(id).needs_drain());
    assert_eq!(scene.world.trace("theirs"), "connect drain");
}

#[test]
fn bytes_sent_before_a_filter_are_told_within_its_handshake() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("theirs"));
    let mut socket = scene.socket(id);
    assert_eq!(socket.write(b"go ahead"), Flow::Open);
    socket.notify_when_sent(1);
    socket.start_filter(Records::default(), b"").unwrap();
    assert_eq!(socket.write(b"inside"), Flow::Open);
    socket.notify_when_sent(2);
    assert_eq!(scene.peer_reads(&mut peer, 8), b"go ahead");
    scene.drive_until("theirs", "sent");
    peer.write(b"no hello");
    scene.drive_to_close("theirs");
    assert_eq!(
        scene.world.trace("theirs"),
        "connect sent:1 error:ERR_HELLO sent:2:ERR_HELLO close:Error"
    );
}

// As above, if the kernel has taken them before the filter starts.
#[test]
fn a_mark_behind_sent_bytes_waits_for_no_handshake() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("theirs"));
    assert_eq!(scene.socket(id).write(b"go ahead"), Flow::Open);
    assert_eq!(scene.peer_reads(&mut peer, 8), b"go ahead");
    let mut socket = scene.socket(id);
    socket.start_filter(Records::default(), b"").unwrap();
    socket.notify_when_sent(1);
    scene.drive_until("theirs", "sent");
    peer.write(b"no hello");
    scene.drive_to_close("theirs");
    let trace = scene.world.trace("theirs");
    assert_eq!(trace, "connect sent:1 error:ERR_HELLO close:Error");
}

// J2: as for a connect, of which it is a part.
#[test]
fn a_released_socket_keeps_run_going_within_its_handshake() {
    for starts_late in [false, true] {
        let mut scene = Scene::new();
        let (id, mut peer) = match starts_late {
            true => {
                let (ours, peer) = Peer::roomy_pair();
                let recorder = Recorder::new("ours");
                let id = scene.event_loop.adopt(ours, SocketOptions::new(), recorder);
                let id = id.unwrap();
                let mut socket = scene.socket(id);
                socket.start_filter(Records::default(), b"").unwrap();
                (id, peer)
            }
            false => {
                let (listener, address) = listener();
                let options = ConnectOptions::new().filter(|| Ok(Records::default()));
                let recorder = Recorder::new("ours");
                let id = scene.event_loop.connect_with(address, options, recorder);
                (id.unwrap(), scene.peer_accepts(&listener))
            }
        };
        assert_eq!(scene.socket(id).end_with(b"last words"), Flow::Open);
        scene.socket(id).release();
        assert_eq!(scene.peer_reads(&mut peer, HELLO.len()), HELLO);
        scene.settle();
        assert!(scene.event_loop.is_alive(), "late: {starts_late}");
        peer.write(HELLO);
        let expected = [&Records::of(b"last words"), END].concat();
        assert_eq!(scene.peer_reads(&mut peer, expected.len()), expected);
        scene.drive_to_exit();
    }
}

#[test]
fn bytes_behind_a_handshake_come_before_a_later_failure() {
    let mut scene = Scene::new();
    let (_, address) = scene.listen(records(), |_| Recorder::new("theirs"));
    let mut peer = Peer::connect(address);
    // In one piece.
    peer.write(&[HELLO, &Records::of(b"a part"), &[0xff, 0xff]].concat());
    scene.drive_to_close("theirs");
    let trace = scene.world.trace("theirs");
    assert_eq!(trace, "connect data:a part error:ERR_RECORD close:Error");
}

// `on_connection` gives such a socket its handler, which would have taken the place of the pipe without a word.
#[test]
fn an_accepted_socket_in_its_handshake_is_not_piped_or_replaced() {
    let mut scene = Scene::new();
    let (other, mut beside) = scene.accepted(SocketOptions::new(), Recorder::new("other"));
    let (_, address) = scene.listen(records(), |_| Recorder::new("theirs"));
    let mut peer = Peer::connect(address);
    assert_eq!(scene.peer_reads(&mut peer, HELLO.len()), HELLO);
    let mut ids = scene.event_loop.sockets().ids();
    let untold = ids.find(|id| *id != other).unwrap();
    let mut cx = scene.event_loop.context(&mut scene.world);
    assert!(!cx.pipe(other, untold) && !cx.pipe(untold, other));
    assert!(!cx.pipe_both(other, untold) && !cx.pipe_both(untold, other));
    assert!(!cx.replace_handler(untold, Recorder::new("late"), b""));
    peer.write(HELLO);
    scene.drive_until("theirs", "connect");
    beside.write(b"to other");
    peer.write(&Records::of(b"to theirs"));
    scene.drive("both", |world| {
        world.received_length("other") + world.received_length("theirs") == 17
    });
    assert_eq!(scene.world.received("other"), b"to other");
    let id = scene.world.id("theirs");
    let mut cx = scene.event_loop.context(&mut scene.world);
    assert!(cx.pipe_both(other, id));
    beside.write(b"through");
    let through = Records::of(b"through");
    assert_eq!(scene.peer_reads(&mut peer, through.len()), through);
}

// The network of the connection is that of the address at the accept.
#[test]
fn a_peer_named_by_a_late_filter_frees_its_own_network() {
    let mut scene = Scene::new();
    let limits = Limits::new().max_connections_per_network(1);
    let options = ListenOptions::new().limits(limits);
    let (_, address) = scene.listen(options, |number| Recorder::new(number.to_string()));
    for number in ["0", "1"] {
        let _peer = Peer::connect(address);
        scene.drive_until(number, "connect");
        let id = scene.world.id(number);
        scene.world.unheard.insert(id);
        scene.socket(id).start_filter(Behind, b"").unwrap();
        scene.settle();
        let named = scene.socket(id).peer_address().unwrap();
        assert_eq!(named.to_string(), "192.0.2.7:7");
        scene.socket(id).destroy();
        scene.drive_to_close(number);
    }
}
