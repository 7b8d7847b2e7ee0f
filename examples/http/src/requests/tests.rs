use super::*;
use crate::head::Method;

/// A part that outlives its data.
#[derive(Clone, Debug, PartialEq)]
enum Seen {
    Head(Method, String, Framing),
    Body(String),
    End,
    Refused(Status),
}

const MOST_BODY: u64 = 1 << 20;

/// The parts of the requests in `pieces`. Pieces of a body are joined.
fn seen<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Seen> {
    let mut requests = Requests::new(MOST_BODY);
    let mut parts: Vec<Seen> = Vec::new();
    for piece in pieces {
        let mut data = piece;
        loop {
            let part = match requests.next(&mut data) {
                Ok(None) => break,
                Ok(Some(Part::Head(head))) => {
                    Seen::Head(head.method, head.path.to_owned(), head.framing)
                }
                Ok(Some(Part::Body(bytes))) => {
                    let bytes = std::str::from_utf8(bytes).unwrap();
                    if let Some(Seen::Body(before)) = parts.last_mut() {
                        before.push_str(bytes);
                        continue;
                    }
                    Seen::Body(bytes.to_owned())
                }
                Ok(Some(Part::End)) => Seen::End,
                Err(status) => Seen::Refused(status),
            };
            parts.push(part);
        }
        assert!(data.is_empty(), "all data is taken");
    }
    parts
}

fn get(path: &str) -> [Seen; 2] {
    let path = path.to_owned();
    [Seen::Head(Method::Get, path, Framing::Length(0)), Seen::End]
}

fn post(framing: Framing, body: &str) -> Vec<Seen> {
    let mut parts = vec![Seen::Head(Method::Post, "/upload".to_owned(), framing)];
    if !body.is_empty() {
        parts.push(Seen::Body(body.to_owned()));
    }
    parts.push(Seen::End);
    parts
}

/// Requests of every form, one after the other, and their parts.
fn pipeline() -> (Vec<u8>, Vec<Seen>) {
    let stream = "GET /one?x=1 HTTP/1.1\r\nHost: a\r\n\r\n\
        POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello\
        \r\nGET /two HTTP/1.0\r\n\r\n\
        POST /upload HTTP/1.1\r\nhost:a\r\ntransfer-encoding: Chunked\r\n\r\n\
        5;name=value\r\nhello\r\n00A \t;x\r\n, 12 world\r\n0\r\nTrailer: of no use\r\nOther: one\r\n\r\n\
        POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\
        POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n\
        GET http://a/three?y HTTP/1.1\nHost: a\n\n\
        GET http://a HTTP/1.1\r\nHost: a\r\n\r\n";
    let parts = [
        &get("/one")[..],
        &post(Framing::Length(5), "hello"),
        &get("/two"),
        &post(Framing::Chunked, "hello, 12 world"),
        &post(Framing::Chunked, ""),
        &post(Framing::Length(0), ""),
        &get("/three"),
        &get("/"),
    ];
    (stream.into(), parts.concat())
}

#[test]
fn a_pipeline_is_read_in_one_piece_and_byte_by_byte() {
    let (stream, parts) = pipeline();
    assert_eq!(seen([&stream[..]]), parts);
    assert_eq!(seen(stream.chunks(1)), parts);
}

#[test]
fn a_cut_at_any_two_places_changes_nothing() {
    let (stream, parts) = pipeline();
    for first in 0..stream.len() {
        for second in first..stream.len() {
            let pieces = [&stream[..first], &stream[first..second], &stream[second..]];
            assert_eq!(seen(pieces), parts, "cut at {first} and {second}");
        }
    }
}

/// Puts a few bytes of the grammar where they do not belong, and takes some away.
fn damage(stream: &mut Vec<u8>, random: &mut fastrand::Rng) {
    for _ in 0..random.usize(1..5) {
        let place = random.usize(..stream.len());
        let byte = *random.choice(b"\r\n :;,/0159aFX\t\0").unwrap();
        match random.u8(..4) {
            0 => stream[place] = byte,
            1 => stream.insert(place, byte),
            2 => drop(stream.remove(place)),
            _ => {
                let end = stream.len().min(place + random.usize(..20));
                let piece = stream[place..end].to_vec();
                let to = random.usize(..stream.len());
                stream.splice(to..to, piece);
            }
        }
    }
}

#[test]
fn a_damaged_pipeline_is_read_alike_in_any_cuts() {
    let mut refused = 0;
    for seed in 0..20_000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut stream, parts) = pipeline();
        damage(&mut stream, &mut random);
        // Whatever it has become, each head has an end.
        stream.extend_from_slice(b"\r\n\r\n");
        let whole = seen([&stream[..]]);
        refused += usize::from(whole != parts && matches!(whole.last(), Some(Seen::Refused(_))));
        let most = random.usize(1..200);
        let mut pieces = Vec::new();
        let mut rest = &stream[..];
        while !rest.is_empty() {
            let (piece, others) = rest.split_at(random.usize(1..=most).min(rest.len()));
            pieces.push(piece);
            rest = others;
        }
        let text = String::from_utf8_lossy(&stream);
        assert_eq!(seen(pieces), whole, "seed {seed}: {text:?}");
    }
    assert!(refused > 10_000, "{refused} of 20,000 are refused");
}

/// The request that another server would see in the bytes after a doubtful one.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

#[track_caller]
fn expect_in_any_cuts(request: &str, behind: &str, expected: &[Seen]) {
    let bytes = format!("{request}{behind}{SMUGGLED}");
    for cut in 0..request.len() {
        let pieces = [&bytes.as_bytes()[..cut], &bytes.as_bytes()[cut..]];
        assert_eq!(seen(pieces), expected, "{request:?} cut at {cut}");
    }
    assert_eq!(
        seen(bytes.as_bytes().chunks(1)),
        expected,
        "{request:?} byte by byte"
    );
}

#[test]
fn a_doubtful_head_is_refused_in_any_cuts() {
    let fields = |fields: &str| format!("POST / HTTP/1.1\r\n{fields}\r\n\r\n");
    for (request, status) in [
        // Two lengths, or a length and chunks.
        (
            fields("Host: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked"),
            Status::BadRequest,
        ),
        (
            fields("Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5"),
            Status::BadRequest,
        ),
        (
            fields("Host: a\r\nContent-Length: 5\r\nContent-Length: 6"),
            Status::BadRequest,
        ),
        (
            fields("Host: a\r\nContent-Length: 5\r\nContent-Length: 5"),
            Status::BadRequest,
        ),
        (
            fields("Host: a\r\nContent-Length: 5, 5"),
            Status::BadRequest,
        ),
        // Lengths that are no numbers.
        (fields("Host: a\r\nContent-Length:"), Status::BadRequest),
        (fields("Host: a\r\nContent-Length: +5"), Status::BadRequest),
        (fields("Host: a\r\nContent-Length: -5"), Status::BadRequest),
        (fields("Host: a\r\nContent-Length: 0x5"), Status::BadRequest),
        (fields("Host: a\r\nContent-Length: 5 5"), Status::BadRequest),
        (
            fields("Host: a\r\nContent-Length: 99999999999999999999"),
            Status::BadRequest,
        ),
        (
            fields("Host: a\r\nContent-Length: 1048577"),
            Status::ContentTooLarge,
        ),
        // Codings of which another server could make something else.
        (
            fields("Host: a\r\nTransfer-Encoding: xchunked"),
            Status::BadRequest,
        ),
        (fields("Host: a\r\nTransfer-Encoding:"), Status::BadRequest),
        (
            fields("Host: a\r\nTransfer-Encoding: identity"),
            Status::BadRequest,
        ),
        (
            fields("Host: a\r\nTransfer-Encoding: chunked, identity"),
            Status::BadRequest,
        ),
        (
            fields("Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity"),
            Status::BadRequest,
        ),
        (
            fields("Host: a\r\nTransfer-Encoding: chunked, chunked"),
            Status::BadRequest,
        ),
        (
            fields("Host: a\r\nTransfer-Encoding: chunked;q=1"),
            Status::BadRequest,
        ),
        (
            fields("Host: a\r\nTransfer-Encoding: \x0bchunked"),
            Status::BadRequest,
        ),
        (
            fields("Host: a\r\nTransfer-Encoding: gzip, chunked"),
            Status::NotImplemented,
        ),
        (
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".into(),
            Status::BadRequest,
        ),
        // Names and lines that are not what they seem.
        (fields("Host: a\r\nContent-Length : 5"), Status::BadRequest),
        (fields("Host: a\r\n Content-Length: 5"), Status::BadRequest),
        (
            fields("Host: a\r\nX: 1\r\n\tContent-Length: 5"),
            Status::BadRequest,
        ),
        (
            fields("Host: a\r\nContent-Length\r\nX: 5"),
            Status::BadRequest,
        ),
        (fields("Host: a\r\nX: \0"), Status::BadRequest),
        (
            fields("Host: a\r\nX: 1\rContent-Length: 5"),
            Status::BadRequest,
        ),
        (fields("Host: a\r\n: 1"), Status::BadRequest),
        (fields("X: 1"), Status::BadRequest),
        (fields("Host: a\r\nHost: b"), Status::BadRequest),
        (fields("Host: a, b"), Status::BadRequest),
        (fields("Host: a b"), Status::BadRequest),
        (fields("Host: a/b"), Status::BadRequest),
        (fields("Host: b@a"), Status::BadRequest),
        (
            fields("Host: a\r\nExpect: 200-ok"),
            Status::ExpectationFailed,
        ),
        (
            "GET / HTTP/1.1 \r\nHost: a\r\n\r\n".into(),
            Status::BadRequest,
        ),
        (
            "GET  / HTTP/1.1\r\nHost: a\r\n\r\n".into(),
            Status::BadRequest,
        ),
        (
            "GET / HTTPS/1.1\r\nHost: a\r\n\r\n".into(),
            Status::BadRequest,
        ),
        ("GET /\r\n\r\n".into(), Status::BadRequest),
        (
            "GET / HTTP/2.0\r\nHost: a\r\n\r\n".into(),
            Status::VersionNotSupported,
        ),
        ("PRI * HTTP/2.0\r\n\r\n".into(), Status::VersionNotSupported),
        ("GET / HTTP/0.9\r\n\r\n".into(), Status::VersionNotSupported),
    ] {
        // A body of no chunks, so that a head that is taken for good shows.
        expect_in_any_cuts(&request, "0\r\n\r\n", &[Seen::Refused(status)]);
    }
}

#[test]
fn a_doubtful_chunk_is_refused_in_any_cuts() {
    let head = "POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (chunks, body, status) in [
        ("\r\n", "", Status::BadRequest),
        (";x\r\n", "", Status::BadRequest),
        (" 5\r\nhello\r\n", "", Status::BadRequest),
        ("+5\r\nhello\r\n", "", Status::BadRequest),
        ("-1\r\n", "", Status::BadRequest),
        ("0x5\r\nhello\r\n", "", Status::BadRequest),
        ("5g\r\nhello\r\n", "", Status::BadRequest),
        ("5 5\r\nhello\r\n", "", Status::BadRequest),
        ("5\nhello\r\n", "", Status::BadRequest),
        ("5\r\nhello\n", "hello", Status::BadRequest),
        ("5\r\nhelloX\r\n", "hello", Status::BadRequest),
        ("5;x\n\r\nhello\r\n", "", Status::BadRequest),
        ("5;\0\r\nhello\r\n", "", Status::BadRequest),
        ("5\r\rhello\r\n", "", Status::BadRequest),
        ("00000000000000005\r\n", "", Status::BadRequest),
        ("ffffffffffffffff\r\n", "", Status::ContentTooLarge),
        ("100001\r\n", "", Status::ContentTooLarge),
        ("0\r\n folded\r\n\r\n", "", Status::BadRequest),
        ("0\r\nX: 1\n\r\n", "", Status::BadRequest),
        ("0\r\n\n", "", Status::BadRequest),
    ] {
        let mut expected = post(Framing::Chunked, body);
        expected.pop();
        expected.push(Seen::Refused(status));
        expect_in_any_cuts(&format!("{head}{chunks}"), "", &expected);
    }
}

#[test]
fn lengths_are_limited_to_the_byte_in_any_cuts() {
    let head = |bytes: usize| {
        let (start, end) = ("GET / HTTP/1.1\r\nHost: a\r\nX: ", "\r\n\r\n");
        format!(
            "{start}{}{end}",
            "x".repeat(bytes - start.len() - end.len())
        )
    };
    let target = format!(
        "GET /{} HTTP/1.1\r\nHost: a\r\n\r\n",
        "x".repeat(MOST_HEAD_BYTES)
    );
    let fields = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: 1\r\n".repeat(64));
    let chunks =
        "POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned();
    let trailers = format!("{chunks}0\r\n{}", "X: 1\r\n".repeat(MOST_HEAD_BYTES));
    let extensions = format!("{chunks}{}", "1;x=1\r\nx\r\n".repeat(MOST_HEAD_BYTES));
    let ended = |parts: &[Seen]| parts.last().cloned();
    let refused = |status| Some(Seen::Refused(status));
    for (request, last) in [
        (head(MOST_HEAD_BYTES), Some(Seen::End)),
        (head(MOST_HEAD_BYTES + 1), refused(Status::HeadTooLarge)),
        (target, refused(Status::TargetTooLong)),
        (fields, refused(Status::HeadTooLarge)),
        (trailers, refused(Status::HeadTooLarge)),
        (extensions, refused(Status::HeadTooLarge)),
    ] {
        let bytes = request.as_bytes();
        assert_eq!(ended(&seen([bytes])), last, "{}", &request[..40]);
        for length in [1, 7, 1000, MOST_HEAD_BYTES - 1, MOST_HEAD_BYTES] {
            assert_eq!(
                ended(&seen(bytes.chunks(length))),
                last,
                "{} in {length}",
                &request[..40]
            );
        }
    }
}

#[test]
fn a_head_is_kept_only_until_it_is_whole() {
    let mut requests = Requests::new(MOST_BODY);
    let mut data = &b"GET / HTTP/1.1\r\n"[..];
    assert_eq!(requests.next(&mut data), Ok(None));
    assert_eq!(requests.missing(), Missing::Head(1));
    let mut data = &b"Host: a\r\n\r\nGET"[..];
    assert!(matches!(requests.next(&mut data), Ok(Some(Part::Head(_)))));
    assert_eq!(requests.missing(), Missing::Nothing);
    assert_eq!(requests.next(&mut data), Ok(Some(Part::End)));
    assert_eq!(requests.next(&mut data), Ok(None));
    assert_eq!(requests.head, b"GET");
    assert_eq!(requests.missing(), Missing::Head(2));
}

#[test]
fn missing_parts_are_told_request_by_request() {
    let mut requests = Requests::new(MOST_BODY);
    let feed = |requests: &mut Requests, bytes: &str| {
        let mut data = bytes.as_bytes();
        while let Ok(Some(_)) = requests.next(&mut data) {}
        requests.missing()
    };
    assert_eq!(feed(&mut requests, ""), Missing::Nothing);
    assert_eq!(feed(&mut requests, "\r\n"), Missing::Nothing);
    assert_eq!(feed(&mut requests, "POST /"), Missing::Head(1));
    assert_eq!(
        feed(&mut requests, " HTTP/1.1\r\nHost: a\r\n"),
        Missing::Head(1)
    );
    assert_eq!(
        feed(&mut requests, "Content-Length: 2\r\n\r\nx"),
        Missing::Body(1)
    );
    assert_eq!(feed(&mut requests, "yPOST"), Missing::Head(2));
    let rest = " / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(feed(&mut requests, rest), Missing::Body(2));
    assert_eq!(feed(&mut requests, "0\r\n"), Missing::Body(2));
    assert_eq!(feed(&mut requests, "\r\n"), Missing::Nothing);
    requests.stop();
    assert_eq!(feed(&mut requests, "GET / HTTP/1.1\r\n"), Missing::Nothing);
    assert!(requests.is_over());
}
