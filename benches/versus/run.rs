//! One run from the command line to the files.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::bars::measure::Trial;
use crate::options::{self, Options, Request, USAGE};
use crate::peers::roster::DESCRIPTORS;
use crate::peers::{self, Peer};
use crate::plan::{Allowance, Plan, able};
use crate::report::{self, Report};
use crate::rounds::{self, Cores};
use crate::workload::{self, Scope, Workload};
use crate::{bars, context, self_check, system};

/// More threads than this only take cores from the rest of the machine.
const MOST_CLIENT_CORES: usize = 4;
/// The time of a run for the bars.
const BARS_SECONDS: f64 = 840.0;
/// So many workloads a short run has.
const USUAL_WORKLOADS: usize = 6;

pub(crate) fn main() -> ExitCode {
    let outcome = match options::parse() {
        Err(error) => Err(format!("{error}\n\n{USAGE}")),
        Ok(Request::Help) => {
            print!("{USAGE}");
            Ok(())
        }
        Ok(Request::Test) => self_check::run(),
        Ok(Request::Serve { name, service }) => {
            peers::serve_here(&name, &service).map_err(|error| format!("{name}: {error}"))
        }
        Ok(Request::Compare(options)) => compare(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn compare(options: &Options) -> Result<(), String> {
    let open_files = system::raise_open_file_limit();
    let catalogue = workload::catalogue(open_files, system::tcp_memory());
    let (peers, missing) = find_peers(options)?;
    let workloads = choose(options, &catalogue)?;
    if options.list {
        list(&peers, &missing, &catalogue);
        return Ok(());
    }
    if peers.is_empty() {
        return Err("no peer is left to be measured".to_owned());
    }
    // Read before an hour of measuring shows that there is nothing to compare with.
    let earlier = options
        .compare
        .as_deref()
        .map(report::compare::read)
        .transpose()?;
    let cores = divide_cores(&system::cores());
    let mut report = Report {
        context: context::gather(&cores, open_files),
        warnings: context::warnings(&cores),
        peers: peers
            .iter()
            .map(|peer| {
                (
                    peer.descriptor.name,
                    peer.version.clone(),
                    peer.descriptor.describes,
                )
            })
            .collect(),
        missing,
        baseline: baseline(options, &peers),
        sections: Vec::new(),
        bars: Vec::new(),
    };
    if open_files < 10_200 {
        report.warnings.push(format!(
            "only {open_files} open files: workloads have fewer connections (see ulimit -n)"
        ));
    }
    report.context.push((
        "order of the peers",
        format!("drawn anew in each round, with the seed {}", options.seed),
    ));
    report::terminal::print_head(&report);
    system::catch_interrupt();
    let began = Instant::now();
    if options.bars {
        try_bars(options, &workloads, &peers, &cores, &mut report);
    } else {
        compare_all(options, &workloads, &peers, &cores, &mut report);
    }
    if system::interrupted() {
        report
            .warnings
            .push("interrupted: what was still to come is missing".to_owned());
    }
    println!("measured in {}", span(began.elapsed()));
    report::write(&report, earlier.as_ref(), &options.output)
}

/// Every workload, one after the other.
fn compare_all(
    options: &Options,
    workloads: &[Workload],
    peers: &[Peer],
    cores: &Cores,
    report: &mut Report,
) {
    let time = time(options, workloads.len());
    let peers: Vec<&Peer> = peers.iter().collect();
    let mut plan = Plan::of(options.scope, options.seed);
    if let Some(rounds) = options.rounds {
        plan.minimum_rounds = rounds.max(1);
        plan.maximum_rounds = plan.maximum_rounds.max(rounds);
    }
    let expected: Duration = Allowance::new(time, &plan, workloads, &peers)
        .all()
        .zip(workloads)
        .map(|(time, workload)| Plan { time, ..plan }.expected(workload, &able(workload, &peers)))
        .sum();
    let mut allowance = Allowance::new(time, &plan, workloads, &peers);
    println!(
        "{} workloads, {} peers: {} at most\n",
        workloads.len(),
        peers.len(),
        span(expected)
    );
    let bar = progress_bar(workloads.len() as u64 * 100);
    for (done, workload) in workloads.iter().enumerate() {
        if system::interrupted() {
            break;
        }
        let plan = Plan {
            time: allowance.next(),
            ..plan
        };
        let progress = |what: &str, share| {
            bar.set_position(done as u64 * 100 + u64::from(share));
            bar.set_message(format!("{}: {what}", workload.title));
        };
        let section = rounds::measure(workload, &peers, &report.baseline, plan, cores, &progress);
        bar.suspend(|| report::terminal::print_section(&section, &report.baseline));
        report.sections.push(section);
    }
    bar.finish_and_clear();
}

/// Only what was promised, until it is decided.
fn try_bars(
    options: &Options,
    workloads: &[Workload],
    peers: &[Peer],
    cores: &Cores,
    report: &mut Report,
) {
    let mut bars = bars::list::bars();
    if !options.workloads.is_empty() {
        bars.retain(|bar| {
            workloads
                .iter()
                .any(|workload| workload.name == bar.workload)
        });
    }
    // In the order of the bars.
    let mut names: Vec<&str> = bars.iter().map(|bar| bar.workload).collect();
    names.dedup();
    let named = |name: &&str| workloads.iter().find(|workload| workload.name == **name);
    let workloads: Vec<Workload> = names.iter().filter_map(named).cloned().collect();
    let time = options.seconds.unwrap_or(BARS_SECONDS);
    let trial = Trial {
        bars: &bars,
        workloads: &workloads,
        peers,
        cores,
        time: Duration::from_secs_f64(time),
        seed: options.seed,
    };
    println!(
        "{} bars: {} for one pass, {} at most\n",
        bars.len(),
        span(trial.first_pass()),
        span(trial.time.max(trial.first_pass()))
    );
    let bar = progress_bar(100);
    let progress = |what: &str, share| {
        bar.set_position(u64::from(share));
        bar.set_message(what.to_owned());
    };
    report.sections = trial.measure(&progress, &|told| bar.suspend(|| println!("{told}")));
    bar.finish_and_clear();
    for section in &report.sections {
        report::terminal::print_section(section, &report.baseline);
    }
    report.bars = trial.judge(&report.sections);
}

/// Peers that are not here, and why.
type Missing = Vec<(&'static str, String)>;

/// The peers that are here, and those that are not.
fn find_peers(options: &Options) -> Result<(Vec<Peer>, Missing), String> {
    for name in &options.peers {
        if !DESCRIPTORS.iter().any(|descriptor| descriptor.name == name) {
            return Err(format!("there is no peer called {name}; --list shows them"));
        }
    }
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for descriptor in DESCRIPTORS {
        let named = options.peers.iter().any(|name| name == descriptor.name);
        let usual = match options.bars {
            true => bars::list::needs(descriptor.name),
            false => descriptor.by_default,
        };
        if !named && !options.list && (!options.peers.is_empty() || !usual) {
            continue;
        }
        let given = descriptor
            .runtime()
            .and_then(|runtime| options.programs.get(runtime));
        match descriptor.find(
            given.map(std::path::PathBuf::as_path),
            &options.output.join("build"),
        ) {
            Ok(peer) => found.push(peer),
            Err(reason) => missing.push((descriptor.name, reason)),
        }
    }
    Ok((found, missing))
}

fn choose(options: &Options, catalogue: &[Workload]) -> Result<Vec<Workload>, String> {
    let chosen: Vec<Workload> = if options.workloads.is_empty() {
        catalogue
            .iter()
            .filter(|workload| options.bars || workload.scope <= options.scope)
            .cloned()
            .collect()
    } else {
        // A whole name means this workload only, although it may be the beginning of others.
        let is_whole = |word: &str| catalogue.iter().any(|workload| workload.name == word);
        let fits = |word: &String, name: &str| {
            if is_whole(word) {
                name == word
            } else {
                name.contains(word.as_str())
            }
        };
        let named = |workload: &&Workload| {
            options
                .workloads
                .iter()
                .any(|word| fits(word, &workload.name))
        };
        catalogue.iter().filter(named).cloned().collect()
    };
    if chosen.is_empty() {
        Err("no workload has such a name; --list shows them".to_owned())
    } else {
        Ok(chosen)
    }
}

fn list(peers: &[Peer], missing: &[(&str, String)], catalogue: &[Workload]) {
    println!("peers");
    for peer in peers {
        println!(
            "  {:<12} {:<12} {}",
            peer.descriptor.name, peer.version, peer.descriptor.describes
        );
    }
    for (name, reason) in missing {
        println!("  {name:<12} not here: {reason}");
    }
    println!("\nworkloads");
    for workload in catalogue {
        println!(
            "  {:<26} {:<9} {}",
            workload.name,
            format!("{:?}", workload.scope).to_lowercase(),
            workload.title
        );
    }
}

/// The one that was asked for, or the first.
fn baseline(options: &Options, peers: &[Peer]) -> String {
    let asked = peers
        .iter()
        .find(|peer| peer.descriptor.name == options.baseline);
    asked.unwrap_or(&peers[0]).descriptor.name.to_owned()
}

/// The last core is the server's; what is left, up to a number, is the generator's.
fn divide_cores(available: &[usize]) -> Cores {
    match available {
        [] => Cores {
            server: 0,
            client: vec![0],
        },
        [only] => Cores {
            server: *only,
            client: vec![*only],
        },
        [client @ .., server] => Cores {
            server: *server,
            client: client[..client.len().min(MOST_CLIENT_CORES)].to_vec(),
        },
    }
}

/// How long the whole run may take.
fn time(options: &Options, workloads: usize) -> Duration {
    let seconds = match options.scope {
        Scope::Quick => 110.0,
        Scope::Standard => 700.0,
        Scope::Full => 3600.0,
    };
    let seconds = match (options.seconds, options.workloads.is_empty()) {
        (Some(seconds), _) => seconds,
        // A few chosen workloads take no more time each than they would in the whole list.
        (None, false) => seconds * workloads.min(USUAL_WORKLOADS) as f64 / USUAL_WORKLOADS as f64,
        (None, true) => seconds,
    };
    Duration::from_secs_f64(seconds)
}

fn span(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 100.0 {
        format!("{seconds:.0} s")
    } else {
        format!("{:.0} minutes", seconds / 60.0)
    }
}

/// Draws nothing when the output is not a terminal.
fn progress_bar(length: u64) -> ProgressBar {
    let bar = ProgressBar::new(length);
    if let Ok(style) =
        ProgressStyle::with_template("{elapsed_precise} ▕{bar:32}▏ {percent:>3} % {msg}")
    {
        bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
    }
    bar
}
