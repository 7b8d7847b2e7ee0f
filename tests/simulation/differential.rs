//! The same script in a simulation and on loopback: what a socket is told must be the same, word for word.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use netloop::simulation::{Host, Options, Simulation};
use netloop::{
    Budget, CloseReason, Context, Error, EventLoop, SocketHandler, SocketId, SocketOptions, Wait,
};

/// How long loopback may take to say what the simulation has said.
const PATIENCE: Duration = Duration::from_secs(10);

/// An end of a connection: the number of the connection, and whether it is the end that has connected.
type Name = (usize, bool);

/// What a socket was told. Bytes that come in several pieces count as one.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Connected,
    Data(usize),
    Sent(u64, bool),
    Ended,
    Failed(&'static str),
    Closed(CloseReason, usize),
}

#[derive(Default)]
struct Log {
    told: BTreeMap<Name, Vec<Told>>,
    ids: BTreeMap<Name, SocketId>,
    accepted: usize,
}

impl Log {
    fn tell(&mut self, name: Name, told: Told) {
        let all = self.told.entry(name).or_default();
        if let (Some(Told::Data(before)), &Told::Data(length)) = (all.last_mut(), &told) {
            *before += length;
            return;
        }
        all.push(told);
    }
}

struct Recorder(Name);

impl SocketHandler<Log> for Recorder {
    fn on_connect(&mut self, cx: &mut Context<'_, Log>) {
        cx.shared.tell(self.0, Told::Connected);
    }
    fn on_data(&mut self, cx: &mut Context<'_, Log>, data: &[u8]) {
        cx.shared.tell(self.0, Told::Data(data.len()));
    }
    fn on_sent(&mut self, cx: &mut Context<'_, Log>, token: u64, sent: Result<(), &Error>) {
        cx.shared.tell(self.0, Told::Sent(token, sent.is_ok()));
    }
    fn on_end(&mut self, cx: &mut Context<'_, Log>) {
        cx.shared.tell(self.0, Told::Ended);
    }
    fn on_error(&mut self, cx: &mut Context<'_, Log>, error: &Error) {
        cx.shared.tell(self.0, Told::Failed(error.code()));
    }
    fn on_close(&mut self, cx: &mut Context<'_, Log>, reason: CloseReason) {
        let queued = cx.socket.queued_bytes();
        cx.shared.tell(self.0, Told::Closed(reason, queued));
    }
}

/// One step of a script.
#[derive(Clone, Copy, Debug)]
enum Step {
    Connect { half_open: bool },
    Write(Name, usize),
    Mark(Name, u64),
    Pause(Name),
    Resume(Name),
    End(Name),
    DestroySoon(Name),
    Destroy(Name),
    Reset(Name),
}

fn script(random: &mut fastrand::Rng) -> Vec<Step> {
    let mut connections = 0;
    let count = random.u64(5..40);
    (0..count)
        .map(|number| {
            if connections == 0 || random.u32(..8) == 0 {
                connections += 1;
                return Step::Connect {
                    half_open: random.bool(),
                };
            }
            let name = (random.usize(..connections), random.bool());
            match random.u32(..20) {
                0..8 => Step::Write(name, random.usize(1..3_000)),
                8 => Step::Mark(name, number),
                9..11 => Step::Pause(name),
                11..14 => Step::Resume(name),
                14..16 => Step::End(name),
                16 => Step::DestroySoon(name),
                17 => Step::Destroy(name),
                18 => Step::Reset(name),
                _ => Step::Write(name, 1),
            }
        })
        .collect()
}

/// A loop with its log, in either world.
fn listen(event_loop: &mut EventLoop<Log>) -> SocketAddr {
    let server = event_loop.listen_with(
        "127.0.0.1:0",
        SocketOptions::new(),
        |log: &mut Log, accepted| {
            let name = (log.accepted, false);
            log.accepted += 1;
            log.ids.insert(name, accepted.id);
            Recorder(name)
        },
    );
    let server = server.unwrap();
    event_loop.server(server).address().unwrap()
}

fn take(event_loop: &mut EventLoop<Log>, log: &mut Log, server: SocketAddr, step: Step) {
    let mut with = |name: Name, act: &dyn Fn(&mut netloop::Socket<'_>)| {
        if let Some(&id) = log.ids.get(&name) {
            act(&mut event_loop.socket(id));
        }
    };
    match step {
        Step::Connect { half_open } => {
            let connections = log.ids.keys().filter(|(_, connected)| *connected).count();
            let name = (connections, true);
            let options = SocketOptions::new().allow_half_open(half_open);
            let id = event_loop.connect_with(server, options, Recorder(name));
            log.ids.insert(name, id.unwrap());
        }
        Step::Write(name, length) => with(name, &|socket| {
            let _ = socket.write(&vec![7; length]);
        }),
        Step::Mark(name, token) => with(name, &|socket| socket.notify_when_sent(token)),
        Step::Pause(name) => with(name, &|socket| socket.pause()),
        Step::Resume(name) => with(name, &|socket| socket.resume()),
        Step::End(name) => with(name, &|socket| socket.end()),
        Step::DestroySoon(name) => with(name, &|socket| socket.destroy_soon()),
        Step::Destroy(name) => with(name, &|socket| socket.destroy()),
        Step::Reset(name) => with(name, &|socket| {
            let _ = socket.reset();
        }),
    }
}

fn compare(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let steps = script(&mut random);
    let mut simulation = Simulation::new(seed, Options::new()).unwrap();
    let mut host: Host<Log> = simulation.host(Log::default()).unwrap();
    let simulated = listen(&mut host.event_loop);

    let mut event_loop = EventLoop::new().unwrap();
    let mut log = Log::default();
    let real = listen(&mut event_loop);
    for (number, &step) in steps.iter().enumerate() {
        take(&mut host.event_loop, &mut host.shared, simulated, step);
        simulation
            .run_for(&mut [&mut host], Duration::from_millis(10))
            .unwrap();
        take(&mut event_loop, &mut log, real, step);
        let deadline = Instant::now() + PATIENCE;
        // A few turns more than it takes to agree, so that what must not come could.
        let mut agreed = 0;
        while agreed < 3 {
            event_loop
                .turn(&mut log, Wait::No, Budget::UNLIMITED)
                .unwrap();
            agreed = match log.told == host.shared.told {
                true => agreed + 1,
                false => 0,
            };
            assert!(
                Instant::now() < deadline,
                "seed {seed}, step {number} of {steps:#?}\nloopback: {:#?}\nsimulation: {:#?}",
                log.told,
                host.shared.told
            );
        }
    }
}

#[test]
fn the_same_script_is_told_the_same_in_a_simulation_and_on_loopback() {
    let scripts = std::env::var("SCRIPTS").map_or(200, |scripts| scripts.parse().unwrap());
    for seed in 0..scripts {
        compare(seed);
    }
}
