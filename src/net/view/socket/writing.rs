//! What a socket is sent.

use std::fmt;
use std::rc::Rc;

use crate::net::connection::Connection;
use crate::net::outbox::Payload;
use crate::net::values::Flow;

use super::Socket;

/// Writing and ending.
impl Socket<'_> {
    /// Sends `bytes`, behind everything that was written before.
    ///
    /// Small writes are gathered, and leave in one system call: those of a socket's own callback when the callback is
    /// done, those to other sockets, and to one that others have written to in this turn, in the next flush phase. From
    /// 16 KiB on the kernel is asked at once, and only what it does not take is copied. While connecting, everything is
    /// queued.
    ///
    /// The answer tells how the queue is; see [`Flow`]. An empty write changes nothing.
    #[must_use = "`Full` asks the producer to stop until `on_drain`; `ignore` says that it does not care"]
    #[inline]
    pub fn write(&mut self, bytes: &[u8]) -> Flow {
        self.net.write_bytes(self.id, bytes)
    }

    /// Sends formatted text: the method behind `write!(cx.socket, ..)` and `writeln!`.
    ///
    /// The text is made whole before any of it is written, so a write that is refused sends none of it. It is put
    /// together in a buffer of the loop, and a text without arguments is not copied at all. Unlike
    /// [`write`](Self::write) it answers without being asked, as `write!` is for short answers.
    ///
    /// ```
    /// use netloop::{Context, SocketHandler};
    ///
    /// struct Counter(u64);
    ///
    /// impl SocketHandler for Counter {
    ///     fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) {
    ///         self.0 += data.len() as u64;
    ///         writeln!(cx.socket, "{} bytes so far", self.0);
    ///     }
    /// }
    /// ```
    ///
    /// # Panics
    ///
    /// As `format!` does: if a `Display` of the arguments fails.
    pub fn write_fmt(&mut self, arguments: fmt::Arguments<'_>) -> Flow {
        self.net.write_formatted(self.id, arguments)
    }

    /// Sends `bytes` without copying them: what the kernel does not take at once is kept as it is. Short ones are
    /// copied all the same, where that is cheaper.
    #[must_use = "`Full` asks the producer to stop until `on_drain`; `ignore` says that it does not care"]
    pub fn write_owned(&mut self, bytes: Vec<u8>) -> Flow {
        self.write_payload(Payload::Owned(bytes))
    }

    /// Sends `bytes` that other sockets send too, without a copy for each: a broadcast.
    #[must_use = "`Full` asks the producer to stop until `on_drain`; `ignore` says that it does not care"]
    pub fn write_shared(&mut self, bytes: Rc<[u8]>) -> Flow {
        self.write_payload(Payload::Shared(bytes))
    }

    /// Sends `bytes` that live for ever, without copying them.
    #[must_use = "`Full` asks the producer to stop until `on_drain`; `ignore` says that it does not care"]
    pub fn write_static(&mut self, bytes: &'static [u8]) -> Flow {
        self.write_payload(Payload::Static(bytes))
    }

    fn write_payload(&mut self, payload: Payload<'_>) -> Flow {
        self.net.write(self.id, payload)
    }

    /// Lets [`on_sent`](crate::SocketHandler::on_sent) come with `token` when the kernel has taken everything that was
    /// written until now, or never will. Node's write callback: `write(..)` and then this. It costs nothing to sockets
    /// that never ask. On a socket that is gone nothing comes.
    pub fn notify_when_sent(&mut self, token: u64) {
        self.net.request(self.id, |connection, registration| {
            connection.mark(token, registration)
        });
    }

    /// Holds back what is written from now on, beyond the callback, until [`uncork`](Self::uncork), `end`, or until as
    /// much is queued as the high-water mark says. What the kernel had no room for is not held back, and takes along what
    /// is written behind it. After `end` it does nothing.
    pub fn cork(&mut self) {
        self.net.request(self.id, |connection, _| connection.cork());
    }

    /// Sends what [`cork`](Self::cork) has held back, at the next flush point.
    pub fn uncork(&mut self) {
        self.net.request(self.id, Connection::uncork);
    }
}
