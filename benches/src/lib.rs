//! The parts that the benches share: measured processes, the order of the rounds, medians with intervals, bars with
//! their judge, tables in Markdown.
#![forbid(unsafe_code)]

pub mod bars;
pub mod build;
#[cfg(target_os = "linux")]
pub mod cores;
pub mod datagrams;
#[cfg(target_os = "linux")]
pub mod epoll;
pub mod machine;
#[cfg(target_os = "linux")]
pub mod process;
pub mod statistics;
pub mod table;
#[cfg(target_os = "linux")]
pub mod visits;
