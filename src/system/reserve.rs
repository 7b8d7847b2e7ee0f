//! A spare descriptor, for accepting a connection when the process has no descriptor left.

use std::fs::File;

use super::acceptor::Acceptor;
use super::errno::retry_interrupted;
use super::factory::System;
#[cfg(feature = "simulation")]
use super::simulated;

/// Once the process has no descriptor left, the loop closes the spare for a moment, accepts one connection and resets
/// it at once (libuv's trick). So the kernel's backlog empties, and each peer learns that it was refused.
#[derive(Debug)]
pub(crate) struct Reserve {
    system: System,
    spare: Option<Spare>,
}

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
    /// Opens the spare descriptor now, before the process runs out of descriptors.
    pub(crate) fn new(system: &System) -> Self {
        let mut reserve = Self {
            system: system.clone(),
            spare: None,
        };
        reserve.refill();
        reserve
    }

    /// Refuses a connection of `acceptor`. Without a spare, only tries to open a spare. Returns whether it has refused.
    pub(crate) fn refuse_one(&mut self, acceptor: &Acceptor) -> bool {
        #[cfg(feature = "simulation")]
        if let Acceptor::Faulty(acceptor) = acceptor {
            // The fault only pretends that descriptors are exhausted, so no spare has to be closed.
            return acceptor.refuse_one();
        }
        if self.spare.take().is_none() {
            // An earlier call could not open the spare again, but a descriptor may be free now.
            self.refill();
            return false;
        }
        let refused = match retry_interrupted(|| acceptor.accept()) {
            Ok((stream, _)) => {
                // A reset tells the peer about the refusal. A Unix socket has none, and the system may refuse
                // SO_LINGER: the peer then sees an ordinary end.
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
            System::Simulated(machine) => machine
                .spare_descriptor()
                .map(|descriptor| Spare::Simulated { descriptor }),
            _ => File::open(if cfg!(windows) { "NUL" } else { "/dev/null" })
                .ok()
                .map(|file| Spare::Kernel { file }),
        };
    }
}
