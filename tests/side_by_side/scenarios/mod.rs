//! The scenarios, in groups.

mod connecting;
mod ending;
mod failing;
mod lookups;
mod pairs;
mod reading;
mod serving;
mod timing;
mod unix;
mod writing;

use super::scenario::Scenario;

/// All scenarios, in the order in which they are played.
pub(crate) fn all() -> impl Iterator<Item = &'static Scenario> {
    [
        connecting::SCENARIOS,
        lookups::SCENARIOS,
        writing::SCENARIOS,
        reading::SCENARIOS,
        ending::SCENARIOS,
        failing::SCENARIOS,
        timing::SCENARIOS,
        serving::SCENARIOS,
        unix::SCENARIOS,
        pairs::SCENARIOS,
    ]
    .into_iter()
    .flatten()
}
