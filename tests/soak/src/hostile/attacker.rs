//! The process that attacks, in rounds: quiet, an attack, and the time within which everything hostile has to be gone.

use std::fmt;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use netloop::{Budget, ConnectOptions, EventLoop, EventLoopOptions, Limits, Result, Wait};
use socket2::{Domain, Socket, Type};

use super::attack::{Attack, Kind, Record, World};
use super::guests::{self, Latencies};

/// The parts of a round.
const QUIET: Duration = Duration::from_secs(2);
const ATTACK: Duration = Duration::from_secs(8);
/// In the last round the writers take all connections that the server has, at the rate at which it accepts.
const LAST_ATTACK: Duration = Duration::from_secs(26);
const DRAIN: Duration = Duration::from_secs(5);

/// The longest wait of a turn.
const STEP: Duration = Duration::from_millis(5);

/// The longest time for a connect that blocks.
const PATIENCE: Duration = Duration::from_millis(100);

/// The connects of one kind in one turn.
const CONNECTS_A_TURN: usize = 16;

/// The phase in which the guests leave. The others are counted from zero, three in a round.
pub(super) const OVER: u8 = u8::MAX;

/// The outcome of the attack, as a text that the server's process reads.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) records: Vec<Record>,
    /// The round trips of the guests, quiet and under attack in turn.
    pub(super) latencies: Vec<Latencies>,
    /// The guests whose connection was lost.
    pub(super) lost_guests: u64,
    /// The hostile peers that the server still had at the end of a round, in the worst one.
    pub(super) left: u64,
}

pub(super) fn attack(server: SocketAddr, side_door: SocketAddr, rounds: u32) -> Result<Outcome> {
    let phase = AtomicU8::new(0);
    thread::scope(|scope| {
        let guests = scope.spawn(|| guests::visit(server, &phase));
        let records = attack_in_rounds([server, side_door], rounds, &phase);
        phase.store(OVER, Ordering::Relaxed);
        let (latencies, lost_guests) = guests.join().expect("the guests have panicked");
        let (records, left) = records?;
        Ok(Outcome {
            records: records.to_vec(),
            latencies,
            lost_guests,
            left,
        })
    })
}

struct Attacker {
    event_loop: EventLoop<World>,
    world: World,
    addresses: [SocketAddr; 2],
    /// The peers of the present wave of each kind that are still to connect.
    waiting: [usize; Kind::ALL.len()],
    /// The connects of each kind in this round.
    opened: [usize; Kind::ALL.len()],
    /// The waves of each kind that have begun in this round.
    waves: [u128; Kind::ALL.len()],
}

fn attack_in_rounds(
    addresses: [SocketAddr; 2],
    rounds: u32,
    phase: &AtomicU8,
) -> Result<([Record; Kind::ALL.len()], u64)> {
    let mut left = 0;
    let options = EventLoopOptions::new().limits(Limits::unlimited());
    let mut attacker = Attacker {
        event_loop: EventLoop::with_options(options)?,
        world: World {
            attacks: false,
            random: fastrand::Rng::new(),
            records: [Record::default(); Kind::ALL.len()],
        },
        addresses,
        waiting: [0; Kind::ALL.len()],
        opened: [0; Kind::ALL.len()],
        waves: [0; Kind::ALL.len()],
    };
    for round in 1..=rounds {
        attacker.run_for(QUIET, |_, _| Ok(()))?;
        phase.fetch_add(1, Ordering::Relaxed);
        attacker.world.attacks = true;
        attacker.opened.fill(0);
        attacker.waves.fill(0);
        let is_last = round == rounds;
        let time = if is_last { LAST_ATTACK } else { ATTACK };
        attacker.run_for(time, |attacker, began| attacker.strike(began, is_last))?;
        attacker.world.attacks = false;
        // The round trips that the guests measure while the last attackers go count for neither phase.
        phase.fetch_add(1, Ordering::Relaxed);
        attacker.run_for(DRAIN, |_, _| Ok(()))?;
        left = left.max(guests::count(addresses[0])?);
        // The sockets of peers that do not read still have bytes that nothing is to be done with.
        for id in attacker.event_loop.sockets().ids() {
            attacker.event_loop.socket(id).destroy();
        }
        phase.fetch_add(1, Ordering::Relaxed);
    }
    Ok((attacker.world.records, left))
}

impl Attacker {
    /// Makes turns for `time`, and calls `act` before each with the time since the beginning.
    fn run_for(
        &mut self,
        time: Duration,
        mut act: impl FnMut(&mut Self, Duration) -> Result<()>,
    ) -> Result<()> {
        let began = Instant::now();
        while began.elapsed() < time {
            act(self, began.elapsed())?;
            self.event_loop
                .turn(&mut self.world, Wait::For(STEP), Budget::new())?;
        }
        Ok(())
    }

    /// Opens the connections that are missing.
    fn strike(&mut self, began: Duration, is_last: bool) -> Result<()> {
        for kind in Kind::ALL {
            let is_due = match kind {
                Kind::Writer => is_last,
                // At first it would take the writers' share of the rate.
                Kind::Flooder => !is_last || began > LAST_ATTACK / 2,
                _ => true,
            };
            if !is_due {
                continue;
            }
            let alive = self.world.records[kind as usize].alive;
            let missing = match kind.wave() {
                None => kind.crowd() - alive,
                Some(wave) => {
                    let number = began.as_millis() / wave.as_millis() + 1;
                    let place = kind as usize;
                    if number > self.waves[place] {
                        self.waves[place] = number;
                        self.waiting[place] = kind.crowd();
                    }
                    self.waiting[place]
                }
            };
            let opened = &mut self.opened[kind as usize];
            let due = began.as_millis() * kind.rate() as u128 / 1_000;
            let due = usize::try_from(due).unwrap_or(usize::MAX);
            let connects = missing
                .min(CONNECTS_A_TURN)
                .min(due.saturating_sub(*opened));
            *opened += connects;
            for _ in 0..connects {
                self.open(kind)?;
            }
        }
        Ok(())
    }

    fn open(&mut self, kind: Kind) -> Result<()> {
        let record = &mut self.world.records[kind as usize];
        let number = usize::try_from(record.opened).unwrap_or(0);
        record.opened += 1;
        record.alive += 1;
        let waiting = &mut self.waiting[kind as usize];
        *waiting = waiting.saturating_sub(1);
        let address = self.addresses[usize::from(kind == Kind::Staller)];
        if kind.never_reads() {
            return self.open_slowly(kind, address, number);
        }
        let options = ConnectOptions::new()
            .local_address(std::net::IpAddr::V4(kind.source(number)))
            .socket(kind.options());
        self.event_loop
            .connect_with(address, options, Attack::new(kind))
            .map(drop)
    }

    /// Opens a connection with the segments of an Ethernet, so that the server's kernel does not take whole responses.
    fn open_slowly(&mut self, kind: Kind, address: SocketAddr, number: usize) -> Result<()> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        #[cfg(unix)]
        socket.set_tcp_mss(1_460)?;
        socket.bind(&SocketAddr::from((kind.source(number), 0)).into())?;
        // A connect fails where the backlog is full.
        if socket.connect_timeout(&address.into(), PATIENCE).is_err() {
            let record = &mut self.world.records[kind as usize];
            record.alive -= 1;
            record.unconnected += 1;
            return Ok(());
        }
        let stream = TcpStream::from(socket);
        let attack = Attack::new(kind);
        let id = self.event_loop.adopt(stream, kind.options(), attack)?;
        // A connection that is adopted is told of no connect.
        self.event_loop.socket(id).write(kind.greeting()).ignore();
        Ok(())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for record in &self.records {
            let Record {
                opened,
                unconnected,
                ..
            } = record;
            writeln!(formatter, "attack {opened} {unconnected}")?;
        }
        for latencies in &self.latencies {
            let Latencies {
                count,
                median_us,
                p99_us,
                longest_us,
            } = latencies;
            writeln!(
                formatter,
                "guests {count} {median_us} {p99_us} {longest_us}"
            )?;
        }
        write!(formatter, "left {} {}", self.left, self.lost_guests)
    }
}

impl Outcome {
    /// Reads the text that `Display` has made.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut outcome = Self {
            records: Vec::new(),
            latencies: Vec::new(),
            lost_guests: 0,
            left: 0,
        };
        for line in text.lines() {
            let (word, numbers) = line.split_once(' ')?;
            let numbers: Option<Vec<u64>> = numbers
                .split(' ')
                .map(|number| number.parse().ok())
                .collect();
            match (word, &numbers?[..]) {
                ("attack", &[opened, unconnected]) => outcome.records.push(Record {
                    opened,
                    unconnected,
                    alive: 0,
                }),
                ("guests", &[count, median_us, p99_us, longest_us]) => {
                    outcome.latencies.push(Latencies {
                        count,
                        median_us,
                        p99_us,
                        longest_us,
                    });
                }
                ("left", &[left, lost]) => (outcome.left, outcome.lost_guests) = (left, lost),
                _ => return None,
            }
        }
        (outcome.records.len() == Kind::ALL.len()).then_some(outcome)
    }
}
