//! A simulated network, for testing whole servers in virtual time, from a seed (feature `simulation`). This page is long
//! because it shows whole tests.
//!
//! Most defects of a network program appear in an order of events that a real kernel produces once in a million runs.
//! Here a seed chooses the order, the delays and the faults. Thousands of runs take a second, and the seed of a failing
//! run repeats it exactly.
//!
//! A [`Simulation`] makes event loops of the usual type. Handlers run on these loops unchanged; only their addresses
//! belong to the simulation. Loops of one simulation reach each other. A [`Host`] is a loop with the state that it
//! lends to its handlers. [`Simulation::run`] turns several hosts until nothing more can happen.
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
//! # The simulated part
//!
//! - TCP as a program sees it on Linux: buffers of a limited size, half-closed connections, backlogs, refused and
//!   timed-out connects, resets, and the bytes that a reset leaves readable.
//! - The network: latency, for all or for a [pair](Simulation::set_latency), jitter, bandwidth, and addresses that are
//!   slow, lossy or out of reach ([`Route`]).
//! - Partitions of a [machine](Simulation::partition), of a [pair](Simulation::partition_pair) and of
//!   [one direction](Simulation::partition_one_way). A connection closes with ETIMEDOUT if its bytes are not
//!   acknowledged for [`Options::retransmission_timeout`], or if its [keep-alive](crate::KeepAlive) probes stay
//!   unanswered.
//! - Machines that [crash](Simulation::crash) and [start again](Simulation::restart) on the same addresses.
//! - Ports that are taken, and sockets that connect to themselves.
//! - Descriptors, of which each machine may have a limited number. The spare descriptor of a loop is counted.
//! - Lookups from a table of [names](Simulation::set_name), which take time and may fail.
//! - The way in which a kernel reports readiness, in four [flavours](Flavour), and [`Faults`] of system calls.
//! - Time: a wait takes no real time, but moves the virtual clock on to the next event. A callback takes no virtual
//!   time, unless it [asks](Handle::pass) for some.
//!
//! # Tests
//!
//! [`Seeds`] runs a test with many seeds within a time limit. It prints the first seed that fails, how to run it again,
//! and its [log](Simulation::log): which machine sent, received and was told what, and when.
//!
//! # The absent part
//!
//! UDP and Unix sockets, which are left for a later version; standard input and adopted descriptors; other threads;
//! loss, reordering and duplication, which TCP hides; congestion.
//!
//! There is no receive window: the receiver has capacity for all bytes that the sender's kernel has taken. So a FIN
//! never waits behind unread bytes, and no kernel probes a window. A kernel never gives up a socket that is already
//! closed: a FIN that a partition holds back arrives once the partition heals, however late. All machines share one
//! thread: while a callback takes virtual time, no other machine runs.

mod crash;
mod handle;
mod host;
mod links;
mod seeds;

use std::cell::RefCell;
use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::event_loop::{Budget, EventLoop, EventLoopOptions};
use crate::net::{Error, Result};
use crate::system::System;
use crate::system::faults::Injector;
use crate::system::simulated;

pub use crate::system::faults::Faults;
pub use crate::system::simulated::{CallCounts, Flavour, Options, Route};
pub use crash::CrashedHost;
pub use handle::Handle;
pub use host::{AnyHost, Host};
pub use seeds::{SeedRun, Seeds};

/// The limit on the number of idle turns in a row, beyond which a simulation returns the error that a loop spins.
const SPINNING_TURNS: u32 = 10_000;

/// A simulated network with its clock, which makes the loops that run on it. See the [module](self).
pub struct Simulation {
    network: simulated::Shared,
    poll: Rc<mio::Poll>,
    names: Arc<simulated::Names>,
    seed: u64,
    /// The options that the simulation began with, which a failing run prints.
    options: Options,
    turns: u64,
    /// The number of turns in a row in which a loop did nothing and no packet moved.
    idle_turns: u32,
}

/// The reason for the end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimulationEnd {
    /// Nothing more can happen: no source is queued, no packet is under way, and no timer is armed.
    Quiescent,
    /// The time limit of the run passed while something could still happen.
    TimedOut,
}

impl Simulation {
    /// Makes a network with `options`. All random numbers of a run come from `seed`.
    ///
    /// # Errors
    ///
    /// The system's error if no descriptor is free. A simulation takes one real descriptor, since mio's traits need a
    /// real selector.
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

    /// Makes a loop on a new machine of its own.
    ///
    /// The n-th machine has the addresses `10.0.0.n` and `fd00::n`. All other addresses, like `127.0.0.1`, belong to
    /// all machines together: every machine reaches a server that is bound to such an address.
    ///
    /// A program with a single loop can [run](EventLoop::run) the loop as usual: the clock moves on when the loop
    /// waits. A wait that nothing can end returns an error. Turn several loops with [`run`](Self::run): a loop that
    /// waits by itself moves the clock of all loops.
    ///
    /// # Errors
    ///
    /// None in this version.
    pub fn event_loop<S>(&mut self) -> Result<EventLoop<S>> {
        self.event_loop_with(EventLoopOptions::new())
    }

    /// Makes a loop as [`event_loop`](Self::event_loop) does, with `options`.
    ///
    /// # Errors
    ///
    /// As [`EventLoop::with_options`].
    pub fn event_loop_with<S>(&mut self, options: EventLoopOptions) -> Result<EventLoop<S>> {
        let machine = simulated::MachineHandle::new(
            Rc::clone(&self.network),
            Rc::clone(&self.poll),
            Arc::clone(&self.names),
        );
        EventLoop::on(System::Simulated(machine), options)
    }

    /// Makes a loop, together with the state that it lends to its handlers.
    ///
    /// # Errors
    ///
    /// As [`event_loop`](Self::event_loop).
    pub fn host<S>(&mut self, shared: S) -> Result<Host<S>> {
        self.host_with(shared, EventLoopOptions::new())
    }

    /// Makes a loop with `options`, together with the state that it lends to its handlers.
    ///
    /// ```
    /// use netloop::simulation::{Options, Simulation};
    /// use netloop::{EventLoopOptions, Limits};
    ///
    /// let mut simulation = Simulation::new(1, Options::new())?;
    /// let limits = Limits::new().max_total_queued_bytes(1 << 20);
    /// let host = simulation.host_with((), EventLoopOptions::new().limits(limits))?;
    /// # drop(host);
    /// # Ok::<(), netloop::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`EventLoop::with_options`].
    pub fn host_with<S>(&mut self, shared: S, options: EventLoopOptions) -> Result<Host<S>> {
        Ok(Host {
            event_loop: self.event_loop_with(options)?,
            shared,
            budget: Budget::UNLIMITED,
        })
    }

    /// Turns `hosts` until nothing more can happen: no loop has work, no packet is under way and no timer is armed. A
    /// program with a repeating timer never comes to that point, and needs [`run_for`](Self::run_for).
    ///
    /// # Errors
    ///
    /// The errors of [`EventLoop::turn`], and an error if a loop turns thousands of times without progress. On a real
    /// system such a loop would keep a processor busy for nothing.
    pub fn run(&mut self, hosts: &mut [&mut dyn AnyHost]) -> Result<SimulationEnd> {
        self.run_until(hosts, None)
    }

    /// Turns `hosts` until nothing more can happen, or `time` has passed in the simulation.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn run_for(
        &mut self,
        hosts: &mut [&mut dyn AnyHost],
        time: Duration,
    ) -> Result<SimulationEnd> {
        let deadline = self.now().checked_add(time);
        self.run_until(hosts, deadline)
    }

    fn run_until(
        &mut self,
        hosts: &mut [&mut dyn AnyHost],
        deadline: Option<Instant>,
    ) -> Result<SimulationEnd> {
        loop {
            while self.step(hosts)? {
                if deadline.is_some_and(|deadline| self.now() >= deadline) {
                    return Ok(SimulationEnd::TimedOut);
                }
            }
            if let Some(end) = self.advance(hosts, deadline) {
                return Ok(end);
            }
        }
    }

    /// Returns the time of the next event: an arrival, or a deadline of one of `hosts`. `None` if nothing will happen.
    fn next_event(&self, hosts: &mut [&mut dyn AnyHost]) -> Option<Instant> {
        let deadlines = hosts.iter_mut().filter_map(|host| host.next_deadline());
        let arrival = self.network.borrow_mut().next_arrival();
        deadlines.chain(arrival).min()
    }

    /// Moves the clock on to the next event, but not beyond `deadline`. Returns the reason if the run ends here,
    /// otherwise `None`. Call `advance` when [`step`](Self::step) has found nothing to do.
    ///
    /// [`run`](Self::run) repeats `step` and `advance`. A test that checks a condition after every turn can do the
    /// same.
    pub fn advance(
        &mut self,
        hosts: &mut [&mut dyn AnyHost],
        deadline: Option<Instant>,
    ) -> Option<SimulationEnd> {
        let Some(next) = self.next_event(hosts) else {
            return Some(SimulationEnd::Quiescent);
        };
        let is_over = deadline.is_some_and(|deadline| deadline <= next);
        let until = deadline.map_or(next, |deadline| deadline.min(next));
        self.idle_turns = 0;
        self.network.borrow_mut().advance_to(until);
        is_over.then_some(SimulationEnd::TimedOut)
    }

    /// Turns each of `hosts` that has work now, in an order that the seed chooses. Returns whether any host had work.
    ///
    /// A turn takes a microsecond of virtual time. Only [`advance`](Self::advance) and [`Handle::pass`] take more.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn step(&mut self, hosts: &mut [&mut dyn AnyHost]) -> Result<bool> {
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

    fn turn(&mut self, host: &mut dyn AnyHost) -> Result<()> {
        let before = self.network.borrow().progress();
        let spins = host.spins();
        let turn = host.turn()?;
        self.turns += 1;
        if host.spins() > spins {
            return Err(Error::other(format!(
                "a loop turned for nothing, and closed a source for it: {self:?}"
            )));
        }
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

    /// Ends all faults and all partitions.
    ///
    /// A test calls this before it checks that all bytes have arrived.
    pub fn end_faults(&mut self) {
        self.network.borrow_mut().end_faults();
    }

    /// Returns the machine of a loop; `None` for a loop of another simulation.
    fn machine_of<S>(&self, event_loop: &EventLoop<S>) -> Option<simulated::MachineId> {
        self.machine_handle_of(event_loop)
            .map(simulated::MachineHandle::id)
    }

    fn machine_handle_of<'a, S>(
        &self,
        event_loop: &'a EventLoop<S>,
    ) -> Option<&'a simulated::MachineHandle> {
        event_loop
            .simulated_machine()
            .filter(|machine| machine.is_of(&self.network))
    }

    /// Calls `change` with the network's options, to modify them during a run.
    pub fn set_options(&mut self, change: impl FnOnce(&mut Options)) {
        change(self.network.borrow_mut().options_mut());
    }

    /// Returns the virtual time, which is the clock of all loops of the simulation.
    pub fn now(&self) -> Instant {
        self.network.borrow().now()
    }

    /// Returns the virtual time that has passed since the simulation was made.
    pub fn elapsed(&self) -> Duration {
        self.network.borrow().elapsed()
    }

    /// Returns the number of turns that [`step`](Self::step), [`run`](Self::run) and [`run_for`](Self::run_for) have
    /// made.
    pub fn turns(&self) -> u64 {
        self.turns
    }

    /// Returns a hash of all that has happened: every call, packet, event and movement of the clock. Two runs with the
    /// same seed, options and program have the same hash.
    pub fn trace_hash(&self) -> u64 {
        self.network.borrow().trace_hash()
    }

    /// Returns the number of entries that the [hash](Self::trace_hash) covers.
    pub fn trace_entries(&self) -> u64 {
        self.network.borrow().trace_entries()
    }

    /// Returns the numbers of system calls that the loop has made, for a test that limits the calls for a message. All
    /// numbers are 0 for a loop of another simulation.
    pub fn call_counts<S>(&self, event_loop: &EventLoop<S>) -> CallCounts {
        let machine = self.machine_of(event_loop);
        machine.map_or_else(CallCounts::default, |machine| {
            self.network.borrow().call_counts(machine)
        })
    }

    /// Returns the number of bytes of heap that the buffers of the simulated kernels take. A real program does not own
    /// these buffers, so a test that measures the heap subtracts them.
    pub fn kernel_bytes(&self) -> usize {
        self.network.borrow().held_bytes()
    }

    /// Returns the number of packets under way between all machines. Packets that a [partition](Self::partition) holds
    /// back are counted.
    pub fn packets_in_flight(&self) -> usize {
        self.network.borrow().packets()
    }

    /// Returns the number of bytes that have arrived at the socket `local` from `peer`, and that its program has not
    /// read. 0 if there is no such socket.
    ///
    /// So a test can check that a paused program leaves the bytes in the kernel, or that no timeout is reported while
    /// bytes wait there.
    pub fn unread_bytes(&self, local: SocketAddr, peer: SocketAddr) -> usize {
        self.network.borrow().unread_bytes(local, peer)
    }

    /// Returns the number of open sockets on all machines together.
    pub fn open_sockets(&self) -> usize {
        self.network.borrow().open_sockets()
    }
}

impl fmt::Debug for Simulation {
    /// Prints the seed, the options and the progress: all that is needed to repeat the run.
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

/// Makes a loop on the real network whose system calls meet `faults`, as `seed` decides. So a test can reach other
/// programs.
///
/// The faults `exhausted_connects`, `failed_lookups` and `slow_lookups` do not happen here.
///
/// A fault changes the real connection too, as far as possible. After a reset the loop closes the socket at once, and
/// that close resets the connection at the peer. Bytes that had arrived are not read any more. A self-connect really
/// happens, if the port has no listener and no local address was given. The kernel's own timing does not depend on the
/// seed, so a run cannot be repeated exactly.
///
/// # Errors
///
/// The errors of [`EventLoop::new`].
pub fn faulty_event_loop<S>(seed: u64, faults: Faults) -> Result<EventLoop<S>> {
    EventLoop::on(
        System::Faulty(Injector::new(seed, faults)),
        EventLoopOptions::new(),
    )
}
