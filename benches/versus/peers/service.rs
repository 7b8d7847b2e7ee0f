//! What every server of the comparison does, whatever it is written with: its mode, its port, its command line.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// Node's backlog, which all peers use.
pub(crate) const BACKLOG: i32 = 511;
/// The idle timeout of the workloads that have one.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// What the server does with a connection.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Mode {
    /// Sends back what it receives; stops reading while the peer does not read.
    Echo,
    /// The same, but every [`MESSAGE`](crate::pattern::MESSAGE) bytes are written by themselves, as a server does that
    /// answers requests one by one: whether they leave as one is up to what it is written with.
    Messages,
    /// Drops what it receives; answers the peer's end of stream with the number of bytes, 8 bytes big-endian.
    Discard,
    /// Sends [`flood_block`](crate::pattern::flood_block) over and over, as fast as the peer reads.
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

    /// The word on a server's command line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Messages => "messages",
            Self::Discard => "discard",
            Self::Flood => "flood",
            Self::Broadcast => "broadcast",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.word() == word)
    }
}

/// What a server is asked to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Service {
    /// 0 lets the system choose.
    pub(crate) port: u16,
    pub(crate) mode: Mode,
    /// Close a connection on which nothing has moved for so long.
    pub(crate) idle_timeout: Option<Duration>,
}

impl Service {
    /// Opens the listening socket. `TCP_NODELAY` is set on the listener, from which Linux hands it on to every
    /// accepted connection: one call instead of one per connection.
    pub(crate) fn listen(&self) -> io::Result<TcpListener> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.set_tcp_nodelay(true)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)).into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    }
}

/// Tells the comparison that connections are welcome; every peer prints this one line.
pub(crate) fn announce(address: SocketAddr) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "listening {address}")?;
    output.flush()
}
