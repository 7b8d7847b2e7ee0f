//! Writes headers of the PROXY protocol, in which a proxy tells the server behind it from where a client has come.
//! Version 1 is a line of text, version 2 is binary. The library reads both.

use std::net::{IpAddr, SocketAddr};

use netloop::ProxyHeader;

/// The first bytes of a header of version 2. The byte after them has the version in its upper half.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const VERSION: u8 = 0x20;

/// The commands of version 2.
const LOCAL: u8 = 0;
const PROXY: u8 = 1;

/// The length of one path of a Unix socket, as in `sockaddr_un` of Linux.
const PATH_BYTES: usize = 108;

/// Returns the header of a connection over TCP. It is unknown if an address is missing, as for a Unix socket.
pub(crate) fn of(source: Option<SocketAddr>, destination: Option<SocketAddr>) -> ProxyHeader {
    match source.zip(destination) {
        Some((source, destination)) => ProxyHeader::Inet {
            source,
            destination,
        },
        None => ProxyHeader::Unknown,
    }
}

/// Returns the header as a line of version 1, which has words for connections over TCP alone.
pub(crate) fn to_v1(header: &ProxyHeader) -> Vec<u8> {
    let ProxyHeader::Inet {
        source,
        destination,
    } = header
    else {
        return b"PROXY UNKNOWN\r\n".to_vec();
    };
    let [source, destination] = in_one_family(*source, *destination);
    let protocol = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    let (from, to) = (source.ip(), destination.ip());
    let (from_port, to_port) = (source.port(), destination.port());
    format!("PROXY {protocol} {from} {to} {from_port} {to_port}\r\n").into_bytes()
}

/// Returns the header in the form of version 2.
pub(crate) fn to_v2(header: &ProxyHeader) -> Vec<u8> {
    match header {
        ProxyHeader::Local => assemble(LOCAL, 0x00, &[]),
        ProxyHeader::Unknown => assemble(PROXY, 0x00, &[]),
        ProxyHeader::Inet {
            source,
            destination,
        } => {
            let ends = in_one_family(*source, *destination);
            let family = if ends[0].is_ipv4() { 0x11 } else { 0x21 };
            let mut addresses = Vec::new();
            for end in ends {
                match end.ip() {
                    IpAddr::V4(address) => addresses.extend(address.octets()),
                    IpAddr::V6(address) => addresses.extend(address.octets()),
                }
            }
            addresses.extend(ends.into_iter().flat_map(|end| end.port().to_be_bytes()));
            assemble(PROXY, family, &addresses)
        }
        ProxyHeader::Unix {
            source,
            destination,
        } => {
            let paths = [source, destination].map(|path| with_padding(path));
            assemble(PROXY, 0x31, &paths.concat())
        }
    }
}

fn assemble(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
    let length = u16::try_from(addresses.len()).expect("the longest addresses have 216 bytes");
    let mut bytes = SIGNATURE.to_vec();
    bytes.extend([VERSION | command, family]);
    bytes.extend(length.to_be_bytes());
    bytes.extend_from_slice(addresses);
    bytes
}

fn with_padding(path: &[u8]) -> [u8; PATH_BYTES] {
    let mut field = [0; PATH_BYTES];
    let length = path.len().min(PATH_BYTES);
    field[..length].copy_from_slice(&path[..length]);
    field
}

/// Brings both addresses into one family. A listener of both families shows its IPv4 peers as mapped IPv6 addresses,
/// and the server behind the proxy compares addresses as they are written.
fn in_one_family(source: SocketAddr, destination: SocketAddr) -> [SocketAddr; 2] {
    let canonical = [source, destination].map(|end| (end.ip().to_canonical(), end.port()));
    match canonical {
        [(IpAddr::V4(_), _), (IpAddr::V4(_), _)] => canonical.map(SocketAddr::from),
        _ => canonical.map(|(address, port)| match address {
            IpAddr::V4(address) => SocketAddr::from((address.to_ipv6_mapped(), port)),
            IpAddr::V6(address) => SocketAddr::from((address, port)),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inet(source: &str, destination: &str) -> ProxyHeader {
        let address = |text: &str| text.parse().ok();
        of(address(source), address(destination))
    }

    /// The header that the library reads from these bytes, which are all of it.
    fn read(bytes: &[u8]) -> ProxyHeader {
        let parsed = ProxyHeader::parse(bytes).expect("it is a header");
        let (header, length) = parsed.expect("it is whole");
        assert_eq!(length, bytes.len());
        header
    }

    #[test]
    fn a_header_that_was_written_says_the_same_when_read() {
        for header in [
            inet("192.0.2.1:56324", "198.51.100.2:443"),
            inet("255.255.255.255:65535", "0.0.0.0:0"),
            inet("[2001:db8::1]:56324", "[::2]:443"),
            ProxyHeader::Local,
            ProxyHeader::Unknown,
            ProxyHeader::Unix {
                source: Vec::new(),
                destination: b"/run/app.sock".to_vec(),
            },
            ProxyHeader::Unix {
                source: b"\0abstract\0name".to_vec(),
                destination: vec![b'p'; 108],
            },
        ] {
            assert_eq!(read(&to_v2(&header)), header);
            let line = to_v1(&header);
            let is_inet = matches!(header, ProxyHeader::Inet { .. });
            let expected = if is_inet {
                header
            } else {
                ProxyHeader::Unknown
            };
            assert_eq!(read(&line), expected);
        }
    }

    #[test]
    fn the_addresses_are_written_in_one_family() {
        for (source, destination, line) in [
            (
                "[::ffff:192.0.2.1]:1",
                "[::ffff:192.0.2.2]:2",
                "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
            ),
            (
                "[::ffff:192.0.2.1]:1",
                "192.0.2.2:2",
                "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
            ),
            (
                "192.0.2.1:1",
                "[2001:db8::2]:2",
                "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 1 2\r\n",
            ),
            ("[fe80::1%3]:1", "[::1]:2", "PROXY TCP6 fe80::1 ::1 1 2\r\n"),
        ] {
            let header = inet(source, destination);
            assert_eq!(String::from_utf8(to_v1(&header)).as_deref(), Ok(line));
            assert_eq!(read(&to_v2(&header)), read(line.as_bytes()));
        }
        assert_eq!(to_v1(&of(None, None)), b"PROXY UNKNOWN\r\n");
    }
}
