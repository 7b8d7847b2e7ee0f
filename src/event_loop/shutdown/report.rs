//! The values of a shutdown: the answer of a handler, and the counts.

use std::fmt;

/// The answer of [`on_shutdown`](crate::SocketHandler::on_shutdown): whether the socket has still something to do.
///
/// ```
/// use netloop::{AtShutdown, Context, SocketHandler};
///
/// /// A subscriber, for which a shutdown is news.
/// struct Subscriber;
///
/// impl SocketHandler for Subscriber {
///     fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {}
///     fn on_shutdown(&mut self, cx: &mut Context<'_>) -> AtShutdown {
///         cx.socket.write(b"the server restarts\n").ignore();
///         AtShutdown::End
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AtShutdown {
    /// After the queued bytes the loop ends this side, as by [`Socket::end`](crate::Socket::end), or closes the UDP
    /// socket.
    End,
    /// The handler has work for this peer, and ends the socket itself. At the deadline the socket is closed in any case.
    Keep,
}

/// The result of a [shutdown](crate::EventLoop::shutdown): the number of sockets of each kind.
///
/// Every socket of the loop, or of the server, that closes during the shutdown is counted once, also one that was
/// accepted or made meanwhile. UDP sockets are not counted.
///
/// ```
/// use std::time::Duration;
/// use netloop::EventLoop;
///
/// let mut event_loop: EventLoop<String> = EventLoop::new()?;
/// event_loop.shutdown(Duration::from_secs(10), |cx, report| {
///     // The log gets a line only if the deadline has cut no peer off.
///     if report.forced == 0 {
///         *cx.shared = report.to_string();
///     }
/// });
/// let mut log = String::new();
/// event_loop.run(&mut log)?;
/// assert_eq!(log, "0 ended, 0 finished, 0 failed, 0 forced");
/// # Ok::<(), netloop::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// The number of idle sockets: they had nothing queued or unread, and their handlers answered [`AtShutdown::End`],
    /// or they closed before their handlers were asked.
    pub ended: usize,
    /// The number of busy sockets that were closed before the deadline, or had sent everything by then. An accepted
    /// connection that has received and sent nothing yet is busy too: its first request may be on its way.
    pub finished: usize,
    /// The number of busy sockets that failed before the deadline, such as by a reset, or a timeout that lost bytes.
    pub failed: usize,
    /// The number of sockets with bytes to send, or still to end, at the deadline: open TCP connections got a RST.
    pub forced: usize,
}

impl fmt::Display for ShutdownReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            ended,
            finished,
            failed,
            forced,
        } = self;
        write!(
            formatter,
            "{ended} ended, {finished} finished, {failed} failed, {forced} forced"
        )
    }
}
