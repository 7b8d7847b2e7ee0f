//! The peers: the list of them, how each is found on this machine, and how it is started.

mod compio_tasks;
mod foreign;
mod liar;
mod mio_loop;
mod raw_epoll;
pub(crate) mod service;
mod session;
mod sessions;
mod tokio;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use netloop_benches::bars::{FLOOR, SUBJECT};
use netloop_benches::build;
use netloop_benches::cores::on_core;
use netloop_benches::process::Server;
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
    arguments: Words,
}

type Serve = fn(&Service) -> io::Result<()>;
type Words = &'static [&'static str];

/// The place that a peer comes from.
#[derive(Clone, Copy)]
enum Origin {
    /// `examples/serve`, which is built as a user would build it.
    Example,
    /// The serve example of another commit, which the user names with `--program`.
    Given,
    /// This binary, started again with `--serve`: a server on a crate.
    Here(&'static str, Serve),
    /// A JavaScript runtime with the script, and its arguments before the script.
    Script(&'static str, Words),
    /// libuv, compiled from the C source in the crate `libuv-sys2`.
    Libuv,
}

/// A peer that is on this machine.
#[derive(Clone)]
pub(crate) struct Found {
    pub(crate) peer: &'static Peer,
    pub(crate) version: String,
    command: Vec<PathBuf>,
}

const NO_BROADCAST: &[Mode] = &[Mode::Echo, Mode::Messages, Mode::Discard, Mode::Flood];

const fn peer(name: &'static str, origin: Origin) -> Peer {
    Peer {
        name,
        describes: "",
        origin,
        modes: &Mode::ALL,
        by_default: true,
        arguments: &[],
    }
}

const fn here(name: &'static str, built_on: &'static str, serve: Serve) -> Peer {
    peer(name, Origin::Here(built_on, serve))
}

const fn script(name: &'static str, runtime: &'static str, before: Words) -> Peer {
    peer(name, Origin::Script(runtime, before))
}

impl Peer {
    const fn says(mut self, describes: &'static str) -> Self {
        self.describes = describes;
        self
    }

    const fn with(mut self, arguments: Words) -> Self {
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
    peer(SUBJECT, Origin::Example).says("this library: examples/serve"),
    peer("netloop_idle", Origin::Example)
        .says("with an idle timeout of 30 s on each socket")
        .with(&["--idle-timeout", "30"])
        .when_named(),
    peer("netloop_busy", Origin::Example)
        .says("polling for 100 µs before it sleeps")
        .with(&["--busy-poll", "100"])
        .when_named(),
    peer("netloop_before", Origin::Given)
        .says("the serve example of another commit")
        .when_named(),
    here(FLOOR, "rustix", raw_epoll::serve)
        .says("the floor: an edge-triggered epoll loop by hand, one shared 128 KiB read buffer"),
    here("mio", "mio", mio_loop::serve).says("the same loop by hand"),
    here("tokio", "tokio", tokio::serve_idiomatically)
        .says("current_thread, idiomatic: a task and a 16 KiB buffer per connection")
        .only_in(NO_BROADCAST),
    here("tokio_tuned", "tokio", tokio::serve_tuned)
        .says("current_thread, tuned: all tasks read into one shared 128 KiB buffer")
        .only_in(&[Mode::Echo]),
    here("compio", "compio", compio_tasks::serve)
        .says("io_uring, idiomatic: a task and a 16 KiB buffer per connection")
        .only_in(NO_BROADCAST),
    peer("libuv", Origin::Libuv)
        .says("in C: one read buffer, try_write from the read callback, queued writes for the rest")
        .only_in(&[Mode::Echo, Mode::Discard, Mode::Flood]),
    script("node", "node", &[]).says("net, idiomatic: on('data') and write, pause and drain"),
    script("node_tuned", "node", &[])
        .says("net, tuned: onread into a reused buffer, corked broadcasts")
        .with(&["--tuned"])
        .only_in(&[Mode::Echo, Mode::Broadcast]),
    script("bun", "bun", &[]).says("the idiomatic script of node"),
    script("deno", "deno", &["run", "--allow-net"]).says("the idiomatic script of node"),
    here(LIAR, "rustix", liar::serve)
        .says("wrong in every mode, to be caught")
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
        let given = programs.get(self.name);
        let mut words = Vec::new();
        let (version, program) = match (self.origin, given) {
            (Origin::Script(runtime, before), given) => {
                words.extend(before.iter().copied().chain([foreign::SCRIPT]));
                foreign::runtime(runtime, given, output)?
            }
            (_, Some(program)) => ("given".to_owned(), program.clone()),
            (Origin::Example, None) => (locked_version(SUBJECT), build::serve_example()?),
            (Origin::Given, None) => return Err("there is no --program for it".to_owned()),
            (Origin::Libuv, None) => build::libuv(foreign::LIBUV_PEER, output)?,
            (Origin::Here(built_on, _), None) => {
                if let (true, Some(reason)) = (self.name == "compio", compio_tasks::refusal()) {
                    return Err(reason);
                }
                words.extend(["--serve", self.name]);
                (locked_version(built_on), build::this_program()?)
            }
        };
        let words = words.into_iter().map(PathBuf::from);
        Ok(Found {
            peer: self,
            version,
            command: [program].into_iter().chain(words).collect(),
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
    /// Returns the words of its command line.
    pub(crate) fn words(&self, service: &Service) -> impl Iterator<Item = PathBuf> {
        let arguments = self.peer.arguments.iter().map(PathBuf::from);
        let service = service.arguments().into_iter().map(PathBuf::from);
        self.command.iter().cloned().chain(service).chain(arguments)
    }

    pub(crate) fn start(&self, service: &Service, core: usize) -> Result<Server, String> {
        let mut words = self.words(service);
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).stderr(Stdio::null());
        // It is killed when the thread that starts it ends: the main thread.
        on_core(core, || Server::start(&mut command))
    }
}

/// Runs a peer that is part of this binary; returns only on failure.
pub(crate) fn serve_here(name: &str, service: &Service) -> io::Result<()> {
    let peer = PEERS.iter().find(|peer| peer.name == name);
    match peer.map(|peer| peer.origin) {
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
