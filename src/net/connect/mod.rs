//! From a name to addresses to the first that answers: which are tried, and when.

mod attempt;
mod dial;
mod inquiries;
mod options;
mod resolver;

pub use options::ConnectOptions;
pub use resolver::{Resolver, SystemResolver};

pub(crate) use attempt::{Attempt, is_connected_to_itself};
pub(crate) use dial::Dial;
pub(crate) use inquiries::Inquiries;
pub(crate) use resolver::SharedResolver;
