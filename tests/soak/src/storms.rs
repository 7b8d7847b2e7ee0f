//! The storms: thousands of peers that reset at once, as many sockets that close, and timers that are due at once. Each is
//! passed in turns with a budget of time, and in turns without one.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use netloop::{Budget, CloseReason, Context, EventLoop, SocketHandler, Wait};
use socket2::SockRef;

use crate::table::{Table, processor, thousands};
use crate::traffic::machine::thread_cpu;

/// The address of the server.
const HOST: Ipv4Addr = Ipv4Addr::new(127, 119, 0, 1);

const PEERS: usize = 9_000;
const TIMERS: usize = 100_000;

/// The budget of a turn.
const BUDGET: Duration = Duration::from_millis(2);

/// The bound of the CPU time of a turn with that budget, in microseconds. The step that uses it up is not cut short, and
/// on a busy machine each step takes longer.
const LONGEST_TURN_US: u64 = 10_000;

/// The accepts of a turn, so that no connect waits for the backlog.
const CONNECTS_A_TURN: usize = 30;

/// The number of sockets that have closed, and of timers that have fired.
#[derive(Debug, Default)]
struct World {
    done: usize,
}

struct Quiet;

impl SocketHandler<World> for Quiet {
    fn on_data(&mut self, _: &mut Context<'_, World>, _: &[u8]) {}
    fn on_close(&mut self, cx: &mut Context<'_, World>, _: CloseReason) {
        cx.shared.done += 1;
    }
}

struct Storm {
    event_loop: EventLoop<World>,
    world: World,
    address: SocketAddr,
}

impl Storm {
    fn new() -> Result<Self, Box<dyn Error>> {
        let mut event_loop = EventLoop::new()?;
        let server = event_loop.listen((HOST, 0), |_, _| Quiet)?;
        let address = event_loop.server(server).address();
        Ok(Self {
            event_loop,
            world: World::default(),
            address: address.ok_or("the server has no address")?,
        })
    }

    fn connect(&mut self) -> Result<Vec<TcpStream>, Box<dyn Error>> {
        let mut peers = Vec::new();
        while self.event_loop.statistics().sockets < PEERS {
            for _ in 0..(PEERS - peers.len()).min(CONNECTS_A_TURN) {
                peers.push(TcpStream::connect(self.address)?);
            }
            self.event_loop
                .turn(&mut self.world, Wait::No, Budget::new())?;
        }
        Ok(peers)
    }

    /// Makes turns until `count` sockets or timers are done. Returns the longest CPU time of a turn in microseconds, and the
    /// number of turns.
    fn pass(&mut self, count: usize, budget: Budget) -> Result<(u64, u64), Box<dyn Error>> {
        let (mut longest, mut turns) = (Duration::ZERO, 0);
        self.world.done = 0;
        while self.world.done < count {
            let before = thread_cpu();
            self.event_loop.turn(&mut self.world, Wait::No, budget)?;
            longest = longest.max(thread_cpu().saturating_sub(before));
            turns += 1;
        }
        Ok((u64::try_from(longest.as_micros())?, turns))
    }
}

/// Passes all storms. Returns whether all bounds hold.
pub(crate) fn run() -> Result<bool, Box<dyn Error>> {
    crate::raise_open_file_limit();
    println!(
        "\nstorms, with a budget of {BUDGET:?} a turn and without one, on {}\n",
        processor()
    );
    let mut table = Table::default();
    for budget in [Some(BUDGET), None] {
        let limit = budget.map_or(Budget::new(), |time| Budget::new().time(time));
        let mut note = |name: &str, (longest, turns): (u64, u64)| {
            let what = format!("{name}: longest turn, µs of CPU time");
            match budget {
                Some(_) => {
                    table.at_most(&format!("{what}, with a budget"), longest, LONGEST_TURN_US)
                }
                None => table.tell(&what, thousands(longest)),
            }
            table.tell(&format!("{name}: turns"), thousands(turns));
        };
        let mut storm = Storm::new()?;
        for peer in storm.connect()? {
            SockRef::from(&peer).set_linger(Some(Duration::ZERO))?;
        }
        note("9,000 resets at once", storm.pass(PEERS, limit)?);
        let mut storm = Storm::new()?;
        let peers = storm.connect()?;
        for id in storm.event_loop.sockets().ids() {
            storm.event_loop.socket(id).destroy();
        }
        note("9,000 closes at once", storm.pass(PEERS, limit)?);
        drop(peers);
        let mut storm = Storm::new()?;
        for _ in 0..TIMERS {
            let after = Duration::from_millis(20);
            storm.event_loop.after(after, |cx| cx.shared.done += 1);
        }
        // All of them are due when the first turn begins.
        #[expect(clippy::disallowed_methods, reason = "the storm is behind a silence")]
        std::thread::sleep(Duration::from_millis(100));
        note("100,000 timers at once", storm.pass(TIMERS, limit)?);
    }
    Ok(table.print())
}
