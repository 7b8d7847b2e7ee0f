//! The examples as their users run them: as processes of their own, with programs of others at the other end.
//!
//! A test of a program that is not installed (netcat-openbsd, socat, Node, `script`) is skipped, and says so on
//! standard error.

#[path = "../support/mod.rs"]
mod support;

mod chat_client;
mod chat_server;
#[cfg(target_os = "linux")]
mod child_process;
mod datagrams;
mod game;
mod programs;
mod proxy;
mod serve;
mod socks5;
mod threads;
mod transcript;
#[cfg(unix)]
mod unix;
mod upstream;
