//! The endpoint with a peer that others wrote, which is quinn over tokio; with itself; and on a simulated network.
#![allow(
    clippy::unwrap_used,
    reason = "a test says what it expects by panicking"
)]

#[path = "../../src/endpoint.rs"]
mod endpoint;
mod process;
mod quinn_peer;
#[path = "../../src/session.rs"]
mod session;
mod simulated;
