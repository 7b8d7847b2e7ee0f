//! What the timers were promised to cost, and whether they do.
//!
//! The promises are nanoseconds of one machine, on which tokio took so many to move a timer among a million. On another
//! machine, or at another hour, all are a multiple of that: the same one by which tokio differs from it here.

use crate::measure::median_of;

/// What the yardstick took where the bars were set.
const THEN: f64 = 166.0;
const YARDSTICK: &str = "timers, a million: move/tokio Sleep/1000000";

/// What it is, its line, and the most nanoseconds where the bars were set.
const BARS: [(&str, &str, f64); 4] = [
    ("arm", "timers, a million: arm/wheel/1000000", 20.0),
    (
        "re-arm",
        "timers: an idle timeout is put off/wheel, lazily/1000000",
        2.0,
    ),
    ("cancel", "timers, a million: cancel/wheel/1000000", 30.0),
    ("expire", "timers, a million: expire/wheel/1000000", 30.0),
];

/// What a re-arm cannot take less than: this machine's memory, and not its processor, of which the yardstick speaks.
const STORE: &str = "timers: an idle timeout is put off/the store alone/1000000";

/// Says which bars are reached, if one of their lines has run.
pub(crate) fn print() {
    if BARS.iter().all(|(_, line, _)| median_of(line).is_none()) {
        return;
    }
    println!("\ntimers, a million: the bars");
    let factor = match median_of(YARDSTICK) {
        Some(here) => {
            println!(
                "  tokio moves a timer in {here:.0} ns here and took {THEN} where the bars were set: all are multiplied by {:.2}",
                here / THEN
            );
            here / THEN
        }
        None => {
            println!("  nothing is decided: the line `{YARDSTICK}` has not run");
            return;
        }
    };
    for (name, line, at_most) in BARS {
        let at_most = at_most * factor;
        match median_of(line) {
            Some(here) if here <= at_most => {
                println!("  {name:<8} {here:>6.1} ns, at most {at_most:>6.1}: reached");
            }
            Some(here) => {
                println!("  {name:<8} {here:>6.1} ns, at most {at_most:>6.1}: NOT REACHED");
            }
            None => println!("  {name:<8} not measured: `{line}` has not run"),
        }
    }
    if let Some(store) = median_of(STORE) {
        println!("  to store a number among a million takes {store:.1} ns here, without any wheel");
    }
}
