//! Ending the wait of a selector from any thread.

use std::io;
use std::sync::Arc;

#[cfg(feature = "simulation")]
use super::simulated;

/// Ends the wait of the selector that made it, from any thread.
#[derive(Clone, Debug)]
pub(crate) enum Waker {
    /// For the kernel's selector.
    Kernel(Arc<mio::Waker>),
    /// For the selector of a simulated machine.
    #[cfg(feature = "simulation")]
    Simulated(simulated::Waker),
}

impl Waker {
    /// Ends the wait under way, or the next one if there is none: a wake is never lost.
    pub(crate) fn wake(&self) -> io::Result<()> {
        match self {
            Self::Kernel(waker) => waker.wake(),
            #[cfg(feature = "simulation")]
            Self::Simulated(waker) => {
                waker.wake();
                Ok(())
            }
        }
    }
}
