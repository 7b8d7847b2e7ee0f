//! The interest of a source: changes cost no call and lose no report (calloop's disarm_rearm and change_interests).

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use mio::{Interest as MioInterest, Registry, Token, event};
use netloop::{Budget, Interest, Readiness, SourceContext, Wait};

#[cfg(all(target_os = "linux", not(mio_unsupported_force_poll_poll)))]
use super::has_report;
use super::{Datagrams, Notes, Stage, Watch, pair, receive_one, udp};
use crate::support::PATIENCE;

// calloop disarm_rearm; pause_keeps_edge: the edge came while the source wanted nothing.
#[test]
fn a_report_that_comes_while_unwanted_is_kept() {
    let mut stage = Stage::new();
    let (source, peer) = pair();
    let handler = Watch::new("a").on_readable(receive_one);
    let id = stage.add(source, Interest::empty(), handler);
    for word in ["one", "two"] {
        peer.send(word.as_bytes()).unwrap();
        stage.settle();
        assert!(!stage.has(word));
        stage.event_loop.source(id).want(Interest::READABLE);
        stage.drive_to(word);
        stage.event_loop.source(id).unwant(Interest::READABLE);
    }
}

// calloop change_interests: from within the callback, for itself and for another.
#[test]
fn a_callback_changes_the_interest_of_any_source() {
    let mut stage = Stage::new();
    let (second, second_peer) = pair();
    let handler = Watch::new("second").on_readable(receive_one);
    let other = stage.add(second, Interest::empty(), handler);
    let (first, first_peer) = pair();
    let handler =
        Watch::new("first").on_readable(move |cx: &mut SourceContext<'_, Datagrams, _>| {
            cx.unwant(Interest::READABLE);
            assert_eq!(cx.view().interest(), Interest::empty());
            cx.sockets.source(other).want(Interest::READABLE);
            assert_eq!(
                cx.as_loop().sockets.source(other).interest(),
                Interest::READABLE
            );
        });
    stage.add(first, Interest::READABLE, handler);
    second_peer.send(b"for the second").unwrap();
    stage.settle();
    assert!(stage.notes.is_empty());
    first_peer.send(b"for the first").unwrap();
    stage.drive_to("for the second");
    stage.settle();
    assert_eq!(stage.count("first readable"), 1);
}

// A source that wants to write later counts as writable until a call has shown that it is not.
#[test]
fn a_full_buffer_ends_with_a_call_when_there_is_space() {
    let mut stage = Stage::new();
    let (source, peer) = pair();
    let write = |cx: &mut SourceContext<'_, Datagrams, Notes>| loop {
        let sent = cx.try_io(Interest::WRITABLE, |source| source.0.send(&[0; 64]));
        match sent {
            Ok(_) => cx.shared.push("sent".to_owned()),
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                return;
            }
        }
    };
    let id = stage.add(
        source,
        Interest::READABLE,
        Watch::new("a").on_writable(write),
    );
    stage.settle();
    assert!(stage.notes.is_empty());
    stage.event_loop.source(id).want(Interest::WRITABLE);
    stage.settle();
    let first = stage.count("sent");
    assert!(first > 0);
    assert_eq!(
        stage.count("a writable"),
        1,
        "a full buffer is not called for"
    );

    for round in 1..4 {
        // The peer takes everything, so each round has as much space as the first.
        peer.set_nonblocking(true).unwrap();
        while peer.recv(&mut [0; 64]).is_ok() {}
        stage.drive("space", |stage| stage.count("sent") >= first * (round + 1));
        stage.settle();
    }
}

// A source that always can be written, and is never told to stop, is read all the same.
#[test]
fn reading_and_writing_take_turns() {
    let mut stage = Stage::new();
    let (source, peer) = pair();
    let handler = Watch::new("a").on_readable(|_| ()).on_writable(|_| ());
    stage.add(source, Interest::READABLE | Interest::WRITABLE, handler);
    peer.send(b"x").unwrap();
    stage.drive("twenty events", |stage| stage.notes.len() >= 20);
    let from = stage
        .notes
        .iter()
        .position(|note| note == "a readable")
        .unwrap();
    for pair in stage.notes[from..].windows(2) {
        assert_ne!(pair[0], pair[1]);
    }
}

// The defaults of the handler give a direction up, so that a forgotten method keeps no loop busy.
#[test]
fn a_handler_without_methods_is_not_called_twice() {
    struct Quiet;
    impl netloop::SourceHandler<Notes> for Quiet {
        type Source = Datagrams;
    }
    let mut stage = Stage::new();
    let (source, peer) = pair();
    peer.send(b"x").unwrap();
    let both = Interest::READABLE | Interest::WRITABLE;
    let id = stage.event_loop.add_source(source, both, Quiet).unwrap();
    let mut events = 0;
    for _ in 0..10 {
        events += stage.turn().events;
    }
    assert_eq!(events, 2);
    assert_eq!(stage.event_loop.source(id).interest(), Interest::empty());
}

// The refusal of a datagram is an error flag without a readable one. It is worth a read. With poll(2), mio
// forgets a descriptor that has failed, and its next read fails with another error.
#[cfg(all(target_os = "linux", not(mio_unsupported_force_poll_poll)))]
#[test]
fn a_refused_datagram_is_told_by_a_read() {
    for wants_first in [true, false] {
        let mut stage = Stage::new();
        let (socket, _) = udp();
        let (closed, address) = udp();
        drop(closed);
        socket.connect(address).unwrap();
        socket.send(b"to nobody").unwrap();
        let handler = Watch::new("a").on_readable(
            |cx: &mut SourceContext<'_, mio::net::UdpSocket, Notes>| {
                let received = cx.try_io(Interest::READABLE, |socket| socket.recv(&mut [0; 8]));
                cx.shared.push(received.unwrap_err().kind().to_string());
            },
        );
        let first = match wants_first {
            true => Interest::READABLE,
            false => Interest::empty(),
        };
        let id = stage.add(socket, first, handler);
        if !wants_first {
            // The report is kept while the source wants nothing.
            stage.settle();
            assert!(stage.notes.is_empty());
            stage.event_loop.source(id).want(Interest::READABLE);
        }
        stage.drive_to("connection refused");
        stage.settle();
        assert_eq!(stage.count("connection refused"), 1);
    }
}

// The end of a source has no edge of its own, and stays until a call has shown it.
#[test]
fn an_end_behind_data_is_still_read() {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    let mut stage = Stage::new();
    let (ours, mut peer) = UnixStream::pair().unwrap();
    io::Write::write_all(&mut peer, b"last words").unwrap();
    drop(peer);
    let handler = Watch::new("a").on_readable(
        |cx: &mut SourceContext<'_, netloop::Descriptor<UnixStream>, Notes>| {
            assert!(cx.readiness().contains(Readiness::READ_CLOSED));
            let mut buffer = [0; 4];
            match cx.try_io(Interest::READABLE, |stream| stream.0.read(&mut buffer)) {
                Ok(0) => cx.close(),
                read => cx.shared.push(read.unwrap().to_string()),
            }
        },
    );
    let source = netloop::Descriptor::non_blocking(ours).unwrap();
    stage.add(source, Interest::READABLE, handler);
    stage.run_to_its_end();
    assert_eq!(stage.notes.last().unwrap(), "a close");
    assert_eq!(stage.count("a readable"), 4);
}

// A descriptor that must stay blocking is read once a call, and the kernel is asked anew.
#[test]
fn a_blocking_descriptor_is_read_once_for_each_report() {
    let mut stage = Stage::new();
    let (blocking, peer) = std::os::unix::net::UnixDatagram::pair().unwrap();
    let handler = Watch::new("a").on_readable(|cx: &mut SourceContext<'_, Datagrams, Notes>| {
        let mut buffer = [0; 16];
        let length = cx.source.0.recv(&mut buffer).unwrap();
        cx.shared
            .push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        cx.rearm();
    });
    stage.add(netloop::Descriptor(blocking), Interest::READABLE, handler);
    for word in ["one", "two", "three"] {
        peer.send(word.as_bytes()).unwrap();
    }
    stage.drive_to("three");
    stage.settle();
    assert_eq!(stage.count("a readable"), 3);
    peer.send(b"four").unwrap();
    stage.drive_to("four");
}

// I10: each datagram that leaves frees space, which no source without interest in writing is woken for.
#[cfg(all(target_os = "linux", not(mio_unsupported_force_poll_poll)))]
#[test]
fn sent_datagrams_do_not_wake_the_loop() {
    let mut stage = Stage::new();
    let (socket, _) = udp();
    let (sink, address) = udp();
    let sender = socket2::SockRef::from(&socket).try_clone().unwrap();
    stage.add(socket, Interest::READABLE, Watch::new("a"));
    stage.settle();
    for _ in 0..100 {
        sender.send_to(b"x", &address.into()).unwrap();
        while sink.recv(&mut [0; 8]).is_ok() {}
        assert!(!has_report(&stage.event_loop));
    }
    assert_eq!(stage.turn().events, 0);
}

// The kernel is told of a source once, and of its interest in writing when a call has blocked. A call in between would
// fail here, and the loop would take its source for ready.
#[cfg(all(target_os = "linux", not(mio_unsupported_force_poll_poll)))]
#[test]
fn interest_changes_without_a_system_call() {
    use crate::support::with_failing_registrations;

    // The first registration is the waker's, and the second the source's.
    with_failing_registrations("error=EIO:when=3+", || {
        let mut stage = Stage::new();
        let (source, peer) = pair();
        let handler = Watch::new("a").on_readable(receive_one);
        let id = stage.add(source, Interest::READABLE, handler);
        for _ in 0..100 {
            let mut view = stage.event_loop.source(id);
            view.unwant(Interest::READABLE);
            view.want(Interest::READABLE | Interest::WRITABLE);
            stage.settle();
        }
        // A first call for writing finds that the handler gives it up.
        assert_eq!(stage.count("a writable"), 100);
        assert_eq!(stage.notes.len(), 100);
        peer.send(b"through").unwrap();
        stage.drive_to("through");
    });
}

/// A source that the kernel refuses to register anew, for lack of memory, as often as the test wants.
struct Refused {
    inner: Datagrams,
    refusals: Rc<Cell<usize>>,
}

impl event::Source for Refused {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: MioInterest,
    ) -> io::Result<()> {
        self.inner.register(registry, token, interest)
    }
    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: MioInterest,
    ) -> io::Result<()> {
        match self.refusals.get() {
            0 => self.inner.reregister(registry, token, interest),
            left => {
                self.refusals.set(left - 1);
                Err(io::ErrorKind::OutOfMemory.into())
            }
        }
    }
    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.inner.deregister(registry)
    }
}

fn refused() -> (Refused, Rc<Cell<usize>>, std::os::unix::net::UnixDatagram) {
    let (inner, peer) = pair();
    let refusals = Rc::new(Cell::new(3));
    let source = Refused {
        inner,
        refusals: Rc::clone(&refusals),
    };
    (source, refusals, peer)
}

// A lack of memory has no event that ends it. A source that is called for it would find nothing, and spin.
#[test]
fn a_source_that_cannot_be_armed_for_now_is_armed_later() {
    let mut stage = Stage::new();
    let (source, refusals, peer) = refused();
    let write = |cx: &mut SourceContext<'_, Refused, Notes>| {
        while cx
            .try_io(Interest::WRITABLE, |source| source.inner.0.send(&[0; 64]))
            .is_ok()
        {}
    };
    let handler = Watch::new("a").on_writable(write);
    let id = stage.add(source, Interest::READABLE, handler);
    let begun = Instant::now();
    stage.event_loop.source(id).want(Interest::WRITABLE);
    let mut turns = 0;
    while refusals.get() > 0 {
        stage.turn_within(Wait::For(PATIENCE), Budget::new());
        turns += 1;
        // A turn or two for each of three tries.
        assert!(turns <= 10 && begun.elapsed() < PATIENCE, "{turns} turns");
    }
    // Two rests of 10 ms, each less a part of a tick.
    assert!(begun.elapsed() >= Duration::from_millis(18), "it spins");
    assert_eq!(stage.count("a writable"), 1);
    stage.drive("a registration", |stage| {
        stage.event_loop.poll_timeout().is_none()
    });
    peer.set_nonblocking(true).unwrap();
    while peer.recv(&mut [0; 64]).is_ok() {}
    stage.drive("space", |stage| stage.count("a writable") == 2);
}

// A blocking descriptor must not be read in the meantime: the read would block the loop.
#[test]
fn a_refused_rearm_calls_no_handler() {
    let mut stage = Stage::new();
    let (source, refusals, peer) = refused();
    let handler = Watch::new("a").on_readable(|cx: &mut SourceContext<'_, Refused, Notes>| {
        cx.source.inner.0.recv(&mut [0; 16]).unwrap();
        cx.rearm();
    });
    stage.add(source, Interest::READABLE, handler);
    peer.send(b"one").unwrap();
    peer.send(b"two").unwrap();
    stage.drive_to("a readable");
    stage.drive("three tries", |stage| {
        assert!(refusals.get() == 0 || stage.count("a readable") == 1);
        refusals.get() == 0
    });
    stage.drive("the second", |stage| stage.count("a readable") == 2);
    stage.settle();
    assert_eq!(stage.count("a readable"), 2);
}

// Unlike a socket's unsent bytes, an interest in writing is nothing that the loop must finish.
#[test]
fn a_released_writer_does_not_keep_the_loop() {
    let mut stage = Stage::new();
    let (source, _peer) = pair();
    let both = Interest::READABLE | Interest::WRITABLE;
    let id = stage.add(source, both, Watch::new("a").on_writable(|_| ()));
    stage.event_loop.source(id).release();
    assert!(!stage.event_loop.is_alive());
    stage.run_to_its_end();
    assert!(stage.notes.is_empty());
}
