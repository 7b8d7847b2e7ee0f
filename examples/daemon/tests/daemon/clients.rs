//! Clients that load a daemon, and count what they lose.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use socket2::{Domain, Socket, Type};

use crate::process::{PATIENCE, a_little_later};

/// The number of clients that load a daemon at a time.
pub(crate) const CLIENTS: u8 = 64;

/// The counts of all clients.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) connections: AtomicUsize,
    pub(crate) responses: AtomicUsize,
    /// Connects that were refused.
    pub(crate) refused: AtomicUsize,
    /// Connections that were reset, in any call.
    pub(crate) reset: AtomicUsize,
    /// Responses of which a part is missing.
    pub(crate) partial: AtomicUsize,
    /// Requests without a response that were sent before the notice that the daemon ends.
    pub(crate) lost: AtomicUsize,
    /// Requests without a response that were sent after this notice: the daemon had ended the connection.
    pub(crate) late: AtomicUsize,
}

/// The load: clients that connect, ask, and connect again.
pub(crate) struct Load {
    pub(crate) counts: Arc<Counts>,
    /// Set before the daemon is told to end. A request that was sent before must be answered.
    notice: Arc<AtomicBool>,
    is_over: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
}

/// The behaviour of a client.
#[derive(Clone, Copy)]
pub(crate) enum Habit {
    /// Asks once on each connection.
    AskOnce,
    /// Asks again and again until the daemon ends the connection.
    Stay,
}

/// A client's requests on one connection.
struct Client {
    address: SocketAddr,
    number: u8,
    habit: Habit,
    counts: Arc<Counts>,
    notice: Arc<AtomicBool>,
    is_over: Arc<AtomicBool>,
}

impl Load {
    pub(crate) fn new(address: SocketAddr, habit: impl Fn(u8) -> Habit) -> Self {
        let mut load = Self {
            counts: Arc::default(),
            notice: Arc::default(),
            is_over: Arc::default(),
            clients: Vec::new(),
        };
        load.clients = (0..CLIENTS)
            .map(|number| {
                let client = Client {
                    address,
                    number,
                    habit: habit(number),
                    counts: Arc::clone(&load.counts),
                    notice: Arc::clone(&load.notice),
                    is_over: Arc::clone(&load.is_over),
                };
                thread::spawn(move || client.run())
            })
            .collect();
        load
    }

    /// Waits until `count` has grown by `further`.
    #[track_caller]
    pub(crate) fn wait_for(&self, count: impl Fn(&Counts) -> &AtomicUsize, further: usize) {
        let goal = count(&self.counts).load(Ordering::SeqCst) + further;
        let mut last = (0, Instant::now());
        while count(&self.counts).load(Ordering::SeqCst) < goal {
            let now = count(&self.counts).load(Ordering::SeqCst);
            if now != last.0 {
                last = (now, Instant::now());
            }
            assert!(last.1.elapsed() < PATIENCE, "{:?}", self.counts);
            a_little_later();
        }
    }

    /// Notes that the daemon is told to end now.
    pub(crate) fn give_notice(&self) {
        self.notice.store(true, Ordering::SeqCst);
    }

    /// Ends the clients after their present requests.
    pub(crate) fn end(mut self) -> Arc<Counts> {
        self.is_over.store(true, Ordering::SeqCst);
        for client in self.clients.drain(..) {
            client.join().unwrap();
        }
        Arc::clone(&self.counts)
    }
}

fn count(counter: &AtomicUsize) {
    counter.fetch_add(1, Ordering::SeqCst);
}

impl Client {
    fn run(self) {
        while !self.is_over.load(Ordering::SeqCst) {
            match self.connect() {
                Ok(stream) => {
                    count(&self.counts.connections);
                    self.ask_on(stream);
                }
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                    count(&self.counts.refused);
                    thread::yield_now();
                }
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                    count(&self.counts.reset);
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Connects from an address of its own, whose ports are not used up by the other clients.
    fn connect(&self) -> io::Result<TcpStream> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        let own = Ipv4Addr::new(127, 78, 1, self.number + 1);
        socket.bind(&SocketAddr::from((own, 0)).into())?;
        socket.connect(&self.address.into())?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(socket.into())
    }

    fn ask_on(&self, mut stream: TcpStream) {
        for round in 0_u32.. {
            // Every fourth request is in work for a while when the daemon is told to end.
            let request = match (u32::from(self.number) + round) % 4 {
                0 => "slow 3",
                _ => "quick",
            };
            let is_sent = stream.write_all(format!("{request}\n").as_bytes());
            let is_early = is_sent.is_ok() && !self.notice.load(Ordering::SeqCst);
            match is_sent.and_then(|()| response(&mut stream)) {
                Ok(line) if line.ends_with(&format!(": {request}\n")) => {
                    count(&self.counts.responses);
                }
                Ok(line) => {
                    let is_nothing = line.is_empty();
                    count(match (is_nothing, is_early) {
                        (false, _) => &self.counts.partial,
                        (true, true) => &self.counts.lost,
                        (true, false) => &self.counts.late,
                    });
                    return;
                }
                Err(error) => {
                    assert!(
                        matches!(
                            error.kind(),
                            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
                        ),
                        "{error}"
                    );
                    return count(&self.counts.reset);
                }
            }
            if matches!(self.habit, Habit::AskOnce) || self.is_over.load(Ordering::SeqCst) {
                return;
            }
        }
    }
}

/// Reads a line, or what there is of it before the end.
fn response(stream: &mut TcpStream) -> io::Result<String> {
    let mut line = Vec::new();
    let mut buffer = [0; 256];
    while !line.ends_with(b"\n") {
        match stream.read(&mut buffer)? {
            0 => break,
            length => line.extend_from_slice(&buffer[..length]),
        }
    }
    Ok(String::from_utf8(line).unwrap())
}
