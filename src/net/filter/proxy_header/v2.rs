//! Version 2: a signature, a command, a family of addresses, the length of the rest, the addresses, and then TLVs.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::net::error::Result;

use super::{LONGEST_HEADER, ProxyHeader, fault};

pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

const VERSION: u8 = 2;

/// The bytes of the signature, the version with the command, the family with the transport, and the length.
const FIXED_BYTES: usize = SIGNATURE.len() + 4;

/// The length of one path of a Unix socket, as in `sockaddr_un` of Linux.
const PATH_BYTES: usize = 108;

#[derive(Clone, Copy)]
enum Content {
    Local,
    Unknown,
    Ipv4,
    Ipv6,
    Unix,
}

impl Content {
    fn address_bytes(self) -> usize {
        match self {
            Self::Local | Self::Unknown => 0,
            Self::Ipv4 => 2 * (4 + 2),
            Self::Ipv6 => 2 * (16 + 2),
            Self::Unix => 2 * PATH_BYTES,
        }
    }
}

pub(super) fn parse(bytes: &[u8]) -> Result<Option<(ProxyHeader, usize)>> {
    let Some((content, length)) = parse_front(bytes)? else {
        return Ok(None);
    };
    let body = bytes.get(FIXED_BYTES..length);
    Ok(body.map(|body| (read_addresses(content, body), length)))
}

/// Parses the front. Returns the kind of the addresses, and the whole header's length. `None` while bytes are missing;
/// a wrong version or command is an error even then.
fn parse_front(bytes: &[u8]) -> Result<Option<(Content, usize)>> {
    let Some(&version_and_command) = bytes.get(SIGNATURE.len()) else {
        return Ok(None);
    };
    let (version, command) = (version_and_command >> 4, version_and_command & 0x0f);
    if version != VERSION {
        return Err(fault(format!(
            "version {version} of the PROXY header is unknown"
        )));
    }
    let is_local = match command {
        0 => true,
        1 => false,
        command => {
            let text = format!("the PROXY header has the unknown command {command}");
            return Err(fault(text));
        }
    };
    let Some(&[_, family_and_transport, high, low]) = bytes
        .get(SIGNATURE.len()..FIXED_BYTES)
        .and_then(|front| front.first_chunk())
    else {
        return Ok(None);
    };
    let rest = usize::from(u16::from_be_bytes([high, low]));
    let length = FIXED_BYTES + rest;
    if length > LONGEST_HEADER {
        return Err(fault(format!(
            "the PROXY header has {length} bytes, and {LONGEST_HEADER} are allowed"
        )));
    }
    let content = match family_and_transport {
        // All that follows is to be skipped, whatever it says.
        _ if is_local => Content::Local,
        0x00 => Content::Unknown,
        // The second digit is 1 for a stream, and 2 for datagrams: a proxy may connect here on behalf of a datagram.
        0x11 | 0x12 => Content::Ipv4,
        0x21 | 0x22 => Content::Ipv6,
        0x31 | 0x32 => Content::Unix,
        family => {
            let text = format!("the PROXY header has the unknown address family {family:#04x}");
            return Err(fault(text));
        }
    };
    let addresses = content.address_bytes();
    if rest < addresses {
        return Err(fault(format!(
            "the PROXY header has {rest} bytes where the addresses take {addresses}"
        )));
    }
    Ok(Some((content, length)))
}

fn read_addresses(content: Content, body: &[u8]) -> ProxyHeader {
    let mut fields = Fields(body);
    match content {
        Content::Local => ProxyHeader::Local,
        Content::Unknown => ProxyHeader::Unknown,
        Content::Ipv4 => {
            let addresses: [[u8; 4]; 2] = fields.next_two();
            fields.with_ports(addresses.map(Ipv4Addr::from))
        }
        Content::Ipv6 => {
            let addresses: [[u8; 16]; 2] = fields.next_two();
            fields.with_ports(addresses.map(Ipv6Addr::from))
        }
        Content::Unix => {
            let paths: [[u8; PATH_BYTES]; 2] = fields.next_two();
            let [source, destination] = paths.map(without_padding);
            ProxyHeader::Unix {
                source,
                destination,
            }
        }
    }
}

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

    fn next_two<const N: usize>(&mut self) -> [[u8; N]; 2] {
        [self.next(), self.next()]
    }

    fn with_ports<A>(&mut self, [source, destination]: [A; 2]) -> ProxyHeader
    where
        SocketAddr: From<(A, u16)>,
    {
        let [source_port, destination_port] = self.next_two().map(u16::from_be_bytes);
        ProxyHeader::Inet {
            source: SocketAddr::from((source, source_port)),
            destination: SocketAddr::from((destination, destination_port)),
        }
    }
}

/// Returns a path without the NUL bytes that fill its field.
fn without_padding(field: [u8; PATH_BYTES]) -> Vec<u8> {
    let length = field.iter().rposition(|&byte| byte != 0);
    field[..length.map_or(0, |last| last + 1)].to_vec()
}
