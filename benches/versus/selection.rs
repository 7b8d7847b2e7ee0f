//! Who and what takes part: the words of the command line against the lists that there are.

use crate::bars;
use crate::options::Options;
use crate::peers::Peer;
use crate::peers::roster::DESCRIPTORS;
use crate::workload::Workload;

/// What ratios are taken against if the user does not say.
const USUAL_BASELINE: &str = "raw_epoll";

/// Peers that are not here, and why.
pub(crate) type Missing = Vec<(&'static str, String)>;

/// The peers that are here, and those that are not.
pub(crate) fn peers(options: &Options) -> Result<(Vec<Peer>, Missing), String> {
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

/// The workloads that were asked for, or those of the scope. A word that means none is an error: whoever mistypes one
/// of two would believe that both were measured.
pub(crate) fn workloads(
    options: &Options,
    catalogue: &[Workload],
) -> Result<Vec<Workload>, String> {
    if options.workloads.is_empty() {
        let in_scope = |workload: &&Workload| options.bars || workload.scope <= options.scope;
        return Ok(catalogue.iter().filter(in_scope).cloned().collect());
    }
    let mut named = Vec::new();
    for word in &options.workloads {
        named.push(meaning(word, catalogue)?);
    }
    let is_named = |workload: &&Workload| named.iter().any(|fits| fits(workload));
    Ok(catalogue.iter().filter(is_named).cloned().collect())
}

type Fits<'a> = Box<dyn Fn(&Workload) -> bool + 'a>;

/// What a word means: the workload of this name although it may be a part of others, or else those whose names begin
/// with it and a hyphen, or else those that contain it.
fn meaning<'a>(word: &'a str, catalogue: &[Workload]) -> Result<Fits<'a>, String> {
    let is_beginning = move |workload: &Workload| {
        let rest = workload.name.strip_prefix(word);
        rest.is_some_and(|rest| rest.starts_with('-'))
    };
    let meanings: [Fits<'a>; 3] = [
        Box::new(move |workload| workload.is_called(word)),
        Box::new(is_beginning),
        Box::new(move |workload| workload.name.contains(word)),
    ];
    meanings
        .into_iter()
        .find(|fits| catalogue.iter().any(fits))
        .ok_or_else(|| format!("no workload is called {word}; --list shows them"))
}

/// The one that was asked for, or the usual one, or the first.
pub(crate) fn baseline(
    options: &Options,
    peers: &[Peer],
    missing: &Missing,
) -> Result<String, String> {
    let names: Vec<&str> = peers.iter().map(|peer| peer.descriptor.name).collect();
    let Some(first) = names.first() else {
        let missing: Vec<String> = missing
            .iter()
            .map(|(name, reason)| format!("{name}: {reason}"))
            .collect();
        return Err(format!(
            "no peer is left to be measured\n{}",
            missing.join("\n")
        ));
    };
    let takes_part = |name: &str| names.contains(&name);
    match options.baseline.as_deref() {
        Some(asked) if takes_part(asked) => Ok(asked.to_owned()),
        Some(asked) => Err(format!(
            "the baseline {asked} does not take part; there are {}",
            names.join(", ")
        )),
        None if takes_part(USUAL_BASELINE) => Ok(USUAL_BASELINE.to_owned()),
        None => Ok((*first).to_owned()),
    }
}

/// All that can be asked for.
pub(crate) fn list(peers: &[Peer], missing: &Missing, catalogue: &[Workload]) -> String {
    let mut lines = vec!["peers".to_owned()];
    for peer in peers {
        lines.push(format!(
            "  {:<12} {:<12} {}",
            peer.descriptor.name, peer.version, peer.descriptor.describes
        ));
    }
    for (name, reason) in missing {
        lines.push(format!("  {name:<12} not here: {reason}"));
    }
    lines.push("\nworkloads".to_owned());
    for workload in catalogue {
        lines.push(format!(
            "  {:<26} {:<9} {}",
            workload.name,
            workload.scope.word(),
            workload.title
        ));
    }
    lines.join("\n")
}
