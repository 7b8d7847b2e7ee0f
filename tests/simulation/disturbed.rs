//! The same faults in front of the real kernel: every byte still comes, in order, and every socket closes. Where
//! connections are reset, too, the checker of the simulation says what must hold all the same.
#![cfg(any(target_os = "linux", target_os = "android"))]

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use netloop::simulation::{Faults, faulty_event_loop};
use netloop::{
    Accepted, Budget, CloseReason, ConnectOptions, Context, Error, EventLoop, Flow, KeepAlive,
    LoopContext, ServerHandler, ServerId, SocketHandler, SocketOptions, Wait,
};

use super::calls::end;
use super::checker::{self, Behaviour, Checked, LONGEST_WRITE};
use super::dialed::Dialed;
use super::filtering::Filters;
use super::in_order::InOrder;
use super::ledger::{FIRST_PORT, Ledger};
use super::pattern::Pattern;
use super::requests::Request;
use super::support::{client_host, client_number, listener, loopback, unless_lost};
use super::workloads;

const PATIENCE: Duration = Duration::from_secs(20);
const CLIENTS: usize = 5;

struct World {
    pattern: Rc<Pattern>,
    closed: usize,
}

struct Echo;

impl SocketHandler<World> for Echo {
    fn on_data(&mut self, cx: &mut Context<'_, World>, data: &[u8]) {
        if cx.socket.write(data) == Flow::Full {
            cx.socket.pause();
        }
    }
    fn on_drain(&mut self, cx: &mut Context<'_, World>) {
        cx.socket.resume();
    }
    fn on_close(&mut self, cx: &mut Context<'_, World>, reason: CloseReason) {
        assert_eq!(reason, CloseReason::Graceful);
        cx.shared.closed += 1;
    }
}

/// Sends a stream in pieces as long as there is space, and wants it back.
struct Ask {
    stream: usize,
    length: usize,
    sent: usize,
    received: usize,
}

impl Ask {
    fn send(&mut self, cx: &mut Context<'_, World>) {
        while self.sent < self.length {
            let length = (self.length - self.sent).min(30_000);
            let piece = cx
                .shared
                .pattern
                .piece(self.stream, self.sent as u64, length);
            let flow = cx.socket.write(piece);
            assert!(flow.is_accepted());
            self.sent += length;
            if flow == Flow::Full {
                return;
            }
        }
        cx.socket.end();
    }
}

impl SocketHandler<World> for Ask {
    fn on_connect(&mut self, cx: &mut Context<'_, World>) {
        self.send(cx);
    }
    fn on_data(&mut self, cx: &mut Context<'_, World>, data: &[u8]) {
        for piece in data.chunks(super::pattern::LONGEST) {
            let expected = cx
                .shared
                .pattern
                .piece(self.stream, self.received as u64, piece.len());
            assert!(piece == expected, "after {} bytes", self.received);
            self.received += piece.len();
        }
    }
    fn on_drain(&mut self, cx: &mut Context<'_, World>) {
        self.send(cx);
    }
    fn on_close(&mut self, cx: &mut Context<'_, World>, reason: CloseReason) {
        assert_eq!(reason, CloseReason::Graceful);
        assert_eq!(self.received, self.length);
        cx.shared.closed += 1;
    }
}

fn run(seed: u64, pattern: &Rc<Pattern>) {
    let mut random = fastrand::Rng::with_seed(seed);
    let faults = Faults {
        // A connection that is aborted or reset is one that never echoes.
        aborted_accepts: 0,
        resets: 0,
        missing_buffers: 2,
        exhausted_accepts: 0,
        ..Faults::uniform(random.choice([0, 20, 100, 300]).unwrap())
    };
    let mut event_loop: EventLoop<World> = faulty_event_loop(seed, faults).unwrap();
    let mut world = World {
        pattern: Rc::clone(pattern),
        closed: 0,
    };
    let server = event_loop.listen(loopback(), |_, _| Echo).unwrap();
    let address = event_loop.server(server).address().unwrap();
    for stream in 0..CLIENTS {
        let ask = Ask {
            stream,
            length: random.usize(1..300_000),
            sent: 0,
            received: 0,
        };
        let options = SocketOptions::new().high_water_mark(random.usize(1..100_000));
        event_loop.connect_with(address, options, ask).unwrap();
    }
    let deadline = Instant::now() + PATIENCE;
    while world.closed < 2 * CLIENTS {
        event_loop
            .turn(&mut world, Wait::Until(deadline), Budget::new())
            .unwrap();
        assert!(
            Instant::now() < deadline,
            "seed {seed}, {faults:?}: {} closed, {event_loop:?}",
            world.closed
        );
    }
}

fn seeds() -> u64 {
    std::env::var("SEEDS").map_or(50, |seeds| seeds.parse().unwrap())
}

#[test]
fn real_sockets_with_faults_lose_no_byte() {
    let seeds = seeds();
    let pattern = Rc::new(Pattern::new());
    for seed in 0..seeds {
        unless_lost(|| run(seed, &pattern));
    }
}

/// A workload under the eyes of the checker.
#[derive(Clone, Copy, Debug)]
enum Workload {
    Echo,
    Firehose,
    Flood,
}

/// Accepts with checked handlers.
struct Counter(Workload);

impl ServerHandler<checker::World> for Counter {
    fn on_connection(
        &mut self,
        cx: &mut LoopContext<'_, checker::World>,
        accepted: &Accepted,
    ) -> Option<Box<dyn SocketHandler<checker::World>>> {
        // A stranger that looks for a port without a server has no number.
        let link = client_number(accepted.peer_address?.ip())?;
        let ledger = &cx.shared.ledger;
        let port = u16::try_from(FIRST_PORT + link).unwrap();
        let side = ledger
            .borrow_mut()
            .open_accepted(port, cx.shared.server, cx.now());
        ledger.borrow_mut().live[0] += 1;
        let random = &mut cx.shared.random;
        Some(match self.0 {
            Workload::Echo => boxed(ledger, side, workloads::Echo),
            Workload::Firehose => {
                let left = random.usize(1..300_000);
                let piece = random.usize(1..LONGEST_WRITE);
                boxed(ledger, side, workloads::Firehose { left, piece })
            }
            Workload::Flood => boxed(ledger, side, workloads::Sip { pauses: 3 }),
        })
    }
}

fn boxed<B: Behaviour>(
    ledger: &Rc<RefCell<Ledger>>,
    side: usize,
    behaviour: B,
) -> Box<dyn SocketHandler<checker::World>> {
    Box::new(Checked::new(ledger, side, behaviour))
}

/// A workload on one disturbed loop.
struct Scene {
    event_loop: EventLoop<checker::World>,
    world: checker::World,
    server: ServerId,
    description: String,
}

impl Scene {
    fn new(workload: Workload, seed: u64, pattern: &Rc<Pattern>) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let rate = random.choice([0, 20, 100, 300]).unwrap();
        let faults = Faults {
            missing_buffers: rate.min(2),
            resets: rate / 20,
            ..Faults::uniform(rate)
        };
        let is_echo = matches!(workload, Workload::Echo);
        let ledger = Ledger::new(Rc::clone(pattern), is_echo);
        let max_queued = random.choice([LONGEST_WRITE, 1 << 20]).unwrap();
        let high = random.choice([1, 1000, 64 << 10]).unwrap();
        let options = SocketOptions::new()
            .max_queued_bytes(max_queued)
            .high_water_mark(high)
            .low_water_mark(random.choice([0, 500]).unwrap())
            .keep_alive(KeepAlive::new())
            .allow_half_open(random.bool());
        let mut event_loop = faulty_event_loop(seed, faults).unwrap();
        let listen = netloop::ListenOptions::new().socket(options.clone());
        let server = event_loop
            .serve(loopback(), listen, Counter(workload))
            .unwrap();
        let address = event_loop.server(server).address().unwrap();
        let world = checker::World {
            ledger: Rc::new(RefCell::new(ledger)),
            number: 0,
            random,
            server: address,
            book: Rc::default(),
            options,
            filters: Filters::none(),
            max_queued,
            high_water: high,
            longest: LONGEST_WRITE,
            sides: Vec::new(),
            handle: None,
            stalls: false,
            is_punctual: false,
            is_short_of_memory: false,
            hooked: None,
            deferred: InOrder::default(),
            posted: InOrder::default(),
            stalled: Duration::ZERO,
            fuel: 0,
        };
        let mut scene = Self {
            event_loop,
            world,
            server,
            description: format!("{workload:?}, seed {seed}, {faults:?}"),
        };
        for _ in 0..CLIENTS {
            scene.connect(workload);
        }
        scene
    }

    fn connect(&mut self, workload: Workload) {
        let random = &mut self.world.random;
        match workload {
            Workload::Echo => {
                let ask = workloads::Ask::new(random, 30_000);
                self.connect_with(ask);
            }
            Workload::Firehose => self.connect_with(workloads::Sip { pauses: 5 }),
            Workload::Flood => {
                let (writes, piece) = (random.u32(1..100), random.usize(1..20_000));
                self.connect_with(workloads::Flood { writes, piece });
            }
        }
    }

    fn connect_with<B: Behaviour>(&mut self, behaviour: B) {
        let ledger = &self.world.ledger;
        let (link, port) = ledger.borrow_mut().new_link();
        let request = Request::to(self.world.server);
        let dialed = Dialed::new(
            request,
            &self.world.book,
            port,
            Instant::now(),
            Duration::ZERO,
        );
        let side = ledger
            .borrow_mut()
            .open_client(link, dialed, Instant::now());
        ledger.borrow_mut().live[0] += 1;
        let handler = Checked::new(ledger, side, behaviour);
        let options = ConnectOptions::new()
            .local_address(client_host(link))
            .socket(self.world.options.clone());
        let id = self
            .event_loop
            .connect_with(self.world.server, options, handler);
        self.world.sides.push((id.unwrap(), side));
    }

    fn turn(&mut self, longest_ms: u64) {
        let wait = Wait::For(Duration::from_millis(longest_ms));
        self.event_loop
            .turn(&mut self.world, wait, Budget::new())
            .unwrap();
    }

    /// Says how many sockets were reset.
    fn run(mut self) -> usize {
        let turns = self.world.random.u32(..200);
        for _ in 0..turns {
            self.turn(1);
        }
        // Each socket ends and reads what is left.
        self.event_loop.server(self.server).close();
        for &(id, side) in &self.world.sides {
            let mut socket = self.event_loop.socket(id);
            socket.resume();
            end(&mut socket, &self.world.ledger, side);
        }
        let deadline = Instant::now() + PATIENCE;
        while self.event_loop.is_alive() {
            self.turn(100);
            assert!(Instant::now() < deadline, "L3: {:?}", self.event_loop);
        }
        let ledger = self.world.ledger.borrow();
        for side in &ledger.sides {
            assert!(side.reason.is_some(), "L3: not closed: {side:?}");
        }
        assert_eq!(ledger.accepted, ledger.accepted_closed, "S8");
        assert_eq!(ledger.handlers, 0, "R3: handlers were not dropped");
        let resets = ledger
            .sides
            .iter()
            .filter(|side| side.reason == Some(CloseReason::Reset));
        resets.count()
    }
}

/// Prints what is needed to have the run again, if it fails.
struct Reporter(String);

impl Drop for Reporter {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failed: {}", self.0);
        }
    }
}

#[test]
fn real_sockets_with_all_faults_keep_every_promise() {
    let pattern = Rc::new(Pattern::new());
    let mut resets = 0;
    // A quarter, as one that has no descriptors left waits for real.
    let seeds = seeds().div_ceil(4);
    for seed in 0..seeds {
        for workload in [Workload::Echo, Workload::Firehose, Workload::Flood] {
            let scene = Scene::new(workload, seed, &pattern);
            let _reporter = Reporter(scene.description.clone());
            resets += scene.run();
        }
    }
    assert!(resets > 0 || seeds < 10, "no connection was reset");
}

/// The last events of a socket.
#[derive(Default)]
struct End {
    was_connected: bool,
    code: &'static str,
}

struct Alone;

impl SocketHandler<End> for Alone {
    fn on_connect(&mut self, cx: &mut Context<'_, End>) {
        cx.shared.was_connected = true;
    }
    fn on_data(&mut self, _cx: &mut Context<'_, End>, _data: &[u8]) {}
    fn on_error(&mut self, cx: &mut Context<'_, End>, error: &Error) {
        cx.shared.code = error.code();
    }
}

#[test]
fn a_real_socket_that_meets_itself_is_refused() {
    let faults = Faults {
        self_connects: 1000,
        ..Faults::NONE
    };
    let (listener, address) = listener();
    drop(listener);
    let mut event_loop = faulty_event_loop(1, faults).unwrap();
    event_loop.connect(address, Alone).unwrap();
    let mut end = End::default();
    event_loop.run(&mut end).unwrap();
    assert!(!end.was_connected);
    assert_eq!(end.code, "ECONNREFUSED");
}
