//! An attempt: a connect to one address of a name. One or several attempts race for a connection.

use std::io;
use std::net::SocketAddr;

use crate::net::values::Event;
use crate::reactor::{Interest, Key, Registration};
use crate::system::Stream;

/// A connect to one address of a name, as a source of its own. The connection `owner` waits for the result.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) stream: Stream,
    pub(crate) owner: Key,
    pub(crate) address: SocketAddr,
    /// The result; `None` while the attempt is under way.
    pub(crate) outcome: Option<io::Result<()>>,
}

impl Attempt {
    pub(crate) fn on_writable(&mut self, registration: &mut Registration<'_>) -> Option<Event> {
        self.outcome = match self.stream.finish_connecting() {
            Ok(false) => {
                registration.would_block(Interest::WRITABLE);
                return None;
            }
            // The stream is connected to itself, because no server listens at this address. So the attempt fails.
            Ok(true) if is_connected_to_itself(&self.stream, self.address) => {
                Some(Err(io::ErrorKind::ConnectionRefused.into()))
            }
            Ok(true) => Some(Ok(())),
            Err(error) => Some(Err(error)),
        };
        Some(Event::AttemptEnded)
    }
}

/// Whether the stream has become its own peer, of no use to any program. That happens to a connect to a port of this
/// machine if no server listens there, and the system chooses the same local port (simultaneous open, RFC 9293 3.5).
pub(crate) fn is_connected_to_itself(stream: &Stream, asked: SocketAddr) -> bool {
    let Ok(Some(local)) = stream.local_address() else {
        return false;
    };
    // Fast path: the ports differ for nearly every stream, and then the kernel is not asked for the peer. `asked`
    // cannot replace the peer, because a connect to 0.0.0.0 reaches another address.
    local.port() == asked.port() && stream.peer_address().is_ok_and(|peer| peer == Some(local))
}
