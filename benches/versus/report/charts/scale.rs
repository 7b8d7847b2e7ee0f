//! From values to pixels, and the values that are written at an axis.

use netloop_benches::table::thousands;

/// A logarithmic axis: equal factors are equally far apart. Invariant: all values are above zero.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    /// The values at the ends.
    pub(super) values: (f64, f64),
    pub(super) pixels: (f64, f64),
}

/// Ratios in the order in which they are wanted where there is space.
const RATIOS: &[f64] = &[
    1.0, 2.0, 1.5, 1.25, 5.0, 10.0, 3.0, 0.9, 1.1, 0.5, 0.8, 20.0, 0.2, 50.0, 0.7, 4.0, 0.95, 1.05,
];

impl Scale {
    pub(super) fn pixel(&self, value: f64) -> f64 {
        let ((low, high), (from, to)) = (self.values, self.pixels);
        from + (value / low).ln() / (high / low).ln() * (to - from)
    }

    /// Returns the ticks for ratios, which are about one.
    pub(super) fn ratios(&self) -> Vec<(f64, String)> {
        self.ticks(RATIOS.iter().copied(), 38.0, |value| value.to_string())
    }

    /// Returns the ticks for anything that is measured in a unit: 1, 2 and 5 with any number of zeros.
    pub(super) fn amounts(&self) -> Vec<(f64, String)> {
        let powers = |factor: f64| (-3..=12).map(move |power| factor * 10_f64.powi(power));
        let wanted = [1.0, 5.0, 2.0, 3.0, 1.5].into_iter().flat_map(powers);
        // A whole number without a decimal place, and a small one as it is.
        self.ticks(wanted, 60.0, |value| match value < 10.0 {
            true => value.to_string(),
            false => thousands(value),
        })
    }

    /// Returns the wanted values that are on the axis and so many pixels from those that are wanted more.
    fn ticks(
        &self,
        wanted: impl Iterator<Item = f64>,
        distance: f64,
        write: fn(f64) -> String,
    ) -> Vec<(f64, String)> {
        let mut taken: Vec<(f64, String)> = Vec::new();
        let (low, high) = self.values;
        for value in wanted.filter(|value| (low..=high).contains(value)) {
            let apart = |other: f64| (self.pixel(value) - self.pixel(other)).abs();
            if taken.iter().all(|(other, _)| apart(*other) >= distance) {
                taken.push((value, write(value)));
            }
        }
        taken
    }
}
