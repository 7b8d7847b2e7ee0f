//! Connecting to a name: the options, lookups, the order and delays of the addresses, and the attempts.

mod attempt;
mod lookups;
mod options;
mod race;
mod resolver;

pub use options::ConnectOptions;
pub use resolver::{HostQuery, Resolver, system_resolver};

pub(crate) use attempt::{Attempt, is_connected_to_itself};
pub(crate) use lookups::{Departure, LookupCounts, PendingLookups};
pub(crate) use race::{ConnectRace, at_port};
pub(crate) use resolver::SharedResolver;
