//! The service of every server of the comparison, in whatever language: its mode, its port, its command line.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// Node's backlog, which all peers use.
const BACKLOG: i32 = 511;

/// The work of a server with a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mode {
    /// Sends back what it receives; stops reading while the peer does not read.
    Echo,
    /// The same, but every [`MESSAGE`](crate::pattern::MESSAGE) bytes are a write, as of a server that answers requests
    /// one by one. Whether they leave as one is up to the library.
    Messages,
    /// Drops what it receives; answers the peer's end of stream with the number of bytes, 8 bytes big-endian.
    Discard,
    /// Sends [`FLOOD`](crate::pattern::FLOOD) over and over, as fast as the peer reads.
    Flood,
    /// Sends what one member says to every other member.
    Broadcast,
}

impl Mode {
    pub(crate) const ALL: [Self; 5] = [
        Self::Echo,
        Self::Messages,
        Self::Discard,
        Self::Flood,
        Self::Broadcast,
    ];

    /// Returns the word on a server's command line.
    pub(crate) fn word(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

/// The arguments of a server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Service {
    /// 0 lets the system choose.
    pub(crate) port: u16,
    pub(crate) mode: Mode,
    /// A connection on which nothing has moved for so long is closed.
    pub(crate) idle_timeout: Option<Duration>,
}

impl Service {
    /// A service on any port.
    pub(crate) fn new(mode: Mode, idle_timeout: Option<Duration>) -> Self {
        Self {
            port: 0,
            mode,
            idle_timeout,
        }
    }

    pub(crate) fn arguments(&self) -> Vec<String> {
        let mut arguments = vec![self.port.to_string(), self.mode.word()];
        if let Some(idle_timeout) = self.idle_timeout {
            arguments.push("--idle-timeout".to_owned());
            arguments.push(idle_timeout.as_secs().to_string());
        }
        arguments
    }

    /// Opens the listening socket and prints its address, which every peer does with this one line. TCP_NODELAY is set
    /// on the listener, from which Linux hands it on to every accepted connection.
    pub(crate) fn listen(&self) -> io::Result<TcpListener> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.set_tcp_nodelay(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)).into())?;
        socket.listen(BACKLOG)?;
        let listener = TcpListener::from(socket);
        let mut output = io::stdout().lock();
        writeln!(output, "listening {}", listener.local_addr()?)?;
        output.flush()?;
        Ok(listener)
    }
}
