//! Who is compared: what a peer is, how it is found on this machine, how it is started. The list is in [`roster`].

mod compile;
pub(crate) mod family;
pub(crate) mod liar;
pub(crate) mod mio_loop;
pub(crate) mod netloop;
pub(crate) mod process;
pub(crate) mod raw_epoll;
pub(crate) mod room;
pub(crate) mod roster;
pub(crate) mod service;
pub(crate) mod session;
pub(crate) mod threads;
pub(crate) mod tokio_tasks;
pub(crate) mod tokio_tuned;

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use compile::TemporaryFolder;
use roster::{DESCRIPTORS, LIAR};
use service::{Mode, Service};

use crate::ask::first_line;

/// The folder of the peers that are not written in Rust.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");

/// What is known of a peer before anything is looked up.
pub(crate) struct Descriptor {
    pub(crate) name: &'static str,
    /// One line for the report: what it is, and how it was set up.
    pub(crate) describes: &'static str,
    pub(crate) origin: Origin,
    /// More connections than this are not asked of it.
    pub(crate) most_connections: usize,
    pub(crate) modes: &'static [Mode],
    /// Whether it takes part without being named.
    pub(crate) by_default: bool,
}

/// Where a peer comes from.
pub(crate) enum Origin {
    /// This binary, started again with `--serve`; built on a crate, or on nothing but std and the system.
    Here {
        built_on: Option<&'static str>,
        serve: fn(&Service) -> io::Result<()>,
    },
    /// A script for a runtime on the PATH, which says its version when asked with `--version`.
    Script {
        runtime: &'static str,
        before: &'static [&'static str],
        script: &'static str,
        after: &'static [&'static str],
    },
    /// A C program that needs a library known to pkg-config.
    Compiled {
        library: &'static str,
        source: &'static str,
    },
}

/// A peer that is on this machine.
pub(crate) struct Peer {
    pub(crate) descriptor: &'static Descriptor,
    pub(crate) version: String,
    program: PathBuf,
    before: Vec<String>,
    after: Vec<String>,
    /// Where the program lies if it could not be built where the results go.
    _build: Option<TemporaryFolder>,
}

impl Descriptor {
    /// Looks for the peer: `given` is a program that the user named, otherwise the PATH decides. The error says what
    /// is missing.
    pub(crate) fn find(
        &'static self,
        given: Option<&Path>,
        build_folder: &Path,
    ) -> Result<Peer, String> {
        let owned = |words: &[&str]| words.iter().map(ToString::to_string).collect();
        match &self.origin {
            Origin::Here { built_on, .. } => Ok(Peer {
                descriptor: self,
                version: built_on.map_or_else(|| "(by hand)".to_owned(), locked_version),
                program: std::env::current_exe().map_err(|error| error.to_string())?,
                before: vec!["--serve".to_owned(), self.name.to_owned()],
                after: Vec::new(),
                _build: None,
            }),
            Origin::Script {
                runtime,
                before,
                script,
                after,
            } => {
                let program = given.map_or_else(|| PathBuf::from(runtime), Path::to_path_buf);
                let version = first_line(Command::new(&program).arg("--version"))
                    .map(|line| bare_version(runtime, &line))?;
                let mut before: Vec<String> = owned(before);
                before.push(format!("{SCRIPTS}/{script}"));
                Ok(Peer {
                    descriptor: self,
                    version,
                    program,
                    before,
                    after: owned(after),
                    _build: None,
                })
            }
            Origin::Compiled { library, source } => {
                let version =
                    first_line(Command::new("pkg-config").args(["--modversion", library]))?;
                let (program, build) = compile::compile(library, source, build_folder)?;
                Ok(Peer {
                    descriptor: self,
                    version,
                    program,
                    before: Vec::new(),
                    after: Vec::new(),
                    _build: build,
                })
            }
        }
    }

    /// The word before which a user may give a program: `--node PATH`.
    pub(crate) fn runtime(&self) -> Option<&'static str> {
        match self.origin {
            Origin::Script { runtime, .. } => Some(runtime),
            Origin::Here { .. } | Origin::Compiled { .. } => None,
        }
    }

    /// Whether it is part of this binary.
    pub(crate) fn is_here(&self) -> bool {
        matches!(self.origin, Origin::Here { .. })
    }

    /// Whether it compiles its code while it runs, so that it is slow in the beginning.
    pub(crate) fn compiles_while_it_runs(&self) -> bool {
        matches!(self.origin, Origin::Script { .. })
    }

    pub(crate) fn can(&self, mode: Mode, connections: usize) -> bool {
        self.modes.contains(&mode) && connections <= self.most_connections
    }
}

impl Peer {
    /// The command that serves, with `PORT MODE [--idle-timeout SECONDS]` at its end.
    pub(crate) fn command(&self, service: &Service) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.before)
            .arg(service.port.to_string())
            .arg(service.mode.word());
        if let Some(idle_timeout) = service.idle_timeout {
            command
                .arg("--idle-timeout")
                .arg(idle_timeout.as_secs().to_string());
        }
        command.args(&self.after);
        command
    }
}

/// Runs one of the peers that are part of this binary; returns only on failure.
pub(crate) fn serve_here(name: &str, service: &Service) -> io::Result<()> {
    let descriptor = DESCRIPTORS
        .iter()
        .chain([&LIAR])
        .find(|descriptor| descriptor.name == name);
    match descriptor.map(|descriptor| &descriptor.origin) {
        Some(Origin::Here { serve, .. }) => serve(service),
        _ => Err(io::Error::other(format!(
            "no peer of this binary is called {name}"
        ))),
    }
}

/// Without what some runtimes say around it: their name, and how they were built.
fn bare_version(runtime: &str, line: &str) -> String {
    let version = line.strip_prefix(runtime).unwrap_or(line);
    let version = version.split(" (").next().unwrap_or(version);
    version.trim().to_owned()
}

/// The version of a crate that this binary was built with.
fn locked_version(package: &str) -> String {
    let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock");
    let lock = std::fs::read_to_string(lock).unwrap_or_default();
    let after = lock
        .split_once(&format!("name = \"{package}\"\nversion = \""))
        .map(|(_, after)| after);
    after
        .and_then(|after| after.split('"').next())
        .unwrap_or("of unknown version")
        .to_owned()
}
