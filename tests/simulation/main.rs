//! Whole servers in a simulated network: thousands of seeds, each another order of events and another set of faults,
//! and one checker that knows what must never happen.
//!
//! `SEEDS=200000 cargo test --release --features simulation --test simulation -- --ignored` runs as many as one likes;
//! `SEED=17` runs that one alone, in all workloads and flavours.
#![allow(
    clippy::unwrap_used,
    reason = "a test says what it expects by panicking"
)]

mod chaos;
mod checker;
mod differential;
mod disturbed;
mod ledger;
mod pattern;
mod paused;
mod run;
mod seeds;
mod silence;
mod workloads;
