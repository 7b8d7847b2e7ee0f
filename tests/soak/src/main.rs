//! netloop on its worst day, as three programs that end by themselves and print a table.
//!
//! ```text
//! cargo soak                      a minute: 10,000 connections that misbehave, in two processes, every byte compared
//! cargo soak --seconds 3600       an hour
//! cargo hostile                   a minute: a server among hostile peers, and its guests that behave well
//! cargo storms                    seconds: 9,000 resets, as many closes, and 100,000 timers at once
//! ```
//!
//! `--real-time` puts a program ahead of all others of the machine. A run fails with exit code 1 if a bound of the table does
//! not hold. All addresses are in 127.0.0.0/8.
#![forbid(unsafe_code)]

mod child_process;
mod hostile;
mod soak;
mod storms;
mod table;
mod traffic;

use std::alloc::System;
use std::error::Error;
use std::process::ExitCode;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

/// The argument that asks for real-time priority, which needs chrt(1) and the permission. Without it, waits for the
/// processor of a loaded machine would pass for the library's.
#[cfg(unix)]
const REAL_TIME: &str = "--real-time";

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Returns the bytes of heap that are in use.
fn heap() -> u64 {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated as u64 - stats.bytes_deallocated as u64
}

/// Lets this process have as many descriptors as the system allows.
fn raise_open_file_limit() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let limit = getrlimit(Resource::Nofile);
        let raised = Rlimit {
            current: limit.maximum,
            ..limit
        };
        // Where it is refused, the run says that the connections are too few.
        let _ = setrlimit(Resource::Nofile, raised);
    }
}

/// Starts this program again ahead of all others of the machine, if it was asked to be. It returns where that is refused.
#[cfg(unix)]
fn maybe_go_ahead() {
    use std::os::unix::process::CommandExt;

    let mut arguments: Vec<_> = std::env::args_os().collect();
    let count = arguments.len();
    arguments.retain(|argument| argument != REAL_TIME);
    if arguments.len() < count {
        let mut program = std::process::Command::new("chrt");
        let error = program.args(["--rr", "5"]).args(arguments).exec();
        eprintln!("not ahead of other programs: {error}");
    }
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    #[cfg(unix)]
    maybe_go_ahead();
    let mut parser = lexopt::Parser::from_env();
    let Some(program) = parser.next()? else {
        return Err("which one: soak, hostile or storms".into());
    };
    let holds = match program {
        lexopt::Arg::Value(name) if name == "soak" => soak::run(parser)?,
        lexopt::Arg::Value(name) if name == "storms" => storms::run()?,
        lexopt::Arg::Value(name) if name == "hostile" => hostile::run(parser)?,
        _ => return Err(program.unexpected().into()),
    };
    Ok(match holds {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
