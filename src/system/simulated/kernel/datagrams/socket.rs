//! The kernel's state of one UDP socket, by the rules of Linux.

use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use crate::readiness::Readiness;
use crate::system::faults::call_error::CallError;
use crate::system::options::{Membership, UdpBinding};
use crate::system::simulated::flavour::Flavour;

use super::super::machine::MachineId;
use super::super::watch::Watch;

#[derive(Debug)]
pub(in super::super) struct UdpSocket {
    pub(in super::super) watch: Watch,
    pub(super) local: SocketAddr,
    pub(super) peer: Option<SocketAddr>,
    pub(super) binding: UdpBinding,
    /// The received datagrams, each with its sender.
    pub(super) inbox: VecDeque<(SocketAddr, Rc<[u8]>)>,
    inbox_bytes: usize,
    /// The number of sent bytes that have not left the machine.
    pub(super) outgoing: usize,
    /// The time at which the last of the `outgoing` bytes leaves the machine.
    pub(super) busy_until: u64,
    /// The pending error, which the next call returns once.
    pub(super) error: Option<CallError>,
    pub(super) groups: BTreeSet<Membership>,
    pub(super) is_broadcaster: bool,
    pub(super) hears_itself: bool,
    pub(super) multicast_hops: u32,
}

impl UdpSocket {
    pub(super) fn new(watch: Watch, local: SocketAddr, binding: UdpBinding) -> Self {
        Self {
            watch,
            local,
            peer: None,
            binding,
            inbox: VecDeque::new(),
            inbox_bytes: 0,
            outgoing: 0,
            busy_until: 0,
            error: None,
            groups: BTreeSet::new(),
            is_broadcaster: false,
            hears_itself: true,
            multicast_hops: 1,
        }
    }

    pub(in super::super) fn local(&self) -> SocketAddr {
        self.local
    }

    pub(in super::super) fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    pub(in super::super) fn take_error(&mut self) -> Option<CallError> {
        self.error.take()
    }

    /// Returns the addresses for the log.
    pub(super) fn addresses(&self) -> (SocketAddr, SocketAddr) {
        (self.local, self.peer.unwrap_or(self.local))
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.inbox_bytes + self.inbox.capacity() * size_of::<(SocketAddr, Rc<[u8]>)>()
    }

    /// Whether a socket of `machine` on `address` could receive datagrams that are meant for this socket.
    pub(super) fn overlaps(&self, machine: MachineId, address: SocketAddr) -> bool {
        let is_same_machine = self.watch.machine == machine;
        let covers = |any: IpAddr, is_v6_only: bool, ip: IpAddr| {
            any.is_unspecified()
                && is_same_machine
                && (any.is_ipv4() == ip.is_ipv4() || any.is_ipv6() && !is_v6_only)
        };
        let (own, ip) = (self.local.ip(), address.ip());
        self.local.port() == address.port()
            && (covers(own, self.binding.ipv6_only, ip)
                || covers(ip, false, own)
                || own == ip && !own.is_unspecified())
    }

    /// Returns how well the socket fits a datagram from `from` to `to` that has reached `machine`. `None` if the socket
    /// cannot receive it. The number is higher for a socket that is bound to exactly `to`, or connected to `from`.
    pub(super) fn fit(&self, machine: MachineId, from: SocketAddr, to: SocketAddr) -> Option<u8> {
        let is_exact = self.local == to;
        let is_any = self.is_any_for(to) && self.watch.machine == machine;
        if !is_exact && !is_any {
            return None;
        }
        match self.peer {
            Some(peer) if peer != from => None,
            peer => Some(u8::from(is_exact) + 2 * u8::from(peer.is_some())),
        }
    }

    /// Whether the socket is bound to the port of `to` on every address of the family of `to`.
    pub(super) fn is_any_for(&self, to: SocketAddr) -> bool {
        let ip = self.local.ip();
        self.local.port() == to.port()
            && ip.is_unspecified()
            && (ip.is_ipv4() == to.is_ipv4() || ip.is_ipv6() && !self.binding.ipv6_only)
    }

    /// Whether the socket has joined the group of `to` for datagrams from `from`, and is bound to the port of `to`.
    pub(super) fn hears_group(&self, from: SocketAddr, to: SocketAddr) -> bool {
        let hears = |membership: &Membership| {
            membership.group == to.ip() && membership.source.is_none_or(|it| it == from.ip())
        };
        (self.is_any_for(to) || self.local == to) && self.groups.iter().any(hears)
    }

    /// Puts a datagram into the receive buffer, if it fits. As on Linux, an empty buffer takes any length.
    pub(super) fn take_in(&mut self, from: SocketAddr, bytes: Rc<[u8]>, capacity: usize) -> bool {
        let takes = self.inbox.is_empty() || self.inbox_bytes + bytes.len() <= capacity;
        if takes {
            self.inbox_bytes += bytes.len();
            self.inbox.push_back((from, bytes));
        }
        takes
    }

    pub(super) fn take_out(&mut self) -> Option<(SocketAddr, Rc<[u8]>)> {
        let (from, bytes) = self.inbox.pop_front()?;
        self.inbox_bytes -= bytes.len();
        Some((from, bytes))
    }

    /// Whether the send buffer takes a datagram. As on Linux, a buffer that is not full takes a datagram of any length.
    pub(super) fn has_space(&self, capacity: usize) -> bool {
        self.outgoing == 0 || self.outgoing < capacity
    }

    /// Returns the present readiness, as the selector of `flavour` reports it. epoll reports a pending error without
    /// readability; with kqueue and AFD a pending error makes the socket readable.
    pub(in super::super) fn readiness(&self, flavour: Flavour, capacity: usize) -> Readiness {
        let mut readiness = Readiness::empty();
        let has_error = self.error.is_some();
        let errors_read = matches!(flavour, Flavour::Kqueue | Flavour::Afd);
        let is_readable = !self.inbox.is_empty() || has_error && errors_read;
        readiness.set(Readiness::READABLE, is_readable);
        readiness.set(Readiness::WRITABLE, self.has_space(capacity));
        if has_error && flavour != Flavour::Afd {
            readiness = readiness | Readiness::ERROR | Readiness::WRITE_CLOSED;
        }
        readiness
    }
}
