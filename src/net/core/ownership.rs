//! The process that a loop belongs to.

use crate::net::error::{Error, Result};

use super::Net;

impl Net {
    /// Checks that this process made the loop (else ERR_FORKED). A forked child shares the kernel's poll set with its
    /// parent: its waits would take the parent's events, and its closes deregister the parent's sockets.
    pub(crate) fn check_owner(&self) -> Result<()> {
        match self.owner.is_current() {
            true => Ok(()),
            false => Err(Error::with_code(
                Error::FORKED,
                "a forked process cannot use the loop of its parent",
            )),
        }
    }

    #[cfg(test)]
    pub(crate) fn pretend_to_be_forked(&mut self) -> crate::system::OwnerProcess {
        std::mem::replace(
            &mut self.owner,
            crate::system::OwnerProcess::parent_of_a_fork(),
        )
    }

    #[cfg(test)]
    pub(crate) fn return_to(&mut self, owner: crate::system::OwnerProcess) {
        self.owner = owner;
    }
}
