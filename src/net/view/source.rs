//! The view of one source of the program.

use std::fmt;
use std::time::Duration;

use crate::net::core::Net;
use crate::net::values::{Interest, SourceId};

/// One source of the program, borrowed from its loop: `event_loop.source(id)` outside,
/// [`Sockets::source`](crate::Sockets::source) in a callback.
///
/// The object itself lies beside its handler. A callback gets it as [`cx.source`](crate::SourceContext), and
/// [`on_close`](crate::SourceHandler::on_close) or [`detach_source`](crate::EventLoop::detach_source) returns it.
///
/// A view of a source that is gone is harmless: getters answer as for a closed one, and other methods do nothing.
/// `{:?}` shows the source as it is:
/// `Source { id: 2v1, interest: Interest(READABLE), is_held: true, is_closed: false }`.
///
/// ```
/// use mio::net::UdpSocket;
/// use netloop::{EventLoop, Interest, SourceContext, SourceHandler};
///
/// struct Count;
///
/// impl SourceHandler<usize> for Count {
///     type Source = UdpSocket;
///
///     fn on_readable(&mut self, cx: &mut SourceContext<'_, UdpSocket, usize>) {
///         if cx.try_io(Interest::READABLE, |socket| socket.recv(&mut [0; 512])).is_ok() {
///             *cx.shared += 1;
///         }
///     }
/// }
///
/// # fn main() -> netloop::Result<()> {
/// let socket = UdpSocket::bind("127.0.0.1:0".parse().unwrap())?;
/// let mut event_loop = EventLoop::new()?;
/// let id = event_loop.add_source(socket, Interest::READABLE, Count)?;
///
/// // Datagrams wait in the kernel, and the loop ends although the source is there.
/// let mut source = event_loop.source(id);
/// source.unwant(Interest::READABLE);
/// source.release();
/// event_loop.run(&mut 0)?;
/// # Ok(())
/// # }
/// ```
pub struct Source<'a> {
    net: &'a mut Net,
    id: SourceId,
}

impl<'a> Source<'a> {
    pub(crate) fn new(net: &'a mut Net, id: SourceId) -> Self {
        Self { net, id }
    }

    /// Returns the source's id, to store it and to find the source again.
    pub fn id(&self) -> SourceId {
        self.id
    }

    /// Returns the directions in which the loop calls the handler.
    pub fn interest(&self) -> Interest {
        self.net.source_interest(self.id)
    }

    /// Makes the loop call the handler for `interest` too, without a system call. No earlier readiness is lost.
    pub fn want(&mut self, interest: Interest) {
        self.net.want(self.id, interest);
    }

    /// Ends the handler's calls for `interest`, without a system call. The loop keeps the kernel's reports for a later
    /// [`want`](Self::want).
    pub fn unwant(&mut self, interest: Interest) {
        self.net.unwant(self.id, interest);
    }

    /// Makes the source keep [`run`](crate::EventLoop::run) going, the default until [`release`](Self::release).
    #[doc(alias = "ref")]
    pub fn hold(&mut self) {
        self.net.hold(self.id.0);
    }

    /// Allows [`run`](crate::EventLoop::run) to return while the source is there.
    #[doc(alias = "unref")]
    pub fn release(&mut self) {
        self.net.release(self.id.0);
    }

    /// Whether the source keeps [`run`](crate::EventLoop::run) going.
    #[doc(alias = "hasRef")]
    pub fn is_held(&self) -> bool {
        self.net.is_held(self.id.0)
    }

    /// Arms a timer: [`on_timer`](crate::SourceHandler::on_timer) comes with `token`, once, when at least `after` has
    /// passed. If `token` is armed already, its timer is moved. The close of the source drops its timers, and none of
    /// them keeps [`run`](crate::EventLoop::run) going. Without memory for a timer, the process aborts.
    #[doc(alias = "setTimeout")]
    pub fn after(&mut self, after: Duration, token: u64) {
        self.net.arm_source_timer(self.id, after, token);
    }

    /// Cancels the timer with `token`. Returns whether the timer was still armed.
    #[doc(alias = "clearTimeout")]
    pub fn cancel(&mut self, token: u64) -> bool {
        self.net.cancel_source_timer(self.id, token)
    }

    /// Closes the source. The handler is not called for readiness any more. In the next close phase the loop
    /// deregisters the object, and gives handler and object to [`on_close`](crate::SourceHandler::on_close). Closing a
    /// source twice is harmless.
    pub fn close(&mut self) {
        self.net.close_source(self.id);
    }

    /// Whether the source is closed, even if its `on_close` is still to come. `true` also if the source is gone.
    pub fn is_closed(&self) -> bool {
        self.net.source_is_closed(self.id)
    }
}

impl fmt::Debug for Source<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Source")
            .field("id", &format_args!("{}", self.id))
            .field("interest", &self.interest())
            .field("is_held", &self.is_held())
            .field("is_closed", &self.is_closed())
            .finish()
    }
}
