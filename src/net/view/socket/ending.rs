//! The ways in which a socket ends, closes, or leaves the loop.

use crate::net::connection::Connection;
use crate::net::error::{Error, Result, Syscall};
use crate::net::values::{Flow, StdStream};

use super::Socket;

/// Ending.
impl Socket<'_> {
    /// Ends this side: queued bytes are sent, then a FIN (`shutdown(2)`).
    ///
    /// The peer may go on sending. The socket closes when the peer has ended too, or when no byte has moved for the
    /// [`close_timeout`](crate::SocketOptions::close_timeout). While connecting, the end waits for the connection. To end
    /// twice is harmless.
    #[doc(alias("shutdown", "half-close"))]
    pub fn end(&mut self) {
        self.net.request_now(self.id, Connection::end);
    }

    /// Sends `bytes`, then ends this side. The answer is that of the write.
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

    /// Ends this side and closes as soon as everything is sent, without waiting for the peer's end.
    ///
    /// Bytes that the peer sends meanwhile may be lost. If some are still unread at the close, the system tells the peer
    /// with a reset.
    #[doc(alias = "destroySoon")]
    pub fn destroy_soon(&mut self) {
        self.net.request_now(self.id, Connection::end_and_close);
    }

    /// Closes the socket now. Bytes that the kernel does not take at once are lost, and of all events only `on_close`
    /// still comes, in the close phase of this turn. To destroy twice is harmless.
    ///
    /// The reason is [`CloseReason::Local`](crate::CloseReason::Local). It is `TimedOut` if the idle timeout was reported
    /// and no byte has moved since.
    pub fn destroy(&mut self) {
        self.net.destroy(self.id, None);
    }

    /// Closes the socket now, because of `error`. Its handler is told the error before `on_close`; of several errors the
    /// first counts.
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

    /// Closes the socket now with a RST, so that the peer gets ECONNRESET. Bytes that the kernel does not take at once are
    /// lost. While connecting, it waits for the connection and sends the queued bytes first, as Node does.
    ///
    /// # Errors
    ///
    /// ERR_INVALID_HANDLE_TYPE: Unix sockets have no reset. The socket lives on.
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

    /// Takes the connection out of the loop, to be used with the standard library or by another loop, and returns it with
    /// the bytes that were written and that the kernel has not taken yet.
    ///
    /// Nothing was read ahead, and the stream is still non-blocking. The socket closes with
    /// [`CloseReason::Detached`](crate::CloseReason::Detached); the connection does not. `None` if there is no connection
    /// that the standard library has a type for: while connecting, after the close, for input, and in a simulation.
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
