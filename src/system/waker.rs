//! The waker, which ends the wait of a selector from any thread.

use std::io;
use std::sync::{Arc, Weak};

#[cfg(test)]
mod scripted;

#[cfg(feature = "simulation")]
use super::simulated;
#[cfg(all(loom, test))]
use super::threading::ModelledWaker;

#[cfg(test)]
pub(crate) use scripted::ScriptedWaker;

/// The limit on the tries of one wake. A wake that fails is tried again, so that a transient failure (EINTR, ENOMEM)
/// does not lose it. The limit is small, because a signal handler may wake the loop.
const TRIES: usize = 8;

/// The drop of the kernel's waker closes its descriptor: at once, or at the end of a wake that another thread makes.
#[derive(Debug)]
pub(crate) enum Waker {
    Kernel(Arc<mio::Waker>),
    #[cfg(feature = "simulation")]
    Simulated(simulated::Waker),
}

impl Waker {
    /// Returns a handle for other threads, which does not keep the descriptor open.
    pub(crate) fn handle(&self) -> WakeHandle {
        match self {
            Self::Kernel(waker) => WakeHandle::Kernel(Arc::downgrade(waker)),
            #[cfg(feature = "simulation")]
            Self::Simulated(waker) => WakeHandle::Simulated(waker.clone()),
        }
    }
}

/// A handle with which any thread ends the wait of the selector. Without its [`Waker`] it has no effect.
#[derive(Clone, Debug)]
pub(crate) enum WakeHandle {
    Kernel(Weak<mio::Waker>),
    #[cfg(feature = "simulation")]
    Simulated(simulated::Waker),
    #[cfg(test)]
    Scripted(Arc<ScriptedWaker>),
    #[cfg(all(loom, test))]
    Modelled(Arc<ModelledWaker>),
}

impl WakeHandle {
    /// Ends the wait under way, or else the next one, so that no wake is lost. On Linux this takes no lock, and neither
    /// allocates nor frees memory, so that a signal handler may call it.
    pub(crate) fn wake(&self) -> io::Result<()> {
        let mut done = self.wake_once();
        for _ in 1..TRIES {
            if done.is_ok() {
                break;
            }
            done = self.wake_once();
        }
        done
    }

    fn wake_once(&self) -> io::Result<()> {
        match self {
            // If the waker is dropped meanwhile, the end of this borrow closes the descriptor. That is one call, and no
            // memory is freed, because `self` has a weak reference to the memory.
            Self::Kernel(waker) => waker.upgrade().map_or(Ok(()), |waker| waker.wake()),
            #[cfg(feature = "simulation")]
            Self::Simulated(waker) => {
                waker.wake();
                Ok(())
            }
            #[cfg(test)]
            Self::Scripted(script) => script.wake(),
            #[cfg(all(loom, test))]
            Self::Modelled(modelled) => modelled.wake(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wake_that_fails_is_tried_again_a_few_times() {
        let script = Arc::new(ScriptedWaker::default());
        let handle = WakeHandle::Scripted(Arc::clone(&script));
        script.fail(TRIES - 1);
        handle.wake().unwrap();
        assert_eq!((script.calls(), script.wakes()), (TRIES, 1));
        script.fail(TRIES);
        assert_eq!(
            handle.wake().unwrap_err().kind(),
            io::ErrorKind::Interrupted
        );
        assert_eq!((script.calls(), script.wakes()), (2 * TRIES, 1));
        handle.wake().unwrap();
        assert_eq!(script.wakes(), 2);
    }

    #[test]
    fn a_handle_does_not_keep_the_waker() {
        let poll = mio::Poll::new().unwrap();
        let waker = Arc::new(mio::Waker::new(poll.registry(), mio::Token(0)).unwrap());
        let handle = Waker::Kernel(Arc::clone(&waker)).handle();
        handle.wake().unwrap();
        assert_eq!(Arc::strong_count(&waker), 1);
        drop(waker);
        handle.wake().unwrap();
    }
}
