//! The state machine of one connection: two half machines, and what happens when both have come to their end.
//!
//! It knows nothing of handlers and calls nobody back. It reads, writes and shuts down through the seam, keeps its
//! place in the reactor up to date, and gives what happened upward as an [`Event`].

mod broadcasting;
mod connecting;
mod deadlines;
mod ending;
mod extras;
mod failing;
mod peer;
mod questions;
mod requests;
mod sending;
mod service;

use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::rc::Rc;

use bitflags::bitflags;

use crate::net::core::Supplies;
use crate::net::error::{self, Error};
use crate::net::outbox::{Part, Payload};
use crate::net::values::{CloseReason, Flow, KeepAlive, SocketEvent, SocketOptions, State};
use crate::reactor::{Interest, Key, Readiness, Registration};
use crate::send_buffer::{Pool, SendBuffer};
use crate::system::Stream;

use extras::Extras;
use peer::Peer;

pub(crate) use extras::Notice;

/// How far the connection is, as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Not there yet. Writes and options are kept.
    Connecting,
    /// There, and at least one half is not finished.
    Open,
    /// Over: why is in `outcome`. The source is on the close list, or past it.
    Closed,
}

/// The half that the peer sends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inbound {
    /// Bytes may come.
    Open,
    /// The peer's FIN was read, behind its last byte.
    Ended,
}

/// The half that we send on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outbound {
    /// Writes are taken.
    Open,
    /// `end` was called: what is queued goes out, then a FIN.
    Ending,
    /// Our FIN is out, or the close that follows will be it.
    Finished,
}

bitflags! {
    /// What few connections have to remember, in a byte for all of it.
    #[derive(Clone, Copy, Debug)]
    struct Facts: u8 {
        /// The idle timeout was reported, and no byte has moved since.
        const IDLE_IS_REPORTED = 1 << 0;
        /// Close when the queue is sent, without waiting for the peer's FIN.
        const CLOSES_WHEN_SENT = 1 << 1;
        /// `reset` came while connecting: it is done when the connection is there, as in Node.
        const RESETS_WHEN_CONNECTED = 1 << 2;
        /// The kernel had no memory to send with; the next deadline tries again.
        const IS_OUT_OF_BUFFERS = 1 << 3;
        /// The server counts it against its limit.
        const HOLDS_PLACE = 1 << 4;
        /// A write answered `Full` and no drain has come since.
        const OWES_DRAIN = 1 << 5;
        /// Nothing is sent until `uncork`, or until so much is queued that it must be.
        const IS_CORKED = 1 << 6;
        /// There is a fatal error: the first is in the extras. One that a write met is held back until the bytes that
        /// arrived before it are read.
        const HAS_FAILED = 1 << 7;
    }
}

/// One connection.
// In this order: what a message touches comes first, so that with the reactor's own it lies in two cache lines.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Connection {
    /// Invariant: `Some` until the close phase, unless the connect failed at once.
    stream: Option<Stream>,
    bytes_read: u64,
    /// Without those that `part` still holds.
    bytes_written: u64,
    /// When a byte moved last, or the connection came about.
    active_tick: u64,
    /// What [`room_to_reply`](Self::room_to_reply) has said, and would say again: nobody has been given the connection to
    /// change since. Zero if nobody knows. Invariant: if it is not zero, data is read and replies are sent without any
    /// other question, so whoever changes anything that the answer depends on sets it to zero first.
    reply_room: u16,
    stage: Stage,
    inbound: Inbound,
    outbound: Outbound,
    is_paused: bool,
    facts: Facts,
    outcome: CloseReason,
    /// Taken from accept or connect and kept for ever, as the kernel forgets it with the connection.
    peer: Peer,
    queue: SendBuffer,
    /// What it is to be sent of the broadcasts of this turn. Invariant: empty or sealed, or nothing is queued and a write
    /// would be answered `Open`.
    part: Part,
    /// When connecting began, or our own end.
    begun_tick: u64,
    /// In nanoseconds, as an `Option<Duration>` takes twice the room. What is longer than 584 years is cut to that.
    idle_ns: Option<NonZeroU64>,
    /// The server that accepted it, which counts it.
    server: Option<Key>,
    options: Rc<SocketOptions>,
    extras: Option<Box<Extras>>,
}

impl Connection {
    fn new(stream: Option<Stream>, peer: Option<SocketAddr>, options: Rc<SocketOptions>) -> Self {
        Self {
            stream,
            stage: Stage::Connecting,
            inbound: Inbound::Open,
            outbound: Outbound::Open,
            is_paused: options.pause_on_connect,
            facts: Facts::empty(),
            outcome: CloseReason::Local,
            queue: SendBuffer::new(),
            part: Part::default(),
            reply_room: 0,
            bytes_read: 0,
            bytes_written: 0,
            active_tick: 0,
            begun_tick: 0,
            idle_ns: options.idle_timeout.and_then(deadlines::to_nanoseconds),
            peer: peer.into(),
            server: None,
            options,
            extras: None,
        }
    }

    /// A connection that a server accepted, or that was adopted: it is there already.
    pub(crate) fn established(
        stream: Stream,
        peer: Option<SocketAddr>,
        server: Option<Key>,
        options: Rc<SocketOptions>,
    ) -> Self {
        Self {
            stage: Stage::Open,
            server,
            facts: match server {
                Some(_) => Facts::HOLDS_PLACE,
                None => Facts::empty(),
            },
            ..Self::new(Some(stream), peer, options)
        }
    }

    /// Something that can only be read: its outbound half was never open.
    #[cfg(unix)]
    pub(crate) fn input(stream: Stream, options: Rc<SocketOptions>) -> Self {
        Self {
            stage: Stage::Open,
            outbound: Outbound::Finished,
            ..Self::new(Some(stream), None, options)
        }
    }

    /// What to be registered for at first.
    pub(crate) fn first_interest(&self) -> Interest {
        match self.stage {
            Stage::Connecting => Interest::WRITABLE,
            _ if self.is_paused => Interest::empty(),
            _ => Interest::READABLE,
        }
    }

    /// What it is ready for without the kernel saying so: a fresh socket has an empty send buffer, and what cannot
    /// be polled is always readable.
    pub(crate) fn first_readiness(&self) -> Readiness {
        match (&self.stream, self.stage) {
            (Some(_), Stage::Open) if self.outbound == Outbound::Open => Readiness::WRITABLE,
            _ => Readiness::empty(),
        }
    }

    /// Whether it matters when it began.
    pub(crate) fn counts_time(&self) -> bool {
        self.stage == Stage::Connecting || self.idle_ns.is_some()
    }

    /// Starts its clocks; once, right after it was registered.
    pub(crate) fn begin(&mut self, registration: &mut Registration<'_>) {
        self.active_tick = registration.latest_tick();
        self.begun_tick = self.active_tick;
        if self.stream.as_ref().is_some_and(Stream::is_always_readable) {
            registration.assume(Readiness::READABLE);
        }
        self.file_deadline(registration);
        self.reply_room = self.room_to_reply(registration);
    }

    /// Gives its stream away, with what is not sent; the connection is over then.
    pub(crate) fn detach(
        &mut self,
        registration: &mut Registration<'_>,
        pool: &mut Pool,
    ) -> Option<(Stream, Vec<u8>)> {
        if !self.can_be_detached() {
            return None;
        }
        let stream = self.stream.take()?;
        let unsent = self.queue.take_bytes(pool);
        self.close(CloseReason::Detached, registration);
        Some((stream, unsent))
    }

    pub(crate) fn stream_mut(&mut self) -> Option<&mut Stream> {
        self.stream.as_mut()
    }

    /// Lets go of the descriptor and of what is queued, and says why it closed and whether with an error.
    pub(crate) fn shut(&mut self, supplies: &mut Supplies) -> (CloseReason, Option<Error>) {
        self.queue_part(supplies);
        self.stage = Stage::Closed;
        self.stream = None;
        let lost = self.queue.discard(&mut supplies.pool);
        if lost > 0 {
            self.note_lost(lost);
        }
        (self.outcome, self.take_failure())
    }
}
