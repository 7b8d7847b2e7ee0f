//! Traffic between two loops on the loopback network, every byte of which is compared.
//!
//! The ends of a connection compute its life from its key: the bytes, the pauses, and the way in which it ends. So each
//! end knows what it has to be told.
#![allow(
    dead_code,
    unused_imports,
    clippy::needless_pass_by_ref_mut,
    reason = "the tests of the library and the programs each use a part of it"
)]

mod client;
mod driver;
mod gate;
pub(crate) mod machine;
mod pattern;
mod plan;
mod server;
mod stream;
mod tally;
mod world;

pub(crate) use client::load;
pub(crate) use gate::{End, Remains, run_all};
pub(crate) use server::serve;
pub(crate) use tally::Tally;

use std::time::Duration;

use netloop::{Budget, EventLoop, Result};

use world::World;

/// The traffic of one loop with another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traffic {
    /// The number of connections that are open at a time.
    pub(crate) connections: u64,
    pub(crate) until: Until,
    /// The longest time that a connection is held behind its last byte.
    pub(crate) longest_hold: Duration,
    pub(crate) seed: u64,
    /// The budget of each turn.
    pub(crate) budget: Budget,
    pub(crate) faults: Faults,
}

/// The end of a traffic: no further connection is opened.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    Time(Duration),
    Connections(u64),
}

/// The faults of the system calls of both loops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Faults {
    None,
    /// Short transfers, interruptions, calls that would block, missing memory, polls in vain, spurious events: nothing
    /// that a stream may be lost by.
    Harmless,
    /// The same, and resets, aborted accepts and missing descriptors: a stream may end early, with an error.
    Breaking,
}

impl Faults {
    /// Makes a loop with these faults, or one without faults where the library has no simulation.
    fn event_loop(self, seed: u64) -> Result<EventLoop<World>> {
        #[cfg(feature = "simulation")]
        {
            use netloop::simulation::{Faults, faulty_event_loop};
            let harmless = Faults {
                short_transfers: 50,
                interruptions: 20,
                spurious_blocks: 20,
                missing_buffers: 2,
                empty_polls: 20,
                spurious_events: 20,
                refused_options: 20,
                ..Faults::NONE
            };
            let faults = match self {
                Self::None => return EventLoop::new(),
                Self::Harmless => harmless,
                Self::Breaking => Faults {
                    resets: 2,
                    aborted_accepts: 20,
                    exhausted_accepts: 2,
                    ..harmless
                },
            };
            faulty_event_loop(seed, faults)
        }
        #[cfg(not(feature = "simulation"))]
        {
            let _ = seed;
            EventLoop::new()
        }
    }

    fn may_break(self) -> bool {
        self == Self::Breaking
    }
}
