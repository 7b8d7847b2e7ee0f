//! Addresses of a test's own, in 127.77.0.0/16. Neither other tests nor other programs of the machine are in its way
//! there. Connections in TIME_WAIT on 127.0.0.1 take none of its ports.

use std::cell::OnceCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};

/// The addresses that each test has, so that the same port can differ between them.
const HOSTS: u8 = 4;

/// The third byte of each [`client_host`]: the address by which a server recognises a client.
const CLIENTS: u16 = 255;

thread_local! {
    /// Each test has a thread of its own.
    static OWN: OnceCell<[IpAddr; HOSTS as usize]> = const { OnceCell::new() };
}

/// The addresses of this test. Where the system has 127.0.0.1 alone, only the first can be used, and all tests share
/// it.
pub(crate) fn hosts() -> [IpAddr; HOSTS as usize] {
    static COUNT: AtomicU16 = AtomicU16::new(0);
    OWN.with(|own| {
        *own.get_or_init(|| {
            let first = match has_range() {
                // Processes that run at the same time begin far apart.
                true => {
                    let start = process::id().wrapping_mul(40_503).to_be_bytes();
                    let start = u16::from_be_bytes([start[2], start[3]]);
                    let count = COUNT.fetch_add(1, Ordering::Relaxed);
                    let block = start.wrapping_add(count).wrapping_mul(HOSTS.into());
                    let [high, low] = (block % (CLIENTS << 8)).to_be_bytes();
                    Ipv4Addr::new(127, 77, high, low)
                }
                false => Ipv4Addr::LOCALHOST,
            };
            std::array::from_fn(|number| {
                let [a, b, c, d] = first.octets();
                let number = u8::try_from(number).unwrap();
                Ipv4Addr::new(a, b, c, d + number).into()
            })
        })
    })
}

/// The first address of this test, at a port that the system chooses.
pub(crate) fn loopback() -> SocketAddr {
    SocketAddr::new(hosts()[0], 0)
}

/// The address that a test calls `name`: `host1` to `host4` are its own, and others are as they are written.
pub(crate) fn host(name: &str) -> IpAddr {
    match name.strip_prefix("host") {
        Some(number) => hosts()[number.parse::<usize>().unwrap() - 1],
        None => name.parse().unwrap(),
    }
}

/// The name by which a test calls `address`: see [`host`].
pub(crate) fn host_name(address: IpAddr) -> String {
    let own = hosts().into_iter().position(|own| own == address);
    own.map_or_else(|| address.to_string(), |index| format!("host{}", index + 1))
}

/// The address of the client of this number, for a server that tells its clients apart by their addresses.
pub(crate) fn client_host(number: usize) -> IpAddr {
    let [_, third] = CLIENTS.to_be_bytes();
    Ipv4Addr::new(127, 77, third, u8::try_from(number).unwrap()).into()
}

/// The number of the client that comes from `address`, if it is one of [`client_host`].
pub(crate) fn client_number(address: IpAddr) -> Option<usize> {
    match address {
        IpAddr::V4(address) => match address.octets() {
            [127, 77, third, number] if u16::from(third) == CLIENTS => Some(number.into()),
            _ => None,
        },
        IpAddr::V6(_) => None,
    }
}

fn has_range() -> bool {
    static HAS_RANGE: OnceLock<bool> = OnceLock::new();
    *HAS_RANGE.get_or_init(|| TcpListener::bind("127.77.0.1:0").is_ok())
}
