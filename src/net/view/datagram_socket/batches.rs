//! The methods of a UDP socket's view for batches, and for parts of the IP header (feature `udp-batch`).

use std::net::SocketAddr;

use crate::net::datagram::{DatagramFlow, Datagrams};
use crate::system::PacketInfo;

use super::DatagramSocket;

/// Batches and packet info, on a socket with [`in_batches`](crate::DatagramOptions::in_batches) (feature `udp-batch`).
#[cfg_attr(docsrs, doc(cfg(feature = "udp-batch")))]
impl DatagramSocket<'_> {
    /// Returns the number of datagrams of the running batch that the handler has still to get. A batch is the datagrams
    /// that one system call has received; the last may come to [`on_truncated`](crate::DatagramHandler::on_truncated).
    /// 0 without `in_batches`, and in a simulation. So a handler can do work once a batch, after its last datagram:
    ///
    /// ```
    /// use std::net::SocketAddr;
    /// use netloop::{DatagramContext, DatagramHandler};
    ///
    /// /// Acknowledges the datagrams of one peer.
    /// struct Acknowledging {
    ///     received: u64,
    /// }
    ///
    /// impl DatagramHandler for Acknowledging {
    ///     fn on_message(&mut self, cx: &mut DatagramContext<'_>, from: SocketAddr, _: &[u8]) {
    ///         self.received += 1;
    ///         if cx.socket.remaining_in_batch() == 0 {
    ///             cx.socket.send_to(from, &self.received.to_be_bytes()).ignore();
    ///         }
    ///     }
    /// }
    /// ```
    pub fn remaining_in_batch(&self) -> usize {
        self.datagrams().map_or(0, Datagrams::remaining_in_batch)
    }

    /// Returns the packet info of the datagram that the handler was given last. Every field is `None` where the system
    /// does not tell, without `in_batches`, and in a simulation.
    ///
    /// A server that is bound to all addresses answers from the address that was asked, because the peer ignores an
    /// answer from another one:
    ///
    /// ```
    /// use std::net::SocketAddr;
    /// use netloop::{DatagramContext, DatagramHandler, DatagramOptions, EventLoop, PacketInfo};
    ///
    /// struct Echo;
    ///
    /// impl DatagramHandler for Echo {
    ///     fn on_message(&mut self, cx: &mut DatagramContext<'_>, from: SocketAddr, data: &[u8]) {
    ///         let local_address = cx.socket.packet_info().local_address;
    ///         let info = PacketInfo { local_address, ecn: None };
    ///         cx.socket.send_with(from, info, data).ignore();
    ///     }
    /// }
    ///
    /// # fn main() -> netloop::Result<()> {
    /// let mut event_loop: EventLoop = EventLoop::new()?;
    /// event_loop.bind_udp("0.0.0.0:0", DatagramOptions::new().in_batches(true), Echo)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A datagram to a group has the group's address. No answer can leave from it: `send_with` lets the system choose.
    pub fn packet_info(&self) -> PacketInfo {
        self.datagrams()
            .map(Datagrams::packet_info)
            .unwrap_or_default()
    }

    /// Sends `bytes` to `to`, as [`send_to`](Self::send_to) does, from the address and with the mark of `info`.
    ///
    /// The send fails if the source address is not of this machine (on Linux with ENETUNREACH, or EINVAL for IPv6). For
    /// the address of a group or of all hosts, the system chooses another. Without `in_batches`, in a simulation, and
    /// while the socket's name is being looked up, a send with a source address fails with ENOTSUP. A send that has only
    /// a mark then leaves without it.
    pub fn send_with(
        &mut self,
        to: impl Into<SocketAddr>,
        info: PacketInfo,
        bytes: &[u8],
    ) -> DatagramFlow {
        self.net.send_datagram_with(self.id, bytes, to.into(), info)
    }
}
