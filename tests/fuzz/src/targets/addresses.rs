//! The parsers of addresses and endpoints: on texts that look like some, and on texts that do not.

use std::net::Ipv6Addr;

use arbitrary::{Result, Unstructured};
use netloop::{
    Endpoint, Error, Family, IntoEndpoint, ip_family, is_ipv4, is_ipv6, parse_socket_address,
};

/// The parts of which texts are made. Together they give most forms of an endpoint, and most near misses.
const PARTS: [&str; 44] = [
    "0",
    "1",
    "7",
    "00",
    "01",
    "127",
    "255",
    "256",
    "65535",
    "65536",
    "99999",
    ".",
    ".",
    ".",
    ":",
    ":",
    "::",
    ":80",
    ":0",
    ":+80",
    ":-1",
    "fe80",
    "ffff",
    "abcde",
    "::ffff:1.2.3.4",
    "[",
    "]",
    "[::1]",
    "%",
    "%eth0",
    "%1",
    "%4294967296",
    "/",
    "/run/app",
    "unix:",
    "unix:@",
    "@",
    "\0",
    " ",
    "\n",
    "localhost",
    "ex-ample.com",
    "é",
    "-",
];

pub(crate) fn play(input: &mut Unstructured<'_>) -> Result<()> {
    while !input.is_empty() {
        check(&text(input)?, input.arbitrary()?);
    }
    Ok(())
}

fn text(input: &mut Unstructured<'_>) -> Result<String> {
    if input.ratio(1, 8)? {
        return input.arbitrary();
    }
    if input.ratio(1, 16)? {
        // As long as a path may be, or a byte longer.
        return Ok("/".repeat(input.int_in_range(100..=110)?));
    }
    let count = input.int_in_range(0..=9_u8)?;
    (0..count).map(|_| input.choose(&PARTS).copied()).collect()
}

fn check(text: &str, port: u16) {
    let is_four = is_dotted_decimal(text);
    let is_six = match text.split_once('%') {
        None => text.parse::<Ipv6Addr>().is_ok(),
        Some((address, zone)) => address.parse::<Ipv6Addr>().is_ok() && is_zone(zone),
    };
    assert_eq!(
        (is_ipv4(text), is_ipv6(text)),
        (is_four, is_six),
        "{text:?}"
    );
    let family = match (is_four, is_six) {
        (true, _) => Some(Family::IPv4),
        (_, true) => Some(Family::IPv6),
        _ => None,
    };
    assert_eq!(ip_family(text), family, "{text:?}");

    let parsed = parse_socket_address(text);
    if let Some(address) = parsed {
        assert_eq!(
            parse_socket_address(&address.to_string()),
            parsed,
            "{text:?}"
        );
        assert_eq!(address.is_ipv4(), !text.starts_with('['), "{text:?}");
        if address.port() != 0 {
            assert_eq!(text.into_endpoint().ok(), Some(Endpoint::Socket(address)));
        }
    }
    assert!(!is_four || parsed.is_some(), "{text:?}");

    check_endpoint(text, text.into_endpoint());
    let pair = (text, port).into_endpoint();
    if family.is_some() {
        assert!(pair.is_ok(), "{text:?} is an address");
    }
    if let Ok(endpoint) = &pair {
        assert_eq!(endpoint.port(), Some(port), "{text:?}");
    }
    check_endpoint(text, pair);
}

/// Checks that an endpoint is one that its own text gives again, and that an error says whose fault it is.
fn check_endpoint(text: &str, endpoint: netloop::Result<Endpoint>) {
    match endpoint {
        Ok(Endpoint::Path(path)) => {
            let length = path.as_os_str().len();
            assert!(
                (1..=108).contains(&length),
                "{text:?} is a path of {length} bytes"
            );
            assert_eq!(
                path.as_path().into_endpoint().ok(),
                Some(Endpoint::Path(path))
            );
        }
        Ok(endpoint) => {
            if let Endpoint::Name { host, .. } = &endpoint {
                assert!(
                    !host.is_empty() && !is_ipv4(host),
                    "{text:?} is the name {host:?}"
                );
                assert!(
                    !host.contains(char::is_whitespace),
                    "{text:?} is the name {host:?}"
                );
                assert!(!host.contains('\0'), "{text:?} is the name {host:?}");
            }
            // A name that begins with `unix:` would be read as a path.
            let shown = endpoint.to_string();
            if !shown.starts_with("unix:") {
                assert_eq!(
                    shown.as_str().into_endpoint().ok(),
                    Some(endpoint),
                    "{text:?}"
                );
            }
        }
        Err(error) => {
            let is_ours = [Error::INVALID_ARGUMENT, Error::BAD_PORT].contains(&error.code());
            assert!(
                is_ours && !error.to_string().is_empty(),
                "{text:?}: {error:?}"
            );
        }
    }
}

fn is_dotted_decimal(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    let is_number = |part: &&str| {
        let has_digits =
            (1..=3).contains(&part.len()) && part.bytes().all(|it| it.is_ascii_digit());
        let is_short = *part == "0" || !part.starts_with('0');
        has_digits && is_short && part.parse::<u16>().is_ok_and(|number| number < 256)
    };
    parts.len() == 4 && parts.iter().all(is_number)
}

fn is_zone(zone: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:".contains(&byte);
    !zone.is_empty() && zone.bytes().all(allowed)
}
