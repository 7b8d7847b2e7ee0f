//! The methods of the loop that make UDP sockets.

use crate::event_loop::handlers::DatagramHandler;
use crate::event_loop::{EventLoop, LoopContext};
use crate::net::{DatagramId, DatagramOptions, IntoEndpoint, Result};

/// UDP sockets.
impl<S> EventLoop<S> {
    /// Opens a UDP socket that is bound to `to`: an address, or a name that is looked up as for
    /// [`listen`](Self::listen). On an address, the socket is bound when this returns, and may send at once. No callback
    /// comes before the next turn.
    ///
    /// ```
    /// use std::net::SocketAddr;
    /// use netloop::{DatagramContext, DatagramHandler, DatagramOptions, EventLoop};
    ///
    /// struct Ask;
    /// struct Answer;
    ///
    /// impl DatagramHandler<String> for Answer {
    ///     fn on_message(&mut self, cx: &mut DatagramContext<'_, String>, from: SocketAddr, data: &[u8]) {
    ///         cx.socket.send_to(from, &data.to_ascii_uppercase()).ignore();
    ///         cx.socket.close();
    ///     }
    /// }
    /// impl DatagramHandler<String> for Ask {
    ///     fn on_connect(&mut self, cx: &mut DatagramContext<'_, String>) {
    ///         cx.socket.send(b"hello").ignore();
    ///     }
    ///     fn on_message(&mut self, cx: &mut DatagramContext<'_, String>, _: SocketAddr, data: &[u8]) {
    ///         cx.shared.push_str(&String::from_utf8_lossy(data));
    ///         cx.socket.close();
    ///     }
    /// }
    ///
    /// # fn main() -> netloop::Result<()> {
    /// let mut event_loop: EventLoop<String> = EventLoop::new()?;
    /// let server = event_loop.bind_udp("127.0.0.1:0", DatagramOptions::new(), Answer)?;
    /// let address = event_loop.datagram_socket(server).local_address().expect("it is bound");
    /// event_loop.connect_udp(address, DatagramOptions::new(), Ask)?;
    ///
    /// let mut answer = String::new();
    /// event_loop.run(&mut answer)?;
    /// assert_eq!(answer, "HELLO");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The system's error of the socket, an option or the bind, at once: EMFILE, EADDRINUSE, EACCES and the like.
    /// [ERR_INVALID_ARGUMENT](crate::Error::INVALID_ARGUMENT) for a path, and for an option out of its range. The handler
    /// gets the errors of a name.
    #[doc(alias = "createSocket")]
    #[doc(alias = "dgram.bind")]
    pub fn bind_udp(
        &mut self,
        to: impl IntoEndpoint,
        options: DatagramOptions,
        handler: impl DatagramHandler<S> + 'static,
    ) -> Result<DatagramId> {
        self.verbs().bind_udp(to, &options, handler)
    }

    /// Opens a UDP socket that is connected to `to`: an address, or a name with a port. The socket sends to this peer,
    /// and receives from this peer alone. The system chooses the local address, unless the options name one. If `to` is
    /// a name, the socket connects to the first of the name's addresses that the system has a route to. Datagrams that
    /// are [sent](crate::DatagramSocket::send) before the name is found wait in the queue.
    ///
    /// # Errors
    ///
    /// As [`bind_udp`](Self::bind_udp), and the system's error of the connect to an address, such as ENETUNREACH. If the
    /// address is on the [block list](crate::DatagramOptions::send_block_list), ERR_IP_BLOCKED.
    #[doc(alias = "dgram.connect")]
    pub fn connect_udp(
        &mut self,
        to: impl IntoEndpoint,
        options: DatagramOptions,
        handler: impl DatagramHandler<S> + 'static,
    ) -> Result<DatagramId> {
        self.verbs().connect_udp(to, &options, handler)
    }

    /// Adds a UDP socket that was made elsewhere, such as one that systemd has passed. The socket becomes non-blocking.
    /// If it is connected, `on_connect` comes after `on_listening`. A duplicate of the socket may stay elsewhere, and
    /// another holder may make it blocking again. So each receive and send costs one more system call (`fcntl(2)`).
    /// Options that only the bind or the connect reads, such as `reuse_address`, have no effect; nor has `in_batches`.
    ///
    /// # Errors
    ///
    /// The system's error of the descriptor or of an option, and ERR_INVALID_ARGUMENT for an option out of its range.
    /// ERR_IP_BLOCKED for a socket that is connected to an address on the [block
    /// list](crate::DatagramOptions::send_block_list). On an error the socket is closed.
    pub fn adopt_udp(
        &mut self,
        socket: std::net::UdpSocket,
        options: DatagramOptions,
        handler: impl DatagramHandler<S> + 'static,
    ) -> Result<DatagramId> {
        self.verbs().adopt_udp(socket, &options, handler)
    }
}

/// UDP sockets.
impl<S> LoopContext<'_, S> {
    /// Opens a UDP socket that is bound to `to`: [`EventLoop::bind_udp`](crate::EventLoop::bind_udp).
    ///
    /// # Errors
    ///
    /// As [`EventLoop::bind_udp`](crate::EventLoop::bind_udp).
    pub fn bind_udp(
        &mut self,
        to: impl IntoEndpoint,
        options: DatagramOptions,
        handler: impl DatagramHandler<S> + 'static,
    ) -> Result<DatagramId> {
        self.verbs().bind_udp(to, &options, handler)
    }

    /// Opens a UDP socket that is connected to `to`: [`EventLoop::connect_udp`](crate::EventLoop::connect_udp).
    ///
    /// # Errors
    ///
    /// As [`EventLoop::connect_udp`](crate::EventLoop::connect_udp).
    pub fn connect_udp(
        &mut self,
        to: impl IntoEndpoint,
        options: DatagramOptions,
        handler: impl DatagramHandler<S> + 'static,
    ) -> Result<DatagramId> {
        self.verbs().connect_udp(to, &options, handler)
    }

    /// Adds a UDP socket of the standard library: [`EventLoop::adopt_udp`](crate::EventLoop::adopt_udp).
    ///
    /// # Errors
    ///
    /// As [`EventLoop::adopt_udp`](crate::EventLoop::adopt_udp).
    pub fn adopt_udp(
        &mut self,
        socket: std::net::UdpSocket,
        options: DatagramOptions,
        handler: impl DatagramHandler<S> + 'static,
    ) -> Result<DatagramId> {
        self.verbs().adopt_udp(socket, &options, handler)
    }
}
