//! Version 2: a signature, a command, a family of addresses, the length of the rest, the addresses, and then TLVs.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::fault::Fault;
use super::header::{Header, Parsed, Transport};

pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

const VERSION: u8 = 2;

/// The signature, the version with the command, the family with the transport, and the length.
const FIXED_BYTES: usize = SIGNATURE.len() + 4;

/// The length of one path of a Unix socket, as in `sockaddr_un` of Linux.
const PATH_BYTES: usize = 108;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Command {
    Local,
    Proxy,
}

#[derive(Clone, Copy)]
enum Family {
    Unspecified,
    Ipv4,
    Ipv6,
    Unix,
}

impl Family {
    /// The number of bytes that the addresses of both ends take.
    fn address_bytes(self) -> usize {
        match self {
            Self::Unspecified => 0,
            Self::Ipv4 => 2 * (4 + 2),
            Self::Ipv6 => 2 * (16 + 2),
            Self::Unix => 2 * PATH_BYTES,
        }
    }
}

/// The bytes in front of the addresses.
struct Front {
    command: Command,
    family: Family,
    transport: Transport,
    /// The length of the whole header.
    length: usize,
}

pub(super) fn parse(bytes: &[u8], max_bytes: usize) -> Parsed {
    let front = match parse_front(bytes, max_bytes) {
        Ok(Some(front)) => front,
        Ok(None) => return Parsed::Incomplete,
        Err(fault) => return Parsed::Invalid(fault),
    };
    match bytes.get(FIXED_BYTES..front.length) {
        Some(body) => Parsed::Complete {
            header: read_addresses(&front, body),
            length: front.length,
        },
        None => Parsed::Incomplete,
    }
}

/// Parses the bytes in front of the addresses. A fault is told as soon as its byte is there, and `None` while some of
/// these bytes are missing.
fn parse_front(bytes: &[u8], max_bytes: usize) -> Result<Option<Front>, Fault> {
    let Some(&version_and_command) = bytes.get(SIGNATURE.len()) else {
        return Ok(None);
    };
    if version_and_command >> 4 != VERSION {
        return Err(Fault::Version(version_and_command >> 4));
    }
    let command = match version_and_command & 0x0f {
        0 => Command::Local,
        1 => Command::Proxy,
        command => return Err(Fault::Command(command)),
    };
    let Some(&[_, family_and_transport, high, low]) = bytes
        .get(SIGNATURE.len()..FIXED_BYTES)
        .and_then(|front| front.first_chunk())
    else {
        return Ok(None);
    };
    let rest = usize::from(u16::from_be_bytes([high, low]));
    let length = FIXED_BYTES + rest;
    if length > max_bytes {
        return Err(Fault::TooLong { length, max_bytes });
    }
    let (family, transport) = match (command, family_and_transport) {
        // All that follows is to be skipped, whatever it says.
        (Command::Local, _) | (Command::Proxy, 0x00) => (Family::Unspecified, Transport::Stream),
        (Command::Proxy, 0x11) => (Family::Ipv4, Transport::Stream),
        (Command::Proxy, 0x12) => (Family::Ipv4, Transport::Datagram),
        (Command::Proxy, 0x21) => (Family::Ipv6, Transport::Stream),
        (Command::Proxy, 0x22) => (Family::Ipv6, Transport::Datagram),
        (Command::Proxy, 0x31) => (Family::Unix, Transport::Stream),
        (Command::Proxy, 0x32) => (Family::Unix, Transport::Datagram),
        (Command::Proxy, other) => return Err(Fault::Family(other)),
    };
    if rest < family.address_bytes() {
        return Err(Fault::TooShort {
            length: rest,
            addresses: family.address_bytes(),
        });
    }
    Ok(Some(Front {
        command,
        family,
        transport,
        length,
    }))
}

/// Reads the addresses from the front of `body`. The TLVs behind them are skipped.
fn read_addresses(front: &Front, body: &[u8]) -> Header {
    let transport = front.transport;
    let mut fields = Fields(body);
    match front.family {
        Family::Unspecified if front.command == Command::Local => Header::Local,
        Family::Unspecified => Header::Unknown,
        Family::Ipv4 => {
            let addresses: [[u8; 4]; 2] = fields.next_two();
            let [source, destination] = fields.with_ports(addresses.map(Ipv4Addr::from));
            Header::Inet {
                transport,
                source,
                destination,
            }
        }
        Family::Ipv6 => {
            let addresses: [[u8; 16]; 2] = fields.next_two();
            let [source, destination] = fields.with_ports(addresses.map(Ipv6Addr::from));
            Header::Inet {
                transport,
                source,
                destination,
            }
        }
        Family::Unix => {
            let paths: [[u8; PATH_BYTES]; 2] = fields.next_two();
            let [source, destination] = paths.map(without_padding);
            Header::Unix {
                transport,
                source,
                destination,
            }
        }
    }
}

/// The fields of the addresses, from the front.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn next<const N: usize>(&mut self) -> [u8; N] {
        let (field, rest) = self
            .0
            .split_first_chunk()
            .expect("the length was compared with the addresses of the family");
        self.0 = rest;
        *field
    }

    /// The fields of the source and of the destination.
    fn next_two<const N: usize>(&mut self) -> [[u8; N]; 2] {
        [self.next(), self.next()]
    }

    fn with_ports<A>(&mut self, [source, destination]: [A; 2]) -> [SocketAddr; 2]
    where
        SocketAddr: From<(A, u16)>,
    {
        let [source_port, destination_port] = self.next_two().map(u16::from_be_bytes);
        [
            SocketAddr::from((source, source_port)),
            SocketAddr::from((destination, destination_port)),
        ]
    }
}

/// Returns a path without the NUL bytes that fill its field.
fn without_padding(field: [u8; PATH_BYTES]) -> Vec<u8> {
    let length = field.iter().rposition(|&byte| byte != 0);
    field[..length.map_or(0, |last| last + 1)].to_vec()
}
