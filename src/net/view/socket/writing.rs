//! Writes, notices of sent bytes, and corks.

use std::fmt;
use std::rc::Rc;

use crate::net::connection::Connection;
use crate::net::outbox::Payload;
use crate::net::values::Flow;

use super::Socket;

/// Writing.
impl Socket<'_> {
    /// Sends `bytes`, after everything that was written before.
    ///
    /// Small writes are gathered and leave in one system call. Writes of a socket's own callback leave when it returns,
    /// and those to other sockets in the next flush phase. A write of 16 KiB or more is offered to the kernel at once,
    /// and only the rest is copied. A connecting socket queues all bytes. The answer tells how full the queue is. A
    /// producer that can wait [pauses](Self::pause) at [`Flow::Full`] until `on_drain`; others [ignore](Flow::ignore)
    /// the answer. An empty write changes nothing.
    ///
    /// ```
    /// use netloop::{Context, Flow, SocketHandler};
    ///
    /// struct Echo;
    ///
    /// impl SocketHandler for Echo {
    ///     fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) {
    ///         if cx.socket.write(data) == Flow::Full {
    ///             cx.socket.pause();
    ///         }
    ///     }
    ///     fn on_drain(&mut self, cx: &mut Context<'_>) {
    ///         cx.socket.resume();
    ///     }
    /// }
    /// ```
    #[must_use = "`Full` asks the producer to stop until `on_drain`; `ignore` says that it does not care"]
    #[inline]
    pub fn write(&mut self, bytes: &[u8]) -> Flow {
        self.net.write_bytes(self.id, bytes)
    }

    /// Sends formatted text: the method behind `write!(cx.socket, ..)` and `writeln!`.
    ///
    /// The text is formatted before any of it is written, so a refused write sends nothing. The loop formats in a
    /// buffer that it reuses; a literal is not copied there. The answer may stay unused: most text is a short reply.
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
    /// If a `Display` of the arguments fails, as `format!` does.
    pub fn write_fmt(&mut self, arguments: fmt::Arguments<'_>) -> Flow {
        self.net.write_formatted(self.id, arguments)
    }

    /// Sends `bytes` without copying them: the part that the kernel does not take at once is kept as it is. A short
    /// write is copied instead, which costs less.
    ///
    /// ```
    /// use netloop::{Context, SocketHandler};
    ///
    /// struct Shout;
    ///
    /// impl SocketHandler for Shout {
    ///     fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) {
    ///         cx.socket.write_owned(data.to_ascii_uppercase()).ignore();
    ///     }
    /// }
    /// ```
    #[must_use = "`Full` asks the producer to stop until `on_drain`; `ignore` says that it does not care"]
    pub fn write_owned(&mut self, bytes: Vec<u8>) -> Flow {
        self.write_payload(Payload::Owned(bytes))
    }

    /// Sends `bytes` that are also sent to other sockets: all of their queues share one copy, unless the bytes are
    /// short. For short messages [`Sockets::broadcast`](crate::Sockets::broadcast) costs less.
    ///
    /// ```
    /// use std::rc::Rc;
    /// use netloop::{Context, SocketHandler};
    ///
    /// /// Sends a page to each client; all queues share it.
    /// struct Page(Rc<[u8]>);
    ///
    /// impl SocketHandler for Page {
    ///     fn on_connect(&mut self, cx: &mut Context<'_>) {
    ///         cx.socket.write_shared(Rc::clone(&self.0)).ignore();
    ///         cx.socket.end();
    ///     }
    ///     fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {}
    /// }
    /// ```
    #[must_use = "`Full` asks the producer to stop until `on_drain`; `ignore` says that it does not care"]
    pub fn write_shared(&mut self, bytes: Rc<[u8]>) -> Flow {
        self.write_payload(Payload::Shared(bytes))
    }

    /// Sends `bytes` that live for ever, without copying them unless they are short.
    ///
    /// ```
    /// use netloop::{Context, SocketHandler};
    ///
    /// struct Greeting;
    ///
    /// impl SocketHandler for Greeting {
    ///     fn on_connect(&mut self, cx: &mut Context<'_>) {
    ///         cx.socket.write_static(b"220 ready\r\n").ignore();
    ///     }
    ///     fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {}
    /// }
    /// ```
    #[must_use = "`Full` asks the producer to stop until `on_drain`; `ignore` says that it does not care"]
    pub fn write_static(&mut self, bytes: &'static [u8]) -> Flow {
        self.write_payload(Payload::Static(bytes))
    }

    fn write_payload(&mut self, payload: Payload<'_>) -> Flow {
        self.net.write(self.id, payload)
    }

    /// Sets a marker: [`on_sent`](crate::SocketHandler::on_sent) comes with `token` once the kernel has taken every
    /// byte written until now, or the bytes are lost. A marker replaces the callback of Node's `write`. If an earlier
    /// write was refused, or bytes are lost, [`on_sent`](crate::SocketHandler::on_sent) gets an error, which the
    /// description of `on_sent` names. `on_sent` does not come for a socket that is gone, nor for a marker that is set
    /// in the `on_sent` of a close. A socket that never calls this pays nothing for it.
    ///
    /// ```
    /// use netloop::{Context, Error, SocketHandler};
    ///
    /// struct Parts {
    ///     parts: Vec<Vec<u8>>,
    /// }
    ///
    /// impl SocketHandler for Parts {
    ///     fn on_connect(&mut self, cx: &mut Context<'_>) {
    ///         for (number, part) in (0..).zip(self.parts.drain(..)) {
    ///             cx.socket.write_owned(part).ignore();
    ///             cx.socket.notify_when_sent(number);
    ///         }
    ///     }
    ///     fn on_sent(&mut self, _: &mut Context<'_>, number: u64, sent: Result<(), &Error>) {
    ///         match sent {
    ///             Ok(()) => println!("part {number} is on its way"),
    ///             Err(error) => println!("part {number} was lost: {error}"),
    ///         }
    ///     }
    ///     fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {}
    /// }
    /// ```
    pub fn notify_when_sent(&mut self, token: u64) {
        self.net.request(self.id, |connection, registration| {
            connection.set_sent_marker(token, registration);
        });
    }

    /// Holds back everything that is written from now on, also after the running callback has returned.
    ///
    /// The cork ends with [`uncork`](Self::uncork), the end of this side or [`start_filter`](Self::start_filter); after
    /// `end`, `cork` does nothing. At the high watermark, the held bytes leave, and later writes are held back again.
    /// Bytes that were written before the call are sent within it, as in Node. While some of them wait for the connect, or
    /// for the kernel to have space, the cork holds nothing back. Programs rarely need a cork: the writes of one callback
    /// leave together anyway. Held bytes are no activity, so the idle timeout may come. [`destroy`](Self::destroy) drops
    /// them, and does not offer them to the kernel.
    ///
    /// ```
    /// use std::time::Duration;
    /// use netloop::{Context, SocketHandler};
    ///
    /// struct Report;
    ///
    /// impl SocketHandler for Report {
    ///     fn on_data(&mut self, cx: &mut Context<'_>, _: &[u8]) {
    ///         // The head leaves with the body, which a timer writes.
    ///         cx.socket.cork();
    ///         cx.socket.write(b"head\n").ignore();
    ///         cx.socket.after(Duration::from_millis(1), 0);
    ///     }
    ///     fn on_timer(&mut self, cx: &mut Context<'_>, _: u64) {
    ///         cx.socket.write(b"body\n").ignore();
    ///         cx.socket.uncork();
    ///     }
    /// }
    /// ```
    pub fn cork(&mut self) {
        self.net.cork(self.id);
    }

    /// Sends what [`cork`](Self::cork) held back: when the socket's own callback returns, else in the next flush phase.
    pub fn uncork(&mut self) {
        self.net.request(self.id, Connection::uncork);
    }
}
