//! Medians, and how far they can be trusted.
//!
//! An interval reaches from one of the sorted values to another. However the values are distributed, each lies on
//! either side of the true median with the chance of a coin. So the chance that the interval misses the median is
//! exact. A bootstrap was rejected: it called the range of three values a 95 % interval, and that range misses the
//! median in one of four cases.

/// The fewest values that have a 95 % interval: the median lies outside the range of five with a chance of 2 / 2⁵.
pub const FEWEST: usize = 6;

/// The chance that an interval misses the true median.
pub const USUAL_ERROR: f64 = 0.05;
/// The error for bars: a run judges some forty of them, and at 5 % two of those would be misjudged. It needs eight values.
pub const BAR_ERROR: f64 = 0.01;

/// A range that holds the true median.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// A median, with its interval unless there were too few values for one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The median of the values.
    pub median: f64,
    /// Its interval.
    pub interval: Option<Interval>,
}

impl Estimate {
    /// The median of `values` with its 95 % interval; `None` of an empty list.
    pub fn of(values: &[f64]) -> Option<Self> {
        Self::with_error(values, USUAL_ERROR)
    }

    /// The median of `values`, with an interval that misses the truth with a chance of `error` at most.
    pub fn with_error(values: &[f64], error: f64) -> Option<Self> {
        let sorted = sorted(values);
        let interval = values_outside(sorted.len(), error).map(|outside| Interval {
            low: sorted[outside],
            high: sorted[sorted.len() - 1 - outside],
        });
        let median = median(values)?;
        Some(Self { median, interval })
    }

    /// Returns the interval, or the median alone where there is none.
    pub fn reach(&self) -> Interval {
        let median = self.median;
        let (low, high) = (median, median);
        self.interval.unwrap_or(Interval { low, high })
    }
}

/// Returns the middle value, or the mean of the two in the middle; `None` of an empty list.
pub fn median(values: &[f64]) -> Option<f64> {
    quartile(values, 2)
}

/// Returns the value below which `quarters` quarters of the values lie, or the mean of its two neighbours; `None` of an
/// empty list.
pub fn quartile(values: &[f64], quarters: usize) -> Option<f64> {
    let sorted = sorted(values);
    let place = sorted.len().checked_sub(1)? * quarters;
    Some(f64::midpoint(sorted[place / 4], sorted[place.div_ceil(4)]))
}

/// Returns the ratio of each value to the one of the same round, where both are there.
pub fn ratios(own: &[f64], of: &[f64]) -> Vec<f64> {
    own.iter().zip(of).map(|(own, of)| own / of).collect()
}

/// Measures each of `count` servers once a round, and returns the values of each. The servers take turns, so that what
/// else the machine does hits all alike. Each round begins with another, and every other round goes backwards.
pub fn in_turn<T, E>(
    rounds: usize,
    count: usize,
    mut measure: impl FnMut(usize) -> Result<T, E>,
) -> Result<Vec<Vec<T>>, E> {
    let mut values: Vec<Vec<T>> = (0..count).map(|_| Vec::new()).collect();
    for round in 0..rounds {
        for step in 0..count {
            let step = if round % 2 == 0 { step } else { count - step };
            let place = (round + step) % count;
            values[place].push(measure(place)?);
        }
    }
    Ok(values)
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// Returns how many of `count` sorted values the interval leaves out at each end; `None` if even the whole range is too
/// narrow.
fn values_outside(count: usize, error: f64) -> Option<usize> {
    // The chance that exactly `ranks` of the values lie on one given side of the true median.
    let mut chance = 0.5_f64.powi(i32::try_from(count).unwrap_or(i32::MAX));
    let mut sum = 0.0;
    let mut ranks = 0;
    while ranks < count.div_ceil(2) {
        sum += chance;
        if 2.0 * sum > error {
            break;
        }
        chance *= (count - ranks) as f64 / (ranks + 1) as f64;
        ranks += 1;
    }
    ranks.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_intervals_are_those_of_the_binomial_table() {
        let values = [9.0, 3.0, 1.0, 4.0, 2.0, 8.0, 5.0, 7.0, 6.0];
        let interval = |count: usize, error| {
            let estimate = Estimate::with_error(&values[..count], error).unwrap();
            estimate.interval.map(|Interval { low, high }| (low, high))
        };
        assert_eq!(Estimate::of(&[]), None);
        assert_eq!(median(&values[..6]), Some(3.5));
        assert_eq!(median(&values), Some(5.0));
        assert_eq!(median(&[]), None);
        let quartiles = [0, 1, 3, 4].map(|quarters| quartile(&values[..8], quarters));
        assert_eq!(quartiles, [1.0, 2.5, 7.5, 9.0].map(Some));
        assert_eq!(interval(FEWEST - 1, USUAL_ERROR), None);
        assert_eq!(interval(FEWEST, USUAL_ERROR), Some((1.0, 9.0)));
        assert_eq!(interval(9, USUAL_ERROR), Some((2.0, 8.0)));
        assert_eq!(interval(7, BAR_ERROR), None);
        assert_eq!(interval(9, BAR_ERROR), Some((1.0, 9.0)));
    }
}
