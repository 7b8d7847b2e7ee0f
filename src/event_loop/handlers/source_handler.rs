//! The behaviour of a source of the program, as a trait.

use std::any::Any;

use mio::event;

use crate::event_loop::contexts::{LoopContext, SourceContext};
use crate::net::{Interest, SourceId};

/// The behaviour of a source of your own: an object that the kernel can poll and that is not a socket of the loop.
///
/// The object is any [`mio::event::Source`]: the UDP socket of mio, for instance. On Unix it is any descriptor, as a
/// [`Descriptor`](crate::Descriptor): a pipe, a timerfd, an inotify, a pidfd, or another loop.
/// [`add_source`](crate::EventLoop::add_source) puts the object into the loop. The handler gets it in each call as
/// [`cx.source`](SourceContext), with its own type.
///
/// # Readiness is a level
///
/// The loop calls a method again and again, as long as the source is ready for a direction that it
/// [wants](SourceContext::want). So a method may do one read and return; the rest comes in its turn, after the others.
/// A method that has got `WouldBlock` says so, and is called when the kernel reports the source anew.
/// [`try_io`](SourceContext::try_io) does that by itself; [`would_block`](SourceContext::would_block) is for calls of
/// other forms.
///
/// A method keeps the loop busy if it makes no progress, but neither says that its call would have blocked nor drops
/// the interest. At the end of a stream, for instance, the handler [closes](SourceContext::close) the source. The
/// kernel's report may be wrong. A method is then called for a source that is not ready, and the call that it makes
/// would block. An error or a hang-up counts as readiness for each wanted direction, because the next call returns it.
///
/// # When the methods are called
///
/// Only the loop calls these methods, and never within another callback, as with
/// [`SocketHandler`](crate::SocketHandler). A call is a step of the turn's [`Budget`](crate::Budget). If a method
/// panics, the loop closes this source, and the loop's [policy](crate::PanicPolicy) decides whether the panic goes on
/// to the host.
///
/// ```
/// use mio::net::UdpSocket;
/// use netloop::{EventLoop, Interest, SourceContext, SourceHandler};
///
/// /// Answers each datagram with itself.
/// struct Echo([u8; 2048]);
///
/// impl SourceHandler for Echo {
///     type Source = UdpSocket;
///
///     fn on_readable(&mut self, cx: &mut SourceContext<'_, UdpSocket>) {
///         let received = cx.try_io(Interest::READABLE, |socket| socket.recv_from(&mut self.0));
///         if let Ok((length, peer)) = received {
///             // A datagram that does not fit into the kernel's buffer is lost, as on every network.
///             let _ = cx.source.send_to(&self.0[..length], peer);
///         }
///     }
/// }
///
/// # fn main() -> netloop::Result<()> {
/// let socket = UdpSocket::bind("127.0.0.1:0".parse().unwrap())?;
/// let mut event_loop: EventLoop = EventLoop::new()?;
/// event_loop.add_source(socket, Interest::READABLE, Echo([0; 2048]))?;
/// # Ok(())
/// # }
/// ```
pub trait SourceHandler<S = ()> {
    /// The object that the kernel polls.
    type Source: event::Source + 'static;

    /// The source is readable, as far as the loop knows. The default drops the interest in reading.
    fn on_readable(&mut self, cx: &mut SourceContext<'_, Self::Source, S>) {
        cx.unwant(Interest::READABLE);
    }

    /// The source is writable, as far as the loop knows. The default drops the interest in writing.
    ///
    /// A source that was added without interest in writing counts as writable, until a call says that it would block.
    fn on_writable(&mut self, cx: &mut SourceContext<'_, Self::Source, S>) {
        cx.unwant(Interest::WRITABLE);
    }

    /// The timer that [`after`](SourceContext::after) armed with `token` has fired. Comes once, never early, and not
    /// after the source has closed. Readiness that the loop's poll has reported is told first. The loop does not ask the
    /// object itself, so news that came after the poll are told after the timer.
    fn on_timer(&mut self, cx: &mut SourceContext<'_, Self::Source, S>, token: u64) {
        let _ = (cx, token);
    }

    /// The source is closed: by [`close`](SourceContext::close), or because a method has panicked. The loop has
    /// deregistered the object, and gives it back together with the handler. Comes exactly once, as the last event. The
    /// default drops both. Does not come when [`detach_source`](crate::EventLoop::detach_source) takes the source out,
    /// or when the loop is dropped.
    fn on_close(self, cx: &mut LoopContext<'_, S>, source: Self::Source)
    where
        Self: Sized,
    {
        let _ = (cx, source);
    }

    /// Returns how often the loop may call the source in a row while no other source waits; then a poll looks for
    /// others. While others wait, each source is called once in turn. The loop calls `burst` once, when the source is
    /// added. The default, 16, suits short calls, such as one that receives a datagram. A handler whose calls are long,
    /// such as one that turns another loop, returns 1.
    fn burst(&self) -> u32 {
        16
    }
}

/// The reason to call the handler of a source.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SourceCall {
    Readable,
    Writable,
    Timer(u64),
}

impl SourceCall {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Readable => "on_readable",
            Self::Writable => "on_writable",
            Self::Timer(_) => "on_timer",
        }
    }
}

/// A source with its handler, so that the loop can keep sources of all types in one table.
pub(crate) trait AnySource<S> {
    fn call(&mut self, id: SourceId, call: SourceCall, cx: LoopContext<'_, S>);

    fn object(&mut self) -> &mut dyn event::Source;

    /// Gives the source to the handler's `on_close`.
    fn close(self: Box<Self>, cx: &mut LoopContext<'_, S>);

    fn as_any(&self) -> &dyn Any;

    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

pub(crate) struct Attached<H, O> {
    pub(crate) handler: H,
    pub(crate) source: O,
}

impl<S, H: SourceHandler<S> + 'static> AnySource<S> for Attached<H, H::Source> {
    fn call(&mut self, id: SourceId, call: SourceCall, cx: LoopContext<'_, S>) {
        let mut cx = SourceContext::new(id, &mut self.source, cx);
        match call {
            SourceCall::Readable => self.handler.on_readable(&mut cx),
            SourceCall::Writable => self.handler.on_writable(&mut cx),
            SourceCall::Timer(token) => self.handler.on_timer(&mut cx, token),
        }
    }

    fn object(&mut self) -> &mut dyn event::Source {
        &mut self.source
    }

    fn close(self: Box<Self>, cx: &mut LoopContext<'_, S>) {
        let Self { handler, source } = *self;
        handler.on_close(cx, source);
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
