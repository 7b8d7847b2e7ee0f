//! The command line.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::prelude::*;

use crate::peers::service::{Mode, Service};
use crate::workload::Scope;

pub(crate) const USAGE: &str = "\
The same work for netloop and for other servers, side by side on this machine.

    cargo versus [OPTIONS]

    --quick               one workload of each kind: about three minutes; without it a quarter of an hour
    --full                every workload: more than an hour
    --bars                only the workloads and peers that have bars, in more rounds: about ten minutes
    --workload WORDS      only these workloads, separated by commas: names, or parts of names
    --peer NAMES          only these peers, separated by commas; also those that take part only when named
    --rounds N            the rounds of each workload; of fewer than six nothing is decided, of fewer than eight no bar
    --slice MILLISECONDS  the length of one measurement
    --seed N              of the order in which the peers take turns; the report tells it
    --program NAME=PATH   another program for a peer: a runtime, or the serve example of another commit (netloop_before)
    --output FOLDER       the folder of the results; target/versus if not given
    --list                the peers and workloads, and nothing is measured
    --serve NAME PORT MODE [--idle-timeout SECONDS]    be one of the peers of this binary

It fails when netloop, the baseline or every peer is void in one of the workloads.
";

/// The wishes of the user.
pub(crate) struct Options {
    pub(crate) scope: Scope,
    pub(crate) workloads: Vec<String>,
    pub(crate) peers: Vec<String>,
    pub(crate) rounds: usize,
    pub(crate) slice: Duration,
    pub(crate) seed: u64,
    /// A program for each peer that was named.
    pub(crate) programs: HashMap<String, PathBuf>,
    pub(crate) output: PathBuf,
    pub(crate) list: bool,
}

pub(crate) enum Request {
    Compare(Options),
    Serve(String, Service),
    /// Counted, by what follows on the command line.
    Count(lexopt::Parser),
    /// The same for echoes of datagrams.
    Datagrams(lexopt::Parser),
    Help,
    /// Started by `cargo test`: a comparison would take minutes.
    SelfCheck,
}

pub(crate) fn parse() -> Result<Request, lexopt::Error> {
    let mut parser = lexopt::Parser::from_env();
    let mut is_asked = false;
    let (mut rounds, mut slice) = (None, None);
    let mut options = Options {
        scope: Scope::Standard,
        workloads: Vec::new(),
        peers: Vec::new(),
        rounds: 0,
        slice: Duration::ZERO,
        seed: fastrand::u64(..1_000_000),
        programs: HashMap::new(),
        output: PathBuf::from("target/versus"),
        list: false,
    };
    while let Some(argument) = parser.next()? {
        is_asked |= argument != Long("test");
        match argument {
            Long("bench" | "test") => {}
            Long("quick") => options.scope = Scope::Quick,
            Long("full") => options.scope = Scope::Full,
            Long("bars") => options.scope = Scope::Bars,
            Long("list") => options.list = true,
            Long("workload") => options.workloads.extend(words(&parser.value()?.string()?)),
            Long("peer") => options.peers.extend(words(&parser.value()?.string()?)),
            Long("rounds") => rounds = Some(parser.value()?.parse()?),
            Long("slice") => slice = Some(parser.value()?.parse()?),
            Long("seed") => options.seed = parser.value()?.parse()?,
            Long("output") => options.output = parser.value()?.into(),
            Long("program") => {
                let text = parser.value()?.string()?;
                let (name, path) = text.split_once('=').ok_or("--program needs NAME=PATH")?;
                // The user has named this program, and must not learn at the end that it took no part.
                let failed = |error| format!("--program {name}: {path}: {error}");
                let path = std::fs::canonicalize(path).map_err(failed)?;
                options.programs.insert(name.to_owned(), path);
            }
            Long("serve") => return serve(&mut parser),
            Value(word) if word == "count" => return Ok(Request::Count(parser)),
            Value(word) if word == "datagrams" => return Ok(Request::Datagrams(parser)),
            Long("help") | Short('h') => return Ok(Request::Help),
            _ => return Err(argument.unexpected()),
        }
    }
    let (usual_rounds, usual_slice) = match options.scope {
        Scope::Quick => (6, 150),
        Scope::Standard => (9, 250),
        Scope::Full => (15, 300),
        Scope::Bars => (30, 200),
    };
    options.rounds = rounds.unwrap_or(usual_rounds).max(1);
    options.slice = Duration::from_millis(slice.unwrap_or(usual_slice).max(1));
    Ok(match is_asked {
        true => Request::Compare(options),
        false => Request::SelfCheck,
    })
}

pub(crate) fn words(list: &str) -> Vec<String> {
    let words = list.split(',').filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

fn serve(parser: &mut lexopt::Parser) -> Result<Request, lexopt::Error> {
    let name = parser.value()?.string()?;
    let port = parser.value()?.parse()?;
    let word = parser.value()?.string()?;
    let mode = Mode::ALL.into_iter().find(|mode| mode.word() == word);
    let mut service = Service::new(mode.ok_or("no such mode")?, None);
    service.port = port;
    if let Some(argument) = parser.next()? {
        if argument != Long("idle-timeout") {
            return Err(argument.unexpected());
        }
        service.idle_timeout = Some(Duration::from_secs(parser.value()?.parse()?));
    }
    Ok(Request::Serve(name, service))
}
