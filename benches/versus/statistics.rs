//! Medians, and how far they can be trusted. Knows numbers only.

/// Samples drawn for an interval.
const DRAWS: usize = 2000;

/// A median with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Estimate {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Estimate {
    /// The median of `values` with a bootstrap interval: how far the median moves when the rounds are drawn again.
    /// The same values always give the same interval.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let middle = median(values)?;
        let mut random = fastrand::Rng::with_seed(values.len() as u64);
        let mut medians: Vec<f64> = (0..DRAWS)
            .filter_map(|_| {
                let drawn: Vec<f64> = values
                    .iter()
                    .map(|_| values[random.usize(..values.len())])
                    .collect();
                median(&drawn)
            })
            .collect();
        medians.sort_by(f64::total_cmp);
        Some(Self {
            median: middle,
            low: medians[DRAWS / 40],
            high: medians[DRAWS - 1 - DRAWS / 40],
        })
    }

    /// Half the width of the interval, as a share of the median.
    pub(crate) fn spread(&self) -> f64 {
        if self.median > 0.0 {
            (self.high - self.low) / 2.0 / self.median
        } else {
            f64::INFINITY
        }
    }
}

/// The middle value, or the mean of the two in the middle; none of an empty list.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        length if length % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}
