//! What an operation costs, counted instead of timed: user-space instructions by callgrind, system calls by strace.
//!
//! Counts repeat from run to run where times do not, so a change of one per cent can be told from noise. Each server is
//! run twice, with few rounds and with many; the difference, divided by the operations, is free of what starting up and
//! connecting cost. From top to bottom: the command line ([`run`]), the tables and the bars ([`table`]), who is counted
//! ([`subject`]), doing what ([`case`]), with what ([`instrument`], [`counts`]), under which load ([`load`]).
//!
//! ```text
//! cargo count
//! cargo count --case echo,visits
//! cargo count --simulation
//! ```

#[cfg(target_os = "linux")]
mod case;
#[cfg(target_os = "linux")]
mod counts;
#[cfg(target_os = "linux")]
mod instrument;
#[cfg(target_os = "linux")]
mod load;
#[cfg(target_os = "linux")]
mod run;
#[cfg(target_os = "linux")]
mod subject;
#[cfg(target_os = "linux")]
mod table;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    run::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("counting needs Linux: strace and the raw epoll floor are of there");
}
