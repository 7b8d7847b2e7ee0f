//! The client that loads all servers: rustls over a blocking socket.

use std::io::{self, Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::{ClientConfig, ClientConnection, StreamOwned};

pub(crate) type Config = Arc<ClientConfig>;

/// Makes `count` round trips of `length` bytes on one connection.
pub(crate) fn echo(to: SocketAddr, config: &Config, length: usize, count: usize) -> Result<()> {
    let name = "localhost".try_into().expect("a name");
    let tls = ClientConnection::new(Arc::clone(config), name);
    let mut tls = tls.map_err(io::Error::other)?;
    tls.set_buffer_limit(None);
    let stream = TcpStream::connect(to)?;
    stream.set_nodelay(true)?;
    let mut stream = StreamOwned::new(tls, stream);
    let bytes: Vec<u8> = (0..=250).cycle().take(length).collect();
    let mut answer = vec![0; length];
    for _ in 0..count {
        stream.write_all(&bytes)?;
        stream.read_exact(&mut answer)?;
        if answer != bytes {
            return Err(io::Error::other("the echo is not what was sent"));
        }
    }
    // Without a close_notify, a server has to take what it has received for a part.
    stream.conn.send_close_notify();
    stream.flush()
}
