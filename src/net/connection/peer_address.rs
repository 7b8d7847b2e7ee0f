//! The address of the peer in 24 bytes, where an `Option<SocketAddr>` takes 32. Few addresses have a scope or a flow
//! label, and those are boxed.

use std::net::{Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

#[derive(Debug)]
pub(super) enum PeerAddress {
    /// No address: the peer has none, as on a Unix socket or a pipe, or no peer was reached.
    Unknown,
    V4(SocketAddrV4),
    V6(Ipv6Addr, u16),
    Scoped(Box<SocketAddrV6>),
}

impl PeerAddress {
    pub(super) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Unknown => None,
            Self::V4(address) => Some((*address).into()),
            Self::V6(address, port) => Some((*address, *port).into()),
            Self::Scoped(address) => Some((**address).into()),
        }
    }
}

impl From<Option<SocketAddr>> for PeerAddress {
    fn from(address: Option<SocketAddr>) -> Self {
        match address {
            None => Self::Unknown,
            Some(SocketAddr::V4(address)) => Self::V4(address),
            Some(SocketAddr::V6(address)) if address.scope_id() == 0 && address.flowinfo() == 0 => {
                Self::V6(*address.ip(), address.port())
            }
            Some(SocketAddr::V6(address)) => Self::Scoped(Box::new(address)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_comes_back_as_it_was() {
        let ip = Ipv6Addr::LOCALHOST;
        let addresses = [
            None,
            Some(([127, 0, 0, 1], 80).into()),
            Some((ip, 443).into()),
            Some(SocketAddrV6::new(ip, 1, 0, 7).into()),
            Some(SocketAddrV6::new(ip, 1, 7, 0).into()),
        ];
        for address in addresses {
            assert_eq!(PeerAddress::from(address).address(), address);
        }
        assert!(size_of::<PeerAddress>() <= 24);
    }
}
