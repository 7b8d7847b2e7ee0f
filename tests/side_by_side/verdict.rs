//! Compares the traces of a scenario's performances, and prints what came of it.

use std::collections::BTreeSet;

use super::deviations::DEVIATIONS;
use super::differences::{DIFFERENCES, Difference, Since};
use super::node_version::NodeVersion;
use super::scenario::Scenario;
use super::stage::Step;
use super::trace::Lanes;

/// The index of Node among the subjects.
pub(crate) const NODE: usize = 0;

/// The index of netloop among the subjects.
pub(crate) const NETLOOP: usize = 1;

/// One playing of a scenario: the client, the server, and the events that were seen.
pub(crate) struct Performance {
    pub(crate) client: usize,
    pub(crate) server: usize,
    pub(crate) lanes: Step<Lanes>,
}

impl Performance {
    /// Whose lane it is. What peers and onlookers see is put down to the server's subject, as theirs is the same in a
    /// scenario with a peer.
    fn owner(&self, lane: &str) -> usize {
        if lane.starts_with('c') {
            self.client
        } else {
            self.server
        }
    }

    fn cast(&self) -> String {
        let name = |subject| if subject == NODE { "node" } else { "netloop" };
        format!("client {}, server {}", name(self.client), name(self.server))
    }
}

/// The result of one scenario.
pub(crate) struct Verdict {
    pub(crate) scenario: &'static Scenario,
    performances: usize,
    events: usize,
    /// The differences that were meant, and came.
    differences: Vec<(&'static Difference, &'static str)>,
    /// The differences that were not meant, each with enough to see why.
    faults: Vec<String>,
    lanes: Lanes,
}

impl Verdict {
    /// Compares all performances with the first, which is Node's alone.
    pub(crate) fn new(
        scenario: &'static Scenario,
        version: &NodeVersion,
        performances: &[Performance],
    ) -> Self {
        let mut verdict = Self {
            scenario,
            performances: performances.len(),
            events: 0,
            differences: Vec::new(),
            faults: Vec::new(),
            lanes: Lanes::new(),
        };
        let mut played = Vec::new();
        for performance in performances {
            match &performance.lanes {
                Ok(lanes) => played.push((performance, lanes)),
                Err(error) => {
                    let fault = format!("{}: {error}", performance.cast());
                    verdict.faults.push(fault);
                }
            }
        }
        let names: BTreeSet<&String> = played.iter().flat_map(|(_, lanes)| lanes.keys()).collect();
        for name in names {
            verdict.compare(name, version, &played);
        }
        if let Some((_, lanes)) = played.first() {
            verdict.lanes = (*lanes).clone();
        }
        verdict
    }

    fn compare(&mut self, lane: &str, version: &NodeVersion, played: &[(&Performance, &Lanes)]) {
        let text_of = |lanes: &Lanes| lanes.get(lane).cloned().unwrap_or_default();
        let Some((_, first)) = played.first() else {
            return;
        };
        let alike = text_of(first);
        self.events += alike.split(", ").count();
        let difference = DIFFERENCES
            .iter()
            .find(|it| (it.scenario, it.lane) == (self.scenario.name, lane))
            .map(|difference| (difference, node_tells(difference, version)))
            .filter(|(difference, node)| *node != difference.netloop);
        for (performance, lanes) in played {
            let expected = match (difference, performance.owner(lane)) {
                (Some((_, node)), NODE) => node,
                (Some((difference, _)), _) => difference.netloop,
                (None, _) => &alike,
            };
            let seen = text_of(lanes);
            if seen != expected {
                self.faults.push(format!(
                    "{lane} ({}):\n      expected \"{expected}\"\n      seen     \"{seen}\"",
                    performance.cast()
                ));
            }
        }
        self.differences.extend(difference);
    }

    /// Whether everything was as it was meant to be.
    pub(crate) fn is_good(&self) -> bool {
        self.faults.is_empty()
    }

    fn result(&self) -> String {
        if !self.is_good() {
            return "DIFFERS".to_owned();
        }
        if self.differences.is_empty() {
            return format!("same {} events", self.events);
        }
        let names: BTreeSet<&str> = self
            .differences
            .iter()
            .flat_map(|(it, _)| it.deviations.iter().copied())
            .collect();
        let names: Vec<&str> = names.into_iter().collect();
        format!("as listed: {}", names.join(", "))
    }
}

/// The trace of this Node where netloop differs from one Node or another.
fn node_tells(difference: &Difference, version: &NodeVersion) -> &'static str {
    let known = difference.node.iter().rev();
    known
        .filter(|(since, _)| match *since {
            Since::Always => true,
            Since::Node(major) => version.major >= major,
            Since::Libuv(minor) => version.libuv_minor >= minor,
        })
        .map(|&(_, text)| text)
        .next()
        .unwrap_or_default()
}

/// Prints the comparison: the table, then the differences, then what was not meant.
pub(crate) fn print(verdicts: &[Verdict], version: &NodeVersion, with_traces: bool) {
    // A failure is to be seen on one screen.
    if with_traces || verdicts.iter().all(Verdict::is_good) {
        print_tables(verdicts, version, with_traces);
    }
    for verdict in verdicts.iter().filter(|verdict| !verdict.is_good()) {
        println!("\nDIFFERS: {}", verdict.scenario.name);
        for fault in &verdict.faults {
            println!("    {fault}");
        }
    }
    let same = verdicts
        .iter()
        .filter(|verdict| verdict.is_good() && verdict.differences.is_empty());
    let listed = verdicts
        .iter()
        .filter(|verdict| verdict.is_good() && !verdict.differences.is_empty());
    println!(
        "\n{} scenarios: {} the same, {} with listed differences, {} not as expected\n",
        verdicts.len(),
        same.count(),
        listed.count(),
        verdicts.iter().filter(|verdict| !verdict.is_good()).count()
    );
}

fn print_tables(verdicts: &[Verdict], version: &NodeVersion, with_traces: bool) {
    println!("\n## netloop and Node {version}, side by side\n");
    println!("| # | scenario | rules | played | result |");
    println!("|---|---|---|---|---|");
    for (index, verdict) in verdicts.iter().enumerate() {
        println!(
            "| {} | {} | {} | {}x | {} |",
            index + 1,
            verdict.scenario.name,
            verdict.scenario.rules,
            verdict.performances,
            verdict.result()
        );
    }
    println!("\n## The differences that are meant\n");
    for listed in DEVIATIONS {
        println!("{} ({:?}): {}", listed.name, listed.kind, listed.reason);
        let places = verdicts.iter().flat_map(|verdict| &verdict.differences);
        let places = places.filter(|(place, _)| place.deviations.contains(&listed.name));
        for (place, node) in places {
            println!("    {} [{}]", place.scenario, place.lane);
            println!("        node    {node}");
            println!("        netloop {}", place.netloop);
        }
    }
    if with_traces {
        println!("\n## Node's traces\n");
        for verdict in verdicts {
            println!("{}", verdict.scenario.name);
            for (lane, trace) in &verdict.lanes {
                println!("    {lane:9} {trace}");
            }
        }
    }
}
