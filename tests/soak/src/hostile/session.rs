//! The server's side of a connection. The first byte of the peer says what it wants.

use std::rc::Rc;
use std::time::{Duration, Instant};

use netloop::{CloseReason, Context, Flow, ServerId, SocketHandler, SocketId};

use super::times::Times;

/// The first byte: the peer wants its bytes back.
pub(super) const ECHO: u8 = b'E';
/// The peer sends a request, whose time is limited as a whole.
pub(super) const REQUEST: u8 = b'R';
/// The peer sends a stream, whose rate is limited.
pub(super) const STREAM: u8 = b'S';
/// The peer wants a large response.
pub(super) const RESPONSE: u8 = b'B';
/// The peer wants the messages that all subscribers get.
pub(super) const SUBSCRIBE: u8 = b'C';
/// The server says goodbye and ends.
pub(super) const GOODBYE: u8 = b'F';
/// The server waits for something, and stays open when the peer ends.
pub(super) const WAIT: u8 = b'H';

/// The peer asks for the number of sockets.
pub(super) const COUNT: u8 = b'N';

/// The length of a large response: one write to an empty queue, which is taken whole.
const RESPONSE_BYTES: usize = 1 << 20;

/// The length of the response to a friend, which is more than the kernel takes.
pub(super) const FRIENDS_BYTES: usize = 8 << 20;

/// Returns the name of a wish.
pub(super) fn name(wish: Option<u8>) -> &'static str {
    match wish {
        None => "without a byte",
        Some(REQUEST) => "a request",
        Some(STREAM) => "a stream",
        Some(RESPONSE) => "a response",
        Some(SUBSCRIBE) => "a subscription",
        Some(GOODBYE) => "a goodbye",
        Some(WAIT) => "a wait",
        Some(COUNT) => "a count",
        Some(_) => "an echo",
    }
}

/// The sessions with one wish, or with none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub(super) wish: Option<u8>,
    pub(super) is_friend: bool,
    pub(super) count: u64,
    /// The time that the limits give such a peer, if there is one.
    pub(super) deadline: Option<Duration>,
    /// The longest time from the last thing that the peer did to the close.
    pub(super) longest: Duration,
}

/// The state that the sessions share.
#[derive(Debug)]
pub(super) struct World {
    pub(super) times: Times,
    pub(super) side_door: Option<ServerId>,
    /// The response for friends.
    pub(super) response: Rc<[u8]>,
    pub(super) subscribers: Vec<SocketId>,
    pub(super) records: Vec<Record>,
}

impl World {
    /// Returns the time that the limits give a peer with this wish, from the last thing that it did.
    fn deadline(&self, wish: Option<u8>, is_friend: bool) -> Option<Duration> {
        let times = &self.times;
        let second = Duration::from_secs(1);
        Some(match wish {
            None if is_friend => return None,
            // The time begins anew when the kernel takes a byte.
            Some(_) if is_friend => 2 * times.write_stall,
            None => times.first_byte,
            Some(REQUEST) => times.request,
            // A byte now and then gives the peer less than a second more.
            Some(STREAM) => times.grace + 2 * second,
            // The bytes that the kernel takes at first count when the time of silence is over. It may take others later.
            Some(RESPONSE | SUBSCRIBE) => 3 * (times.grace + second),
            Some(GOODBYE) => times.close,
            Some(WAIT) => times.half_open,
            Some(_) => times.idle,
        })
    }

    fn note(&mut self, wish: Option<u8>, is_friend: bool, lived: Duration) {
        let is_same = |it: &&mut Record| it.wish == wish && it.is_friend == is_friend;
        if let Some(record) = self.records.iter_mut().find(is_same) {
            record.count += 1;
            record.longest = record.longest.max(lived);
            return;
        }
        self.records.push(Record {
            wish,
            is_friend,
            count: 1,
            deadline: self.deadline(wish, is_friend),
            longest: lived,
        });
    }
}

/// A connection of the server.
#[derive(Debug)]
pub(super) struct Session {
    wish: Option<u8>,
    /// The last thing that the peer did, or that the server did and the peer has to answer.
    since: Instant,
}

impl Session {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            wish: None,
            since: now,
        }
    }

    fn grant(&mut self, cx: &mut Context<'_, World>, wish: u8) {
        self.wish = Some(wish);
        match wish {
            REQUEST => cx.socket.set_deadline(cx.shared.times.request),
            STREAM => cx.socket.expect_bytes(true),
            RESPONSE if cx.socket.accepted_by() == cx.shared.side_door => {
                let response = Rc::clone(&cx.shared.response);
                cx.socket.write_shared(response).ignore();
            }
            RESPONSE => {
                let response = vec![b'x'; RESPONSE_BYTES];
                cx.socket.write_owned(response).ignore();
            }
            SUBSCRIBE => cx.shared.subscribers.push(cx.socket.id()),
            GOODBYE => cx.socket.end_with(b"bye\n").ignore(),
            COUNT => {
                let sockets = cx.statistics().sockets;
                writeln!(cx.socket, "{sockets}");
            }
            _ => {}
        }
    }
}

impl SocketHandler<World> for Session {
    fn on_data(&mut self, cx: &mut Context<'_, World>, data: &[u8]) {
        let (wish, rest) = data.split_first().expect("there is a byte at least");
        let is_first = self.wish.is_none();
        if is_first {
            self.grant(cx, *wish);
        }
        // Elsewhere the time counts from the wish.
        if is_first || matches!(self.wish, Some(ECHO | WAIT)) {
            self.since = cx.now();
        }
        let echo = if is_first { rest } else { data };
        if self.wish == Some(ECHO) && cx.socket.write(echo) == Flow::Full {
            cx.socket.pause();
        }
    }

    fn on_drain(&mut self, cx: &mut Context<'_, World>) {
        cx.socket.resume();
    }

    fn on_end(&mut self, cx: &mut Context<'_, World>) {
        match self.wish {
            Some(WAIT) => self.since = cx.now(),
            _ => cx.socket.end(),
        }
    }

    fn on_close(&mut self, cx: &mut Context<'_, World>, _: CloseReason) {
        if self.wish == Some(SUBSCRIBE) {
            let id = cx.socket.id();
            cx.shared.subscribers.retain(|&other| other != id);
        }
        let is_friend = cx.socket.accepted_by() == cx.shared.side_door;
        let lived = cx.now().saturating_duration_since(self.since);
        cx.shared.note(self.wish, is_friend, lived);
    }
}
