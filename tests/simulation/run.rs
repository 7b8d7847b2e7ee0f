//! One run: a simulation from a seed, a workload in it, faults for a while, then calm, then the questions.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use netloop::simulation::{Flavour, Host, Options, Party, Rest, Simulation};
use netloop::{
    Accepted, Dropped, ListenOptions, LoopContext, ServerHandler, ServerId, SocketHandler,
    SocketOptions,
};

use super::chaos::Chaos;
use super::checker::{Behaviour, Checked, LONGEST_WRITE, World, check_rest, connect, end};
use super::ledger::{FIRST_PORT, Ledger};
use super::pattern::Pattern;
use super::workloads::{Ask, Echo, Firehose, Flood, Relay, Sip};

/// What is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workload {
    Echo,
    Firehose,
    Flood,
    Proxy,
    Chaos,
    Shutdown,
}

impl Workload {
    pub(crate) const ALL: [Self; 6] = [
        Self::Echo,
        Self::Firehose,
        Self::Flood,
        Self::Proxy,
        Self::Chaos,
        Self::Shutdown,
    ];
}

/// What came of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) turns: u64,
    pub(crate) trace: u64,
    pub(crate) callbacks: u64,
    pub(crate) bytes: u64,
    pub(crate) connections: usize,
    pub(crate) virtual_time: Duration,
}

/// Accepts with checked handlers, and counts (S8).
struct Counter {
    workload: Workload,
    is_backend: bool,
}

impl Counter {
    fn handler(&self, world: &mut World, side: usize) -> Box<dyn SocketHandler<World>> {
        let ledger = &world.ledger;
        let random = &mut world.random;
        match self.workload {
            Workload::Proxy if !self.is_backend => boxed(
                ledger,
                side,
                Relay {
                    other: None,
                    connects: true,
                },
            ),
            Workload::Echo | Workload::Proxy | Workload::Shutdown => boxed(ledger, side, Echo),
            Workload::Firehose => boxed(
                ledger,
                side,
                Firehose {
                    left: random.usize(1..world.fuel as usize * 8),
                    piece: random.usize(world.fuel as usize / 10 + 1..world.fuel as usize + 2),
                },
            ),
            Workload::Flood => boxed(ledger, side, Sip { pauses: 3 }),
            Workload::Chaos => boxed(ledger, side, Chaos::new()),
        }
    }
}

fn boxed<B: Behaviour>(
    ledger: &Rc<RefCell<Ledger>>,
    side: usize,
    behaviour: B,
) -> Box<dyn SocketHandler<World>> {
    Box::new(Checked::new(ledger, side, behaviour))
}

impl ServerHandler<World> for Counter {
    fn on_connection(
        &mut self,
        cx: &mut LoopContext<'_, World>,
        accepted: &Accepted,
    ) -> Option<Box<dyn SocketHandler<World>>> {
        let port = usize::from(accepted.peer_address.unwrap().port());
        let side = {
            let mut ledger = cx.shared.ledger.borrow_mut();
            assert!(!ledger.is_calling, "S9: on_connection within a callback");
            ledger.accepted += 1;
            ledger.open_side(port - FIRST_PORT, 1)
        };
        Some(self.handler(cx.shared, side))
    }

    fn on_drop(&mut self, cx: &mut LoopContext<'_, World>, _dropped: &Dropped) {
        cx.shared.ledger.borrow_mut().refused += 1;
    }
}

/// Everything of one run.
struct Scene {
    simulation: Simulation,
    hosts: Vec<Host<World>>,
    ledger: Rc<RefCell<Ledger>>,
    random: fastrand::Rng,
    workload: Workload,
    longest: usize,
    servers: Vec<ServerId>,
}

/// Runs `workload` with `seed`, with kernels of `flavour`, and panics if anything is not as promised.
pub(crate) fn run(
    workload: Workload,
    seed: u64,
    flavour: Flavour,
    pattern: &Rc<Pattern>,
) -> Outcome {
    let options = Options::from_seed(seed).flavour(flavour);
    let description = format!("{workload:?}, seed {seed}, {options:?}");
    let reporter = Reporter(&description);
    let mut scene = Scene::new(workload, seed, options, pattern);
    scene.start();
    scene.disturb();
    scene.simulation.calm();
    scene.simulation.set_options(|options| {
        options.latency = options.latency.min(Duration::from_millis(1));
        options.jitter = options.jitter.min(Duration::from_millis(1));
    });
    scene.settle();
    scene.check_rest();
    scene.finish();
    let outcome = scene.check_end();
    std::mem::forget(reporter);
    outcome
}

/// Prints what is needed to have the run again, if it fails.
struct Reporter<'a>(&'a str);

impl Drop for Reporter<'_> {
    fn drop(&mut self) {
        eprintln!("failed: {}", self.0);
    }
}

impl Scene {
    fn new(workload: Workload, seed: u64, options: Options, pattern: &Rc<Pattern>) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let is_echo = matches!(
            workload,
            Workload::Echo | Workload::Proxy | Workload::Shutdown
        );
        let ledger = Rc::new(RefCell::new(Ledger::new(Rc::clone(pattern), is_echo)));
        let capacity = options.capacity;
        let longest = (capacity * 10).clamp(3, 40_000);
        let fuel = u32::try_from((capacity * 20).clamp(30, 3_000)).unwrap();
        let mut simulation = Simulation::new(seed, options).unwrap();
        // Sometimes all on one loop, with a socket of either end on it.
        let count = random.usize(1..4);
        let server = "10.0.0.1:1000".parse().unwrap();
        let hosts = (0..count)
            .map(|number| {
                let max_queued = random.choice([LONGEST_WRITE, 1 << 20]).unwrap();
                let high = random.choice([1, 1000, 64 << 10]).unwrap();
                let socket_options = SocketOptions::new()
                    .max_queued_bytes(max_queued)
                    .high_water_mark(high)
                    .low_water_mark(random.choice([0, 500]).unwrap())
                    .allow_half_open(random.bool())
                    .close_timeout(Duration::from_secs(40));
                simulation
                    .host(World {
                        ledger: Rc::clone(&ledger),
                        number,
                        random: random.fork(),
                        server,
                        options: socket_options,
                        max_queued,
                        longest,
                        sides: Vec::new(),
                        fuel,
                    })
                    .unwrap()
            })
            .collect();
        Self {
            simulation,
            hosts,
            ledger,
            random,
            workload,
            longest,
            servers: Vec::new(),
        }
    }

    fn start(&mut self) {
        let options = self.hosts[0].shared.options.clone();
        let listen = ListenOptions::new()
            .backlog(self.random.choice([0, 2, 511]).unwrap())
            .socket(options);
        let counter = |is_backend| Counter {
            workload: self.workload,
            is_backend,
        };
        let server = &mut self.hosts[0].event_loop;
        let front = server.serve("10.0.0.1:1000", listen.clone(), counter(false));
        self.servers.push(front.unwrap());
        if self.workload == Workload::Proxy {
            let backend = server.serve("10.0.0.1:1001", listen, counter(true));
            self.servers.push(backend.unwrap());
            self.hosts[0].shared.server = "10.0.0.1:1001".parse().unwrap();
        }
        let clients = self.random.usize(1..8);
        let last = self.hosts.len() - 1;
        let most = self.longest.min(20_000);
        for _ in 0..clients {
            let number = self.random.usize(..=last).max(last.min(1));
            self.connect(number, most);
        }
    }

    fn connect(&mut self, number: usize, most: usize) {
        let host = &mut self.hosts[number];
        let random = &mut self.random;
        let world = &host.shared;
        let options = world.options.clone();
        let mut server = world.server;
        server.set_port(1000);
        let world = World {
            ledger: Rc::clone(&world.ledger),
            random: random.fork(),
            options: options.clone(),
            sides: Vec::new(),
            server,
            ..*world
        };
        let mut from = (&mut host.event_loop, &world);
        match self.workload {
            Workload::Echo | Workload::Proxy | Workload::Shutdown => {
                connect(&mut from, options, Ask::new(random, most));
            }
            Workload::Firehose => {
                connect(&mut from, options, Sip { pauses: 5 });
            }
            Workload::Flood => {
                let flood = Flood {
                    writes: random.u32(1..100),
                    piece: random.usize(1..most),
                };
                connect(&mut from, options, flood);
            }
            Workload::Chaos => {
                connect(&mut from, options, Chaos::new());
            }
        }
    }

    fn parties(hosts: &mut [Host<World>]) -> Vec<&mut dyn Party> {
        hosts
            .iter_mut()
            .map(|host| host as &mut dyn Party)
            .collect()
    }

    fn run_for(&mut self, time: Duration) -> Rest {
        let mut parties = Self::parties(&mut self.hosts);
        self.simulation.run_for(&mut parties, time).unwrap()
    }

    /// Runs with faults for a while, with machines that are cut off and come back.
    fn disturb(&mut self) {
        for _ in 0..10 {
            let time = self.random.choice([20, 500, 30_000, 400_000]).unwrap();
            self.run_for(Duration::from_micros(time));
            if self.simulation.turns() > 500 {
                break;
            }
            let chosen = self.random.usize(..self.hosts.len());
            let event_loop = &self.hosts[chosen].event_loop;
            match self.random.u32(..6) {
                0 => self.simulation.isolate(event_loop),
                1 | 2 => self.simulation.rejoin(event_loop),
                3 => self.hosts[chosen].budget = netloop::Budget::events(1),
                _ => self.hosts[chosen].budget = netloop::Budget::UNLIMITED,
            }
        }
        if self.workload == Workload::Shutdown {
            self.shut_down();
        }
    }

    /// In the midst of everything: no more connections, and an end to all that there are.
    fn shut_down(&mut self) {
        let ledger = Rc::clone(&self.ledger);
        let host = &mut self.hosts[0];
        for &(id, side) in &host.shared.sides {
            end(&mut host.event_loop.socket(id), &ledger, side);
        }
        self.close_servers();
    }

    fn close_servers(&mut self) {
        for &server in &self.servers {
            self.hosts[0].event_loop.server(server).close();
        }
    }

    /// Runs on until nothing is left to happen.
    fn settle(&mut self) {
        let mut parties = Self::parties(&mut self.hosts);
        let before = self.simulation.turns();
        let rest = self
            .simulation
            .run_for(&mut parties, Duration::from_secs(3600));
        assert_eq!(rest.unwrap(), Rest::Quiescent, "it never comes to rest");
        let turns = self.simulation.turns() - before;
        assert!(turns < 1_000_000, "{turns} turns to come to rest");
    }

    fn check_rest(&mut self) {
        let ledger = self.ledger.borrow();
        for host in &mut self.hosts {
            check_rest(&mut host.event_loop.sockets(), &ledger, &host.shared.sides);
        }
        assert_eq!(
            ledger.accepted,
            ledger.accepted_closed
                + ledger
                    .sides
                    .iter()
                    .filter(|side| side.end == 1 && side.reason.is_none())
                    .count(),
            "S8"
        );
    }

    /// Everybody ends and reads what is left, and the servers close.
    fn finish(&mut self) {
        for host in &mut self.hosts {
            for &(id, side) in &host.shared.sides {
                let mut socket = host.event_loop.socket(id);
                socket.resume();
                end(&mut socket, &self.ledger, side);
            }
            host.shared.fuel = 0;
        }
        self.close_servers();
        self.settle();
    }

    /// L3 and R1 to R3: nothing is left.
    fn check_end(self) -> Outcome {
        let Self {
            simulation,
            mut hosts,
            ledger,
            ..
        } = self;
        {
            let ledger = ledger.borrow();
            for side in &ledger.sides {
                assert!(side.reason.is_some(), "L3: not closed: {side:?}");
            }
            assert_eq!(ledger.accepted, ledger.accepted_closed, "S8");
            assert_eq!(ledger.handlers, 0, "R3: handlers were not dropped");
        }
        for host in &mut hosts {
            assert!(!host.event_loop.is_alive(), "R2: {:?}", host.event_loop);
            assert_eq!(host.event_loop.sockets().ids().count(), 0, "R2");
        }
        assert_eq!(simulation.open_sockets(), 0, "R1");
        drop(hosts);
        let ledger = ledger.borrow();
        Outcome {
            turns: simulation.turns(),
            trace: simulation.trace(),
            callbacks: ledger.callbacks,
            bytes: ledger.delivered,
            connections: ledger.sides.len(),
            virtual_time: simulation.elapsed(),
        }
    }
}
