//! The command line.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::prelude::*;

use crate::peers::Descriptor;
use crate::peers::roster::DESCRIPTORS;
use crate::peers::service::{Mode, Service};
use crate::workload::Scope;

pub(crate) const USAGE: &str = "\
The same work for netloop and for what else there is, side by side on this machine.

    cargo versus [OPTIONS]

    --quick               about two minutes; without it about twelve, or sixteen with every peer there is
    --full                every workload; an hour or more
    --bars                only what the project has promised of itself, until each promise is seen to be kept or not, or
                          about 14 minutes are over
    --workload WORDS      only these workloads, separated by commas: a name, or else what names begin with, or else a part
                          of names
    --peer NAMES          only these peers, separated by commas; also those that take part only when named
    --baseline NAME       what ratios are taken against; raw_epoll if not given
    --seconds N           about how long the whole run may take; workloads and then peers that do not fit are left out
    --rounds N            at least so many rounds of each workload; of fewer than six nothing is decided
    --seed N              of the order in which the peers take turns; the report tells it
    --node, --bun, --deno PATH    a runtime that is not on the PATH, or another than the one that is
    --output FOLDER       where results go; target/versus if not given
    --compare FILE        also compare with the results.json of an earlier run
    --list                the peers and workloads, and nothing is measured
    --serve NAME PORT MODE [--idle-timeout SECONDS]    be one of the peers of this binary

It fails when netloop, the baseline or everybody is void in one of the workloads: then something else was measured.
";

const MOST_SECONDS: f64 = 86_400.0;
const MOST_ROUNDS: usize = 10_000;

/// What the user asked for.
pub(crate) struct Options {
    pub(crate) scope: Scope,
    pub(crate) bars: bool,
    pub(crate) workloads: Vec<String>,
    pub(crate) peers: Vec<String>,
    /// None if the user leaves it to us.
    pub(crate) baseline: Option<String>,
    pub(crate) seconds: Option<f64>,
    pub(crate) rounds: Option<usize>,
    pub(crate) seed: u64,
    /// A program for each runtime that was named.
    pub(crate) programs: HashMap<&'static str, PathBuf>,
    pub(crate) output: PathBuf,
    pub(crate) compare: Option<PathBuf>,
    pub(crate) list: bool,
}

impl Options {
    /// How much was asked for, in a word.
    pub(crate) fn scope_word(&self) -> &'static str {
        if self.bars { "bars" } else { self.scope.word() }
    }
}

pub(crate) enum Request {
    Compare(Options),
    Serve {
        name: String,
        service: Service,
    },
    Help,
    /// Started by `cargo test`, which runs benches too: nobody wants to wait minutes for that.
    Test,
}

pub(crate) fn parse() -> Result<Request, lexopt::Error> {
    let mut parser = lexopt::Parser::from_env();
    let mut is_bench = false;
    let mut is_asked = false;
    let mut options = Options {
        scope: Scope::Standard,
        bars: false,
        workloads: Vec::new(),
        peers: Vec::new(),
        baseline: None,
        seconds: None,
        rounds: None,
        seed: fastrand::u64(..1_000_000),
        programs: HashMap::new(),
        output: PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/versus")),
        compare: None,
        list: false,
    };
    while let Some(argument) = parser.next()? {
        is_asked |= argument != Long("bench") && argument != Long("test");
        match argument {
            Long("bench") => is_bench = true,
            Long("test") => {}
            Long("quick") => options.scope = Scope::Quick,
            Long("full") => options.scope = Scope::Full,
            Long("bars") => options.bars = true,
            Long("list") => options.list = true,
            Long("workload") => options.workloads.extend(words(&parser.value()?.string()?)),
            Long("peer") => options.peers.extend(words(&parser.value()?.string()?)),
            Long("baseline") => options.baseline = Some(parser.value()?.string()?),
            Long("seconds") => options.seconds = Some(parser.value()?.parse_with(seconds)?),
            Long("rounds") => options.rounds = Some(parser.value()?.parse_with(rounds)?),
            Long("seed") => options.seed = parser.value()?.parse()?,
            Long("output") => options.output = parser.value()?.into(),
            Long("compare") => options.compare = Some(parser.value()?.into()),
            Long("serve") => return serve(&mut parser),
            Long("help") | Short('h') => return Ok(Request::Help),
            Long(other) => match DESCRIPTORS
                .iter()
                .filter_map(Descriptor::runtime)
                .find(|name| *name == other)
            {
                Some(runtime) => {
                    let program = program(runtime, parser.value()?.into())?;
                    options.programs.insert(runtime, program);
                }
                None => return Err(argument.unexpected()),
            },
            _ => return Err(argument.unexpected()),
        }
    }
    Ok(if is_bench || is_asked {
        Request::Compare(options)
    } else {
        Request::Test
    })
}

/// A day is more than anybody waits, and a number without an end is no time.
fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse::<f64>().ok();
    seconds
        .filter(|seconds| (1.0..=MOST_SECONDS).contains(seconds))
        .ok_or_else(|| format!("--seconds needs a number from 1 to {MOST_SECONDS}"))
}

fn rounds(text: &str) -> Result<usize, String> {
    let rounds = text.parse::<usize>().ok();
    rounds
        .filter(|rounds| (1..=MOST_ROUNDS).contains(rounds))
        .ok_or_else(|| format!("--rounds needs a number from 1 to {MOST_ROUNDS}"))
}

/// Whoever names a program wants that one, and not to learn at the end that it took no part.
fn program(runtime: &str, path: PathBuf) -> Result<PathBuf, lexopt::Error> {
    match std::fs::metadata(&path) {
        Ok(metadata) if metadata.is_file() => Ok(path),
        Ok(_) => Err(format!("--{runtime} {}: this is not a program", path.display()).into()),
        Err(error) => Err(format!("--{runtime} {}: {error}", path.display()).into()),
    }
}

fn words(list: &str) -> Vec<String> {
    list.split(',')
        .filter(|word| !word.is_empty())
        .map(ToOwned::to_owned)
        .collect()
}

fn serve(parser: &mut lexopt::Parser) -> Result<Request, lexopt::Error> {
    let name = parser.value()?.string()?;
    let port = parser.value()?.parse()?;
    let mode = parser
        .value()?
        .parse_with(|word| Mode::from_word(word).ok_or("no such mode"))?;
    let mut idle_timeout = None;
    while let Some(argument) = parser.next()? {
        match argument {
            Long("idle-timeout") => {
                idle_timeout = Some(Duration::from_secs(parser.value()?.parse()?))
            }
            _ => return Err(argument.unexpected()),
        }
    }
    Ok(Request::Serve {
        name,
        service: Service {
            port,
            mode,
            idle_timeout,
        },
    })
}
