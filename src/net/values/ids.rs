//! The ids of the sockets, servers, UDP sockets, sources and timers of a loop.

use std::fmt;

use crate::reactor::Key;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub(crate) Key);

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, formatter)
            }
        }
    };
}

id! {
    /// The id of a socket, unique during the life of the loop, small and `Copy`.
    ///
    /// An id contains a generation: the id of a gone socket reaches no socket, even if another has taken its slot.
    ///
    /// ```
    /// use netloop::{Context, SocketHandler, SocketId};
    /// use std::collections::HashMap;
    ///
    /// /// The sockets of the users, by name.
    /// type Users = HashMap<String, SocketId>;
    ///
    /// struct Session;
    ///
    /// impl SocketHandler<Users> for Session {
    ///     fn on_data(&mut self, cx: &mut Context<'_, Users>, data: &[u8]) {
    ///         // No harm if ada has left: the write answers `Flow::Closed`.
    ///         if let Some(&ada) = cx.shared.get("ada") {
    ///             cx.socket.socket(ada).write(data).ignore();
    ///         }
    ///     }
    /// }
    /// ```
    SocketId
}

id! {
    /// The id of a server, with the guarantees of [`SocketId`].
    ///
    /// ```
    /// use netloop::{Context, EventLoop, SocketHandler};
    /// # struct Echo;
    /// # impl SocketHandler for Echo { fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {} }
    ///
    /// let mut event_loop: EventLoop = EventLoop::new()?;
    /// let server = event_loop.listen("127.0.0.1:0", |_, _| Echo)?;
    /// println!("listening on {:?}", event_loop.server(server).address());
    /// event_loop.server(server).close();
    /// event_loop.run(&mut ())?;
    /// assert!(!event_loop.server(server).is_listening());
    /// # Ok::<(), netloop::Error>(())
    /// ```
    ServerId
}

id! {
    /// The id of a [UDP socket](crate::DatagramSocket), with the guarantees of [`SocketId`].
    ///
    /// ```
    /// use netloop::{Context, DatagramId, SocketHandler};
    /// use std::net::SocketAddr;
    ///
    /// /// The UDP socket of a game, with the addresses of its players.
    /// struct Game {
    ///     updates: DatagramId,
    ///     players: Vec<SocketAddr>,
    /// }
    ///
    /// /// The TCP connection of an operator, which reaches the players through the id.
    /// struct Operator;
    ///
    /// impl SocketHandler<Game> for Operator {
    ///     fn on_data(&mut self, cx: &mut Context<'_, Game>, line: &[u8]) {
    ///         for &player in &cx.shared.players {
    ///             let mut sockets = cx.socket.sockets();
    ///             sockets.datagram_socket(cx.shared.updates).send_to(player, line).ignore();
    ///         }
    ///     }
    /// }
    /// ```
    DatagramId
}

id! {
    /// The id of a [source](crate::EventLoop::add_source) of the program, with the guarantees of [`SocketId`].
    ///
    /// ```
    /// use mio::net::UdpSocket;
    /// use netloop::{EventLoop, Interest, SourceHandler};
    ///
    /// struct Ignore;
    ///
    /// impl SourceHandler for Ignore {
    ///     type Source = UdpSocket;
    /// }
    ///
    /// let mut event_loop: EventLoop = EventLoop::new()?;
    /// let socket = UdpSocket::bind("127.0.0.1:0".parse().unwrap())?;
    /// let id = event_loop.add_source(socket, Interest::READABLE, Ignore)?;
    /// event_loop.source(id).close();
    /// assert!(event_loop.source(id).is_closed());
    /// # Ok::<(), netloop::Error>(())
    /// ```
    SourceId
}

id! {
    /// The id of a timer, with the guarantees of [`SocketId`].
    ///
    /// ```
    /// use netloop::EventLoop;
    /// use std::time::Duration;
    ///
    /// let mut event_loop: EventLoop = EventLoop::new()?;
    /// let timer = event_loop.after(Duration::from_secs(60), |_| unreachable!("cancelled"));
    /// assert!(event_loop.timer(timer).cancel());
    /// // A timer that is gone is no error.
    /// assert!(!event_loop.timer(timer).cancel());
    /// # Ok::<(), netloop::Error>(())
    /// ```
    TimerId
}
