//! One socket of a connection, as its kernel sees it, by the rules of Linux.

use std::net::SocketAddr;

use crate::readiness::Readiness;
use crate::slots::Key;

use super::pipe::{Inbox, Outlet};
use super::retransmission::Silence;
use super::watch::Watch;
use crate::system::faults::errno::Errno;

/// How far a simulated connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The SYN is under way, or its answer is.
    Connecting,
    /// Both ends know of each other.
    Connected,
    /// It was refused or reset, or has timed out. What had arrived can still be read.
    Dead,
}

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) watch: Watch,
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    pub(crate) phase: Phase,
    /// The other end. Its key may be dead, when it was closed.
    pub(crate) peer: Option<Key>,
    pub(crate) inbox: Inbox,
    pub(crate) outlet: Outlet,
    pub(crate) silence: Silence,
    /// What the next call that can fail will say, once (SO_ERROR).
    pub(crate) error: Option<Errno>,
    /// Our FIN is sent, or nothing can be sent any more.
    pub(crate) has_ended: bool,
    /// Closing it resets the connection (SO_LINGER of 0).
    pub(crate) resets_on_close: bool,
}

impl Endpoint {
    pub(crate) fn new(
        watch: Watch,
        local: SocketAddr,
        remote: SocketAddr,
        capacity: usize,
    ) -> Self {
        Self {
            watch,
            local,
            remote,
            phase: Phase::Connecting,
            peer: None,
            inbox: Inbox::default(),
            outlet: Outlet::new(capacity),
            silence: Silence::default(),
            error: None,
            has_ended: false,
            resets_on_close: false,
        }
    }

    /// All that is true of it, as epoll says it (`tcp_poll` in Linux).
    pub(crate) fn readiness(&self) -> Readiness {
        let mut readiness = Readiness::empty();
        if self.phase == Phase::Connecting {
            return readiness;
        }
        let is_dead = self.phase == Phase::Dead;
        let nothing_comes = self.inbox.has_end || is_dead;
        let nothing_goes = self.has_ended || is_dead;
        readiness.set(
            Readiness::READABLE,
            self.inbox.readable() > 0 || nothing_comes,
        );
        readiness.set(
            Readiness::WRITABLE,
            nothing_goes || self.outlet.is_writable(),
        );
        readiness.set(Readiness::READ_CLOSED, nothing_comes);
        readiness.set(
            Readiness::WRITE_CLOSED,
            nothing_comes && nothing_goes || self.error.is_some(),
        );
        readiness.set(Readiness::ERROR, self.error.is_some());
        readiness
    }

    /// What is read when the simulation has nothing against it; `most` is a limit that a fault may have set.
    pub(crate) fn read(&mut self, buffer: &mut [u8], most: usize) -> Result<usize, Errno> {
        if self.inbox.readable() > 0 {
            return Ok(self.inbox.read(buffer, most));
        }
        if self.phase == Phase::Connecting {
            return Err(Errno::WouldBlock);
        }
        // After a FIN the end is what is read, whatever came behind it (SOCK_DONE).
        if self.inbox.has_end {
            return Ok(0);
        }
        match self.error.take() {
            Some(fault) => Err(fault),
            None if self.phase == Phase::Dead => Ok(0),
            None => Err(Errno::WouldBlock),
        }
    }

    /// How many of `offered` bytes can be sent now.
    pub(crate) fn may_write(&mut self, offered: usize) -> Result<usize, Errno> {
        if let Some(fault) = self.error.take() {
            return Err(fault);
        }
        if self.has_ended || self.phase == Phase::Dead {
            return Err(Errno::BrokenPipe);
        }
        if self.phase == Phase::Connecting {
            return Err(Errno::WouldBlock);
        }
        match self.outlet.room() {
            0 => {
                self.outlet.took(0, offered);
                Err(Errno::WouldBlock)
            }
            room => Ok(room.min(offered)),
        }
    }

    /// A RST has arrived: what is under way is lost, what has arrived is not (`tcp_reset` in Linux).
    pub(crate) fn reset(&mut self) {
        if self.phase == Phase::Dead {
            return;
        }
        self.error = Some(match (self.phase, self.inbox.has_end, self.has_ended) {
            (Phase::Connecting, ..) => Errno::Refused,
            (_, true, false) => Errno::BrokenPipe,
            _ => Errno::Reset,
        });
        self.die();
    }

    /// It failed for a reason of its own.
    pub(crate) fn fail(&mut self, fault: Errno) {
        if self.phase != Phase::Dead {
            self.error = Some(fault);
            self.die();
        }
    }

    fn die(&mut self) {
        self.phase = Phase::Dead;
        self.has_ended = true;
        self.inbox.cut();
    }

    /// Whether closing it resets the connection: because that was asked for, or because the peer's bytes were not
    /// all read, as they say that they arrived and they never will (RFC 2525 2.17). When both have ended there is no
    /// connection left to reset (`tcp_close` in Linux).
    pub(crate) fn resets(&self) -> bool {
        self.phase == Phase::Connected
            && !(self.has_ended && self.inbox.has_end)
            && (self.resets_on_close || self.inbox.readable() > 0)
    }
}
