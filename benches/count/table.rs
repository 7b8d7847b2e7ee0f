//! The tables, and what became of the bars.

use crate::case::{Case, Figure};
use crate::counts::Counts;

/// What was counted for one operation of one server, or what went wrong.
pub(crate) struct Row<'a> {
    pub(crate) name: &'a str,
    pub(crate) counts: Result<Counts, String>,
}

/// A figure beside its bar.
pub(crate) struct Judgement {
    what: String,
    at_most: f64,
    /// None if it was not counted.
    counted: Option<f64>,
}

const HEADER: [&str; 5] = ["instructions", "system calls", "receives", "sends", "waits"];

pub(crate) fn print(case: &Case, rows: &[Row<'_>]) {
    println!("\n{}; for each {}:\n", case.title, case.operation);
    print!("| {:<32} |", "server");
    for title in HEADER {
        print!(" {title:>12} |");
    }
    print!("\n|:{:-<32}-|", "");
    for _ in HEADER {
        print!("-{:-<12}:|", "");
    }
    println!();
    for Row { name, counts } in rows {
        print!("| {name:<32} |");
        match counts {
            Ok(counts) => {
                print!(" {:>12.0} |", counts.instructions);
                for count in [counts.calls, counts.receives, counts.sends, counts.waits] {
                    print!(" {count:>12.3} |");
                }
            }
            Err(error) => print!(" {error} |"),
        }
        println!();
    }
}

/// Holds the first row, which is netloop's, against the bars of the case.
pub(crate) fn judge(case: &Case, rows: &[Row<'_>]) -> Vec<Judgement> {
    let counts = |name: &str| {
        let row = rows.iter().find(|row| row.name == name);
        row.and_then(|row| row.counts.as_ref().ok())
    };
    let subject = rows.first().map_or("", |row| row.name);
    let bars = case.bars.iter();
    bars.map(|bar| {
        let mine = counts(subject);
        let counted = match bar.figure {
            Figure::Instructions => mine.map(|counts| counts.instructions),
            Figure::InstructionsOfIdleTimeout => {
                let idle = rows
                    .iter()
                    .find(|row| row.name != subject && row.name.starts_with(subject));
                let idle = idle.and_then(|row| row.counts.as_ref().ok());
                mine.zip(idle)
                    .map(|(without, with)| with.instructions - without.instructions)
            }
            Figure::SystemCalls => mine.map(|counts| counts.calls),
            Figure::Sends => mine.map(|counts| counts.sends),
            Figure::SendsPerReceive => mine.map(|counts| counts.sends / counts.receives),
        };
        Judgement {
            what: format!("{}: {}", case.name, bar.figure.name()),
            at_most: bar.at_most,
            // An instrument that is not here has counted nothing.
            counted: counted.filter(|count| count.is_finite() && *count != 0.0),
        }
    })
    .collect()
}

pub(crate) fn print_bars(bars: &[Judgement]) {
    if bars.is_empty() {
        return;
    }
    println!("\nthe bars of netloop:\n");
    println!(
        "| {:<44} | {:>8} | {:>8} | {:<11} |",
        "figure", "counted", "at most", ""
    );
    println!("|:{:-<44}-|-{:-<8}:|-{:-<8}:|:{:-<11}-|", "", "", "", "");
    for bar in bars {
        let counted = bar
            .counted
            .map_or_else(|| "-".to_owned(), |count| format!("{count:.2}"));
        let verdict = match bar.counted {
            Some(count) if count <= bar.at_most => "reached",
            Some(_) => "NOT REACHED",
            None => "not counted",
        };
        println!(
            "| {:<44} | {counted:>8} | {:>8.2} | {verdict:<11} |",
            bar.what, bar.at_most
        );
    }
}
