//! The command line.

use std::error::Error;
use std::process::ExitCode;

use lexopt::prelude::*;

use crate::case::{CASES, Case};
use crate::counts::Counts;
use crate::instrument::Instrument;
use crate::subject::{self, Roster, Subject};
use crate::table::{self, Row};

const USAGE: &str = "\
Counts user-space instructions (valgrind) and system calls (strace) for each message, connection or block.

    cargo count [OPTIONS]

    --case NAMES     only these cases, separated by commas; about a minute each
    --list           the cases
    --simulation     netloop with and without its feature `simulation`, which may not cost more than 4 %
    --serve PATH     also count this program, which is started as PATH PORT echo
";

/// By how much the build with the feature may differ. So much of the instructions, which take some ten nanoseconds, is a
/// five-hundredth of the time of a message.
const TOLERANCE: f64 = 0.04;

/// What the user asked for.
#[derive(Default)]
struct Options {
    cases: Vec<String>,
    with_simulation: bool,
    programs: Vec<std::path::PathBuf>,
}

pub(crate) fn main() -> ExitCode {
    // cargo starts a bench in the folder of its package. Paths on the command line start at the root of the workspace.
    let _ = std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
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
    let mut options = Options::default();
    while let Some(argument) = parser.next()? {
        is_asked |= argument != Long("test");
        match argument {
            Long("bench" | "test") => {}
            Long("simulation") => options.with_simulation = true,
            Long("serve") => options.programs.push(parser.value()?.into()),
            Long("case") => {
                let names = parser.value()?.string()?;
                options.cases.extend(names.split(',').map(str::to_owned));
            }
            Long("list") => {
                for case in &CASES {
                    println!("{:<10} {}", case.name, case.title);
                }
                return Ok(ExitCode::SUCCESS);
            }
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
    let instruments = instruments()?;
    match options.with_simulation {
        true => compare_builds(&instruments),
        false => count_cases(&options, &instruments),
    }
}

/// The tools that are on this machine.
fn instruments() -> Result<Vec<Instrument>, &'static str> {
    let mut found = Vec::new();
    for instrument in Instrument::ALL {
        match instrument.version() {
            Some(version) => {
                println!("{}: {version}", instrument.what());
                found.push(instrument);
            }
            None => println!("{}: {} is not here", instrument.what(), instrument.tool()),
        }
    }
    match found.is_empty() {
        true => Err("nothing to count with"),
        false => Ok(found),
    }
}

fn count_cases(options: &Options, instruments: &[Instrument]) -> Result<ExitCode, Box<dyn Error>> {
    // Whoever mistypes one of two would believe that both were counted.
    let is_known = |name: &String| CASES.iter().any(|case| case.name == name);
    if let Some(unknown) = options.cases.iter().find(|name| !is_known(name)) {
        return Err(format!("there is no case called {unknown}; --list shows them").into());
    }
    let is_wanted = |case: &&Case| {
        options.cases.is_empty() || options.cases.iter().any(|name| name == case.name)
    };
    let cases: Vec<&Case> = CASES.iter().filter(is_wanted).collect();
    let Roster {
        plain,
        with_idle_timeouts,
    } = subject::netloop_and_its_floors()?;
    let others: Vec<Subject> = options
        .programs
        .iter()
        .cloned()
        .map(Subject::program)
        .collect();
    let mut bars = Vec::new();
    for case in cases {
        let with_idle_timeouts = case.has_idle_timeouts.then_some(&with_idle_timeouts);
        let others = (case.mode == "echo").then_some(&others);
        let subjects = plain
            .iter()
            .chain(with_idle_timeouts.into_iter().flatten())
            .chain(others.into_iter().flatten());
        let rows: Vec<Row<'_>> = subjects
            .map(|subject| count(subject, case, instruments))
            .collect();
        table::print(case, &rows);
        bars.extend(table::judge(case, &rows));
    }
    table::print_bars(&bars);
    Ok(ExitCode::SUCCESS)
}

/// netloop without and with the feature, in the first case.
fn compare_builds(instruments: &[Instrument]) -> Result<ExitCode, Box<dyn Error>> {
    let subjects = subject::with_and_without_simulation()?;
    let case = &CASES[0];
    let rows: Vec<Row<'_>> = subjects
        .iter()
        .map(|subject| count(subject, case, instruments))
        .collect();
    table::print(case, &rows);
    Ok(match costs_nothing(&rows) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// With all instruments; one that fails voids the row.
fn count<'a>(subject: &'a Subject, case: &Case, instruments: &[Instrument]) -> Row<'a> {
    eprintln!("counting {}, {} ..", case.name, subject.name);
    let counts = instruments
        .iter()
        .try_fold(Counts::default(), |sum, instrument| {
            let counts = instrument.per_operation(subject, case);
            counts
                .map(|counts| sum + counts)
                .map_err(|error| error.to_string())
        });
    Row {
        name: &subject.name,
        counts,
    }
}

/// Whether the last row counts no more than the first, as far as two builds of the same can be compared.
fn costs_nothing(rows: &[Row<'_>]) -> bool {
    let [Ok(without), Ok(with)] = [0, 1].map(|place| rows[place].counts.as_ref()) else {
        return false;
    };
    println!();
    let mut is_nothing = true;
    for (what, without, with) in [
        ("instructions", without.instructions, with.instructions),
        ("system calls", without.calls, with.calls),
    ] {
        // An instrument that is not here has counted nothing of either.
        let difference = if without > 0.0 {
            with / without - 1.0
        } else {
            0.0
        };
        println!(
            "the feature costs {:+.2} {what} ({:+.1} %)",
            with - without,
            difference * 100.0
        );
        is_nothing &= difference <= TOLERANCE;
    }
    is_nothing
}
