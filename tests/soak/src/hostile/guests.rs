//! The guests of the server, which behave well: they send a message, and wait for it to come back.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::attack::micros;
use super::attacker::OVER;
use super::session::{COUNT, ECHO};

/// The guests, each of which has a connection for the whole run.
const GUESTS: usize = 10;

/// The time between two messages, of all guests together.
const PAUSE: Duration = Duration::from_millis(1);

/// The time after which a guest counts as lost.
const PATIENCE: Duration = Duration::from_secs(5);

const MESSAGE: [u8; 64] = [b'g'; 64];

/// The round trips of one phase.
#[derive(Clone, Copy, Debug)]
pub(super) struct Latencies {
    pub(super) count: u64,
    pub(super) median_us: u64,
    pub(super) p99_us: u64,
    pub(super) longest_us: u64,
}

impl Latencies {
    fn of(mut times: Vec<u64>) -> Self {
        times.sort_unstable();
        let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or(0);
        Self {
            count: times.len() as u64,
            median_us: at(50),
            p99_us: at(99),
            longest_us: times.last().copied().unwrap_or(0),
        }
    }
}

/// Exchanges messages until the phase is `OVER`. Returns the round trips of each phase, and the number of lost guests.
pub(super) fn visit(server: SocketAddr, phase: &AtomicU8) -> (Vec<Latencies>, u64) {
    let guests: io::Result<Vec<TcpStream>> = (0..GUESTS).map(|_| enter(server)).collect();
    let mut guests = guests.expect("the server takes its first guests");
    let mut times = vec![Vec::new()];
    let mut lost = 0;
    let mut number = 0;
    while !guests.is_empty() {
        let present = phase.load(Ordering::Relaxed);
        if present == OVER {
            break;
        }
        times.resize_with(usize::from(present) + 1, Vec::new);
        number = (number + 1) % guests.len();
        let began = Instant::now();
        match exchange(&mut guests[number]) {
            // The phase in which the message was sent counts.
            Ok(()) => times[usize::from(present)].push(micros(began.elapsed())),
            Err(error) => {
                eprintln!("a guest is lost: {error}");
                guests.swap_remove(number);
                number = 0;
                lost += 1;
            }
        }
        #[expect(clippy::disallowed_methods, reason = "the load has a pace")]
        thread::sleep(PAUSE);
    }
    (times.into_iter().map(Latencies::of).collect(), lost)
}

/// Asks the server for its sockets. Returns the number of those that are no guests.
pub(super) fn count(server: SocketAddr) -> io::Result<u64> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&[COUNT])?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    let sockets: u64 = line.trim().parse().map_err(io::Error::other)?;
    // The one that asks is no guest either.
    Ok(sockets.saturating_sub(GUESTS as u64 + 1))
}

fn enter(server: SocketAddr) -> io::Result<TcpStream> {
    let mut guest = TcpStream::connect(server)?;
    guest.set_nodelay(true)?;
    guest.set_read_timeout(Some(PATIENCE))?;
    guest.write_all(&[ECHO])?;
    Ok(guest)
}

fn exchange(guest: &mut TcpStream) -> io::Result<()> {
    guest.write_all(&MESSAGE)?;
    let mut answer = [0; MESSAGE.len()];
    guest.read_exact(&mut answer)?;
    match answer == MESSAGE {
        true => Ok(()),
        false => Err(io::ErrorKind::InvalidData.into()),
    }
}
