//! Connect, echo one message, close: the work of a server without keep-alive. The end of stream is part of the check: the
//! client finishes first and waits for the server to finish too.

use std::io::{Error, ErrorKind, Read, Result as IoResult, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::time::Instant;

use socket2::{Domain, Socket, Type};

use super::{Load, PATIENCE, Phase, Share, Slice, Start, TICK, Target, text};
use crate::pattern::MESSAGE;
use crate::system::{EDGES, Epoll};

/// Every connection leaves a port in TIME_WAIT for a minute, and there are 28,000 of them for each address of the client's.
const SOURCE_ADDRESSES: u64 = 200;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Churn {
    /// Connections open at the same time.
    pub(crate) connections: usize,
}

/// The progress of a connection.
enum Stage {
    /// The handshake is under way.
    Connecting,
    /// The message is sent, and so many of its bytes are back.
    Answering { received: usize },
    /// The client has finished, and waits for the server to finish.
    Finishing,
}

struct Visit {
    stream: TcpStream,
    stage: Stage,
    number: u64,
    began: Instant,
}

impl Load for Churn {
    fn most_threads(&self) -> usize {
        self.connections.div_ceil(8)
    }

    fn drive(&self, target: &Target<'_>, share: Share, start: Start<'_>) -> Result<Slice, String> {
        let mut stopwatch = start()?;
        let mut epoll = Epoll::new(256).map_err(text)?;
        // Each thread has numbers of its own.
        let mut number = share.thread as u64;
        let mut open = 0;
        let mut visits = Vec::new();
        let mut begin = |epoll: &Epoll, place: usize| {
            number += share.threads as u64;
            Visit::begin(target, epoll, place, number).map_err(|error| format!("a visit: {error}"))
        };
        for place in 0..share.of(self.connections).len() {
            visits.push(Some(begin(&epoll, place)?));
            open += 1;
        }
        let mut last_progress = Instant::now();
        while open > 0 {
            let count = epoll.wait(Some(TICK)).map_err(text)?;
            for event in 0..count {
                let (place, _) = epoll.event(event);
                let Some(visit) = &mut visits[place] else {
                    continue;
                };
                if !visit.proceed(target)? {
                    continue;
                }
                let now = Instant::now();
                let phase = stopwatch.phase(now);
                stopwatch.count(1, MESSAGE, Some(now - visit.began));
                visits[place] = match phase {
                    Phase::Over => None,
                    _ => Some(begin(&epoll, place)?),
                };
                open -= usize::from(phase == Phase::Over);
            }
            let now = Instant::now();
            stopwatch.phase(now);
            if count > 0 {
                last_progress = now;
            } else if now - last_progress > PATIENCE {
                return Err("no answer for 5 s".to_owned());
            }
        }
        Ok(stopwatch.slice)
    }
}

impl Visit {
    fn begin(target: &Target<'_>, epoll: &Epoll, place: usize, number: u64) -> IoResult<Self> {
        let began = Instant::now();
        let stream = connect(target.address, number)?;
        epoll.add(&stream, place as u64, EDGES)?;
        Ok(Self {
            stream,
            stage: Stage::Connecting,
            number,
            began,
        })
    }

    /// Goes as far as it can; true when the visit is over.
    fn proceed(&mut self, target: &Target<'_>) -> Result<bool, String> {
        match self.try_to_proceed(target) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(format!("a visit: {error}")),
        }
    }

    fn try_to_proceed(&mut self, target: &Target<'_>) -> IoResult<()> {
        let wrong = |what| Err(Error::other(what));
        let position = self.number % 1_000_000 * MESSAGE as u64;
        let expected = target.pattern.slice(position, MESSAGE);
        loop {
            match &mut self.stage {
                Stage::Connecting => match self.stream.write(expected)? {
                    MESSAGE => self.stage = Stage::Answering { received: 0 },
                    _ => return wrong("an empty socket took only part of 64 bytes"),
                },
                Stage::Answering { received } => {
                    let mut buffer = [0; MESSAGE + 1];
                    let length = self.stream.read(&mut buffer)?;
                    if length == 0 {
                        return wrong("the server closed before it answered");
                    }
                    if !expected[*received..].starts_with(&buffer[..length]) {
                        return wrong("wrong bytes");
                    }
                    *received += length;
                    if *received == MESSAGE {
                        self.stream.shutdown(Shutdown::Write)?;
                        self.stage = Stage::Finishing;
                    }
                }
                Stage::Finishing => {
                    return match self.stream.read(&mut [0])? {
                        0 => Ok(()),
                        _ => wrong("bytes after the answer"),
                    };
                }
            }
        }
    }
}

/// Begins to connect, from one of many addresses of the loopback network.
fn connect(address: SocketAddr, number: u64) -> IoResult<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None)?;
    socket.set_tcp_nodelay(true)?;
    let host = u8::try_from(number % SOURCE_ADDRESSES + 1).expect("at most 200");
    socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 1, host), 0)).into())?;
    match socket.connect(&address.into()) {
        Err(error)
            if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) =>
        {
            Err(error)
        }
        _ => Ok(socket.into()),
    }
}
