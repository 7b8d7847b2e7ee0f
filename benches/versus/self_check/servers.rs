//! Whether a server is measured as what it is: one that accepts late, one behind a wrapper, one that is somebody else.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{TIMING, start};
use crate::load::broadcast::Broadcast;
use crate::load::echo::Echo;
use crate::load::{Slice, Target, Timing};
use crate::pattern::{MESSAGE, Pattern};
use crate::peers::family::Family;
use crate::peers::process::ServerProcess;
use crate::peers::roster::{DESCRIPTORS, FLOOR};
use crate::peers::service::Mode;
use crate::say::say;
use crate::seat::unaccounted;
use crate::system;
use crate::workload::Kind;

const ECHO: Echo = Echo {
    size: MESSAGE,
    connections: 16,
    pipelining: 1,
};
/// Longer than a generator might wait for everybody without asking.
const LATE: Duration = Duration::from_millis(300);

pub(super) fn check() -> Result<(), String> {
    two_threads_keep_one_rate()?;
    a_wrapper_hides_nothing()?;
    somebody_else_is_noticed()?;
    a_late_server_is_waited_for()
}

/// Runs one slice on the server of a family, with two threads of the generator if the load has work for two.
fn run(
    server: &ServerProcess,
    family: &Family,
    kind: Kind,
    rate: Option<f64>,
) -> Result<Slice, String> {
    let core = system::cores()[0];
    let target = Target {
        address: server.address,
        server: family,
        cores: &[core, core],
        pattern: &Pattern::seeded(1),
    };
    let timing = Timing {
        measured: TIMING.measured * 5,
        ..TIMING
    };
    kind.run(&target, timing, rate)
}

fn floor() -> Result<ServerProcess, String> {
    let floor = DESCRIPTORS
        .iter()
        .find(|descriptor| descriptor.name == FLOOR);
    start(floor.ok_or("there is no floor")?, Mode::Echo, None)
}

/// The rate that is kept is that of all threads, and not that of one.
fn two_threads_keep_one_rate() -> Result<(), String> {
    const RATE: f64 = 2000.0;
    let server = floor()?;
    let kind = Kind::Paced {
        echo: ECHO,
        percent: 50,
    };
    let slice = run(&server, &server.family(), kind, Some(RATE))?;
    let intended = slice.intended_rate.unwrap_or(0.0);
    if slice.client_threads != 2 || (intended - RATE).abs() > 0.01 || slice.rate() > RATE * 1.5 {
        return Err(format!(
            "{} threads meant to send {intended} messages a second, and {} were answered, where {RATE} were due",
            slice.client_threads,
            slice.rate()
        ));
    }
    Ok(())
}

/// A shell that waits for the server uses no CPU time; its child does.
fn a_wrapper_hides_nothing() -> Result<(), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new("sh");
    command
        .args(["-c", "\"$0\" --serve raw_epoll 0 echo; :"])
        .arg(program);
    let core = system::cores().last().copied().unwrap_or(0);
    let server = ServerProcess::spawn(command, core)?;
    let family = server.family();
    let slice = run(&server, &family, Kind::Echo(ECHO), None)?;
    if slice.cpu_per_operation_ns() < 300.0 || family.memory().peak < 2_000_000 {
        return Err(format!(
            "a server behind a wrapper looks like one that uses {:.0} ns and {} bytes",
            slice.cpu_per_operation_ns(),
            family.memory().peak
        ));
    }
    Ok(())
}

/// What cannot be measured must not be shown as costing nothing.
fn somebody_else_is_noticed() -> Result<(), String> {
    let (server, other) = (floor()?, floor()?);
    let slice = run(&server, &other.family(), Kind::Echo(ECHO), None)?;
    let fault = unaccounted(&[slice]).ok_or("a server that uses no CPU time passes")?;
    say(&format!("a server elsewhere is caught: {fault}"));
    Ok(())
}

/// A room that is right and takes its time.
fn a_late_server_is_waited_for() -> Result<(), String> {
    let failed = |error: std::io::Error| format!("a late server: {error}");
    let listener = TcpListener::bind("127.0.0.1:0").map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let room = Broadcast {
        members: 8,
        speakers: 3,
    };
    let target = Target {
        address,
        server: &Family::of(std::process::id()),
        cores: &system::cores()[..1],
        pattern: &Pattern::seeded(1),
    };
    // It ends when its guests have left.
    std::thread::spawn(move || accept_late(&listener, room.members));
    Kind::Broadcast(room)
        .run(&target, TIMING, None)
        .map(drop)
        .map_err(|fault| format!("a server that accepts late is void: {fault}"))
}

fn accept_late(listener: &TcpListener, count: usize) {
    let members: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
    for number in 0..count {
        let Ok((mut stream, _)) = listener.accept() else {
            return;
        };
        let members = Arc::clone(&members);
        let Ok(own) = stream.try_clone() else { return };
        if let Ok(mut members) = members.lock() {
            members.push(own);
        }
        std::thread::spawn(move || {
            let mut words = [0; 4096];
            while let Ok(length @ 1..) = stream.read(&mut words) {
                let Ok(mut members) = members.lock() else {
                    return;
                };
                for (member, other) in members.iter_mut().enumerate() {
                    // Whoever has left hears nothing.
                    if member != number {
                        let _ = other.write_all(&words[..length]);
                    }
                }
            }
        });
        // The half of the members have to wait.
        if number == count / 2 {
            std::thread::sleep(LATE);
        }
    }
}
