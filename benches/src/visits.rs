//! Connections of visitors. Each leaves a port in TIME_WAIT for a minute, and an address has 28,000 ports. So visitors
//! come from many addresses of the loopback network.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use rustix::io::Errno;
use socket2::{Domain, Socket, Type};

const ADDRESSES: u64 = 200;

/// Connects the visitor with this number; does not wait for the handshake if `is_nonblocking`.
pub fn connect(to: SocketAddr, number: u64, is_nonblocking: bool) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_nonblocking(is_nonblocking)?;
    socket.set_tcp_nodelay(true)?;
    let host = u8::try_from(number % ADDRESSES + 1).expect("at most 200");
    socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 1, host), 0)).into())?;
    match socket.connect(&to.into()) {
        Err(error) if error.raw_os_error() != Some(Errno::INPROGRESS.raw_os_error()) => Err(error),
        _ => Ok(socket.into()),
    }
}
