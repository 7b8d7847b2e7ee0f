//! From values to pixels, and which values are written at an axis.

/// A stretch of an axis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    /// Equal factors are equally far apart, where otherwise equal differences are.
    is_logarithmic: bool,
}

/// A value at an axis, with what is written there.
#[derive(Clone, Debug)]
pub(super) struct Tick {
    pub(super) value: f64,
    pub(super) label: String,
}

/// Ratios in the order in which they are wanted, if there is room.
const RATIOS: [f64; 30] = [
    1.0, 2.0, 1.5, 1.25, 5.0, 10.0, 3.0, 0.9, 1.1, 0.5, 0.8, 20.0, 0.2, 0.1, 50.0, 100.0, 0.7,
    1.75, 4.0, 7.0, 2.5, 30.0, 0.3, 0.05, 200.0, 500.0, 1000.0, 0.02, 0.95, 1.05,
];

impl Scale {
    pub(super) fn linear((low, high): (f64, f64), (from, to): (f64, f64)) -> Self {
        Self {
            low,
            high,
            from,
            to,
            is_logarithmic: false,
        }
    }

    /// Invariant: all values are above zero.
    pub(super) fn logarithmic((low, high): (f64, f64), (from, to): (f64, f64)) -> Self {
        Self {
            is_logarithmic: true,
            ..Self::linear((low, high), (from, to))
        }
    }

    pub(super) fn pixel(&self, value: f64) -> f64 {
        let share = if self.is_logarithmic {
            (value / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        self.from + share * (self.to - self.from)
    }

    /// Those of the wanted values that are on the axis and `distance` pixels from those that are wanted more.
    pub(super) fn fitting(&self, wanted: impl Iterator<Item = f64>, distance: f64) -> Vec<f64> {
        let mut taken: Vec<f64> = Vec::new();
        for value in wanted.filter(|value| (self.low..=self.high).contains(value)) {
            let is_free = |other: &f64| (self.pixel(value) - self.pixel(*other)).abs() >= distance;
            if taken.iter().all(is_free) {
                taken.push(value);
            }
        }
        taken
    }

    /// Ticks for ratios, which are about one.
    pub(super) fn ratios(&self, distance: f64) -> Vec<Tick> {
        let ticks = self.fitting(RATIOS.into_iter(), distance).into_iter();
        ticks
            .map(|value| Tick {
                value,
                label: value.to_string(),
            })
            .collect()
    }

    /// Ticks for anything that is measured in a unit: 1, 2 and 5 with any number of zeros.
    pub(super) fn amounts(&self, distance: f64, label: fn(f64) -> String) -> Vec<Tick> {
        let powers = || (-3..=12).map(|power| 10_f64.powi(power));
        let wanted = powers()
            .chain(powers().map(|power| 5.0 * power))
            .chain(powers().map(|power| 2.0 * power))
            .chain(powers().map(|power| 3.0 * power))
            .chain(powers().map(|power| 1.5 * power));
        let ticks = self.fitting(wanted, distance).into_iter();
        ticks
            .map(|value| Tick {
                value,
                label: label(value),
            })
            .collect()
    }
}
