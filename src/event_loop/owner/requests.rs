//! The methods with which the owner of a loop makes servers, connections and sources.

use crate::event_loop::EventLoop;
use crate::event_loop::agenda::Agenda;
use crate::event_loop::contexts::{LoopContext, Verbs};
use crate::event_loop::handlers::{
    Accepted, Attached, ServerHandler, SocketHandler, SourceHandler,
};
use crate::event_loop::into_handler::IntoHandler;
use crate::net::{
    ConnectOptions, Interest, IntoEndpoint, IntoListener, ListenOptions, Net, Result, ServerId,
    SocketId, SocketOptions, Sockets, SourceId, StdStream,
};

/// Servers, clients, and sources of the program.
impl<S> EventLoop<S> {
    /// Returns the loop in the form that callbacks without a socket get, with `shared` lent to it, to call helpers that
    /// callbacks use too. Some methods exist on [`LoopContext`] only.
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

    /// Reads the clock first: a deadline that begins now must not count from the last turn.
    pub(crate) fn parts(&mut self) -> (&mut Net, &mut Agenda<S>) {
        #[cfg(all(feature = "precise", target_os = "linux"))]
        self.show_change();
        self.net.refresh_now();
        (&mut self.net, &mut self.agenda)
    }

    pub(crate) fn verbs(&mut self) -> Verbs<'_, S> {
        let (net, agenda) = self.parts();
        Verbs { net, agenda }
    }

    /// Listens on `to`, and calls `accept` for the handler of each connection. On an address or a path, the server is
    /// bound when this returns. No callback comes before the next turn.
    ///
    /// `to` is an address, a name, a path (on Unix), or a listener that was made elsewhere: see [`IntoListener`]. Such
    /// a listener becomes non-blocking, and listens with the backlog of the options. The loop does not remove its path.
    ///
    /// `accept` gets the loop and the addresses of the connection. The closure returns a handler, an `Option` of a
    /// handler (`None` refuses the connection), or a box if the types of handlers differ: see [`IntoHandler`]. The
    /// closure may use every other socket, connect to another server, and write to the new socket. For the other events
    /// of a server, use [`serve`](Self::serve).
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
    /// The system's error of bind and listen, at once: EADDRINUSE, EADDRNOTAVAIL, EACCES and the like.
    /// [ERR_INVALID_ARGUMENT](crate::Error::INVALID_ARGUMENT) for an option out of its range. A name gives no error
    /// here: [`ServerHandler::on_error`] gets it.
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
    /// ```
    /// # use netloop::{Context, EventLoop, ListenOptions, SocketOptions, SocketHandler};
    /// # struct Quiet;
    /// # impl SocketHandler for Quiet { fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {} }
    /// # let mut event_loop: EventLoop = EventLoop::new()?;
    /// use std::time::Duration;
    ///
    /// let options = ListenOptions::new()
    ///     .max_connections(1_000)
    ///     .socket(SocketOptions::new().idle_timeout(Duration::from_secs(60)));
    /// event_loop.listen_with("127.0.0.1:0", options, |_, _| Quiet)?;
    /// # Ok::<(), netloop::Error>(())
    /// ```
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

    /// Listens as [`listen`](Self::listen) does, with a [`ServerHandler`] for errors, refusals and the close too.
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

    /// Connects to `to`: an address, a name with a port, or (on Unix) a path. [`on_connect`](SocketHandler::on_connect)
    /// comes when the connection is established. If the connect fails, `on_error` and `on_close` come instead. The
    /// program may write to the socket at once: the bytes wait for the connection. The connect to an address is made in
    /// the running turn, or in the next one if none runs. First
    /// [`on_connection_attempt`](SocketHandler::on_connection_attempt) comes. If the socket is closed before or in that
    /// call, no server sees a connection. [`flush`](Self::flush) calls no handler, and so makes no connect. A path is
    /// connected to within this call, as in Node.
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
    /// Only an error of the arguments: the endpoint, or an option out of its range. The handler gets all others later.
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
    /// ```
    /// # use netloop::{ConnectOptions, Context, EventLoop, SocketHandler};
    /// # struct Quiet;
    /// # impl SocketHandler for Quiet { fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {} }
    /// # let mut event_loop: EventLoop = EventLoop::new()?;
    /// use std::time::Duration;
    ///
    /// let options = ConnectOptions::new().connect_timeout(Duration::from_secs(5));
    /// let id = event_loop.connect_with("127.0.0.1:1", options, Quiet)?;
    /// // The caller may write at once: the bytes wait for the connection.
    /// event_loop.socket(id).write(b"hello\n").ignore();
    /// # Ok::<(), netloop::Error>(())
    /// ```
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

    /// Adds a connection that was made elsewhere to the loop: a `TcpStream` or a `UnixStream` of the standard library.
    /// The stream becomes non-blocking. It is connected already, so `on_connect` does not come. If the connection is
    /// over already, the handler gets the bytes that are unread, and then the end or the error.
    ///
    /// A duplicate of the stream may stay elsewhere, also in another process. The end of this side reaches the peer all
    /// the same. After [`destroy`](crate::Socket::destroy), a failure or the drop of the loop, the connection lives on
    /// in the duplicate. The close turns a non-zero SO_LINGER off, because the system would make the loop wait. Another
    /// holder may make the stream blocking again, so each read costs one more system call (`fcntl(2)`).
    ///
    /// ```
    /// use netloop::{Context, EventLoop, SocketHandler, SocketOptions};
    /// use std::net::{TcpListener, TcpStream};
    /// # struct Echo;
    /// # impl SocketHandler for Echo { fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) { cx.socket.write(data).ignore() } }
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let stream = TcpStream::connect(listener.local_addr()?)?;
    /// let mut event_loop: EventLoop = EventLoop::new()?;
    /// let id = event_loop.adopt(stream, SocketOptions::new(), Echo)?;
    /// assert_eq!(event_loop.socket(id).peer_address(), Some(listener.local_addr()?));
    /// # Ok::<(), netloop::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The system's error of the descriptor, and ENOTCONN if the stream was never connected. EINVAL for a socket that
    /// keeps messages apart, such as SOCK_SEQPACKET. ERR_INVALID_ARGUMENT for an option out of its range. On an error
    /// the stream is closed.
    pub fn adopt(
        &mut self,
        stream: impl Into<StdStream>,
        options: SocketOptions,
        handler: impl SocketHandler<S> + 'static,
    ) -> Result<SocketId> {
        self.verbs().adopt(stream, options, handler)
    }

    /// Reads `input`, such as [`std::io::stdin`], in the loop: a terminal, a pipe, a stream socket or a file. The
    /// handler gets only `on_data`, `on_end`, `on_error` and `on_close`, and cannot write.
    ///
    /// The loop leaves the descriptor as it is, blocking or not, because all programs that share the descriptor share
    /// this setting. Several programs may read the same input: the loop asks the kernel right before each read whether
    /// the bytes are still there. Linux also lets the loop open a pipe or a terminal anew, so that no read waits at
    /// all. This may be refused (another system, no `/proc`, a pipe of another user), and other inputs cannot be opened
    /// anew. Another program may then take the bytes between the question and the read, and the loop waits until the
    /// next byte.
    ///
    /// A terminal in raw mode that several programs read should have a VMIN of at least 1. With 0, a read whose bytes
    /// another program has just taken returns no byte, which is also how the kernel tells the end.
    ///
    /// ```no_run
    /// use netloop::text::Lines;
    /// use netloop::{Context, EventLoop, SocketHandler};
    ///
    /// #[derive(Default)]
    /// struct Keyboard {
    ///     lines: Lines,
    /// }
    ///
    /// impl SocketHandler for Keyboard {
    ///     fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) {
    ///         for line in self.lines.push(data).flatten() {
    ///             match line {
    ///                 b"quit" => cx.stop(),
    ///                 line => println!("unknown: {}", String::from_utf8_lossy(line)),
    ///             }
    ///         }
    ///     }
    /// }
    ///
    /// let mut event_loop: EventLoop = EventLoop::new()?;
    /// event_loop.read_input(std::io::stdin(), Keyboard::default())?;
    /// event_loop.run(&mut ())?;
    /// # Ok::<(), netloop::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The error of `dup(2)`; EISDIR for a directory, EBADF for a descriptor that was not opened for reading. EINVAL for
    /// a socket that keeps messages apart or listens, and for a descriptor of events (eventfd, inotify) in blocking mode.
    #[doc(alias = "process.stdin")]
    #[cfg(unix)]
    pub fn read_input(
        &mut self,
        input: impl std::os::fd::AsFd,
        handler: impl SocketHandler<S> + 'static,
    ) -> Result<SocketId> {
        self.verbs().read_input(input, handler)
    }

    /// Puts a source of your own into the loop: any [`mio::event::Source`], such as the UDP socket of mio, or on Unix
    /// any [`Descriptor`](crate::Descriptor). The loop calls `handler` while the source is ready for a direction of
    /// `interest`, with the same budget and fairness as for sockets. [`SourceHandler`] has the rules and an example.
    /// The source keeps [`run`](Self::run) going until it is closed or [released](crate::Source::release). One
    /// descriptor can be in a loop once. A source that both reads and writes is one source with one handler.
    ///
    /// # Errors
    ///
    /// The system's error about the registration, with [`Syscall::Register`](crate::Syscall::Register). EPERM for a
    /// descriptor that the kernel cannot poll, such as a regular file. EEXIST for a descriptor that is in the loop
    /// already. Others, such as EBADF and ENOSPC, as the kernel says. A simulated loop polls no kernel and returns
    /// `Unsupported`. On an error the source and the handler are dropped.
    #[doc(alias = "uv_poll_t")]
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

    /// Takes the source `id` out of the loop at once, and returns the handler with the deregistered object. No
    /// `on_close` comes. Returns `None`, and changes nothing, if the source is gone or its handler has another type
    /// than `H`, and in a [forked child](Self#forks). A callback [closes](crate::Source::close) the source instead, and
    /// `on_close` gets both.
    ///
    /// ```
    /// use mio::net::UdpSocket;
    /// use netloop::{EventLoop, Interest, SourceHandler};
    ///
    /// struct Quiet;
    ///
    /// impl SourceHandler for Quiet {
    ///     type Source = UdpSocket;
    /// }
    ///
    /// # fn main() -> netloop::Result<()> {
    /// let socket = UdpSocket::bind("127.0.0.1:0".parse().unwrap())?;
    /// let mut event_loop: EventLoop = EventLoop::new()?;
    /// let id = event_loop.add_source(socket, Interest::READABLE, Quiet)?;
    /// let (_, socket) = event_loop.detach_source::<Quiet>(id).unwrap();
    /// println!("{:?} belongs to the program again", socket.local_addr());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "dropping the source closes it"]
    pub fn detach_source<H>(&mut self, id: SourceId) -> Option<(H, H::Source)>
    where
        H: SourceHandler<S> + 'static,
    {
        #[cfg(all(feature = "precise", target_os = "linux"))]
        self.show_change();
        // A source that was added since the last turn is not in the table yet.
        self.install();
        let source = self.sources.get_mut(id.0)?;
        if !source.as_any().is::<Attached<H, H::Source>>() {
            return None;
        }
        // In a forked child, to deregister the source would stop the kernel's reports to the parent, too.
        self.net.check_owner().ok()?;
        self.net.remove_source(id);
        self.net.deregister_source(source.object());
        let source = self.sources.remove(id.0)?.into_any();
        let attached: Box<Attached<H, H::Source>> = source.downcast().ok()?;
        Some((attached.handler, attached.source))
    }
}
