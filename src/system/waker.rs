//! The handle that ends the wait of a selector, from any thread.

use std::io;
use std::sync::Arc;

#[cfg(feature = "simulation")]
use super::simulated;

/// A handle with which any thread ends the wait of the selector that made it.
#[derive(Clone, Debug)]
pub(crate) enum Waker {
    /// The waker of the kernel's selector.
    Kernel(Arc<mio::Waker>),
    /// The waker of a simulated machine's selector.
    #[cfg(feature = "simulation")]
    Simulated(simulated::Waker),
}

impl Waker {
    /// Ends the wait under way. If no wait is under way, the next wait ends at once, so that no wake is lost.
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
