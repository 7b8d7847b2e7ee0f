//! The monotonic clock of a loop, for a reader that does not have the loop's selector.

use std::time::Instant;

#[cfg(feature = "simulation")]
use super::simulated::MachineHandle;

#[derive(Clone, Debug)]
pub(crate) enum MonotonicClock {
    Kernel,
    #[cfg(feature = "simulation")]
    Simulated(MachineHandle),
}

impl MonotonicClock {
    #[inline]
    pub(crate) fn now(&self) -> Instant {
        match self {
            Self::Kernel => Instant::now(),
            #[cfg(feature = "simulation")]
            Self::Simulated(machine) => machine.now(),
        }
    }
}
