//! Connect, echo one message, close: what a server without keep-alive lives on. The end of stream is part of the
//! check: the client finishes first and waits for the server to finish too.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::time::Instant;

use socket2::{Domain, Socket, Type};

use super::{Load, PATIENCE, Phase, Stopwatch, Target, record, share};
use crate::pattern::MESSAGE;
use crate::system::{self, EDGE, Epoll, PEER_END, READABLE, WRITABLE};

/// Every connection leaves a port in TIME_WAIT, and there are 28,000 of them for each address of the client's.
const SOURCE_ADDRESSES: u64 = 200;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Churn {
    /// Connections open at the same time.
    pub(crate) connections: usize,
}

/// How far a connection has come.
enum Stage {
    /// The handshake is under way.
    Connecting,
    /// The message is sent; so many of its bytes are back.
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
    type Ready = usize;

    fn most_threads(&self) -> usize {
        self.connections.div_ceil(8)
    }

    fn prepare(&self, _: &Target<'_>, thread: usize, threads: usize) -> Result<usize, String> {
        Ok(share(self.connections, thread, threads))
    }

    fn drive(
        &self,
        target: &Target<'_>,
        places: usize,
        stopwatch: &mut Stopwatch,
    ) -> Result<(), String> {
        let mut epoll = Epoll::new(256).map_err(|error| error.to_string())?;
        let mut number = 0;
        let mut visits = Vec::new();
        for place in 0..places {
            visits.push(Some(Visit::begin(target, &epoll, place, number)?));
            number += 1;
        }
        let mut open = places;
        let mut last_progress = Instant::now();
        while open > 0 {
            let count = epoll.wait(1000).map_err(|error| error.to_string())?;
            for position in 0..count {
                let (token, _) = epoll.event(position);
                let place = usize::try_from(token).expect("tokens are places");
                let Some(visit) = &mut visits[place] else {
                    continue;
                };
                if !visit.proceed(target)? {
                    continue;
                }
                let now = Instant::now();
                let phase = stopwatch.phase(now);
                if phase == Phase::Measured {
                    stopwatch.slice.operations += 1;
                    stopwatch.slice.verified_bytes += MESSAGE as u64;
                    let began = visit.began;
                    record(&mut stopwatch.slice.latency, now - began, 1);
                }
                if phase == Phase::Over {
                    visits[place] = None;
                    open -= 1;
                } else {
                    visits[place] = Some(Visit::begin(target, &epoll, place, number)?);
                    number += 1;
                }
            }
            let now = Instant::now();
            stopwatch.phase(now);
            if count > 0 {
                last_progress = now;
            } else if now - last_progress > PATIENCE {
                return Err("no answer for 5 s".to_owned());
            }
        }
        Ok(())
    }
}

impl Visit {
    fn begin(
        target: &Target<'_>,
        epoll: &Epoll,
        place: usize,
        number: u64,
    ) -> Result<Self, String> {
        let began = Instant::now();
        let failed = |error| format!("connection {number} failed: {error}");
        let stream = connect(target.address, number).map_err(failed)?;
        epoll
            .add(&stream, place as u64, READABLE | WRITABLE | PEER_END | EDGE)
            .map_err(failed)?;
        Ok(Self {
            stream,
            stage: Stage::Connecting,
            number,
            began,
        })
    }

    /// Goes as far as it can; true when the visit is over.
    fn proceed(&mut self, target: &Target<'_>) -> Result<bool, String> {
        let expected = target.pattern.slice(self.number * MESSAGE as u64, MESSAGE);
        loop {
            match &mut self.stage {
                Stage::Connecting => match self.stream.write(expected) {
                    Ok(MESSAGE) => self.stage = Stage::Answering { received: 0 },
                    Ok(_) => return Err("an empty socket took only part of 64 bytes".to_owned()),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                    Err(error) => return Err(format!("a connection failed: {error}")),
                },
                Stage::Answering { received } => {
                    let mut buffer = [0; MESSAGE + 1];
                    match self.stream.read(&mut buffer) {
                        Ok(0) => return Err("the server closed before it answered".to_owned()),
                        Ok(length) if expected[*received..].starts_with(&buffer[..length]) => {
                            *received += length
                        }
                        Ok(_) => return Err("wrong bytes".to_owned()),
                        Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                        Err(error) => return Err(format!("a receive failed: {error}")),
                    }
                    if *received == MESSAGE {
                        self.stream
                            .shutdown(Shutdown::Write)
                            .map_err(|error| error.to_string())?;
                        self.stage = Stage::Finishing;
                    }
                }
                Stage::Finishing => {
                    return match self.stream.read(&mut [0]) {
                        Ok(0) => Ok(true),
                        Ok(_) => Err("bytes after the answer".to_owned()),
                        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
                        Err(error) => Err(format!("the end of stream failed: {error}")),
                    };
                }
            }
        }
    }
}

/// Begins to connect, from one of many addresses of the loopback network.
fn connect(address: SocketAddr, number: u64) -> std::io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None)?;
    socket.set_tcp_nodelay(true)?;
    system::choose_port_at_connect(&socket)?;
    let last = u8::try_from(number % SOURCE_ADDRESSES + 1).expect("at most 200");
    socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 1, last), 0)).into())?;
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
        _ => Ok(socket.into()),
    }
}
