//! The check that `cargo test` runs in place of a comparison: whether the comparison itself can be believed.
//!
//! Every peer of this repository must pass every mode, and a liar must be caught in every mode.

use std::collections::HashMap;
use std::path::Path;

use netloop_benches::cores::cores;

use crate::context::{copy_trap, describe_trap};
use crate::load::broadcast::Broadcast;
use crate::load::bulk::Bulk;
use crate::load::echo::Echo;
use crate::load::{self, Slice, Target, Timing};
use crate::pattern::{MESSAGE, Pattern};
use crate::peers::service::{Mode, Service};
use crate::peers::{Found, LIAR, PEERS};

/// Returns an error that says what is wrong.
pub(crate) fn run() -> Result<(), String> {
    for peer in PEERS.iter().filter(|peer| peer.is_ours()) {
        let found = match peer.find(&HashMap::new(), Path::new("target/versus")) {
            Ok(found) => found,
            Err(reason) => {
                println!("{} is not checked: {reason}", peer.name);
                continue;
            }
        };
        for mode in Mode::ALL.into_iter().filter(|mode| peer.can(*mode)) {
            let (name, word) = (peer.name, mode.word());
            match (serve(&found, mode)?, peer.name == LIAR) {
                (Ok(_), true) => return Err(format!("a liar passes as {word}")),
                (Err(fault), true) => println!("a liar is caught as {word}: {fault}"),
                (Err(fault), false) => return Err(format!("{name} fails as {word}: {fault}")),
                (Ok(slice), false) if slice.operations == 0 || slice.verified_bytes == 0 => {
                    return Err(format!("{name} does nothing as {word}"));
                }
                (Ok(_), false) => {}
            }
        }
    }
    println!("the trap: {}", describe_trap(copy_trap()));
    println!("the comparison can be believed; cargo versus carries it out");
    Ok(())
}

/// Runs one short slice of load on a server of its own: the outer error is ours, the inner one the server's.
fn serve(found: &Found, mode: Mode) -> Result<Result<Slice, String>, String> {
    let core = cores().last().copied().unwrap_or(0);
    let server = found.start(&Service::new(mode, None), core)?;
    let target = Target {
        address: server.address,
        server: &server.processes(),
        cores: &cores()[..1],
        pattern: &Pattern::random(1),
    };
    let timing = Timing::of_milliseconds(10, 40);
    let broadcast = Broadcast {
        members: 8,
        speakers: 3,
    };
    Ok(match mode {
        Mode::Echo => load::run(&Echo::new(1024, 8, 16), &target, timing),
        Mode::Messages => load::run(&Echo::new(MESSAGE, 8, 16), &target, timing),
        Mode::Discard => load::run(&Bulk::Sink(2), &target, timing),
        Mode::Flood => load::run(&Bulk::Source(2), &target, timing),
        Mode::Broadcast => load::run(&broadcast, &target, timing),
    })
}
