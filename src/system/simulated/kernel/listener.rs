//! A listening socket, as its kernel sees it.

use std::collections::VecDeque;
use std::net::SocketAddr;

use crate::readiness::Readiness;
use crate::slots::Key;

use super::watch::Watch;

/// A socket that listens.
#[derive(Debug)]
pub(crate) struct Listening {
    pub(crate) watch: Watch,
    pub(crate) address: SocketAddr,
    /// Whether an IPv6 socket leaves IPv4 alone.
    pub(crate) is_v6_only: bool,
    /// Whether others may listen on the address.
    pub(crate) shares_port: bool,
    pub(crate) backlog: usize,
    /// Connections that are there and not accepted.
    pub(crate) queue: VecDeque<Key>,
}

impl Listening {
    /// Whether the next connection would be one too many. Linux takes one more than it was told.
    pub(crate) fn is_full(&self) -> bool {
        self.queue.len() > self.backlog
    }

    pub(crate) fn readiness(&self) -> Readiness {
        match self.queue.is_empty() {
            true => Readiness::empty(),
            false => Readiness::READABLE,
        }
    }
}
