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
    /// How it ended; `None` until it has.
    pub(crate) outcome: Option<io::Result<()>>,
}

impl Attempt {
    pub(crate) fn writable(&mut self, registration: &mut Registration<'_>) -> Option<Event> {
        self.outcome = match self.stream.finish_connecting() {
            Ok(false) => {
                registration.would_block(Interest::WRITABLE);
                return None;
            }
            // Nobody is there, so the next address has its turn.
            Ok(true) if is_connected_to_itself(&self.stream, self.address) => {
                Some(Err(io::ErrorKind::ConnectionRefused.into()))
            }
            Ok(true) => Some(Ok(())),
            Err(error) => Some(Err(error)),
        };
        Some(Event::AttemptEnded)
    }
}

/// A connect to a port of this machine on which nobody listens can meet itself, if the system happens to choose that
/// very port for this end (simultaneous open, RFC 9293 3.5). Nobody wants that connection.
pub(crate) fn is_connected_to_itself(stream: &Stream, asked: SocketAddr) -> bool {
    let Ok(Some(local)) = stream.local_address() else {
        return false;
    };
    // The port nearly always tells. The address need not: 0.0.0.0 can be connected to, and nobody has it.
    local.port() == asked.port() && stream.peer_address().is_ok_and(|peer| peer == Some(local))
}
