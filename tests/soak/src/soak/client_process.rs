//! The process that connects: it is started with the addresses of the servers, and prints its counts.

use std::net::SocketAddr;
use std::sync::mpsc::Receiver;

use crate::child_process;
use crate::traffic::{Remains, Tally};

use super::{Counts, Options};

/// Starts the process with the addresses that the servers tell, and returns its counts when it has ended.
pub(super) fn run(options: &Options, told: &[Receiver<Vec<SocketAddr>>]) -> Result<Counts, String> {
    let mut arguments = vec![
        "soak".to_owned(),
        format!("--seconds={}", options.seconds),
        format!("--connections={}", options.connections),
        format!("--seed={}", options.seed),
        format!("--budget-ms={}", options.budget_ms),
    ];
    if !options.has_faults {
        arguments.push("--no-faults".to_owned());
    }
    for told in told {
        let addresses = told.recv().map_err(|_| "a server does not listen")?;
        arguments.extend(addresses.iter().map(ToString::to_string));
    }
    let text = child_process::output(arguments)?;
    read(&text).ok_or_else(|| format!("the client printed: {text}"))
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
