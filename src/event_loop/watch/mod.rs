//! The watch over the loop and its callbacks: the statistics, and the hooks for stalls, pressure and panics.

mod meter;
mod panics;
mod pressure;
mod spin;
mod stall;
mod statistics;

pub use panics::{CaughtPanic, PanicPolicy};
pub use pressure::Pressure;
pub use stall::{CallbackOwner, Stall, StallKind};
pub use statistics::Statistics;

pub(crate) use meter::Meter;
pub(crate) use panics::PanicHook;
pub(crate) use pressure::PressureHook;
pub(crate) use stall::{StallHook, Watched};
