//! A daemon on sockets from systemd or of its own. SIGTERM loses no response, SIGHUP reloads, and SIGUSR2 puts a
//! successor in its place without refusing a peer. A watchdog sees a loop that hangs.
//!
//! It answers lines. Run it, talk to it with `nc 127.0.0.1 7000`, and send it signals:
//!
//! ```text
//! $ cargo run -p netloop-daemon -- --listen 127.0.0.1:7000
//! listening 127.0.0.1:7000
//! ready 4711
//! terminating
//! 1 ended, 0 finished, 0 failed, 0 forced
//! ```
//!
//! ```text
//! $ nc 127.0.0.1 7000
//! hello
//! hello from 4711: hello
//! slow 1000
//! hello from 4711: slow 1000
//! ```
//!
//! | signal | action |
//! |---|---|
//! | SIGTERM, SIGINT | serves what waits, lets requests in work finish, ends idle peers; at the deadline, or with a second signal, resets the rest |
//! | SIGHUP | reads the file of `--config` again: the word of greeting |
//! | SIGUSR2 | starts this program again with the same sockets; the successor ends this process when it is ready |
//!
//! Under systemd, `daemon.socket` and `daemon.service` beside this file are all that it needs. Sockets come as
//! `LISTEN_FDS`, and are used in place of `--listen` and `--unix`.
//!
//! To share a port among workers, start several with the same sockets: each may leave, and no peer is refused. With
//! `reuse_port` each would have a backlog of its own, and the peers that come while it closes would be reset.
#![cfg_attr(
    not(target_os = "linux"),
    allow(unused, reason = "the example is for systemd, and so for Linux")
)]

#[cfg(target_os = "linux")]
mod daemon;
#[cfg(target_os = "linux")]
mod listeners;
#[cfg(target_os = "linux")]
mod options;
#[cfg(target_os = "linux")]
mod restart;
#[cfg(target_os = "linux")]
mod session;

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    daemon::run()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("this example is for Linux");
}
