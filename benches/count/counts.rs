//! The counts of a run, or for one operation.

/// The titles of the figures, in the order of their places.
pub(crate) const TITLES: [&str; 5] = ["instructions", "system calls", "receives", "sends", "waits"];
pub(crate) const INSTRUCTIONS: usize = 0;
pub(crate) const CALLS: usize = 1;
/// Of the calls, as the next two.
pub(crate) const RECEIVES: usize = 2;
pub(crate) const SENDS: usize = 3;
pub(crate) const WAITS: usize = 4;

/// A figure for each title; zero where no instrument has counted it.
pub(crate) type Counts = [f64; 5];
