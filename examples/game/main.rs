//! A small world at 60 steps a second that terminal clients see move: a game that owns its loop, and is host to the
//! network's.
//!
//! Each frame gives the network at most 2 ms: a turn that reads, and a flush that sends. A client that does not read
//! gets no further snapshot until it has read the last, and delays no other.
//!
//! ```text
//! $ cargo run --example game                       # or, with an address: game 0.0.0.0:7002
//! listening 127.0.0.1:7002
//! ```
//!
//! In another terminal, below the world:
//!
//! ```text
//! $ stty -icanon -echo; nc 127.0.0.1 7002; stty sane
//! step      217    you are @ (w, a, s, d: steer; Ctrl-C: leave)
//! ```
//!
//! A client that is more than a terminal types `u` and a port (`u40001 `), and gets each step's state there by UDP. A
//! state is the step's number in eight bytes, and three bytes for each player. The connection carries what must arrive,
//! and the datagrams carry what is worth nothing a step later.
//!
//! Clients of its own play, flood or do not read for a time, and the game prints figures. Here on two idle cores of an
//! AMD EPYC (family 25, model 17):
//!
//! ```text
//! $ cargo run --release --example game -- 127.0.0.1:0 --rows 51 --seconds 60 --clients 200 --floods 20 --deaf 20
//! listening 127.0.0.1:36215
//! 3600 steps, 59.998 a second; late: median 0.11 ms, 99 % 0.22 ms, most 3.69 ms; skipped 0
//! network of a frame, processor: median 1.60 ms, 99 % 1.95 ms, most 2.00 ms
//! longest step, processor: 0.83 ms, 0.11 ms in the frame that took most; beyond the share and a step: 0
//! network of a frame, wall: median 2.01 ms, 99 % 2.08 ms, most 4.73 ms
//! 200 players at the end; 4096 bytes a snapshot, 368842 sent
//! allocations after a sixth of the time: 2
//! ```
//!
//! The budget is looked at between two steps. So no frame takes more processor time than its share and its longest step.
use std::alloc::System;
use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use netloop::{
    Budget, CatchUp, CloseReason, Context, DatagramContext, DatagramHandler, DatagramId,
    DatagramOptions, EventLoop, SocketHandler, SocketId, Ticker, Wait,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

mod arguments;
mod figures;
mod load;

use arguments::Arguments;
use figures::{Figures, Network, cpu_time};

/// Counts the allocations, for the figures at the end.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const STEPS_PER_SECOND: u32 = 60;

/// The network's part of a frame. The turn gets half of it, so that floods of input leave time for the output.
const SHARE: Duration = Duration::from_millis(2);

const COLUMNS: usize = 79;

struct Player {
    symbol: u8,
    x: usize,
    y: usize,
    dx: isize,
    dy: isize,
    /// The address that gets the state of each step by UDP, if the player has asked for it.
    updates: Option<SocketAddr>,
}

/// The state of the game, which the loop lends to its handlers.
struct World {
    players: BTreeMap<SocketId, Player>,
    rows: usize,
    steps: u64,
    joined: usize,
    /// The terminal's picture of the world.
    snapshot: Vec<u8>,
    /// The state of the step, as a datagram: the number of the step, and the symbol and the place of each player.
    update: Vec<u8>,
}

impl World {
    fn new(rows: usize) -> Self {
        Self {
            players: BTreeMap::new(),
            rows: rows.max(1),
            steps: 0,
            joined: 0,
            snapshot: Vec::new(),
            update: Vec::new(),
        }
    }

    fn step(&mut self) {
        self.steps += 1;
        // A player moves six times a second.
        if self.steps % 10 != 0 {
            return;
        }
        for player in self.players.values_mut() {
            player.x = player.x.wrapping_add_signed(player.dx).min(COLUMNS - 1);
            player.y = player.y.wrapping_add_signed(player.dy).min(self.rows - 1);
        }
    }

    /// Draws the world: the cursor to the top, all rows, and the number of the step.
    fn draw(&mut self) {
        self.snapshot.clear();
        self.snapshot.extend_from_slice(b"\x1b[H");
        let top = self.snapshot.len();
        for _ in 0..self.rows {
            let width = self.snapshot.len() + COLUMNS;
            self.snapshot.resize(width, b'.');
            self.snapshot.push(b'\n');
        }
        for player in self.players.values() {
            self.snapshot[top + player.y * (COLUMNS + 1) + player.x] = player.symbol;
        }
        let _ = write!(self.snapshot, "step {:>8}", self.steps);
        self.update.clear();
        self.update.extend_from_slice(&self.steps.to_be_bytes());
        for player in self.players.values() {
            let byte = |place: usize| u8::try_from(place).unwrap_or(u8::MAX);
            self.update
                .extend([player.symbol, byte(player.x), byte(player.y)]);
        }
    }
}

/// The connection of a player.
#[derive(Default)]
struct Seat {
    /// The UDP port that the player is typing, after a `u`.
    port: Option<u32>,
}

impl Seat {
    /// Returns the UDP port that ends with `key`.
    fn port_with(&mut self, key: u8) -> Option<u16> {
        let port = self.port.take();
        match (key, port) {
            (b'u', _) => self.port = Some(0),
            (b'0'..=b'9', Some(port)) => {
                self.port = Some((port * 10 + u32::from(key - b'0')).min(1 << 16));
            }
            (_, Some(port)) => return u16::try_from(port).ok(),
            (_, None) => {}
        }
        None
    }
}

/// The socket of the updates, which hears nothing.
struct Updates;

impl DatagramHandler<World> for Updates {
    fn on_message(&mut self, _: &mut DatagramContext<'_, World>, _: SocketAddr, _: &[u8]) {}
}

impl SocketHandler<World> for Seat {
    fn on_connect(&mut self, cx: &mut Context<'_, World>) {
        let World { joined, rows, .. } = *cx.shared;
        let player = Player {
            symbol: b"@#&$%*+="[joined % 8],
            x: joined * 7 % COLUMNS,
            y: joined * 3 % rows,
            dx: 0,
            dy: 0,
            updates: None,
        };
        // On an empty screen, after the number of the step, where the snapshots draw nothing.
        let (line, symbol) = (rows + 1, char::from(player.symbol));
        write!(
            cx.socket,
            "\x1b[2J\x1b[{line};18Hyou are {symbol} (w, a, s, d: steer; Ctrl-C: leave)"
        );
        cx.shared.joined += 1;
        cx.shared.players.insert(cx.socket.id(), player);
    }

    fn on_data(&mut self, cx: &mut Context<'_, World>, keys: &[u8]) {
        let Some(player) = cx.shared.players.get_mut(&cx.socket.id()) else {
            return;
        };
        if self.port.is_some() || keys.contains(&b'u') {
            for key in keys {
                // Updates go to the host of the player alone, so that no other host is flooded.
                if let (Some(port), Some(peer)) = (self.port_with(*key), cx.socket.peer_address()) {
                    player.updates = Some(SocketAddr::new(peer.ip(), port));
                }
            }
        }
        // The last key counts, however many a client sends.
        for key in keys.iter().rev() {
            (player.dx, player.dy) = match key {
                b'w' => (0, -1),
                b's' => (0, 1),
                b'a' => (-1, 0),
                b'd' => (1, 0),
                b'q' => return cx.socket.end(),
                _ => continue,
            };
            break;
        }
    }

    fn on_close(&mut self, cx: &mut Context<'_, World>, _: CloseReason) {
        cx.shared.players.remove(&cx.socket.id());
    }
}

/// Sends the snapshot to each player that has read the last one, and returns the number of them.
fn show(event_loop: &mut EventLoop<World>, world: &World, waiting: &mut Vec<SocketId>) -> usize {
    let mut sockets = event_loop.sockets();
    waiting.clear();
    let players = world.players.keys().copied();
    waiting.extend(players.filter(|&id| sockets.socket(id).queued_bytes() == 0));
    // Parts below 1 KiB are stored once for all players, in memory that the loop keeps from frame to frame. They leave
    // in one system call for each player.
    for part in world.snapshot.chunks(1000) {
        // A player whose connection is gone is told by its `on_close`.
        let _ = sockets.broadcast(&*waiting, part);
    }
    waiting.len()
}

/// Sends the state of the step to each player that wants it. A late update is worth nothing, so that none waits for long.
fn update(event_loop: &mut EventLoop<World>, socket: DatagramId, world: &World) {
    let mut socket = event_loop.datagram_socket(socket);
    for to in world.players.values().filter_map(|player| player.updates) {
        socket.send_to(to, &world.update).ignore();
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse()?;
    if arguments.is_load {
        return Ok(load::run(&arguments)?);
    }
    let mut event_loop = EventLoop::new()?;
    let mut world = World::new(arguments.rows);
    let server = event_loop.listen(arguments.address.as_str(), |_, _| Seat::default())?;
    let address = event_loop.server(server).address().ok_or("no address")?;
    let options = DatagramOptions::new().max_queued_bytes(16 << 10);
    let updates = SocketAddr::new(address.ip(), 0);
    let updates = event_loop.bind_udp(updates, options, Updates)?;
    // The handler has nothing to hear.
    event_loop.datagram_socket(updates).pause();
    writeln!(std::io::stdout(), "listening {address}")?;
    let load = arguments.start_load(address)?;
    if arguments.seconds.is_some() {
        event_loop.measure_steps(cpu_time);
    }

    let mut ticker =
        Ticker::per_second(STEPS_PER_SECOND, Instant::now()).catch_up(CatchUp::Burst(5));
    let mut figures = Figures::new(arguments.steps(STEPS_PER_SECOND));
    let mut waiting = Vec::new();
    let mut is_complete = false;
    while !figures.is_full() {
        let left = ticker.next_step().saturating_duration_since(Instant::now());
        // A game draws here. The system call ends a little late, and the schedule does not move.
        #[expect(clippy::disallowed_methods, reason = "the host's own wait")]
        thread::sleep(left);

        let steps = ticker.due(Instant::now());
        let (begun, begun_cpu) = (Instant::now(), cpu_time());
        event_loop.turn(&mut world, Wait::No, Budget::new().time(SHARE / 2))?;
        let (read, read_cpu) = (begun.elapsed(), cpu_time() - begun_cpu);

        for _ in 0..steps.count {
            world.step();
        }
        world.draw();
        let sent = show(&mut event_loop, &world, &mut waiting);
        update(&mut event_loop, updates, &world);

        let (begun, begun_cpu) = (Instant::now(), cpu_time());
        let left = SHARE.saturating_sub(read);
        // Without time left, the bytes wait for the next turn.
        if !left.is_zero() {
            event_loop.flush(Budget::new().time(left));
        }
        // The figures begin when all clients are there.
        is_complete = is_complete || world.players.len() >= arguments.clients;
        if is_complete {
            figures.note(
                &steps,
                &Network {
                    wall: read + begun.elapsed(),
                    cpu: read_cpu + (cpu_time() - begun_cpu),
                    longest_step: event_loop.statistics().longest_step,
                },
                sent,
            );
        }
        event_loop.reset_peaks();
    }
    if arguments.seconds.is_some() {
        figures.print(world.players.len(), world.snapshot.len())?;
    }
    drop(load);
    Ok(())
}
