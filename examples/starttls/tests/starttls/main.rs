//! The sink as a process: with swaks and OpenSSL, which know SMTP, and with peers by hand, which break its rules.
//!
//! A test of a program that is not installed is skipped, and says so on standard error.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    reason = "a test says what it expects by panicking"
)]

mod injections;
mod limits;
mod peer;
mod sink;
mod tools;
