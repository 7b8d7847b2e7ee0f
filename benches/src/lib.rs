//! The parts that the three benches share: medians with intervals, the bars with their judge, and tables in Markdown.
#![forbid(unsafe_code)]

pub mod bars;
pub mod build;
pub mod statistics;
pub mod table;
