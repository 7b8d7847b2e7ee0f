//! The load: rounds in which every connection does the same, over and over, until each has its answer.
//!
//! It is written with blocking sockets of the standard library. Its speed does not matter, as nothing is timed, but it must
//! always do the same. So the server can be held while a round is sent: else chance would decide how much of the round the
//! server finds at a time, and so how many turns it makes.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// The length of a message in a broadcast and in a visit.
const MESSAGE: usize = 64;
const BLOCK: usize = 64 << 10;
/// Longer than any instrument takes for one answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// Every visit leaves a port in TIME_WAIT, and there are 28,000 of them for each address of the client's.
const SOURCE_ADDRESSES: u32 = 50;

/// Whether the server is to be held or let go.
#[derive(Clone, Copy)]
pub(crate) enum Grip {
    Hold,
    LetGo,
}

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
    /// Every connection reads 64 KiB of an endless stream.
    Source { connections: usize },
    /// The first members speak, and every member hears all the others.
    Broadcast { members: usize, speakers: usize },
    /// Every UDP socket sends a datagram to the same socket of the server, then each reads its answer.
    Datagrams { sockets: usize },
}

impl Load {
    /// The name of one operation.
    pub(crate) fn operation(self) -> &'static str {
        match self {
            Self::Echo { .. } => "message",
            Self::Visits { .. } => "connection",
            Self::Sink { .. } | Self::Source { .. } => "64 KiB",
            Self::Broadcast { .. } => "member and round",
            Self::Datagrams { .. } => "datagram",
        }
    }

    /// The operations of one round.
    pub(crate) fn operations(self) -> usize {
        match self {
            Self::Echo {
                connections,
                in_flight,
                ..
            } => connections * in_flight,
            Self::Visits { at_a_time } => at_a_time,
            Self::Sink { connections } | Self::Source { connections } => connections,
            Self::Broadcast { members, .. } => members,
            Self::Datagrams { sockets } => sockets,
        }
    }

    /// Whether a round is so small that the kernel keeps all of it for a server that is held.
    pub(crate) fn fits_into_buffers(self) -> bool {
        match self {
            Self::Echo {
                size, in_flight, ..
            } => size * in_flight < BLOCK / 2,
            Self::Visits { .. } | Self::Broadcast { .. } | Self::Datagrams { .. } => true,
            Self::Sink { .. } | Self::Source { .. } => false,
        }
    }

    /// Lets `address` do so many rounds, and looks at every byte that comes back.
    pub(crate) fn exchange(
        self,
        address: SocketAddr,
        rounds: u32,
        grip: impl Fn(Grip) -> io::Result<()>,
    ) -> io::Result<()> {
        match self {
            Self::Echo {
                connections,
                size,
                in_flight,
            } => echo(address, connections, size * in_flight, rounds, grip),
            Self::Visits { at_a_time } => visits(address, at_a_time, rounds, grip),
            Self::Sink { connections } => sink(address, connections, rounds),
            Self::Source { connections } => source(address, connections, rounds),
            Self::Broadcast { members, speakers } => {
                broadcast(address, members, speakers, rounds, grip)
            }
            Self::Datagrams { sockets } => datagrams(address, sockets, rounds, grip),
        }
    }
}

fn echo(
    address: SocketAddr,
    connections: usize,
    bytes: usize,
    rounds: u32,
    grip: impl Fn(Grip) -> io::Result<()>,
) -> io::Result<()> {
    let mut connections = connect_all(address, connections)?;
    let mut answer = vec![0; bytes];
    for round in 0..rounds {
        let sent = vec![round.to_le_bytes()[0]; bytes];
        grip(Grip::Hold)?;
        for connection in &mut connections {
            connection.write_all(&sent)?;
        }
        grip(Grip::LetGo)?;
        for connection in &mut connections {
            connection.read_exact(&mut answer)?;
            check(answer == sent, "the echo is not what was sent")?;
        }
    }
    Ok(())
}

fn visits(
    address: SocketAddr,
    at_a_time: usize,
    rounds: u32,
    grip: impl Fn(Grip) -> io::Result<()>,
) -> io::Result<()> {
    let sent = [7; MESSAGE];
    let mut answer = [0; MESSAGE];
    for round in 0..rounds {
        grip(Grip::Hold)?;
        let mut visitors = Vec::new();
        for _ in 0..at_a_time {
            let mut visitor = connect_from(round % SOURCE_ADDRESSES, address)?;
            visitor.write_all(&sent)?;
            visitors.push(visitor);
        }
        grip(Grip::LetGo)?;
        for visitor in &mut visitors {
            visitor.read_exact(&mut answer)?;
            check(answer == sent, "the echo is not what was sent")?;
        }
        grip(Grip::Hold)?;
        for visitor in &visitors {
            visitor.shutdown(Shutdown::Write)?;
        }
        grip(Grip::LetGo)?;
        for visitor in &mut visitors {
            check(visitor.read(&mut answer)? == 0, "bytes after the answer")?;
        }
    }
    Ok(())
}

fn sink(address: SocketAddr, connections: usize, rounds: u32) -> io::Result<()> {
    let mut connections = connect_all(address, connections)?;
    let block = vec![7; BLOCK];
    for _ in 0..rounds {
        for connection in &mut connections {
            connection.write_all(&block)?;
        }
    }
    for connection in &mut connections {
        connection.shutdown(Shutdown::Write)?;
        let mut count = [0; 8];
        connection.read_exact(&mut count)?;
        let sent = BLOCK as u64 * u64::from(rounds);
        check(u64::from_be_bytes(count) == sent, "the count is wrong")?;
    }
    Ok(())
}

fn source(address: SocketAddr, connections: usize, rounds: u32) -> io::Result<()> {
    let mut connections = connect_all(address, connections)?;
    let mut block = vec![0; BLOCK];
    let mut first = None;
    for _ in 0..rounds {
        for connection in &mut connections {
            connection.read_exact(&mut block)?;
            let first = first.get_or_insert_with(|| block.clone());
            check(*first == block, "a block is not like the first one")?;
        }
    }
    Ok(())
}

fn broadcast(
    address: SocketAddr,
    members: usize,
    speakers: usize,
    rounds: u32,
    grip: impl Fn(Grip) -> io::Result<()>,
) -> io::Result<()> {
    let mut members = connect_all(address, members)?;
    // A server may accept later than the handshake is done, and a member hears only what is said after that.
    std::thread::sleep(Duration::from_secs(1));
    let mut heard = vec![0; speakers * MESSAGE];
    for _ in 0..rounds {
        grip(Grip::Hold)?;
        for (speaker, member) in (1..).zip(members.iter_mut().take(speakers)) {
            member.write_all(&[speaker; MESSAGE])?;
        }
        grip(Grip::LetGo)?;
        for (place, member) in members.iter_mut().enumerate() {
            // No member hears itself.
            let others = speakers - usize::from(place < speakers);
            let heard = &mut heard[..others * MESSAGE];
            member.read_exact(heard)?;
            let is_whole = heard
                .chunks(MESSAGE)
                .all(|message| message.iter().all(|byte| *byte == message[0]));
            check(is_whole, "messages are mixed up")?;
        }
    }
    Ok(())
}

fn datagrams(
    address: SocketAddr,
    sockets: usize,
    rounds: u32,
    grip: impl Fn(Grip) -> io::Result<()>,
) -> io::Result<()> {
    let connect = |_| {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.connect(address)?;
        Ok(socket)
    };
    let sockets: Vec<UdpSocket> = (0..sockets).map(connect).collect::<io::Result<_>>()?;
    let mut answer = [0; 2 * MESSAGE];
    for round in 0..rounds {
        let sent = [round.to_le_bytes()[0]; MESSAGE];
        grip(Grip::Hold)?;
        for socket in &sockets {
            socket.send(&sent)?;
        }
        grip(Grip::LetGo)?;
        for socket in &sockets {
            let length = socket.recv(&mut answer)?;
            check(answer[..length] == sent, "the echo is not what was sent")?;
        }
    }
    Ok(())
}

fn connect_all(address: SocketAddr, count: usize) -> io::Result<Vec<TcpStream>> {
    (0..count)
        .map(|_| prepared(TcpStream::connect(address)?))
        .collect()
}

/// Connects from one of many addresses of the loopback network.
fn connect_from(number: u32, address: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    let from = Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 0, 1, 1)) + number);
    socket.bind(&SocketAddr::from((from, 0)).into())?;
    socket.connect(&address.into())?;
    prepared(socket.into())
}

fn prepared(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn check(is_right: bool, what: &str) -> io::Result<()> {
    match is_right {
        true => Ok(()),
        false => Err(io::Error::other(what)),
    }
}
