//! The comparison: the same work for netloop and for other servers, side by side, on this machine.
//!
//! `cargo versus --help` names the options. From top to bottom: the command line ([`options`]), one run ([`run`]), the
//! peers ([`peers`]), the workloads ([`workload`], carried by [`load`]), the order of measurement ([`rounds`]), and the
//! results ([`report`]). The same peers are counted in place of timed by `cargo count` ([`count`]).

#[cfg(target_os = "linux")]
mod context;
#[cfg(target_os = "linux")]
mod count;
#[cfg(target_os = "linux")]
mod load;
#[cfg(target_os = "linux")]
mod options;
#[cfg(target_os = "linux")]
mod pattern;
#[cfg(target_os = "linux")]
mod peers;
#[cfg(target_os = "linux")]
mod report;
#[cfg(target_os = "linux")]
mod rounds;
#[cfg(target_os = "linux")]
mod run;
#[cfg(target_os = "linux")]
mod section;
#[cfg(target_os = "linux")]
mod self_check;
#[cfg(target_os = "linux")]
mod system;
#[cfg(target_os = "linux")]
mod workload;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    run::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("the comparison needs Linux: its floor and its load generator stand on epoll");
}
