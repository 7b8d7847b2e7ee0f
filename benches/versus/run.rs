//! One run from the command line to the files.

use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use netloop_benches::bars::{self, Bar, Bench, FLOOR};
use netloop_benches::cores::cores;
use rustix::process::{Signal, set_parent_process_death_signal};

use crate::options::{self, Options, Request, USAGE};
use crate::peers::{self, Found, PEERS};
use crate::report::{self, Report};
use crate::rounds::{self, Cores};
use crate::workload::{self, Scope, Workload};
use crate::{context, count, datagrams, self_check, system};

/// More threads than this only take cores from the rest of the machine.
const MOST_CLIENT_CORES: usize = 4;
/// Descriptors that a process needs beside its connections.
const SPARE_DESCRIPTORS: u64 = 200;

pub(crate) fn main() -> ExitCode {
    // cargo starts a bench in the folder of its package. Paths on the command line start at the root of the workspace.
    let _ = std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let text = |error: Box<dyn Error>| error.to_string();
    let outcome = match options::parse() {
        Err(error) => Err(format!("{error}\n--help names the options")),
        Ok(Request::Help) => {
            print!("{USAGE}");
            Ok(())
        }
        Ok(Request::SelfCheck) => self_check::run(),
        Ok(Request::Serve(name, service)) => {
            // A server must not outlive a comparison that was killed.
            let _ = set_parent_process_death_signal(Some(Signal::KILL));
            peers::serve_here(&name, &service).map_err(|error| format!("{name}: {error}"))
        }
        Ok(Request::Count(mut parser)) => count::run(&mut parser).map_err(text),
        Ok(Request::Datagrams(mut parser)) => datagrams::run(&mut parser).map_err(text),
        Ok(Request::Compare(options)) => compare(&options),
    };
    if let Err(message) = outcome {
        eprintln!("{message}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn compare(options: &Options) -> Result<(), String> {
    let open_files = system::raise_open_file_limit();
    let bars = bars::of(Bench::Versus);
    let (peers, missing) = find_peers(options, &bars)?;
    let catalogue = workload::catalogue();
    if options.list {
        list(&peers, &missing, &catalogue);
        return Ok(());
    }
    let (workloads, too_large) = select_workloads(options, &catalogue, &bars, open_files)?;
    let floor = peers.iter().find(|found| found.peer.name == FLOOR);
    let Some(baseline) = floor.or_else(|| peers.first()) else {
        return Err(format!("no peer is left to be measured: {missing:?}"));
    };
    let cores = divide_cores(&cores());
    let (context, mut warnings) = context::gather(options, &cores);
    warnings.extend(too_large);
    // Before an hour of measuring shows that there is nowhere to write to.
    let failed = |error| format!("{}: {error}", options.output.display());
    std::fs::create_dir_all(&options.output).map_err(failed)?;
    let mut report = Report {
        context,
        warnings,
        peers: peers.clone(),
        missing,
        baseline: baseline.peer.name,
        sections: Vec::new(),
    };
    println!("{}", report::circumstances(&report));
    let began = Instant::now();
    let progress = ProgressBar::new(workloads.len() as u64);
    if let Ok(style) = ProgressStyle::with_template("{elapsed_precise} {pos}/{len} {msg}") {
        progress.set_style(style);
    }
    for workload in &workloads {
        let is_by_bars = options.scope == Scope::Bars && options.peers.is_empty();
        let has_bar = |peer| is_about(&bars, peer, Some(&workload.name));
        let is_wanted = |found: &&Found| !is_by_bars || has_bar(found.peer.name);
        let able: Vec<&Found> = peers.iter().filter(is_wanted).collect();
        let tell = |what: &str| progress.set_message(format!("{}: {what}", workload.name));
        let section = rounds::measure(workload, &able, options, &cores, &tell);
        progress.inc(1);
        let chapter = report::workload(&section, report.baseline);
        progress.suspend(|| println!("{chapter}"));
        report.sections.push(section);
        // A run that is interrupted leaves what it has measured.
        report::write(&report, &options.output)?;
    }
    progress.finish_and_clear();
    println!("{}", report::results(&report));
    let folder = options.output.display();
    let seconds = began.elapsed().as_secs();
    println!("measured in {seconds} s, written to {folder}");
    match report::losses::fatal(&report) {
        failures if failures.is_empty() => Ok(()),
        failures => Err(failures.join("\n")),
    }
}

/// Peers that are not here, and why.
type Missing = Vec<(&'static str, String)>;

fn find_peers(options: &Options, bars: &[Bar]) -> Result<(Vec<Found>, Missing), String> {
    let unknown = options.peers.iter().chain(options.programs.keys());
    let mut unknown = unknown.filter(|name| PEERS.iter().all(|peer| peer.name != *name));
    if let Some(name) = unknown.next() {
        return Err(format!("there is no peer called {name}; --list shows them"));
    }
    let mut found = Vec::new();
    let mut missing = Missing::new();
    for peer in &PEERS {
        let is_named = |name: &str| options.peers.iter().any(|named| named == name);
        let is_wanted = match options.scope {
            _ if options.list || is_named(peer.name) => true,
            _ if !options.peers.is_empty() => false,
            Scope::Bars => is_about(bars, peer.name, None),
            _ => peer.by_default || options.programs.contains_key(peer.name),
        };
        if is_wanted {
            match peer.find(&options.programs, &options.output) {
                Ok(peer) => found.push(peer),
                Err(reason) => missing.push((peer.name, reason)),
            }
        }
    }
    Ok((found, missing))
}

/// Whether a bar is about the peer, in this workload or in any.
fn is_about(bars: &[Bar], peer: &str, workload: Option<&str>) -> bool {
    let mut bars = bars.iter();
    bars.any(|bar| {
        let is_here = workload.is_none_or(|workload| workload == bar.workload);
        is_here && (bar.subject == peer || bar.against == Some(peer))
    })
}

/// Returns the workloads that were asked for, or those of the scope. A warning names those for which the machine has
/// too few descriptors.
fn select_workloads(
    options: &Options,
    catalogue: &[Workload],
    bars: &[Bar],
    open_files: u64,
) -> Result<(Vec<Workload>, Option<String>), String> {
    let is_called = |workload: &Workload, word: &str| {
        let is_exact = catalogue.iter().any(|workload| workload.name == word);
        workload.name == word || !is_exact && workload.name.contains(word)
    };
    for word in &options.workloads {
        // After a typing error in one of two names the user would believe that both were measured.
        if !catalogue.iter().any(|workload| is_called(workload, word)) {
            return Err(format!("no workload is called {word}; --list shows them"));
        }
    }
    let is_wanted = |workload: &&Workload| match options.scope {
        _ if !options.workloads.is_empty() => {
            let mut words = options.workloads.iter();
            words.any(|word| is_called(workload, word))
        }
        Scope::Bars => bars.iter().any(|bar| bar.workload == workload.name),
        scope => workload.scope <= scope,
    };
    let fits = |workload: &Workload| workload.connections as u64 + SPARE_DESCRIPTORS <= open_files;
    let wanted = catalogue.iter().filter(is_wanted).cloned();
    let (fitting, others): (Vec<_>, Vec<_>) = wanted.partition(fits);
    let names: Vec<&str> = others.iter().map(|it| it.name.as_str()).collect();
    let names = names.join(", ");
    let warning = format!("left out, as there are only {open_files} descriptors: {names}");
    Ok((fitting, (!others.is_empty()).then_some(warning)))
}

fn list(peers: &[Found], missing: &Missing, catalogue: &[Workload]) {
    println!("peers");
    for Found { peer, version, .. } in peers {
        println!("  {:<14} {version:<12} {}", peer.name, peer.describes);
    }
    for (name, reason) in missing {
        println!("  {name:<14} not here: {reason}");
    }
    println!("\nworkloads");
    for workload in catalogue {
        let (name, title) = (&workload.name, &workload.title);
        println!("  {name:<26} {title} ({:?})", workload.scope);
    }
}

/// Gives the last core to the server and the others, up to a number, to the generator.
fn divide_cores(available: &[usize]) -> Cores {
    let server = available.last().copied().unwrap_or(0);
    let others = available.iter().copied().filter(|core| *core != server);
    let mut client: Vec<usize> = others.take(MOST_CLIENT_CORES).collect();
    if client.is_empty() {
        client.push(server);
    }
    Cores { server, client }
}
