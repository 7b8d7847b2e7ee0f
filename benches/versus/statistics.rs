//! Medians, and how far they can be trusted. Knows numbers only.
//!
//! An interval reaches from one of the sorted values to another one. However the values are distributed, each lies on
//! either side of the true median with the chance of a coin, so that the chance of an interval beside it can be counted
//! out. Resampling (the bootstrap) knows only the values that it has: it called the range of three values a 95 %
//! interval, which lies beside the truth in one of four cases.

/// With fewer values there is no 95 % interval at all: the true median lies beside all of five with a chance of 2 / 2⁵,
/// which is 6 %, and beside all of three in a quarter of all cases. Whatever decides needs at least so many.
pub(crate) const FEWEST: usize = 6;

/// How rarely an interval may lie beside the truth.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Confidence {
    /// 95 %: for who looks once.
    Usual,
    /// 99 %: for who looks again and again, and stops when he likes what he sees. It needs eight values.
    Repeated,
}

impl Confidence {
    fn error(self) -> f64 {
        match self {
            Self::Usual => 0.05,
            Self::Repeated => 0.01,
        }
    }
}

/// Where the true median may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Interval {
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// A median, and its interval unless there were too few values for one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Estimate {
    pub(crate) median: f64,
    pub(crate) interval: Option<Interval>,
}

impl Estimate {
    /// The median of `values` with its 95 % interval.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        Self::with(values, Confidence::Usual)
    }

    pub(crate) fn with(values: &[f64], confidence: Confidence) -> Option<Self> {
        let median = median(values)?;
        let interval = outside(values.len(), confidence).map(|outside| {
            let sorted = sorted(values);
            Interval {
                low: sorted[outside],
                high: sorted[sorted.len() - 1 - outside],
            }
        });
        Some(Self { median, interval })
    }

    /// Half the width of the interval, as a share of the median.
    pub(crate) fn spread(&self) -> f64 {
        match self.interval {
            Some(Interval { low, high }) if self.median > 0.0 => (high - low) / 2.0 / self.median,
            _ => f64::INFINITY,
        }
    }

    /// What a drawing shows of the interval: a point where there is none.
    pub(crate) fn reach(&self) -> Interval {
        self.interval.unwrap_or(Interval {
            low: self.median,
            high: self.median,
        })
    }

    /// Whether all of the interval is above `value`.
    pub(crate) fn is_above(&self, value: f64) -> bool {
        self.interval.is_some_and(|interval| interval.low > value)
    }

    /// Whether all of the interval is below `value`.
    pub(crate) fn is_below(&self, value: f64) -> bool {
        self.interval.is_some_and(|interval| interval.high < value)
    }
}

/// Samples drawn for a bootstrap.
const DRAWS: usize = 2_000;

/// How far the median of `values` moves when they are drawn again: the 95 % interval that most tools of this kind print.
/// It is for readers who compare with those, and decides nothing here. The same values always give the same interval.
pub(crate) fn bootstrap(values: &[f64]) -> Option<Interval> {
    let mut random = fastrand::Rng::with_seed(values.len() as u64);
    let mut drawn = vec![0.0; values.len()];
    let mut medians = Vec::with_capacity(DRAWS);
    for _ in 0..DRAWS {
        drawn.fill_with(|| random.choice(values).copied().unwrap_or_default());
        medians.push(median(&drawn)?);
    }
    let medians = sorted(&medians);
    Some(Interval {
        low: medians[DRAWS / 40],
        high: medians[DRAWS - 1 - DRAWS / 40],
    })
}

/// How many of `count` sorted values may be left outside at either end; none if even the range of all is too narrow.
fn outside(count: usize, confidence: Confidence) -> Option<usize> {
    // The chance that exactly so many of the values lie on one given side of the true median.
    let mut exactly = 0.5_f64.powi(i32::try_from(count).unwrap_or(i32::MAX));
    let mut at_most = 0.0;
    let mut ranks = 0;
    while ranks < count.div_ceil(2) {
        at_most += exactly;
        if 2.0 * at_most > confidence.error() {
            break;
        }
        exactly *= (count - ranks) as f64 / (ranks + 1) as f64;
        ranks += 1;
    }
    ranks.checked_sub(1)
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// The middle value, or the mean of the two in the middle; none of an empty list.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let sorted = sorted(values);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        length if length % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}
