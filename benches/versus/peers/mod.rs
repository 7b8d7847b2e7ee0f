//! The peers: the list of them, how each is found on this machine, and how it is started.

mod compio_tasks;
mod foreign;
mod liar;
mod mio_loop;
pub(crate) use foreign::first_line;
pub(crate) mod process;
mod raw_epoll;
pub(crate) mod service;
mod session;
mod sessions;
mod tokio_tasks;
mod tokio_tuned;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use netloop_benches::bars::{FLOOR, SUBJECT};
use process::ServerProcess;
use service::{Mode, Service};

/// The facts about a peer that hold on every machine.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    /// One line for the report: what it is, and how it was set up.
    pub(crate) describes: &'static str,
    origin: Origin,
    modes: &'static [Mode],
    /// Whether it takes part without being named.
    pub(crate) by_default: bool,
    /// Arguments behind those of the service.
    arguments: &'static [&'static str],
}

/// The place that a peer comes from.
#[derive(Clone, Copy)]
enum Origin {
    /// `examples/serve`, which is built as a user would build it.
    Example,
    /// The serve example of another commit, which the user names with `--program`.
    Given,
    /// This binary, started again with `--serve`: a server on a crate.
    Here(&'static str, fn(&Service) -> io::Result<()>),
    /// A JavaScript runtime with the script, and its arguments before the script.
    Script(&'static str, &'static [&'static str]),
    /// libuv, compiled from the C source in the crate `libuv-sys2`.
    Libuv,
}

/// A peer that is on this machine.
pub(crate) struct Found {
    pub(crate) peer: &'static Peer,
    pub(crate) version: String,
    command: Vec<PathBuf>,
}

const NO_BROADCAST: &[Mode] = &[Mode::Echo, Mode::Messages, Mode::Discard, Mode::Flood];

const fn peer(name: &'static str, describes: &'static str, origin: Origin) -> Peer {
    Peer {
        name,
        describes,
        origin,
        modes: &Mode::ALL,
        by_default: true,
        arguments: &[],
    }
}

impl Peer {
    const fn with(mut self, arguments: &'static [&'static str]) -> Self {
        self.arguments = arguments;
        self
    }

    const fn only_in(mut self, modes: &'static [Mode]) -> Self {
        self.modes = modes;
        self
    }

    /// Takes part only when it is named.
    const fn when_named(mut self) -> Self {
        self.by_default = false;
        self
    }
}

/// The peers, in the order of the report's lists. To add one, describe it here.
pub(crate) static PEERS: [Peer; 15] = [
    peer(
        SUBJECT,
        "this library, with its defaults: examples/serve",
        Origin::Example,
    ),
    peer(
        "netloop_idle",
        "with an idle timeout of 30 s on each socket",
        Origin::Example,
    )
    .with(&["--idle-timeout", "30"])
    .when_named(),
    peer(
        "netloop_busy",
        "polling for 100 µs before it sleeps",
        Origin::Example,
    )
    .with(&["--busy-poll", "100"])
    .when_named(),
    peer(
        "netloop_before",
        "the serve example of another commit",
        Origin::Given,
    )
    .when_named(),
    peer(
        FLOOR,
        "an edge-triggered epoll loop by hand",
        Origin::Here("rustix", raw_epoll::serve),
    ),
    peer(
        "mio",
        "the same loop by hand on mio",
        Origin::Here("mio", mio_loop::serve),
    ),
    peer(
        "tokio",
        "a task and a 16 KiB buffer each",
        Origin::Here("tokio", tokio_tasks::serve),
    )
    .only_in(NO_BROADCAST),
    peer(
        "tokio_tuned",
        "one shared 128 KiB buffer",
        Origin::Here("tokio", tokio_tuned::serve),
    )
    .only_in(&[Mode::Echo]),
    peer(
        "compio",
        "io_uring, a task each",
        Origin::Here("compio", compio_tasks::serve),
    )
    .only_in(NO_BROADCAST),
    peer(
        "libuv",
        "in C: one try_write for the answers to a read",
        Origin::Libuv,
    )
    .only_in(&[Mode::Echo, Mode::Discard, Mode::Flood]),
    peer(
        "node",
        "net, idiomatic: on('data') and write",
        Origin::Script("node", &[]),
    ),
    peer(
        "node_tuned",
        "onread, reused buffers, corked",
        Origin::Script("node", &[]),
    )
    .with(&["--tuned"]),
    peer(
        "bun",
        "the idiomatic script of node",
        Origin::Script("bun", &[]),
    ),
    peer(
        "deno",
        "the same script",
        Origin::Script("deno", &["run", "--allow-net"]),
    ),
    peer(
        LIAR,
        "wrong in every mode, to be caught",
        Origin::Here("rustix", liar::serve),
    )
    .when_named(),
];

/// The peer that the self-check has to catch.
pub(crate) const LIAR: &str = "liar";

impl Peer {
    /// Looks for the peer: `programs` holds those that the user named. The error says what is missing.
    pub(crate) fn find(
        &'static self,
        programs: &HashMap<String, PathBuf>,
        output: &Path,
    ) -> Result<Found, String> {
        let given = programs.get(self.name).cloned();
        let given = given.map(|program| (foreign::version_of(&program), program));
        let (version, command) = match self.origin {
            Origin::Example => match given {
                Some((_, program)) => ("given".to_owned(), vec![program]),
                None => (locked_version(SUBJECT), vec![foreign::serve_example()?]),
            },
            Origin::Given => match given {
                Some((_, program)) => ("given".to_owned(), vec![program]),
                None => return Err("no --program netloop_before=PATH was given".to_owned()),
            },
            Origin::Here(built_on, _) => {
                if let (true, Some(reason)) = (self.name == "compio", compio_tasks::refusal()) {
                    return Err(reason);
                }
                let program = std::env::current_exe().map_err(|error| error.to_string())?;
                let command = vec![program, "--serve".into(), self.name.into()];
                (locked_version(built_on), command)
            }
            Origin::Script(runtime, before) => {
                let (version, program) = match given {
                    Some((version, program)) => (version?, program),
                    None => foreign::runtime(runtime, output)?,
                };
                let mut command = vec![program];
                command.extend(before.iter().map(PathBuf::from));
                command.push(foreign::SCRIPT.into());
                (version, command)
            }
            Origin::Libuv => {
                let (version, program) = foreign::libuv(output)?;
                (version, vec![program])
            }
        };
        Ok(Found {
            peer: self,
            version,
            command,
        })
    }

    /// Whether it is part of this binary, or of this repository.
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self.origin, Origin::Example | Origin::Here(..))
    }

    /// Whether it compiles its code while it runs, so that it is slow in the beginning.
    pub(crate) fn compiles_while_it_runs(&self) -> bool {
        matches!(self.origin, Origin::Script(..))
    }

    pub(crate) fn can(&self, mode: Mode) -> bool {
        self.modes.contains(&mode)
    }
}

impl Found {
    pub(crate) fn start(&self, service: &Service, core: usize) -> Result<ServerProcess, String> {
        let mut command = Command::new(&self.command[0]);
        command
            .args(&self.command[1..])
            .args(service.arguments())
            .args(self.peer.arguments);
        ServerProcess::start(command, core)
    }
}

/// Runs a peer that is part of this binary; returns only on failure.
pub(crate) fn serve_here(name: &str, service: &Service) -> io::Result<()> {
    match PEERS
        .iter()
        .find(|peer| peer.name == name)
        .map(|peer| peer.origin)
    {
        Some(Origin::Here(_, serve)) => serve(service),
        _ => Err(io::Error::other("no peer of this binary has that name")),
    }
}

/// Returns the version of a crate that this binary was built with.
fn locked_version(package: &str) -> String {
    let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock");
    let lock = std::fs::read_to_string(lock).unwrap_or_default();
    // Of two versions the later one is the one that this package names.
    let version = lock.rsplit_once(&format!("name = \"{package}\"\nversion = \""));
    let version = version.and_then(|(_, after)| after.split('"').next());
    version.unwrap_or("of unknown version").to_owned()
}
