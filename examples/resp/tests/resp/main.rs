//! The server before clients of others: redis-cli, redis-benchmark and redis-py; beside a real Redis, byte by byte; and before
//! sockets that do not read.
//!
//! A test of a program that is not installed is skipped, and says so on standard error.
#![allow(
    clippy::unwrap_used,
    reason = "a test says what it expects by panicking"
)]

mod benchmark;
mod beside_redis;
mod channels;
mod cli;
mod expiring;
mod limits;
mod process;
mod python;
