//! The stage of the tests of UDP sockets: handlers that note their events, and sockets on ports of the test.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use netloop::{
    AtShutdown, Budget, DatagramContext, DatagramHandler, DatagramId, DatagramOptions,
    DatagramSocket, Error, IntoEndpoint, Wait,
};

pub(crate) use crate::stage::{Notes, Stage};
use crate::support::PATIENCE;
pub(crate) use crate::support::loopback;

type Reaction = Box<dyn FnMut(&mut DatagramContext<'_, Notes>)>;
type MessageReaction = Box<dyn FnMut(&mut DatagramContext<'_, Notes>, SocketAddr, &[u8])>;
type ErrorReaction = Box<dyn FnMut(&mut DatagramContext<'_, Notes>, &Error)>;
type TimerReaction = Box<dyn FnMut(&mut DatagramContext<'_, Notes>, u64)>;

/// A handler that notes each event under its name, and then reacts as the test asked. The note of a datagram is its text.
pub(crate) struct Watch {
    name: String,
    listening: Reaction,
    connect: Reaction,
    message: MessageReaction,
    error: ErrorReaction,
    timer: TimerReaction,
    close: Reaction,
    at_shutdown: AtShutdown,
}

impl Watch {
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            listening: Box::new(|_| ()),
            connect: Box::new(|_| ()),
            message: Box::new(|_, _, _| ()),
            error: Box::new(|_, _| ()),
            timer: Box::new(|_, _| ()),
            close: Box::new(|_| ()),
            at_shutdown: AtShutdown::End,
        }
    }

    /// A handler that answers each datagram with itself.
    pub(crate) fn echo(name: impl Into<String>) -> Self {
        Self::new(name).on_message(|cx, from, data| {
            cx.socket.send_to(from, data).ignore();
        })
    }

    pub(crate) fn on_listening(
        mut self,
        reaction: impl FnMut(&mut DatagramContext<'_, Notes>) + 'static,
    ) -> Self {
        self.listening = Box::new(reaction);
        self
    }

    pub(crate) fn on_connect(
        mut self,
        reaction: impl FnMut(&mut DatagramContext<'_, Notes>) + 'static,
    ) -> Self {
        self.connect = Box::new(reaction);
        self
    }

    pub(crate) fn on_message(
        mut self,
        reaction: impl FnMut(&mut DatagramContext<'_, Notes>, SocketAddr, &[u8]) + 'static,
    ) -> Self {
        self.message = Box::new(reaction);
        self
    }

    pub(crate) fn on_error(
        mut self,
        reaction: impl FnMut(&mut DatagramContext<'_, Notes>, &Error) + 'static,
    ) -> Self {
        self.error = Box::new(reaction);
        self
    }

    pub(crate) fn on_timer(
        mut self,
        reaction: impl FnMut(&mut DatagramContext<'_, Notes>, u64) + 'static,
    ) -> Self {
        self.timer = Box::new(reaction);
        self
    }

    pub(crate) fn on_close(
        mut self,
        reaction: impl FnMut(&mut DatagramContext<'_, Notes>) + 'static,
    ) -> Self {
        self.close = Box::new(reaction);
        self
    }

    pub(crate) fn at_shutdown(mut self, answer: AtShutdown) -> Self {
        self.at_shutdown = answer;
        self
    }

    fn note(&self, notes: &mut Notes, event: &str) {
        notes.push(format!("{} {event}", self.name));
    }
}

impl DatagramHandler<Notes> for Watch {
    fn on_listening(&mut self, cx: &mut DatagramContext<'_, Notes>) {
        self.note(cx.shared, "listening");
        (self.listening)(cx);
    }
    fn on_connect(&mut self, cx: &mut DatagramContext<'_, Notes>) {
        self.note(cx.shared, "connect");
        (self.connect)(cx);
    }
    fn on_message(&mut self, cx: &mut DatagramContext<'_, Notes>, from: SocketAddr, data: &[u8]) {
        self.note(cx.shared, &text(data));
        (self.message)(cx, from, data);
    }
    fn on_truncated(&mut self, cx: &mut DatagramContext<'_, Notes>, _: SocketAddr, data: &[u8]) {
        self.note(cx.shared, &format!("truncated {}", text(data)));
    }
    fn on_drain(&mut self, cx: &mut DatagramContext<'_, Notes>) {
        self.note(cx.shared, "drain");
    }
    fn on_error(&mut self, cx: &mut DatagramContext<'_, Notes>, error: &Error) {
        self.note(cx.shared, error.code());
        (self.error)(cx, error);
    }
    fn on_timer(&mut self, cx: &mut DatagramContext<'_, Notes>, token: u64) {
        self.note(cx.shared, &format!("timer {token}"));
        (self.timer)(cx, token);
    }
    fn on_shutdown(&mut self, cx: &mut DatagramContext<'_, Notes>) -> AtShutdown {
        self.note(cx.shared, "shutdown");
        self.at_shutdown
    }
    fn on_close(&mut self, cx: &mut DatagramContext<'_, Notes>) {
        self.note(cx.shared, "close");
        (self.close)(cx);
    }
}

/// The text of a datagram; of a long one, the number of its bytes.
fn text(data: &[u8]) -> String {
    match data.len() {
        0..=32 => String::from_utf8_lossy(data).into_owned(),
        length => format!("{length} bytes"),
    }
}

impl Stage {
    /// Binds a socket to a port of this test, and returns its id and its address.
    #[track_caller]
    pub(crate) fn bind(
        &mut self,
        options: DatagramOptions,
        handler: Watch,
    ) -> (DatagramId, SocketAddr) {
        let bound = self.event_loop.bind_udp(loopback(), options, handler);
        let id = bound.unwrap();
        let address = self.socket(id).local_address().unwrap();
        (id, address)
    }

    #[track_caller]
    pub(crate) fn connect(&mut self, to: impl IntoEndpoint, handler: Watch) -> DatagramId {
        let options = DatagramOptions::new().local_address(loopback().ip());
        self.event_loop.connect_udp(to, options, handler).unwrap()
    }

    pub(crate) fn socket(&mut self, id: DatagramId) -> DatagramSocket<'_> {
        self.event_loop.datagram_socket(id)
    }

    /// Turns until some turns in a row had nothing to do.
    #[track_caller]
    pub(crate) fn settle_for_a_while(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        let mut quiet = 0;
        while quiet < 5 {
            let wait = Wait::For(Duration::from_millis(1));
            let turn = self.turn_within(wait, Budget::new());
            let work = turn.events + turn.timers + turn.calls + turn.closed;
            quiet = if work == 0 && !turn.more {
                quiet + 1
            } else {
                0
            };
            assert!(
                Instant::now() < deadline,
                "no rest; {:?}",
                self.last_notes()
            );
        }
    }

    /// The notes without those of `word`.
    pub(crate) fn notes_but(&self, word: &str) -> Vec<&str> {
        let notes = self.notes.iter().map(String::as_str);
        notes.filter(|note| !note.ends_with(word)).collect()
    }
}

/// A socket of the standard library that plays the peer. It waits for at most as long as a test may.
pub(crate) fn peer() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind(loopback()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// A port of this test that no socket has.
pub(crate) fn dead_port() -> SocketAddr {
    peer().1
}
