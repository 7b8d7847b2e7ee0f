//! The two ends: a handler behind filters, and a peer without any, with what both have seen.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;

use netloop::{CloseReason, Context, Error, ServerId, SocketHandler, SocketId};

use super::code::{Kind, Outcome, Stream};
use super::coder::Counts;
use super::script::{Action, Plan, Start};

pub(crate) type Shared = Rc<RefCell<State>>;

/// The state of a run, which both handlers share.
pub(crate) struct State {
    pub(crate) plan: Plan,
    pub(crate) actions: VecDeque<Action>,
    /// The calls that the callbacks of the filtered side make, one each.
    reactions: VecDeque<Action>,
    pub(crate) counts: Vec<Rc<Counts>>,
    pub(crate) raw: RawSide,
    pub(crate) filtered: FilteredSide,
    /// The bytes that the stack decodes the whole stream of the raw peer to.
    decoded: Vec<u8>,
    pub(crate) server: Option<ServerId>,
    pub(crate) handlers: usize,
    pub(crate) is_over: bool,
}

#[derive(Debug, Default)]
pub(crate) struct RawSide {
    pub(crate) id: Option<SocketId>,
    /// The bytes of the stream that were written.
    pub(crate) sent: usize,
    pub(crate) received: Vec<u8>,
    pub(crate) is_paused: bool,
    pub(crate) has_ended: bool,
    pub(crate) saw_end: bool,
    pub(crate) was_cut: bool,
}

#[derive(Debug)]
pub(crate) struct FilteredSide {
    pub(crate) id: Option<SocketId>,
    pub(crate) phase: Phase,
    pub(crate) received: usize,
    pub(crate) written: u64,
    /// As `written`, with a write that has met the failure of the connection: a part of it may have left.
    pub(crate) offered: u64,
    /// Whether the filters have started in mid-stream.
    has_started: bool,
    /// The number of bytes that were written before the filters have started.
    pub(crate) plain: usize,
    pub(crate) has_ended: bool,
    pub(crate) is_corked: bool,
    /// Whether a call has given up bytes.
    pub(crate) was_cut: bool,
    pub(crate) saw_end: bool,
    error: String,
    pub(crate) reason: Option<CloseReason>,
}

/// The events that the filtered side was told so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    New,
    /// The connection is open, and the filters are not ready.
    Plain,
    Open,
    Ended,
    Failed,
    Closed,
}

impl State {
    pub(crate) fn new(plan: Plan) -> Self {
        let mut state = Self {
            actions: plan.actions.iter().copied().collect(),
            reactions: plan.reactions.iter().copied().collect(),
            counts: plan.stack.iter().map(|_| Rc::default()).collect(),
            raw: RawSide::default(),
            filtered: FilteredSide {
                id: None,
                phase: Phase::New,
                received: 0,
                written: 0,
                offered: 0,
                has_started: plan.start == Start::AtOnce,
                plain: match plan.start {
                    Start::AtOnce => 0,
                    Start::MidStream(_) => usize::MAX,
                },
                has_ended: false,
                is_corked: false,
                was_cut: false,
                saw_end: false,
                error: String::new(),
                reason: None,
            },
            decoded: Vec::new(),
            server: None,
            handlers: 0,
            is_over: false,
            plan,
        };
        let whole = state.decode(state.plan.stream.len());
        state.decoded = whole.into_iter().last().map_or(Vec::new(), |it| it.bytes);
        state
    }

    /// Decodes the first `length` bytes of the raw peer's stream: the stream behind each filter.
    pub(crate) fn decode(&self, length: usize) -> Vec<Stream> {
        let below = match self.raw.has_ended {
            true => Outcome::Ended,
            false => Outcome::Open,
        };
        self.through(&self.plan.stream[..length], below)
    }

    /// Decodes the bytes that the raw peer has received.
    pub(crate) fn decode_output(&self) -> Vec<Stream> {
        let plain = self.filtered.plain.min(self.raw.received.len());
        self.through(&self.raw.received[plain..], Outcome::Open)
    }

    fn through(&self, stream: &[u8], below: Outcome) -> Vec<Stream> {
        let mut layers: Vec<Stream> = Vec::new();
        for options in &self.plan.stack {
            let decoded = match layers.last() {
                Some(layer) => options.code.decode(&layer.bytes, layer.outcome),
                None => options.code.decode(stream, below),
            };
            layers.push(decoded);
        }
        layers
    }

    /// Whether the model decodes less than was encoded.
    pub(crate) fn loses_output(&self) -> bool {
        let mut kinds = self.plan.stack.iter().map(|options| options.code.kind);
        kinds.any(|kind| matches!(kind, Kind::Lines | Kind::Until(..)))
    }

    /// Whether the filters have started.
    pub(crate) fn has_filters(&self) -> bool {
        self.filtered.has_started
    }
}

impl fmt::Debug for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let received = self.raw.received.len();
        let plan = &self.plan;
        write!(
            formatter,
            "{:?}; the raw peer has sent {} of {} bytes (ended {}, cut {}, paused {}) and received {received}; \
             {:?} on {:?}, {:?}, as a server {}",
            self.filtered,
            self.raw.sent,
            plan.stream.len(),
            self.raw.has_ended,
            self.raw.was_cut,
            self.raw.is_paused,
            plan.stack,
            plan.network,
            plan.start,
            plan.is_server,
        )
    }
}

/// The handler of the peer without filters.
pub(crate) struct RawPeer {
    state: Shared,
}

impl RawPeer {
    pub(crate) fn new(state: &Shared) -> Self {
        state.borrow_mut().handlers += 1;
        Self {
            state: Rc::clone(state),
        }
    }

    fn see(&self, cx: &mut Context<'_, Shared>, note: impl FnOnce(&mut RawSide)) {
        let state = &mut *self.state.borrow_mut();
        state.raw.id = Some(cx.socket.id());
        note(&mut state.raw);
        if state.is_over {
            for action in Action::LAST.into_iter().filter(|it| it.is_of_raw()) {
                action.apply(&mut cx.socket, state);
            }
        }
    }
}

impl SocketHandler<Shared> for RawPeer {
    fn on_connect(&mut self, cx: &mut Context<'_, Shared>) {
        self.see(cx, |_| {});
    }
    fn on_data(&mut self, cx: &mut Context<'_, Shared>, data: &[u8]) {
        self.see(cx, |raw| raw.received.extend_from_slice(data));
    }
    fn on_end(&mut self, cx: &mut Context<'_, Shared>) {
        self.see(cx, |raw| raw.saw_end = true);
    }
    fn on_error(&mut self, cx: &mut Context<'_, Shared>, _: &Error) {
        self.see(cx, |raw| raw.was_cut = true);
    }
    fn on_close(&mut self, _: &mut Context<'_, Shared>, _: CloseReason) {}
}

impl Drop for RawPeer {
    fn drop(&mut self) {
        // A loop that unwinds drops its handlers while the state may be borrowed.
        if let Ok(mut state) = self.state.try_borrow_mut() {
            state.handlers -= 1;
        }
    }
}

/// The handler behind the filters.
pub(crate) struct Filtered {
    state: Shared,
}

impl Filtered {
    pub(crate) fn new(state: &Shared) -> Self {
        state.borrow_mut().handlers += 1;
        Self {
            state: Rc::clone(state),
        }
    }

    /// Notes an event, and makes the next call.
    fn see(&self, cx: &mut Context<'_, Shared>, allowed: &[Phase], next: Option<Phase>) {
        let state = &mut *self.state.borrow_mut();
        let phase = state.filtered.phase;
        assert!(allowed.contains(&phase), "to {next:?}: {state:?}");
        state.filtered.phase = next.unwrap_or(phase);
        state.filtered.id = Some(cx.socket.id());
        if state.is_over {
            for action in Action::LAST.into_iter().filter(|it| !it.is_of_raw()) {
                action.apply(&mut cx.socket, state);
            }
        } else if let Some(action) = state.reactions.pop_front() {
            action.apply(&mut cx.socket, state);
        }
    }

    /// Starts the filter in mid-stream.
    fn start(&self, cx: &mut Context<'_, Shared>) {
        let state = &mut *self.state.borrow_mut();
        state.filtered.id = Some(cx.socket.id());
        state.filtered.phase = Phase::Plain;
        state.filtered.has_started = true;
        if let Start::MidStream(plain) = state.plan.start {
            Action::Write(plain).apply(&mut cx.socket, state);
        }
        state.filtered.plain = usize::try_from(state.filtered.written).expect("it is in memory");
        let filter = super::coder(state, 0);
        let started = cx.socket.start_filter(filter, &[]);
        if let Err(error) = started {
            // A fault, the peer or a call may have ended the connection.
            let is_over = state.raw.was_cut || state.filtered.was_cut || state.filtered.has_ended;
            assert!(is_over || !state.plan.is_calm, "{error}: {state:?}");
            state.filtered.was_cut = true;
            cx.socket.destroy();
        }
    }
}

impl SocketHandler<Shared> for Filtered {
    fn on_connect(&mut self, cx: &mut Context<'_, Shared>) {
        if !self.state.borrow().has_filters() {
            return self.start(cx);
        }
        self.see(cx, &[Phase::New, Phase::Plain], Some(Phase::Open));
    }

    fn on_data(&mut self, cx: &mut Context<'_, Shared>, data: &[u8]) {
        assert!(!data.is_empty() && !cx.socket.is_paused());
        {
            let state = &mut *self.state.borrow_mut();
            let rest = &state.decoded[state.filtered.received..];
            assert!(rest.starts_with(data), "other bytes: {state:?}");
            state.filtered.received += data.len();
        }
        self.see(cx, &[Phase::Open], None);
    }

    fn on_drain(&mut self, cx: &mut Context<'_, Shared>) {
        self.see(cx, &[Phase::Plain, Phase::Open, Phase::Ended], None);
    }

    fn on_end(&mut self, cx: &mut Context<'_, Shared>) {
        {
            let state = &mut *self.state.borrow_mut();
            state.filtered.saw_end = true;
            state.filtered.has_ended |= !cx.socket.allows_half_open();
            let decoded = state.decode(state.raw.sent);
            let top = decoded.last().expect("there is a filter");
            let is_whole = state.filtered.received == top.bytes.len();
            assert!(top.outcome == Outcome::Ended && is_whole, "{state:?}");
        }
        self.see(cx, &[Phase::Open], Some(Phase::Ended));
    }

    fn on_error(&mut self, cx: &mut Context<'_, Shared>, error: &Error) {
        self.state.borrow_mut().filtered.error = error.to_string();
        let allowed = [Phase::New, Phase::Plain, Phase::Open, Phase::Ended];
        self.see(cx, &allowed, Some(Phase::Failed));
    }

    fn on_close(&mut self, cx: &mut Context<'_, Shared>, reason: CloseReason) {
        {
            let state = &mut *self.state.borrow_mut();
            state.filtered.reason = Some(reason);
            let queued = cx.socket.queued_bytes();
            let is_whole = queued == 0 && state.filtered.saw_end;
            assert!(is_whole || reason != CloseReason::Graceful, "{state:?}");
            // Bytes that came with the last flight count, even if the handler has closed the socket before their event.
            let counts = state.filtered.received as u64..=state.decoded.len() as u64;
            assert!(counts.contains(&cx.socket.bytes_read()), "{state:?}");
        }
        let allowed = [
            Phase::New,
            Phase::Plain,
            Phase::Open,
            Phase::Ended,
            Phase::Failed,
        ];
        self.see(cx, &allowed, Some(Phase::Closed));
    }
}

impl Drop for Filtered {
    fn drop(&mut self) {
        if let Ok(mut state) = self.state.try_borrow_mut() {
            state.handlers -= 1;
        }
    }
}
