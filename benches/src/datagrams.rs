//! The load of UDP: sockets that send a datagram for each that comes back.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

/// The time after which a datagram counts as lost.
const PATIENCE: Duration = Duration::from_secs(20);
const LENGTH: usize = 64;

/// Sends datagrams of 64 bytes in rounds of `window` for each of `sockets` sockets, and returns how many came back. All
/// datagrams of a round are sent by one call of `send_all`, before the first echo is taken: the server sees a batch.
pub fn echo(
    to: SocketAddr,
    sockets: usize,
    window: usize,
    rounds: u32,
    send_all: impl Fn(&mut dyn FnMut() -> io::Result<()>) -> io::Result<()>,
) -> io::Result<u32> {
    let connect = |_| {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.connect(to)?;
        Ok(socket)
    };
    let sockets: Vec<UdpSocket> = (0..sockets).map(connect).collect::<io::Result<_>>()?;
    let each = sockets
        .iter()
        .flat_map(|socket| std::iter::repeat_n(socket, window));
    let mut answer = [0; 2 * LENGTH];
    let mut echoed = 0;
    for round in 0..rounds {
        let sent = [round.to_le_bytes()[0]; LENGTH];
        send_all(&mut || {
            each.clone()
                .try_for_each(|socket| socket.send(&sent).map(drop))
        })?;
        for socket in each.clone() {
            let length = socket.recv(&mut answer)?;
            if answer[..length] != sent {
                return Err(io::Error::other("the echo is not what was sent"));
            }
            echoed += 1;
        }
    }
    Ok(echoed)
}
