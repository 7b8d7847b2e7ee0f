//! The methods of a UDP socket's view that set its options, and join and leave multicast groups.

use std::net::IpAddr;

use crate::net::datagram::not_running;
use crate::net::error::Result;
use crate::system::{Membership, MulticastInterface, UdpOption};

use super::DatagramSocket;

/// The options. While the name of the socket is being looked up, and after its close, each of these methods with a
/// valid argument fails with [`ERR_SOCKET_DGRAM_NOT_RUNNING`](crate::Error::DATAGRAM_NOT_RUNNING).
impl DatagramSocket<'_> {
    fn set(&self, name: &str, option: UdpOption) -> Result<()> {
        self.net.set_udp_option(self.id, name, option)
    }

    /// Permits or forbids to send to broadcast addresses: [`DatagramOptions::broadcast`](crate::DatagramOptions::broadcast).
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn set_broadcast(&mut self, on: bool) -> Result<()> {
        self.set("broadcast", UdpOption::Broadcast(on))
    }

    /// Sets the number of hops of a sent datagram, from 1 to 255 ([`ttl`](crate::DatagramOptions::ttl)).
    ///
    /// # Errors
    ///
    /// ERR_INVALID_ARGUMENT out of the range, else the system's error.
    pub fn set_ttl(&mut self, hops: u32) -> Result<()> {
        self.set("ttl", UdpOption::Ttl(hops))
    }

    /// Sets the hops of a multicast datagram, from 0 to 255 ([`multicast_ttl`](crate::DatagramOptions::multicast_ttl)).
    ///
    /// # Errors
    ///
    /// As [`set_ttl`](Self::set_ttl).
    #[doc(alias = "setMulticastTTL")]
    pub fn set_multicast_ttl(&mut self, hops: u32) -> Result<()> {
        self.set("multicast_ttl", UdpOption::MulticastTtl(hops))
    }

    /// Sets whether the multicast datagrams of this socket also reach members of the group on this machine.
    ///
    /// # Errors
    ///
    /// The system's error.
    #[doc(alias = "setMulticastLoopback")]
    pub fn set_multicast_loopback(&mut self, on: bool) -> Result<()> {
        self.set("multicast_loopback", UdpOption::MulticastLoopback(on))
    }

    /// Sets the interface that multicast datagrams leave by.
    ///
    /// # Errors
    ///
    /// The system's error; ENOTSUP for the number of an interface on IPv4, and EINVAL for the address of one on IPv6.
    #[doc(alias = "setMulticastInterface")]
    pub fn set_multicast_interface(
        &mut self,
        interface: impl Into<MulticastInterface>,
    ) -> Result<()> {
        let option = UdpOption::MulticastInterface(interface.into());
        self.set("multicast_interface", option)
    }

    /// Joins a multicast group: the socket receives the datagrams to `group` that any host sends to the socket's port.
    ///
    /// ```
    /// use std::net::Ipv4Addr;
    /// use netloop::{DatagramHandler, DatagramOptions, EventLoop};
    /// # struct Quiet;
    /// # impl DatagramHandler for Quiet {
    /// #     fn on_message(&mut self, _: &mut netloop::DatagramContext<'_>, _: std::net::SocketAddr, _: &[u8]) {}
    /// # }
    ///
    /// # fn main() -> netloop::Result<()> {
    /// let mut event_loop: EventLoop = EventLoop::new()?;
    /// let id = event_loop.bind_udp("0.0.0.0:0", DatagramOptions::new().reuse_address(true), Quiet)?;
    /// let group = Ipv4Addr::new(239, 255, 7, 7);
    /// event_loop.datagram_socket(id).join_multicast(group, Ipv4Addr::LOCALHOST)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// ERR_INVALID_ARGUMENT if `group` is no multicast address. The system's error: EADDRINUSE for a second join,
    /// ENODEV for a missing interface. EINVAL for an IPv6 group with an interface's address in place of its number.
    #[doc(alias = "addMembership")]
    pub fn join_multicast(
        &mut self,
        group: impl Into<IpAddr>,
        interface: impl Into<MulticastInterface>,
    ) -> Result<()> {
        let membership = membership(group, None, interface);
        self.set("group", UdpOption::Join(membership))
    }

    /// Leaves a multicast group that was joined on the same interface. The close of the socket leaves all groups.
    ///
    /// # Errors
    ///
    /// As [`join_multicast`](Self::join_multicast); EADDRNOTAVAIL if the socket has not joined.
    #[doc(alias = "dropMembership")]
    pub fn leave_multicast(
        &mut self,
        group: impl Into<IpAddr>,
        interface: impl Into<MulticastInterface>,
    ) -> Result<()> {
        let membership = membership(group, None, interface);
        self.set("group", UdpOption::Leave(membership))
    }

    /// Joins a multicast group for the datagrams of one `source`.
    ///
    /// # Errors
    ///
    /// As [`join_multicast`](Self::join_multicast); ENOTSUP for IPv6, for the number of an interface, and on systems
    /// without such memberships.
    #[doc(alias = "addSourceSpecificMembership")]
    pub fn join_source_multicast(
        &mut self,
        source: impl Into<IpAddr>,
        group: impl Into<IpAddr>,
        interface: impl Into<MulticastInterface>,
    ) -> Result<()> {
        let membership = membership(group, Some(source.into()), interface);
        self.set("group", UdpOption::Join(membership))
    }

    /// Leaves a multicast group that was joined for one `source`.
    ///
    /// # Errors
    ///
    /// As [`join_source_multicast`](Self::join_source_multicast).
    #[doc(alias = "dropSourceSpecificMembership")]
    pub fn leave_source_multicast(
        &mut self,
        source: impl Into<IpAddr>,
        group: impl Into<IpAddr>,
        interface: impl Into<MulticastInterface>,
    ) -> Result<()> {
        let membership = membership(group, Some(source.into()), interface);
        self.set("group", UdpOption::Leave(membership))
    }

    /// Sets the size of the kernel's receive buffer (SO_RCVBUF). The system may cap the size; Linux doubles it.
    ///
    /// # Errors
    ///
    /// ERR_INVALID_ARGUMENT beyond 2 GiB, else the system's error.
    #[doc(alias = "setRecvBufferSize")]
    pub fn set_receive_buffer_size(&mut self, bytes: usize) -> Result<()> {
        self.set("receive_buffer_size", UdpOption::ReceiveBuffer(bytes))
    }

    /// Sets the size of the kernel's send buffer (SO_SNDBUF). The system may cap the size; Linux doubles it.
    ///
    /// # Errors
    ///
    /// As [`set_receive_buffer_size`](Self::set_receive_buffer_size).
    pub fn set_send_buffer_size(&mut self, bytes: usize) -> Result<()> {
        self.set("send_buffer_size", UdpOption::SendBuffer(bytes))
    }

    /// Returns the size of the kernel's receive buffer; `None` in a simulation.
    ///
    /// # Errors
    ///
    /// The system's error.
    #[doc(alias = "getRecvBufferSize")]
    pub fn receive_buffer_size(&self) -> Result<Option<usize>> {
        let datagrams = self.datagrams().ok_or_else(not_running)?;
        datagrams.receive_buffer_size()
    }

    /// Returns the size of the kernel's send buffer; `None` in a simulation.
    ///
    /// # Errors
    ///
    /// The system's error.
    #[doc(alias = "getSendBufferSize")]
    pub fn send_buffer_size(&self) -> Result<Option<usize>> {
        let datagrams = self.datagrams().ok_or_else(not_running)?;
        datagrams.send_buffer_size()
    }
}

fn membership(
    group: impl Into<IpAddr>,
    source: Option<IpAddr>,
    interface: impl Into<MulticastInterface>,
) -> Membership {
    Membership {
        group: group.into(),
        source,
        interface: interface.into(),
    }
}
