//! One run from the command line to the files.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::options::{self, Options, Request, USAGE};
use crate::peers::roster::DESCRIPTORS;
use crate::peers::{self, Peer};
use crate::report::{self, Report};
use crate::rounds::{self, Cores, Plan};
use crate::workload::{self, Scope, Workload};
use crate::{context, self_check, system};

/// More threads than this only take cores from the rest of the machine.
const MOST_CLIENT_CORES: usize = 4;

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
    let catalogue = workload::catalogue(open_files);
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
    };
    if open_files < 10_200 {
        report.warnings.push(format!(
            "only {open_files} open files: workloads have fewer connections (see ulimit -n)"
        ));
    }
    report::terminal::print_head(&report);
    system::catch_interrupt();
    let plan = plan(options, workloads.len());
    let began = Instant::now();
    let bar = progress_bar(workloads.len());
    for (done, workload) in workloads.iter().enumerate() {
        if system::interrupted() {
            report
                .warnings
                .push("interrupted: the later workloads are missing".to_owned());
            break;
        }
        let section = rounds::measure(
            workload,
            &peers,
            &report.baseline,
            plan,
            &cores,
            &|what, share| {
                bar.set_position(done as u64 * 100 + u64::from(share));
                bar.set_message(format!("{}: {what}", workload.title));
            },
        );
        bar.suspend(|| report::terminal::print_section(&section, &report.baseline));
        report.sections.push(section);
    }
    bar.finish_and_clear();
    println!("measured in {:.0} s", began.elapsed().as_secs_f64());
    report::write(&report, earlier.as_ref(), &options.output)
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
        if !named && !options.list && (!options.peers.is_empty() || !descriptor.by_default) {
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
            .filter(|workload| workload.scope <= options.scope)
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

fn plan(options: &Options, workloads: usize) -> Plan {
    let (seconds, minimum_rounds, maximum_rounds, fresh_rounds) = match options.scope {
        Scope::Quick => (60.0, 5, 5, 1),
        Scope::Standard => (350.0, 7, 21, 3),
        Scope::Full => (3600.0, 9, 31, 5),
    };
    // A few chosen workloads take no more time each than they would in the whole list.
    let seconds = options.seconds.unwrap_or(seconds);
    let shared = match (options.seconds, options.workloads.is_empty()) {
        (None, false) => workloads.max(9),
        _ => workloads,
    };
    let minimum_rounds = options.rounds.unwrap_or(minimum_rounds).max(1);
    Plan {
        time: Duration::from_secs_f64(seconds / shared.max(1) as f64),
        minimum_rounds,
        maximum_rounds: maximum_rounds.max(minimum_rounds),
        fresh_rounds,
    }
}

/// Draws nothing when the output is not a terminal.
fn progress_bar(workloads: usize) -> ProgressBar {
    let bar = ProgressBar::new(workloads as u64 * 100);
    if let Ok(style) =
        ProgressStyle::with_template("{elapsed_precise} ▕{bar:32}▏ {percent:>3} % {msg}")
    {
        bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
    }
    bar
}
