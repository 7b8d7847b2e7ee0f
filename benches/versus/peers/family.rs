//! The processes of a server, seen from outside: the one that was started, and all that descend from it.
//!
//! Who starts a runtime through a shell script that does not `exec` starts a shell, and the server is its child. To
//! look at the shell alone would show a server that costs nothing.

use std::fs;
use std::io;
use std::time::{Duration, Instant};

use crate::system;

/// Invariant: the first one is the one that was started.
#[derive(Clone, Debug)]
pub(crate) struct Family {
    processes: Vec<u32>,
    /// The core that they share, if they are confined to one.
    core: Option<u32>,
}

/// Memory of all processes together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    pub(crate) resident: u64,
    /// The sum of what each had at its highest.
    pub(crate) peak: u64,
}

/// What a server had used and waited for at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reading {
    pub(crate) cpu: Duration,
    at: Option<Instant>,
    /// What the core has been idle, in steps of 10 ms.
    idle: Option<Duration>,
    /// What all threads have run.
    ran: Duration,
    /// Of the main thread of each process.
    main_threads: Vec<Schedule>,
}

/// What the scheduler knows of a thread.
#[derive(Clone, Copy, Debug, Default)]
struct Schedule {
    ran: Duration,
    /// Ready to run, while something else had the core.
    waited: Duration,
}

impl Family {
    /// Whoever descends from `process` at this moment.
    pub(crate) fn of(process: u32) -> Self {
        let mut processes = vec![process];
        let mut next = 0;
        while let Some(&parent) = processes.get(next) {
            for thread in threads(parent) {
                let path = format!("/proc/{parent}/task/{thread}/children");
                let children = fs::read_to_string(path).unwrap_or_default();
                processes.extend(children.split_whitespace().filter_map(parse));
            }
            next += 1;
        }
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let core = text_field(&status, "Cpus_allowed_list:").and_then(parse);
        Self { processes, core }
    }

    /// The CPU time of all threads of all processes; an error if the one that was started is gone.
    pub(crate) fn cpu(&self) -> io::Result<Duration> {
        let founder = system::process_cpu(self.processes[0])?;
        let others = self.processes[1..].iter();
        // Whoever has ended meanwhile does nothing more.
        let others = others.filter_map(|process| system::process_cpu(*process).ok());
        Ok(others.fold(founder, |sum, cpu| sum + cpu))
    }

    pub(crate) fn memory(&self) -> Memory {
        let mut memory = Memory::default();
        for process in &self.processes {
            let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
            memory.resident += field(&status, "VmRSS:") * 1024;
            memory.peak += field(&status, "VmHWM:") * 1024;
        }
        memory
    }

    /// How often the threads have gone to sleep by themselves, which is how often something woke them.
    pub(crate) fn wake_ups(&self) -> u64 {
        let thread_wake_ups = |(process, thread): (u32, u32)| {
            let path = format!("/proc/{process}/task/{thread}/status");
            let status = fs::read_to_string(path).unwrap_or_default();
            field(&status, "voluntary_ctxt_switches:")
        };
        self.all_threads().map(thread_wake_ups).sum()
    }

    /// The CPU clocks come first, so that two readings are as far apart as the moments at which they were asked for.
    pub(crate) fn read(&self) -> Reading {
        let mut reading = Reading {
            cpu: self.cpu().unwrap_or_default(),
            at: Some(Instant::now()),
            idle: self.core.and_then(idle),
            ..Reading::default()
        };
        for (process, thread) in self.all_threads() {
            let schedule = schedule(&format!("/proc/{process}/task/{thread}/schedstat"));
            reading.ran += schedule.ran;
            if process == thread {
                reading.main_threads.push(schedule);
            }
        }
        reading
    }

    fn all_threads(&self) -> impl Iterator<Item = (u32, u32)> {
        let of = |process: u32| threads(process).into_iter().map(move |id| (process, id));
        self.processes.iter().copied().flat_map(of)
    }
}

impl Reading {
    /// How long a main thread was ready to run while a program that is not the server's own had its core.
    ///
    /// A main thread also waits while the collector or the compiler of its own runtime has the core, since all threads
    /// of a server share one. That is a part of what the server costs, and no disturbance. So a wait counts as far as
    /// the server's other threads cannot have caused it, or as far as others are known to have had the core.
    pub(crate) fn disturbed_since(&self, earlier: &Self) -> Duration {
        let ran = self.ran.saturating_sub(earlier.ran);
        let foreign = self.foreign_since(earlier).unwrap_or_default();
        let mains = self.main_threads.iter().zip(&earlier.main_threads);
        let disturbed = mains.map(|(now, then)| {
            let waited = now.waited.saturating_sub(then.waited);
            let own = ran.saturating_sub(now.ran.saturating_sub(then.ran));
            waited.saturating_sub(own).max(foreign).min(waited)
        });
        disturbed.max().unwrap_or_default()
    }

    /// How long the core was busy with something else than the server.
    fn foreign_since(&self, earlier: &Self) -> Option<Duration> {
        let elapsed = self.at?.duration_since(earlier.at?);
        let idle = self.idle?.saturating_sub(earlier.idle?);
        let own = self.cpu.saturating_sub(earlier.cpu);
        Some(elapsed.saturating_sub(idle).saturating_sub(own))
    }
}

/// What a core has been idle since the machine began.
fn idle(core: u32) -> Option<Duration> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    let line = text_field(&text, &format!("cpu{core} "))?;
    // User, nice, system; then idle, and idle while waiting for a disk. The kernel counts hundredths to all programs.
    let hundredths = line.split_whitespace().skip(3).take(2);
    let sum: u64 = hundredths
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Some(Duration::from_millis(10 * sum))
}

/// How long the calling thread was ready to run while something else had its core.
pub(crate) fn own_thread_waited() -> Duration {
    schedule("/proc/thread-self/schedstat").waited
}

fn schedule(path: &str) -> Schedule {
    let text = fs::read_to_string(path).unwrap_or_default();
    let mut fields = text.split_whitespace().map(|field| field.parse().ok());
    let mut next = || Duration::from_nanos(fields.next().flatten().unwrap_or(0));
    Schedule {
        ran: next(),
        waited: next(),
    }
}

fn threads(process: u32) -> Vec<u32> {
    let entries = fs::read_dir(format!("/proc/{process}/task")).into_iter();
    entries
        .flatten()
        .filter_map(|entry| parse(entry.ok()?.file_name().to_str()?))
        .collect()
}

fn parse(id: &str) -> Option<u32> {
    id.parse().ok()
}

/// The number behind a key of a status file.
fn field(status: &str, key: &str) -> u64 {
    text_field(status, key)
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

fn text_field<'a>(status: &'a str, key: &str) -> Option<&'a str> {
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    line.map(str::trim)
}
