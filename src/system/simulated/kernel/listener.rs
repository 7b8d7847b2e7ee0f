//! The kernel's state of one listening socket.

use std::collections::VecDeque;
use std::net::SocketAddr;

use crate::readiness::Readiness;
use crate::slots::Key;

use super::watch::Watch;

#[derive(Debug)]
pub(super) struct Listener {
    pub(super) watch: Watch,
    pub(super) address: SocketAddr,
    /// Whether the IPv6 socket refuses IPv4 peers.
    pub(super) is_v6_only: bool,
    /// Whether other sockets may listen on the same address (SO_REUSEPORT).
    pub(super) shares_port: bool,
    pub(super) backlog: usize,
    /// The established connections that wait to be accepted.
    pub(super) queue: VecDeque<Key>,
}

impl Listener {
    /// Whether the queue is full. As on Linux, it takes one connection more than the backlog.
    pub(super) fn is_full(&self) -> bool {
        self.queue.len() > self.backlog
    }

    pub(super) fn readiness(&self) -> Readiness {
        match self.queue.is_empty() {
            true => Readiness::empty(),
            false => Readiness::READABLE,
        }
    }
}
