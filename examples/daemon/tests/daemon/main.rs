//! The daemon as its users run it: under load, with signals, and with the environment that systemd makes.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    reason = "a test says what it expects by panicking"
)]

mod activation;
mod clients;
mod notifying;
mod process;
mod restarting;
mod terminating;
