//! Shares local ports among connects from an address that the user has set, once the kernel has no free port left. A
//! socket that binds port 0 gets a port that no other socket of its address has. So an address can have only about
//! 28,000 connections, whatever their destinations are. A port that is bound by its number may be shared
//! (SO_REUSEADDR), and then only the destination must differ. IP_BIND_ADDRESS_NO_PORT has the same effect, but there is
//! no safe call for it.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::SocketAddr;

use socket2::{SockAddr, Socket};

/// The limit on the ports that one connect tries. Most have no connection to its destination, so one of the first fits.
const MOST_TRIES: usize = 128;

/// Binds `socket` to `local`. If `local` has port 0 and the kernel has no free port left, shares a port (Linux only).
pub(super) fn bind(socket: &Socket, local: SocketAddr) -> io::Result<()> {
    match socket.bind(&SockAddr::from(local)) {
        Err(error) if can_share(local) && error.kind() == io::ErrorKind::AddrInUse => {
            let bound = |&address: &SocketAddr| socket.bind(&address.into()).is_ok();
            candidates(local).find(bound).map(drop).ok_or(error)
        }
        done => done,
    }
}

/// Whether a bind to `local` may try the ports one by one. Only the range of ports of Linux and Android is known here.
pub(super) fn can_share(local: SocketAddr) -> bool {
    cfg!(any(target_os = "linux", target_os = "android"))
        && local.port() == 0
        && !local.ip().is_unspecified()
}

pub(super) fn candidates(local: SocketAddr) -> impl Iterator<Item = SocketAddr> {
    ports().map(move |port| {
        let mut address = local;
        address.set_port(port);
        address
    })
}

/// Returns the ports to try: a part of the system's range, from a random place on.
fn ports() -> impl Iterator<Item = u16> {
    let (first, last) = ephemeral_range().unwrap_or((32_768, 60_999));
    let count = usize::from(last - first) + 1;
    let random = usize::try_from(RandomState::new().hash_one(())).unwrap_or(0);
    let begin = random % count;
    let offsets = (0..count.min(MOST_TRIES)).map(move |try_| (begin + try_) % count);
    offsets.filter_map(move |offset| first.checked_add(u16::try_from(offset).ok()?))
}

fn ephemeral_range() -> Option<(u16, u16)> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut ports = text.split_whitespace().map(str::parse);
    let (first, last) = (ports.next()?.ok()?, ports.next()?.ok()?);
    (0 < first && first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_candidate_is_another_port_of_the_range() {
        let (first, last) = ephemeral_range().unwrap_or((32_768, 60_999));
        let mut ports: Vec<u16> = ports().collect();
        assert!(!ports.is_empty() && ports.len() <= MOST_TRIES);
        assert!(ports.iter().all(|port| (first..=last).contains(port)));
        let count = ports.len();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), count);
    }
}
