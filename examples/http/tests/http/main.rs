//! The server as its users meet it: curl, wrk, h2load and ab, and peers that are slow, greedy or false.
//!
//! A test of a program that is not installed is skipped, and says so on standard error.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    reason = "a test says what it expects by panicking"
)]

mod bodies;
mod doubts;
mod ending;
#[cfg(feature = "tls")]
mod https;
mod load;
mod memory;
mod peer;
mod pipelines;
mod refusals;
mod server;
mod slow;
mod tools;
