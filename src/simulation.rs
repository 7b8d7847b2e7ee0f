//! A simulated network, for testing whole servers in virtual time, from a seed (feature `simulation`).
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
//! - TCP as on Linux: buffers of a limited size, half-closed connections, backlogs, refused and timed-out connects,
//!   resets, and the bytes that a reset leaves readable.
//! - UDP as on Linux: buffers that drop what they cannot hold, refusals that reach connected sockets, multicast and
//!   broadcast across machines. The network [loses](Options::datagram_loss), [doubles](Options::datagram_duplication)
//!   and [reorders](Options::datagram_reordering) datagrams, and cuts those beyond the [MTU](Options::mtu) into
//!   fragments.
//! - The network: latency, for all or for a [pair](Simulation::set_latency), jitter, bandwidth, and addresses that are
//!   slow, silent or out of reach ([`Route`]).
//! - Partitions, which lose datagrams and hold back TCP: of a [machine](Simulation::partition), of a
//!   [pair](Simulation::partition_pair) and of [one direction](Simulation::partition_one_way). A connection closes with
//!   ETIMEDOUT if its bytes are not acknowledged for [`Options::retransmission_timeout`], or if its
//!   [keep-alive](crate::KeepAlive) probes stay unanswered.
//! - Machines that [crash](Simulation::crash) and [start again](Simulation::restart) on the same addresses.
//! - Ports that are taken, and sockets that connect to themselves. Each machine may have a limited number of
//!   descriptors, and the reserve descriptor of a loop counts too.
//! - Lookups from a table of [names](Simulation::set_name), which take time and may fail.
//! - The way in which a kernel reports readiness, in four [flavours](Flavour), and [`Faults`] of system calls.
//! - [Filters](crate::Filter), and for TLS a wall clock (`Simulation::time_provider`, with the feature `tls`).
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
//! There are no Unix sockets, no adopted descriptors, no standard input, no sources of the program, no signals and no
//! other threads. There is no congestion, and no loss, reordering or duplication under TCP, which hides them. No
//! fragment of UDP arrives late, or fills a buffer.
//!
//! There is no receive window: the receiver has capacity for all bytes that the sender's kernel has taken. So a FIN
//! never waits behind unread bytes, and no kernel probes a window. A kernel never gives up a socket that is already
//! closed: a FIN that a partition holds back arrives once the partition heals, however late. All machines share one
//! thread: while a callback takes virtual time, no other machine runs.

// Rustdoc shows the methods of a simulation in the order of the modules.
mod making;

mod running;

mod links;

mod crash;
mod handle;
mod host;
mod seeds;
#[cfg(feature = "tls")]
mod wall_clock;

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use crate::event_loop::{EventLoop, EventLoopOptions};
use crate::net::Result;
use crate::system::System;
use crate::system::faults::Injector;
use crate::system::simulated;

pub use crate::system::faults::Faults;
pub use crate::system::simulated::{CallCounts, Flavour, Options, Route};
pub use crash::CrashedHost;
pub use handle::Handle;
pub use host::{AnyHost, Host};
pub use seeds::{SeedRun, Seeds};

/// The limit on the idle turns in a row, beyond which a run fails because a loop turns without end and does nothing.
const SPINNING_TURNS: u32 = 10_000;

/// A simulated network with its clock, which makes the loops that run on it. See the [module](self).
///
/// ```
/// use netloop::simulation::{Options, Simulation};
/// use netloop::{Context, SocketHandler};
/// # struct Echo;
/// # impl SocketHandler for Echo {
/// #     fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) { cx.socket.write(data).ignore(); }
/// # }
/// # struct Ask;
/// # impl SocketHandler<Vec<u8>> for Ask {
/// #     fn on_connect(&mut self, cx: &mut Context<'_, Vec<u8>>) { cx.socket.end_with(b"hello").ignore(); }
/// #     fn on_data(&mut self, cx: &mut Context<'_, Vec<u8>>, data: &[u8]) { cx.shared.extend_from_slice(data); }
/// # }
///
/// # fn main() -> netloop::Result<()> {
/// let mut simulation = Simulation::new(7, Options::from_seed(7))?;
/// // A test of the happy path: no fault, but odd cuts, delays and orders all the same.
/// simulation.end_faults();
/// let mut server = simulation.host(())?;
/// let mut client = simulation.host(Vec::new())?;
/// // The machines have the addresses 10.0.0.1, 10.0.0.2 and so on.
/// server.event_loop.listen("10.0.0.1:7000", |_, _| Echo)?;
/// client.event_loop.connect("10.0.0.1:7000", Ask)?;
/// simulation.run(&mut [&mut server, &mut client])?;
/// assert_eq!(client.shared, b"hello", "{simulation:?}");
/// println!("in {:?} of virtual time", simulation.elapsed());
/// # Ok(())
/// # }
/// ```
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
///
/// ```
/// use netloop::simulation::{Options, Simulation, SimulationEnd};
/// use std::time::Duration;
/// use netloop::{Context, SocketHandler};
/// # struct Echo;
/// # impl SocketHandler for Echo {
/// #     fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) { cx.socket.write(data).ignore(); }
/// # }
/// # struct Ask;
/// # impl SocketHandler<Vec<u8>> for Ask {
/// #     fn on_connect(&mut self, cx: &mut Context<'_, Vec<u8>>) { cx.socket.end_with(b"hello").ignore(); }
/// #     fn on_data(&mut self, cx: &mut Context<'_, Vec<u8>>, data: &[u8]) { cx.shared.extend_from_slice(data); }
/// # }
///
/// # fn main() -> netloop::Result<()> {
/// let mut simulation = Simulation::new(1, Options::new())?;
/// let mut server = simulation.host(())?;
/// let mut client = simulation.host(Vec::new())?;
/// server.event_loop.listen("10.0.0.1:7000", |_, _| Echo)?;
/// client.event_loop.connect("10.0.0.1:7000", Ask)?;
/// let end = simulation.run(&mut [&mut server, &mut client])?;
/// assert_eq!(end, SimulationEnd::Quiescent);
///
/// // A timer that repeats is always still to come.
/// server.event_loop.every(Duration::from_secs(1), |_| {});
/// let end = simulation.run_for(&mut [&mut server, &mut client], Duration::from_secs(3600))?;
/// assert_eq!(end, SimulationEnd::TimedOut);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimulationEnd {
    /// Nothing more can happen: no host has work, no packet is to arrive, and no timer is armed.
    Quiescent,
    /// The time limit of the run has passed.
    TimedOut,
}

impl Simulation {
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

/// Makes a loop on the real network whose system calls meet `faults`, as `seed` decides. With such a loop, a test can
/// reach other programs. The faults `exhausted_connects`, `failed_lookups` and `slow_lookups` do not happen here.
///
/// A fault changes the real connection too, as far as possible. After a reset by a fault, the loop closes the socket at
/// once, which resets the connection at the peer. Arrived bytes are not read any more. A self-connect really happens,
/// to a loopback address whose port has no listener, unless the connect has a local address. The kernel's own timing
/// does not depend on the seed, so a run cannot be repeated exactly.
///
/// ```
/// use netloop::simulation::{Faults, faulty_event_loop};
/// use netloop::{Context, EventLoop, SocketHandler};
/// # struct Echo;
/// # impl SocketHandler for Echo {
/// #     fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) { cx.socket.write(data).ignore(); }
/// # }
///
/// // Short reads and spurious reports, on a real port: a test of the server with a client that another project wrote.
/// let faults = Faults { short_transfers: 200, spurious_blocks: 50, ..Faults::NONE };
/// let mut event_loop: EventLoop = faulty_event_loop(1, faults)?;
/// event_loop.listen("127.0.0.1:0", |_, _| Echo)?;
/// # Ok::<(), netloop::Error>(())
/// ```
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
