//! A simulated network, for testing whole servers in virtual time, from a seed. Only with the feature `simulation`.
//!
//! Most faults of a network program are orders of events that a real kernel shows once in a million runs. Here a seed
//! chooses the order, the delays and the faults; thousands of runs take a second, and the one that fails is repeated
//! exactly by its seed.
//!
//! A [`Simulation`] gives out event loops of the usual type. Handlers run on them unchanged; only the addresses are
//! those of the simulation. Loops of one simulation reach each other; a [`Host`] is a loop with the state that it
//! lends to its handlers, and [`Simulation::run`] turns several hosts until nothing is left to happen.
//!
//! ```
//! use netloop::simulation::{Options, Simulation};
//! use netloop::{Context, SocketHandler};
//!
//! struct Echo;
//!
//! impl SocketHandler for Echo {
//!     fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) {
//!         let _ = cx.socket.write(data);
//!     }
//! }
//!
//! struct Ask;
//!
//! impl SocketHandler<Vec<u8>> for Ask {
//!     fn on_connect(&mut self, cx: &mut Context<'_, Vec<u8>>) {
//!         let _ = cx.socket.end_with(b"hello");
//!     }
//!     fn on_data(&mut self, cx: &mut Context<'_, Vec<u8>>, data: &[u8]) {
//!         cx.shared.extend_from_slice(data);
//!     }
//! }
//!
//! # fn main() -> netloop::Result<()> {
//! for seed in 0..100 {
//!     let options = Options { faults: Default::default(), ..Options::from_seed(seed) };
//!     let mut simulation = Simulation::new(seed, options)?;
//!     let mut server = simulation.host(())?;
//!     let mut client = simulation.host(Vec::new())?;
//!     server.event_loop.listen("10.0.0.1:7000", |_, _| Echo)?;
//!     client.event_loop.connect("10.0.0.1:7000", Ask)?;
//!
//!     simulation.run(&mut [&mut server, &mut client])?;
//!     assert_eq!(client.shared, b"hello", "{simulation:?}");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What is simulated
//!
//! TCP as a program sees it on Linux: buffers of a limited size, half-closed connections, resets and what they leave
//! readable, backlogs, refused and timed-out connects, latency, jitter, bandwidth, and machines that are cut off and
//! come back ([`Simulation::isolate`]), or do not: what is not acknowledged for
//! [`Options::retransmission_timeout`] fails with ETIMEDOUT, and so does a connection whose [keep-alive](crate::KeepAlive)
//! probes are in vain. Addresses that are slow, silent or out of reach ([`Reach`]); ports that are taken, and sockets
//! that connect to themselves. Descriptors, of which each machine may have only so many, the one that a loop keeps in
//! reserve among them. Lookups from a table of [names](Simulation::set_name), which take their time and may fail. The
//! kernel's way to report readiness, in four [flavours](Flavour). [Faults] that calls have. Time: nothing waits, the
//! clock is moved on to when something happens next.
//!
//! # What is not
//!
//! Loss, reordering and duplication, which TCP hides; congestion; Unix sockets, standard input and adopted descriptors;
//! other threads. How long a callback takes: it takes no time at all.
//!
//! A receive window of its own: what a sender's kernel took has room at the receiver, so that an end never waits behind
//! bytes that are not read, and no window is ever probed. A kernel that gives up what was closed already: a FIN that is
//! held back comes in the end, however late.

use std::cell::RefCell;
use std::fmt;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::event_loop::{Budget, EventLoop, EventLoopOptions, Turn, Wait};
use crate::net::{Error, Result};
use crate::system::System;
use crate::system::faults::Injector;
use crate::system::simulated;

pub use crate::system::faults::Faults;
pub use crate::system::simulated::{Calls, Flavour, Options, Reach};

/// After how many turns in a row in which nothing happens a simulation says that a loop spins.
const SPINNING_TURNS: u32 = 10_000;

/// A simulated network, and the clock of everything in it. See the [module](self).
pub struct Simulation {
    network: simulated::Shared,
    poll: Rc<mio::Poll>,
    names: Arc<simulated::Names>,
    seed: u64,
    /// As they were at the beginning, for a failing run to print.
    options: Options,
    turns: u64,
    /// Turns in a row in which nothing has happened.
    idle_turns: u32,
}

/// How a run has come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Nothing is left that could ever happen: nothing is queued, under way, or due.
    Quiescent,
    /// The time was over first.
    OutOfTime,
}

impl Simulation {
    /// A network like `options`, in which everything that is left to chance is up to `seed`.
    ///
    /// # Errors
    ///
    /// What the system says if it has no descriptor to give: one is used, for the types of the real network.
    pub fn new(seed: u64, options: Options) -> Result<Self> {
        let network = simulated::Network::new(seed, options.clone());
        Ok(Self {
            network: Rc::new(RefCell::new(network)),
            poll: Rc::new(mio::Poll::new()?),
            names: Arc::default(),
            seed,
            options,
            turns: 0,
            idle_turns: 0,
        })
    }

    /// A loop on a machine of its own, the n-th of which has the addresses `10.0.0.n` and `fd00::n`, and shares
    /// `127.0.0.1` and every other address with all others.
    ///
    /// A loop that is used alone can be [run](EventLoop::run) as ever: the clock moves on when it waits. Waiting
    /// without end for what never comes is an error there. Several loops are better driven by [`run`](Self::run),
    /// since each that waits by itself moves the clock for all.
    ///
    /// # Errors
    ///
    /// None now.
    pub fn event_loop<S>(&mut self) -> Result<EventLoop<S>> {
        let host = simulated::Host::new(
            Rc::clone(&self.network),
            Rc::clone(&self.poll),
            Arc::clone(&self.names),
        );
        EventLoop::on(System::Simulated(host), EventLoopOptions::new())
    }

    /// A loop together with the state that it lends to its handlers.
    ///
    /// # Errors
    ///
    /// As [`event_loop`](Self::event_loop).
    pub fn host<S>(&mut self, shared: S) -> Result<Host<S>> {
        Ok(Host {
            event_loop: self.event_loop()?,
            shared,
            budget: Budget::UNLIMITED,
        })
    }

    /// Turns `hosts` until nothing is left to happen: every loop has nothing to do, nothing is under way and no timer
    /// is armed. A program that repeats something for ever needs [`run_for`](Self::run_for).
    ///
    /// # Errors
    ///
    /// As [`EventLoop::turn`]; and if a loop turns thousands of times without anything happening, which on a real
    /// system would be a processor that is busy with nothing.
    pub fn run(&mut self, hosts: &mut [&mut dyn Party]) -> Result<Rest> {
        self.run_to(hosts, None)
    }

    /// Turns `hosts` until nothing is left to happen, or `time` has passed in the simulation.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn run_for(&mut self, hosts: &mut [&mut dyn Party], time: Duration) -> Result<Rest> {
        let deadline = self.now().checked_add(time);
        self.run_to(hosts, deadline)
    }

    fn run_to(&mut self, hosts: &mut [&mut dyn Party], deadline: Option<Instant>) -> Result<Rest> {
        loop {
            while self.step(hosts)? {
                if deadline.is_some_and(|deadline| self.now() >= deadline) {
                    return Ok(Rest::OutOfTime);
                }
            }
            if let Some(rest) = self.skip(hosts, deadline) {
                return Ok(rest);
            }
        }
    }

    /// When something happens next of what is under way or that one of `hosts` waits for; `None` if nothing ever will.
    fn next_happening(&self, hosts: &mut [&mut dyn Party]) -> Option<Instant> {
        let deadlines = hosts.iter_mut().filter_map(|host| host.next_deadline());
        let arrival = self.network.borrow_mut().next_arrival();
        deadlines.chain(arrival).min()
    }

    fn pass_until(&mut self, instant: Instant) {
        self.idle_turns = 0;
        self.network.borrow_mut().advance_to(instant);
    }

    /// Moves the clock on to when something happens next, but not beyond `deadline`, once [`step`](Self::step) finds
    /// nothing to do any more. Says how the run has come to its end, if it has. The two are what [`run`](Self::run) is
    /// made of, for a test that looks at every turn.
    pub fn skip(
        &mut self,
        hosts: &mut [&mut dyn Party],
        deadline: Option<Instant>,
    ) -> Option<Rest> {
        let Some(next) = self.next_happening(hosts) else {
            return Some(Rest::Quiescent);
        };
        let is_over = deadline.is_some_and(|deadline| deadline <= next);
        self.pass_until(deadline.map_or(next, |deadline| deadline.min(next)));
        is_over.then_some(Rest::OutOfTime)
    }

    /// Gives a turn to each of `hosts` that has something to do now, in an order that the seed chooses. Says whether
    /// any had. No time passes, but the microsecond that a turn takes; [`skip`](Self::skip) lets it pass.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn step(&mut self, hosts: &mut [&mut dyn Party]) -> Result<bool> {
        let first = {
            let mut network = self.network.borrow_mut();
            network.deliver();
            network.draw_index(hosts.len())
        };
        let mut any = false;
        for position in 0..hosts.len() {
            let host = &mut hosts[(first + position) % hosts.len()];
            if host.has_work() {
                any = true;
                self.turn(&mut **host)?;
            }
        }
        Ok(any)
    }

    fn turn(&mut self, host: &mut dyn Party) -> Result<()> {
        let before = self.network.borrow().progress();
        let turn = host.turn()?;
        self.turns += 1;
        let did_nothing = turn.events + turn.timers + turn.calls + turn.closed == 0;
        if did_nothing && self.network.borrow().progress() == before {
            self.idle_turns += 1;
            if self.idle_turns > SPINNING_TURNS {
                return Err(Error::other(format!(
                    "a loop turns without end and does nothing: {self:?}"
                )));
            }
        } else {
            self.idle_turns = 0;
        }
        Ok(())
    }

    /// Lets `name` stand for `addresses` (none: it is not found), where no [`Resolver`](crate::Resolver) is given. At first there is only
    /// `localhost`; every other name is not found.
    pub fn set_name(&mut self, name: &str, addresses: &[IpAddr]) {
        self.names.set(name, addresses);
    }

    /// Makes connects to `address` from now on slow, lost or impossible, or [normal](Reach::Normal) again: one address
    /// of a name that is not as good as the others.
    pub fn set_reach(&mut self, address: IpAddr, reach: Reach) {
        self.network.borrow_mut().set_route(address, reach);
    }

    /// Cuts the loop off from all others, until [`rejoin`](Self::rejoin). What is sent meanwhile is not lost, as TCP
    /// would send it again.
    pub fn isolate<S>(&mut self, event_loop: &EventLoop<S>) {
        self.set_isolated(event_loop, true);
    }

    /// Ends [`isolate`](Self::isolate).
    pub fn rejoin<S>(&mut self, event_loop: &EventLoop<S>) {
        self.set_isolated(event_loop, false);
    }

    fn set_isolated<S>(&self, event_loop: &EventLoop<S>, is_isolated: bool) {
        if let Some(machine) = self.machine_of(event_loop) {
            let mut network = self.network.borrow_mut();
            network.set_partitioned(machine, is_isolated);
        }
    }

    /// The machine of a loop, if that is of this simulation.
    fn machine_of<S>(&self, event_loop: &EventLoop<S>) -> Option<simulated::MachineId> {
        let host = event_loop.host().filter(|host| host.is_of(&self.network));
        host.map(simulated::Host::machine)
    }

    /// Nothing goes wrong from now on, and nobody is cut off: what a test does before it asks whether everything that
    /// had to come has come.
    pub fn calm(&mut self) {
        self.network.borrow_mut().end_faults();
    }

    /// The network's options, to be changed on the way.
    pub fn set_options(&mut self, change: impl FnOnce(&mut Options)) {
        change(self.network.borrow_mut().options_mut());
    }

    /// The simulation's time, which all its loops go by.
    pub fn now(&self) -> Instant {
        self.network.borrow().now()
    }

    /// How much time has passed in the simulation.
    pub fn elapsed(&self) -> Duration {
        self.network.borrow().elapsed()
    }

    /// How many turns [`step`](Self::step) and the runs have made.
    pub fn turns(&self) -> u64 {
        self.turns
    }

    /// A hash of everything that has happened: every call, packet, event and movement of the clock. Two runs with the
    /// same seed, options and program have the same.
    pub fn trace(&self) -> u64 {
        self.network.borrow().trace_hash()
    }

    /// How many things have happened, of those that [`trace`](Self::trace) is made of.
    pub fn happenings(&self) -> u64 {
        self.network.borrow().trace_entries()
    }

    /// How many calls the loop has made into its kernel: what a test needs that says how much work a message may be.
    /// None for a loop of another simulation.
    pub fn calls<S>(&self, event_loop: &EventLoop<S>) -> Calls {
        let machine = self.machine_of(event_loop);
        machine.map_or_else(Calls::default, |machine| {
            self.network.borrow().calls(machine)
        })
    }

    /// How much memory the buffers of the simulated kernels take, which on a real system is not the program's: to be
    /// left out when a test counts what is on the heap.
    pub fn kernel_bytes(&self) -> usize {
        self.network.borrow().held_bytes()
    }

    /// How many packets are under way, between all machines. What an [isolated](Self::isolate) machine cannot receive for
    /// now is among them.
    pub fn packets_under_way(&self) -> usize {
        self.network.borrow().packets()
    }

    /// How many sockets are open, on all machines.
    pub fn open_sockets(&self) -> usize {
        self.network.borrow().open_sockets()
    }
}

impl fmt::Debug for Simulation {
    /// All that is needed to have the same run again.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Simulation")
            .field("seed", &self.seed)
            .field("options", &self.options)
            .field("elapsed", &self.elapsed())
            .field("turns", &self.turns)
            .finish_non_exhaustive()
    }
}

/// A loop on the real network whose calls meet `faults`, as `seed` has it: connections of other programs can be tested
/// with it. Those of descriptors and lookups (`exhausted_connects`, `failed_lookups`, `slow_lookups`) do not happen.
///
/// A fault is what the loop is told; of the real connection it is true as far as it can be. One that was reset really is,
/// but its peer learns it when the loop closes it, which it does at once; what had arrived is not read any more. A
/// connect to a local port really meets itself, where nobody listens and no local address was asked for. The kernel has
/// its own mind beside it: what it does and when is not up to the seed, so a run cannot be repeated exactly.
///
/// # Errors
///
/// As [`EventLoop::new`].
pub fn disturbed_event_loop<S>(seed: u64, faults: Faults) -> Result<EventLoop<S>> {
    EventLoop::on(
        System::Faulty(Injector::new(seed, faults)),
        EventLoopOptions::new(),
    )
}

/// A loop together with the state that it lends to its handlers.
#[derive(Debug)]
pub struct Host<S> {
    /// The loop.
    pub event_loop: EventLoop<S>,
    /// What its handlers find in `cx.shared`.
    pub shared: S,
    /// How much each turn may do. At first everything.
    pub budget: Budget,
}

/// What a [`Simulation`] turns: a [`Host`], whatever state it has.
pub trait Party: sealed::Party {}

impl<S> Party for Host<S> {}

mod sealed {
    use super::{Instant, Result, Turn};

    /// What the simulation asks of a host; nobody else can be one.
    pub trait Party {
        fn turn(&mut self) -> Result<Turn>;
        fn has_work(&mut self) -> bool;
        fn next_deadline(&mut self) -> Option<Instant>;
    }
}

impl<S> sealed::Party for Host<S> {
    fn turn(&mut self) -> Result<Turn> {
        self.event_loop
            .turn(&mut self.shared, Wait::No, self.budget)
    }

    /// Whether a turn would find something to do.
    fn has_work(&mut self) -> bool {
        let has_news = self
            .event_loop
            .host()
            .is_some_and(simulated::Host::has_events);
        has_news || self.event_loop.poll_timeout() == Some(Duration::ZERO)
    }

    fn next_deadline(&mut self) -> Option<Instant> {
        self.event_loop.next_deadline()
    }
}
