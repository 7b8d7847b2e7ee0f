//! The cost of TLS on this loop, beside the same rustls on a loop by hand: the processor time of the server for an echo and
//! for a handshake.
//!
//! The servers are processes of their own, and take turns. The client is the same for both. Each round gives the ratio of
//! their processor times; the median and the middle half of the rounds are printed. The ratio of long echoes differs from start
//! to start of the servers (0.93 to 1.25 for 64 KiB), for a cause that is not found: start it several times.
//!
//! ```console
//! $ cargo run --release -p netloop-benches-tls
//! ```

#[cfg(target_os = "linux")]
mod by_hand;
#[cfg(target_os = "linux")]
mod client;
#[cfg(target_os = "linux")]
mod loops;
#[cfg(target_os = "linux")]
mod measure;
#[cfg(target_os = "linux")]
mod server;

#[cfg(target_os = "linux")]
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("serve") => server::serve(&arguments[1]),
        _ => measure::run(),
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("this measures on Linux alone");
}
