//! The context of a source's callbacks: the source, all sockets, the shared state, and the methods of the source.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use mio::event;

use crate::event_loop::agenda::Agenda;
use crate::net::{Interest, Readiness, Sockets, Source, SourceId};

use super::loop_context::LoopContext;

/// The source, the shared state and the loop, which each callback of a [source](crate::SourceHandler) borrows.
///
/// `source` is the object that was added to the loop, with its own type. `sockets` and `shared` are fields beside it,
/// so that a callback can use all three at once. [`as_loop`](Self::as_loop) leads to all methods of [`LoopContext`].
///
/// ```
/// use mio::net::UdpSocket;
/// use netloop::{Interest, SocketId, SourceContext, SourceHandler};
///
/// /// Passes each datagram on to all members of a room.
/// struct Feed;
///
/// impl SourceHandler<Vec<SocketId>> for Feed {
///     type Source = UdpSocket;
///
///     fn on_readable(&mut self, cx: &mut SourceContext<'_, UdpSocket, Vec<SocketId>>) {
///         let mut buffer = [0; 1500];
///         if let Ok(length) = cx.try_io(Interest::READABLE, |socket| socket.recv(&mut buffer)) {
///             for (slow, _) in cx.sockets.broadcast(&*cx.shared, &buffer[..length]) {
///                 cx.sockets.socket(slow).destroy();
///             }
///         }
///     }
/// }
/// ```
pub struct SourceContext<'a, O, S = ()> {
    /// The source whose handler is called. An object that is put into its place is not registered: to replace the
    /// object, close the source and add another.
    pub source: &'a mut O,
    /// All sockets, servers and sources of the loop.
    pub sockets: Sockets<'a>,
    /// The state that the owner of the loop lends to every callback.
    pub shared: &'a mut S,
    pub(crate) agenda: &'a mut Agenda<S>,
    id: SourceId,
}

impl<'a, O, S> SourceContext<'a, O, S> {
    pub(crate) fn new(id: SourceId, source: &'a mut O, cx: LoopContext<'a, S>) -> Self {
        Self {
            source,
            sockets: cx.sockets,
            shared: cx.shared,
            agenda: cx.agenda,
            id,
        }
    }

    /// Returns the source's id, to store it and to find the source again.
    pub fn id(&self) -> SourceId {
        self.id
    }

    /// Returns the view of the source, which has the methods that a callback needs more rarely.
    pub fn view(&mut self) -> Source<'_> {
        self.sockets.source(self.id)
    }

    /// Returns a [`LoopContext`] of this loop: [`Context::as_loop`](crate::Context::as_loop) has an example.
    pub fn as_loop(&mut self) -> LoopContext<'_, S> {
        LoopContext {
            sockets: Sockets::new(self.sockets.net_mut()),
            shared: self.shared,
            agenda: self.agenda,
        }
    }

    /// Adds `interest` to the directions in which the loop calls the handler: [`Source::want`].
    pub fn want(&mut self, interest: Interest) {
        self.view().want(interest);
    }

    /// Removes `interest` from the directions in which the loop calls the handler: [`Source::unwant`].
    pub fn unwant(&mut self, interest: Interest) {
        self.view().unwant(interest);
    }

    /// Returns the kernel's reports that no call has disproved since, such as [`Readiness::READ_CLOSED`].
    pub fn readiness(&self) -> Readiness {
        self.sockets.net().source_readiness(self.id)
    }

    /// Arms a timer, which calls [`on_timer`](crate::SourceHandler::on_timer) with `token`: [`Source::after`].
    pub fn after(&mut self, after: Duration, token: u64) {
        self.view().after(after, token);
    }

    /// Cancels the timer with `token`: [`Source::cancel`].
    pub fn cancel(&mut self, token: u64) -> bool {
        self.view().cancel(token)
    }

    /// Closes the source at the end of this turn: [`Source::close`].
    pub fn close(&mut self) {
        self.view().close();
    }

    /// Returns the loop's time: [`EventLoop::now`](crate::EventLoop::now).
    pub fn now(&self) -> Instant {
        self.sockets.net().now()
    }
}

impl<O: event::Source, S> SourceContext<'_, O, S> {
    /// Makes `call` with the source, and returns its result. If the call would have blocked, notes that as
    /// [`would_block`](Self::would_block) does.
    ///
    /// # Errors
    ///
    /// The error of `call`. `WouldBlock` needs no further action: the loop calls the handler again.
    pub fn try_io<R>(
        &mut self,
        direction: Interest,
        call: impl FnOnce(&mut O) -> io::Result<R>,
    ) -> io::Result<R> {
        let result = call(self.source);
        if matches!(&result, Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
            self.would_block(direction);
        }
        result
    }

    /// Notes that a call in `direction` would have blocked: the handler is called for it when the kernel reports the
    /// source anew. The first such call for writing makes a system call if the source was added without interest in
    /// writing.
    ///
    /// ```
    /// use netloop::{Budget, Descriptor, EventLoop, Interest, SourceContext, SourceHandler, Wait};
    ///
    /// /// Turns another loop whenever that loop has something to do.
    /// struct Inner;
    ///
    /// impl SourceHandler for Inner {
    ///     type Source = Descriptor<EventLoop<()>>;
    ///
    ///     fn on_readable(&mut self, cx: &mut SourceContext<'_, Self::Source>) {
    ///         let turn = cx.source.0.turn(&mut (), Wait::No, Budget::new());
    ///         match cx.source.0.poll_timeout() {
    ///             _ if !turn.is_ok_and(|turn| turn.alive) => cx.close(),
    ///             // Its next deadline, or no time at all if the inner loop has more to do.
    ///             Some(wait) => {
    ///                 cx.would_block(Interest::READABLE);
    ///                 cx.after(wait, 0);
    ///             }
    ///             None => cx.would_block(Interest::READABLE),
    ///         }
    ///     }
    ///     fn on_timer(&mut self, cx: &mut SourceContext<'_, Self::Source>, _: u64) {
    ///         self.on_readable(cx);
    ///     }
    ///     fn burst(&self) -> u32 {
    ///         1
    ///     }
    /// }
    ///
    /// # fn main() -> netloop::Result<()> {
    /// let mut inner: EventLoop = EventLoop::new()?;
    /// inner.after(std::time::Duration::from_millis(1), |_| println!("from the inner loop"));
    /// let mut outer: EventLoop = EventLoop::new()?;
    /// let id = outer.add_source(Descriptor(inner), Interest::READABLE, Inner)?;
    /// // The first deadline of the inner loop is no event of its descriptor.
    /// outer.source(id).after(std::time::Duration::ZERO, 0);
    /// outer.run(&mut ())?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn would_block(&mut self, direction: Interest) {
        let (net, id) = (self.sockets.net_mut(), self.id);
        net.source_would_block(id, direction, self.source);
    }

    /// Forgets the kernel's reports, and asks the kernel to report anew (`epoll_ctl(2)`). A handler whose calls may
    /// block the thread needs this. Other handlers make one more call instead, and see that it would block.
    pub fn rearm(&mut self) {
        let (net, id) = (self.sockets.net_mut(), self.id);
        net.rearm_source(id, self.source);
    }
}

impl<O, S> fmt::Debug for SourceContext<'_, O, S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SourceContext")
            .field("source", &format_args!("{}", self.id))
            .finish_non_exhaustive()
    }
}
