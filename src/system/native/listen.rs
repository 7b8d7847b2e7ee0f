//! Listening sockets of the operating system.

use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::Path;

use mio::net::TcpListener;
#[cfg(unix)]
use mio::net::UnixListener;
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

use super::Shared;
use super::shared::Descriptor;
use super::socket::check_stream;
use crate::system::options::{Binding, set_keep_alive};

/// Whether accepted connections inherit TCP_NODELAY and SO_KEEPALIVE. On Linux they do, which saves two calls for each.
pub(crate) const INHERITS_OPTIONS: bool = cfg!(any(target_os = "linux", target_os = "android"));

pub(crate) fn listen_tcp(address: SocketAddr, binding: &Binding) -> io::Result<TcpListener> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    // Not on Windows: with SO_REUSEADDR, any process could steal the port there, and TIME_WAIT prevents no bind anyway.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    if domain == Domain::IPV6 {
        socket.set_only_v6(binding.ipv6_only)?;
    } else if binding.ipv6_only {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "`ipv6_only` is for IPv6 addresses",
        ));
    }
    if binding.reuse_port {
        reuse_port(&socket)?;
    }
    if INHERITS_OPTIONS {
        socket.set_tcp_nodelay(binding.no_delay)?;
        if binding.keep_alive.is_some() {
            set_keep_alive(&SockRef::from(&socket), binding.keep_alive)?;
        }
    }
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(backlog(binding))?;
    Ok(TcpListener::from_std(socket.into()))
}

#[cfg(unix)]
pub(crate) fn listen_unix(path: &Path, binding: &Binding) -> io::Result<UnixListener> {
    let address = SockAddr::unix(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address)?;
    socket.listen(backlog(binding))?;
    let listener = std::os::unix::net::UnixListener::from(std::os::fd::OwnedFd::from(socket));
    Ok(UnixListener::from_std(listener))
}

/// Calls `listen` again, which returns an error for a socket that cannot listen: a connected one could never accept.
pub(crate) fn adopt_tcp_listener(
    listener: Shared<std::net::TcpListener>,
    binding: &Binding,
) -> io::Result<Shared<TcpListener>> {
    listen_anew(&listener.get().as_socket(), binding)?;
    Ok(listener.map(TcpListener::from_std))
}

#[cfg(unix)]
pub(crate) fn adopt_unix_listener(
    listener: Shared<std::os::unix::net::UnixListener>,
    binding: &Binding,
) -> io::Result<Shared<UnixListener>> {
    listen_anew(&listener.get().as_socket(), binding)?;
    Ok(listener.map(UnixListener::from_std))
}

fn listen_anew(socket: &SockRef<'_>, binding: &Binding) -> io::Result<()> {
    check_stream(socket)?;
    socket.listen(backlog(binding))?;
    socket.set_nonblocking(true)
}

#[cfg(unix)]
pub(crate) fn widen_permissions(path: &Path, readable: bool, writable: bool) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mut permissions = std::fs::metadata(path)?.permissions();
    let more = if readable { 0o004 } else { 0 } | if writable { 0o002 } else { 0 };
    permissions.set_mode(permissions.mode() | more);
    std::fs::set_permissions(path, permissions)
}

fn backlog(binding: &Binding) -> i32 {
    i32::try_from(binding.backlog).unwrap_or(i32::MAX)
}

/// Sets SO_REUSEPORT (on FreeBSD SO_REUSEPORT_LB) on systems whose kernel distributes the connections or datagrams.
/// Returns an error on other systems, as libuv does: one socket would get all of them there.
pub(super) fn reuse_port(socket: &Socket) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return socket.set_reuse_port(true);
    #[cfg(target_os = "freebsd")]
    return socket.set_reuse_port_lb(true);
    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
    {
        let _ = socket;
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "this system does not share out connections between sockets on one port",
        ))
    }
}
