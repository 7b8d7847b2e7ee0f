//! One run: a simulation from a seed, a workload in it, faults for a while, then calm, then the questions.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use netloop::simulation::{AnyHost, Flavour, Host, Options, Simulation, SimulationEnd};
use netloop::{EventLoopOptions, Limits, ListenOptions, ServerId, SocketId, SocketOptions};

use super::calls::end;
use super::chaos::Chaos;
use super::checker::{Behaviour, LONGEST_WRITE, World};
use super::connecting::{FromOutside, connect};
use super::crowd::Guest;
use super::effort::{Before, Heap, Live, check_descriptors};
use super::filtering::Filters;
use super::hooking::Hooked;
use super::in_order::InOrder;
use super::ledger::{Ledger, MOST_LOOPS};
use super::pattern::Pattern;
use super::piping::note_queues;
use super::reporter::{LOG_LINES, Reporter};
use super::requests::{Book, Request, SERVICE};
use super::room::Visitor;
use super::serving::Counter;
use super::stalling::{Ping, Waiting, truthful};
use super::workload::Workload;
use super::workloads::{Ask, Flood, Sip};

/// The result of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) turns: u64,
    pub(crate) trace: u64,
    pub(crate) callbacks: u64,
    pub(crate) bytes: u64,
    pub(crate) connections: usize,
    pub(crate) virtual_time: Duration,
    pub(crate) idle_turns: u64,
    pub(crate) filter_calls: u64,
    pub(crate) failed_handshakes: usize,
}

/// Everything of one run.
pub(super) struct Scene {
    pub(super) simulation: Simulation,
    pub(super) hosts: Vec<Host<World>>,
    pub(super) ledger: Rc<RefCell<Ledger>>,
    pub(super) random: fastrand::Rng,
    pub(super) workload: Workload,
    pub(super) longest: usize,
    /// The servers, with the loops that they are on.
    pub(super) servers: Vec<(usize, ServerId)>,
    pub(super) book: Rc<Book>,
    pub(super) filters: Filters,
    pub(super) flavour: Flavour,
    /// The most events that the kernels tell of at a time.
    pub(super) batch: usize,
    /// The most descriptors that each loop may have, if there is a limit.
    pub(super) descriptors: Option<usize>,
    pub(super) heap: Option<Heap>,
    pub(super) idle_turns: u64,
}

/// Runs `workload` with `seed`, with kernels of `flavour`, and panics if anything is not as promised. `live` tells what
/// is on the heap, where that can be told: that is bounded too, then.
pub(crate) fn run(
    workload: Workload,
    seed: u64,
    flavour: Flavour,
    pattern: &Rc<Pattern>,
    live: Option<Live>,
) -> Outcome {
    let heap = live.map(Heap::new);
    let mut options = Options::from_seed(seed).flavour(flavour);
    if workload == Workload::Stalled {
        options = truthful(options);
    }
    if workload == Workload::Crowded {
        // Enough for a server, and for one connection with both ends on one machine.
        options.descriptors = Some(4 + usize::try_from(seed % 7).unwrap());
    }
    let filters = Filters::draw(seed, options.capacity);
    let description = format!("{workload:?}, seed {seed}, {filters:?}, {options:?}");
    let mut scene = Scene::new(workload, seed, options, filters, pattern);
    let reporter = Reporter::new(&description, scene.simulation.handle());
    if std::env::var_os("SEED").is_some() {
        scene.simulation.keep_log(LOG_LINES);
    }
    scene.heap = heap;
    scene.start(seed);
    scene.disturb();
    scene.simulation.end_faults();
    scene.filters.end_faults();
    scene.simulation.set_options(|options| {
        options.latency = options.latency.min(Duration::from_millis(1));
        options.jitter = options.jitter.min(Duration::from_millis(1));
    });
    scene.settle();
    scene.check_rest();
    scene.probe();
    scene.finish();
    let outcome = scene.check_end();
    reporter.forget();
    outcome
}

impl Scene {
    fn new(
        workload: Workload,
        seed: u64,
        options: Options,
        filters: Filters,
        pattern: &Rc<Pattern>,
    ) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut ledger = Ledger::new(Rc::clone(pattern), workload.is_echo());
        ledger.is_room = workload == Workload::Room;
        let ledger = Rc::new(RefCell::new(ledger));
        let capacity = options.capacity;
        let longest = (capacity * 10).clamp(3, 40_000);
        let most_fuel = match workload {
            Workload::Crowded | Workload::Limited => 60,
            Workload::Room => 400,
            _ => 3_000,
        };
        let fuel = u32::try_from((capacity * 20).clamp(30, most_fuel)).unwrap();
        let (flavour, batch, descriptors) = (options.flavour, options.batch, options.descriptors);
        let is_unreliable = options.faults.failed_lookups > 0;
        let is_short_of_memory = options.faults.missing_buffers > 0;
        let mut simulation = Simulation::new(seed, options).unwrap();
        let handle = simulation.handle();
        let stalls = workload == Workload::Stalled || random.u32(..3) == 0;
        let idle_timeout = match workload {
            Workload::Stalled => Some(Duration::from_millis(random.u64(5..80))),
            _ => None,
        };
        // Sometimes all on one loop, with a socket of either end on it.
        let count = random.usize(1..=MOST_LOOPS);
        let server = "10.0.0.1:1000".parse().unwrap();
        let book = Rc::new(match workload {
            Workload::Dialing => {
                let servers = open_addresses(count);
                let slow = SLOW.map(|address| address.parse().unwrap());
                let book = Book::new(&mut simulation, &mut random, &servers, &slow);
                book.is_unreliable.set(is_unreliable);
                book
            }
            _ => Book::default(),
        });
        let hosts = (0..count)
            .map(|number| {
                let max_queued = random.choice([LONGEST_WRITE, 1 << 20]).unwrap();
                let high = random.choice([1, 1000, 64 << 10]).unwrap();
                let socket_options = SocketOptions::new()
                    .max_queued_bytes(max_queued)
                    .high_water_mark(high)
                    .low_water_mark(random.choice([0, 500]).unwrap())
                    .allow_half_open(random.bool())
                    .idle_timeout(idle_timeout)
                    .close_timeout(Duration::from_secs(40));
                let limits = Limits::new().handshake_timeout(filters.handshake_timeout());
                let loop_options = EventLoopOptions::new().limits(limits);
                let world = World {
                    ledger: Rc::clone(&ledger),
                    number,
                    random: random.fork(),
                    server,
                    book: Rc::clone(&book),
                    options: socket_options,
                    filters: filters.clone(),
                    max_queued,
                    high_water: high,
                    longest,
                    sides: Vec::new(),
                    handle: Some(handle.clone()),
                    stalls,
                    is_punctual: !stalls,
                    is_short_of_memory,
                    hooked: None,
                    deferred: InOrder::default(),
                    posted: InOrder::default(),
                    stalled: Duration::ZERO,
                    fuel,
                };
                simulation.host_with(world, loop_options).unwrap()
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
            book,
            filters,
            flavour,
            batch,
            descriptors,
            heap: None,
            idle_turns: 0,
        }
    }

    fn start(&mut self, seed: u64) {
        if self.workload == Workload::Chaos {
            for (number, host) in (0..).zip(&mut self.hosts) {
                Hooked::add_to(host, seed ^ number);
            }
        }
        self.serve(0, self.hosts[0].shared.server, false);
        match self.workload {
            Workload::Proxy | Workload::Pipe => {
                let backend = "10.0.0.1:1001".parse().unwrap();
                self.serve(0, backend, true);
                self.hosts[0].shared.server = backend;
            }
            Workload::Dialing => {
                for address in open_addresses(self.hosts.len()).into_iter().skip(1) {
                    let is_first = address.to_string().ends_with('1');
                    let host = usize::from(!is_first);
                    self.serve(host, SocketAddr::new(address, SERVICE), false);
                }
                for address in SLOW.map(|address| address.parse().unwrap()) {
                    let host = self.random.usize(..self.hosts.len());
                    self.serve(host, SocketAddr::new(address, SERVICE), false);
                }
            }
            _ => {}
        }
        let clients = match self.workload {
            Workload::Crowded | Workload::Limited => self.random.usize(4..20),
            Workload::Room => self.random.usize(2..12),
            _ => self.random.usize(1..8),
        };
        let last = self.hosts.len() - 1;
        let most = self.longest.min(20_000);
        for _ in 0..clients {
            let number = self.random.usize(..=last).max(last.min(1));
            self.connect(number, most);
        }
        if self.workload == Workload::Dialing {
            let options = self.hosts[last].shared.options.clone();
            self.connect_with(last, Request::through_the_mirror(), options, Chaos::new());
        }
    }

    fn serve(&mut self, host: usize, address: SocketAddr, is_backend: bool) {
        let options = self.hosts[host].shared.options.clone();
        let listen = ListenOptions::new()
            .backlog(self.random.choice([0, 2, 511]).unwrap())
            .max_connections(match self.workload {
                Workload::Limited => Some(self.random.usize(1..6)),
                _ => None,
            })
            .socket(options);
        let counter = Counter {
            workload: self.workload,
            is_backend,
            is_closed: false,
        };
        let listen = self.filters.of_server(listen);
        let server = self.hosts[host].event_loop.serve(address, listen, counter);
        self.servers.push((host, server.unwrap()));
    }

    fn connect(&mut self, number: usize, most: usize) {
        let front = Request::to("10.0.0.1:1000".parse().unwrap());
        let options = self.hosts[number].shared.options.clone();
        match self.workload {
            Workload::Stalled => {
                let idle_timeout = Duration::from_millis(self.random.u64(5..80));
                let ping = Ping::new(&mut self.random, idle_timeout);
                self.connect_with(number, front, options.idle_timeout(idle_timeout), ping);
            }
            Workload::Echo | Workload::Proxy | Workload::Pipe | Workload::Shutdown => {
                let ask = Ask::new(&mut self.random, most);
                self.connect_with(number, front, options, ask);
            }
            Workload::Firehose => {
                self.connect_with(number, front, options, Sip { pauses: 5 });
            }
            Workload::Flood => {
                let flood = Flood {
                    writes: self.random.u32(1..100),
                    piece: self.random.usize(1..most),
                };
                self.connect_with(number, front, options, flood);
            }
            Workload::Chaos => {
                self.connect_with(number, front, options, Chaos::new());
            }
            Workload::Dialing => {
                let request = Request::random(&self.book, &mut self.random);
                self.connect_with(number, request, options, Chaos::new());
            }
            Workload::Crowded | Workload::Limited => {
                let guest = Guest::new(self.random.usize(1..most));
                self.connect_with(number, front, options, guest);
            }
            Workload::Room => {
                self.connect_with(number, front, options, Visitor::new());
            }
        }
    }

    pub(super) fn connect_with<B: Behaviour>(
        &mut self,
        number: usize,
        request: Request,
        options: SocketOptions,
        behaviour: B,
    ) -> (SocketId, usize) {
        let host = &mut self.hosts[number];
        let mut from = FromOutside {
            now: self.simulation.now(),
            event_loop: &mut host.event_loop,
            world: &mut host.shared,
        };
        connect(&mut from, request, options, behaviour)
    }

    fn parties(hosts: &mut [Host<World>]) -> Vec<&mut dyn AnyHost> {
        hosts
            .iter_mut()
            .map(|host| host as &mut dyn AnyHost)
            .collect()
    }

    /// Turns all loops until nothing is left to happen or `time` has passed, and looks at each turn.
    pub(super) fn run_for(&mut self, time: Duration) -> SimulationEnd {
        let deadline = self.simulation.now() + time;
        loop {
            while self.step() {
                if self.simulation.now() >= deadline {
                    return SimulationEnd::TimedOut;
                }
            }
            let mut parties = Self::parties(&mut self.hosts);
            if let Some(rest) = self.simulation.advance(&mut parties, Some(deadline)) {
                return rest;
            }
        }
    }

    /// One turn of each loop that has something to do.
    fn step(&mut self) -> bool {
        let before = Before::new(&self.simulation, &mut self.hosts, &self.ledger.borrow());
        let waiting = match self.workload {
            Workload::Stalled => {
                let ledger = &mut self.ledger.borrow_mut();
                Waiting::new(&self.simulation, &mut self.hosts, ledger)
            }
            _ => Waiting::default(),
        };
        self.ledger.borrow_mut().steps += 1;
        let mut parties = Self::parties(&mut self.hosts);
        if !self.simulation.step(&mut parties).unwrap() {
            return false;
        }
        if self.workload == Workload::Pipe {
            note_queues(&mut self.hosts, &mut self.ledger.borrow_mut());
        }
        let mut ledger = self.ledger.borrow_mut();
        waiting.check(&ledger);
        before.check_turn(
            &self.simulation,
            &self.hosts,
            self.servers.len(),
            (self.flavour, self.batch),
            &ledger,
        );
        if self.workload == Workload::Dialing {
            let listeners = self.servers.len();
            check_descriptors(&self.simulation, &mut self.hosts, listeners, &ledger);
        }
        if self.workload == Workload::Chaos {
            Hooked::check_turns(&self.simulation, &self.hosts);
        }
        self.idle_turns += u64::from(before.did_nothing(&self.simulation, &self.hosts, &ledger));
        if let Some(heap) = &mut self.heap {
            heap.check(&self.simulation, &mut self.hosts, &mut ledger);
        }
        true
    }

    pub(super) fn close_servers(&mut self) {
        for &(host, server) in &self.servers {
            self.hosts[host].event_loop.server(server).close();
        }
    }

    /// Runs on until nothing is left to happen.
    pub(super) fn settle(&mut self) {
        let before = self.simulation.turns();
        let idle_before = self.idle_turns;
        let calls_before = self.ledger.borrow().calls + self.filters.calls();
        let under_way = self.simulation.packets_in_flight() as u64;
        let rest = self.run_to_rest();
        assert_eq!(rest, SimulationEnd::Quiescent, "it never comes to rest");
        let turns = self.simulation.turns() - before;
        assert!(turns < 1_000_000, "{turns} turns to come to rest");
        let idle = self.idle_turns - idle_before;
        // Bytes for a paused socket wake its loop in vain: the kernel tells of them all the same. So do bytes that had
        // been sent to it before, and were slow to arrive.
        let sent = self.ledger.borrow().calls + self.filters.calls() - calls_before;
        let most = 100 + 2 * (turns - idle) + sent + under_way;
        assert!(
            idle <= most,
            "L4: {idle} turns of {turns} do nothing, and {most} may"
        );
    }

    /// Ends each socket, which reads what is left, and closes the servers.
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
        for host in &self.hosts {
            // A panic of a filter is an error of its socket, also where a filter of these tests asserts.
            assert_eq!(
                host.event_loop.statistics().panics,
                0,
                "F: a filter has panicked"
            );
        }
    }
}

/// Where the servers listen that are reached as they should be: the first host's addresses, and the second's if there
/// is one.
fn open_addresses(hosts: usize) -> Vec<IpAddr> {
    let all = ["10.0.0.1", "fd00::1", "10.0.0.2", "fd00::2"];
    let count = 2 * hosts.min(2);
    all[..count].iter().map(|it| it.parse().unwrap()).collect()
}

/// Where servers listen that it takes long to reach.
const SLOW: [&str; 2] = ["10.7.0.9", "fd07::9"];
