//! The kernel's state of one connected or connecting TCP socket, by the rules of Linux.

use std::net::SocketAddr;

use crate::readiness::Readiness;
use crate::slots::Key;
use crate::system::faults::call_error::CallError;

use super::machine::MachineId;
use super::pipe::{ReceiveBuffer, SendWindow};
use super::retransmission::PeerTimeouts;
use super::watch::Watch;
use super::wire::{Link, Packet};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TcpState {
    /// No answer to a SYN has arrived.
    Connecting,
    Connected,
    /// The connection was refused or reset, or has timed out. The program can still read arrived bytes.
    Dead,
}

/// The reaction of a socket to a packet. The caller of [`TcpSocket::receive`] carries the reaction out.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reaction {
    Nothing,
    /// These bits may have changed, so the selector may have something to report.
    Notify(Readiness),
    /// A packet goes back to the sender.
    Reply(Packet),
}

#[derive(Debug)]
pub(super) struct TcpSocket {
    pub(super) watch: Watch,
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    pub(super) state: TcpState,
    /// The socket at the other end. The key is dead once that socket is closed.
    pub(super) peer: Option<Key>,
    /// The peer's machine, and the number of crashes that the machine had had when the connection was made.
    pub(super) peer_machine: Option<(MachineId, u32)>,
    pub(super) inbox: ReceiveBuffer,
    pub(super) window: SendWindow,
    pub(super) timeouts: PeerTimeouts,
    /// The pending error (SO_ERROR), which the next call that can fail returns once.
    pub(super) error: Option<CallError>,
    /// Whether the sending side has ended: the FIN is sent, or the socket is dead.
    pub(super) has_ended: bool,
    /// Whether closing the socket resets the connection (SO_LINGER of 0).
    pub(super) has_zero_linger: bool,
}

impl TcpSocket {
    pub(super) fn new(
        watch: Watch,
        local: SocketAddr,
        remote: SocketAddr,
        capacity: usize,
    ) -> Self {
        Self {
            watch,
            local,
            remote,
            state: TcpState::Connecting,
            peer: None,
            peer_machine: None,
            inbox: ReceiveBuffer::default(),
            window: SendWindow::new(capacity),
            timeouts: PeerTimeouts::default(),
            error: None,
            has_ended: false,
            has_zero_linger: false,
        }
    }

    /// Returns the link to the machine of the peer. A socket without a peer has a link to its own machine.
    pub(super) fn link(&self) -> Link {
        let from = self.watch.machine;
        let to = self.peer_machine.map_or(from, |(machine, _)| machine);
        Link { from, to }
    }

    /// Returns the present readiness, as epoll would report it (`tcp_poll` in Linux).
    pub(super) fn readiness(&self) -> Readiness {
        let mut readiness = Readiness::empty();
        if self.state == TcpState::Connecting {
            return readiness;
        }
        let is_dead = self.state == TcpState::Dead;
        let nothing_comes = self.inbox.has_fin || is_dead;
        let nothing_goes = self.has_ended || is_dead;
        readiness.set(
            Readiness::READABLE,
            self.inbox.readable() > 0 || nothing_comes,
        );
        readiness.set(
            Readiness::WRITABLE,
            nothing_goes || self.window.is_writable(),
        );
        readiness.set(Readiness::READ_CLOSED, nothing_comes);
        readiness.set(
            Readiness::WRITE_CLOSED,
            nothing_comes && nothing_goes || self.error.is_some(),
        );
        readiness.set(Readiness::ERROR, self.error.is_some());
        readiness
    }

    pub(super) fn read(&mut self, buffer: &mut [u8], most: usize) -> Result<usize, CallError> {
        match self.peek() {
            Ok(1) => Ok(self.inbox.read(buffer, most)),
            end_or_error => end_or_error,
        }
    }

    /// Returns 1 if bytes are readable, and otherwise the result of a read.
    pub(super) fn peek(&mut self) -> Result<usize, CallError> {
        if self.inbox.readable() > 0 {
            return Ok(1);
        }
        if self.state == TcpState::Connecting {
            return Err(CallError::WouldBlock);
        }
        // After a FIN a read returns the end, even if a reset has followed (SOCK_DONE).
        if self.inbox.has_fin {
            return Ok(0);
        }
        match self.error.take() {
            Some(error) => Err(error),
            None if self.state == TcpState::Dead => Ok(0),
            None => Err(CallError::WouldBlock),
        }
    }

    pub(super) fn writable(&mut self, offered: usize) -> Result<usize, CallError> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        if self.has_ended || self.state == TcpState::Dead {
            return Err(CallError::BrokenPipe);
        }
        if self.state == TcpState::Connecting {
            return Err(CallError::WouldBlock);
        }
        match self.window.free() {
            0 => {
                self.window.take(0, offered);
                Err(CallError::WouldBlock)
            }
            free => Ok(free.min(offered)),
        }
    }

    pub(super) fn receive(&mut self, packet: Packet) -> Reaction {
        match packet {
            Packet::SynAck if self.state != TcpState::Connecting => return Reaction::Nothing,
            Packet::SynAck => self.state = TcpState::Connected,
            // A dead connection answers bytes and a FIN with a reset.
            Packet::Bytes(_) | Packet::Fin if self.state == TcpState::Dead => {
                return Reaction::Reply(Packet::Reset);
            }
            Packet::Bytes(count) => {
                self.inbox.arrive(count);
                return Reaction::Notify(Readiness::READABLE);
            }
            Packet::Fin => {
                self.inbox.has_fin = self.state == TcpState::Connected;
                return Reaction::Notify(Readiness::READABLE);
            }
            Packet::Window(count) => {
                return match self.window.release(count) {
                    true => Reaction::Notify(Readiness::WRITABLE),
                    false => Reaction::Nothing,
                };
            }
            Packet::Reset => self.reset(),
            Packet::ConnectTimeout | Packet::PeerTimeout => self.time_out(),
            Packet::Renotify | Packet::Syn(_) => {}
        }
        Reaction::Notify(Readiness::all())
    }

    /// Handles a RST: the bytes under way are lost, but the arrived bytes stay readable (`tcp_reset` in Linux).
    pub(super) fn reset(&mut self) {
        if self.state == TcpState::Dead {
            return;
        }
        self.error = Some(match (self.state, self.inbox.has_fin, self.has_ended) {
            (TcpState::Connecting, ..) => CallError::Refused,
            (_, true, false) => CallError::BrokenPipe,
            _ => CallError::Reset,
        });
        self.die();
    }

    fn time_out(&mut self) {
        if self.state != TcpState::Dead {
            self.error = Some(CallError::TimedOut);
            self.die();
        }
    }

    fn die(&mut self) {
        self.state = TcpState::Dead;
        self.has_ended = true;
        self.inbox.drop_in_flight();
    }

    /// Whether the close resets the connection: the program asked for it, or has not read all bytes of the peer. A FIN
    /// would acknowledge these bytes (RFC 2525 2.17). When both sides have ended there is no connection left to reset
    /// (`tcp_close` in Linux).
    pub(super) fn resets_on_close(&self) -> bool {
        self.state == TcpState::Connected
            && !(self.has_ended && self.inbox.has_fin)
            && (self.has_zero_linger || self.inbox.readable() > 0)
    }
}
