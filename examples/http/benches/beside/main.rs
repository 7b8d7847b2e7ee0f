//! The server beside nginx, Node's `http` and an epoll loop by hand: processor time for each request, from `wrk`.
//!
//! ```console
//! $ cargo bench -p netloop-http                        # 8 interleaved rounds of 1 s
//! $ cargo bench -p netloop-http -- --rounds 3 --seconds 2 --only 'http,raw epoll'
//! ```
//!
//! Each server has the first core and `wrk` the last. Processor time is that of the server's process, user and system, and does
//! not grow when the machine is busy otherwise. A ratio is that of a server and the epoll loop in the same round. The table
//! shows medians, with the smallest and the largest of the rounds after them.
#![allow(
    clippy::print_stdout,
    reason = "the table is the result of the program"
)]

#[cfg(target_os = "linux")]
mod raw;
#[cfg(target_os = "linux")]
mod rounds;
#[cfg(target_os = "linux")]
mod servers;

/// The body of every response.
#[cfg(target_os = "linux")]
const BODY: &[u8] = b"Hello, world!\n";

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    rounds::run()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("this comparison is for Linux");
}
