//! The comparison: the same work for netloop and for what else there is, side by side, on this machine.
//!
//! `cargo versus --help` says what can be asked for. From top to bottom: the command line
//! ([`options`], [`selection`]), who is compared ([`peers`]), what is measured ([`workload`], listed in [`catalogue`],
//! carried by [`load`]), for how long ([`warm_up`], [`plan`], [`costs`], [`fit`]) and in which order ([`rounds`],
//! [`seat`]), with what certainty ([`statistics`], [`summary`]), what was promised ([`bars`]), and how it is told
//! ([`report`]).

#[cfg(target_os = "linux")]
mod ask;
#[cfg(target_os = "linux")]
mod bars;
#[cfg(target_os = "linux")]
mod built;
#[cfg(target_os = "linux")]
mod catalogue;
#[cfg(target_os = "linux")]
mod context;
#[cfg(target_os = "linux")]
mod costs;
#[cfg(target_os = "linux")]
mod fit;
#[cfg(target_os = "linux")]
mod load;
#[cfg(target_os = "linux")]
mod options;
#[cfg(target_os = "linux")]
mod pattern;
#[cfg(target_os = "linux")]
mod peers;
#[cfg(target_os = "linux")]
mod plan;
#[cfg(target_os = "linux")]
mod report;
#[cfg(target_os = "linux")]
mod rounds;
#[cfg(target_os = "linux")]
mod run;
#[cfg(target_os = "linux")]
mod say;
#[cfg(target_os = "linux")]
mod seat;
#[cfg(target_os = "linux")]
mod selection;
#[cfg(target_os = "linux")]
mod self_check;
#[cfg(target_os = "linux")]
mod statistics;
#[cfg(target_os = "linux")]
mod summary;
#[cfg(target_os = "linux")]
mod system;
#[cfg(target_os = "linux")]
mod warm_up;
#[cfg(target_os = "linux")]
mod workload;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    run::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!(
        "the comparison needs Linux: its floor and its load generator stand on epoll, its CPU times on /proc"
    );
}
