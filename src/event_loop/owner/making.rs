//! The constructors of a loop, and the views of its sockets, servers, UDP sockets and sources.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::event_loop::EventLoop;
use crate::event_loop::agenda::Agenda;
use crate::event_loop::mailbox::Mailbox;
use crate::event_loop::turns::{Part, ReadBuffer};
use crate::event_loop::watch::Meter;
use crate::net::{
    Capacities, DatagramId, DatagramSocket, Net, Result, Server, ServerId, Socket, SocketId,
    Sockets, Source, SourceId,
};
use crate::slots::SideTable;
use crate::system::System;

use super::options::EventLoopOptions;

/// Making a loop.
impl<S> EventLoop<S> {
    /// Makes a loop with all [options](EventLoopOptions) at their defaults. A loop can be made on any thread, and stays
    /// there.
    ///
    /// ```
    /// use netloop::EventLoop;
    ///
    /// // `u32` is the type of the state that all callbacks share. The compiler usually infers it from the handlers.
    /// let mut event_loop: EventLoop<u32> = EventLoop::new()?;
    /// event_loop.defer(|cx| *cx.shared += 1);
    /// let mut calls = 0;
    /// event_loop.run(&mut calls)?;
    /// assert_eq!(calls, 1);
    /// # Ok::<(), netloop::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The system's error if it gives no selector or no descriptor, such as EMFILE.
    pub fn new() -> Result<Self> {
        Self::with_options(EventLoopOptions::new())
    }

    /// Makes a loop with `options`.
    ///
    /// ```
    /// use netloop::{EventLoop, EventLoopOptions, Limits};
    ///
    /// // For a server that every host of the internet reaches.
    /// let options = EventLoopOptions::new().limits(Limits::internet().max_connections(5_000));
    /// let event_loop: EventLoop = EventLoop::with_options(options)?;
    /// # Ok::<(), netloop::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), and [ERR_INVALID_ARGUMENT](crate::Error::INVALID_ARGUMENT) for an option out of range.
    pub fn with_options(options: EventLoopOptions) -> Result<Self> {
        Self::on(System::Kernel, options)
    }

    pub(crate) fn on(system: System, options: EventLoopOptions) -> Result<Self> {
        options.check()?;
        let capacities = Capacities {
            events_per_poll: options.events_per_poll.max(1),
            pooled_bytes: options.pooled_bytes,
        };
        let mut net = Net::new(system, &capacities, options.limits.clone())?;
        net.busy_poll(options.busy_poll);
        #[cfg(all(feature = "precise", target_os = "linux"))]
        if options.is_precise || options.is_descriptor_enough {
            net.open_alarm(options.is_precise)?;
        }
        let mailbox = Mailbox::new(
            net.wake_handle(),
            net.wake_listener(),
            options.posts_capacity,
        );
        let meter = Meter::new(net.now());
        Ok(Self {
            agenda: Agenda::new(Arc::new(mailbox), meter),
            net,
            handlers: SideTable::new(),
            server_handlers: SideTable::new(),
            datagram_handlers: SideTable::new(),
            sources: SideTable::new(),
            posts: VecDeque::new(),
            read_buffer: Some(ReadBuffer::new(options.read_buffer_length())),
            #[cfg(all(feature = "precise", target_os = "linux"))]
            mirror: super::mirror::Mirror::new(&options),
            options,
            calling: None,
            unclosed: None,
            unclosed_datagrams: None,
            resumes_at: Part::Calls,
            told_deadline: None,
            stall_hook: None,
            pressure_hook: None,
            panic_hook: None,
        })
    }

    /// Returns the options that the loop was made with.
    pub fn options(&self) -> &EventLoopOptions {
        &self.options
    }
}

/// The sockets, servers and sources of the loop.
impl<S> EventLoop<S> {
    /// Returns the view of the socket `id`. If the socket is gone, the view does nothing. Short writes through the view
    /// leave in the next turn, or in [`flush`](Self::flush). A write of 16 KiB or more is offered to the kernel at
    /// once, and so is a queue that reaches its high watermark.
    ///
    /// ```
    /// # use netloop::{Context, EventLoop, SocketHandler};
    /// # struct Echo;
    /// # impl SocketHandler for Echo { fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) { cx.socket.write(data).ignore() } }
    /// # let mut event_loop: EventLoop = EventLoop::new()?;
    /// # let server = event_loop.listen("127.0.0.1:0", |_, _| Echo)?;
    /// # let address = event_loop.server(server).address().unwrap();
    /// let client = event_loop.connect(address, Echo)?;
    /// // The bytes wait for the connection.
    /// event_loop.socket(client).write(b"hello").ignore();
    /// assert_eq!(event_loop.socket(client).queued_bytes(), 5);
    /// # Ok::<(), netloop::Error>(())
    /// ```
    pub fn socket(&mut self, id: SocketId) -> Socket<'_> {
        Socket::new(self.net_now(), id)
    }

    /// Returns the view of the server `id`. If the server is gone, the view does nothing.
    pub fn server(&mut self, id: ServerId) -> Server<'_> {
        Server::new(self.net_now(), id)
    }

    /// Returns the view of the UDP socket `id`. If the socket is gone, the view does nothing.
    pub fn datagram_socket(&mut self, id: DatagramId) -> DatagramSocket<'_> {
        DatagramSocket::new(self.net_now(), id)
    }

    /// Returns the view of the source `id`. If the source is gone, the view does nothing.
    pub fn source(&mut self, id: SourceId) -> Source<'_> {
        Source::new(self.net_now(), id)
    }

    /// Returns the view of all sockets, servers and sources.
    ///
    /// ```
    /// # let mut event_loop: netloop::EventLoop = netloop::EventLoop::new()?;
    /// // The same bytes to all sockets.
    /// let mut sockets = event_loop.sockets();
    /// let ids: Vec<_> = sockets.ids().collect();
    /// for (slow, _) in sockets.broadcast(&ids, b"the server restarts in a minute\n") {
    ///     sockets.socket(slow).destroy();
    /// }
    /// # Ok::<(), netloop::Error>(())
    /// ```
    pub fn sockets(&mut self) -> Sockets<'_> {
        Sockets::new(self.net_now())
    }
}
