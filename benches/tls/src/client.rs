//! The client that loads both servers: rustls over a blocking socket.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::{ClientConfig, ClientConnection, StreamOwned};

/// Makes `count` round trips of `length` bytes on one connection.
pub(crate) fn echo(port: u16, config: &Arc<ClientConfig>, length: usize, count: usize) {
    let mut stream = connect(port, config);
    let bytes: Vec<u8> = (0..=250).cycle().take(length).collect();
    let mut answer = vec![0; length];
    for _ in 0..count {
        stream.write_all(&bytes).expect("the server takes it");
        stream.read_exact(&mut answer).expect("the server echoes");
        assert!(answer == bytes, "the echo is another");
    }
    // Without a close_notify, a server has to take what it has received for a part.
    stream.conn.send_close_notify();
    stream.flush().expect("the server takes it");
}

/// Makes `count` connections with a whole handshake and one byte each.
pub(crate) fn handshakes(port: u16, config: &Arc<ClientConfig>, count: usize) {
    for _ in 0..count {
        echo(port, config, 1, 1);
    }
}

fn connect(port: u16, config: &Arc<ClientConfig>) -> StreamOwned<ClientConnection, TcpStream> {
    let name = "localhost".try_into().expect("a name");
    let mut tls = ClientConnection::new(Arc::clone(config), name).expect("a client");
    tls.set_buffer_limit(None);
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
    stream.set_nodelay(true).expect("an option");
    StreamOwned::new(tls, stream)
}
