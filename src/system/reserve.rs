//! A descriptor in reserve, for when the process has none left to accept with.

use std::fs::File;

use super::acceptor::Acceptor;
use super::factory::System;
#[cfg(feature = "simulation")]
use super::simulated;

/// A spare descriptor, closed for a moment when the process has run out of descriptors (libuv's trick).
///
/// Then one connection can be accepted and reset at once: the kernel's backlog drains, and the peer learns that it was
/// refused.
#[derive(Debug)]
pub(crate) struct Reserve {
    /// The system that a spare descriptor is opened on.
    system: System,
    spare: Option<Spare>,
}

/// A descriptor that is only held, until it is dropped.
#[derive(Debug)]
enum Spare {
    Kernel {
        #[expect(dead_code, reason = "it is only held, until it is dropped")]
        file: File,
    },
    #[cfg(feature = "simulation")]
    Simulated {
        #[expect(dead_code, reason = "it is only held, until it is dropped")]
        descriptor: simulated::SpareDescriptor,
    },
}

impl Reserve {
    /// Opens the spare descriptor now, before the process runs out. If that fails there is no reserve.
    pub(crate) fn new(system: &System) -> Self {
        let mut reserve = Self {
            system: system.clone(),
            spare: None,
        };
        reserve.refill();
        reserve
    }

    /// Gives up the spare descriptor, accepts one connection from `acceptor`, resets it, and opens a spare again.
    /// Returns whether a connection was refused that way.
    pub(crate) fn refuse_one(&mut self, acceptor: &Acceptor) -> bool {
        #[cfg(feature = "simulation")]
        if let Acceptor::Faulty(acceptor) = acceptor {
            // The shortage is only pretended there, so no descriptor has to be given up.
            return acceptor.refuse_one();
        }
        if self.spare.take().is_none() {
            // Another part of the process took the descriptor during an earlier shortage. There may be one again.
            self.refill();
            return false;
        }
        let refused = match acceptor.accept() {
            Ok((stream, _)) => {
                // A reset tells the peer more than a FIN would. If the system refuses the option, a FIN must do.
                let _ = stream.reset_on_close();
                true
            }
            Err(_) => false,
        };
        self.refill();
        refused
    }

    fn refill(&mut self) {
        self.spare = match &self.system {
            #[cfg(feature = "simulation")]
            System::Simulated(host) => host
                .spare_descriptor()
                .map(|descriptor| Spare::Simulated { descriptor }),
            _ => File::open(if cfg!(windows) { "NUL" } else { "/dev/null" })
                .ok()
                .map(|file| Spare::Kernel { file }),
        };
    }
}
