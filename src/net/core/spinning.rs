//! The source that keeps the loop awake although nothing happens.

use crate::net::error::Error;
use crate::net::values::{CloseReason, DatagramId, ServerId, SocketId, SourceId};

use super::Net;
use super::source::Source;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awake {
    /// A socket, or one of its attempts to connect.
    Socket(SocketId),
    Server(ServerId),
    Datagram(DatagramId),
    Source(SourceId),
}

impl Net {
    pub(crate) fn turns(&self) -> u64 {
        self.loop_admission.turns()
    }

    /// A count of what turns do without a callback: bytes that move, and peers that are dropped. Peers of the block list
    /// come as often as they like, and must not make the turns that drop them look idle.
    pub(crate) fn silent_progress(&self) -> u64 {
        let refused: u64 = self.tally.refused.iter().sum();
        self.moved_bytes() + self.tally.dropped_blocked + refused
    }

    pub(crate) fn queued_sources(&self) -> usize {
        self.reactor.queued()
    }

    pub(crate) fn keeps_awake(&self) -> Option<Awake> {
        let key = self.reactor.first_queued()?;
        Some(match self.reactor.get(key)? {
            Source::Connection(_) => Awake::Socket(SocketId(key)),
            Source::Attempt(attempt) => Awake::Socket(SocketId(attempt.owner)),
            Source::Listener(_) => Awake::Server(ServerId(key)),
            Source::Datagrams(_) => Awake::Datagram(DatagramId(key)),
            Source::Custom(_) => Awake::Source(SourceId(key)),
        })
    }

    /// Closes what keeps the loop awake. A socket's handler gets an internal error. A source of the program stays: only
    /// the program knows whether it is needed.
    pub(crate) fn close_spinning(&mut self) {
        match self.keeps_awake() {
            Some(Awake::Socket(id)) => {
                let text = "the loop turned for nothing because of this socket, which is a defect of netloop";
                let error = Error::with_code(Error::INTERNAL, text);
                self.close_attempts(id);
                self.with_connection(id, |connection, registration, _| {
                    if !connection.is_closed() {
                        connection.fail(error, CloseReason::Error, registration);
                    }
                });
            }
            Some(Awake::Server(id)) => self.close_server(id),
            Some(Awake::Datagram(id)) => {
                let text = "the loop turned for nothing because of this UDP socket, which is a defect of netloop";
                self.fail_datagrams(id, Error::with_code(Error::INTERNAL, text));
            }
            Some(Awake::Source(_)) | None => {}
        }
    }

    /// Puts a source that has nothing to do on the run queue.
    #[cfg(test)]
    pub(crate) fn wake_for_nothing(&mut self, key: crate::reactor::Key) {
        self.reactor
            .visit(key, |_, registration| registration.activate());
    }
}
