//! Version 1: one line, as in `PROXY TCP4 192.0.2.1 198.51.100.1 56324 443`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use crate::net::error::{Error, Result};

use super::{ProxyHeader, fault};

pub(super) const SIGNATURE: &[u8] = b"PROXY ";

/// The longest line, with its CRLF: `UNKNOWN` with two IPv6 addresses and two ports.
const LONGEST_LINE: usize = 107;

const LINE_END: &[u8] = b"\r\n";

pub(super) fn parse(bytes: &[u8]) -> Result<Option<(ProxyHeader, usize)>> {
    let window = &bytes[..bytes.len().min(LONGEST_LINE)];
    let end = window
        .windows(LINE_END.len())
        .position(|pair| pair == LINE_END);
    match end {
        Some(end) => {
            let header = parse_line(&window[SIGNATURE.len()..end])?;
            Ok(Some((header, end + LINE_END.len())))
        }
        None if window.len() < LONGEST_LINE => Ok(None),
        None => Err(fault(format!(
            "the line of the PROXY header does not end within {LONGEST_LINE} bytes"
        ))),
    }
}

/// Parses the fields after `PROXY `. Exactly one space stands between two of them.
fn parse_line(line: &[u8]) -> Result<ProxyHeader> {
    let mut fields = line.split(|&byte| byte == b' ');
    let mut next = |field| match fields.next() {
        Some(text) if !text.is_empty() => Ok(text),
        _ => Err(fault(format!("the PROXY header has no {field}"))),
    };
    let parse_address: fn(&str, &[u8]) -> Result<IpAddr> = match next("protocol")? {
        b"TCP4" => |field, text| parse_text::<Ipv4Addr>(field, text).map(IpAddr::V4),
        b"TCP6" => |field, text| parse_text::<Ipv6Addr>(field, text).map(IpAddr::V6),
        // The specification lets the sender write anything after `UNKNOWN`.
        b"UNKNOWN" => return Ok(ProxyHeader::Unknown),
        text => return Err(invalid("protocol", text)),
    };
    let source = parse_address("source address", next("source address")?)?;
    let destination = parse_address("destination address", next("destination address")?)?;
    let source_port = parse_port("source port", next("source port")?)?;
    let destination_port = parse_port("destination port", next("destination port")?)?;
    match fields.next() {
        Some(_) => Err(fault(
            "the PROXY header goes on behind the destination port".to_owned(),
        )),
        None => Ok(ProxyHeader::Inet {
            source: SocketAddr::new(source, source_port),
            destination: SocketAddr::new(destination, destination_port),
        }),
    }
}

fn parse_text<T: FromStr>(field: &str, text: &[u8]) -> Result<T> {
    let parsed = std::str::from_utf8(text)
        .ok()
        .and_then(|it| it.parse().ok());
    parsed.ok_or_else(|| invalid(field, text))
}

/// Parses a port. The standard library also takes a sign and leading zeros, which the specification forbids.
fn parse_port(field: &str, text: &[u8]) -> Result<u16> {
    let is_canonical = text.iter().all(u8::is_ascii_digit) && (text == b"0" || text[0] != b'0');
    match is_canonical {
        true => parse_text(field, text),
        false => Err(invalid(field, text)),
    }
}

fn invalid(field: &str, text: &[u8]) -> Error {
    let text = String::from_utf8_lossy(text);
    fault(format!("the PROXY header has the {field} {text:?}"))
}
