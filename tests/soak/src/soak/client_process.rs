//! The process that connects: it is started with the addresses of the servers, and prints its counts.

use std::env;
use std::io::{Read, stdin};
use std::net::SocketAddr;
use std::process::{Command, Stdio, exit};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use crate::traffic::{Remains, Tally};

use super::{Counts, Options};

/// Starts the process with the addresses that the servers tell, and returns its counts when it has ended.
pub(super) fn run(options: &Options, told: &[Receiver<Vec<SocketAddr>>]) -> Result<Counts, String> {
    let mut servers = Vec::new();
    for told in told {
        let addresses = told.recv().map_err(|_| "a server does not listen")?;
        servers.extend(addresses.iter().map(ToString::to_string));
    }
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let mut child = Command::new(program)
        .arg("soak")
        .arg(format!("--seconds={}", options.seconds))
        .arg(format!("--connections={}", options.connections))
        .arg(format!("--seed={}", options.seed))
        .arg(format!("--budget-ms={}", options.budget_ms))
        .args((!options.has_faults).then_some("--no-faults"))
        .args(servers)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let _kept_open = child.stdin.take();
    let output = child.wait_with_output();
    let output = output.map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    read(&text).ok_or_else(|| format!("the client printed: {text}"))
}

/// Ends this process when the one that started it is gone.
pub(super) fn end_with_the_parent() {
    let (ready, is_ready) = mpsc::channel();
    thread::spawn(move || {
        // The buffer of the input is allocated before the heap is measured.
        let input = stdin();
        let _ = ready.send(());
        drop(ready);
        // The server keeps its end of the pipe open as long as it lives, and writes nothing.
        let _ = input.lock().read(&mut [0]);
        exit(1);
    });
    // The thread sends, or is gone.
    let _ = is_ready.recv();
}

/// Prints the counts of this process.
pub(super) fn tell(counts: &Counts) {
    for tally in &counts.loops {
        println!("{tally}");
    }
    let Remains {
        descriptors_left,
        descriptors_lost,
        heap_kept,
        heap_lost,
    } = counts.remains;
    println!("{descriptors_left} {descriptors_lost} {heap_kept} {heap_lost}");
}

fn read(text: &str) -> Option<Counts> {
    let lines: Vec<&str> = text.lines().collect();
    let (last, loops) = lines.split_last()?;
    let numbers: Vec<u64> = last
        .split(' ')
        .map_while(|number| number.parse().ok())
        .collect();
    let &[descriptors_left, descriptors_lost, heap_kept, heap_lost] = &numbers[..] else {
        return None;
    };
    Some(Counts {
        loops: loops
            .iter()
            .map(|line| Tally::parse(line))
            .collect::<Option<_>>()?,
        remains: Remains {
            descriptors_left,
            descriptors_lost,
            heap_kept,
            heap_lost,
        },
    })
}
