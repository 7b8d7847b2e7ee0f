//! The echo and its client as processes: with each other, with OpenSSL at the other end, and under sslscan.
//!
//! A test of a program that is not installed is skipped, and says so on standard error.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    reason = "a test says what it expects by panicking"
)]

mod client;
mod running;
mod server;
