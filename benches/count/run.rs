//! The command line, and the tables.

use std::array::from_fn;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use lexopt::prelude::*;
use netloop_benches::bars::{self, Bar, Bench, Measured};
use netloop_benches::table::Table;

use crate::case::{CASES, Case};
use crate::counts::{CALLS, Counts, INSTRUCTIONS, RECEIVES, SENDS, TITLES};
use crate::instrument::Instrument;
use crate::load::Load;
use crate::subject::{self, Subject};

const USAGE: &str = "\
Counts user-space instructions (valgrind) and system calls (strace) for each message, connection or block.

    cargo count [OPTIONS]

    --case NAMES     only these cases, separated by commas; about a minute each
    --list           the cases
    --serve PATH     also count this program, which is started as PATH PORT echo; the serve example with another feature, say
";

pub(crate) fn main() -> ExitCode {
    // cargo starts a bench in the folder of its package. Paths on the command line start at the root of the workspace.
    let _ = std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("count: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut parser = lexopt::Parser::from_env();
    let mut is_asked = false;
    let mut names: Vec<String> = Vec::new();
    let mut programs: Vec<PathBuf> = Vec::new();
    while let Some(argument) = parser.next()? {
        is_asked |= argument != Long("test");
        match argument {
            Long("bench" | "test") => {}
            Long("serve") => programs.push(parser.value()?.into()),
            Long("case") => {
                let list = parser.value()?.string()?;
                names.extend(list.split(',').map(str::to_owned));
            }
            Long("list") => {
                let list = |case: &Case| println!("{:<10} {:?}", case.name, case.load);
                CASES.iter().for_each(list);
                return Ok(());
            }
            Long("help") | Short('h') => {
                print!("{USAGE}");
                return Ok(());
            }
            _ => return Err(argument.unexpected().into()),
        }
    }
    // `cargo test` runs benches too, and this one would take minutes.
    if !is_asked {
        return Ok(());
    }
    // After a typing error in one of two names the user would believe that both were counted.
    let is_known = |name: &&String| CASES.iter().any(|case| case.name == *name);
    if let Some(unknown) = names.iter().find(|name| !is_known(name)) {
        return Err(format!("there is no case called {unknown}; --list shows them").into());
    }
    let instruments = Instrument::ALL.into_iter();
    let instruments: Vec<Instrument> = instruments.filter(Instrument::is_here).collect();
    if instruments.is_empty() {
        return Err("nothing to count with".into());
    }
    let is_wanted = |case: &&Case| names.is_empty() || names.iter().any(|name| name == case.name);
    let mut outcomes = Vec::new();
    for case in CASES.iter().filter(is_wanted) {
        let mut subjects = match case.load {
            Load::Datagrams { .. } => subject::datagram_servers()?,
            _ => subject::netloop_and_its_floors()?,
        };
        if case.name == CASES[0].name {
            let given = subjects.clone();
            let idle =
                |subject: Subject| subject.with("30 s idle timeout", &["--idle-timeout", "30"]);
            subjects.extend(given.iter().cloned().map(idle));
            // Only netloop has limits.
            subjects.push(
                given[0]
                    .clone()
                    .with("limits for strangers", &["--internet"]),
            );
        }
        if case.mode == "echo" {
            let given = programs.iter();
            subjects.extend(given.map(|path| Subject::new(path.display().to_string(), path)));
        }
        let rows = count_all(&subjects, case, &instruments);
        let figure = |bar: &Bar| figure(bar, &rows);
        outcomes.extend(bars::judge(Bench::Count, case.name, figure));
    }
    bars::print(&outcomes);
    Ok(())
}

/// The name of a server, and its counts for one operation or what went wrong.
type Row = (String, Result<Counts, String>);

/// Counts each subject with all instruments, of which one that fails voids the row, and prints the table.
fn count_all(subjects: &[Subject], case: &Case, instruments: &[Instrument]) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut table = Table::new(&[&["server"], &TITLES[..]].concat());
    for subject in subjects {
        eprintln!("counting {}, {} ..", case.name, subject.name);
        let mut counts: Result<Counts, String> = Ok(Counts::default());
        for instrument in instruments {
            let more = instrument.per_operation(subject, case);
            counts = counts.and_then(|sum| {
                let more = more.map_err(|error| error.to_string())?;
                Ok(from_fn(|place| sum[place] + more[place]))
            });
        }
        let mut cells = vec![subject.name.clone()];
        match &counts {
            Ok(counts) => {
                cells.push(format!("{:.0}", counts[INSTRUCTIONS]));
                cells.extend(counts[CALLS..].iter().map(|count| format!("{count:.3}")));
            }
            Err(error) => cells.push(error.clone()),
        }
        table.rows.push(cells);
        rows.push((subject.name.clone(), counts));
    }
    let (name, load, (operation, ..)) = (case.name, case.load, case.load.operations());
    println!("\n{name}, {load:?}; for each {operation}:\n");
    print!("{}", table.markdown());
    rows
}

/// Returns the figure of netloop, whose rows are the first and the one with an idle timeout.
fn figure(bar: &Bar, rows: &[Row]) -> Measured {
    let counts = |row: Option<&Row>| match row.map(|(_, counts)| counts) {
        Some(Ok(counts)) => Ok(*counts),
        Some(Err(error)) => Err(error.clone()),
        None => Err("the row is missing".to_owned()),
    };
    let is_idle = |row: &&Row| row.0 != bar.subject && row.0.starts_with(bar.subject);
    let value = || {
        let mine = counts(rows.first())?;
        Ok(match bar.figure {
            "instructions" => mine[INSTRUCTIONS],
            "instructions of an idle timeout" => {
                counts(rows.iter().find(is_idle))?[INSTRUCTIONS] - mine[INSTRUCTIONS]
            }
            "system calls" => mine[CALLS],
            "sends" => mine[SENDS],
            "sends for each receive" => mine[SENDS] / mine[RECEIVES],
            other => return Err(format!("{other} is not counted")),
        })
    };
    // An instrument that is not here has counted nothing.
    match value() {
        Ok(count) if count.is_finite() && count != 0.0 => Measured::Count(count),
        Ok(_) => Measured::Nothing("an instrument is missing".to_owned()),
        Err(reason) => Measured::Nothing(reason),
    }
}
