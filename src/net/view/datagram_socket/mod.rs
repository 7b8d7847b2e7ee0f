//! The view of one UDP socket.

#[cfg(feature = "udp-batch")]
mod batches;
mod options;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::net::core::Net;
use crate::net::datagram::DatagramFlow;
use crate::net::datagram::{DatagramCounts, Datagrams, not_running};
use crate::net::error::Result;
use crate::net::values::DatagramId;

use super::sockets::Sockets;

/// One UDP socket, borrowed from its loop: [`cx.socket`](crate::DatagramContext) in its own callbacks,
/// `event_loop.datagram_socket(id)` outside, [`Sockets::datagram_socket`](crate::Sockets::datagram_socket) elsewhere.
///
/// No method calls a handler. A view of a socket that is gone is harmless. Getters answer as for a closed socket, and
/// the other methods do nothing, or return [`ERR_SOCKET_DGRAM_NOT_RUNNING`](crate::Error::DATAGRAM_NOT_RUNNING). `{:?}`
/// shows the socket as it is: `DatagramSocket { id: 0v1, local: 127.0.0.1:53, peer: None, queued: 0 }`.
///
/// ```
/// use std::net::SocketAddr;
/// use netloop::{DatagramContext, DatagramHandler, DatagramOptions, EventLoop};
///
/// /// Answers each datagram with itself.
/// struct Echo;
///
/// impl DatagramHandler for Echo {
///     fn on_message(&mut self, cx: &mut DatagramContext<'_>, from: SocketAddr, data: &[u8]) {
///         cx.socket.send_to(from, data).ignore();
///     }
/// }
///
/// # fn main() -> netloop::Result<()> {
/// let mut event_loop: EventLoop = EventLoop::new()?;
/// let id = event_loop.bind_udp("127.0.0.1:0", DatagramOptions::new(), Echo)?;
/// let address = event_loop.datagram_socket(id).local_address();
/// println!("{address:?} echoes");
/// # Ok(())
/// # }
/// ```
#[doc(alias = "dgram.Socket")]
pub struct DatagramSocket<'a> {
    net: &'a mut Net,
    id: DatagramId,
}

impl<'a> DatagramSocket<'a> {
    pub(crate) fn new(net: &'a mut Net, id: DatagramId) -> Self {
        Self { net, id }
    }

    pub(crate) fn net(&self) -> &Net {
        self.net
    }

    pub(crate) fn net_mut(&mut self) -> &mut Net {
        self.net
    }

    fn datagrams(&self) -> Option<&Datagrams> {
        self.net.datagrams(self.id)
    }

    /// Returns the socket's id, to store it and to find the socket again.
    pub fn id(&self) -> DatagramId {
        self.id
    }

    /// Returns the view of all sockets, servers, UDP sockets and sources of the same loop.
    pub fn sockets(&mut self) -> Sockets<'_> {
        Sockets::new(self.net)
    }
}

/// Sending.
impl DatagramSocket<'_> {
    /// Sends `bytes` to `to`, as one datagram, within this call. It allocates nothing if the kernel takes the datagram.
    /// With `in_batches`, the datagram waits for the flush of the turn instead, or until many bytes are queued.
    ///
    /// The answer is [`DatagramFlow::Open`] if the kernel has taken the datagram, or if it waits in the socket's queue.
    /// [`DatagramFlow::Full`] asks the caller to wait for [`on_drain`](crate::DatagramHandler::on_drain), because the
    /// queue has reached the [high watermark](crate::DatagramOptions::high_water_mark). [`DatagramFlow::Dropped`] means
    /// that this datagram is lost. Either a limit on queued bytes leaves no space, even after the
    /// [policy](crate::DatagramOptions::drop_policy) has dropped others. Or the send has failed or is refused:
    /// [`on_error`](crate::DatagramHandler::on_error) gets the reason, unless 32 events wait for the handler already.
    /// [`DatagramFlow::Closed`] means that the socket is closing or closed. The network may lose an accepted datagram.
    ///
    /// A datagram that is longer than the network allows fails with EMSGSIZE; an empty one is sent as such. A socket
    /// whose name is being looked up queues the datagram. A connected socket, which has to use [`send`](Self::send),
    /// answers `Dropped`, with [`ERR_SOCKET_DGRAM_IS_CONNECTED`](crate::Error::DATAGRAM_IS_CONNECTED). A socket of
    /// `connect_udp` counts as connected from the call on.
    ///
    /// ```
    /// use netloop::{DatagramContext, DatagramHandler, DatagramFlow};
    /// use std::net::SocketAddr;
    ///
    /// struct Echo {
    ///     lost: u64,
    /// }
    ///
    /// impl DatagramHandler for Echo {
    ///     fn on_message(&mut self, cx: &mut DatagramContext<'_>, from: SocketAddr, data: &[u8]) {
    ///         if cx.socket.send_to(from, data) == DatagramFlow::Dropped {
    ///             self.lost += 1;
    ///         }
    ///     }
    /// }
    /// ```
    #[inline]
    pub fn send_to(&mut self, to: impl Into<SocketAddr>, bytes: &[u8]) -> DatagramFlow {
        self.net.send_datagram(self.id, bytes, Some(to.into()))
    }

    /// Sends `bytes` to the peer of a [connected](Self::connect) socket, as [`send_to`](Self::send_to) sends to an address.
    ///
    /// The system tells a connected socket of refusals: `on_error` gets ECONNREFUSED if no socket has the peer's port.
    ///
    /// ```
    /// use netloop::{DatagramContext, DatagramHandler, Error};
    /// use std::net::SocketAddr;
    ///
    /// /// Asks one server, to which `connect_udp` has connected the socket.
    /// struct Ask;
    ///
    /// impl DatagramHandler for Ask {
    ///     fn on_connect(&mut self, cx: &mut DatagramContext<'_>) {
    ///         cx.socket.send(b"what time is it?").ignore();
    ///     }
    ///     fn on_message(&mut self, cx: &mut DatagramContext<'_>, _: SocketAddr, answer: &[u8]) {
    ///         println!("{}", String::from_utf8_lossy(answer));
    ///         cx.socket.close();
    ///     }
    ///     fn on_error(&mut self, cx: &mut DatagramContext<'_>, error: &Error) {
    ///         eprintln!("{error:#}");
    ///         cx.socket.close();
    ///     }
    /// }
    /// ```
    #[inline]
    pub fn send(&mut self, bytes: &[u8]) -> DatagramFlow {
        self.net.send_datagram(self.id, bytes, None)
    }

    /// Returns the number of bytes that wait in the socket's queue.
    #[doc(alias = "getSendQueueSize")]
    pub fn queued_bytes(&self) -> usize {
        self.datagrams().map_or(0, Datagrams::queued_bytes)
    }

    /// Returns the number of datagrams that wait in the socket's queue.
    #[doc(alias = "getSendQueueCount")]
    pub fn queued_datagrams(&self) -> usize {
        self.datagrams().map_or(0, Datagrams::queued_datagrams)
    }
}

/// The life of the socket.
impl DatagramSocket<'_> {
    /// Connects the socket to `peer` until it closes: the socket sends to `peer`, and the kernel accepts datagrams from
    /// `peer` alone. Datagrams of others that had arrived before still come. No packet is sent, so the result says
    /// nothing about the peer. [`on_connect`](crate::DatagramHandler::on_connect) follows. Node's `disconnect` has no
    /// counterpart, because the standard library has no safe call for it.
    ///
    /// # Errors
    ///
    /// [`ERR_SOCKET_DGRAM_IS_CONNECTED`](crate::Error::DATAGRAM_IS_CONNECTED) if the socket is connected already, and
    /// ERR_SOCKET_DGRAM_NOT_RUNNING if it is closed or not bound yet. The system's error, such as ENETUNREACH;
    /// ERR_IP_BLOCKED for an address of the [block list](crate::DatagramOptions::send_block_list).
    pub fn connect(&mut self, peer: impl Into<SocketAddr>) -> Result<()> {
        let peer = peer.into();
        let connected = self
            .net
            .with_datagrams(self.id, |datagrams, registration, _| {
                datagrams.connect(peer, registration)
            });
        connected.unwrap_or_else(|| Err(not_running()))
    }

    /// Stops receiving. The kernel drops datagrams beyond its buffer. The rest of a batch received before still comes.
    pub fn pause(&mut self) {
        self.set_paused(true);
    }

    /// Receives again, after [`pause`](Self::pause).
    pub fn resume(&mut self) {
        self.set_paused(false);
    }

    fn set_paused(&mut self, is_paused: bool) {
        self.net
            .with_datagrams(self.id, |datagrams, registration, _| {
                datagrams.set_paused(is_paused, registration);
            });
    }

    /// Whether the socket is [paused](Self::pause).
    pub fn is_paused(&self) -> bool {
        self.datagrams().is_some_and(Datagrams::is_paused)
    }

    /// Closes the socket at once. Its address is free again, unless the descriptor has a duplicate. Queued datagrams
    /// are lost; with `in_batches`, they are first offered to the kernel. Only
    /// [`on_close`](crate::DatagramHandler::on_close) still comes, in the next close phase. A second call, or one in a
    /// [forked child](crate::EventLoop#forks), does nothing.
    pub fn close(&mut self) {
        self.net.close_datagrams(self.id);
    }

    /// Closes the socket once its queue is sent. Until then it receives nothing, and takes no further datagrams. Errors
    /// of earlier sends still come to [`on_error`](crate::DatagramHandler::on_error).
    pub fn close_soon(&mut self) {
        self.net.close_datagrams_soon(self.id);
    }

    /// Whether the socket is closed, even if its `on_close` is still to come. `true` also if the socket is gone.
    pub fn is_closed(&self) -> bool {
        self.datagrams().is_none_or(Datagrams::is_closed)
    }

    /// Takes the socket out of the loop, for which it is closed from now on. Queued datagrams are lost. The standard
    /// library, another loop or another process can use the socket, which is still non-blocking. Returns `None` if the
    /// socket is not bound yet, is closed, or sends in batches. Also returns `None` in a simulation, and in a [forked
    /// child](crate::EventLoop#forks).
    #[must_use = "dropping the socket closes it"]
    pub fn detach(&mut self) -> Option<std::net::UdpSocket> {
        self.net.detach_datagrams(self.id)
    }

    /// Makes the socket keep [`run`](crate::EventLoop::run) going, the default until [`release`](Self::release).
    #[doc(alias = "ref")]
    pub fn hold(&mut self) {
        self.net.hold(self.id.0);
    }

    /// Allows [`run`](crate::EventLoop::run) to return while the socket is there, unless datagrams are queued or a name is
    /// looked up.
    #[doc(alias = "unref")]
    pub fn release(&mut self) {
        self.net.release(self.id.0);
    }

    /// Whether the socket keeps [`run`](crate::EventLoop::run) going.
    #[doc(alias = "hasRef")]
    pub fn is_held(&self) -> bool {
        self.net.is_held(self.id.0)
    }

    /// Arms a timer: [`on_timer`](crate::DatagramHandler::on_timer) comes with `token`, once, when at least `after` has
    /// passed. If `token` is armed already, its timer is moved. The close of the socket drops its timers, and none of them
    /// keeps [`run`](crate::EventLoop::run) going. Without memory for a timer, the process aborts.
    #[doc(alias = "setTimeout")]
    pub fn after(&mut self, after: Duration, token: u64) {
        self.net.arm_datagram_timer(self.id, after, token);
    }

    /// Cancels the timer with `token`. Returns whether the timer was still armed.
    #[doc(alias = "clearTimeout")]
    pub fn cancel(&mut self, token: u64) -> bool {
        self.net.cancel_datagram_timer(self.id, token)
    }
}

/// The addresses and the counters.
impl DatagramSocket<'_> {
    /// Returns the bound address, with the port that the system chose, also within `on_close`. `None` before the bind.
    #[doc(alias = "address")]
    pub fn local_address(&self) -> Option<SocketAddr> {
        self.datagrams()?.local()
    }

    /// Returns the address that the socket is [connected](Self::connect) to; `None` if it is not connected.
    #[doc(alias = "remoteAddress")]
    pub fn peer_address(&self) -> Option<SocketAddr> {
        self.datagrams()?.peer()
    }

    fn counts(&self) -> DatagramCounts {
        self.datagrams().map(Datagrams::counts).unwrap_or_default()
    }

    /// Returns the number of received datagrams, whole or truncated. Those that the block list discards do not count.
    pub fn received_datagrams(&self) -> u64 {
        self.counts().received
    }

    /// Returns the number of datagrams that the kernel has taken.
    pub fn sent_datagrams(&self) -> u64 {
        self.counts().sent
    }

    /// Returns the number of datagrams that were not sent: the queue had no space, the send failed or was refused, or
    /// the socket closed.
    pub fn dropped_datagrams(&self) -> u64 {
        self.counts().dropped
    }
}

impl fmt::Debug for DatagramSocket<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = formatter.debug_struct("DatagramSocket");
        fields.field("id", &format_args!("{}", self.id));
        match self.local_address() {
            Some(address) if !self.is_closed() => fields.field("local", &address),
            _ if self.is_closed() => fields.field("state", &format_args!("Closed")),
            _ => fields.field("state", &format_args!("LookingUp")),
        };
        fields.field("peer", &self.peer_address());
        fields.field("queued", &self.queued_bytes());
        fields.finish()
    }
}
