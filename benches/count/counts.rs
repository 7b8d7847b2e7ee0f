//! The counts of a run, or for one operation.

use std::array::from_fn;
use std::ops::{Add, Div, Sub};

/// The titles of the figures, in the order of their places.
pub(crate) const TITLES: [&str; 5] = ["instructions", "system calls", "receives", "sends", "waits"];
pub(crate) const INSTRUCTIONS: usize = 0;
pub(crate) const CALLS: usize = 1;
/// Of the calls, as the next two.
pub(crate) const RECEIVES: usize = 2;
pub(crate) const SENDS: usize = 3;
pub(crate) const WAITS: usize = 4;

/// A figure for each title; zero where no instrument has counted it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts(pub(crate) [f64; 5]);

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(from_fn(|place| self.0[place] + other.0[place]))
    }
}

impl Sub for Counts {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(from_fn(|place| self.0[place] - other.0[place]))
    }
}

impl Div<f64> for Counts {
    type Output = Self;

    fn div(self, operations: f64) -> Self {
        Self(self.0.map(|count| count / operations))
    }
}
