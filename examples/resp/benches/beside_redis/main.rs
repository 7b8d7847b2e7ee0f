//! Processor time an operation, beside a real redis-server: PING, SET and GET by redis-benchmark, at pipelines of 1 and 16.
//!
//! ```text
//! cargo bench -p netloop-resp -- --rounds 9
//! ```
//!
//! The servers take turns within a round, and the order changes from round to round. A server has one core, and the
//! load has the other one if there are two. The time is that of the server's process, in user space and in the kernel,
//! so that other work of the machine counts little. The table has the median of the rounds, and the quartiles of the
//! ratio. The bars are those of `benches/src/bars.rs`, which need eight rounds.

#[cfg(target_os = "linux")]
mod rounds;

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    rounds::run()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("the processor time of another process is read on Linux alone");
}
