//! The command line, and the table.

use std::error::Error;
use std::process::ExitCode;

use lexopt::prelude::*;

use crate::instrument::Instrument;
use crate::subject::Subject;
use crate::{load, subject};

const USAGE: &str = "\
Counts user-space instructions (valgrind) and system calls (strace) for each echoed message of 64 bytes.

    cargo bench --bench count [-- OPTIONS]

    --simulation     netloop with and without its feature `simulation`, which may not cost more than 4 %
    --serve PATH     also count this program, which is started as PATH PORT echo
";

/// By how much the build with the feature may differ. So much of the instructions, which take some ten nanoseconds, is a
/// five-hundredth of the time of a message.
const TOLERANCE: f64 = 0.04;

pub(crate) fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("count: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode, Box<dyn Error>> {
    let mut parser = lexopt::Parser::from_env();
    let mut is_asked = false;
    let mut with_simulation = false;
    let mut others = Vec::new();
    while let Some(argument) = parser.next()? {
        is_asked |= argument != Long("test");
        match argument {
            Long("bench" | "test") => {}
            Long("simulation") => with_simulation = true,
            Long("serve") => others.push(Subject::program(parser.value()?.into())),
            Long("help") | Short('h') => {
                print!("{USAGE}");
                return Ok(ExitCode::SUCCESS);
            }
            _ => return Err(argument.unexpected().into()),
        }
    }
    if !is_asked {
        // `cargo test` runs benches too, and nobody wants to wait for this one there.
        return Ok(ExitCode::SUCCESS);
    }
    let instruments: Vec<Instrument> = Instrument::ALL
        .into_iter()
        .filter(|instrument| match instrument.version() {
            Some(version) => {
                println!("{}: {version}", instrument.what());
                true
            }
            None => {
                println!("{}: {} is not here", instrument.what(), instrument.tool());
                false
            }
        })
        .collect();
    if instruments.is_empty() {
        return Err("nothing to count with".into());
    }
    let mut subjects = match with_simulation {
        true => subject::with_and_without_simulation()?,
        false => subject::netloop_and_its_floors()?,
    };
    subjects.extend(others);
    let rows = count(&subjects, &instruments);
    print_table(&rows, &instruments);
    Ok(match with_simulation && !costs_nothing(&rows) {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

/// What was counted for one subject: a figure for each instrument, or what went wrong.
struct Row<'a> {
    name: &'a str,
    counts: Vec<Result<f64, String>>,
}

fn count<'a>(subjects: &'a [Subject], instruments: &[Instrument]) -> Vec<Row<'a>> {
    let count = |subject| {
        instruments
            .iter()
            .map(|instrument| {
                let counted = instrument.per_message(subject);
                counted.map_err(|error| error.to_string())
            })
            .collect()
    };
    subjects
        .iter()
        .map(|subject| {
            eprintln!("counting {} ..", subject.name);
            Row {
                name: &subject.name,
                counts: count(subject),
            }
        })
        .collect()
}

fn print_table(rows: &[Row<'_>], instruments: &[Instrument]) {
    println!(
        "\nfor each message of {} bytes echoed, {} connections:\n",
        load::MESSAGE_BYTES,
        load::CONNECTIONS
    );
    print!("| {:<28} |", "server");
    for instrument in instruments {
        print!(" {:>12} |", instrument.what());
    }
    print!("\n|:{:-<28}-|", "");
    for _ in instruments {
        print!("-{:-<12}:|", "");
    }
    println!();
    for Row { name, counts } in rows {
        print!("| {name:<28} |");
        for (count, instrument) in counts.iter().zip(instruments) {
            match count {
                Ok(count) => print!(" {count:>12.*} |", instrument.decimals()),
                Err(error) => print!(" {error} |"),
            }
        }
        println!();
    }
}

/// Whether the last row counts no more than the first, as far as two builds of the same can be compared.
fn costs_nothing(rows: &[Row<'_>]) -> bool {
    let (Some(without), Some(with)) = (rows.first(), rows.get(1)) else {
        return false;
    };
    println!();
    let mut is_nothing = true;
    for pair in without.counts.iter().zip(&with.counts) {
        let (Ok(without), Ok(with)) = pair else {
            return false;
        };
        let difference = with / without - 1.0;
        println!(
            "the feature costs {:+.2} ({:+.1} %)",
            with - without,
            difference * 100.0
        );
        is_nothing &= difference <= TOLERANCE;
    }
    is_nothing
}
