//! Connect, echo one message, close: the work of a server without keep-alive. The end of stream is part of the check: the
//! client finishes first and waits for the server to finish too.

use std::io::{Error, ErrorKind, Read, Result as IoResult, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Instant;

use netloop_benches::epoll::{EDGES, Epoll};
use netloop_benches::visits;

use super::{Events, Load, Phase, Share, Slice, Start, Target};
use crate::pattern::MESSAGE;

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
        let mut events = Events::new()?;
        // Each thread has numbers of its own.
        let mut number = share.thread as u64;
        let mut begin = |epoll: &Epoll, place: usize| {
            number += share.threads as u64;
            Visit::begin(target, epoll, place, number).map_err(|error| format!("a visit: {error}"))
        };
        let mut open = share.of(self.connections).len();
        let first = (0..open).map(|place| begin(&events.epoll, place).map(Some));
        let mut visits = first.collect::<Result<Vec<_>, String>>()?;
        while open > 0 {
            for event in 0..events.wait(&mut stopwatch)? {
                let (place, _) = events.epoll.event(event);
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
                    _ => Some(begin(&events.epoll, place)?),
                };
                open -= usize::from(phase == Phase::Over);
            }
        }
        Ok(stopwatch.slice)
    }
}

impl Visit {
    fn begin(target: &Target<'_>, epoll: &Epoll, place: usize, number: u64) -> IoResult<Self> {
        let began = Instant::now();
        let stream = visits::connect(target.address, number, true)?;
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
