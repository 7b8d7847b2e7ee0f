//! The same script in a simulation and on loopback: what a socket is told must be the same, word for word.
//!
//! Everything that is compared is determined on both sides, and nothing else is in the scripts:
//! - After each step everything comes to rest before the next one begins.
//! - Within a step several actions may meet only where no buffer is filled and no timeout runs ([`Kind`]). How much a
//!   kernel buffers is its own affair, and a machine that is busy may let a timeout pass between two turns.
//! - A connection is known by the address that it comes from, and strangers are turned away. Programs find a port
//!   without a listener by asking for one and letting go of it. When they connect to it, it may have become ours.
//! - A kernel that has lost packets may have gone another way: a lost FIN comes behind a reset, a lost reset never.
//!   Only then a script that fails is tried again.
#![cfg(any(target_os = "linux", target_os = "android"))]

mod recorder;
mod script;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use netloop::simulation::{Host, Options, Simulation};
use netloop::{Budget, ConnectOptions, EventLoop, ListenOptions, SocketOptions, Wait};
use socket2::{Domain, Socket, Type};

use super::support::{client_host, client_number, loopback, losses};
use recorder::{Log, Name, Recorder};
use script::{Action, Script};

/// The longest that loopback may take to say what the simulation has said.
const PATIENCE: Duration = Duration::from_secs(10);

/// The same, once packets were lost.
const PATIENCE_WITH_LOSSES: Duration = Duration::from_secs(1);

/// The most times that a script may meet losses and fail.
const TRIES: u32 = 20;

/// The time by which a step moves the simulation's clock: more than an idle timeout.
const STEP: Duration = Duration::from_millis(10);

/// An idle timeout. Real time is spent on it, so it is short.
const IDLE: Duration = Duration::from_millis(4);

/// The bytes of one write among those that fill the buffers.
const PIECE: usize = 128 << 10;

/// The least that is queued behind a filling write. Linux lets the buffer of a sender grow on the way, to 4 MiB at most
/// (tcp_wmem): no queue may be drained by that alone.
const SURPLUS: usize = 6 << 20;

/// The limit of all queues, which only [`Action::Overflow`] reaches: small writes do not come near it, also behind a
/// filling one.
const LIMIT: usize = SURPLUS + (4 << 20);

/// One of the two worlds, as a script sees it.
struct World<'a> {
    event_loop: &'a mut EventLoop<Log>,
    log: &'a mut Log,
    server: SocketAddr,
    nowhere: SocketAddr,
}

fn options(half_open: bool) -> SocketOptions {
    SocketOptions::new()
        .allow_half_open(half_open)
        .max_queued_bytes(LIMIT)
}

fn listen(event_loop: &mut EventLoop<Log>, place: SocketAddr, script: &Script) -> SocketAddr {
    let options = ListenOptions::new().socket(options(script.server_is_half_open));
    let echoes = script.echoes;
    let server = event_loop.listen_with(place, options, move |cx, accepted| {
        let number = accepted
            .peer_address
            .and_then(|peer| client_number(peer.ip()));
        let name = number.map(|number| (number, false));
        if let Some(name) = name {
            cx.shared.ids.insert(name, accepted.id);
        }
        Recorder { name, echoes }
    });
    let server = server.unwrap();
    event_loop.server(server).address().unwrap()
}

impl World<'_> {
    fn take(&mut self, action: Action) {
        match action {
            Action::Connect { half_open } => {
                self.connect(self.server, options(half_open));
            }
            Action::ConnectNowhere => self.connect(self.nowhere, options(false)),
            Action::Fill(name) => self.fill(name),
            Action::Overflow(name) => {
                self.fill(name);
                self.write(name, LIMIT);
            }
            Action::Write(name, length) => {
                self.write(name, length);
            }
            Action::EndWith(name, length) => {
                let bytes = self.log.next_bytes(length);
                if self.socket(name, |socket| socket.end_with(&bytes).is_accepted()) {
                    self.log.sent(name, &bytes);
                }
            }
            Action::Mark(name, token) => {
                self.socket(name, |socket| {
                    socket.notify_when_sent(token);
                    true
                });
            }
            Action::Simple(name, act) => {
                self.socket(name, |socket| {
                    act.act(socket);
                    true
                });
            }
        }
    }

    fn connect(&mut self, address: SocketAddr, options: SocketOptions) {
        let number = self.log.connects;
        self.log.connects += 1;
        let name = (number, true);
        let recorder = Recorder {
            name: Some(name),
            echoes: false,
        };
        let options = ConnectOptions::new()
            .local_address(client_host(number))
            .socket(options);
        let id = self.event_loop.connect_with(address, options, recorder);
        let id = id.unwrap();
        self.log.ids.insert(name, id);
    }

    /// Does something to a socket, if there is one of the name.
    fn socket(&mut self, name: Name, act: impl FnOnce(&mut netloop::Socket<'_>) -> bool) -> bool {
        match self.log.ids.get(&name) {
            Some(&id) => act(&mut self.event_loop.socket(id)),
            None => false,
        }
    }

    /// Writes, and says how much is queued then; `None` if it was not taken.
    fn write(&mut self, name: Name, length: usize) -> Option<usize> {
        let bytes = self.log.next_bytes(length);
        let mut queued = 0;
        let is_taken = self.socket(name, |socket| {
            let flow = socket.write(&bytes);
            queued = socket.queued_bytes();
            flow.is_accepted()
        });
        if is_taken {
            self.log.sent(name, &bytes);
        }
        is_taken.then_some(queued)
    }

    /// Writes more than any kernel takes, unless that was done and is not over.
    fn fill(&mut self, name: Name) {
        self.log.filled.insert(name.0);
        if !self.socket(name, |socket| socket.needs_drain()) {
            while self
                .write(name, PIECE)
                .is_some_and(|queued| queued < SURPLUS)
            {}
        }
    }
}

/// Why both worlds do not agree.
struct Difference {
    message: String,
    /// Whether the kernel has lost packets meanwhile.
    has_losses: bool,
}

fn compare(seed: u64) -> Result<(), Difference> {
    let losses_before = losses();
    let script = Script::new(&mut fastrand::Rng::with_seed(seed));
    let mut simulation = Simulation::new(seed, Options::new()).unwrap();
    let mut host: Host<Log> = simulation.host(Log::default()).unwrap();
    let simulated_place = "127.0.0.1:0".parse().unwrap();
    let simulated = listen(&mut host.event_loop, simulated_place, &script);

    let mut event_loop = EventLoop::new().unwrap();
    let mut log = Log::default();
    let real = listen(&mut event_loop, loopback(), &script);
    // It is ours, and does not listen: a connection to it is refused for certain.
    let dead = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    dead.bind(&loopback().into()).unwrap();
    let nowhere = dead.local_addr().unwrap().as_socket().unwrap();

    for (number, step) in script.steps.iter().enumerate() {
        for &action in step {
            World {
                event_loop: &mut host.event_loop,
                log: &mut host.shared,
                server: simulated,
                nowhere: "127.0.0.1:1".parse().unwrap(),
            }
            .take(action);
        }
        simulation.run_for(&mut [&mut host], STEP).unwrap();
        for &action in step {
            World {
                event_loop: &mut event_loop,
                log: &mut log,
                server: real,
                nowhere,
            }
            .take(action);
        }
        let start = Instant::now();
        // A few turns more than it takes to agree, so that what must not come could.
        let mut agreed = 0;
        while agreed < 3 {
            let turn = event_loop.turn(&mut log, Wait::No, Budget::new()).unwrap();
            let is_at_rest = turn.events + turn.timers + turn.closed == 0;
            agreed = match is_at_rest && log.agrees_with(&host.shared) {
                true => agreed + 1,
                false => 0,
            };
            if start.elapsed() < PATIENCE_WITH_LOSSES {
                continue;
            }
            let has_losses = losses() > losses_before;
            if has_losses || start.elapsed() > PATIENCE {
                let difference = log.difference_from(&host.shared);
                return Err(Difference {
                    message: format!("seed {seed}, step {number}, {step:?}:\n{difference}"),
                    has_losses,
                });
            }
        }
    }
    Ok(())
}

/// Says how often the script failed where packets were lost.
fn compare_until_nothing_is_lost(seed: u64) -> u32 {
    let mut failures = 0;
    while let Err(Difference {
        message,
        has_losses,
    }) = compare(seed)
    {
        failures += 1;
        let may_be_lost = has_losses && failures < TRIES;
        assert!(may_be_lost, "after {failures} failures: {message}");
    }
    failures
}

#[test]
fn a_script_is_told_the_same_in_a_simulation_and_on_loopback() {
    let number =
        |name, default| std::env::var(name).map_or(default, |number| number.parse().unwrap());
    let (first, scripts): (u64, u64) = (number("FIRST_SCRIPT", 0), number("SCRIPTS", 200));
    let failures: u32 = (first..first + scripts)
        .map(compare_until_nothing_is_lost)
        .sum();
    println!(
        "{scripts} scripts; {failures} times one failed where loopback lost packets, and was tried again"
    );
}
