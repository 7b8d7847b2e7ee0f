//! What a message costs, counted instead of timed: user-space instructions by callgrind, system calls by strace.
//!
//! Counts repeat from run to run where times do not, so a change of one per cent can be told from noise. Each server is
//! run twice, with few messages and with many; the difference, divided by the messages, is free of what starting up and
//! connecting cost. From top to bottom: the command line and the table ([`run`]), what is counted ([`subject`]), with
//! what ([`instrument`]), under which load ([`load`]).
//!
//! ```text
//! cargo bench --bench count
//! cargo bench --bench count -- --simulation
//! ```

#[cfg(target_os = "linux")]
mod instrument;
#[cfg(target_os = "linux")]
mod load;
#[cfg(target_os = "linux")]
mod run;
#[cfg(target_os = "linux")]
mod subject;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    run::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("counting needs Linux: strace and the raw epoll floor are of there");
}
