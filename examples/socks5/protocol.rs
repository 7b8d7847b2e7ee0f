//! The messages of SOCKS 5 (RFC 1928) and of its password method (RFC 1929), without I/O.
//!
//! A parser is a function of the bytes that have arrived. Its answer is `None` while bytes are missing, and otherwise
//! the message with its length. No message has more than 513 bytes.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

const VERSION: u8 = 5;

/// The version of the password method, which has numbers of its own.
const PASSWORD_VERSION: u8 = 1;

const CONNECT: u8 = 1;

const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// The methods of authentication that this program knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    None = 0,
    Password = 2,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) name: Vec<u8>,
    pub(crate) password: Vec<u8>,
}

/// The place that a client wants to be connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    Address(SocketAddr),
    Name(String, u16),
}

/// The outcome of a request, as the client is told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Succeeded = 0,
    Failed = 1,
    NotAllowed = 2,
    NetworkUnreachable = 3,
    HostUnreachable = 4,
    Refused = 5,
    /// The closest to a connect that took too long.
    TimeToLiveExpired = 6,
    UnknownCommand = 7,
    UnknownAddress = 8,
}

/// The reason for which bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Version(u8),
    Command(u8),
    Address(u8),
    Name,
}

impl Fault {
    /// The reply to a request with this fault.
    pub(crate) fn reply(self) -> Reply {
        match self {
            Self::Version(_) | Self::Name => Reply::Failed,
            Self::Command(_) => Reply::UnknownCommand,
            Self::Address(_) => Reply::UnknownAddress,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(formatter, "version {version} is not spoken here"),
            Self::Command(command) => write!(formatter, "command {command} is unknown"),
            Self::Address(kind) => write!(formatter, "addresses of type {kind} are unknown"),
            Self::Name => write!(formatter, "the name of the host is not valid"),
        }
    }
}

/// A message with the number of its bytes, or `None` while bytes are missing.
pub(crate) type Parsed<T> = Result<Option<(T, usize)>, Fault>;

/// Parses the greeting: the methods that the client offers. A fault is told at its byte.
pub(crate) fn parse_greeting(bytes: &[u8]) -> Parsed<Vec<u8>> {
    let mut fields = Fields::of(bytes);
    if !fields.expect_version(VERSION)? {
        return Ok(None);
    }
    let methods = fields.string().map(<[u8]>::to_vec);
    Ok(methods.map(|methods| (methods, fields.taken)))
}

/// Parses the name and the password.
pub(crate) fn parse_credentials(bytes: &[u8]) -> Parsed<Credentials> {
    let mut fields = Fields::of(bytes);
    if !fields.expect_version(PASSWORD_VERSION)? {
        return Ok(None);
    }
    let credentials = fields.string().zip(fields.string());
    Ok(credentials.map(|(name, password)| {
        let credentials = Credentials {
            name: name.to_vec(),
            password: password.to_vec(),
        };
        (credentials, fields.taken)
    }))
}

pub(crate) fn parse_request(bytes: &[u8]) -> Parsed<Destination> {
    let mut fields = Fields::of(bytes);
    if !fields.expect_version(VERSION)? {
        return Ok(None);
    }
    let Some([command, _reserved, kind]) = fields.array() else {
        return Ok(None);
    };
    if command != CONNECT {
        return Err(Fault::Command(command));
    }
    let destination = match kind {
        IPV4 => fields
            .array::<4>()
            .map(|it| Host::Address(Ipv4Addr::from(it).into())),
        IPV6 => fields
            .array::<16>()
            .map(|it| Host::Address(Ipv6Addr::from(it).into())),
        NAME => fields.string().map(Host::Name),
        kind => return Err(Fault::Address(kind)),
    };
    let Some((host, port)) = destination.zip(fields.array().map(u16::from_be_bytes)) else {
        return Ok(None);
    };
    let destination = match host {
        Host::Address(address) => Destination::Address(SocketAddr::new(address, port)),
        Host::Name(name) => match std::str::from_utf8(name) {
            Ok(name) => Destination::Name(name.to_owned(), port),
            Err(_) => return Err(Fault::Name),
        },
    };
    Ok(Some((destination, fields.taken)))
}

enum Host<'a> {
    Address(std::net::IpAddr),
    Name(&'a [u8]),
}

/// The fields of a message, from the front. Each is `None` while its bytes are missing.
struct Fields<'a> {
    bytes: &'a [u8],
    taken: usize,
}

impl<'a> Fields<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, taken: 0 }
    }

    fn slice(&mut self, length: usize) -> Option<&'a [u8]> {
        let slice = self.bytes.get(self.taken..self.taken + length)?;
        self.taken += length;
        Some(slice)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.slice(N)?.try_into().ok()
    }

    /// A string with its length in front.
    fn string(&mut self) -> Option<&'a [u8]> {
        let [length] = self.array()?;
        self.slice(usize::from(length))
    }

    /// Whether the version is there; a fault if it is another one.
    fn expect_version(&mut self, version: u8) -> Result<bool, Fault> {
        match self.array() {
            Some([other]) if other != version => Err(Fault::Version(other)),
            it => Ok(it.is_some()),
        }
    }
}

/// Returns the answer to a greeting; `None` refuses all methods that the client offers.
pub(crate) fn write_method(method: Option<Method>) -> [u8; 2] {
    [VERSION, method.map_or(0xff, |method| method as u8)]
}

/// Returns the answer to a name and a password.
pub(crate) fn write_verdict(is_right: bool) -> [u8; 2] {
    [PASSWORD_VERSION, u8::from(!is_right)]
}

/// Returns the answer to a request, with the address from which the connection was made.
pub(crate) fn write_reply(reply: Reply, address: Option<SocketAddr>) -> Vec<u8> {
    let address = address.unwrap_or_else(|| (Ipv4Addr::UNSPECIFIED, 0).into());
    let mut bytes = vec![VERSION, reply as u8, 0];
    match address {
        SocketAddr::V4(address) => {
            bytes.push(IPV4);
            bytes.extend(address.ip().octets());
        }
        SocketAddr::V6(address) => {
            bytes.push(IPV6);
            bytes.extend(address.ip().octets());
        }
    }
    bytes.extend(address.port().to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks a message at every cut, and with bytes after it.
    fn assert_parsed<T: PartialEq + fmt::Debug>(
        parse: fn(&[u8]) -> Parsed<T>,
        bytes: &[u8],
        message: T,
    ) {
        for cut in 0..bytes.len() {
            assert_eq!(parse(&bytes[..cut]), Ok(None), "{cut} of {message:?}");
        }
        let complete = Ok(Some((message, bytes.len())));
        assert_eq!(parse(bytes), complete);
        assert_eq!(parse(&[bytes, b"\x05\x01\0GET /"].concat()), complete);
    }

    #[test]
    fn a_message_is_incomplete_at_every_cut_but_its_end() {
        assert_parsed(parse_greeting, b"\x05\x01\0", vec![0]);
        assert_parsed(parse_greeting, b"\x05\x03\0\x01\x02", vec![0, 1, 2]);
        assert_parsed(parse_greeting, b"\x05\0", vec![]);
        let credentials = |name: &[u8], password: &[u8]| Credentials {
            name: name.to_vec(),
            password: password.to_vec(),
        };
        assert_parsed(
            parse_credentials,
            b"\x01\x03ada\x06secret",
            credentials(b"ada", b"secret"),
        );
        let longest = [b'x'; 255];
        let message = [b"\x01\xff", &longest[..], b"\xff", &longest].concat();
        assert_parsed(parse_credentials, &message, credentials(&longest, &longest));
        let address = |text: &str| Destination::Address(text.parse().expect("it is an address"));
        assert_parsed(
            parse_request,
            b"\x05\x01\0\x01\xc0\x00\x02\x01\x01\xbb",
            address("192.0.2.1:443"),
        );
        assert_parsed(
            parse_request,
            b"\x05\x01\0\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\0\x50",
            address("[2001:db8::1]:80"),
        );
        assert_parsed(
            parse_request,
            b"\x05\x01\0\x03\x0bexample.org\0\x50",
            Destination::Name("example.org".to_owned(), 80),
        );
    }

    #[test]
    fn a_fault_shows_at_its_byte() {
        for version in [0, 4, b'G'] {
            let fault = Fault::Version(version);
            assert_eq!(parse_greeting(&[version]), Err(fault));
            assert_eq!(parse_request(&[version]), Err(fault));
        }
        assert_eq!(parse_credentials(&[5]), Err(Fault::Version(5)));
        for (bytes, fault, reply) in [
            (b"\x05\x02\0\x01", Fault::Command(2), Reply::UnknownCommand),
            (b"\x05\x03\0\x01", Fault::Command(3), Reply::UnknownCommand),
            (b"\x05\x01\0\x02", Fault::Address(2), Reply::UnknownAddress),
        ] {
            assert_eq!(parse_request(&bytes[..3]), Ok(None));
            assert_eq!(parse_request(bytes), Err(fault));
            assert_eq!(fault.reply(), reply);
        }
        let name = parse_request(b"\x05\x01\0\x03\x01\xff\0\x50");
        assert_eq!(name, Err(Fault::Name));
    }

    #[test]
    fn an_answer_has_the_bytes_of_the_specification() {
        assert_eq!(write_method(Some(Method::None)), [5, 0]);
        assert_eq!(write_method(Some(Method::Password)), [5, 2]);
        assert_eq!(write_method(None), [5, 0xff]);
        assert_eq!(write_verdict(true), [1, 0]);
        assert_eq!(write_verdict(false), [1, 1]);
        let refused = write_reply(Reply::Refused, None);
        assert_eq!(refused, b"\x05\x05\0\x01\0\0\0\0\0\0");
        let address = "192.0.2.1:443".parse().ok();
        let reply = write_reply(Reply::Succeeded, address);
        assert_eq!(reply, b"\x05\0\0\x01\xc0\x00\x02\x01\x01\xbb");
        let address = "[2001:db8::1]:80".parse().ok();
        let reply = write_reply(Reply::Succeeded, address);
        assert_eq!(reply[..8], *b"\x05\0\0\x04\x20\x01\x0d\xb8");
        assert_eq!(reply.len(), 22);
    }

    #[test]
    fn no_message_is_longer_than_its_fields_allow() {
        for seed in 0..2_000 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut bytes = vec![0; 600];
            random.fill(&mut bytes);
            bytes[0] = *random.choice(&[1, 5]).unwrap_or(&5);
            bytes[1] = *random.choice(&[1, 255]).unwrap_or(&1);
            bytes[3] = *random.choice(&[1, 3, 4]).unwrap_or(&1);
            assert!(!matches!(parse_greeting(&bytes), Ok(None)), "seed {seed}");
            assert!(
                !matches!(parse_credentials(&bytes), Ok(None)),
                "seed {seed}"
            );
            assert!(!matches!(parse_request(&bytes), Ok(None)), "seed {seed}");
        }
    }
}
