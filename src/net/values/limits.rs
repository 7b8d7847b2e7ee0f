//! [`Limits`]: the resources of a loop that peers may take, as one value.

use std::time::Duration;

use super::keep_alive::KeepAlive;
use super::rates::{AcceptRate, MinRate};

/// The answer to a connection that is over a limit.
///
/// ```
/// use netloop::{Limits, ListenOptions, Refusal};
///
/// // A proxy behind a balancer: a reset tells the balancer at once to ask another.
/// let limits = Limits::internet().max_connections(1_000).refusal(Refusal::Reset);
/// let options = ListenOptions::new().limits(limits);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// The peer gets a FIN: its connection ends before the first byte, as in Node. If bytes of the peer have arrived
    /// already, the system sends a RST instead.
    #[default]
    End,
    /// The peer gets a RST. The kernel keeps nothing of the connection, not even TIME_WAIT. Unix sockets have no RST:
    /// they are closed as by [`End`](Self::End).
    Reset,
}

/// The limits of a loop, or of a server: the number of connections, the memory for them, and the time that a slow peer
/// gets. The limits of a loop are set by [`EventLoopOptions::limits`](crate::EventLoopOptions::limits), and hold for
/// every socket of the loop. The limits of a server are set by [`ListenOptions::limits`](crate::ListenOptions::limits),
/// and hold for the server and its sockets in place of those of the loop. The loop's limits on all of its sockets
/// together, such as [`max_connections`](Self::max_connections), hold as well.
///
/// Three values to begin with:
///
/// | value | for |
/// |---|---|
/// | [`Limits::new`] | programs whose peers are known: only what would exhaust the process is limited |
/// | [`Limits::internet`] | servers that strangers can reach: a slow peer has to make progress, too |
/// | [`Limits::unlimited`] | peers that are trusted like the program itself; Node's behaviour |
///
/// An option of [`SocketOptions`](crate::SocketOptions), [`ListenOptions`](crate::ListenOptions) or
/// [`ConnectOptions`](crate::ConnectOptions) that is set counts in place of the limit of the same name. Most limits
/// have a counter in the [`Statistics`](crate::Statistics).
///
/// A socket whose peer is too slow for a limit closes with [`CloseReason::TimedOut`](crate::CloseReason::TimedOut).
/// [`on_error`](crate::SocketHandler::on_error) gets ETIMEDOUT before, with a text that names the limit. A TCP peer
/// gets a RST if this side has not ended, or if bytes are queued. Three timeouts differ: the idle timeout is told to
/// [`on_timeout`](crate::SocketHandler::on_timeout), and the close and linger timeouts report no error, because this
/// side has ended. Bytes that came in time count, however late the loop reads them. The inputs of
/// [`read_input`](crate::EventLoop::read_input) have no peer, and no limit.
///
/// ```
/// use std::time::Duration;
/// use netloop::{AcceptRate, Limits, ListenOptions, Refusal};
///
/// let limits = Limits::internet()
///     .max_connections(2_000)
///     .accept_rate(AcceptRate::per_second(200).burst(400))
///     .first_byte_timeout(Duration::from_secs(5))
///     .refusal(Refusal::Reset);
/// let options = ListenOptions::new().limits(limits);
/// # let _ = options;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    pub(crate) max_connections: Option<usize>,
    pub(crate) max_connections_per_network: Option<usize>,
    /// The lengths of the prefixes that make a network, in IPv4 and in IPv6. Invariant: at most 32 and 128.
    pub(crate) network_prefixes: (u8, u8),
    /// Invariant: at least 1.
    pub(crate) accepts_per_turn: u32,
    pub(crate) accept_rate: Option<AcceptRate>,
    pub(crate) refusal: Refusal,
    pub(crate) max_total_queued_bytes: Option<usize>,
    pub(crate) lookup_threads: usize,
    pub(crate) max_waiting_lookups: Option<usize>,
    pub(crate) lookup_timeout: Option<Duration>,
    pub(crate) socket: SocketLimits,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SocketLimits {
    pub(crate) max_queued_bytes: usize,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) keep_alive: Option<KeepAlive>,
    pub(crate) first_byte_timeout: Option<Duration>,
    pub(crate) write_stall_timeout: Option<Duration>,
    pub(crate) min_receive_rate: Option<MinRate>,
    pub(crate) min_send_rate: Option<MinRate>,
    pub(crate) close_timeout: Option<Duration>,
    pub(crate) linger_timeout: Option<Duration>,
    pub(crate) half_open_timeout: Option<Duration>,
    pub(crate) handshake_timeout: Option<Duration>,
}

impl Limits {
    /// The limits of a loop whose program sets none. These limits keep peers from exhausting the process. A peer may be
    /// slow, but may not stall a write, a close or a handshake. The method of each limit states this default, and the
    /// value of [`internet`](Self::internet) where it differs.
    pub fn new() -> Self {
        Self {
            max_connections: Some(10_000),
            max_connections_per_network: None,
            network_prefixes: (32, 64),
            accepts_per_turn: 32,
            accept_rate: None,
            refusal: Refusal::End,
            max_total_queued_bytes: Some(256 << 20),
            lookup_threads: 4,
            max_waiting_lookups: Some(1024),
            lookup_timeout: Some(Duration::from_secs(30)),
            socket: SocketLimits {
                max_queued_bytes: 16 << 20,
                idle_timeout: None,
                keep_alive: None,
                first_byte_timeout: None,
                write_stall_timeout: Some(Duration::from_secs(60)),
                min_receive_rate: None,
                min_send_rate: None,
                close_timeout: Some(Duration::from_secs(30)),
                linger_timeout: None,
                half_open_timeout: None,
                handshake_timeout: Some(Duration::from_secs(30)),
            },
        }
    }

    /// The limits of a server that strangers can reach. A peer has 10 s for its first byte, and its socket may then be
    /// idle for 75 s. The peer has to take at least 240 bytes a second while bytes wait for it. A network (such as one
    /// IPv4 address) has at most 100 connections.
    pub fn internet() -> Self {
        let rate = MinRate::per_second(240);
        let limits = Self::new();
        Self {
            max_connections_per_network: Some(100),
            accepts_per_turn: 16,
            accept_rate: Some(AcceptRate::per_second(1_000).burst(2_000)),
            refusal: Refusal::Reset,
            lookup_timeout: Some(Duration::from_secs(5)),
            socket: SocketLimits {
                max_queued_bytes: 1 << 20,
                idle_timeout: Some(Duration::from_secs(75)),
                keep_alive: Some(KeepAlive::after(Duration::from_secs(300))),
                first_byte_timeout: Some(Duration::from_secs(10)),
                write_stall_timeout: Some(Duration::from_secs(30)),
                min_receive_rate: Some(rate),
                min_send_rate: Some(rate),
                close_timeout: Some(Duration::from_secs(10)),
                linger_timeout: Some(Duration::from_secs(10)),
                half_open_timeout: Some(Duration::from_secs(60)),
                handshake_timeout: Some(Duration::from_secs(10)),
            },
            ..limits
        }
    }

    /// No limits, except on the threads that look up names and on the accepts of a turn. A peer that never reads can
    /// then fill the memory, and a peer that vanishes costs a descriptor for ever.
    pub fn unlimited() -> Self {
        let limits = Self::new();
        Self {
            max_connections: None,
            max_total_queued_bytes: None,
            max_waiting_lookups: None,
            lookup_timeout: None,
            socket: SocketLimits {
                max_queued_bytes: usize::MAX,
                write_stall_timeout: None,
                close_timeout: None,
                handshake_timeout: None,
                ..limits.socket
            },
            ..limits
        }
    }

    /// Limits the connections that are open at a time. A loop counts all of its sockets but UDP sockets, also those
    /// that connect and the inputs of [`read_input`](crate::EventLoop::read_input), but refuses only accepted
    /// connections. A server counts its accepted sockets. Default: 10,000; 0 refuses every accepted connection.
    #[doc(alias = "maxConnections")]
    pub fn max_connections(mut self, connections: impl Into<Option<usize>>) -> Self {
        self.max_connections = connections.into();
        self
    }

    /// Limits the connections that a server holds from one [network](Self::network_prefixes) at a time. Default:
    /// `None`; with `internet()` 100. Peers without an IP address (Unix sockets) are not counted. If a [PROXY
    /// header](crate::ListenOptions::proxy_protocol) names the client, the connection counts in the client's network,
    /// also on a Unix socket.
    pub fn max_connections_per_network(mut self, connections: impl Into<Option<usize>>) -> Self {
        self.max_connections_per_network = connections.into();
        self
    }

    /// Sets the lengths of the prefixes that make a network: the bits of an address that its neighbours share. Default:
    /// 32 for IPv4, which is one address, and 64 for IPv6, which is what a provider gives one customer. More than 32 or
    /// 128 bits count as 32 or 128. An IPv4 address mapped into IPv6 (`::ffff:a.b.c.d`) counts as IPv4.
    pub fn network_prefixes(mut self, ipv4_bits: u8, ipv6_bits: u8) -> Self {
        self.network_prefixes = (ipv4_bits.min(32), ipv6_bits.min(128));
        self
    }

    /// Limits the connections that a server accepts in one turn, refused ones included. The others stay in the backlog
    /// for the next turn. Default: 32, with `internet()` 16; 0 counts as 1.
    pub fn accepts_per_turn(mut self, accepts: u32) -> Self {
        self.accepts_per_turn = accepts.max(1);
        self
    }

    /// Limits the rate of the connections that a server takes. A connection over the rate is refused. Default: `None`; with
    /// `internet()` 1,000 a second, in bursts of up to 2,000.
    pub fn accept_rate(mut self, rate: impl Into<Option<AcceptRate>>) -> Self {
        self.accept_rate = rate.into();
        self
    }

    /// Sets the answer to a connection that is over a limit of its server or its loop. Default: [`Refusal::End`]; with
    /// `internet()` [`Refusal::Reset`].
    pub fn refusal(mut self, refusal: Refusal) -> Self {
        self.refusal = refusal;
        self
    }

    /// Limits the queued bytes of all sockets of a loop together, UDP sockets included. Default: 256 MiB. A server has
    /// no such limit of its own.
    ///
    /// [`EventLoop::on_pressure`](crate::EventLoop::on_pressure) tells when nine tenths are reached. Before a write
    /// passes the limit, the loop closes sockets with [`CloseReason::Limit`](crate::CloseReason::Limit) until there is
    /// space. The sockets with the most queued bytes close first: the peers that read do not pay for those that do not.
    /// A datagram that finds no space is dropped instead.
    pub fn max_total_queued_bytes(mut self, bytes: impl Into<Option<usize>>) -> Self {
        self.max_total_queued_bytes = bytes.into();
        self
    }

    /// Limits the queued bytes of a socket; [`SocketOptions::max_queued_bytes`](crate::SocketOptions::max_queued_bytes)
    /// says what happens at the limit. Default: 16 MiB, with `internet()` 1 MiB.
    pub fn max_queued_bytes(mut self, bytes: usize) -> Self {
        self.socket.max_queued_bytes = bytes;
        self
    }

    /// Sets the [idle timeout](crate::SocketOptions::idle_timeout). Default: `None`, with `internet()` 75 s.
    pub fn idle_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.socket.idle_timeout = timeout.into().filter(|timeout| !timeout.is_zero());
        self
    }

    /// Sets the [keep-alive](crate::SocketOptions::keep_alive). Default: `None`, with `internet()` after 300 s.
    pub fn keep_alive(mut self, keep_alive: impl Into<Option<KeepAlive>>) -> Self {
        self.socket.keep_alive = keep_alive.into();
        self
    }

    /// Limits the time from the accept to the first byte or the end of the peer. Default: `None`, with `internet()`
    /// 10 s. Not for sockets that connect or are adopted, nor for a socket whose own side has
    /// [ended](crate::Socket::end). A paused socket is not exempt, but a byte that has arrived and waits for the
    /// program is enough. After [filters](crate::Filter), such as TLS, the time counts from the end of the handshake to
    /// the first decoded byte.
    pub fn first_byte_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.socket.first_byte_timeout = timeout.into();
        self
    }

    /// Limits the time for which the kernel takes none of the queued bytes of a socket, because the peer does not read.
    /// Default: 60 s, with `internet()` 30 s.
    ///
    /// The time counts from the first byte that has to wait, and begins anew with each byte that the kernel takes.
    /// Bytes that the peer sends do not put the timeout off, and a [pause](crate::Socket::pause) does not stop it.
    /// Bytes that a [cork](crate::Socket::cork) holds back, or that wait for the connection to open, do not count.
    pub fn write_stall_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.socket.write_stall_timeout = timeout.into();
        self
    }

    /// Sets the rate at which a peer has to send while its socket [expects bytes](crate::Socket::expect_bytes). Only
    /// the program knows when a message is under way, so it says when the rate counts. The time of a pause does not
    /// count. Default: `None`; with `internet()` 240 bytes a second after 5 s.
    pub fn min_receive_rate(mut self, rate: impl Into<Option<MinRate>>) -> Self {
        self.socket.min_receive_rate = rate.into();
        self
    }

    /// Sets the rate at which a peer has to take bytes while some are queued for it. Default: `None`; with `internet()` 240
    /// bytes a second after 5 s. The grace begins whenever bytes begin to wait.
    pub fn min_send_rate(mut self, rate: impl Into<Option<MinRate>>) -> Self {
        self.socket.min_send_rate = rate.into();
        self
    }

    /// Sets the [close timeout](crate::SocketOptions::close_timeout). Default: 30 s, with `internet()` 10 s.
    pub fn close_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.socket.close_timeout = timeout.into();
        self
    }

    /// Limits the whole time from this side's FIN to the peer's FIN. No byte extends the time. Default: `None`; with
    /// `internet()` 10 s. The time does not run while the socket is paused. Like the [close
    /// timeout](Self::close_timeout), this one closes the socket without an error. A peer that goes on sending puts off
    /// only the close timeout. So a program that ends its side and then receives a long answer must not set this limit.
    pub fn linger_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.socket.linger_timeout = timeout.into();
        self
    }

    /// Limits the time for which a socket that [may be half-open](crate::SocketOptions::allow_half_open) stays open
    /// after the peer's FIN while nothing is sent. Default: `None`, with `internet()` 60 s. The time begins anew with each
    /// byte that the kernel takes.
    pub fn half_open_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.socket.half_open_timeout = timeout.into();
        self
    }

    /// Limits the time that [filters](crate::Filter), such as TLS, take until a socket is open. The time counts from
    /// the accept, from the connect, or from the call that starts the filter. No byte extends the time. Default: 30 s,
    /// with `internet()` 10 s.
    #[doc(alias = "handshakeTimeout")]
    pub fn handshake_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.socket.handshake_timeout = timeout.into();
        self
    }

    /// Limits the threads of a loop that look up names. A lookup blocks its thread. The loop starts a further thread
    /// when a lookup would have to wait for one. Default: 4, as in libuv; 0 counts as 1. A server has no such limit of
    /// its own.
    ///
    /// A lookup that hangs keeps its thread. Once the sockets that waited for it have timed out or closed, the loop
    /// replaces the thread, which ends after its lookup unless needed again. At most four times `threads` stuck threads
    /// remain: 16 by default.
    pub fn lookup_threads(mut self, threads: usize) -> Self {
        self.lookup_threads = threads.max(1);
        self
    }

    /// Limits the lookups of a loop that wait for a thread. A further one fails at once with EAGAIN. Default: 1,024. A
    /// server has no such limit of its own.
    pub fn max_waiting_lookups(mut self, lookups: impl Into<Option<usize>>) -> Self {
        self.max_waiting_lookups = lookups.into();
        self
    }

    /// Sets the [timeout of a lookup](crate::ConnectOptions::lookup_timeout). Default: 30 s, with `internet()` 5 s. A server
    /// has no such limit of its own.
    pub fn lookup_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.lookup_timeout = timeout.into();
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}
