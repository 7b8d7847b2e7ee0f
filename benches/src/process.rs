//! A server: a process of its own, dead when this value is dropped, and its costs as they are seen from outside.

use std::fmt::Display;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A server that takes longer to begin listening, or to end, is broken.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that runs.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// The address at which it listens.
    pub address: SocketAddr,
}

impl Server {
    /// Starts a program that prints `listening ADDRESS`, and waits until it does.
    pub fn start(command: &mut Command) -> Result<Self, String> {
        let mut child = spawn(command.stdout(Stdio::piped()))?;
        let output = child.stdout.take().ok_or("it has no output")?;
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Self { child, address };
        let (send, receive) = mpsc::channel();
        thread::spawn(move || {
            // The reader stays open until the server is gone: a server that prints must not die of a broken pipe.
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Some(address) = line.trim().strip_prefix("listening ") {
                    // The other end may have stopped waiting.
                    let _ = send.send(address.parse::<SocketAddr>());
                }
            }
        });
        let listening = receive.recv_timeout(PATIENCE);
        let address = listening.map_err(|error| format!("does not listen: {error}"))?;
        server.address = address.map_err(|error| format!("a strange address: {error}"))?;
        Ok(server)
    }

    /// Starts a program that was told to listen at `address`, and waits until it does.
    pub fn start_at(address: SocketAddr, command: &mut Command) -> Result<Self, String> {
        let child = spawn(command.stdout(Stdio::null()))?;
        let server = Self { child, address };
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            if Instant::now() > until {
                return Err("did not listen within 60 s".into());
            }
            thread::yield_now();
        }
        Ok(server)
    }

    /// Returns the process that was started and all its descendants. A shell script starts a runtime as its child, and
    /// the shell alone would look like a server that costs nothing.
    pub fn processes(&self) -> Processes {
        let mut processes = vec![self.child.id()];
        let mut next = 0;
        while let Some(&parent) = processes.get(next) {
            for thread in threads(parent) {
                let path = format!("/proc/{parent}/task/{thread}/children");
                let children = fs::read_to_string(path).unwrap_or_default();
                let children = children.split_whitespace();
                processes.extend(children.filter_map(|id| id.parse::<u32>().ok()));
            }
            next += 1;
        }
        Processes(processes)
    }

    /// Returns the server itself where it was started under a tool, whose child it is.
    pub fn behind_tools(&self) -> Processes {
        let last = self.processes().0.into_iter().next_back();
        Processes(last.into_iter().collect())
    }

    /// Asks the server to end, and waits for the tool that it was started under: both write down what they have counted. TERM,
    /// because a process that was started in the background of a script may ignore INT.
    pub fn end(mut self) -> io::Result<()> {
        self.behind_tools().signal(Signal::TERM);
        let until = Instant::now() + PATIENCE;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > until {
                return Err(io::Error::other("the server would not end"));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.processes().signal(Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

/// The processes of one server. Invariant: the first one is the one that was started.
#[derive(Clone, Debug)]
pub struct Processes(Vec<u32>);

impl Processes {
    /// Returns the CPU time, user and system, of all threads of all processes, of ended threads too. A process that has ended
    /// meanwhile does nothing more.
    pub fn cpu(&self) -> Duration {
        self.0.iter().filter_map(|process| cpu(*process).ok()).sum()
    }

    /// Returns the resident memory of all processes.
    pub fn resident_memory(&self) -> u64 {
        self.0.iter().map(|it| status(it, "VmRSS:") * 1024).sum()
    }

    /// Returns the sum of the highest resident memory of each process.
    pub fn peak_memory(&self) -> u64 {
        self.0.iter().map(|it| status(it, "VmHWM:") * 1024).sum()
    }

    /// Returns how often the threads have gone to sleep by themselves, which is how often an event woke them.
    pub fn wake_ups(&self) -> u64 {
        let of = |process: u32| threads(process).into_iter().map(move |id| (process, id));
        let wake_ups = |(process, thread)| {
            let task = format!("{process}/task/{thread}");
            status(task, "voluntary_ctxt_switches:")
        };
        self.0.iter().copied().flat_map(of).map(wake_ups).sum()
    }

    /// Returns the page faults for which nothing had to be read.
    pub fn page_faults(&self) -> u64 {
        let faults = |process: &u32| fields_of_stat(*process).get(7)?.parse::<u64>().ok();
        self.0.iter().filter_map(faults).sum()
    }

    /// Holds the processes, and waits until they are held.
    pub fn hold(&self) -> io::Result<()> {
        self.signal(Signal::STOP);
        let is_held = |process: &u32| fields_of_stat(*process)[0].eq_ignore_ascii_case("t");
        let until = Instant::now() + PATIENCE;
        while !self.0.iter().all(is_held) {
            if Instant::now() > until {
                return Err(io::Error::other("the server cannot be held"));
            }
            thread::yield_now();
        }
        Ok(())
    }

    /// Lets held processes go on.
    pub fn let_go(&self) {
        self.signal(Signal::CONT);
    }

    /// Sends a signal. A process that is gone already needs none.
    fn signal(&self, signal: Signal) {
        for process in &self.0 {
            let process = i32::try_from(*process).ok().and_then(Pid::from_raw);
            let _ = process.map(|process| kill_process(process, signal));
        }
    }
}

/// Returns the CPU time of all threads of a process, of ended threads too.
pub fn cpu(process: u32) -> io::Result<Duration> {
    let process = i32::try_from(process).map_err(io::Error::other)?;
    let clock = nix::time::clock_getcpuclockid(nix::unistd::Pid::from_raw(process))?;
    Ok(clock.now()?.into())
}

fn spawn(command: &mut Command) -> Result<Child, String> {
    let child = command.stdin(Stdio::null()).spawn();
    child.map_err(|error| format!("cannot be started: {error}"))
}

fn threads(process: u32) -> Vec<u32> {
    let entries = fs::read_dir(format!("/proc/{process}/task"));
    let id = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    let entries = entries.into_iter().flatten();
    entries.filter_map(|entry| id(entry.ok()?)).collect()
}

/// Returns a number of a status file.
fn status(of: impl Display, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{of}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.unwrap_or(0)
}

/// Returns the fields of the file `stat` from the state on, which is behind the name in brackets.
fn fields_of_stat(process: u32) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields = text.rsplit(") ").next().unwrap_or_default();
    fields.split(' ').map(str::to_owned).collect()
}
