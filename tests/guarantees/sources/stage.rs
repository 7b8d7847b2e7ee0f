//! The stage of the tests of sources: handlers that note their events, and objects to poll.

use std::io;
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::time::Instant;

use mio::event;
use netloop::{
    Descriptor, EventLoop, Interest, LoopContext, SourceContext, SourceHandler, SourceId,
};

pub(crate) use crate::stage::{Notes, Stage};
use crate::support::PATIENCE;

type Reaction<O> = Box<dyn FnMut(&mut SourceContext<'_, O, Notes>)>;
type TimerReaction<O> = Box<dyn FnMut(&mut SourceContext<'_, O, Notes>, u64)>;
type CloseReaction<O> = Box<dyn FnMut(&mut LoopContext<'_, Notes>, O)>;

/// A handler that notes each event under its name, and then reacts as the test asked.
pub(crate) struct Watch<O> {
    name: String,
    burst: u32,
    readable: Reaction<O>,
    writable: Reaction<O>,
    timer: TimerReaction<O>,
    close: CloseReaction<O>,
}

impl<O: event::Source + 'static> Watch<O> {
    /// A handler that gives up each direction at its first event.
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            burst: 16,
            readable: Box::new(|cx| cx.unwant(Interest::READABLE)),
            writable: Box::new(|cx| cx.unwant(Interest::WRITABLE)),
            timer: Box::new(|_, _| ()),
            close: Box::new(|_, _| ()),
        }
    }

    pub(crate) fn burst(mut self, burst: u32) -> Self {
        self.burst = burst;
        self
    }

    pub(crate) fn on_readable(
        mut self,
        reaction: impl FnMut(&mut SourceContext<'_, O, Notes>) + 'static,
    ) -> Self {
        self.readable = Box::new(reaction);
        self
    }

    pub(crate) fn on_writable(
        mut self,
        reaction: impl FnMut(&mut SourceContext<'_, O, Notes>) + 'static,
    ) -> Self {
        self.writable = Box::new(reaction);
        self
    }

    pub(crate) fn on_timer(
        mut self,
        reaction: impl FnMut(&mut SourceContext<'_, O, Notes>, u64) + 'static,
    ) -> Self {
        self.timer = Box::new(reaction);
        self
    }

    pub(crate) fn on_close(
        mut self,
        reaction: impl FnMut(&mut LoopContext<'_, Notes>, O) + 'static,
    ) -> Self {
        self.close = Box::new(reaction);
        self
    }

    fn note(&self, notes: &mut Notes, event: &str) {
        notes.push(format!("{} {event}", self.name));
    }
}

impl<O: event::Source + 'static> SourceHandler<Notes> for Watch<O> {
    type Source = O;

    fn on_readable(&mut self, cx: &mut SourceContext<'_, O, Notes>) {
        self.note(cx.shared, "readable");
        (self.readable)(cx);
    }
    fn on_writable(&mut self, cx: &mut SourceContext<'_, O, Notes>) {
        self.note(cx.shared, "writable");
        (self.writable)(cx);
    }
    fn on_timer(&mut self, cx: &mut SourceContext<'_, O, Notes>, token: u64) {
        self.note(cx.shared, &format!("timer {token}"));
        (self.timer)(cx, token);
    }
    fn on_close(mut self, cx: &mut LoopContext<'_, Notes>, source: O) {
        self.note(cx.shared, "close");
        (self.close)(cx, source);
    }
    fn burst(&self) -> u32 {
        self.burst
    }
}

/// One end of a pair of datagram sockets.
pub(crate) type Datagrams = Descriptor<UnixDatagram>;

/// A non-blocking end for the loop, and the end of the test.
pub(crate) fn pair() -> (Datagrams, UnixDatagram) {
    let (ours, peer) = UnixDatagram::pair().unwrap();
    (Descriptor::non_blocking(ours).unwrap(), peer)
}

/// Receives one datagram, and notes it.
pub(crate) fn receive_one(cx: &mut SourceContext<'_, Datagrams, Notes>) {
    let mut buffer = [0; 64];
    match cx.try_io(Interest::READABLE, |source| source.0.recv(&mut buffer)) {
        Ok(length) => cx
            .shared
            .push(String::from_utf8_lossy(&buffer[..length]).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            cx.shared.push("would block".to_owned());
        }
        Err(error) => cx.shared.push(error.kind().to_string()),
    }
}

impl Stage {
    #[track_caller]
    pub(crate) fn add<O: event::Source + 'static>(
        &mut self,
        source: O,
        interest: Interest,
        handler: Watch<O>,
    ) -> SourceId {
        let added = self.event_loop.add_source(source, interest, handler);
        added.unwrap()
    }

    /// Turns until a turn has nothing to do and leaves nothing to do.
    #[track_caller]
    pub(crate) fn settle(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let turn = self.turn();
            let work = turn.events + turn.timers + turn.calls + turn.closed;
            if work == 0 && !turn.more {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "no rest; {:?}",
                self.last_notes()
            );
        }
    }
}

/// A UDP socket of mio, and its address.
pub(crate) fn udp() -> (mio::net::UdpSocket, std::net::SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let address = socket.local_addr().unwrap();
    (mio::net::UdpSocket::from_std(socket), address)
}

/// Whether the kernel has a report for the loop.
#[cfg(all(target_os = "linux", not(mio_unsupported_force_poll_poll)))]
pub(crate) fn has_report(event_loop: &EventLoop<Notes>) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use std::os::fd::AsFd;

    let no_wait = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let mut descriptors = [PollFd::from_borrowed_fd(event_loop.as_fd(), PollFlags::IN)];
    poll(&mut descriptors, Some(&no_wait)).unwrap() > 0
}
