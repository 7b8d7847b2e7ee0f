//! The load: rounds in which every connection does the same, over and over, until each has its answer.
//!
//! It is written with blocking sockets of the standard library. Its speed does not matter, as nothing is timed, but it
//! must always do the same. So the server can be held while a round is sent. Else chance would decide how much of the
//! round the server finds at a time, and how many turns it makes.

use std::io::{self, Read, Result, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use netloop_benches::{datagrams, visits};

use crate::pattern::{FLOOD, FLOOD_BLOCK as BLOCK, MESSAGE};

/// Longer than any instrument takes for one answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Sends a part of a round while the server is held.
pub(crate) type Held<'a> = &'a dyn Fn(&mut dyn FnMut() -> Result<()>) -> Result<()>;

/// The work of a round.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Load {
    /// Every connection sends its messages in one piece, then every connection reads its answers.
    Echo {
        connections: usize,
        size: usize,
        in_flight: usize,
    },
    /// So many connect, send a message, read the answer, finish, and wait for the server to finish too.
    Visits { at_a_time: usize },
    /// Every connection sends 64 KiB that are not answered.
    Sink { connections: usize },
    /// Every connection reads 64 KiB of an endless stream, which repeats after so many.
    Source { connections: usize },
    /// The first members speak, and every member hears all the others.
    Broadcast { members: usize, speakers: usize },
    /// Every UDP socket sends a datagram to the same socket of the server, then each reads its answer.
    Datagrams { sockets: usize },
}

impl Load {
    /// Returns the name of an operation, the operations of a round, and whether the kernel keeps all of a round for a
    /// held server.
    pub(crate) fn operations(self) -> (&'static str, usize, bool) {
        match self {
            Self::Echo {
                connections,
                size,
                in_flight,
            } => {
                let is_small = size * in_flight < BLOCK / 2;
                ("message", connections * in_flight, is_small)
            }
            Self::Visits { at_a_time } => ("connection", at_a_time, true),
            Self::Sink { connections } | Self::Source { connections } => {
                ("64 KiB", connections, false)
            }
            Self::Broadcast { members, .. } => ("member and round", members, true),
            Self::Datagrams { sockets } => ("datagram", sockets, true),
        }
    }

    /// Lets `to` do so many rounds, and looks at every byte that comes back.
    pub(crate) fn exchange(self, to: SocketAddr, rounds: u32, held: Held<'_>) -> Result<()> {
        let connect = |count: usize| -> Result<Vec<_>> {
            let streams = (0..count).map(|_| prepared(TcpStream::connect(to)?));
            streams.collect()
        };
        match self {
            Self::Echo {
                connections,
                size,
                in_flight,
            } => echo(&mut connect(connections)?, size * in_flight, rounds, held),
            Self::Visits { at_a_time } => visits(to, at_a_time, rounds, held),
            Self::Sink { connections } => sink(&mut connect(connections)?, rounds),
            Self::Source { connections } => source(&mut connect(connections)?, rounds),
            Self::Broadcast { members, speakers } => {
                broadcast(&mut connect(members)?, speakers, rounds, held)
            }
            Self::Datagrams { sockets } => datagrams::echo(to, sockets, 1, rounds, held).map(drop),
        }
    }
}

fn echo(connections: &mut [TcpStream], bytes: usize, rounds: u32, held: Held<'_>) -> Result<()> {
    for round in 0..rounds {
        let sent = vec![round.to_le_bytes()[0]; bytes];
        held(&mut || send_all(connections, &sent))?;
        check_answers(connections, &sent)?;
    }
    Ok(())
}

fn visits(to: SocketAddr, at_a_time: usize, rounds: u32, held: Held<'_>) -> Result<()> {
    let sent = [7; MESSAGE];
    for round in 0..rounds {
        let mut visitors = Vec::new();
        held(&mut || {
            for _ in 0..at_a_time {
                let mut visitor = prepared(visits::connect(to, u64::from(round), false)?)?;
                visitor.write_all(&sent)?;
                visitors.push(visitor);
            }
            Ok(())
        })?;
        check_answers(&mut visitors, &sent)?;
        let finish = |visitor: &TcpStream| visitor.shutdown(Shutdown::Write);
        held(&mut || visitors.iter().try_for_each(finish))?;
        for visitor in &mut visitors {
            check(visitor.read(&mut [0])? == 0, "bytes after the answer")?;
        }
    }
    Ok(())
}

fn sink(connections: &mut [TcpStream], rounds: u32) -> Result<()> {
    let block = vec![7; BLOCK];
    for _ in 0..rounds {
        send_all(connections, &block)?;
    }
    for connection in connections {
        connection.shutdown(Shutdown::Write)?;
        let mut count = [0; 8];
        connection.read_exact(&mut count)?;
        let sent = BLOCK as u64 * u64::from(rounds);
        check(u64::from_be_bytes(count) == sent, "the count is wrong")?;
    }
    Ok(())
}

fn source(connections: &mut [TcpStream], rounds: u32) -> Result<()> {
    (0..rounds).try_for_each(|_| check_answers(connections, &FLOOD))
}

fn broadcast(
    members: &mut [TcpStream],
    speakers: usize,
    rounds: u32,
    held: Held<'_>,
) -> Result<()> {
    // A server may accept later than the handshake is done, and a member hears only what is said after that.
    std::thread::sleep(Duration::from_secs(1));
    let mut heard = vec![0; speakers * MESSAGE];
    for _ in 0..rounds {
        held(&mut || {
            let mut speakers = (1..).zip(members.iter_mut().take(speakers));
            speakers.try_for_each(|(speaker, member)| member.write_all(&[speaker; MESSAGE]))
        })?;
        for (place, member) in members.iter_mut().enumerate() {
            // No member hears itself.
            let others = speakers - usize::from(place < speakers);
            let heard = &mut heard[..others * MESSAGE];
            member.read_exact(heard)?;
            let is_whole = |message: &[u8]| message.iter().all(|byte| *byte == message[0]);
            let are_whole = heard.chunks(MESSAGE).all(is_whole);
            check(are_whole, "messages are mixed up")?;
        }
    }
    Ok(())
}

fn prepared(stream: TcpStream) -> Result<TcpStream> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn send_all(connections: &mut [TcpStream], bytes: &[u8]) -> Result<()> {
    let mut connections = connections.iter_mut();
    connections.try_for_each(|connection| connection.write_all(bytes))
}

fn check_answers(connections: &mut [TcpStream], sent: &[u8]) -> Result<()> {
    let mut answer = vec![0; sent.len()];
    for connection in connections {
        connection.read_exact(&mut answer)?;
        check(answer == sent, "the echo is not what was sent")?;
    }
    Ok(())
}

fn check(is_right: bool, what: &str) -> Result<()> {
    match is_right {
        true => Ok(()),
        false => Err(io::Error::other(what)),
    }
}
