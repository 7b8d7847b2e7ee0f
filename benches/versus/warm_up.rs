//! How long a server is warmed up before anything counts.
//!
//! A runtime that compiles its code while it runs is several times slower in its first second than ever after, which
//! would be a measurement of its compiler. All servers fill caches and fault in memory.

use std::time::Duration;

use crate::load::Timing;
use crate::peers::Descriptor;

/// A server that is still getting better by more from one slice to the next is not warm yet.
const STEADY: f64 = 0.05;

/// A warm-up is made of slices, so that it can be seen when the cost of an operation stops falling. (The rate would show
/// the same, but other programs move it more.)
#[derive(Clone, Copy, Debug)]
pub(crate) struct WarmUp {
    slice: Duration,
    fewest: usize,
    most: usize,
}

impl WarmUp {
    pub(crate) fn of(descriptor: &Descriptor) -> Self {
        if descriptor.compiles_while_it_runs() {
            Self {
                slice: Duration::from_millis(400),
                fewest: 3,
                most: 5,
            }
        } else {
            Self {
                slice: Duration::from_millis(100),
                fewest: 2,
                most: 3,
            }
        }
    }

    pub(crate) fn timing(self) -> Timing {
        Timing {
            warm_up: Duration::ZERO,
            measured: self.slice,
        }
    }

    /// How long it takes at most, where each slice also takes `overhead`.
    pub(crate) fn longest(self, overhead: Duration) -> Duration {
        (self.slice + overhead) * u32::try_from(self.most).unwrap_or(u32::MAX)
    }

    /// Whether it is over, by what an operation has cost in each slice so far.
    pub(crate) fn is_over(self, costs: &[f64]) -> bool {
        let is_steady = match costs {
            [before @ .., last] => {
                let best = before.iter().copied().fold(f64::INFINITY, f64::min);
                *last >= best * (1.0 - STEADY)
            }
            [] => false,
        };
        costs.len() >= self.most || costs.len() >= self.fewest && is_steady
    }
}
