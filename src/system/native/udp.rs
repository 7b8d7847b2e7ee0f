//! UDP sockets of the operating system: bind, and the options of an open socket.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use mio::net::UdpSocket;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::system::options::{Membership, MulticastInterface, UdpBinding, UdpOption};

use super::listen;

pub(crate) fn bind(address: SocketAddr, binding: &UdpBinding) -> io::Result<UdpSocket> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    if binding.reuse_address {
        reuse_address(&socket)?;
    }
    if binding.reuse_port {
        listen::reuse_port(&socket)?;
    }
    if address.is_ipv6() {
        socket.set_only_v6(binding.ipv6_only)?;
    } else if binding.ipv6_only {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // Set before the bind, because datagrams arrive from then on.
    if let Some(bytes) = binding.receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    if let Some(bytes) = binding.send_buffer {
        socket.set_send_buffer_size(bytes)?;
    }
    socket.bind(&address.into())?;
    Ok(UdpSocket::from_std(socket.into()))
}

#[cfg(not(windows))]
#[inline]
pub(crate) fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    socket.recv_from(buffer)
}

/// Windows treats a cut as an error (WSAEMSGSIZE), without the sender. So the datagram is received whole and cut here.
#[cfg(windows)]
pub(crate) fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    // More than the longest datagram.
    const WHOLE: usize = 1 << 16;
    if buffer.len() >= WHOLE {
        return socket.recv_from(buffer);
    }
    let mut whole = [0; WHOLE];
    let (length, from) = socket.recv_from(&mut whole)?;
    let length = length.min(buffer.len());
    buffer[..length].copy_from_slice(&whole[..length]);
    Ok((length, from))
}

/// Lets sockets share an address. As in libuv, the BSDs need SO_REUSEPORT for what SO_REUSEADDR does elsewhere.
fn reuse_address(socket: &Socket) -> io::Result<()> {
    #[cfg(all(
        unix,
        not(any(
            target_os = "linux",
            target_os = "android",
            target_os = "solaris",
            target_os = "illumos"
        ))
    ))]
    return socket.set_reuse_port(true);
    #[cfg(not(all(
        unix,
        not(any(
            target_os = "linux",
            target_os = "android",
            target_os = "solaris",
            target_os = "illumos"
        ))
    )))]
    socket.set_reuse_address(true)
}

/// Takes over a UDP socket of the standard library. A socket of another type, such as a stream, is EINVAL.
pub(crate) fn adopt(socket: std::net::UdpSocket) -> io::Result<UdpSocket> {
    match SockRef::from(&socket).r#type()? {
        Type::DGRAM => {}
        _ => return Err(io::ErrorKind::InvalidInput.into()),
    }
    socket.set_nonblocking(true)?;
    Ok(UdpSocket::from_std(socket))
}

pub(crate) fn set(socket: &SockRef<'_>, is_ipv6: bool, option: UdpOption) -> io::Result<()> {
    match option {
        UdpOption::Broadcast(on) => socket.set_broadcast(on),
        UdpOption::Ttl(hops) if is_ipv6 => socket.set_unicast_hops_v6(hops),
        UdpOption::Ttl(hops) => socket.set_ttl_v4(hops),
        UdpOption::MulticastTtl(hops) if is_ipv6 => socket.set_multicast_hops_v6(hops),
        UdpOption::MulticastTtl(hops) => socket.set_multicast_ttl_v4(hops),
        UdpOption::MulticastLoopback(on) if is_ipv6 => socket.set_multicast_loop_v6(on),
        UdpOption::MulticastLoopback(on) => socket.set_multicast_loop_v4(on),
        UdpOption::MulticastInterface(interface) if is_ipv6 => {
            socket.set_multicast_if_v6(index_of(interface)?)
        }
        UdpOption::MulticastInterface(interface) => {
            socket.set_multicast_if_v4(&address_of(interface)?)
        }
        UdpOption::Join(membership) => change(socket, membership, true),
        UdpOption::Leave(membership) => change(socket, membership, false),
        UdpOption::ReceiveBuffer(bytes) => socket.set_recv_buffer_size(bytes),
        UdpOption::SendBuffer(bytes) => socket.set_send_buffer_size(bytes),
    }
}

fn change(socket: &SockRef<'_>, membership: Membership, joins: bool) -> io::Result<()> {
    let Membership {
        group,
        source,
        interface,
    } = membership;
    match (group, source) {
        (IpAddr::V4(group), None) => match interface {
            MulticastInterface::Index(index) => change_numbered(socket, group, index, joins),
            _ if joins => socket.join_multicast_v4(&group, &address_of(interface)?),
            _ => socket.leave_multicast_v4(&group, &address_of(interface)?),
        },
        (IpAddr::V6(group), None) if joins => {
            socket.join_multicast_v6(&group, index_of(interface)?)
        }
        (IpAddr::V6(group), None) => socket.leave_multicast_v6(&group, index_of(interface)?),
        (IpAddr::V4(group), Some(IpAddr::V4(source))) => {
            change_sourced(socket, source, group, address_of(interface)?, joins)
        }
        // socket2 has no call for a membership of this kind.
        (IpAddr::V6(_), Some(IpAddr::V6(_))) => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "a source-specific membership of IPv6",
        )),
        (_, Some(_)) => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the group and the source are of different families",
        )),
    }
}

/// Returns the IPv4 address that names `interface`; 0.0.0.0 lets the system choose.
fn address_of(interface: MulticastInterface) -> io::Result<Ipv4Addr> {
    match interface {
        MulticastInterface::Any => Ok(Ipv4Addr::UNSPECIFIED),
        MulticastInterface::Address(address) => Ok(address),
        MulticastInterface::Index(_) => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "an IPv4 socket takes an address of the interface, and not its number",
        )),
    }
}

/// Returns the number of an interface of IPv6; 0 lets the system choose.
fn index_of(interface: MulticastInterface) -> io::Result<u32> {
    match interface {
        MulticastInterface::Any => Ok(0),
        MulticastInterface::Index(index) => Ok(index),
        MulticastInterface::Address(_) => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "an IPv6 socket takes the number of the interface, and not an IPv4 address",
        )),
    }
}

#[cfg(any(
    target_os = "android",
    target_os = "freebsd",
    target_os = "linux",
    target_vendor = "apple",
    windows,
))]
fn change_numbered(
    socket: &SockRef<'_>,
    group: Ipv4Addr,
    index: u32,
    joins: bool,
) -> io::Result<()> {
    let interface = socket2::InterfaceIndexOrAddress::Index(index);
    match joins {
        true => socket.join_multicast_v4_n(&group, &interface),
        false => socket.leave_multicast_v4_n(&group, &interface),
    }
}

#[cfg(not(any(
    target_os = "android",
    target_os = "freebsd",
    target_os = "linux",
    target_vendor = "apple",
    windows,
)))]
fn change_numbered(_: &SockRef<'_>, _: Ipv4Addr, index: u32, _: bool) -> io::Result<()> {
    address_of(MulticastInterface::Index(index)).map(drop)
}

/// Changes a membership that admits the datagrams of one source.
#[cfg(any(
    target_os = "android",
    target_os = "freebsd",
    target_os = "linux",
    target_vendor = "apple",
    windows,
))]
fn change_sourced(
    socket: &SockRef<'_>,
    source: Ipv4Addr,
    group: Ipv4Addr,
    interface: Ipv4Addr,
    joins: bool,
) -> io::Result<()> {
    match joins {
        true => socket.join_ssm_v4(&source, &group, &interface),
        false => socket.leave_ssm_v4(&source, &group, &interface),
    }
}

#[cfg(not(any(
    target_os = "android",
    target_os = "freebsd",
    target_os = "linux",
    target_vendor = "apple",
    windows,
)))]
fn change_sourced(
    _: &SockRef<'_>,
    _: Ipv4Addr,
    _: Ipv4Addr,
    _: Ipv4Addr,
    _: bool,
) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
