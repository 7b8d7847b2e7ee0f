//! From a name to addresses to the first that answers: which are tried, and when.

mod attempt;
mod dial;
mod lookups;
mod options;
mod resolver;

pub use options::ConnectOptions;
pub use resolver::{HostQuery, Resolver, SystemResolver};

pub(crate) use attempt::{Attempt, is_connected_to_itself};
pub(crate) use dial::{Dial, at_port};
pub(crate) use lookups::PendingLookups;
pub(crate) use resolver::SharedResolver;
