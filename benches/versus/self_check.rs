//! The check that `cargo test` runs in place of a comparison: whether the comparison itself can be believed.
//!
//! Every peer of this repository must pass every mode, a liar must be caught in every mode, and a silent connection must be
//! closed after its idle timeout and not before.

use std::collections::HashMap;
use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::context::{copy_trap, describe_trap};
use crate::load::broadcast::Broadcast;
use crate::load::bulk::{Sink, Source};
use crate::load::echo::Echo;
use crate::load::{self, Slice, Target, Timing};
use crate::pattern::{MESSAGE, Pattern};
use crate::peers::process::ServerProcess;
use crate::peers::service::{Mode, Service};
use crate::peers::{LIAR, PEERS, Peer};
use crate::system;

const IDLE_TIMEOUT: Duration = Duration::from_secs(1);

/// Returns an error that says what is wrong.
pub(crate) fn run() -> Result<(), String> {
    for peer in PEERS.iter().filter(|peer| peer.is_ours()) {
        if let Err(reason) = peer.find(&HashMap::new(), Path::new("target/versus")) {
            println!("{} is not checked: {reason}", peer.name);
            continue;
        }
        for mode in Mode::ALL.into_iter().filter(|mode| peer.can(*mode)) {
            let (name, word) = (peer.name, mode.word());
            match (serve(peer, mode)?, peer.name == LIAR) {
                (Ok(_), true) => return Err(format!("a liar passes as {word}")),
                (Err(fault), true) => println!("a liar is caught as {word}: {fault}"),
                (Err(fault), false) => return Err(format!("{name} fails as {word}: {fault}")),
                (Ok(slice), false) if slice.operations == 0 || slice.verified_bytes == 0 => {
                    return Err(format!("{name} does nothing as {word}"));
                }
                (Ok(_), false) => {}
            }
        }
        if peer.name != LIAR {
            check_idle_timeout(peer)?;
        }
    }
    println!("the trap: {}", describe_trap(copy_trap()));
    println!("the comparison can be believed; cargo versus carries it out");
    Ok(())
}

fn start(peer: &'static Peer, service: &Service) -> Result<ServerProcess, String> {
    let found = peer.find(&HashMap::new(), Path::new("target/versus"))?;
    found.start(service, system::cores().last().copied().unwrap_or(0))
}

/// Runs one short slice of load on a server of its own: the outer error is ours, the inner one the server's.
fn serve(peer: &'static Peer, mode: Mode) -> Result<Result<Slice, String>, String> {
    let server = start(peer, &Service::new(mode, None))?;
    let target = Target {
        address: server.address,
        server: &server.processes(),
        cores: &system::cores()[..1],
        pattern: &Pattern::random(1),
    };
    let timing = Timing {
        warm_up: Duration::from_millis(10),
        measured: Duration::from_millis(40),
    };
    let echo = |size| Echo {
        size,
        connections: 8,
        pipelining: 16,
    };
    let broadcast = Broadcast {
        members: 8,
        speakers: 3,
    };
    Ok(match mode {
        Mode::Echo => load::run(&echo(1024), &target, timing),
        Mode::Messages => load::run(&echo(MESSAGE), &target, timing),
        Mode::Discard => load::run(&Sink { connections: 2 }, &target, timing),
        Mode::Flood => load::run(&Source { connections: 2 }, &target, timing),
        Mode::Broadcast => load::run(&broadcast, &target, timing),
    })
}

/// A connection on which nothing happens must end, and not before its time.
fn check_idle_timeout(peer: &'static Peer) -> Result<(), String> {
    // This one has a timeout of its own.
    if peer.name == "netloop_idle" {
        return Ok(());
    }
    let name = peer.name;
    let server = start(peer, &Service::new(Mode::Echo, Some(IDLE_TIMEOUT)))?;
    let began = Instant::now();
    let read = || {
        let mut stream = TcpStream::connect(server.address)?;
        stream.set_read_timeout(Some(IDLE_TIMEOUT * 5))?;
        loop {
            match stream.read(&mut [0]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                end => return end,
            }
        }
    };
    // An end of stream and a reset both close a connection.
    match read() {
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            Err(format!("{name} never closes an idle connection"))
        }
        end if began.elapsed() + Duration::from_millis(5) < IDLE_TIMEOUT => Err(format!(
            "{name} closes an idle connection too early: {end:?}"
        )),
        _ => Ok(()),
    }
}
