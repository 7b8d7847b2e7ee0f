//! The context of callbacks without a socket: all sockets, the shared state, and the methods of the loop that callbacks
//! may call. This file is long because each method is documented for its user.

use std::fmt;
use std::time::{Duration, Instant};

use crate::event_loop::agenda::Agenda;
use crate::event_loop::handlers::{Accepted, ServerHandler, SocketHandler, SourceHandler};
use crate::event_loop::hooks::{Hook, HookId, HookPlace};
use crate::event_loop::into_handler::IntoHandler;
use crate::event_loop::mailbox::Remote;
use crate::event_loop::shutdown::{Domain, ShutdownReport};
#[cfg(all(unix, feature = "signals"))]
use crate::event_loop::signals::{Signal, SignalCall, SignalId, SignalWatch};
use crate::event_loop::timer::Timer;
use crate::net::{
    ConnectOptions, Interest, IntoEndpoint, IntoListener, ListenOptions, Result, ServerId,
    SocketId, SocketOptions, Sockets, SourceId, StdStream, TimerId,
};

use super::verbs::Verbs;

/// All sockets, the shared state and the loop, for callbacks that have no socket of their own. Timers, deferred calls,
/// posts, hooks, signals and servers have such callbacks.
///
/// A [`Context`](crate::Context) has one socket; a `LoopContext` has all sockets, and more methods. A callback of a
/// socket gets a `LoopContext` from [`Context::as_loop`](crate::Context::as_loop). A host gets one from
/// [`EventLoop::context`](crate::EventLoop::context). So a helper that takes a `LoopContext` works everywhere.
///
/// ```
/// use std::time::Duration;
/// use netloop::{Context, EventLoop, LoopContext, SocketHandler};
///
/// struct Echo;
///
/// impl SocketHandler for Echo {
///     fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) {
///         match data {
///             b"stop\n" => drain(&mut cx.as_loop()),
///             _ => cx.socket.write(data).ignore(),
///         }
///     }
/// }
///
/// /// Lets every connection send what it has to, and stops the loop a second later.
/// fn drain(cx: &mut LoopContext<'_>) {
///     for id in cx.sockets.ids() {
///         cx.sockets.socket(id).end();
///     }
///     cx.after(Duration::from_secs(1), |cx| cx.stop());
/// }
///
/// let mut event_loop: EventLoop = EventLoop::new()?;
/// event_loop.listen("127.0.0.1:0", |_, _| Echo)?;
/// // From a timer, and from the host.
/// event_loop.after(Duration::from_secs(3600), drain);
/// drain(&mut event_loop.context(&mut ()));
/// # Ok::<(), netloop::Error>(())
/// ```
pub struct LoopContext<'a, S = ()> {
    /// All sockets, servers and sources of the loop.
    pub sockets: Sockets<'a>,
    /// The state that the owner of the loop lends to every callback.
    pub shared: &'a mut S,
    pub(crate) agenda: &'a mut Agenda<S>,
}

impl<S> LoopContext<'_, S> {
    pub(crate) fn verbs(&mut self) -> Verbs<'_, S> {
        Verbs {
            net: self.sockets.net_mut(),
            agenda: self.agenda,
        }
    }

    /// Listens on `to`: [`EventLoop::listen`](crate::EventLoop::listen).
    ///
    /// # Errors
    ///
    /// As [`EventLoop::listen`](crate::EventLoop::listen).
    pub fn listen<F, R, M>(&mut self, to: impl IntoListener, accept: F) -> Result<ServerId>
    where
        F: FnMut(&mut LoopContext<'_, S>, &Accepted) -> R + 'static,
        R: IntoHandler<S, M>,
        M: 'static,
    {
        self.verbs().listen_with(to, ListenOptions::new(), accept)
    }

    /// Listens on `to` with options: [`EventLoop::listen_with`](crate::EventLoop::listen_with).
    ///
    /// # Errors
    ///
    /// As [`EventLoop::listen_with`](crate::EventLoop::listen_with).
    pub fn listen_with<F, R, M>(
        &mut self,
        to: impl IntoListener,
        options: impl Into<ListenOptions>,
        accept: F,
    ) -> Result<ServerId>
    where
        F: FnMut(&mut LoopContext<'_, S>, &Accepted) -> R + 'static,
        R: IntoHandler<S, M>,
        M: 'static,
    {
        self.verbs().listen_with(to, options.into(), accept)
    }

    /// Listens on `to` with a [`ServerHandler`]: [`EventLoop::serve`](crate::EventLoop::serve).
    ///
    /// # Errors
    ///
    /// As [`EventLoop::serve`](crate::EventLoop::serve).
    pub fn serve(
        &mut self,
        to: impl IntoListener,
        options: impl Into<ListenOptions>,
        handler: impl ServerHandler<S> + 'static,
    ) -> Result<ServerId> {
        self.verbs().serve(to, options.into(), handler)
    }

    /// Connects to `to`: [`EventLoop::connect`](crate::EventLoop::connect).
    ///
    /// # Errors
    ///
    /// As [`EventLoop::connect`](crate::EventLoop::connect).
    pub fn connect(
        &mut self,
        to: impl IntoEndpoint,
        handler: impl SocketHandler<S> + 'static,
    ) -> Result<SocketId> {
        self.verbs()
            .connect_with(to, ConnectOptions::new(), handler)
    }

    /// Connects to `to` with options: [`EventLoop::connect_with`](crate::EventLoop::connect_with).
    ///
    /// # Errors
    ///
    /// As [`EventLoop::connect_with`](crate::EventLoop::connect_with).
    pub fn connect_with(
        &mut self,
        to: impl IntoEndpoint,
        options: impl Into<ConnectOptions>,
        handler: impl SocketHandler<S> + 'static,
    ) -> Result<SocketId> {
        self.verbs().connect_with(to, options.into(), handler)
    }

    /// Adds a connection of the standard library to the loop: [`EventLoop::adopt`](crate::EventLoop::adopt).
    ///
    /// # Errors
    ///
    /// As [`EventLoop::adopt`](crate::EventLoop::adopt).
    pub fn adopt(
        &mut self,
        stream: impl Into<StdStream>,
        options: SocketOptions,
        handler: impl SocketHandler<S> + 'static,
    ) -> Result<SocketId> {
        self.verbs().adopt(stream, options, handler)
    }

    /// Reads `input` in the loop: [`EventLoop::read_input`](crate::EventLoop::read_input).
    ///
    /// # Errors
    ///
    /// As [`EventLoop::read_input`](crate::EventLoop::read_input).
    #[cfg(unix)]
    pub fn read_input(
        &mut self,
        input: impl std::os::fd::AsFd,
        handler: impl SocketHandler<S> + 'static,
    ) -> Result<SocketId> {
        self.verbs().read_input(input, handler)
    }

    /// Puts a source of your own into the loop: [`EventLoop::add_source`](crate::EventLoop::add_source).
    ///
    /// # Errors
    ///
    /// As [`EventLoop::add_source`](crate::EventLoop::add_source).
    pub fn add_source<H>(
        &mut self,
        source: H::Source,
        interest: Interest,
        handler: H,
    ) -> Result<SourceId>
    where
        H: SourceHandler<S> + 'static,
    {
        self.verbs().add_source(source, interest, handler)
    }

    /// Gives the socket `id` another handler, from its next event on: a protocol switch. Events that are reported
    /// together count as one, such as several `on_sent`, or `on_error` and `on_close`. The old handler is dropped
    /// without a call, and its [timers](crate::Socket::after) are cancelled.
    ///
    /// `unread` are the bytes that the old handler received and has not used. The new one gets them by `on_data`,
    /// before all later bytes, once the running callback has returned and the socket is not paused.
    /// [`Socket::unread`](crate::Socket::unread) gives bytes back without another handler.
    ///
    /// Returns whether the handler was replaced. Returns `false` if the socket is closed or gone, or was accepted and
    /// its [filters](crate::Filter) are not ready. Also returns `false` if the socket cannot have received `unread`,
    /// because it is not connected yet, or its end was reported already. Without memory for `unread`, the socket fails,
    /// and the result is `false` too.
    ///
    /// ```
    /// use netloop::{Context, SocketHandler};
    ///
    /// /// Waits for a line that names the protocol, of which there is one.
    /// struct Handshake(Vec<u8>);
    /// struct Echo;
    ///
    /// impl SocketHandler for Handshake {
    ///     fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) {
    ///         self.0.extend_from_slice(data);
    ///         let Some(end) = self.0.iter().position(|&byte| byte == b'\n') else {
    ///             return;
    ///         };
    ///         let id = cx.socket.id();
    ///         cx.replace_handler(id, Echo, &self.0[end + 1..]);
    ///     }
    /// }
    /// impl SocketHandler for Echo {
    ///     fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) {
    ///         let _ = cx.socket.write(data);
    ///     }
    /// }
    /// ```
    pub fn replace_handler(
        &mut self,
        id: SocketId,
        handler: impl SocketHandler<S> + 'static,
        unread: &[u8],
    ) -> bool {
        self.verbs().replace_handler(id, handler, unread)
    }

    /// Sends everything that `from` receives to `to`, as Node's `stream.pipe` does. [`pipe_both`](Self::pipe_both)
    /// joins both directions, and describes the details. Returns `false`, and changes nothing, if one of the two
    /// sockets is gone, or was accepted and its [filters](crate::Filter) are not ready. The opposite direction is not
    /// piped: the handler of `to` still gets `on_data`, and the handler of `from` still writes. If the peer of `to` has
    /// ended, `to` still sends the bytes of `from`. A FIN of `to` proves that the bytes of `from` are complete, with
    /// the exceptions of `pipe_both`. When `to` closes first, `from` sends its queued bytes and a FIN, and closes.
    ///
    /// ```
    /// use netloop::{Context, SocketHandler, SocketId};
    ///
    /// /// Everything that this peer sends goes to a recorder, which is a socket of its own.
    /// struct Recorded {
    ///     recorder: SocketId,
    /// }
    ///
    /// impl SocketHandler for Recorded {
    ///     fn on_connect(&mut self, cx: &mut Context<'_>) {
    ///         let id = cx.socket.id();
    ///         // From the next event on, `on_data` does not come any more.
    ///         cx.as_loop().pipe(id, self.recorder);
    ///     }
    ///     fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {}
    /// }
    /// ```
    #[doc(alias = "stream.pipe")]
    pub fn pipe(&mut self, from: SocketId, to: SocketId) -> bool
    where
        S: 'static,
    {
        self.verbs().pipe(from, to, false)
    }

    /// Joins two sockets: each sends the bytes that the other receives, from the next event on. Either socket may still
    /// be connecting. Returns `false`, and changes nothing, if one of the two is gone, or was accepted and its
    /// [filters](crate::Filter) are not ready. A socket counts as gone as soon as its `on_error` or `on_close` has begun.
    ///
    /// - **Backpressure**: while the queue of one socket is full, or would pass its
    ///   [limit](crate::SocketOptions::max_queued_bytes), the other socket is paused. Its idle timeout rests,
    ///   because its peer cannot send. If the program itself has paused the socket, the idle timeout goes on, and the
    ///   pause lasts until the program ends it.
    /// - **Half-close**: when the peer of one socket ends, the other socket ends after the last byte. The opposite direction
    ///   stays open, whatever [`allow_half_open`](crate::SocketOptions::allow_half_open) says.
    /// - **Failure**: when one socket closes before its peer has ended, the other sends its queued bytes and closes
    ///   with a RST. The sending takes at most the [`close_timeout`](crate::SocketOptions::close_timeout). If the first
    ///   socket has failed, the other closes with the same error. The RST discards the bytes that the kernel still
    ///   holds. A socket that an idle timeout destroys closes with a RST too, unless it has ended before.
    ///
    /// So a FIN of a joined socket proves that its bytes are complete. The other peer has ended, and every byte before
    /// that end was sent. In Node's `pipeline`, a FIN proves nothing. There are three exceptions:
    ///
    /// - The program ends or destroys the socket itself: the FIN is the program's choice. A `destroy` of the *other* socket
    ///   closes this one with a RST, because no call has ended this one. Call [`end`](crate::Socket::end) on this
    ///   socket first if its bytes are complete.
    /// - Unix sockets have no RST: they just close. If a descriptor has duplicates, the RST waits until the last of
    ///   them is closed.
    /// - If the program drops the loop or exits, the kernel sends a FIN for each socket without queued bytes.
    ///
    /// If the peer of one socket has ended, but answers a later byte with a reset, Linux reports both. The bytes and
    /// the end are then passed on before the failure. Other systems report the reset alone.
    ///
    /// Both sockets keep their handlers, which get every event except `on_data`, to note the ends or act on a timeout.
    /// [`replace_handler`](Self::replace_handler) takes a socket out of its pipe, and ends its pause by the pipe. If a
    /// handler has received bytes for the other socket before, it [gives them back](crate::Socket::unread), and the
    /// pipe sends them:
    ///
    /// ```
    /// use netloop::{Context, EventLoop, SocketHandler};
    ///
    /// /// The client of a proxy. Its first byte says which of the servers it wants, and everything after it is for that.
    /// struct Client;
    /// struct Quiet;
    ///
    /// impl SocketHandler<Vec<String>> for Client {
    ///     fn on_data(&mut self, cx: &mut Context<'_, Vec<String>>, data: &[u8]) {
    ///         let server = cx.shared[usize::from(data[0]) % cx.shared.len()].clone();
    ///         let Ok(upstream) = cx.connect(server.as_str(), Quiet) else {
    ///             return cx.socket.destroy();
    ///         };
    ///         cx.socket.unread(&data[1..]);
    ///         let client = cx.socket.id();
    ///         assert!(cx.as_loop().pipe_both(client, upstream), "both are there");
    ///     }
    /// }
    /// impl SocketHandler<Vec<String>> for Quiet {
    ///     fn on_data(&mut self, _: &mut Context<'_, Vec<String>>, _: &[u8]) {}
    /// }
    ///
    /// # fn main() -> netloop::Result<()> {
    /// let mut event_loop = EventLoop::new()?;
    /// event_loop.listen("127.0.0.1:0", |_, _| Client)?;
    /// # event_loop.context(&mut Vec::new());
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "stream.pipe")]
    #[doc(alias = "pipeline")]
    pub fn pipe_both(&mut self, a: SocketId, b: SocketId) -> bool
    where
        S: 'static,
    {
        self.verbs().pipe(a, b, true)
    }

    /// Calls `call` once, when at least `after` has passed: [`EventLoop::after`](crate::EventLoop::after).
    pub fn after(
        &mut self,
        after: Duration,
        call: impl FnOnce(&mut LoopContext<'_, S>) + 'static,
    ) -> TimerId {
        self.verbs().after(after, call)
    }

    /// Calls `call` every `period`: [`EventLoop::every`](crate::EventLoop::every).
    pub fn every(
        &mut self,
        period: Duration,
        call: impl FnMut(&mut LoopContext<'_, S>) + 'static,
    ) -> TimerId {
        self.verbs().every(period, call)
    }

    /// Returns the timer `id`: [`EventLoop::timer`](crate::EventLoop::timer).
    pub fn timer(&mut self, id: TimerId) -> Timer<'_, S> {
        Timer::new(self.sockets.net_mut(), self.agenda, id)
    }

    /// Calls `call` for each delivery of `signal`: [`EventLoop::on_signal`](crate::EventLoop::on_signal).
    ///
    /// # Errors
    ///
    /// As [`EventLoop::on_signal`](crate::EventLoop::on_signal).
    #[cfg(all(unix, feature = "signals"))]
    pub fn on_signal(
        &mut self,
        signal: impl Into<Signal>,
        call: impl FnMut(&mut LoopContext<'_, S>) + 'static,
    ) -> Result<SignalId> {
        self.verbs()
            .on_signal(signal.into(), SignalCall::Each(Box::new(call)))
    }

    /// Calls `call` for the next delivery of `signal`: [`EventLoop::on_signal_once`](crate::EventLoop::on_signal_once).
    ///
    /// # Errors
    ///
    /// As [`EventLoop::on_signal`](crate::EventLoop::on_signal).
    #[cfg(all(unix, feature = "signals"))]
    pub fn on_signal_once(
        &mut self,
        signal: impl Into<Signal>,
        call: impl FnOnce(&mut LoopContext<'_, S>) + 'static,
    ) -> Result<SignalId> {
        self.verbs()
            .on_signal(signal.into(), SignalCall::Once(Box::new(call)))
    }

    /// Returns a view of the handler `id` of a signal: [`EventLoop::signal`](crate::EventLoop::signal).
    #[cfg(all(unix, feature = "signals"))]
    pub fn signal(&mut self, id: SignalId) -> SignalWatch<'_, S> {
        SignalWatch::new(self.sockets.net_mut(), self.agenda, id)
    }

    /// Calls `call` at the beginning of the next turn: [`EventLoop::defer`](crate::EventLoop::defer).
    pub fn defer(&mut self, call: impl FnOnce(&mut LoopContext<'_, S>) + 'static) {
        self.verbs().defer(call);
    }

    /// Calls `call` once a turn before the wait: [`EventLoop::on_prepare`](crate::EventLoop::on_prepare).
    pub fn on_prepare(&mut self, call: impl FnMut(&mut LoopContext<'_, S>) + 'static) -> HookId {
        self.verbs().add_hook(HookPlace::Prepare, call)
    }

    /// Calls `call` once a turn after the sockets: [`EventLoop::on_check`](crate::EventLoop::on_check).
    pub fn on_check(&mut self, call: impl FnMut(&mut LoopContext<'_, S>) + 'static) -> HookId {
        self.verbs().add_hook(HookPlace::Check, call)
    }

    /// Returns the hook `id`: [`EventLoop::hook`](crate::EventLoop::hook).
    pub fn hook(&mut self, id: HookId) -> Hook<'_, S> {
        Hook::new(self.agenda, id)
    }

    /// Sets whether the program is busy: [`EventLoop::set_busy`](crate::EventLoop::set_busy).
    pub fn set_busy(&mut self, busy: bool) {
        self.agenda.set_busy(busy);
    }

    /// Ends all servers and sockets, and reports the counts: [`EventLoop::shutdown`](crate::EventLoop::shutdown).
    pub fn shutdown(
        &mut self,
        deadline: Duration,
        done: impl FnOnce(&mut LoopContext<'_, S>, ShutdownReport) + 'static,
    ) {
        self.verbs().shutdown(Domain::Loop, deadline, done);
    }

    /// Ends one server with its sockets: [`EventLoop::shutdown_server`](crate::EventLoop::shutdown_server).
    pub fn shutdown_server(
        &mut self,
        server: ServerId,
        deadline: Duration,
        done: impl FnOnce(&mut LoopContext<'_, S>, ShutdownReport) + 'static,
    ) {
        self.verbs()
            .shutdown(Domain::Server(server), deadline, done);
    }

    /// Whether a [`shutdown`](Self::shutdown) of the loop is under way.
    pub fn is_shutting_down(&self) -> bool {
        self.agenda.shutdowns.is_of_loop()
    }

    /// Makes `run` return at the end of this turn: [`EventLoop::stop`](crate::EventLoop::stop).
    pub fn stop(&mut self) {
        self.verbs().stop();
    }

    /// Returns a handle for other threads: [`EventLoop::remote`](crate::EventLoop::remote).
    pub fn remote(&self) -> Remote<S> {
        self.agenda.remote()
    }

    /// Returns the loop's time: [`EventLoop::now`](crate::EventLoop::now).
    pub fn now(&self) -> Instant {
        self.sockets.net().now()
    }
}

impl<S> fmt::Debug for LoopContext<'_, S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LoopContext")
            .field("sockets", &self.sockets)
            .finish_non_exhaustive()
    }
}
