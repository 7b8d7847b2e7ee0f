//! Whole servers in a simulated network. Thousands of seeds are each another order of events and another set of faults,
//! and one checker knows the events that must never happen.
//!
//! In half of the runs, all sockets have filters.
//!
//! `SEEDS=200000 cargo test --release --features simulation --test simulation -- --ignored` runs as many as one likes;
//! `SEED=17` runs that one alone, in all workloads and flavours.
#![allow(
    clippy::unwrap_used,
    reason = "a test says what it expects by panicking"
)]

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[path = "../support/mod.rs"]
mod support;

mod accept_limits;
mod armed;
mod asking;
mod calls;
mod chaos;
mod checker;
mod connecting;
mod crash_seeds;
mod crashing;
mod crowd;
mod datagrams;
mod dialed;
mod dialing;
mod differential;
mod disturbed;
mod effort;
mod failed_filters;
mod fairness;
mod filtering;
mod filters;
mod flights;
mod framed;
mod gone;
mod handshakes;
mod heap;
mod held;
mod hooking;
mod hostile_minutes;
mod idling;
mod in_order;
mod late_readings;
mod ledger;
mod limits;
mod limits_of_time;
mod offered;
mod opening_queues;
mod pattern;
mod paused;
mod piping;
mod proxied;
mod proxy;
mod reporter;
mod requests;
mod rested_ends;
mod resting;
mod room;
mod run;
mod runner;
mod said;
mod seeds;
mod serving;
mod short_handshakes;
mod shortages;
mod shutting_down;
mod silence;
mod stalled_reads;
mod stalling;
mod stalls;
mod started;
mod tokens;
mod total_queue;
mod unread_failures;
mod waits;
mod weather;
mod workload;
mod workloads;
mod world;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;
