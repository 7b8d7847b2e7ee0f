//! Instructions and system calls for each operation: they repeat from run to run, on a busy machine too.
//!
//! Each server runs under an instrument with a short load and with a long one. The difference counts, so its start and
//! its end are not in the figures.
//!
//! ```text
//! cargo count
//! cargo count --case echo,visits
//! ```

mod case;
mod instrument;
mod load;

use std::array::from_fn;
use std::collections::HashMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lexopt::prelude::*;
use netloop_benches::bars::{self, Bar, Bench, FLOOR, Measured, SUBJECT};
use netloop_benches::build::{build, this_program};
use netloop_benches::table::Table;

use self::case::{CASES, Case};
use self::instrument::{CALLS, Counts, INSTRUCTIONS, Instrument, RECEIVES, SENDS, TITLES};
use self::load::Load;
use crate::options::words;
use crate::peers::service::{Mode, Service};
use crate::peers::{Found, PEERS};

const USAGE: &str = "\
Counts user-space instructions (valgrind) and system calls (strace) for each message, connection or block.

    cargo count [OPTIONS]

    --case NAMES     only these cases, separated by commas; about a minute each
    --list           the cases
    --serve PATH     also count this program, which is started as PATH PORT echo; the serve example with another feature, say
";

/// Counts what the rest of the command line asks for.
pub(crate) fn run(parser: &mut lexopt::Parser) -> Result<(), Box<dyn Error>> {
    let mut names: Vec<String> = Vec::new();
    let mut programs: Vec<PathBuf> = Vec::new();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("bench") => {}
            Long("serve") => programs.push(parser.value()?.into()),
            Long("case") => names.extend(words(&parser.value()?.string()?)),
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
        let rows = count_all(&subjects(case, &programs)?, case, &instruments);
        let figure = |bar: &Bar| figure(bar, &rows);
        outcomes.extend(bars::judge(Bench::Count, case.name, figure));
    }
    bars::print(&outcomes);
    Ok(())
}

/// A server that is counted: its name, and the words of its command line. It prints `listening ADDRESS`.
type Subject = (String, Vec<PathBuf>);

/// Returns netloop, and the loops by hand on the system and on mio, built as a user would build them. For datagrams these are
/// the example `udp_echo`, and the loop by hand on mio that `cargo datagrams` compares with.
fn subjects(case: &Case, programs: &[PathBuf]) -> Result<Vec<Subject>, String> {
    if let Load::Datagrams { .. } = case.load {
        let echo = build("build --release -p netloop --example udp_echo", "udp_echo")?;
        let words = ["datagrams", "--serve", "mio"].map(PathBuf::from);
        let (echo, by_hand) = (vec![echo, "127.0.0.1:0".into()], vec![this_program()?]);
        let by_hand = [by_hand, words.to_vec()].concat();
        return Ok(vec![
            (SUBJECT.to_owned(), echo),
            ("mio".to_owned(), by_hand),
        ]);
    }
    let is_counted = |name: &str| [SUBJECT, FLOOR, "mio"].contains(&name);
    let peers = PEERS.iter().filter(|peer| is_counted(peer.name));
    let found = peers.map(|peer| peer.find(&HashMap::new(), Path::new("target/versus")));
    let found = found.collect::<Result<Vec<Found>, String>>()?;
    let subject = |found: &Found, idle_timeout: Option<Duration>| {
        found
            .words(&Service::new(case.mode, idle_timeout))
            .collect()
    };
    let name = |found: &Found| found.peer.name.to_owned();
    let plain = found
        .iter()
        .map(|found| (name(found), subject(found, None)));
    let mut subjects: Vec<Subject> = plain.collect();
    if case.name == CASES[0].name {
        let timeout = Some(Duration::from_secs(30));
        let idle = |found| (name(found) + ", 30 s idle timeout", subject(found, timeout));
        subjects.extend(found.iter().map(idle));
        // Only netloop has limits.
        let limits = [subjects[0].1.clone(), vec!["--internet".into()]].concat();
        subjects.push((format!("{SUBJECT}, limits for strangers"), limits));
    }
    if case.mode == Mode::Echo {
        let words = |path: &PathBuf| vec![path.clone(), "0".into(), "echo".into()];
        let given = |path: &PathBuf| (path.display().to_string(), words(path));
        subjects.extend(programs.iter().map(given));
    }
    Ok(subjects)
}

/// The name of a server, and its counts for one operation or what went wrong.
type Row = (String, Result<Counts, String>);

/// Counts each subject with all instruments, of which one that fails voids the row, and prints the table.
fn count_all(subjects: &[Subject], case: &Case, instruments: &[Instrument]) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut table = Table::new(&[&["server"], &TITLES[..]].concat());
    for (name, words) in subjects {
        eprintln!("counting {}, {name} ..", case.name);
        let mut counts: Result<Counts, String> = Ok(Counts::default());
        for instrument in instruments {
            let more = instrument.per_operation(words, case);
            counts = counts.and_then(|sum| {
                let more = more.map_err(|error| error.to_string())?;
                Ok(from_fn(|place| sum[place] + more[place]))
            });
        }
        let mut cells = vec![name.clone()];
        match &counts {
            Ok(counts) => {
                cells.push(format!("{:.0}", counts[INSTRUCTIONS]));
                cells.extend(counts[CALLS..].iter().map(|count| format!("{count:.3}")));
            }
            Err(error) => cells.push(error.clone()),
        }
        table.rows.push(cells);
        rows.push((name.clone(), counts));
    }
    let (name, load, (operation, ..)) = (case.name, case.load, case.load.operations());
    println!("\n{name}, {load:?}; for each {operation}:\n");
    print!("{}", table.markdown());
    rows
}

/// Returns the figure of netloop, whose rows are the first and the one with an idle timeout.
fn figure(bar: &Bar, rows: &[Row]) -> Measured {
    let counts = |row: Option<&Row>| row.ok_or("the row is missing")?.1.clone();
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
