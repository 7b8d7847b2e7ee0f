//! Further abilities of sockets: hold writes back, move to another owner or come from one, ask for a type of service,
//! and be read as text.

use std::io::{Read, Write};
use std::net::TcpStream;

use netloop::text::{Lines, Utf8Decoder};
use netloop::{
    CloseReason, Context, Error, Flow, KeepAlive, SocketHandler, SocketId, SocketOptions, State,
};
use socket2::{Domain, SockRef, Socket, Type};

use crate::support::{
    BlackHole, Peer, PeerEnd, Recorder, Scene, Seen, World, assert_same_bytes, listener, pattern,
};

/// Nothing has come to the peer, and nothing will by itself.
#[track_caller]
fn nothing_arrives(scene: &mut Scene, peer: &mut Peer) {
    scene.settle();
    assert_eq!(peer.read_some(1), Ok(None));
}

#[test]
fn what_is_corked_leaves_when_it_is_uncorked() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    scene.socket(id).cork();
    for _ in 0..3 {
        assert_eq!(scene.socket(id).write(b"head"), Flow::Open);
        nothing_arrives(&mut scene, &mut peer);
    }
    assert_eq!(scene.socket(id).queued_bytes(), 12);
    assert_eq!(scene.socket(id).bytes_written(), 12, "F2");
    scene.socket(id).uncork();
    assert_eq!(scene.peer_reads(&mut peer, 12), b"headheadhead");
    // And from now on nothing is held back.
    assert_eq!(scene.socket(id).write(b"tail"), Flow::Open);
    assert_eq!(scene.peer_reads(&mut peer, 4), b"tail");
}

#[test]
fn corking_while_connecting_holds_back_beyond_the_connect() {
    let (listener, address) = listener();
    let mut scene = Scene::new();
    let id = scene
        .event_loop
        .connect(address, Recorder::new("us"))
        .unwrap();
    scene.socket(id).cork();
    assert_eq!(scene.socket(id).write(b"later"), Flow::Open);
    let mut peer = Peer::accept(&listener);
    scene.drive("the connect", |world| world.has_seen("us", &Seen::Connect));
    nothing_arrives(&mut scene, &mut peer);
    scene.socket(id).uncork();
    assert_eq!(scene.peer_reads(&mut peer, 5), b"later");
}

#[test]
fn a_cork_gives_way_at_the_high_water_mark() {
    let mut scene = Scene::new();
    let options = SocketOptions::new().high_water_mark(1000);
    let (id, mut peer) = scene.accepted(options, Recorder::new("us"));
    scene.socket(id).cork();
    assert_eq!(scene.socket(id).write(&[1; 999]), Flow::Open);
    nothing_arrives(&mut scene, &mut peer);
    assert_eq!(
        scene.socket(id).write(b"x"),
        Flow::Open,
        "the kernel took it all"
    );
    assert_eq!(scene.peer_reads(&mut peer, 1000).len(), 1000);
    // It is still corked.
    assert_eq!(scene.socket(id).write(b"y"), Flow::Open);
    nothing_arrives(&mut scene, &mut peer);
}

/// Writes until the kernel takes no more and so much is queued, and says how much that was.
fn write_until_queued(scene: &mut Scene, id: SocketId, queued: usize) -> usize {
    let mut written = 0;
    while scene.socket(id).queued_bytes() < queued {
        assert!(scene.socket(id).write(&[7; 5_000]).is_accepted());
        written += 5_000;
        scene.turn();
    }
    written
}

// F2, and I10: the kernel's room would wake the loop for nothing, again and again, were it held back.
#[test]
fn a_cork_holds_back_nothing_that_waits_for_room() {
    const MARK: usize = 64 << 10;
    for (is_corked_first, queued) in [(true, MARK + 20_000), (false, 20_000)] {
        let mut scene = Scene::new();
        let options = SocketOptions::new().high_water_mark(MARK);
        let (id, mut peer) = scene.adopted(options, Recorder::new("us"));
        if is_corked_first {
            scene.socket(id).cork();
        }
        let written = write_until_queued(&mut scene, id, queued);
        scene.socket(id).cork();
        assert_eq!(scene.peer_reads(&mut peer, written).len(), written);
        scene.settle();
        assert_eq!(scene.socket(id).queued_bytes(), 0);
        let has_drained = scene.world.has_seen("us", &Seen::Drain);
        assert_eq!(
            has_drained, is_corked_first,
            "only one had been told to wait"
        );

        // And now it holds.
        assert_eq!(scene.socket(id).write(b"corked"), Flow::Open);
        nothing_arrives(&mut scene, &mut peer);
        scene.socket(id).uncork();
        assert_eq!(scene.peer_reads(&mut peer, 6), b"corked");
    }
}

#[test]
fn the_end_takes_along_what_is_corked() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    scene.socket(id).cork();
    assert_eq!(scene.socket(id).write(b"last words"), Flow::Open);
    scene.socket(id).end();
    let received = scene.peer_reads_to_end(&mut peer);
    assert_eq!(received.bytes, b"last words");
    assert_eq!(received.end, PeerEnd::Fin);
    peer.close();
    scene.drive_to_close("us");
    assert_eq!(scene.world.trace("us"), "connect end close:Graceful");
}

#[test]
fn a_cork_after_end_delays_neither_the_last_bytes_nor_the_fin() {
    for words in [b"".as_slice(), b"last words"] {
        let mut scene = Scene::new();
        let (id, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
        let _ = scene.socket(id).write(words);
        scene.socket(id).end();
        scene.socket(id).cork();
        let received = scene.peer_reads_to_end(&mut peer);
        assert_eq!(received.bytes, words);
        assert_eq!(received.end, PeerEnd::Fin);
    }
}

// C10: what was only held back is lost with the rest.
#[test]
fn destroying_a_corked_socket_says_what_was_lost() {
    let mut scene = Scene::new();
    let us = Recorder::new("us").reacting(|cx, seen| {
        if let Seen::Close(_) = seen {
            let lost = cx.socket.queued_bytes();
            cx.shared.note(format!("{lost} lost"));
        }
    });
    let (id, mut peer) = scene.accepted(SocketOptions::new(), us);
    scene.socket(id).cork();
    assert_eq!(scene.socket(id).write(b"never"), Flow::Open);
    scene.socket(id).destroy();
    assert_eq!(scene.peer_reads_to_end(&mut peer).bytes, b"");
    assert_eq!(scene.world.notes, ["5 lost"]);
}

// C3: also where a large write, which does not wait for the flush, takes along what the notice is about.
#[test]
fn a_notice_comes_when_a_later_large_write_took_its_bytes_along() {
    let mut scene = Scene::new();
    let us = Recorder::new("us").reacting(|cx, seen| {
        if let Seen::Data(_) = seen {
            assert_eq!(cx.socket.write(b"small"), Flow::Open);
            cx.socket.notify_when_sent(1);
            assert_eq!(cx.socket.write(&[0; 20_000]), Flow::Open);
        }
    });
    let (_, mut peer) = scene.accepted(SocketOptions::new(), us);
    peer.write(b"go");
    scene.peer_reads(&mut peer, 20_005);
    scene.settle();
    assert_eq!(scene.world.trace("us"), "connect data:go sent:1");
}

// C3: it is a place in the stream, also in an empty one.
#[test]
fn a_notice_asked_for_before_the_connection_comes_after_it() {
    let (_listener, address) = listener();
    let mut scene = Scene::new();
    let id = scene
        .event_loop
        .connect(address, Recorder::new("us"))
        .unwrap();
    scene.socket(id).notify_when_sent(1);
    scene.drive("the notice", |world| {
        world.has_seen("us", &Seen::Sent(1, Ok(())))
    });
    assert_eq!(scene.world.trace("us"), "connect sent:1");
}

// C7
#[test]
fn a_notice_asked_for_after_destroy_fails() {
    let mut scene = Scene::new();
    let (id, _peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    scene.socket(id).destroy();
    assert_eq!(scene.socket(id).write(b"too late"), Flow::Closed);
    scene.socket(id).notify_when_sent(1);
    scene.drive_to_close("us");
    assert_eq!(
        scene.world.trace("us"),
        "connect sent:1:ERR_SOCKET_CLOSED close:Local"
    );
}

#[test]
fn a_detached_stream_goes_on_in_another_loop_without_loss() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.adopted(SocketOptions::new(), Recorder::new("before"));
    let bytes = pattern(300_000, 1);
    let (first, second) = bytes.split_at(200_000);
    assert_eq!(scene.socket(id).write(first), Flow::Full);
    scene.socket(id).notify_when_sent(1);
    // Bytes that have arrived and were not read go along.
    scene.socket(id).pause();
    peer.write(b"unread");
    scene.settle();
    let (stream, unsent) = scene.socket(id).detach().unwrap();
    let stream = stream.into_tcp().unwrap();
    assert!(!unsent.is_empty(), "the kernel cannot have taken all of it");
    assert_eq!(scene.socket(id).state(), State::Closed);
    assert_eq!(scene.socket(id).write(b"too late"), Flow::Closed);
    assert!(scene.socket(id).detach().is_none());
    scene.drive_to_close("before");
    assert_eq!(
        scene.world.trace("before"),
        "sent:1:ERR_SOCKET_CLOSED close:Detached"
    );

    let mut other = Scene::new();
    let id = other
        .event_loop
        .adopt(stream, SocketOptions::new(), Recorder::new("after"))
        .unwrap();
    assert!(other.socket(id).write_owned(unsent).is_accepted());
    assert!(other.socket(id).end_with(second).is_accepted());
    let received = other.peer_reads_to_end(&mut peer);
    assert_same_bytes(&received.bytes, &bytes);
    peer.close();
    other.drive_to_close("after");
    assert_eq!(other.world.trace("after"), "data:unread end close:Graceful");
    // The first loop has heard nothing of all that.
    scene.settle();
    assert_eq!(scene.world.trace("before").matches(' ').count(), 1);
}

#[test]
fn a_handler_can_hand_its_socket_to_a_thread() {
    let mut scene = Scene::new();
    let us = Recorder::new("us").reacting(|cx, seen| {
        if let Seen::Data(_) = seen {
            let (stream, unsent) = cx.socket.detach().unwrap();
            let mut stream = stream.into_tcp().unwrap();
            assert!(unsent.is_empty());
            stream.set_nonblocking(false).unwrap();
            std::thread::spawn(move || {
                let mut rest = Vec::new();
                stream.read_to_end(&mut rest).unwrap();
                stream.write_all(&rest).unwrap();
            });
        }
    });
    let (_, mut peer) = scene.accepted(SocketOptions::new(), us);
    peer.write(b"switch");
    scene.drive_to_close("us");
    peer.write(b"to the thread");
    peer.half_close();
    let received = scene.peer_reads_to_end(&mut peer);
    assert_eq!(received.bytes, b"to the thread");
    assert_eq!(
        scene.world.trace("us"),
        "connect data:switch close:Detached"
    );
}

#[test]
fn only_a_connection_that_is_there_can_be_detached() {
    let mut scene = Scene::new();
    let hole = BlackHole::new();
    let connecting = scene
        .event_loop
        .connect(hole.address(), Recorder::new("connecting"))
        .unwrap();
    assert!(scene.socket(connecting).detach().is_none());
    assert_eq!(scene.socket(connecting).state(), State::Opening);

    let (id, _peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    scene.socket(id).destroy();
    assert!(scene.socket(id).detach().is_none());
    scene.drive_to_close("us");
    assert!(scene.socket(id).detach().is_none());
    assert_eq!(scene.world.trace("us"), "connect close:Local");
}

// H6: the server waits for its sockets, not for what became of their streams.
#[test]
fn a_detached_socket_is_none_of_its_servers_any_more() {
    let mut scene = Scene::new();
    let (server, address) = scene.listen(SocketOptions::new(), |_| Recorder::new("us"));
    let _peer = Peer::connect(address);
    scene.drive("the connection", |world| world.newest.is_some());
    let id = scene.world.newest.unwrap();
    let _stream = scene.socket(id).detach().unwrap();
    scene.drive_to_close("us");
    assert_eq!(scene.event_loop.server(server).connection_count(), 0);
    scene.event_loop.server(server).close();
    scene.settle();
    assert!(!scene.event_loop.is_alive());
}

#[test]
fn a_stream_without_a_connection_is_not_adopted() {
    let mut scene = Scene::new();
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let error = scene
        .event_loop
        .adopt(
            TcpStream::from(socket),
            SocketOptions::new(),
            Recorder::new("us"),
        )
        .unwrap_err();
    assert_eq!(error.code(), "ENOTCONN");
    scene.settle();
    assert!(!scene.event_loop.is_alive());
}

#[cfg(unix)]
#[test]
fn unix_sockets_move_between_loops_too_and_are_no_tcp() {
    use std::os::unix::net::UnixStream;

    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let mut scene = Scene::new();
    let options = SocketOptions::new()
        .keep_alive(KeepAlive::new())
        .type_of_service(0x10);
    let id = scene
        .event_loop
        .adopt(ours, options, Recorder::new("before"))
        .unwrap();
    let mut socket = scene.socket(id);
    assert_eq!(
        (socket.local_address(), socket.peer_address()),
        (None, None)
    );
    socket.set_no_delay(true).unwrap();
    socket.set_keep_alive(None).unwrap();
    socket.set_type_of_service(0).unwrap();
    assert_eq!(socket.type_of_service(), None);
    let error = socket.reset().unwrap_err();
    assert_eq!(error.code(), Error::INVALID_HANDLE_TYPE, "K");
    assert_eq!(socket.state(), State::Open);
    let (ours, unsent) = socket.detach().unwrap();
    let ours = ours.into_unix().unwrap();
    assert!(unsent.is_empty());
    scene.drive_to_close("before");
    assert_eq!(scene.world.trace("before"), "close:Detached");

    let mut other = Scene::new();
    let options = SocketOptions::new();
    let id = other
        .event_loop
        .adopt(ours, options, Recorder::new("after"))
        .unwrap();
    theirs.write_all(b"hello").unwrap();
    assert_eq!(other.socket(id).end_with(b"hi"), Flow::Open);
    other.drive("the bytes", |world| world.received("after") == b"hello");
    let mut answer = String::new();
    theirs.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "hi");
    drop(theirs);
    other.drive_to_close("after");
    assert_eq!(other.world.trace("after"), "data:hello end close:Graceful");
}

/// The type of service of the stream behind `id`, as the system has it, without its two lowest bits.
fn taken_type_of_service(scene: &mut Scene, id: SocketId) -> u32 {
    let (stream, _) = scene.socket(id).detach().unwrap();
    let stream = stream.into_tcp().unwrap();
    SockRef::from(&stream).tos_v4().unwrap() & 0xFC
}

#[test]
fn the_type_of_service_option_holds_for_every_new_socket() {
    let mut scene = Scene::new();
    let options = || SocketOptions::new().type_of_service(0x20);
    let (accepted, _peer) = scene.accepted(options(), Recorder::new("accepted"));
    let (adopted, _other) = scene.adopted(options(), Recorder::new("adopted"));
    let (_listener, address) = listener();
    let connected = scene
        .event_loop
        .connect_with(address, options(), Recorder::new("connected"))
        .unwrap();
    let changed = scene
        .event_loop
        .connect_with(address, options(), Recorder::new("changed"))
        .unwrap();
    scene.socket(changed).set_type_of_service(0x40).unwrap();
    scene.drive("both connected", |world| {
        world.has_seen("connected", &Seen::Connect) && world.has_seen("changed", &Seen::Connect)
    });
    for id in [accepted, adopted, connected] {
        assert_eq!(taken_type_of_service(&mut scene, id), 0x20);
    }
    assert_eq!(taken_type_of_service(&mut scene, changed), 0x40);
    scene.settle();
    let mut gone = scene.socket(changed);
    gone.set_type_of_service(0).unwrap();
    assert_eq!(gone.type_of_service(), None);
}

/// Notes what it is told as text: each line, and the whole without its cuts.
struct Reader {
    lines: Lines,
    decoder: Utf8Decoder,
    text: String,
}

impl SocketHandler<World> for Reader {
    fn on_data(&mut self, cx: &mut Context<'_, World>, data: &[u8]) {
        self.text.push_str(&self.decoder.push(data));
        for line in self.lines.push(data) {
            cx.shared.note(match line {
                Ok(line) => String::from_utf8_lossy(line).into_owned(),
                Err(too_long) => format!("more than {} bytes", too_long.max_line_bytes()),
            });
        }
    }
    fn on_close(&mut self, cx: &mut Context<'_, World>, _: CloseReason) {
        self.text.push_str(self.decoder.finish());
        cx.shared.note(std::mem::take(&mut self.text));
    }
}

// Node's `setEncoding`, and lines.
#[test]
fn a_handler_reads_text_and_lines_however_the_network_cuts_them() {
    let sent = "grüße\r\n\n日本語 ist zu lang\n€ 20\nohne".as_bytes();
    // The end is within a character.
    let sent = [sent, b"\xe2\x82"].concat();
    for seed in 0..20 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut scene = Scene::new();
        let (ours, mut peer) = Peer::roomy_pair();
        let reader = Reader {
            lines: Lines::new(8),
            decoder: Utf8Decoder::new(),
            text: String::new(),
        };
        let id = scene
            .event_loop
            .adopt(ours, SocketOptions::new(), reader)
            .unwrap();
        let mut rest = sent.as_slice();
        while !rest.is_empty() {
            let (cut, later) = rest.split_at(random.usize(1..=rest.len().min(7)));
            peer.write(cut);
            rest = later;
            let arrived = (sent.len() - rest.len()) as u64;
            scene.drive_with("the bytes", |scene| {
                scene.socket(id).bytes_read() == arrived
            });
        }
        peer.close();
        scene.drive_with("the close", |scene| scene.socket(id).is_destroyed());
        assert_eq!(
            scene.world.notes,
            [
                "grüße",
                "",
                "more than 8 bytes",
                "€ 20",
                "grüße\r\n\n日本語 ist zu lang\n€ 20\nohne\u{FFFD}"
            ],
            "seed {seed}"
        );
    }
}
