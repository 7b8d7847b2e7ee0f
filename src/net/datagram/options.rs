//! The options of a UDP socket.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use crate::net::address::BlockList;
use crate::net::connect::{Resolver, SharedResolver};
use crate::net::values::Family;
use crate::system::{MulticastInterface, UdpBinding, UdpOption};

/// The greatest length that the header of UDP can state. Over IPv4, a datagram has at most 65,507 bytes.
pub(super) const LONGEST_DATAGRAM: usize = 65_535;

/// The choice of the datagram that a full send queue drops.
///
/// ```
/// use netloop::{DatagramOptions, DropPolicy};
///
/// // Positions of a game: only the newest matters.
/// let positions = DatagramOptions::new().drop_policy(DropPolicy::Oldest);
/// // Answers of a name server: a client that gets none asks again.
/// let answers = DatagramOptions::new().drop_policy(DropPolicy::Newest);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DropPolicy {
    /// The oldest queued datagrams make space for the new one. The new one is dropped only if the limit of the loop
    /// leaves no space even then. This suits state that a later datagram replaces.
    #[default]
    Oldest,
    /// The new datagram is dropped. This suits answers, because an early answer is worth as much as a late one.
    Newest,
}

/// The options of a [UDP socket](crate::DatagramSocket).
///
/// ```
/// use netloop::{DatagramOptions, DropPolicy};
///
/// let options = DatagramOptions::new()
///     .reuse_address(true)
///     .multicast_ttl(4)
///     .max_queued_bytes(64 << 10)
///     .drop_policy(DropPolicy::Newest);
/// ```
#[derive(Clone, Debug)]
#[doc(alias = "createSocket")]
pub struct DatagramOptions {
    pub(crate) reuse_address: bool,
    pub(crate) reuse_port: bool,
    pub(crate) ipv6_only: bool,
    pub(crate) broadcast: Option<bool>,
    pub(crate) ttl: Option<u32>,
    pub(crate) multicast_ttl: Option<u32>,
    pub(crate) multicast_loopback: Option<bool>,
    pub(crate) multicast_interface: Option<MulticastInterface>,
    pub(crate) receive_buffer_size: Option<usize>,
    pub(crate) send_buffer_size: Option<usize>,
    pub(crate) max_datagram_bytes: usize,
    pub(crate) receives_per_turn: u32,
    #[cfg_attr(
        not(feature = "udp-batch"),
        expect(dead_code, reason = "the feature sets it")
    )]
    pub(crate) in_batches: bool,
    pub(crate) high_water_mark: usize,
    pub(crate) max_queued_bytes: usize,
    pub(crate) drop_policy: DropPolicy,
    pub(crate) receive_block_list: Option<Rc<BlockList>>,
    pub(crate) send_block_list: Option<Rc<BlockList>>,
    pub(crate) resolver: Option<SharedResolver>,
    pub(crate) family: Option<Family>,
    pub(crate) local_address: Option<IpAddr>,
    pub(crate) local_port: u16,
}

impl DatagramOptions {
    /// Options with every default; the method of each option states the default of that option.
    pub fn new() -> Self {
        Self {
            reuse_address: false,
            reuse_port: false,
            ipv6_only: false,
            broadcast: None,
            ttl: None,
            multicast_ttl: None,
            multicast_loopback: None,
            multicast_interface: None,
            receive_buffer_size: None,
            send_buffer_size: None,
            max_datagram_bytes: LONGEST_DATAGRAM,
            receives_per_turn: 32,
            in_batches: false,
            high_water_mark: 64 << 10,
            max_queued_bytes: 256 << 10,
            drop_policy: DropPolicy::Oldest,
            receive_block_list: None,
            send_block_list: None,
            resolver: None,
            family: None,
            local_address: None,
            local_port: 0,
        }
    }

    /// Whether other sockets that set this option too may bind the same address (SO_REUSEADDR). Default: `false`. So
    /// several programs can receive from one multicast group. Of the sockets at one address, one gets each unicast
    /// datagram. On Windows, any program may then bind the address.
    #[doc(alias = "reuseAddr")]
    pub fn reuse_address(mut self, reuse: bool) -> Self {
        self.reuse_address = reuse;
        self
    }

    /// Whether several sockets, of any process, may bind the same address (SO_REUSEPORT). The kernel distributes the
    /// datagrams by their senders' addresses. On a system that cannot, the bind fails with ENOTSUP. Default: `false`.
    #[doc(alias = "reusePort")]
    pub fn reuse_port(mut self, reuse: bool) -> Self {
        self.reuse_port = reuse;
        self
    }

    /// Whether a socket at an IPv6 address receives from IPv6 peers only. Default: `false`: `[::]` also receives from
    /// IPv4 peers, as `::ffff:a.b.c.d`. On an IPv4 address, `true` makes the bind fail with EINVAL.
    #[doc(alias = "ipv6Only")]
    pub fn ipv6_only(mut self, only: bool) -> Self {
        self.ipv6_only = only;
        self
    }

    /// Whether the socket may send to broadcast addresses (SO_BROADCAST). Default: `false`, and EACCES for such a send.
    pub fn broadcast(mut self, on: bool) -> Self {
        self.broadcast = Some(on);
        self
    }

    /// Sets the number of hops of a sent datagram (IP_TTL), from 1 to 255. Each router takes one, and drops the datagram
    /// if none is left. Default: the system's, mostly 64.
    pub fn ttl(mut self, hops: u32) -> Self {
        self.ttl = Some(hops);
        self
    }

    /// Sets the number of hops of a multicast datagram (IP_MULTICAST_TTL), from 0 to 255. Each router takes one, and
    /// drops the datagram if none is left. Default: the system's, which is 1: no router passes it on. With 0, the
    /// datagram stays on this machine.
    #[doc(alias = "setMulticastTTL")]
    pub fn multicast_ttl(mut self, hops: u32) -> Self {
        self.multicast_ttl = Some(hops);
        self
    }

    /// Whether sockets of this machine receive this one's multicast datagrams too. Default: the system's, `true`.
    #[doc(alias = "setMulticastLoopback")]
    pub fn multicast_loopback(mut self, on: bool) -> Self {
        self.multicast_loopback = Some(on);
        self
    }

    /// Sets the interface that multicast datagrams leave by. Default: the system chooses.
    #[doc(alias = "setMulticastInterface")]
    pub fn multicast_interface(mut self, interface: impl Into<MulticastInterface>) -> Self {
        self.multicast_interface = Some(interface.into());
        self
    }

    /// Sets the size of the kernel's receive buffer (SO_RCVBUF), which holds the datagrams between two turns. The kernel
    /// drops what does not fit. Default: the system's. The system may cap the size (`net.core.rmem_max`).
    #[doc(alias = "recvBufferSize")]
    pub fn receive_buffer_size(mut self, bytes: usize) -> Self {
        self.receive_buffer_size = Some(bytes);
        self
    }

    /// Sets the size of the kernel's send buffer (SO_SNDBUF). Default: the system's.
    #[doc(alias = "sendBufferSize")]
    pub fn send_buffer_size(mut self, bytes: usize) -> Self {
        self.send_buffer_size = Some(bytes);
        self
    }

    /// Sets the length of the longest datagram that is received whole. A longer one is cut, and comes to
    /// [`on_truncated`](crate::DatagramHandler::on_truncated). Default: 65,535, which no datagram exceeds. If the
    /// loop's [read buffer](crate::EventLoopOptions::read_buffer_bytes) is not longer than `bytes`, a datagram is cut
    /// at one byte less than that buffer has. With `in_batches`, one that fills a buffer below 64 KiB counts as cut.
    pub fn max_datagram_bytes(mut self, bytes: usize) -> Self {
        self.max_datagram_bytes = bytes.min(LONGEST_DATAGRAM);
        self
    }

    /// Limits the number of datagrams that the socket receives in a row, at least 1. The rest waits until the other
    /// ready sockets are served: a flood delays them by at most so many. A batch counts as one. Default: 32, as in
    /// libuv.
    pub fn receives_per_turn(mut self, datagrams: u32) -> Self {
        self.receives_per_turn = datagrams.max(1);
        self
    }

    /// Whether one system call sends or receives several datagrams (GSO, GRO, `recvmmsg`), where the system can.
    /// Default: `false`. Needs the feature `udp-batch`.
    ///
    /// The datagrams of one turn leave in its flush, or before, once many bytes are queued. Successive datagrams of one
    /// length to one address, with the same packet info, leave in one call. A row then costs a fraction of its single
    /// sends, and a single datagram a little more than before. One receive may return more datagrams than
    /// [`receives_per_turn`](Self::receives_per_turn). A [read buffer](crate::EventLoopOptions::read_buffer_bytes)
    /// below 64 KiB may be too short for datagrams that the kernel has coalesced. The last one in it comes to
    /// `on_truncated`, and those after it are lost. A datagram longer than the network's MTU is refused with EMSGSIZE.
    /// The socket cannot be [detached](crate::DatagramSocket::detach).
    #[cfg(feature = "udp-batch")]
    #[cfg_attr(docsrs, doc(cfg(feature = "udp-batch")))]
    pub fn in_batches(mut self, on: bool) -> Self {
        self.in_batches = on;
        self
    }

    /// Sets the high watermark: a send answers [`DatagramFlow::Full`](crate::DatagramFlow::Full) if at least so many
    /// bytes are queued. Default: 64 KiB. Datagrams are queued while the kernel has no space, which is rare, or the
    /// socket's name is being looked up. With `in_batches`, also until the flush.
    #[doc(alias = "highWaterMark")]
    pub fn high_water_mark(mut self, bytes: usize) -> Self {
        self.high_water_mark = bytes;
        self
    }

    /// Limits the bytes that may be queued; beyond, the [policy](Self::drop_policy) drops a datagram. Default: 256 KiB.
    /// Each datagram counts for its bytes and its entry (about 40 bytes, or 60 with the feature `udp-batch`). An empty
    /// queue takes a datagram of any length for which the [loop](crate::Limits::max_total_queued_bytes) has space.
    pub fn max_queued_bytes(mut self, bytes: usize) -> Self {
        self.max_queued_bytes = bytes;
        self
    }

    /// Sets the policy of a full queue. Default: [`DropPolicy::Oldest`], because a late datagram is worth the least.
    pub fn drop_policy(mut self, policy: DropPolicy) -> Self {
        self.drop_policy = policy;
        self
    }

    /// Sets a list of addresses whose datagrams are discarded without an event. Default: none.
    #[doc(alias = "receiveBlockList")]
    pub fn receive_block_list(mut self, list: impl Into<Option<Rc<BlockList>>>) -> Self {
        self.receive_block_list = list.into();
        self
    }

    /// Sets a list of addresses that the socket never sends or connects to. Default: none. A send to one is answered
    /// [`DatagramFlow::Dropped`](crate::DatagramFlow::Dropped), and `on_error` gets
    /// [ERR_IP_BLOCKED](crate::Error::IP_BLOCKED). A connect fails with the same error.
    #[doc(alias = "sendBlockList")]
    pub fn send_block_list(mut self, list: impl Into<Option<Rc<BlockList>>>) -> Self {
        self.send_block_list = list.into();
        self
    }

    /// Sets the resolver that looks up the name to bind or connect to. Default: the system's
    /// ([`system_resolver`](crate::system_resolver)).
    #[doc(alias = "lookup")]
    pub fn resolver(mut self, resolver: Arc<dyn Resolver>) -> Self {
        self.resolver = Some(SharedResolver::new(resolver));
        self
    }

    /// Restricts the addresses of a name to one family. Default: `None`, both.
    #[doc(alias = "udp4")]
    #[doc(alias = "udp6")]
    pub fn family(mut self, family: impl Into<Option<Family>>) -> Self {
        self.family = family.into();
        self
    }

    /// Sets the address from which [`connect_udp`](crate::EventLoop::connect_udp) connects. Default: `None`, the system
    /// chooses. [`bind_udp`](crate::EventLoop::bind_udp) has an argument for it, and ignores this option.
    pub fn local_address(mut self, address: impl Into<Option<IpAddr>>) -> Self {
        self.local_address = address.into();
        self
    }

    /// Sets the port from which [`connect_udp`](crate::EventLoop::connect_udp) connects. Default: 0, the system
    /// chooses. `bind_udp` ignores this option too.
    pub fn local_port(mut self, port: u16) -> Self {
        self.local_port = port;
        self
    }

    pub(crate) fn binding(&self) -> UdpBinding {
        UdpBinding {
            ipv6_only: self.ipv6_only,
            reuse_address: self.reuse_address,
            reuse_port: self.reuse_port,
            receive_buffer: self.receive_buffer_size,
            send_buffer: self.send_buffer_size,
        }
    }

    /// Returns the options that are set after the bind, each with the name of its method.
    pub(crate) fn behind_bind(&self) -> impl Iterator<Item = (&'static str, UdpOption)> {
        let interface = self.multicast_interface.map(UdpOption::MulticastInterface);
        let loopback = self.multicast_loopback.map(UdpOption::MulticastLoopback);
        let multicast_ttl = self.multicast_ttl.map(UdpOption::MulticastTtl);
        [
            ("broadcast", self.broadcast.map(UdpOption::Broadcast)),
            ("ttl", self.ttl.map(UdpOption::Ttl)),
            ("multicast_ttl", multicast_ttl),
            ("multicast_loopback", loopback),
            ("multicast_interface", interface),
        ]
        .into_iter()
        .filter_map(|(name, option)| Some((name, option?)))
    }
}

impl Default for DatagramOptions {
    fn default() -> Self {
        Self::new()
    }
}
