//! The process that a loop belongs to.

use crate::net::error::{Error, Result};

use super::Net;

impl Net {
    /// Checks that the loop is used by the process that made it. A forked child shares the kernel's poll set with its
    /// parent. The child's waits would take the parent's events, and its closes would deregister the parent's sockets.
    ///
    /// # Errors
    ///
    /// ERR_FORKED in a forked child.
    pub(crate) fn check_owner(&self) -> Result<()> {
        match self.owner.is_current() {
            true => Ok(()),
            false => Err(Error::with_code(
                Error::FORKED,
                "a forked process cannot use the loop of its parent",
            )),
        }
    }

    /// Makes the loop look as it does to a forked child. Returns its owner.
    #[cfg(test)]
    pub(crate) fn pretend_to_be_forked(&mut self) -> crate::system::OwnerProcess {
        std::mem::replace(
            &mut self.owner,
            crate::system::OwnerProcess::parent_of_a_fork(),
        )
    }

    /// Ends the pretence: the loop belongs to `owner` again.
    #[cfg(test)]
    pub(crate) fn return_to(&mut self, owner: crate::system::OwnerProcess) {
        self.owner = owner;
    }
}
