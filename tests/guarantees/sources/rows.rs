//! The rows of libuv's suite that concern watchers of descriptors, and those of calloop, under their names. A row whose
//! guarantee is tested elsewhere in these files is cited there.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use mio::{Interest as MioInterest, Registry, Token, event};
use netloop::{Descriptor, Interest, SourceContext, SourceId};

use super::{Datagrams, Notes, Stage, Watch, pair, receive_one};

type Stream = Descriptor<UnixStream>;

/// An end that moves bytes both ways, and behaves as it likes at each event.
struct Duplex {
    to_send: usize,
    received: usize,
    has_ended: bool,
    random: fastrand::Rng,
}

impl Duplex {
    const BYTES: usize = 64 << 10;

    fn new(seed: u64, to_send: usize) -> Rc<RefCell<Self>> {
        Rc::new(RefCell::new(Self {
            to_send,
            received: 0,
            has_ended: false,
            random: fastrand::Rng::with_seed(seed),
        }))
    }

    /// Ignores the event, drops the interest for a while, or returns `false`.
    fn disturbs(&mut self, direction: Interest, cx: &mut SourceContext<'_, Stream, Notes>) -> bool {
        match self.random.u32(..8) {
            0 => true,
            1 => {
                cx.unwant(direction);
                let token = u64::from(direction == Interest::WRITABLE);
                cx.after(Duration::from_millis(self.random.u64(..3)), token);
                true
            }
            2 => {
                cx.unwant(direction);
                cx.want(direction);
                false
            }
            _ => false,
        }
    }

    fn read(&mut self, cx: &mut SourceContext<'_, Stream, Notes>) {
        if self.disturbs(Interest::READABLE, cx) {
            return;
        }
        let mut buffer = [0; 4096];
        let most = self.random.usize(1..=buffer.len());
        loop {
            let read = cx.try_io(Interest::READABLE, |stream| {
                stream.0.read(&mut buffer[..most])
            });
            match read {
                Ok(0) => {
                    self.has_ended = true;
                    cx.unwant(Interest::READABLE);
                    return self.close_if_done(cx);
                }
                Ok(length) => self.received += length,
                Err(error) => return assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
            if self.random.bool() {
                return;
            }
        }
    }

    fn close_if_done(&self, cx: &mut SourceContext<'_, Stream, Notes>) {
        if self.has_ended && self.to_send == 0 {
            cx.close();
        }
    }

    fn write(&mut self, cx: &mut SourceContext<'_, Stream, Notes>) {
        if self.disturbs(Interest::WRITABLE, cx) {
            return;
        }
        let length = self.random.usize(1..=4096).min(self.to_send);
        match cx.try_io(Interest::WRITABLE, |stream| {
            stream.0.write(&[7; 4096][..length])
        }) {
            Ok(length) => self.to_send -= length,
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
        if self.to_send == 0 {
            cx.unwant(Interest::WRITABLE);
            cx.cancel(1);
            cx.source.0.shutdown(std::net::Shutdown::Write).unwrap();
            self.close_if_done(cx);
        }
    }
}

/// Lets five pairs exchange bytes. The ends of each have `to_send` bytes to send.
fn exchange(to_send: [usize; 2]) {
    const PAIRS: usize = 5;
    let mut stage = Stage::new();
    let mut ends = Vec::new();
    for number in 0..PAIRS {
        let (one, other) = UnixStream::pair().unwrap();
        for (end, stream) in [one, other].into_iter().enumerate() {
            let duplex = Duplex::new((2 * number + end) as u64, to_send[end]);
            ends.push((Rc::clone(&duplex), to_send[1 - end]));
            let [reads, writes] = [Rc::clone(&duplex), Rc::clone(&duplex)];
            let handler = Watch::new("end")
                .on_readable(move |cx| reads.borrow_mut().read(cx))
                .on_writable(move |cx| writes.borrow_mut().write(cx))
                .on_timer(|cx, token| match token {
                    0 => cx.want(Interest::READABLE),
                    _ => cx.want(Interest::WRITABLE),
                });
            let source = Descriptor::non_blocking(stream).unwrap();
            stage.add(source, Interest::READABLE | Interest::WRITABLE, handler);
        }
    }
    stage.drive("the ends", |stage| stage.count("end close") == 2 * PAIRS);
    stage.run_to_its_end();
    assert_eq!(stage.count("end close"), 2 * PAIRS);
    for (end, received) in ends {
        assert_eq!(end.borrow().received, received);
        assert_eq!(end.borrow().to_send, 0);
    }
}

// With edges alone an event that is ignored would be lost.
#[test]
fn poll_duplex() {
    exchange([Duplex::BYTES; 2]);
}

#[test]
fn poll_unidirectional() {
    exchange([Duplex::BYTES, 0]);
}

#[test]
fn poll_close() {
    let mut stage = Stage::new();
    let mut peers = Vec::new();
    for _ in 0..64 {
        let (source, peer) = pair();
        let id = stage.add(source, Interest::READABLE, Watch::new("a"));
        stage.event_loop.source(id).close();
        peers.push(peer);
    }
    stage.run_to_its_end();
    assert_eq!(stage.notes, vec!["a close"; 64]);
}

// The accounting of two watchers on one descriptor; the refusal itself is `ending`'s.
#[test]
fn poll_multiple_handles() {
    let mut stage = Stage::new();
    let (source, _peer) = pair();
    let shared = Rc::new(source.0);
    let watch = || Descriptor(Rc::clone(&shared));
    let first = stage.add(watch(), Interest::READABLE, Watch::new("first"));
    let second = stage
        .event_loop
        .add_source(watch(), Interest::READABLE, Watch::new("second"));
    assert_eq!(second.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    stage.event_loop.source(first).release();
    assert!(!stage.event_loop.is_alive());
    stage.event_loop.source(first).close();
    stage.run_to_its_end();
    let second = stage.add(watch(), Interest::READABLE, Watch::new("second"));
    assert!(stage.event_loop.source(second).is_held());
    stage.event_loop.source(second).close();
    stage.run_to_its_end();
    assert_eq!(stage.notes, ["first close", "second close"]);
}

/// A TCP stream that asks the kernel for priority data too, as a source of the program may.
#[cfg(target_os = "linux")]
struct Urgent(mio::net::TcpStream);

#[cfg(target_os = "linux")]
impl event::Source for Urgent {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: MioInterest,
    ) -> io::Result<()> {
        self.0
            .register(registry, token, interest | MioInterest::PRIORITY)
    }
    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: MioInterest,
    ) -> io::Result<()> {
        self.0
            .reregister(registry, token, interest | MioInterest::PRIORITY)
    }
    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.0.deregister(registry)
    }
}

// Priority data counts as readable. The handler that would block on ordinary data is not called again for it.
#[cfg(target_os = "linux")]
#[test]
fn poll_oob() {
    let mut stage = Stage::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (ours, _) = listener.accept().unwrap();
    ours.set_nonblocking(true).unwrap();
    let handler = Watch::new("a").on_readable(|cx: &mut SourceContext<'_, Urgent, Notes>| {
        let stream = socket2::SockRef::from(&cx.source.0);
        let mut byte = [std::mem::MaybeUninit::uninit(); 8];
        if stream.recv_out_of_band(&mut byte).is_ok() {
            cx.shared.push("urgent".to_owned());
        }
        let mut buffer = [0; 16];
        match cx.try_io(Interest::READABLE, |stream| stream.0.read(&mut buffer)) {
            Ok(length) => cx.shared.push(format!("{length} bytes")),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
    });
    stage.add(
        Urgent(mio::net::TcpStream::from_std(ours)),
        Interest::READABLE,
        handler,
    );
    socket2::SockRef::from(&peer)
        .send_out_of_band(b"!")
        .unwrap();
    stage.drive_to("urgent");
    stage.settle();
    let before = stage.notes.len();
    for _ in 0..10 {
        stage.turn();
    }
    assert_eq!(stage.notes.len(), before, "the loop spins");
    (&peer).write_all(b"hello").unwrap();
    stage.drive_to("5 bytes");
}

// A duplicate in another process would be the same: the loop deregisters before it closes.
#[test]
fn closed_fd_events() {
    let mut stage = Stage::new();
    let (ours, mut peer) = UnixStream::pair().unwrap();
    let _elsewhere = ours.try_clone().unwrap();
    let source = Descriptor::non_blocking(ours).unwrap();
    let id = stage.add(source, Interest::READABLE, Watch::new("closed"));
    stage.event_loop.source(id).close();
    stage.run_to_its_end();
    peer.write_all(b"x").unwrap();
    stage.event_loop.after(Duration::from_millis(10), |cx| {
        cx.shared.push("timer".to_owned())
    });
    // Nothing but the timer ends the wait.
    let began = std::time::Instant::now();
    stage.turn_within(netloop::Wait::Forever, netloop::Budget::new());
    assert!(began.elapsed() >= Duration::from_millis(10));
    assert_eq!(stage.notes, ["closed close", "timer"]);
}

#[test]
fn iouring_pollhup() {
    let mut stage = Stage::new();
    let (first, _first_peer) = UnixStream::pair().unwrap();
    let duplicate = first.try_clone().unwrap();
    let id = stage.add(
        Descriptor::non_blocking(first).unwrap(),
        Interest::READABLE,
        Watch::new("first"),
    );
    let (second, second_peer) = UnixStream::pair().unwrap();
    let read = |cx: &mut SourceContext<'_, Stream, Notes>| {
        if let Ok(0) = cx.try_io(Interest::READABLE, |stream| stream.0.read(&mut [0; 8])) {
            cx.shared.push("end".to_owned());
            cx.close();
        }
    };
    stage.add(
        Descriptor::non_blocking(second).unwrap(),
        Interest::READABLE,
        Watch::new("second").on_readable(read),
    );
    stage.event_loop.source(id).close();
    stage.drive_to("first close");
    drop(duplicate);
    drop(second_peer);
    stage.run_to_its_end();
    assert_eq!(stage.count("end"), 1);
    assert_eq!(stage.count("second close"), 1);
}

#[test]
fn close_fd() {
    let mut stage = Stage::new();
    let (ours, mut peer) = UnixStream::pair().unwrap();
    peer.write_all(b"x").unwrap();
    let read = |cx: &mut SourceContext<'_, Stream, Notes>| match cx
        .try_io(Interest::READABLE, |stream| stream.0.read(&mut [0; 1]))
    {
        Ok(0) => cx.close(),
        Ok(_) => {
            cx.shared.push("byte".to_owned());
            cx.unwant(Interest::READABLE);
            cx.view().release();
        }
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
    };
    let source = Descriptor::non_blocking(ours).unwrap();
    let id = stage.add(
        source,
        Interest::READABLE,
        Watch::new("a").on_readable(read),
    );
    stage.run_to_its_end();
    assert_eq!(stage.count("byte"), 1);
    drop(peer);
    stage.event_loop.source(id).want(Interest::READABLE);
    stage.event_loop.source(id).hold();
    stage.run_to_its_end();
    assert_eq!(stage.notes.last().unwrap(), "a close");
}

// calloop reuse: within one dispatch a source closes, and its slot and descriptor number have a new owner.
#[test]
fn reuse() {
    let mut stage = Stage::new();
    let (new, new_peer) = pair();
    let new = RefCell::new(Some(new));
    let (old, old_peer) = pair();
    let handler = Watch::new("old")
        .on_readable(|cx: &mut SourceContext<'_, Datagrams, Notes>| cx.close())
        .on_close(move |cx, source| {
            drop(source);
            let new = new.take().expect("it closes once");
            let handler = Watch::new("new").on_readable(receive_one);
            cx.add_source(new, Interest::READABLE, handler).unwrap();
        });
    stage.add(old, Interest::READABLE, handler);
    old_peer.send(b"old").unwrap();
    stage.drive_to("old close");
    stage.settle();
    assert_eq!(stage.notes, ["old readable", "old close"]);
    new_peer.send(b"fresh").unwrap();
    stage.drive_to("fresh");
}

// calloop kill_source and drop_of_subsource: a callback closes itself or another that has an event pending.
#[test]
fn kill_source() {
    let mut stage = Stage::new();
    let ids: Rc<RefCell<Vec<SourceId>>> = Rc::default();
    let mut peers = Vec::new();
    for name in ["a", "b"] {
        let (source, peer) = pair();
        peer.send(b"x").unwrap();
        let all = Rc::clone(&ids);
        let handler = Watch::new(name).on_readable(move |cx| {
            for id in all.borrow().iter() {
                cx.sockets.source(*id).close();
            }
        });
        let id = stage.add(source, Interest::READABLE, handler);
        ids.borrow_mut().push(id);
        peers.push(peer);
    }
    stage.run_to_its_end();
    // Either of the two is first.
    assert_eq!(stage.notes.len(), 3);
    assert_eq!(stage.notes[1..], ["a close", "b close"]);
}
