//! The parser of PROXY headers, on headers with a few changed bytes, cut anywhere, against one that sees the whole.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use arbitrary::{Result, Unstructured};
use netloop::{Error, ProxyHeader};

/// The bytes that both versions begin with, and those that a line has.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const PARTS: [&[u8]; 16] = [
    b"PROXY ",
    b"TCP4",
    b"TCP6",
    b"UNKNOWN",
    b" ",
    b" ",
    b"\r\n",
    b"\r",
    b"192.0.2.1",
    b"01.2.3.4",
    b"2001:db8::1",
    b"::ffff:1.2.3.4",
    b"0",
    b"65535",
    b"65536",
    b"+1",
];

/// A header with its length, `None` for the beginning of one, or an error.
type Verdict = std::result::Result<Option<(ProxyHeader, usize)>, ()>;

pub(crate) fn play(input: &mut Unstructured<'_>) -> Result<()> {
    let stream = stream(input)?;
    let whole = model(&stream);
    let mut first_verdict = None;
    for cut in 0..=stream.len() {
        let verdict = ProxyHeader::parse(&stream[..cut]).map_err(|error| {
            assert_eq!(error.code(), Error::PROXY_HEADER);
            assert!(!error.to_string().is_empty());
        });
        match &first_verdict {
            // Further bytes change nothing.
            Some(first) => assert_eq!(&verdict, first, "{cut} of {}", stream.escape_ascii()),
            None if verdict != Ok(None) => {
                if let Ok(Some((_, length))) = verdict {
                    assert_eq!(length, cut, "{}", stream.escape_ascii());
                }
                first_verdict = Some(verdict);
            }
            None => {}
        }
    }
    let verdict = first_verdict.unwrap_or(Ok(None));
    assert_eq!(verdict, whole, "{}", stream.escape_ascii());
    Ok(())
}

/// A header of either version, a few bytes of which may have changed, and bytes behind it.
fn stream(input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut bytes = match input.int_in_range(0..=4_u8)? {
        0 => {
            let mut line = b"PROXY ".to_vec();
            for _ in 0..input.int_in_range(0..=12_u8)? {
                line.extend_from_slice(input.choose(&PARTS)?);
            }
            line
        }
        1 | 2 => line(input)?,
        _ => version_2(input)?,
    };
    for _ in 0..input.int_in_range(0..=2_u8)? {
        if !bytes.is_empty() {
            let at = input.choose_index(bytes.len())?;
            bytes[at] = input.arbitrary()?;
        }
    }
    let behind = input.int_in_range(0..=150)?;
    bytes.extend(input.bytes(behind.min(input.len()))?);
    Ok(bytes)
}

fn line(input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let ports: [u16; 2] = input.arbitrary()?;
    let (family, from, to) = match input.arbitrary()? {
        true => {
            let [from, to]: [u32; 2] = input.arbitrary()?;
            let [from, to] = [from, to].map(|bits| Ipv4Addr::from(bits).to_string());
            (4, from, to)
        }
        false => {
            let [from, to]: [u128; 2] = input.arbitrary()?;
            let [from, to] = [from, to].map(|bits| Ipv6Addr::from(bits).to_string());
            (6, from, to)
        }
    };
    let [from_port, to_port] = ports;
    Ok(format!("PROXY TCP{family} {from} {to} {from_port} {to_port}\r\n").into_bytes())
}

fn version_2(input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut bytes = SIGNATURE.to_vec();
    bytes.push(*input.choose(&[0x20, 0x21, 0x21, 0x21, 0x22, 0x11])?);
    bytes.push(*input.choose(&[0x00, 0x11, 0x12, 0x21, 0x22, 0x31, 0x32, 0x41])?);
    let length: u16 = match input.int_in_range(0..=3_u8)? {
        0 => *input.choose(&[0, 11, 12, 35, 36, 215, 216])?,
        1 => *input.choose(&[4079, 4080, 4081, u16::MAX])?,
        _ => input.int_in_range(0..=300)?,
    };
    bytes.extend(length.to_be_bytes());
    let there = usize::from(length).min(400).min(input.len());
    bytes.extend(input.bytes(there)?);
    Ok(bytes)
}

/// The verdict on a whole stream.
fn model(stream: &[u8]) -> Verdict {
    if stream.starts_with(b"PROXY ") {
        return model_of_line(stream);
    }
    if stream.starts_with(SIGNATURE) {
        return model_of_version_2(stream);
    }
    let is_beginning = b"PROXY ".starts_with(stream) || SIGNATURE.starts_with(stream);
    is_beginning.then_some(None).ok_or(())
}

fn model_of_line(stream: &[u8]) -> Verdict {
    let Some(end) = (0..106).find(|&at| stream.get(at..at + 2) == Some(b"\r\n")) else {
        return (stream.len() < 107).then_some(None).ok_or(());
    };
    if stream[..end] == *b"PROXY UNKNOWN" || stream.starts_with(b"PROXY UNKNOWN ") {
        return Ok(Some((ProxyHeader::Unknown, end + 2)));
    }
    let line = std::str::from_utf8(&stream[..end]).map_err(drop)?;
    let fields: Vec<&str> = line.split(' ').collect();
    let &["PROXY", family, from, to, from_port, to_port] = &fields[..] else {
        return Err(());
    };
    let end_of = |ip: &str, port: &str| -> std::result::Result<SocketAddr, ()> {
        let number: u16 = port.parse().map_err(drop)?;
        let address: SocketAddr = match family {
            "TCP4" => (ip.parse::<Ipv4Addr>().map_err(drop)?, number).into(),
            "TCP6" => (ip.parse::<Ipv6Addr>().map_err(drop)?, number).into(),
            _ => return Err(()),
        };
        // The one way to write a number.
        (number.to_string() == port).then_some(address).ok_or(())
    };
    let header = ProxyHeader::Inet {
        source: end_of(from, from_port)?,
        destination: end_of(to, to_port)?,
    };
    Ok(Some((header, end + 2)))
}

fn model_of_version_2(stream: &[u8]) -> Verdict {
    let at = |index: usize| stream.get(index).copied();
    match at(12) {
        None => return Ok(None),
        Some(0x20 | 0x21) => {}
        Some(_) => return Err(()),
    }
    let (Some(family), Some(high), Some(low)) = (at(13), at(14), at(15)) else {
        return Ok(None);
    };
    let length = usize::from(high) * 256 + usize::from(low);
    let is_local = at(12) == Some(0x20);
    let needed = match family {
        _ if is_local => 0,
        0x00 => 0,
        0x11 | 0x12 => 12,
        0x21 | 0x22 => 36,
        0x31 | 0x32 => 216,
        _ => return Err(()),
    };
    if length < needed || 16 + length > 4096 {
        return Err(());
    }
    let Some(body) = stream.get(16..16 + length) else {
        return Ok(None);
    };
    let port = |at: usize| u16::from_be_bytes([body[at], body[at + 1]]);
    let header = match needed {
        _ if is_local => ProxyHeader::Local,
        0 => ProxyHeader::Unknown,
        12 => {
            let ip = |at: usize| Ipv4Addr::new(body[at], body[at + 1], body[at + 2], body[at + 3]);
            ProxyHeader::Inet {
                source: (ip(0), port(8)).into(),
                destination: (ip(4), port(10)).into(),
            }
        }
        36 => {
            let ip = |at: usize| {
                let bits = body[at..at + 16].iter();
                Ipv6Addr::from(bits.fold(0_u128, |bits, &byte| bits << 8 | u128::from(byte)))
            };
            ProxyHeader::Inet {
                source: (ip(0), port(32)).into(),
                destination: (ip(16), port(34)).into(),
            }
        }
        _ => {
            let path = |at: usize| {
                let mut path = body[at..at + 108].to_vec();
                while path.last() == Some(&0) {
                    path.pop();
                }
                path
            };
            ProxyHeader::Unix {
                source: path(0),
                destination: path(108),
            }
        }
    };
    Ok(Some((header, 16 + length)))
}
