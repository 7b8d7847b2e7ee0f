//! What can be said of a socket before it exists.

use std::time::Duration;

use super::keep_alive::KeepAlive;

/// The options of a socket, those that it is accepted with or connects with. The names are Node's.
///
/// ```
/// use std::time::Duration;
/// use netloop::{KeepAlive, SocketOptions};
///
/// let options = SocketOptions::new()
///     .allow_half_open(true)
///     .keep_alive(KeepAlive::after(Duration::from_secs(60)))
///     .idle_timeout(Duration::from_secs(120))
///     .max_queued_bytes(1 << 20);
/// ```
#[derive(Clone, Debug)]
pub struct SocketOptions {
    pub(crate) allow_half_open: bool,
    pub(crate) pause_on_connect: bool,
    pub(crate) no_delay: bool,
    pub(crate) keep_alive: Option<KeepAlive>,
    pub(crate) high_water_mark: usize,
    pub(crate) low_water_mark: usize,
    pub(crate) max_queued_bytes: usize,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) close_timeout: Option<Duration>,
    pub(crate) type_of_service: Option<u8>,
}

impl SocketOptions {
    /// Every option at its default, which each method names.
    pub fn new() -> Self {
        Self {
            allow_half_open: false,
            pause_on_connect: false,
            no_delay: true,
            keep_alive: None,
            high_water_mark: 64 << 10,
            low_water_mark: 0,
            max_queued_bytes: 16 << 20,
            idle_timeout: None,
            close_timeout: Some(Duration::from_secs(30)),
            type_of_service: None,
        }
    }

    /// Whether this side stays open when the peer ends, until it ends by itself. Default `false`: after
    /// [`on_end`](crate::SocketHandler::on_end) what is queued is sent, then a FIN, and the socket closes.
    pub fn allow_half_open(mut self, allow: bool) -> Self {
        self.allow_half_open = allow;
        self
    }

    /// Whether the socket begins paused: nothing is read until [`Socket::resume`](crate::Socket::resume). Default
    /// `false`.
    pub fn pause_on_connect(mut self, pause: bool) -> Self {
        self.pause_on_connect = pause;
        self
    }

    /// TCP_NODELAY. Default `true`, other than in Node: the writes of a callback leave as one anyway, so Nagle's
    /// algorithm could only delay them.
    pub fn no_delay(mut self, on: bool) -> Self {
        self.no_delay = on;
        self
    }

    /// SO_KEEPALIVE with its times. Default: off.
    pub fn keep_alive(mut self, keep_alive: impl Into<Option<KeepAlive>>) -> Self {
        self.keep_alive = keep_alive.into();
        self
    }

    /// The type of service (IP_TOS) or traffic class (IPV6_TCLASS) of what is sent. Default: as the system has it. The
    /// two lowest bits belong to congestion control, and the system may keep them to itself.
    pub fn type_of_service(mut self, value: impl Into<Option<u8>>) -> Self {
        self.type_of_service = value.into();
        self
    }

    /// From how many queued bytes on a write answers [`Flow::Full`](crate::Flow::Full). Default 64 KiB, as in Node 22.
    pub fn high_water_mark(mut self, bytes: usize) -> Self {
        self.high_water_mark = bytes;
        self
    }

    /// Down to how many queued bytes [`on_drain`](crate::SocketHandler::on_drain) waits, but not above the high-water
    /// mark. Default 0, as in Node.
    pub fn low_water_mark(mut self, bytes: usize) -> Self {
        self.low_water_mark = bytes;
        self
    }

    /// How many bytes may pile up. A write that would pass the limit is refused whole and the socket fails with
    /// [`CloseReason::Limit`](crate::CloseReason::Limit); only a write to an empty queue is taken whatever its length,
    /// since its bytes are in memory already. Default 16 MiB; Node has no limit, which lets a peer that does not read
    /// fill the memory of a program that ignores [`Flow::Full`](crate::Flow::Full).
    pub fn max_queued_bytes(mut self, bytes: usize) -> Self {
        self.max_queued_bytes = bytes;
        self
    }

    /// After how long without a byte in either direction [`on_timeout`](crate::SocketHandler::on_timeout) comes.
    /// Default: never. Zero means never too, as in Node.
    pub fn idle_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.idle_timeout = timeout.into().filter(|timeout| !timeout.is_zero());
        self
    }

    /// After `end`, how long the connection may stay without a byte moving before it is closed with
    /// [`CloseReason::TimedOut`](crate::CloseReason::TimedOut). Default 30 s; `None` waits for ever as Node does,
    /// and keeps the descriptor of every peer that vanishes then.
    pub fn close_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.close_timeout = timeout.into();
        self
    }
}

impl From<&Self> for SocketOptions {
    fn from(options: &Self) -> Self {
        options.clone()
    }
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self::new()
    }
}
