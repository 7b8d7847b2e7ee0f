//! One run from the command line to the files.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::bars::measure::Trial;
use crate::bars::{Bar, Verdict};
use crate::fit::{self, Fit};
use crate::options::{self, Options, Request, USAGE};
use crate::peers::{self, Peer};
use crate::plan::{Allowance, Plan};
use crate::report::{self, Report, voids};
use crate::rounds::{self, Cores};
use crate::say::{complain, say};
use crate::workload::{Scope, Workload};
use crate::{bars, catalogue, context, costs, selection, self_check, system};

/// More threads than this only take cores from the rest of the machine.
const MOST_CLIENT_CORES: usize = 4;
/// The time of a run for the bars.
const BARS_SECONDS: f64 = 840.0;
/// By so much a run may be longer than was asked for.
const OVERTIME: f64 = 1.15;
/// So many workloads a short run has.
const USUAL_WORKLOADS: usize = 6;

pub(crate) fn main() -> ExitCode {
    // cargo starts a bench in the folder of its package. Paths on the command line start at the root of the workspace.
    let _ = std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let outcome = match options::parse() {
        Err(error) => Err(format!("{error}\n--help says what can be asked for")),
        Ok(Request::Help) => {
            say(USAGE.trim_end());
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
            complain(&message);
            ExitCode::FAILURE
        }
    }
}

fn compare(options: &Options) -> Result<(), String> {
    let open_files = system::raise_open_file_limit();
    let tcp_memory = system::tcp_memory();
    let catalogue = catalogue::catalogue(open_files, tcp_memory);
    let (peers, missing) = selection::peers(options)?;
    let workloads = selection::workloads(options, &catalogue)?;
    if options.list {
        say(&selection::list(&peers, &missing, &catalogue));
        return Ok(());
    }
    let baseline = selection::baseline(options, &peers, &missing)?;
    // Before an hour of measuring shows that there is nothing to compare with, or nowhere to write to.
    let earlier = options
        .compare
        .as_deref()
        .map(report::compare::read)
        .transpose()?;
    report::prepare(&options.output)?;
    let cores = divide_cores(&system::cores());
    let mut report = Report {
        context: context::gather(options.scope_word(), &cores, open_files),
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
        baseline,
        sections: Vec::new(),
        bars: Vec::new(),
    };
    let smaller = catalogue::smaller_ones(&workloads, open_files, tcp_memory);
    report.warnings.extend(smaller);
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
    say(&format!("measured in {}\n", span(began.elapsed())));
    report::write(&report, earlier.as_ref(), &options.output)?;
    match voids::fatal(&report) {
        failures if failures.is_empty() => Ok(()),
        failures => Err(failures.join("\n")),
    }
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
    let began = Instant::now();
    let mut plan = Plan::of(options.scope, options.seed);
    if let Some(rounds) = options.rounds {
        plan.minimum_rounds = rounds;
        plan.maximum_rounds = plan.maximum_rounds.max(rounds);
    }
    let costs = costs::measure(peers, cores);
    let mut fit = Fit::all(workloads, peers, plan);
    // Whoever names workloads and no time wants these, however long they take.
    let is_limited = options.seconds.is_some() || options.workloads.is_empty();
    if is_limited {
        let named = |name: &str| options.peers.iter().any(|peer| peer == name);
        let is_needed =
            |name: &str| name == report::SUBJECT || name == report.baseline || named(name);
        fit.shrink(time.saturating_sub(began.elapsed()), is_needed);
    }
    let left = time.saturating_sub(began.elapsed());
    let mut allowance = Allowance::new(left, &fit.plan, &fit.workloads, &fit.peers);
    let expected: Duration = Allowance::new(left, &fit.plan, &fit.workloads, &fit.peers)
        .all()
        .zip(&fit.workloads)
        .map(|(time, workload)| fit::expected(&Plan { time, ..fit.plan }, workload, &fit.peers))
        .sum();
    say(&format!(
        "{} workloads, {} peers: about {} (a start takes {:.0} ms here, a connection {:.0} µs)",
        fit.workloads.len(),
        fit.peers.len(),
        span(expected + began.elapsed()),
        costs.start.as_secs_f64() * 1e3,
        costs.connection.as_secs_f64() * 1e6,
    ));
    if !fit.left_out.is_empty() {
        say(&format!("left out to fit: {}", fit.left_out.join(", ")));
    }
    say("");
    let bar = progress_bar(fit.workloads.len() as u64 * 100);
    let mut too_late = Vec::new();
    for (done, workload) in fit.workloads.iter().enumerate() {
        if system::interrupted() {
            break;
        }
        let plan = Plan {
            time: allowance.next(),
            ..fit.plan
        };
        // The machine may have become busier than it was when the time was divided.
        let left = time.mul_f64(OVERTIME).saturating_sub(began.elapsed());
        if is_limited && done > 0 && !fit.has_time_for(workload, left) {
            too_late.push(workload.name.clone());
            continue;
        }
        let progress = |what: &str, share| {
            bar.set_position(done as u64 * 100 + u64::from(share));
            bar.set_message(format!("{}: {what}", workload.title));
        };
        let (peers, baseline) = (&fit.peers, &report.baseline);
        let section = rounds::measure(workload, peers, baseline, plan, cores, &progress);
        bar.suspend(|| report::terminal::print_section(&section, &report.baseline));
        report.sections.push(section);
    }
    bar.finish_and_clear();
    fit.left_out.append(&mut too_late);
    if !fit.left_out.is_empty() {
        report.warnings.push(format!(
            "left out to fit into about {}: {}",
            span(time),
            fit.left_out.join(", ")
        ));
    }
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
                .any(|workload| workload.is_called(bar.workload))
        });
    }
    // In the order of the bars.
    let mut names: Vec<&str> = bars.iter().map(|bar| bar.workload).collect();
    names.dedup();
    let named = |name: &&str| workloads.iter().find(|workload| workload.name == **name);
    let all = workloads;
    let workloads: Vec<Workload> = names.iter().filter_map(named).cloned().collect();
    costs::measure(peers, cores);
    let time = options.seconds.unwrap_or(BARS_SECONDS);
    let trial = Trial {
        bars: &bars,
        workloads: &workloads,
        peers,
        cores,
        time: Duration::from_secs_f64(time),
        seed: options.seed,
    };
    say(&format!(
        "{} bars: {} for one pass, about {} at most\n",
        bars.len(),
        span(trial.first_pass()),
        span(trial.time.max(trial.first_pass()))
    ));
    let bar = progress_bar(100);
    let progress = |what: &str, share| {
        bar.set_position(u64::from(share));
        bar.set_message(what.to_owned());
    };
    report.sections = trial.measure(&progress, &|told| bar.suspend(|| say(told)));
    bar.finish_and_clear();
    for section in &report.sections {
        report::terminal::print_section(section, &report.baseline);
    }
    report.bars = trial.judge(&report.sections);
    for outcome in &mut report.bars {
        if report
            .sections
            .iter()
            .all(|section| section.workload.name != outcome.bar.workload)
        {
            outcome.verdict = Verdict::NotMeasured(why_not(&outcome.bar, all, peers));
        }
    }
}

/// Why the workload of a bar was not even begun.
fn why_not(bar: &Bar, workloads: &[Workload], peers: &[Peer]) -> String {
    let is_here = |name: &str| peers.iter().any(|peer| peer.descriptor.name == name);
    let smaller = workloads
        .iter()
        .find(|workload| workload.is_called(bar.workload));
    match (bar.peers().find(|name| !is_here(name)), smaller) {
        (Some(peer), _) => format!("{peer} takes no part"),
        (None, Some(smaller)) if smaller.name != bar.workload => {
            format!("this machine allows only {}", smaller.name)
        }
        (None, Some(_)) if system::interrupted() => "interrupted".to_owned(),
        (None, Some(_)) => "no time was left".to_owned(),
        (None, None) => "not asked for".to_owned(),
    }
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
        Scope::Quick => 120.0,
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
