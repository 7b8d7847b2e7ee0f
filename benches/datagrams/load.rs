//! The load: sockets that send a datagram for each that comes back.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

/// The time after which a datagram counts as lost.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sends `count` datagrams of 64 bytes, with `window` under way for each of `sockets` sockets. Returns the number of echoes.
pub(crate) fn run(to: SocketAddr, sockets: usize, window: u32, count: u32) -> io::Result<u32> {
    let sockets: Vec<UdpSocket> = (0..sockets)
        .map(|_| {
            let socket = UdpSocket::bind("127.0.0.1:0")?;
            socket.set_read_timeout(Some(PATIENCE))?;
            socket.connect(to)?;
            Ok(socket)
        })
        .collect::<io::Result<_>>()?;
    let datagram = [7; 64];
    let mut buffer = [0; 128];
    let mut echoed = 0;
    while echoed < count {
        // All datagrams of a round are under way before the first echo is taken: the server sees a batch.
        for socket in &sockets {
            for _ in 0..window {
                socket.send(&datagram)?;
            }
        }
        for socket in &sockets {
            for _ in 0..window {
                if socket.recv(&mut buffer)? != datagram.len() {
                    return Err(io::Error::other("the echo is not what was sent"));
                }
                echoed += 1;
            }
        }
    }
    Ok(echoed)
}
