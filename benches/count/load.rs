//! The load: every connection sends one message, then every connection reads its answer, over and over.
//!
//! It is written with blocking sockets of the standard library and nothing of the crate that is measured. How fast it is
//! does not matter, as nothing is timed; that it always does the same does. So the server can be held while the messages
//! are sent: else it would be chance how many of them it finds at a time, and so how often it goes round its loop.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

pub(crate) const CONNECTIONS: usize = 64;
pub(crate) const MESSAGE_BYTES: usize = 64;

/// Longer than any instrument takes for one answer: who waits so long waits for ever.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whether the server is to be held or let go.
#[derive(Clone, Copy)]
pub(crate) enum Grip {
    Hold,
    LetGo,
}

/// Lets `address` echo one message on every connection, `rounds` times, and looks at every byte that comes back.
pub(crate) fn exchange(
    address: SocketAddr,
    rounds: u32,
    grip: impl Fn(Grip) -> io::Result<()>,
) -> io::Result<()> {
    let mut connections = (0..CONNECTIONS)
        .map(|_| {
            let connection = TcpStream::connect(address)?;
            connection.set_nodelay(true)?;
            connection.set_read_timeout(Some(PATIENCE))?;
            Ok(connection)
        })
        .collect::<io::Result<Vec<_>>>()?;
    let mut answer = [0; MESSAGE_BYTES];
    for round in 0..rounds {
        let message = [round.to_le_bytes()[0]; MESSAGE_BYTES];
        grip(Grip::Hold)?;
        for connection in &mut connections {
            connection.write_all(&message)?;
        }
        grip(Grip::LetGo)?;
        for connection in &mut connections {
            connection.read_exact(&mut answer)?;
            if answer != message {
                return Err(io::Error::other("the echo is not what was sent"));
            }
        }
    }
    Ok(())
}
