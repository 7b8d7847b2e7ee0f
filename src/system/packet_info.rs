//! The parts of an IP header that belong to a datagram (feature `udp-batch`).

#[cfg(feature = "udp-batch")]
use std::net::IpAddr;

/// The parts of an IP header that [`DatagramSocket::packet_info`](crate::DatagramSocket::packet_info) tells, and that
/// [`DatagramSocket::send_with`](crate::DatagramSocket::send_with) sets.
#[cfg(feature = "udp-batch")]
#[cfg_attr(docsrs, doc(cfg(feature = "udp-batch")))]
#[doc(alias = "IP_PKTINFO")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketInfo {
    /// The address of this machine: the destination of a received datagram, or the source of a sent one. `None` if the
    /// system does not tell the destination, or is to choose the source.
    pub local_address: Option<IpAddr>,
    /// The mark of explicit congestion notification. `None` if there is no mark, or if the system does not tell.
    pub ecn: Option<Ecn>,
}

#[cfg(not(feature = "udp-batch"))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PacketInfo {}

/// A mark of explicit congestion notification ([RFC 3168](https://www.rfc-editor.org/rfc/rfc3168)). The numbers are
/// those in the IP header.
#[cfg(feature = "udp-batch")]
#[cfg_attr(docsrs, doc(cfg(feature = "udp-batch")))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ecn {
    /// ECT(0): routers may mark the datagram in place of dropping it.
    Ect0 = 0b10,
    /// ECT(1): as ECT(0), except on networks with L4S (RFC 9331), where this mark asks for low delay.
    Ect1 = 0b01,
    /// CE: a router was congested.
    CongestionExperienced = 0b11,
}

#[cfg(feature = "udp-batch")]
impl Ecn {
    /// Returns the mark in the two lowest bits of `bits`, as in the IP header; `None` if both are 0.
    ///
    /// ```
    /// use netloop::Ecn;
    ///
    /// assert_eq!(Ecn::from_bits(Ecn::Ect0 as u8), Some(Ecn::Ect0));
    /// assert_eq!(Ecn::from_bits(0), None);
    /// ```
    pub fn from_bits(bits: u8) -> Option<Self> {
        match bits & 0b11 {
            0b10 => Some(Self::Ect0),
            0b01 => Some(Self::Ect1),
            0b11 => Some(Self::CongestionExperienced),
            _ => None,
        }
    }
}
