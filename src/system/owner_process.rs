//! The process that made a value. After a fork, the child has a copy of the value without having made it.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OwnerProcess {
    id: u32,
}

impl OwnerProcess {
    /// The process that runs now. The call asks the system (`getpid(2)`), which takes about 0.3 µs.
    pub(crate) fn current() -> Self {
        Self {
            id: std::process::id(),
        }
    }

    pub(crate) fn is_current(self) -> bool {
        self == Self::current()
    }

    /// Returns a process other than the one that runs the test, as if the value came from the parent of a forked child.
    #[cfg(test)]
    pub(crate) fn parent_of_a_fork() -> Self {
        Self {
            id: std::process::id().wrapping_add(1),
        }
    }
}
