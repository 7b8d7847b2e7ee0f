//! Node's `net` and netloop, side by side: the same scenarios over real sockets, and their event traces compared.
//! README.md says what is compared and how.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    reason = "a test says what it expects by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod datagrams;
mod deviations;
mod differences;
mod exits;
mod loopback;
mod netloop_subject;
mod node_version;
mod peer;
mod scenario;
mod scenarios;
mod stage;
mod subject;
mod trace;
mod verdict;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use deviations::{DEVIATIONS, deviation};
use differences::{DIFFERENCES, Since};
use loopback::Loopback;
use node_version::NodeVersion;
use scenario::{Cast, Scenario};
use stage::{Stage, Step};
use subject::Subject;
use trace::Lanes;
use verdict::{NETLOOP, NODE, Performance, Verdict};

/// The longest that the whole comparison may take: 17 seconds on a quiet machine, and 44 with a load of 27.
const LIMIT: Duration = Duration::from_secs(600);

#[test]
fn netloop_tells_what_node_tells_but_for_what_is_listed() {
    let version = match NodeVersion::of_this_machine() {
        Ok(version) => version,
        Err(reason) => {
            eprintln!(
                "\n!!!! SKIPPED: netloop was NOT compared with Node, because {reason} !!!!\n"
            );
            return;
        }
    };
    let directory = Directory::new();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/side_by_side/scenarios.js");
    let loopback = Loopback::of_this_test();
    let cast_anew = || {
        [
            Subject::node(&script, loopback.local),
            Subject::netloop(loopback.local),
        ]
    };
    let mut subjects = cast_anew();
    let limit = Instant::now() + LIMIT;
    let wanted = std::env::var("NETLOOP_SCENARIO").unwrap_or_default();
    let mut verdicts = Vec::new();
    for scenario in scenarios::all().filter(|scenario| scenario.name.contains(&wanted)) {
        let casts: &[(usize, usize)] = match scenario.cast {
            Cast::Alone => &[(NODE, NODE), (NETLOOP, NETLOOP)],
            Cast::Pair => &[
                (NODE, NODE),
                (NETLOOP, NETLOOP),
                (NODE, NETLOOP),
                (NETLOOP, NODE),
            ],
        };
        let performances: Vec<Performance> = casts
            .iter()
            .map(|&cast| {
                let lanes = perform(scenario, &mut subjects, cast, limit, loopback, &directory.0);
                if lanes.is_err() {
                    // The leftovers of a failed scenario would only confuse the next.
                    subjects = cast_anew();
                }
                Performance {
                    client: cast.0,
                    server: cast.1,
                    lanes,
                }
            })
            .collect();
        verdicts.push(Verdict::new(scenario, &version, &performances));
    }
    let with_traces = std::env::var_os("NETLOOP_TRACES").is_some();
    verdict::print(&verdicts, &version, with_traces);
    let failed: Vec<&str> = verdicts
        .iter()
        .filter(|verdict| !verdict.is_good())
        .map(|verdict| verdict.scenario.name)
        .collect();
    assert!(failed.is_empty(), "not as listed: {failed:?}");
}

fn perform(
    scenario: &Scenario,
    subjects: &mut [Subject; 2],
    cast: (usize, usize),
    limit: Instant,
    loopback: Loopback,
    directory: &Path,
) -> Step<Lanes> {
    let directory = directory.join(format!("{}-{}{}", scenario.name, cast.0, cast.1));
    std::fs::create_dir(&directory)?;
    let mut stage = Stage::new(subjects, cast, limit, loopback, &directory);
    (scenario.play)(&mut stage)?;
    stage.finish()
}

/// A directory for Unix sockets, which goes when the comparison is over.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        let name = format!("netloop-side-by-side-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("the temporary directory can be written to");
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn every_listed_difference_names_a_scenario_and_a_reason() {
    let scenarios: BTreeSet<&str> = scenarios::all().map(|scenario| scenario.name).collect();
    for difference in DIFFERENCES {
        let scenario = difference.scenario;
        assert!(scenarios.contains(scenario), "{scenario} is no scenario");
        let (since, oldest) = difference.node[0];
        assert_eq!(
            since,
            Since::Always,
            "{scenario}: the oldest Node comes first"
        );
        assert_ne!(oldest, difference.netloop, "{scenario} does not differ");
        for name in difference.deviations {
            let _ = deviation(name);
        }
    }
    for deviation in DEVIATIONS {
        let name = deviation.name;
        let shows = DIFFERENCES.iter().any(|it| it.deviations.contains(&name));
        assert!(shows, "nothing shows {name}");
    }
}

#[test]
fn scenarios_have_names_of_their_own() {
    let names: BTreeSet<&str> = scenarios::all().map(|scenario| scenario.name).collect();
    assert_eq!(names.len(), scenarios::all().count());
    assert!(names.len() >= 30, "{} are too few", names.len());
}
