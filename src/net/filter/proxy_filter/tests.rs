use super::*;

/// The header and the bytes of the client after it, or the text of the error.
type Outcome = std::result::Result<(Option<ProxyHeader>, Vec<u8>), String>;

/// Plays a filter on `pieces`, then the peer's end. Unused bytes come again, in front of the next piece.
fn play(mut filter: ProxyFilter, pieces: &[&[u8]]) -> Outcome {
    let (mut unused, mut passed) = (Vec::new(), Vec::new());
    for piece in pieces {
        unused.extend_from_slice(piece);
        let mut to_peer = Vec::new();
        let mut output = FilterOutput {
            space: &mut [],
            filled: 0,
            to_peer: &mut to_peer,
        };
        let decoded = filter.decode(&mut unused, &mut output);
        let decoded = decoded.map_err(|error| error.to_string())?;
        assert!(to_peer.is_empty(), "the proxy gets no answer");
        assert!(!decoded.is_end);
        passed.extend_from_slice(&unused[decoded.in_place.clone()]);
        unused.drain(..decoded.used);
    }
    filter.peer_ended().map_err(|error| error.to_string())?;
    assert!(unused.is_empty());
    Ok((filter.header().cloned(), passed))
}

fn proxy() -> Option<SocketAddr> {
    Some(([127, 0, 0, 1], 7).into())
}

fn required() -> ProxyFilter {
    ProxyFilter::new(proxy(), false)
}

fn optional() -> ProxyFilter {
    ProxyFilter::new(proxy(), true)
}

const LINE: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n";

fn of_line() -> ProxyHeader {
    ProxyHeader::Inet {
        source: ([192, 0, 2, 1], 56324).into(),
        destination: ([198, 51, 100, 2], 443).into(),
    }
}

#[test]
fn the_bytes_behind_a_header_pass_wherever_it_is_cut() {
    let stream = [LINE, b"PROXY \r\n\r\n\0\r\nQUIT\n"].concat();
    for first in 0..=stream.len() {
        for second in first..=stream.len() {
            let pieces = [&stream[..first], &stream[first..second], &stream[second..]];
            for filter in [required(), optional()] {
                let expected = Ok((Some(of_line()), stream[LINE.len()..].to_vec()));
                assert_eq!(play(filter, &pieces), expected, "{first} {second}");
            }
        }
    }
}

#[test]
fn a_stream_that_ends_too_early_is_an_error() {
    let words = |place: &str| {
        Err(format!(
            "127.0.0.1:7: the connection ends {place} its PROXY header"
        ))
    };
    assert_eq!(play(required(), &[]), words("before"));
    for cut in 1..LINE.len() {
        assert_eq!(play(required(), &[&LINE[..cut]]), words("within"));
    }
    let of_unix = play(ProxyFilter::new(None, false), &[]);
    let text = "the connection ends before its PROXY header";
    assert_eq!(of_unix, Err(text.to_owned()));
}

#[test]
fn without_a_header_the_bytes_pass_only_if_it_is_optional() {
    for bytes in [
        &b"GET / HTTP/1.1\r\n"[..],
        b"PROX\r\n",
        b"\r\n\r\n\r\n",
        b"\0",
    ] {
        for cut in 0..=bytes.len() {
            let pieces = [&bytes[..cut], &bytes[cut..]];
            let passed = Ok((None, bytes.to_vec()));
            assert_eq!(play(optional(), &pieces), passed);
            let text = "127.0.0.1:7: no PROXY header at the beginning";
            assert_eq!(play(required(), &pieces), Err(text.to_owned()));
        }
    }
    // A broken header does not count as absent.
    let broken = play(optional(), &[b"PROXY TCP4\r\n"]);
    let text = "127.0.0.1:7: the PROXY header has no source address";
    assert_eq!(broken, Err(text.to_owned()));
}

#[test]
fn the_proxy_and_the_client_are_known_behind_the_header_alone() {
    let mut filter = required();
    assert_eq!((filter.proxy(), filter.peer_address()), (None, None));
    assert_eq!(filter.take_header(&LINE[..10]).unwrap(), None);
    assert_eq!((filter.proxy(), filter.peer_address()), (None, None));
    assert_eq!(filter.take_header(LINE).unwrap(), Some(LINE.len()));
    let client = Some(([192, 0, 2, 1], 56324).into());
    assert_eq!((filter.proxy(), filter.peer_address()), (proxy(), client));
    let mut filter = optional();
    assert_eq!(filter.take_header(b"x").unwrap(), Some(0));
    assert_eq!((filter.proxy(), filter.peer_address()), (None, None));
}

#[test]
fn written_bytes_leave_as_they_are() {
    let mut to_peer = b"before".to_vec();
    let slices = [IoSlice::new(b"ab"), IoSlice::new(b"c")];
    assert_eq!(required().encode(&slices, &mut to_peer).unwrap(), 3);
    assert_eq!(to_peer, b"beforeabc");
}

fn random_header(random: &mut fastrand::Rng) -> (Option<ProxyHeader>, Vec<u8>) {
    let port = |random: &mut fastrand::Rng| random.u16(..);
    let v4 = |random: &mut fastrand::Rng| random.u32(..).to_be_bytes();
    let v6 = |random: &mut fastrand::Rng| random.u128(..).to_be_bytes();
    let text = |source: SocketAddr, destination: SocketAddr| {
        let family = if source.is_ipv4() { 4 } else { 6 };
        let (from, to) = (source.ip(), destination.ip());
        let ports = (source.port(), destination.port());
        format!("PROXY TCP{family} {from} {to} {} {}\r\n", ports.0, ports.1).into_bytes()
    };
    let inet = |source: SocketAddr, destination: SocketAddr| {
        Some(ProxyHeader::Inet {
            source,
            destination,
        })
    };
    let (is_local, family, header, addresses) = match random.u8(..8) {
        0 => return (None, Vec::new()),
        1 => {
            let (source, destination) = (
                (v4(random), port(random)).into(),
                (v4(random), port(random)).into(),
            );
            return (inet(source, destination), text(source, destination));
        }
        2 => {
            let (source, destination) = (
                (v6(random), port(random)).into(),
                (v6(random), port(random)).into(),
            );
            return (inet(source, destination), text(source, destination));
        }
        3 => (true, random.u8(..), ProxyHeader::Local, Vec::new()),
        4 => (false, 0x00, ProxyHeader::Unknown, Vec::new()),
        5 => {
            let (ips, ports) = ([v4(random), v4(random)], [port(random), port(random)]);
            let header = ProxyHeader::Inet {
                source: (ips[0], ports[0]).into(),
                destination: (ips[1], ports[1]).into(),
            };
            let ports = ports.map(u16::to_be_bytes);
            (false, 0x11, header, [ips.concat(), ports.concat()].concat())
        }
        6 => {
            let (ips, ports) = ([v6(random), v6(random)], [port(random), port(random)]);
            let header = ProxyHeader::Inet {
                source: (ips[0], ports[0]).into(),
                destination: (ips[1], ports[1]).into(),
            };
            let ports = ports.map(u16::to_be_bytes);
            (false, 0x22, header, [ips.concat(), ports.concat()].concat())
        }
        _ => {
            let mut path = || -> Vec<u8> {
                let length = random.usize(..=108);
                std::iter::repeat_with(|| random.u8(1..))
                    .take(length)
                    .collect()
            };
            let (source, destination) = (path(), path());
            let mut addresses = source.clone();
            addresses.resize(108, 0);
            addresses.extend_from_slice(&destination);
            addresses.resize(216, 0);
            let header = ProxyHeader::Unix {
                source,
                destination,
            };
            (false, 0x31, header, addresses)
        }
    };
    let tlvs = random.usize(..300);
    let length = u16::try_from(addresses.len() + tlvs).unwrap();
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    bytes.extend([if is_local { 0x20 } else { 0x21 }, family]);
    bytes.extend(length.to_be_bytes());
    bytes.extend(addresses);
    bytes.extend(std::iter::repeat_with(|| random.u8(..)).take(tlvs));
    (Some(header), bytes)
}

#[test]
fn random_streams_in_random_pieces_equal_their_model() {
    for seed in 0..3_000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (header, mut stream) = random_header(&mut random);
        let length = random.usize(..600);
        let mut data: Vec<u8> = std::iter::repeat_with(|| random.u8(..))
            .take(length)
            .collect();
        if header.is_none() {
            // The first byte shows that the stream begins with no header.
            data.insert(0, b'G');
        }
        stream.extend_from_slice(&data);
        let (mut pieces, mut rest) = (Vec::new(), &stream[..]);
        while !rest.is_empty() {
            let most = if random.bool() { 3 } else { rest.len() };
            let length = random.usize(..=most.min(rest.len()));
            let (piece, behind) = rest.split_at(length);
            pieces.push(piece);
            rest = behind;
        }
        let filter = match header.is_none() || random.bool() {
            true => optional(),
            false => required(),
        };
        assert_eq!(play(filter, &pieces), Ok((header, data)), "seed {seed}");
    }
}
