//! A server as a process of its own, and the counts of the kernel for it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use netloop_tls::{Authority, Identity};
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_setaffinity};
use rustls::ClientConfig;
use rustls::client::Resumption;

use crate::client;
use crate::loads::Load;
use crate::server::{CERTIFICATE, KEY};

/// The core of the servers, and that of the client. Otherwise the kernel puts some servers on the core of the client, and
/// others not, which halves the number of their sleeps.
const SERVER_CORE: usize = 0;
pub(crate) const CLIENT_CORE: usize = 1;

/// A server that runs.
pub(crate) struct Server {
    child: Child,
    /// The server itself, which is a child of `child` under a tool.
    pid: i32,
    port: u16,
    config: Arc<ClientConfig>,
}

/// The counts of the kernel for one operation of a server.
#[derive(Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) nanoseconds: f64,
    /// The time of the client for it, in seconds.
    pub(crate) elapsed: f64,
    pub(crate) page_faults: f64,
    /// The times that the server has slept, mostly for the next event.
    pub(crate) sleeps: f64,
}

impl Server {
    /// Starts a server by `command`, on a core of its own.
    pub(crate) fn start(mut command: Command, authority: &Authority, identity: &Identity) -> Self {
        let mut child = command
            .env(CERTIFICATE, &identity.certificate_pem)
            .env(KEY, &identity.key_pem)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let output = child.stdout.take().expect("it is piped");
        let mut line = String::new();
        BufReader::new(output)
            .read_line(&mut line)
            .expect("the server announces itself");
        let mut words = line.split_whitespace();
        let mut number = || words.next().expect("two numbers");
        let pid = number().parse().expect("the number of a process");
        let port = number().parse().expect("a port");
        pin(pid, SERVER_CORE);
        let mut config = authority.client();
        config.resumption = Resumption::disabled();
        Self {
            child,
            pid,
            port,
            config: Arc::new(config),
        }
    }

    /// Returns the cost of the server for each of `count` operations.
    pub(crate) fn cost(&self, load: &Load, count: usize) -> Cost {
        let before = self.counts();
        let begin = Instant::now();
        match load.length {
            Some(length) => client::echo(self.port, &self.config, length, count),
            None => client::handshakes(self.port, &self.config, count),
        }
        let elapsed = begin.elapsed().as_secs_f64() / count as f64;
        let after = self.counts();
        let each = |place: usize| (after[place] - before[place]) as f64 / count as f64;
        Cost {
            nanoseconds: each(0),
            elapsed,
            page_faults: each(1),
            sleeps: each(2),
        }
    }

    /// Returns the processor time of all threads in nanoseconds, the page faults, and the sleeps of the first thread.
    fn counts(&self) -> [u64; 3] {
        let place = format!("/proc/{}", self.pid);
        let read = |file: &str| fs::read_to_string(format!("{place}/{file}")).unwrap_or_default();
        let threads = fs::read_dir(format!("{place}/task")).expect("the server runs");
        let time = threads
            .flatten()
            .map(|thread| {
                let text = fs::read_to_string(thread.path().join("schedstat"));
                number(&text.unwrap_or_default(), 0)
            })
            .sum();
        let faults = read("stat")
            .rsplit(')')
            .next()
            .map_or(0, |it| number(it, 7));
        let status = read("status");
        let sleeps = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        [time, faults, sleeps.map_or(0, |it| number(it, 0))]
    }
}

/// Keeps all threads of a process on `core`, unless the machine has no such core.
pub(crate) fn pin(process: i32, core: usize) {
    let mut cores = CpuSet::new();
    cores.set(core);
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter();
    for thread in threads.flatten().flatten() {
        let name = thread.file_name().to_string_lossy().parse();
        let _ = sched_setaffinity(name.ok().and_then(Pid::from_raw), &cores);
    }
}

fn number(text: &str, place: usize) -> u64 {
    let word = text.split_whitespace().nth(place);
    word.and_then(|word| word.parse().ok()).unwrap_or(0)
}

impl Drop for Server {
    fn drop(&mut self) {
        // A tool outlives the server that it watches, and writes its report.
        if let Some(pid) = Pid::from_raw(self.pid) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let _ = self.child.wait();
    }
}
