//! What was counted: of a run, or for one operation.

use std::ops::{Add, Div, Sub};

/// What an instrument does not count is zero.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) instructions: f64,
    pub(crate) calls: f64,
    /// Of the calls.
    pub(crate) receives: f64,
    /// Of the calls.
    pub(crate) sends: f64,
    /// Of the calls.
    pub(crate) waits: f64,
}

impl Counts {
    fn combine(self, other: Self, combine: fn(f64, f64) -> f64) -> Self {
        Self {
            instructions: combine(self.instructions, other.instructions),
            calls: combine(self.calls, other.calls),
            receives: combine(self.receives, other.receives),
            sends: combine(self.sends, other.sends),
            waits: combine(self.waits, other.waits),
        }
    }
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        self.combine(other, f64::add)
    }
}

impl Sub for Counts {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self.combine(other, f64::sub)
    }
}

impl Div<f64> for Counts {
    type Output = Self;

    fn div(self, operations: f64) -> Self {
        let every = Self {
            instructions: operations,
            calls: operations,
            receives: operations,
            sends: operations,
            waits: operations,
        };
        self.combine(every, f64::div)
    }
}
