//! The two sides: a handler over TLS, and a peer whose rustls is driven by hand.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use netloop::rustls::Connection;
use netloop::{CloseReason, Context, Error, ServerId, Socket, SocketHandler, SocketId, TlsSide};

use super::super::text::text;
use super::records::Records;
use super::script::{Action, Plan};

pub(crate) type Shared = Rc<RefCell<State>>;

/// The state of a run, which both handlers share.
pub(crate) struct State {
    pub(crate) plan: Plan,
    pub(crate) actions: VecDeque<Action>,
    /// The calls that the callbacks of the filtered side make, one each.
    reactions: VecDeque<Action>,
    pub(crate) peer: Peer,
    pub(crate) filtered: Filtered,
    /// The side of TLS that the handler starts in mid-stream.
    pub(crate) side: TlsSide,
    pub(crate) server: Option<ServerId>,
    pub(crate) handlers: usize,
    pub(crate) is_over: bool,
}

pub(crate) struct Peer {
    tls: Connection,
    records: Records,
    pub(crate) id: Option<SocketId>,
    /// The plaintext that was given to TLS, and the plaintext that has come out.
    pub(crate) written: u64,
    pub(crate) received: u64,
    /// Whether the peer has sent a close_notify.
    pub(crate) has_closed: bool,
    /// Whether the peer has received one.
    pub(crate) saw_close: bool,
    /// Whether its TLS has failed.
    pub(crate) has_failed: bool,
    pub(crate) has_ended: bool,
    pub(crate) is_paused: bool,
    pub(crate) was_cut: bool,
    /// Whether the peer has sent its close_notify within its handshake.
    pub(crate) closed_early: bool,
}

/// The records of the side with the filter.
#[derive(Debug)]
pub(crate) struct Filtered {
    pub(crate) id: Option<SocketId>,
    pub(crate) phase: Phase,
    pub(crate) received: u64,
    pub(crate) written: u64,
    /// As `written`, with a write that has met the failure of the connection.
    pub(crate) offered: u64,
    has_started: bool,
    pub(crate) has_ended: bool,
    pub(crate) was_cut: bool,
    pub(crate) saw_end: bool,
    error: String,
    pub(crate) reason: Option<CloseReason>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    New,
    /// The connection is open, and TLS starts.
    Plain,
    Open,
    Ended,
    Failed,
    Closed,
}

impl State {
    pub(crate) fn new(mut plan: Plan, tls: Connection, side: TlsSide) -> Self {
        let records = Records::new(std::mem::take(&mut plan.harms));
        Self {
            actions: std::mem::take(&mut plan.actions),
            reactions: std::mem::take(&mut plan.reactions),
            peer: Peer {
                tls,
                records,
                id: None,
                written: 0,
                received: 0,
                has_closed: false,
                saw_close: false,
                has_failed: false,
                has_ended: false,
                is_paused: false,
                was_cut: false,
                closed_early: false,
            },
            filtered: Filtered {
                id: None,
                phase: Phase::New,
                received: 0,
                written: 0,
                offered: 0,
                has_started: !plan.starts_late,
                has_ended: false,
                was_cut: false,
                saw_end: false,
                error: String::new(),
                reason: None,
            },
            side,
            server: None,
            handlers: 0,
            is_over: false,
            plan,
        }
    }

    /// Whether the peer has changed, sent or given up what may make the other side fail.
    pub(crate) fn is_hostile(&self) -> bool {
        let peer = &self.peer;
        let has_cut = peer.has_ended && !peer.has_closed;
        peer.records.is_harmed || peer.was_cut || peer.has_failed || has_cut
    }
}

impl fmt::Debug for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (peer, plan) = (&self.peer, &self.plan);
        write!(
            formatter,
            "{:?}; the peer has written {} and received {} (closed {}, saw close {}, failed {}, ended {}, cut {}, \
             paused {}, harmed {}); {:?}, as a server {}, late {}, 1.2 {}, certificate {}",
            self.filtered,
            peer.written,
            peer.received,
            peer.has_closed,
            peer.saw_close,
            peer.has_failed,
            peer.has_ended,
            peer.was_cut,
            peer.is_paused,
            peer.records.is_harmed,
            plan.network,
            plan.is_server,
            plan.starts_late,
            plan.is_of_version_1_2,
            plan.asks_for_certificate,
        )
    }
}

impl Peer {
    /// The bytes that the peer has made, and not sent.
    pub(crate) fn unsent(&self) -> usize {
        self.records.wire.len()
    }

    /// Whether everything that was written, and the close_notify, has left TLS.
    pub(crate) fn has_sent_all(&self) -> bool {
        !self.tls.wants_write() && self.unsent() == 0
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        self.tls.is_handshaking()
    }

    pub(crate) fn write(&mut self, length: usize) {
        if self.has_closed {
            return;
        }
        let bytes = text(self.written, length);
        // The limit of rustls may cut it.
        if let Ok(taken) = self.tls.writer().write(&bytes) {
            self.written += taken as u64;
        }
    }

    pub(crate) fn update_keys(&mut self) {
        // It fails before the end of the handshake, and for TLS 1.2.
        let _ = self.tls.refresh_traffic_keys();
    }

    pub(crate) fn close(&mut self) {
        self.take_records();
        // Within a handshake it is a failure, or overtakes the bytes that wait for the end of the handshake.
        self.closed_early |= self.tls.is_handshaking();
        self.tls.send_close_notify();
        self.has_closed = true;
    }

    /// Sends up to `length` bytes of the records, unless many wait for the kernel.
    pub(crate) fn send(&mut self, length: usize, socket: &mut Socket<'_>) {
        self.take_records();
        let wire = &mut self.records.wire;
        let length = length.min(wire.len());
        let bytes: Vec<u8> = wire.drain(..length).collect();
        if !socket.write(&bytes).is_accepted() {
            // The peer has ended before, without its close_notify.
            self.was_cut = true;
        }
    }

    fn take_records(&mut self) {
        let mut bytes = Vec::new();
        while self.tls.wants_write() {
            let written = self.tls.write_tls(&mut bytes);
            written.expect("a write to a vector does not fail");
        }
        self.records.take(&bytes);
    }

    /// Lets TLS look at what it has read. Returns whether it goes on.
    fn process(&mut self) -> bool {
        let tls = &mut self.tls;
        // With debug assertions, rustls panics if an alert would have to follow its close_notify.
        let processed = catch_unwind(AssertUnwindSafe(|| tls.process_new_packets().is_ok()));
        processed.unwrap_or(false)
    }

    /// Decrypts what has come, and compares it with the text.
    fn receive(&mut self, mut bytes: &[u8], most: u64) {
        while !bytes.is_empty() && !self.has_failed {
            match self.tls.read_tls(&mut bytes) {
                Ok(0) => return,
                Ok(_) => {}
                Err(_) => self.has_failed = true,
            }
            self.has_failed |= !self.process();
            let mut space = [0; 16 << 10];
            loop {
                match self.tls.reader().read(&mut space) {
                    Ok(0) => {
                        self.saw_close = true;
                        break;
                    }
                    Ok(length) => {
                        assert!(
                            space[..length] == text(self.received, length),
                            "other bytes"
                        );
                        self.received += length as u64;
                        assert!(self.received <= most, "more than was written");
                    }
                    Err(_) => break,
                }
            }
        }
    }
}

pub(crate) struct PeerHandler {
    state: Shared,
}

impl PeerHandler {
    pub(crate) fn new(state: &Shared) -> Self {
        state.borrow_mut().handlers += 1;
        Self {
            state: Rc::clone(state),
        }
    }

    fn see(&self, cx: &mut Context<'_, Shared>, note: impl FnOnce(&mut State)) {
        let state = &mut *self.state.borrow_mut();
        state.peer.id = Some(cx.socket.id());
        note(state);
        if state.is_over {
            for action in Action::LAST.into_iter().filter(|it| it.is_of_peer()) {
                action.apply(&mut cx.socket, state);
            }
        }
    }
}

impl SocketHandler<Shared> for PeerHandler {
    fn on_connect(&mut self, cx: &mut Context<'_, Shared>) {
        self.see(cx, |_| {});
    }
    fn on_data(&mut self, cx: &mut Context<'_, Shared>, data: &[u8]) {
        self.see(cx, |state| {
            let offered = state.filtered.offered;
            state.peer.receive(data, offered);
        });
    }
    fn on_end(&mut self, cx: &mut Context<'_, Shared>) {
        self.see(cx, |_| {});
    }
    fn on_error(&mut self, cx: &mut Context<'_, Shared>, _: &Error) {
        self.see(cx, |state| state.peer.was_cut = true);
    }
    fn on_close(&mut self, _: &mut Context<'_, Shared>, _: CloseReason) {}
}

impl Drop for PeerHandler {
    fn drop(&mut self) {
        // A loop that unwinds drops its handlers while the state may be borrowed.
        if let Ok(mut state) = self.state.try_borrow_mut() {
            state.handlers -= 1;
        }
    }
}

/// The handler over TLS.
pub(crate) struct OverTls {
    state: Shared,
}

impl OverTls {
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
            for action in Action::LAST.into_iter().filter(|it| !it.is_of_peer()) {
                action.apply(&mut cx.socket, state);
            }
        } else if let Some(action) = state.reactions.pop_front() {
            action.apply(&mut cx.socket, state);
        }
    }
}

impl SocketHandler<Shared> for OverTls {
    fn on_connect(&mut self, cx: &mut Context<'_, Shared>) {
        let starts = {
            let state = &mut *self.state.borrow_mut();
            !std::mem::replace(&mut state.filtered.has_started, true)
        };
        if starts {
            let state = &mut *self.state.borrow_mut();
            state.filtered.id = Some(cx.socket.id());
            state.filtered.phase = Phase::Plain;
            // Bytes that were written before are plaintext on the wire. This peer would take them for a record.
            let is_clear = state.filtered.offered == 0;
            if !is_clear || cx.socket.start_tls(state.side.clone(), &[]).is_err() {
                state.filtered.was_cut = true;
                cx.socket.destroy();
            }
            return;
        }
        assert!(cx.socket.tls().is_some_and(|tls| tls.version().is_some()));
        self.see(cx, &[Phase::New, Phase::Plain], Some(Phase::Open));
    }

    fn on_data(&mut self, cx: &mut Context<'_, Shared>, data: &[u8]) {
        assert!(!data.is_empty() && !cx.socket.is_paused());
        {
            let state = &mut *self.state.borrow_mut();
            let expected = text(state.filtered.received, data.len());
            assert!(data == expected, "other bytes: {state:?}");
            state.filtered.received += data.len() as u64;
            let written = state.peer.written;
            assert!(state.filtered.received <= written, "{state:?}");
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
            // A truncation is no end, whatever was done to the records.
            let is_whole = state.filtered.received == state.peer.written;
            let is_whole = is_whole || state.peer.closed_early;
            assert!(state.peer.has_closed && is_whole, "{state:?}");
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
            let is_whole = cx.socket.queued_bytes() == 0 && state.filtered.saw_end;
            assert!(is_whole || reason != CloseReason::Graceful, "{state:?}");
            // Bytes that came with the last flight count, even if the handler has closed the socket before their event.
            let counts = state.filtered.received..=state.peer.written;
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

impl Drop for OverTls {
    fn drop(&mut self) {
        if let Ok(mut state) = self.state.try_borrow_mut() {
            state.handlers -= 1;
        }
    }
}
