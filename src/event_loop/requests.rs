//! The requests that the owner of a loop makes: sources, calls, and handles. Each verb forwards to the one in `verbs`.

use std::time::{Duration, Instant};

use crate::net::{
    ConnectOptions, IntoEndpoint, IntoListener, ListenOptions, Net, Result, ServerId, SocketId,
    SocketOptions, Sockets, StdStream, TimerId,
};

use super::EventLoop;
use super::agenda::Agenda;
use super::into_handler::IntoHandler;
use super::loop_context::LoopContext;
use super::remote::Remote;
use super::server_handler::{Accepted, ServerHandler};
use super::socket_handler::SocketHandler;
use super::timer::Timer;
use super::verbs::Verbs;

impl<S> EventLoop<S> {
    /// Returns the loop as callbacks without a socket see it, with the shared state lent to it: for helpers that
    /// callbacks use too ([`Context::as_loop`](crate::Context::as_loop) has an example), and for the verbs that are on
    /// [`LoopContext`] alone.
    ///
    /// ```
    /// use netloop::{EventLoop, LoopContext};
    ///
    /// fn report(cx: &mut LoopContext<'_, Vec<String>>) {
    ///     let sockets = cx.sockets.ids().count();
    ///     cx.shared.push(format!("{sockets} sockets"));
    /// }
    ///
    /// let mut event_loop = EventLoop::new()?;
    /// let mut reports = Vec::new();
    /// event_loop.defer(report);
    /// event_loop.run(&mut reports)?;
    /// report(&mut event_loop.context(&mut reports));
    /// assert_eq!(reports, ["0 sockets", "0 sockets"]);
    /// # Ok::<(), netloop::Error>(())
    /// ```
    pub fn context<'a>(&'a mut self, shared: &'a mut S) -> LoopContext<'a, S> {
        let (net, agenda) = self.parts();
        LoopContext {
            sockets: Sockets::new(net),
            shared,
            agenda,
        }
    }

    /// Lends out the net and the agenda, with the clock read anew: a host has done other things since the last turn, and
    /// nothing that begins now is counted from then.
    fn parts(&mut self) -> (&mut Net, &mut Agenda<S>) {
        self.net.refresh_now();
        (&mut self.net, &mut self.agenda)
    }

    fn verbs(&mut self) -> Verbs<'_, S> {
        let (net, agenda) = self.parts();
        Verbs { net, agenda }
    }

    /// Listens on `to`, and lets `accept` make the handler of each connection.
    ///
    /// `to` is an address, a name, a path (on Unix) or a listener that was made elsewhere: see
    /// [`IntoListener`]. Such a listener is made non-blocking, and listens with the backlog of the options; a Unix listener's
    /// path is not removed with the server.
    ///
    /// `accept` gets the loop and what is known of the peer, and answers with a handler, with an `Option` of one (`None` refuses
    /// the connection), or with a box where kinds differ: see [`IntoHandler`]. It can use every other socket, connect
    /// upstream, and write to the new socket. [`serve`](Self::serve) is for the other events of a server.
    ///
    /// The port is taken when this returns, and no callback comes before the next turn.
    ///
    /// ```
    /// use netloop::{Context, EventLoop, SocketHandler, SocketId};
    ///
    /// struct Member;
    ///
    /// impl SocketHandler<Vec<SocketId>> for Member {
    ///     fn on_data(&mut self, cx: &mut Context<'_, Vec<SocketId>>, data: &[u8]) {
    ///         let _ = cx.socket.sockets().broadcast(&*cx.shared, data);
    ///     }
    /// }
    ///
    /// let mut event_loop: EventLoop<Vec<SocketId>> = EventLoop::new()?;
    /// event_loop.listen("127.0.0.1:0", |cx, accepted| {
    ///     // A room of ten.
    ///     if cx.shared.len() == 10 {
    ///         return None;
    ///     }
    ///     cx.shared.push(accepted.id);
    ///     Some(Member)
    /// })?;
    ///
    /// // A listener of the standard library, such as one that was inherited.
    /// let inherited = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// event_loop.listen(inherited, |_, _| Member)?;
    /// # Ok::<(), netloop::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The system's error of binding and listening, at once: EADDRINUSE, EADDRNOTAVAIL, EACCES and the like.
    #[doc(alias = "createServer")]
    #[doc(alias = "net.Server")]
    pub fn listen<F, R, M>(&mut self, to: impl IntoListener, accept: F) -> Result<ServerId>
    where
        F: FnMut(&mut LoopContext<'_, S>, &Accepted) -> R + 'static,
        R: IntoHandler<S, M>,
        M: 'static,
    {
        self.verbs().listen_with(to, ListenOptions::new(), accept)
    }

    /// Listens as [`listen`](Self::listen) does, with options of the server or of its sockets.
    ///
    /// # Errors
    ///
    /// As [`listen`](Self::listen).
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

    /// Listens on `to`, as [`listen`](Self::listen) does, with a [`ServerHandler`], which also learns of errors, of connections
    /// beyond the limit, and of the server's end.
    ///
    /// # Errors
    ///
    /// As [`listen`](Self::listen).
    #[doc(alias = "createServer")]
    pub fn serve(
        &mut self,
        to: impl IntoListener,
        options: impl Into<ListenOptions>,
        handler: impl ServerHandler<S> + 'static,
    ) -> Result<ServerId> {
        self.verbs().serve(to, options.into(), handler)
    }

    /// Connects to `to`, an address, a name with a port or (on Unix) a path. The handler's
    /// [`on_connect`](SocketHandler::on_connect) comes when the connection is there; if it cannot be made, `on_error` and
    /// `on_close` come instead. The socket can be written to at once: the bytes wait for the connection.
    ///
    /// ```no_run
    /// use netloop::{Context, EventLoop, SocketHandler};
    ///
    /// struct Answer;
    ///
    /// impl SocketHandler for Answer {
    ///     fn on_data(&mut self, _: &mut Context<'_>, data: &[u8]) {
    ///         print!("{}", String::from_utf8_lossy(data));
    ///     }
    /// }
    ///
    /// let mut event_loop: EventLoop = EventLoop::new()?;
    /// let id = event_loop.connect("example.org:80", Answer)?;
    /// let _ = event_loop.socket(id).end_with(b"GET / HTTP/1.0\r\nHost: example.org\r\n\r\n");
    /// event_loop.run(&mut ())?;
    /// # Ok::<(), netloop::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Only an error of the arguments. An error of the system is told to the handler, in a later turn.
    #[doc(alias = "createConnection")]
    #[doc(alias = "net.connect")]
    #[doc(alias = "net.Socket")]
    pub fn connect(
        &mut self,
        to: impl IntoEndpoint,
        handler: impl SocketHandler<S> + 'static,
    ) -> Result<SocketId> {
        self.verbs()
            .connect_with(to, ConnectOptions::new(), handler)
    }

    /// Connects as [`connect`](Self::connect) does, with options.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    #[doc(alias = "createConnection")]
    pub fn connect_with(
        &mut self,
        to: impl IntoEndpoint,
        options: impl Into<ConnectOptions>,
        handler: impl SocketHandler<S> + 'static,
    ) -> Result<SocketId> {
        self.verbs().connect_with(to, options.into(), handler)
    }

    /// Takes over a connection that was made elsewhere, a `TcpStream` or a `UnixStream` of the standard library. It is made
    /// non-blocking. `on_connect` does not come: it is connected already.
    ///
    /// # Errors
    ///
    /// The system's error of the descriptor; ENOTCONN if it is not connected.
    pub fn adopt(
        &mut self,
        stream: impl Into<StdStream>,
        options: SocketOptions,
        handler: impl SocketHandler<S> + 'static,
    ) -> Result<SocketId> {
        self.verbs().adopt(stream, options, handler)
    }

    /// Reads `input`, such as [`std::io::stdin`], in the loop: a terminal, a pipe, a socket or a file. Its descriptor is
    /// duplicated and not made non-blocking, which would change it for all programs that share it. The handler gets
    /// `on_data`, `on_end` and `on_close`; nothing can be written.
    ///
    /// # Errors
    ///
    /// The error of `dup(2)`.
    #[doc(alias = "process.stdin")]
    #[cfg(unix)]
    pub fn read_input(
        &mut self,
        input: impl std::os::fd::AsFd,
        handler: impl SocketHandler<S> + 'static,
    ) -> Result<SocketId> {
        self.verbs().read_input(input, handler)
    }

    /// Calls `call` once, when at least `after` has passed; never early, and not in the timer phase that is under way. Timers
    /// due at the same time come in the order in which they were armed.
    ///
    /// A timer that belongs to one socket is better armed with [`Socket::after`](crate::Socket::after): it reaches the
    /// handler, and goes with the socket.
    #[doc(alias = "setTimeout")]
    pub fn after(
        &mut self,
        after: Duration,
        call: impl FnOnce(&mut LoopContext<'_, S>) + 'static,
    ) -> TimerId {
        self.verbs().after(after, call)
    }

    /// Calls `call` every `period`, at least so long after the call before, until it is [cancelled](Timer::cancel). A late
    /// call is not made up for, as in libuv.
    ///
    /// ```
    /// use std::time::Duration;
    /// use netloop::EventLoop;
    ///
    /// let mut event_loop = EventLoop::new()?;
    /// event_loop.every(Duration::from_millis(1), |cx| {
    ///     *cx.shared += 1;
    ///     if *cx.shared == 3 {
    ///         cx.stop();
    ///     }
    /// });
    /// let mut ticks = 0;
    /// event_loop.run(&mut ticks)?;
    /// assert_eq!(ticks, 3);
    /// # Ok::<(), netloop::Error>(())
    /// ```
    #[doc(alias = "setInterval")]
    pub fn every(
        &mut self,
        period: Duration,
        call: impl FnMut(&mut LoopContext<'_, S>) + 'static,
    ) -> TimerId {
        self.verbs().every(period, call)
    }

    /// Returns the timer `id`: to cancel it, to ask when it comes, and to say whether it keeps the loop going.
    #[doc(alias = "clearTimeout")]
    #[doc(alias = "clearInterval")]
    pub fn timer(&mut self, id: TimerId) -> Timer<'_, S> {
        let (net, agenda) = self.parts();
        Timer::new(net, agenda, id)
    }

    /// Calls `call` at the beginning of the next turn, on a fresh stack. Calls are made in the order in which they were deferred.
    #[doc(alias = "setImmediate")]
    pub fn defer(&mut self, call: impl FnOnce(&mut LoopContext<'_, S>) + 'static) {
        self.verbs().defer(call);
    }

    /// Lets [`run`](Self::run) return when the turn that is under way is over, or at once if none is.
    pub fn stop(&mut self) {
        self.verbs().stop();
    }

    /// Returns a handle for other threads, through which they [post](Remote::post) calls to the loop.
    #[doc(alias = "postMessage")]
    pub fn remote(&self) -> Remote<S> {
        self.agenda.remote()
    }

    /// Returns the loop's time: one reading of the clock, made before the wait if anything asks for it, and after it. Where much
    /// waits to be sent the turn looks for news once more, and reads the clock then.
    pub fn now(&self) -> Instant {
        self.net.now()
    }
}
