//! The server as a process, with clients that others wrote: the Autobahn cases, and a browser.
//!
//! A test whose client is not installed is skipped, and says so on standard error.
#![allow(
    clippy::unwrap_used,
    reason = "a test says what it expects by panicking"
)]

mod autobahn;
mod browser;
mod devtools;
mod process;
