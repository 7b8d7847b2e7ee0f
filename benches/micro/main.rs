//! The cost of the parts, each beside its natural peer in the same group: time and allocations for each operation.
//!
//! Only the ratio of two lines of one group means anything, and only from one run on a quiet machine.
//!
//! ```text
//! cargo micro
//! cargo micro timers          the lines whose name contains a word
//! cargo micro --list          the lines
//! ```

mod measure;
mod send_buffer;
mod slots;
mod timers;
mod turn;
mod wake;

use std::time::Duration;

use criterion::Criterion;
use netloop_benches::bars::{self, Bench, Measured};
use netloop_benches::statistics::ratios;

fn main() {
    // Many lines in a few minutes: a difference that a short measurement cannot show makes no difference here.
    let mut criterion = Criterion::default()
        .sample_size(measure::SAMPLES)
        .nresamples(2_000)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(400))
        .configure_from_args();
    timers::measure(&mut criterion);
    slots::measure(&mut criterion);
    send_buffer::measure(&mut criterion);
    turn::measure(&mut criterion);
    wake::measure(&mut criterion);
    criterion.final_summary();
    judge();
}

/// Holds the lines that have run against their bars.
fn judge() {
    let ratios = |bar: &bars::Bar| {
        let subject = measure::samples_of(bar.subject)?;
        let against = measure::samples_of(bar.against?)?;
        Some(Measured::Rounds(ratios(&subject, &against)))
    };
    let bars = bars::of(Bench::Micro).into_iter();
    let outcomes = bars.filter_map(|bar| Some(bar.judge(&ratios(&bar)?)));
    let outcomes: Vec<_> = outcomes.collect();
    if !outcomes.is_empty() {
        bars::print(&outcomes);
    }
}
