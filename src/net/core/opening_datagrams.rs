//! The sockets of the system below UDP sockets: opened at an address, to a peer, or at the first usable address of a name.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::net::connect::at_port;
use crate::net::datagram::{DatagramOptions, Purpose, check_sendable};
use crate::net::error::{Error, Result, Syscall};
use crate::net::values::{Endpoint, Family};
use crate::system::{System, Udp, UdpOption};

use super::listening::lacks_zone;

/// Opens a socket that is bound to `address`, and sets its options.
pub(super) fn open(system: &System, address: SocketAddr, options: &DatagramOptions) -> Result<Udp> {
    let failed = |error| Error::new(Syscall::Bind, error).at(address.into());
    let socket = system.bind_udp(address, &options.binding());
    let socket = socket.map_err(failed)?;
    set_behind_bind(&socket, options, address)?;
    #[cfg(feature = "udp-batch")]
    if options.in_batches {
        return socket
            .into_batched()
            .map_err(|error| Error::new(Syscall::SetOption, error).at(address.into()));
    }
    Ok(socket)
}

pub(super) fn open_to(system: &System, peer: SocketAddr, options: &DatagramOptions) -> Result<Udp> {
    check_sendable(options.send_block_list.as_deref(), peer)?;
    let any = match peer {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let mut local = SocketAddr::new(options.local_address.unwrap_or(any), options.local_port);
    if let (SocketAddr::V6(local), SocketAddr::V6(peer)) = (&mut local, peer) {
        if local.ip().is_unicast_link_local() {
            local.set_scope_id(peer.scope_id());
        }
    }
    let socket = open(system, local, options)?;
    let connected = socket.connect(peer);
    connected.map_err(|error| Error::new(Syscall::Connect, error).at(peer.into()))?;
    Ok(socket)
}

/// Tries the usable addresses in order, until a socket is bound or connected. If all fail, returns the first error.
pub(super) fn open_first(
    system: &System,
    found: &[SocketAddr],
    asked: Endpoint,
    purpose: Purpose,
    options: &DatagramOptions,
) -> Result<(Udp, Option<SocketAddr>)> {
    let port = asked.port().unwrap_or(0);
    let is_wanted = |address: &&SocketAddr| {
        options
            .family
            .is_none_or(|family| family == family_of(address))
    };
    let usable = found.iter().filter(is_wanted).filter(|it| !lacks_zone(it));
    let mut first_error = None;
    for address in usable {
        let address = at_port(*address, port);
        let opened = match purpose {
            Purpose::Bind => open(system, address, options).map(|socket| (socket, None)),
            Purpose::Connect => {
                open_to(system, address, options).map(|socket| (socket, Some(address)))
            }
        };
        match opened {
            Ok(opened) => return Ok(opened),
            Err(error) => {
                first_error.get_or_insert(error);
            }
        }
    }
    Err(first_error.unwrap_or_else(|| {
        let nothing = io::Error::new(io::ErrorKind::NotFound, "the name has no usable address");
        Error::new(Syscall::Lookup, nothing).at(asked)
    }))
}

fn family_of(address: &SocketAddr) -> Family {
    match address {
        SocketAddr::V4(_) => Family::IPv4,
        SocketAddr::V6(_) => Family::IPv6,
    }
}

pub(super) fn set_behind_bind(
    socket: &Udp,
    options: &DatagramOptions,
    local: SocketAddr,
) -> Result<()> {
    for (_, option) in options.behind_bind() {
        set(socket, option, local)?;
    }
    Ok(())
}

pub(super) fn set(socket: &Udp, option: UdpOption, local: SocketAddr) -> Result<()> {
    let set = socket.set(option, local.is_ipv6());
    set.map_err(|error| Error::new(Syscall::SetOption, error).at(local.into()))
}
