//! Sources of the operating system that mio does not have.

mod input;

pub(super) use input::Input;
