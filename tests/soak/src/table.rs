//! A table of bounds, and whether each of them holds.

use std::fmt::Display;
use std::fs;

/// The verdict on a bound that does not hold.
const BREACH: &str = "BREACH";

/// A table whose rows are measurements with their bounds.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<[String; 4]>,
}

impl Table {
    /// Adds a measurement without a bound.
    pub(crate) fn tell(&mut self, what: &str, value: impl Display) {
        self.rows
            .push([what.into(), String::new(), value.to_string(), String::new()]);
    }

    /// Adds a measurement that may be at most `most`.
    pub(crate) fn at_most(&mut self, what: &str, value: u64, most: u64) {
        self.add(
            what,
            &format!("≤ {}", thousands(most)),
            value,
            value <= most,
        );
    }

    /// Adds a measurement that has to be at least `least`.
    pub(crate) fn at_least(&mut self, what: &str, value: u64, least: u64) {
        self.add(
            what,
            &format!("≥ {}", thousands(least)),
            value,
            value >= least,
        );
    }

    /// Adds a ratio that may be at most `most`.
    pub(crate) fn at_most_times(&mut self, what: &str, ratio: f64, most: f64) {
        let verdict = if ratio <= most { "holds" } else { BREACH };
        let cells = [
            what,
            &format!("≤ {most:.2}"),
            &format!("{ratio:.2}"),
            verdict,
        ];
        self.rows.push(cells.map(str::to_owned));
    }

    /// Adds a measurement that has to be `equal`.
    pub(crate) fn equal(&mut self, what: &str, value: u64, equal: u64) {
        self.add(what, &thousands(equal), value, value == equal);
    }

    fn add(&mut self, what: &str, bound: &str, value: u64, holds: bool) {
        let verdict = if holds { "holds" } else { BREACH };
        self.rows
            .push([what, bound, &thousands(value), verdict].map(str::to_owned));
    }

    /// Prints the table in Markdown. Returns whether all bounds hold.
    pub(crate) fn print(&self) -> bool {
        let header = ["measured", "bound", "value", ""].map(str::to_owned);
        let mut widths = [3; 4];
        for row in self.rows.iter().chain([&header]) {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let [what, bound, value, verdict] = widths;
        let line = |row: &[String; 4]| {
            let [a, b, c, d] = row;
            println!("| {a:<what$} | {b:>bound$} | {c:>value$} | {d:<verdict$} |");
        };
        line(&header);
        let rules = [
            "-".repeat(what),
            format!("{}:", "-".repeat(bound - 1)),
            format!("{}:", "-".repeat(value - 1)),
            "-".repeat(verdict),
        ];
        line(&rules);
        self.rows.iter().for_each(line);
        self.rows.iter().all(|row| row[3] != BREACH)
    }
}

/// Returns a number in groups of three digits.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns the name of the processor, and the number of cores that this process may use.
pub(crate) fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let names = text
        .lines()
        .filter_map(|line| line.strip_prefix("model name"));
    let mut names = names.filter_map(|line| line.split_once(": "));
    let name = names
        .next()
        .map_or("an unknown processor", |(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{name}, {cores} cores")
}
