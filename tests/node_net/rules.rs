//! Behaviour that no row of the table covers, by the letters of the rules: B connecting, C writing, H servers, I the
//! race of attempts, K Unix sockets.

mod attempts;
mod connecting;
mod servers;
#[cfg(unix)]
mod unix_sockets;
mod writing;
