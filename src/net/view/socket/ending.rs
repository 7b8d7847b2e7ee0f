//! The ways in which a socket ends, closes, or leaves the loop.

use crate::net::connection::Connection;
use crate::net::error::{Error, Result, Syscall};
use crate::net::values::{Flow, StdStream};

use super::Socket;

/// Ending.
impl Socket<'_> {
    /// Ends this side: queued bytes are sent, then a FIN (`shutdown(2)`).
    ///
    /// The peer may go on sending. The socket closes when the peer has ended too, or by the
    /// [`close_timeout`](crate::SocketOptions::close_timeout) or another limit on time. If the socket is still
    /// connecting, the end follows once it is connected. Ending a socket twice is harmless.
    ///
    /// ```
    /// use netloop::{Context, SocketHandler};
    ///
    /// struct Quit;
    ///
    /// impl SocketHandler for Quit {
    ///     fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) {
    ///         if data.starts_with(b"quit") {
    ///             cx.socket.write(b"bye\n").ignore();
    ///             cx.socket.end();
    ///         }
    ///     }
    /// }
    /// ```
    #[doc(alias("shutdown", "half-close"))]
    pub fn end(&mut self) {
        self.net.request(self.id, Connection::end);
        // No drain comes behind the end.
        self.net.resume_sources_of(self.id);
    }

    /// Sends `bytes`, then ends this side. Returns the answer to the write.
    ///
    /// ```
    /// use netloop::{Context, SocketHandler};
    ///
    /// struct Daytime;
    ///
    /// impl SocketHandler for Daytime {
    ///     fn on_connect(&mut self, cx: &mut Context<'_>) {
    ///         cx.socket.end_with(b"12:00\n");
    ///     }
    ///     fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {}
    /// }
    /// ```
    pub fn end_with(&mut self, bytes: &[u8]) -> Flow {
        let flow = self.write(bytes);
        self.end();
        flow
    }

    /// Ends this side and closes as soon as everything is sent, without waiting for the peer's end. Bytes that the peer
    /// sends before the close may be lost. If received bytes are unread at the close, the system sends a reset.
    ///
    /// ```
    /// use netloop::{Context, SocketHandler};
    ///
    /// struct Refusal;
    ///
    /// impl SocketHandler for Refusal {
    ///     fn on_connect(&mut self, cx: &mut Context<'_>) {
    ///         // The client need not end, and nothing that it sends is of interest.
    ///         cx.socket.write(b"503 busy\n").ignore();
    ///         cx.socket.destroy_soon();
    ///     }
    ///     fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {}
    /// }
    /// ```
    #[doc(alias = "destroySoon")]
    pub fn destroy_soon(&mut self) {
        self.net.request_now(self.id, Connection::end_and_close);
    }

    /// Closes the socket now. Bytes that the kernel does not take at once are lost. In the next close phase, `on_sent`
    /// comes for each token that still waits, then `on_close`, and no other event. Destroying twice is harmless.
    ///
    /// The peer gets a FIN, as in Node, even if bytes are lost. So the peer may mistake a cut stream for a complete
    /// one. If received bytes are unread, the system sends a RST instead. [`reset`](Self::reset) tells the peer of the
    /// loss, and [`destroy_soon`](Self::destroy_soon) sends the bytes first. A duplicate of the descriptor (made before
    /// [`adopt`](crate::EventLoop::adopt), from a borrowed one or by a fork) keeps the connection open, as in Node.
    ///
    /// The reason is [`CloseReason::Local`](crate::CloseReason::Local). It is `TimedOut` if the idle timeout was
    /// reported, and neither a byte nor the peer's end has come since. It is `TimedOut` too in
    /// [`on_deadline`](crate::SocketHandler::on_deadline), unless the deadline was changed there. A TCP peer then gets
    /// a reset if bytes are lost.
    ///
    /// ```
    /// use netloop::{Context, SocketHandler};
    ///
    /// struct Once;
    ///
    /// impl SocketHandler for Once {
    ///     fn on_data(&mut self, cx: &mut Context<'_>, _: &[u8]) {
    ///         cx.socket.destroy();
    ///         assert!(cx.socket.is_destroyed());
    ///         // `on_close` comes later in the turn, and never from within the call.
    ///     }
    /// }
    /// ```
    pub fn destroy(&mut self) {
        self.net.destroy(self.id, None);
    }

    /// Closes the socket now, because of `error`: `on_error` gets it before `on_close`. No effect on a closed socket.
    ///
    /// ```
    /// use netloop::{Context, Error, SocketHandler};
    ///
    /// struct Strict;
    ///
    /// impl SocketHandler for Strict {
    ///     fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) {
    ///         if !data.is_ascii() {
    ///             cx.socket.destroy_with(Error::other("the peer speaks another protocol"));
    ///         }
    ///     }
    ///     fn on_error(&mut self, cx: &mut Context<'_>, error: &Error) {
    ///         println!("{:?}: {error}", cx.socket.peer_address());
    ///     }
    /// }
    /// ```
    #[doc(alias = "destroy")]
    pub fn destroy_with(&mut self, error: impl Into<Error>) {
        self.net.destroy(self.id, Some(error.into()));
    }

    /// Closes the socket now with a RST, so that the peer gets ECONNRESET. Queued bytes are offered to the kernel once,
    /// but the RST also discards the bytes that the kernel still holds. None of these is sure to arrive. If the socket
    /// is still connecting, the reset follows the connection and this offer, as in Node.
    ///
    /// ```
    /// use netloop::{Context, SocketHandler};
    ///
    /// struct Strict;
    ///
    /// impl SocketHandler for Strict {
    ///     fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) {
    ///         if !data.is_ascii() && cx.socket.reset().is_err() {
    ///             // A Unix socket.
    ///             cx.socket.destroy();
    ///         }
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// ERR_INVALID_HANDLE_TYPE if the socket is not TCP: it has no reset, and lives on. Otherwise the error of
    /// `setsockopt(2)`.
    #[doc(alias = "resetAndDestroy")]
    pub fn reset(&mut self) -> Result<()> {
        let reset = self.net.begin_close(self.id, Connection::reset);
        reset.unwrap_or(Ok(())).map_err(|error| match error.kind() {
            std::io::ErrorKind::Unsupported => {
                Error::with_code(Error::INVALID_HANDLE_TYPE, "only a TCP socket can be reset")
            }
            _ => Error::new(Syscall::SetOption, error),
        })
    }

    /// Takes the connection out of the loop, for the standard library or another loop. Returns the stream, with the
    /// written bytes that the kernel has not taken. The loop has read nothing ahead, and the stream is non-blocking.
    /// The socket closes with [`CloseReason::Detached`](crate::CloseReason::Detached), but the connection stays open.
    ///
    /// Returns `None` while the socket is connecting, and after its close or an error. Also in a simulation, in a
    /// [forked child](crate::EventLoop#forks), for an input (`read_input`), and with [filters](crate::Filter), such as
    /// TLS. The same holds while received bytes wait in the loop: a handler gave them back ([`unread`](Self::unread)),
    /// or they came with a [PROXY header](crate::ListenOptions::proxy_protocol).
    ///
    /// ```
    /// use std::io::Write;
    /// use netloop::{Context, SocketHandler};
    ///
    /// /// Hands the connection to a thread that may block.
    /// struct HandOver;
    ///
    /// impl SocketHandler for HandOver {
    ///     fn on_data(&mut self, cx: &mut Context<'_>, request: &[u8]) {
    ///         let request = request.to_vec();
    ///         let Some((stream, unsent)) = cx.socket.detach() else {
    ///             return;
    ///         };
    ///         let mut stream = stream.into_tcp().expect("the server listens on a TCP port");
    ///         std::thread::spawn(move || {
    ///             stream.set_nonblocking(false)?;
    ///             stream.write_all(&unsent)?;
    ///             stream.write_all(&request)
    ///         });
    ///     }
    /// }
    /// ```
    #[must_use = "dropping the stream closes the connection"]
    pub fn detach(&mut self) -> Option<(StdStream, Vec<u8>)> {
        self.net.detach(self.id)
    }
}
