//! The options of a socket.

use std::time::Duration;

use super::keep_alive::KeepAlive;

/// The options of a socket, whether a server accepted it, the user adopted it, or it connects.
///
/// The [`Limits`](crate::Limits) have four of these options too. An option that is set here counts in place of the limit;
/// else the limits of the [server](crate::ListenOptions::limits) count, and else those of the
/// [loop](crate::EventLoopOptions::limits).
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
    pub(crate) high_water_mark: usize,
    pub(crate) low_water_mark: usize,
    pub(crate) unread_timeout: Option<Duration>,
    pub(crate) type_of_service: Option<u8>,
    /// `None` if the option is not set: the limit of the same name counts. The same holds for the three fields below.
    pub(crate) max_queued_bytes: Option<usize>,
    pub(crate) idle_timeout: Option<Option<Duration>>,
    pub(crate) close_timeout: Option<Option<Duration>>,
    pub(crate) keep_alive: Option<Option<KeepAlive>>,
}

impl SocketOptions {
    /// Options with every default; the method of each option states the default of that option.
    pub fn new() -> Self {
        Self {
            allow_half_open: false,
            pause_on_connect: false,
            no_delay: true,
            high_water_mark: 64 << 10,
            low_water_mark: 0,
            unread_timeout: Some(Duration::from_secs(60)),
            type_of_service: None,
            max_queued_bytes: None,
            idle_timeout: None,
            close_timeout: None,
            keep_alive: None,
        }
    }

    /// Whether this side stays open after the peer's end, until the program ends this side. With `false`, the default,
    /// the loop ends this side after [`on_end`](crate::SocketHandler::on_end): queued bytes are sent, then a FIN, and
    /// the socket closes.
    #[doc(alias = "allowHalfOpen")]
    pub fn allow_half_open(mut self, allow: bool) -> Self {
        self.allow_half_open = allow;
        self
    }

    /// Whether the socket begins paused, until [`Socket::resume`](crate::Socket::resume). Default: `false`.
    #[doc(alias = "pauseOnConnect")]
    pub fn pause_on_connect(mut self, pause: bool) -> Self {
        self.pause_on_connect = pause;
        self
    }

    /// Whether small packets are sent at once (TCP_NODELAY, on TCP alone). Default: `true`, unlike in Node. The writes
    /// of one callback leave together anyway, so Nagle's algorithm could only delay them.
    #[doc(alias = "setNoDelay")]
    #[doc(alias = "noDelay")]
    #[doc(alias = "TCP_NODELAY")]
    pub fn no_delay(mut self, on: bool) -> Self {
        self.no_delay = on;
        self
    }

    /// Sets the probes on a silent connection (SO_KEEPALIVE); `None` means no probes. Default: as the
    /// [limit](crate::Limits::keep_alive) says, which is none. The option has no effect on sockets that are not TCP.
    #[doc(alias = "setKeepAlive")]
    #[doc(alias = "keepAlive")]
    #[doc(alias = "SO_KEEPALIVE")]
    pub fn keep_alive(mut self, keep_alive: impl Into<Option<KeepAlive>>) -> Self {
        self.keep_alive = Some(keep_alive.into());
        self
    }

    /// Sets the type of service (IP_TOS) or traffic class (IPV6_TCLASS) of sent packets. Default: the system's. The two
    /// lowest bits belong to congestion control, and the system may leave them unchanged.
    #[doc(alias("setTypeOfService", "typeOfService"))]
    #[doc(alias = "IP_TOS")]
    pub fn type_of_service(mut self, value: impl Into<Option<u8>>) -> Self {
        self.type_of_service = value.into();
        self
    }

    /// Sets the high watermark: a write answers [`Flow::Full`](crate::Flow::Full) if at least so many bytes are queued.
    /// Default: 64 KiB, as in Node 22.
    #[doc(alias = "highWaterMark")]
    #[doc(alias = "writableHighWaterMark")]
    pub fn high_water_mark(mut self, bytes: usize) -> Self {
        self.high_water_mark = bytes;
        self
    }

    /// Sets the low watermark. Once a write has answered [`Flow::Full`](crate::Flow::Full),
    /// [`on_drain`](crate::SocketHandler::on_drain) comes when the queued bytes have fallen to this number. Default: 0,
    /// as in Node. A low watermark above the high watermark counts as the high watermark.
    pub fn low_water_mark(mut self, bytes: usize) -> Self {
        self.low_water_mark = bytes;
        self
    }

    /// Limits the number of bytes that may be queued. Default: as the [limit](crate::Limits::max_queued_bytes) says,
    /// which is 16 MiB.
    ///
    /// A write that would pass the limit is refused completely, and the socket closes with
    /// [`CloseReason::Limit`](crate::CloseReason::Limit). A TCP peer then gets a RST. However, an empty queue accepts a
    /// write of any length for which the [loop](crate::Limits::max_total_queued_bytes) has space. The bytes of the
    /// write are in memory already. Node has no limit: if its program ignores the answer of `write`, a peer that does
    /// not read fills the memory.
    pub fn max_queued_bytes(mut self, bytes: usize) -> Self {
        self.max_queued_bytes = Some(bytes);
        self
    }

    /// Sets the idle timeout: the time without a byte in either direction after which
    /// [`on_timeout`](crate::SocketHandler::on_timeout) comes. With `None` or zero it never comes, as in Node. Default:
    /// as the [limit](crate::Limits::idle_timeout) says, which is `None`.
    /// [`Socket::set_idle_timeout`](crate::Socket::set_idle_timeout) changes it later.
    #[doc(alias = "setTimeout")]
    #[doc(alias = "timeout")]
    pub fn idle_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.idle_timeout = Some(timeout.into().filter(|timeout| !timeout.is_zero()));
        self
    }

    /// Sets the close timeout. After this time without a byte, a connection that this side has ended is closed with
    /// [`CloseReason::TimedOut`](crate::CloseReason::TimedOut). Default: as the [limit](crate::Limits::close_timeout)
    /// says, which is 30 s. If no bytes are unsent, the time counts from the FIN, which may leave as late as in the
    /// next turn.
    ///
    /// Bytes in either direction put the timeout off once. After that, only bytes at 240 a second on average put it off
    /// again. So a long answer arrives whole, and a peer that sends a byte now and then is gone within twice the
    /// timeout. After [`destroy_soon`](crate::Socket::destroy_soon), only sent bytes count for the rate. Sent bytes are
    /// those that the kernel has taken, also because its own buffer has grown. No byte extends
    /// [`Limits::linger_timeout`](crate::Limits::linger_timeout).
    ///
    /// The timeout does not run while the socket is [paused](crate::Socket::pause), because the loop then reads neither
    /// the peer's bytes nor its end. In two cases only the peer causes the delay, and the timeout runs during the pause
    /// too. Either bytes are queued and none are unread, or the program has called `destroy_soon`. If queued bytes are
    /// lost, a TCP peer gets a RST. With `None` the socket waits for ever, as in Node. A peer that vanishes then costs
    /// a descriptor for ever.
    pub fn close_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.close_timeout = Some(timeout.into());
        self
    }

    /// Sets the unread timeout. If the connection of a paused socket fails, the socket keeps its received bytes for
    /// this time, so that [`resume`](crate::Socket::resume) can still deliver them. Default: 60 s. If the socket is
    /// still paused this long after the failure, `on_error` and `on_close` come, and the bytes are lost. With `None`
    /// the socket waits for ever, and the failure costs a descriptor until the program resumes or destroys it.
    /// [`Socket::is_peer_gone`](crate::Socket::is_peer_gone) tells of such a failure.
    pub fn unread_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.unread_timeout = timeout.into();
        self
    }
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self::new()
    }
}
