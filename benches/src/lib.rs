//! The parts that the benches share: medians with intervals, the bars with their judge, cores, and tables in Markdown.
#![forbid(unsafe_code)]

pub mod bars;
pub mod build;
#[cfg(target_os = "linux")]
pub mod cores;
pub mod statistics;
pub mod table;
