//! One of several connects that race for the same connection.

use std::io;
use std::net::SocketAddr;

use crate::reactor::{Interest, Key, Registration};
use crate::system::Stream;

/// A connect under way, for the connection `owner`.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) stream: Stream,
    pub(crate) owner: Key,
    pub(crate) address: SocketAddr,
}

impl Attempt {
    /// How it ended, if it has.
    pub(crate) fn writable(&self, registration: &mut Registration<'_>) -> Option<io::Result<()>> {
        match self.stream.finish_connecting() {
            Ok(false) => {
                registration.would_block(Interest::WRITABLE);
                None
            }
            Ok(true) => Some(Ok(())),
            Err(error) => Some(Err(error)),
        }
    }
}
