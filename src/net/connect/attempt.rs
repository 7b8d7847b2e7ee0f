//! One of several connects that race for the same connection.

use std::io;
use std::net::SocketAddr;

use crate::net::values::Event;
use crate::reactor::{Interest, Key, Registration};
use crate::system::Stream;

/// A connect under way, for the connection `owner`.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) stream: Stream,
    pub(crate) owner: Key,
    pub(crate) address: SocketAddr,
    /// The result; `None` while the attempt is under way.
    pub(crate) outcome: Option<io::Result<()>>,
}

impl Attempt {
    /// Asks the kernel for the result of the connect, if there is one already.
    pub(crate) fn on_writable(&mut self, registration: &mut Registration<'_>) -> Option<Event> {
        self.outcome = match self.stream.finish_connecting() {
            Ok(false) => {
                registration.would_block(Interest::WRITABLE);
                return None;
            }
            // No server is there, so the next address has its turn.
            Ok(true) if is_connected_to_itself(&self.stream, self.address) => {
                Some(Err(io::ErrorKind::ConnectionRefused.into()))
            }
            Ok(true) => Some(Ok(())),
            Err(error) => Some(Err(error)),
        };
        Some(Event::AttemptEnded)
    }
}

/// Whether a connect has met itself instead of a server.
///
/// A connect to a local port without a server meets itself if the system chooses that very port for this end
/// (simultaneous open, RFC 9293 3.5). Such a connection is of no use to any program.
pub(crate) fn is_connected_to_itself(stream: &Stream, asked: SocketAddr) -> bool {
    let Ok(Some(local)) = stream.local_address() else {
        return false;
    };
    // The port nearly always tells. The address need not: 0.0.0.0 can be connected to, but is no socket's own.
    local.port() == asked.port() && stream.peer_address().is_ok_and(|peer| peer == Some(local))
}
