//! One end of a connection: writes its bytes, compares those of the other end, and ends as the plan says.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use netloop::{CloseReason, Context, Error, Flow, SocketHandler};

use super::pattern::{append, difference, mix, slice};
use super::plan::{Ending, Plan, Reading, Side, Writing};
use super::world::World;

/// The bytes in front of the client's stream: the key of the connection.
const HEADER: usize = 8;

/// The tokens of the timers of a socket.
const RESUME: u64 = 1;
const END: u64 = 2;

/// The number of writes in a row after which an end lets other connections write. A queue that is full comes earlier.
const WRITES_IN_A_ROW: u32 = 256;
const GO_ON: u64 = 3;

/// A connection whose plan is known.
#[derive(Debug)]
struct Course {
    key: u64,
    plan: Plan,
    written: u64,
    received: u64,
    /// The bytes that were received since the last pause.
    since_pause: u64,
    /// The answer to the question when all was sent: it was not given, it was good, or it was an error.
    sent: Option<bool>,
    /// Whether the other end has ended.
    is_answered: bool,
    /// Whether this end has closed, and is to be told nothing but that.
    has_closed: bool,
}

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct Stream {
    side: Side,
    header: Vec<u8>,
    course: Option<Course>,
    is_connected: bool,
    has_ended: bool,
    error: Option<String>,
    is_closed: bool,
    /// Counts the handlers that are dropped.
    drops: Rc<Cell<u64>>,
}

impl Stream {
    /// The server's end: it learns the key from the client.
    pub(crate) fn server(drops: &Rc<Cell<u64>>) -> Self {
        Self {
            side: Side::Server,
            header: Vec::new(),
            course: None,
            is_connected: false,
            has_ended: false,
            error: None,
            is_closed: false,
            drops: Rc::clone(drops),
        }
    }

    pub(crate) fn client(key: u64, plan: Plan, drops: &Rc<Cell<u64>>) -> Self {
        let mut client = Self::server(drops);
        client.side = Side::Client;
        client.course = Some(Course::new(key, plan));
        client
    }

    /// The bytes of the plan, behind the header if there is one.
    fn take_header<'a>(&mut self, cx: &Context<'_, World>, data: &'a [u8]) -> &'a [u8] {
        let missing = HEADER - self.header.len();
        let (header, data) = data.split_at(missing.min(data.len()));
        self.header.extend_from_slice(header);
        if let Ok(key) = <[u8; HEADER]>::try_from(&self.header[..]) {
            let key = u64::from_le_bytes(key);
            let plan = Plan::of(key, cx.shared.longest_hold);
            self.course = Some(Course::new(key, plan));
        }
        data
    }

    fn note_disorder(&self, cx: &mut Context<'_, World>, callback: &str) {
        cx.shared.tally.disorder += 1;
        cx.shared.note(format!("{callback} out of order: {self:?}"));
    }

    /// A connection whose plan the server does not know was broken at once, or has met a fault.
    fn close_without_a_plan(&self, cx: &mut Context<'_, World>, reason: CloseReason) {
        cx.shared.tally.headless += 1;
        if is_stuck(reason) {
            cx.shared.tally.unexplained += 1;
            cx.shared.note(format!("{reason:?} of {self:?}"));
        }
    }
}

/// Whether neither end nor the network has closed the connection.
fn is_stuck(reason: CloseReason) -> bool {
    !matches!(
        reason,
        CloseReason::Graceful | CloseReason::Local | CloseReason::Reset | CloseReason::Error
    )
}

impl Course {
    fn new(key: u64, plan: Plan) -> Self {
        Self {
            key,
            plan,
            written: 0,
            received: 0,
            since_pause: 0,
            sent: None,
            is_answered: false,
            has_closed: false,
        }
    }

    /// The key of the bytes that `side` sends.
    fn stream(&self, side: Side) -> u64 {
        mix(self.key, 2 + u64::from(side == Side::Server))
    }

    fn has_written_all(&self, side: Side) -> bool {
        self.written == self.plan.length(side)
    }

    fn has_received_all(&self, side: Side) -> bool {
        self.received == self.plan.length(side.other())
    }

    /// Writes until the queue is full or everything is written.
    fn write(&mut self, cx: &mut Context<'_, World>, side: Side) {
        if self.has_closed || self.sent.is_some() {
            return;
        }
        let (key, length) = (self.stream(side), self.plan.length(side));
        let mut writes = 0;
        while self.written < length {
            let left = length - self.written;
            let (flow, accepted) = match self.plan.writing(side) {
                Writing::Whole => {
                    let mut bytes = Vec::new();
                    append(&mut bytes, key, self.written, left);
                    (cx.socket.write_owned(bytes), left)
                }
                Writing::Pieces(most) => {
                    let piece = slice(key, self.written, left.min(most));
                    let flow = match piece.len() % 4 {
                        0 => cx.socket.write_static(piece),
                        1 => cx.socket.write_shared(piece.into()),
                        _ => cx.socket.write(piece),
                    };
                    (flow, piece.len() as u64)
                }
            };
            if !flow.is_accepted() {
                return;
            }
            self.written += accepted;
            cx.shared.tally.written += accepted;
            if flow == Flow::Full {
                break;
            }
            writes += 1;
            if writes == WRITES_IN_A_ROW && self.written < length {
                cx.socket.after(Duration::ZERO, GO_ON);
                return;
            }
        }
        if self.written == length {
            self.sent = Some(false);
            cx.socket.notify_when_sent(self.written);
            if self.is_answered || self.plan.ending == Ending::HalfClose(side) {
                cx.socket.end();
            }
            self.maybe_arm_end(cx, side);
        }
    }

    /// Arms the timer of the end, once everything has moved and this side is to end first.
    fn maybe_arm_end(&self, cx: &mut Context<'_, World>, side: Side) {
        let (Ending::End(ends) | Ending::DestroySoon(ends)) = self.plan.ending else {
            return;
        };
        if ends == side && self.has_written_all(side) && self.has_received_all(side) {
            cx.socket.after(self.plan.hold, END);
        }
    }

    /// Destroys or resets the connection, if the plan says so at this place. Returns whether it did.
    fn maybe_break(&mut self, cx: &mut Context<'_, World>, side: Side) -> bool {
        match self.plan.ending {
            Ending::Destroy(breaks, place) if breaks == side && self.received >= place => {
                cx.socket.destroy();
            }
            Ending::Reset(breaks, place) if breaks == side && self.received >= place => {
                reset(cx);
            }
            _ => return false,
        }
        self.has_closed = true;
        true
    }

    fn receive(&mut self, cx: &mut Context<'_, World>, side: Side, data: &[u8]) {
        cx.shared.tally.received += data.len() as u64;
        let place = difference(self.stream(side.other()), self.received, data);
        let length = self.plan.length(side.other());
        let is_too_long = self.received + data.len() as u64 > length;
        if place.is_some() || is_too_long {
            cx.shared.tally.wrong += 1;
            cx.shared.note(format!(
                "{side:?}: a wrong byte at {place:?} of {length}, too long: {is_too_long}: {self:?}"
            ));
            cx.socket.destroy();
            self.has_closed = true;
            return;
        }
        self.received += data.len() as u64;
        if self.maybe_break(cx, side) {
            return;
        }
        if let Reading::Slow(bytes, pause) = self.plan.reading(side) {
            self.since_pause += data.len() as u64;
            if self.since_pause >= bytes {
                self.since_pause = 0;
                cx.socket.pause();
                cx.socket.after(pause, RESUME);
            }
        }
        self.maybe_arm_end(cx, side);
    }

    /// Whether this end was told all that a plan without a break promises.
    fn is_whole(&self, side: Side, has_ended: bool, reason: CloseReason) -> bool {
        let is_closed = match self.plan.ending {
            Ending::DestroySoon(closes) if closes == side => {
                matches!(reason, CloseReason::Local | CloseReason::Graceful)
            }
            _ => has_ended && reason == CloseReason::Graceful,
        };
        is_closed
            && self.has_written_all(side)
            && self.has_received_all(side)
            && self.sent == Some(true)
    }
}

/// Resets the connection. The fault `refused_options` refuses a reset, and then the connection is destroyed.
fn reset(cx: &mut Context<'_, World>) {
    if cx.socket.reset().is_err() {
        cx.socket.destroy();
    }
}

impl SocketHandler<World> for Stream {
    fn on_connect(&mut self, cx: &mut Context<'_, World>) {
        if self.is_connected || self.is_closed {
            self.note_disorder(cx, "on_connect");
        }
        self.is_connected = true;
        cx.shared.connected();
        let Some(course) = &mut self.course else {
            return;
        };
        if course.plan.ending == Ending::ResetAtOnce {
            cx.shared.tally.reset_at_once += 1;
            reset(cx);
            course.has_closed = true;
            return;
        }
        cx.socket.write(&course.key.to_le_bytes()).ignore();
        match course.maybe_break(cx, Side::Client) {
            true => cx.shared.tally.reset_at_once += 1,
            false => course.write(cx, Side::Client),
        }
    }

    fn on_data(&mut self, cx: &mut Context<'_, World>, mut data: &[u8]) {
        if !self.is_connected || self.has_ended || self.is_closed || self.error.is_some() {
            self.note_disorder(cx, "on_data");
        }
        let side = self.side;
        let is_new = self.course.is_none();
        if is_new {
            data = self.take_header(cx, data);
        }
        let Some(course) = &mut self.course else {
            return;
        };
        if course.has_closed {
            cx.shared.tally.disorder += 1;
            return;
        }
        if !data.is_empty() {
            course.receive(cx, side, data);
        }
        if is_new && !course.has_closed && !course.maybe_break(cx, side) {
            course.write(cx, side);
        }
    }

    fn on_drain(&mut self, cx: &mut Context<'_, World>) {
        let side = self.side;
        if let Some(course) = &mut self.course {
            course.write(cx, side);
        }
    }

    fn on_sent(&mut self, cx: &mut Context<'_, World>, token: u64, sent: Result<(), &Error>) {
        match &mut self.course {
            Some(course) if course.sent == Some(false) && course.written == token => {
                course.sent = Some(sent.is_ok());
            }
            _ => self.note_disorder(cx, "on_sent"),
        }
    }

    fn on_timer(&mut self, cx: &mut Context<'_, World>, token: u64) {
        let side = self.side;
        let Some(course) = &mut self.course else {
            return self.note_disorder(cx, "on_timer");
        };
        match (token, course.plan.ending) {
            (RESUME, _) => cx.socket.resume(),
            (GO_ON, _) => course.write(cx, side),
            (END, Ending::DestroySoon(_)) => {
                course.has_closed = true;
                cx.socket.destroy_soon();
            }
            _ => cx.socket.end(),
        }
    }

    fn on_end(&mut self, cx: &mut Context<'_, World>) {
        if self.has_ended || self.is_closed || self.error.is_some() {
            self.note_disorder(cx, "on_end");
        }
        self.has_ended = true;
        let side = self.side;
        let Some(course) = &mut self.course else {
            return cx.socket.end();
        };
        course.is_answered = true;
        let is_too_early = course.plan.is_whole() && !course.has_received_all(side);
        // An aborted accept is an early end.
        if is_too_early && !cx.shared.may_break {
            cx.shared.tally.lost += 1;
            cx.shared.note(format!(
                "{side:?}: an end too early, at {} of {}: {course:?}",
                course.received,
                course.plan.length(side.other())
            ));
        }
        // A side that ends before the other has written all is answered when the other has.
        if course.has_written_all(side) || !course.plan.is_whole() {
            cx.socket.end();
        }
    }

    fn on_error(&mut self, cx: &mut Context<'_, World>, error: &Error) {
        if self.error.is_some() || self.is_closed {
            self.note_disorder(cx, "on_error");
        }
        self.error = Some(error.to_string());
    }

    fn on_close(&mut self, cx: &mut Context<'_, World>, reason: CloseReason) {
        if self.is_closed {
            self.note_disorder(cx, "on_close");
        }
        self.is_closed = true;
        cx.shared.closed(self.is_connected);
        let Some(course) = &self.course else {
            return self.close_without_a_plan(cx, reason);
        };
        let may_break = cx.shared.may_break;
        let tally = &mut cx.shared.tally;
        tally.unconnected += u64::from(!self.is_connected);
        if is_stuck(reason) || !self.is_connected && !may_break {
            tally.unexplained += 1;
            cx.shared.note(format!("{reason:?} of {self:?}"));
        } else if !course.plan.is_whole() {
            tally.cut_short += 1;
        } else if course.is_whole(self.side, self.has_ended, reason) && self.error.is_none() {
            tally.whole += 1;
        } else if may_break {
            tally.broken += 1;
        } else {
            tally.unexplained += 1;
            cx.shared.note(format!("{reason:?} of {self:?}"));
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.drops.set(self.drops.get() + 1);
    }
}
