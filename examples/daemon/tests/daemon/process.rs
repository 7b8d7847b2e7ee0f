//! A daemon that a test has started, and its successors.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};
use rustix::process::{Pid, Signal, kill_process};

/// The longest wait for anything before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A daemon. All successors write to the same pipe.
pub(crate) struct Daemon {
    child: Child,
    lines: Receiver<String>,
    /// The lines that were received and not asked for.
    seen: Vec<String>,
    /// The process that serves now.
    pub(crate) process: u32,
}

pub(crate) fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_daemon"))
}

impl Daemon {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self::start_with(command, Stdio::null())
    }

    pub(crate) fn start_with(command: &mut Command, input: Stdio) -> Self {
        let mut child = command.stdin(input).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let process = child.id();
        Self {
            child,
            lines,
            seen: Vec::new(),
            process,
        }
    }

    /// Starts a daemon on a port that the system chooses.
    pub(crate) fn listening(arguments: &[&str]) -> (Self, SocketAddr) {
        let mut daemon = Self::start(program().args(["--listen", "127.0.0.1:0"]).args(arguments));
        let address = daemon.says("listening ").parse().unwrap();
        daemon.is_ready();
        (daemon, address)
    }

    /// Starts a daemon that gets `socket` as its third descriptor.
    pub(crate) fn inheriting(socket: OwnedFd) -> Self {
        let mapping = FdMapping {
            parent_fd: socket,
            child_fd: 3,
        };
        let mut command = program();
        let command = command.env("LISTEN_FDS", "1").fd_mappings(vec![mapping]);
        let mut daemon = Self::start(command.unwrap());
        daemon.is_ready();
        daemon
    }

    /// Waits for the next line that begins with `beginning`, and returns its rest.
    #[track_caller]
    pub(crate) fn says(&mut self, beginning: &str) -> String {
        let is_it = |line: &String| line.starts_with(beginning);
        let line = match self.seen.iter().position(is_it) {
            Some(place) => self.seen.remove(place),
            None => loop {
                let line = self.lines.recv_timeout(PATIENCE);
                let line = line.unwrap_or_else(|_| panic!("it does not say {beginning:?}"));
                if is_it(&line) {
                    break line;
                }
                self.seen.push(line);
            },
        };
        line[beginning.len()..].to_owned()
    }

    /// Waits until the daemon, or its successor, is ready.
    #[track_caller]
    pub(crate) fn is_ready(&mut self) {
        self.process = self.says("ready ").parse().unwrap();
    }

    /// Returns the counts of a shutdown: ended, finished, failed, forced.
    #[track_caller]
    pub(crate) fn report(&mut self) -> [usize; 4] {
        let line = loop {
            if let Some(place) = self.seen.iter().position(|line| line.ends_with(" forced")) {
                break self.seen.remove(place);
            }
            let line = self.lines.recv_timeout(PATIENCE);
            self.seen.push(line.expect("it reports its shutdown"));
        };
        let counts = line
            .split(", ")
            .map(|part| part.split_once(' ').unwrap().0.parse().unwrap());
        counts.collect::<Vec<_>>().try_into().unwrap()
    }

    /// Sends a signal to the process that serves now.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(pid(self.process), signal).unwrap();
    }

    /// Waits for the end of the process that the test has started.
    pub(crate) fn exit(&mut self) -> std::process::ExitStatus {
        let begun = std::time::Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not end");
            a_little_later();
        }
    }
}

/// Waits before the next question, where no event tells of the answer. The caller has a deadline.
#[expect(clippy::disallowed_methods, reason = "the caller has a deadline")]
pub(crate) fn a_little_later() {
    thread::sleep(Duration::from_millis(2));
}

fn pid(number: u32) -> Pid {
    Pid::from_raw(i32::try_from(number).unwrap()).unwrap()
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // A successor is no child of the test: it is killed only if the test failed before it has ended.
        if thread::panicking() && self.process != self.child.id() {
            let _ = kill_process(pid(self.process), Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
