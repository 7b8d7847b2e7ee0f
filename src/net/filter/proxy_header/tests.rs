use super::*;

/// Bytes of a client after the header. They look like a header themselves.
const REST: &[u8] = b"PROXY \r\nGET / HTTP/1.1\r\n\r\n";

fn address(text: &str) -> SocketAddr {
    text.parse().expect("it is an address")
}

fn tcp(source: &str, destination: &str) -> ProxyHeader {
    ProxyHeader::Inet {
        source: address(source),
        destination: address(destination),
    }
}

fn unix(source: &[u8], destination: &[u8]) -> ProxyHeader {
    ProxyHeader::Unix {
        source: source.to_vec(),
        destination: destination.to_vec(),
    }
}

/// Returns a header of version 2, byte by byte as the specification writes it.
fn version_2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).expect("it is short");
    let mut bytes = b"\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a".to_vec();
    bytes.extend([command, family]);
    bytes.extend(length.to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// A TLV of the type PP2_TYPE_UNIQUE_ID, as HAProxy sends it.
fn tlv(value_bytes: usize) -> Vec<u8> {
    let length = u16::try_from(value_bytes).expect("it is short");
    let mut bytes = vec![0x05];
    bytes.extend(length.to_be_bytes());
    bytes.resize(3 + value_bytes, b'\n');
    bytes
}

const IPV4: &[u8] = b"\xc0\x00\x02\x01\xc6\x33\x64\x02\xdc\x04\x01\xbb";

fn ipv6() -> Vec<u8> {
    let mut bytes = [0; 36];
    bytes[..4].copy_from_slice(b"\x20\x01\x0d\xb8");
    bytes[15] = 1;
    bytes[31] = 2;
    bytes[32..].copy_from_slice(b"\xdc\x04\x01\xbb");
    bytes.to_vec()
}

fn paths(source: &[u8], destination: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 216];
    bytes[..source.len()].copy_from_slice(source);
    bytes[108..108 + destination.len()].copy_from_slice(destination);
    bytes
}

fn valid() -> Vec<(Vec<u8>, ProxyHeader)> {
    let v4 = || tcp("192.0.2.1:56324", "198.51.100.2:443");
    let v6 = || tcp("[2001:db8::1]:56324", "[::2]:443");
    let longest_path = [b'p'; 108];
    let mut rows: Vec<(Vec<u8>, ProxyHeader)> = [
        (
            "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n",
            v4(),
        ),
        (
            "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
            tcp("255.255.255.255:65535", "255.255.255.255:65535"),
        ),
        (
            "PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n",
            tcp("0.0.0.0:0", "0.0.0.0:0"),
        ),
        ("PROXY TCP6 2001:db8::1 ::2 56324 443\r\n", v6()),
        ("PROXY TCP6 2001:DB8:0::1 ::2 56324 443\r\n", v6()),
        (
            "PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n",
            tcp("[::ffff:192.0.2.1]:1", "[::1]:2"),
        ),
        (
            "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
            tcp(
                "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
                "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
            ),
        ),
        ("PROXY UNKNOWN\r\n", ProxyHeader::Unknown),
        ("PROXY UNKNOWN \r\n", ProxyHeader::Unknown),
        ("PROXY UNKNOWN a \n \r nonsense\r\n", ProxyHeader::Unknown),
        (
            "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
            ProxyHeader::Unknown,
        ),
    ]
    .map(|(line, header)| (line.as_bytes().to_vec(), header))
    .into();
    rows.extend([
        (version_2(0x21, 0x11, IPV4), v4()),
        (
            version_2(0x21, 0x11, &[IPV4, &tlv(0), &tlv(300)].concat()),
            v4(),
        ),
        // The byte after the addresses is no TLV, and is skipped all the same.
        (version_2(0x21, 0x11, &[IPV4, b"\xff"].concat()), v4()),
        (
            version_2(0x21, 0x12, IPV4),
            tcp("192.0.2.1:56324", "198.51.100.2:443"),
        ),
        (version_2(0x21, 0x21, &ipv6()), v6()),
        (
            version_2(0x21, 0x22, &[ipv6(), tlv(2)].concat()),
            tcp("[2001:db8::1]:56324", "[::2]:443"),
        ),
        (
            version_2(0x21, 0x31, &paths(b"", b"/run/app.sock")),
            unix(b"", b"/run/app.sock"),
        ),
        (
            version_2(0x21, 0x32, &paths(b"\0abstract\0name", b"/a")),
            unix(b"\0abstract\0name", b"/a"),
        ),
        (
            version_2(0x21, 0x31, &paths(&longest_path, &longest_path)),
            unix(&longest_path, &longest_path),
        ),
        (version_2(0x21, 0x00, b""), ProxyHeader::Unknown),
        (version_2(0x21, 0x00, &tlv(20)), ProxyHeader::Unknown),
        (version_2(0x20, 0x00, b""), ProxyHeader::Local),
        (version_2(0x20, 0x11, IPV4), ProxyHeader::Local),
        // The family and the length would be an error with the command PROXY.
        (version_2(0x20, 0xff, &tlv(1)), ProxyHeader::Local),
    ]);
    rows
}

/// Bytes that are no header, with the text of the error, and the number of bytes at which `parse` returns it.
fn invalid() -> Vec<(Vec<u8>, &'static str, usize)> {
    let none = "no PROXY header at the beginning";
    let mut rows = vec![
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), none, 1),
        (b"PRoXY TCP4".to_vec(), none, 3),
        (b"PROXY\r\n".to_vec(), none, 6),
        (b"\r\n\r\n\0\r\nQUIT\r\n".to_vec(), none, 12),
        (b"\0".to_vec(), none, 1),
        (
            version_2(0x11, 0x11, IPV4),
            "version 1 of the PROXY header is unknown",
            13,
        ),
        (
            version_2(0x22, 0x11, IPV4),
            "the PROXY header has the unknown command 2",
            13,
        ),
        (
            version_2(0x21, 0x13, IPV4),
            "the PROXY header has the unknown address family 0x13",
            16,
        ),
        (
            version_2(0x21, 0x01, IPV4),
            "the PROXY header has the unknown address family 0x01",
            16,
        ),
        (
            version_2(0x21, 0x41, IPV4),
            "the PROXY header has the unknown address family 0x41",
            16,
        ),
        (
            version_2(0x21, 0x11, &IPV4[..11]),
            "the PROXY header has 11 bytes where the addresses take 12",
            16,
        ),
        (
            version_2(0x21, 0x21, &ipv6()[..35]),
            "the PROXY header has 35 bytes where the addresses take 36",
            16,
        ),
        (
            version_2(0x21, 0x31, &paths(b"", b"")[..215]),
            "the PROXY header has 215 bytes where the addresses take 216",
            16,
        ),
        (
            version_2(0x20, 0x00, &tlv(4096)),
            "the PROXY header has 4115 bytes, and 4096 are allowed",
            16,
        ),
        (
            [b"PROXY UNKNOWN ".as_slice(), &[b'x'; 92], b"\r\n"].concat(),
            "the line of the PROXY header does not end within 107 bytes",
            107,
        ),
        (
            b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\n".repeat(3),
            "the line of the PROXY header does not end within 107 bytes",
            107,
        ),
    ];
    for (line, words) in [
        ("PROXY \r\n", "the PROXY header has no protocol"),
        (
            "PROXY  TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
            "the PROXY header has no protocol",
        ),
        (
            "PROXY tcp4 1.1.1.1 2.2.2.2 1 2\r\n",
            "the PROXY header has the protocol \"tcp4\"",
        ),
        (
            "PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n",
            "the PROXY header has the protocol \"UDP4\"",
        ),
        (
            "PROXY UNKNOWNS\r\n",
            "the PROXY header has the protocol \"UNKNOWNS\"",
        ),
        ("PROXY TCP4\r\n", "the PROXY header has no source address"),
        (
            "PROXY TCP4 1.1.1.1\r\n",
            "the PROXY header has no destination address",
        ),
        (
            "PROXY TCP4 1.1.1.1 2.2.2.2\r\n",
            "the PROXY header has no source port",
        ),
        (
            "PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n",
            "the PROXY header has no destination port",
        ),
        (
            "PROXY TCP4 1.1.1.1 2.2.2.2 1 \r\n",
            "the PROXY header has no destination port",
        ),
        (
            "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n",
            "the PROXY header goes on behind the destination port",
        ),
        (
            "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n",
            "the PROXY header goes on behind the destination port",
        ),
        (
            "PROXY TCP4 1.1.1.01 2.2.2.2 1 2\r\n",
            "the PROXY header has the source address \"1.1.1.01\"",
        ),
        (
            "PROXY TCP4 ::1 ::2 1 2\r\n",
            "the PROXY header has the source address \"::1\"",
        ),
        (
            "PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n",
            "the PROXY header has the source address \"1.1.1.1\"",
        ),
        (
            "PROXY TCP6 ::1 fe80::1%eth0 1 2\r\n",
            "the PROXY header has the destination address \"fe80::1%eth0\"",
        ),
        (
            "PROXY TCP4 1.1.1.1 2.2.2.2 65536 2\r\n",
            "the PROXY header has the source port \"65536\"",
        ),
        (
            "PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n",
            "the PROXY header has the source port \"+1\"",
        ),
        (
            "PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n",
            "the PROXY header has the source port \"01\"",
        ),
        (
            "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n\r\n",
            "the PROXY header has the destination port \"2\\n\"",
        ),
    ] {
        rows.push((line.as_bytes().to_vec(), words, line.len()));
    }
    rows
}

fn verdict(bytes: &[u8]) -> std::result::Result<Option<(ProxyHeader, usize)>, String> {
    ProxyHeader::parse(bytes).map_err(|error| {
        assert_eq!(error.code(), Error::PROXY_HEADER);
        error.to_string()
    })
}

#[test]
fn a_header_is_incomplete_at_every_cut_but_its_end() {
    for (bytes, header) in valid() {
        for cut in 0..bytes.len() {
            assert_eq!(verdict(&bytes[..cut]), Ok(None), "{cut} of {header:?}");
        }
        let length = bytes.len();
        let stream = [&bytes, REST].concat();
        for cut in length..=stream.len() {
            let whole = Ok(Some((header.clone(), length)));
            assert_eq!(verdict(&stream[..cut]), whole);
        }
    }
}

#[test]
fn a_fault_has_words_and_shows_at_its_byte() {
    for (bytes, words, at) in invalid() {
        let stream = [&bytes, REST].concat();
        for cut in 0..at {
            assert_eq!(verdict(&stream[..cut]), Ok(None), "{cut} of {words}");
        }
        for cut in at..=stream.len() {
            assert_eq!(verdict(&stream[..cut]), Err(words.to_owned()), "{cut}");
        }
    }
}

#[test]
fn a_header_has_at_most_the_greatest_length() {
    for content in [Content::Local, Content::Unknown, Content::Ipv4] {
        let (command, family, addresses) = match content {
            Content::Local => (0x20, 0x00, &b""[..]),
            Content::Unknown => (0x21, 0x00, &b""[..]),
            Content::Ipv4 => (0x21, 0x11, IPV4),
        };
        let of = |length: usize| {
            let tlvs = tlv(length - FRONT - addresses.len() - 3);
            version_2(command, family, &[addresses, &tlvs].concat())
        };
        let longest = of(LONGEST_HEADER);
        assert_eq!(longest.len(), 4096);
        assert!(matches!(verdict(&longest), Ok(Some((_, 4096)))));
        assert_eq!(verdict(&longest[..4095]), Ok(None));
        let words = "the PROXY header has 4097 bytes, and 4096 are allowed";
        assert_eq!(verdict(&of(4097)[..FRONT]), Err(words.to_owned()));
    }
}

/// The bytes before the addresses of version 2.
const FRONT: usize = 16;

enum Content {
    Local,
    Unknown,
    Ipv4,
}

/// The input is valid headers with up to three random changes, then bytes that look like a header, then random bytes.
#[test]
fn a_verdict_never_changes_when_more_bytes_come() {
    let headers = valid();
    for seed in 0..2_000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut bytes = headers[random.usize(..headers.len())].0.clone();
        for _ in 0..random.usize(..4) {
            let at = random.usize(..bytes.len());
            match random.u8(..3) {
                0 => bytes[at] = random.u8(..),
                1 => bytes.insert(at, *random.choice(b" \r\n0:.\0").unwrap_or(&0)),
                _ => {
                    bytes.remove(at);
                }
            }
            if bytes.is_empty() {
                bytes.push(b'P');
            }
        }
        bytes.extend_from_slice(REST);
        bytes.extend(std::iter::repeat_with(|| random.u8(..)).take(107));
        let mut last = Ok(None);
        for cut in 0..=bytes.len() {
            let now = verdict(&bytes[..cut]);
            if last != Ok(None) {
                assert_eq!(now, last, "seed {seed}, {cut} bytes");
            }
            if let Ok(Some((_, length))) = now {
                assert_eq!(length, cut.min(length), "seed {seed}");
                assert!(length <= LONGEST_HEADER, "seed {seed}");
            }
            last = now;
        }
        assert!(
            last != Ok(None) || bytes.len() < LONGEST_HEADER,
            "seed {seed}"
        );
    }
}
