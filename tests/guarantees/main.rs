//! The guarantees of netloop, one test a sentence. They are the rules of Node's `net` and of the table of faults,
//! each shown by a real peer on a real socket.
//!
//! A comment above each test cites the rules that it holds. I1 to I12 are the invariants of `ARCHITECTURE.md`.
//! "Reliability D5", or a D5 in a file about faults or limits, is a row of `FAULTS.md`. The other letters (C4, D12, ..)
//! are rules of a specification of Node's behaviour that is not part of this repository. A decision (D6 of
//! `benches/DECISIONS.md`) is cited with its file.
#![allow(
    clippy::unwrap_used,
    reason = "a test says what it expects by panicking"
)]
#![cfg_attr(
    any(mio_unsupported_force_poll_poll, not(target_os = "linux")),
    allow(
        dead_code,
        unused_imports,
        reason = "tests of what the system does not have are out"
    )
)]

#[path = "../support/mod.rs"]
mod support;

mod all_sockets;
mod backpressure;
mod bad_drops;
mod blocked_crowds;
mod boxed_handlers;
mod broadcasting;
mod carry;
mod caught_panics;
mod close_timeout;
mod closing;
mod compile_errors;
mod connect_errors;
mod connecting;
mod contexts;
mod corking;
mod counters_and_addresses;
mod cut_pipes;
mod cut_short;
mod dead_ids;
mod descriptors;
mod detaching;
mod duplicates;
mod ending;
mod filters;
mod formatted_writes;
mod full_pipes;
mod gathering;
mod giving_back;
mod handlers;
#[cfg(target_os = "linux")]
mod held_ends;
mod held_failures;
mod idle_timeout;
mod inputs;
mod lingering;
mod listening;
mod lively_rooms;
mod local_ports;
mod more_sockets;
mod never_early;
mod option_ranges;
mod pipes;
mod pressure;
mod reading;
mod refused_writes;
mod releasing;
mod replacing;
mod resets;
mod sent_notices;
mod short_reads;
mod shutdowns;
mod slow_peers;
mod socket_timers;
#[cfg(unix)]
mod sources;
mod stage;
#[cfg(target_os = "linux")]
mod standstill;
mod stuck_lookups;
mod time_limits;
mod total_queue;
mod unread_bytes;
mod views;
mod write_stalls;
mod writing;
mod zones;

mod accept_bursts;
mod accept_limits;
mod accepting;
mod budgets;
mod datagrams;
mod deadline_of_requests;
mod deadlines;
mod dialing;
mod dropping;
mod true_budgets;
// With poll(2), and on Windows, there is no descriptor of the loop.
#[cfg(all(unix, not(mio_unsupported_force_poll_poll)))]
mod embedding;
mod event_loop;
#[cfg(unix)]
mod failing_services;
mod fairness;
#[cfg(target_os = "linux")]
mod fault_rows;
#[cfg(unix)]
mod faults;
#[cfg(unix)]
mod few_descriptors;
mod firehoses;
mod forbidding;
mod frames;
mod hooks;
mod measured_steps;
mod other_threads;
mod panicking_turns;
mod panics;
#[cfg(all(feature = "precise", target_os = "linux"))]
mod precise;
mod proxies;
mod running;
mod server_panics;
mod servers;
mod statistics;
mod storms;

mod timers;
#[cfg(unix)]
mod transient_faults;
#[cfg(unix)]
mod wakes;
