//! The getters of a socket: its state, its counts, its addresses and its server.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::net::connection::Connection;
use crate::net::values::{ServerId, State};

use super::Socket;

/// State and counts.
impl Socket<'_> {
    /// Returns the state: which directions are open.
    ///
    /// ```
    /// use netloop::{Context, EventLoop, SocketHandler, State};
    ///
    /// struct Quiet;
    ///
    /// impl SocketHandler for Quiet {
    ///     fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {}
    /// }
    ///
    /// let mut event_loop: EventLoop = EventLoop::new()?;
    /// let id = event_loop.connect("127.0.0.1:1", Quiet)?;
    /// assert_eq!(event_loop.socket(id).state(), State::Opening);
    /// event_loop.run(&mut ())?;
    /// // The socket is gone, and its id answers what a closed socket would.
    /// assert_eq!(event_loop.socket(id).state(), State::Closed);
    /// # Ok::<(), netloop::Error>(())
    /// ```
    #[doc(alias("readyState", "connecting", "pending", "closed"))]
    #[doc(alias("readable", "readableEnded", "writableFinished"))]
    pub fn state(&self) -> State {
        self.connection().map_or(State::Closed, Connection::state)
    }

    /// Whether the socket is closed, even if its `on_close` is still to come. `true` also if the socket is gone.
    #[doc(alias = "destroyed")]
    pub fn is_destroyed(&self) -> bool {
        self.connection().is_none_or(Connection::is_closed)
    }

    /// Whether the socket would accept a write. Limits on queued bytes are not compared: one of them may still refuse it.
    #[doc(alias("writable", "writableEnded"))]
    pub fn is_writable(&self) -> bool {
        self.connection().is_some_and(Connection::is_writable)
    }

    /// Whether reading is paused.
    #[doc(alias = "isPaused")]
    pub fn is_paused(&self) -> bool {
        self.connection().is_some_and(Connection::is_paused)
    }

    /// Whether the connection has failed, for instance by a reset, and the socket still delivers bytes received before.
    ///
    /// The socket holds the failure as long as it is [paused](Self::pause). Writes answer
    /// [`Flow::Closed`](crate::Flow::Closed), and queued bytes are lost and [counted](Self::queued_bytes). After
    /// [`resume`](Self::resume) the bytes come, then `on_end` if the peer's end is known to have come before the
    /// failure, then `on_error` and `on_close`. `false` once the socket is closed.
    ///
    /// ```
    /// use netloop::{Context, SocketHandler, SocketId};
    ///
    /// /// Takes requests from a slow queue, and drops those of clients that have gone.
    /// struct Worker {
    ///     client: SocketId,
    /// }
    ///
    /// impl SocketHandler for Worker {
    ///     fn on_data(&mut self, cx: &mut Context<'_>, answer: &[u8]) {
    ///         let mut client = cx.socket.socket(self.client);
    ///         if client.is_peer_gone() {
    ///             client.destroy();
    ///         } else {
    ///             client.write(answer).ignore();
    ///         }
    ///     }
    /// }
    /// ```
    pub fn is_peer_gone(&self) -> bool {
        self.connection().is_some_and(Connection::is_peer_gone)
    }

    /// Whether a write has answered [`Flow::Full`](crate::Flow::Full) and `on_drain` is still to come.
    #[doc(alias = "writableNeedDrain")]
    pub fn needs_drain(&self) -> bool {
        self.connection().is_some_and(Connection::owes_drain)
    }

    /// Returns the number of received bytes, as the filters decoded them, with those of the running `on_data`. Bytes
    /// that came with the last flight of a handshake count from its end on. The count stays until after `on_close`.
    ///
    /// ```
    /// use netloop::{CloseReason, Context, SocketHandler};
    ///
    /// struct Meter;
    ///
    /// impl SocketHandler for Meter {
    ///     fn on_close(&mut self, cx: &mut Context<'_>, _: CloseReason) {
    ///         println!("{} in, {} out", cx.socket.bytes_read(), cx.socket.bytes_written());
    ///     }
    ///     fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {}
    /// }
    /// ```
    #[doc(alias = "bytesRead")]
    pub fn bytes_read(&self) -> u64 {
        self.connection().map_or(0, Connection::bytes_read)
    }

    /// Returns the number of bytes that writes have accepted, including queued bytes. Of a write that a limit has refused,
    /// the bytes that the kernel had taken before are counted. The count stays until after `on_close`.
    #[doc(alias = "bytesWritten")]
    pub fn bytes_written(&self) -> u64 {
        self.net.bytes_written(self.id)
    }

    /// Returns the number of accepted bytes that the kernel has not taken. During `on_close`, and after a failure,
    /// returns the number of bytes that were lost. At least so many are lost: a reset also discards bytes that the
    /// kernel had taken, and nothing reports their number. Filters encode up to 64 KiB at a time. If the kernel has
    /// taken a part of the encoded bytes, the same share of the bytes before the encoding counts as taken.
    ///
    /// ```
    /// use netloop::{Context, SocketHandler};
    ///
    /// struct Lossy;
    ///
    /// impl SocketHandler for Lossy {
    ///     fn on_data(&mut self, cx: &mut Context<'_>, reading: &[u8]) {
    ///         // A client that lags behind gets the next reading instead of this one.
    ///         if cx.socket.queued_bytes() < 4096 {
    ///             cx.socket.write(reading).ignore();
    ///         }
    ///     }
    /// }
    /// ```
    #[doc(alias("bufferSize", "writableLength"))]
    pub fn queued_bytes(&self) -> usize {
        self.net.queued_bytes(self.id)
    }
}

/// The addresses and paths of both ends.
impl Socket<'_> {
    /// Returns the address at this end, as the system reports it (`getsockname(2)`). `None` before there is a connection,
    /// after the close, and for sockets that are not TCP.
    #[doc(alias("localAddress", "localPort", "localFamily", "address"))]
    pub fn local_address(&self) -> Option<SocketAddr> {
        self.connection().and_then(Connection::local_address)
    }

    /// Returns the address at the other end, as the system or a [filter](crate::Filter::peer_address) reported it, such
    /// as that of a PROXY header. The address stays until after `on_close`. `None` before there is a connection. `None`
    /// also for a socket that is not TCP, unless a filter has reported an address.
    ///
    /// ```
    /// use netloop::{CloseReason, Context, SocketHandler};
    ///
    /// struct Log;
    ///
    /// impl SocketHandler for Log {
    ///     fn on_close(&mut self, cx: &mut Context<'_>, reason: CloseReason) {
    ///         println!("{:?}: {reason:?}", cx.socket.peer_address());
    ///     }
    ///     fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {}
    /// }
    /// ```
    #[doc(alias("remoteAddress", "remotePort", "remoteFamily"))]
    pub fn peer_address(&self) -> Option<SocketAddr> {
        self.connection().and_then(Connection::peer)
    }

    /// Returns the path at this end, if this is a Unix socket bound to a path. For an accepted socket, it is the path
    /// that the server listens on. Each call asks the system (`getsockname(2)`). `None` after the close.
    pub fn local_path(&self) -> Option<PathBuf> {
        self.connection()?.live_stream()?.local_path()
    }

    /// Returns the path at the other end, if the peer is a Unix socket bound to a path. A server has such a path, but
    /// few clients have one. Each call asks the system (`getpeername(2)`). `None` after the close.
    pub fn peer_path(&self) -> Option<PathBuf> {
        self.connection()?.live_stream()?.peer_path()
    }

    /// Returns the addresses that were tried, in the order of the attempts. Empty unless the socket connects to a name
    /// with several addresses. Attempts overlap, so the last address is not always the connected one.
    #[doc(alias = "autoSelectFamilyAttemptedAddresses")]
    pub fn attempted_addresses(&self) -> Vec<SocketAddr> {
        self.connection()
            .and_then(Connection::race)
            .map_or_else(Vec::new, |race| race.attempted())
    }

    pub(crate) fn host(&self) -> Option<String> {
        Some(self.connection()?.race()?.host().to_owned())
    }

    /// Returns the server that accepted the socket, if one did. [`server`](Self::server) gives its view.
    #[doc(alias = "server")]
    pub fn accepted_by(&self) -> Option<ServerId> {
        self.connection().and_then(Connection::server).map(ServerId)
    }
}
