//! Node's `dgram` and netloop, side by side: each scenario is a text of steps, which both play, and the events of each socket
//! are compared.

mod player;
mod scenarios;

use std::io::Write;
use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::node_version::NodeVersion;
use crate::support::loopback;

use scenarios::{SCENARIOS, Scenario};

/// Plays `steps` with Node, and returns the events.
fn play_in_node(steps: &str, host: IpAddr) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/side_by_side/datagrams.js");
    let mut node = Command::new("node")
        .arg(script)
        .arg(host.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = node.stdin.take().unwrap();
    input.write_all(steps.as_bytes()).unwrap();
    drop(input);
    let output = node.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn datagrams_are_told_as_node_tells_them_but_for_what_is_listed() {
    if let Err(reason) = NodeVersion::of_this_machine() {
        eprintln!("\n!!!! SKIPPED: datagrams were NOT compared with Node, because {reason} !!!!\n");
        return;
    }
    let host = loopback().ip();
    let wanted = std::env::var("NETLOOP_SCENARIO").unwrap_or_default();
    let mut failures = Vec::new();
    for scenario in SCENARIOS.iter().filter(|it| it.name.contains(&wanted)) {
        let Scenario {
            name,
            steps,
            difference,
        } = scenario;
        let (node, ours) = (play_in_node(steps, host), player::play(steps, host));
        let is_listed = match difference {
            None => node == ours,
            Some((theirs, expected, _)) => {
                node.contains(theirs) && ours.contains(expected) && node != ours
            }
        };
        if !is_listed {
            failures.push(format!("{name}\nNode:\n{node}netloop:\n{ours}"));
        }
    }
    assert!(
        failures.is_empty(),
        "not as listed:\n{}",
        failures.join("\n")
    );
}

#[test]
fn there_are_enough_scenarios_of_datagrams() {
    assert!(SCENARIOS.len() >= 25);
    for difference in SCENARIOS.iter().filter_map(|it| it.difference) {
        assert!(!difference.2.is_empty(), "each difference has a reason");
    }
}
