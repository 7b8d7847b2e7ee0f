//! The parser against a model that sees all bytes at once, whole, in two pieces at every place, and byte by byte.

use super::*;

type Command = Vec<Vec<u8>>;

/// The commands of a stream, and the error that ends it.
type Outcome = (Vec<Command>, Option<ProtocolError>);

/// Parses `stream` as it comes in pieces, and keeps the bytes as a session does.
fn parse<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut parser = Parser::default();
    let mut kept = Vec::new();
    let mut commands = Vec::new();
    for piece in pieces {
        kept.extend_from_slice(piece);
        let mut length = 0;
        loop {
            match parser.next(&kept[length..]) {
                Ok(Some(parsed)) => {
                    length += parsed.length;
                    let arguments = parsed.arguments.from(0).map(<[u8]>::to_vec).collect();
                    commands.push(arguments);
                }
                Ok(None) => break,
                Err(error) => return (commands, Some(error)),
            }
        }
        kept.drain(..length);
    }
    (commands, None)
}

/// The same, naively: it copies the rest of the stream for each step, and begins anew with each command.
fn model(stream: &[u8]) -> Outcome {
    let mut rest = stream.to_vec();
    let mut commands = Vec::new();
    loop {
        let before = rest.clone();
        match model_command(&mut rest) {
            Ok(Some(command)) => commands.push(command),
            Ok(None) => return (commands, None),
            Err(error) => return (commands, Some(error)),
        }
        assert!(rest.len() < before.len(), "a command has bytes");
    }
}

fn model_command(rest: &mut Vec<u8>) -> Result<Option<Command>, ProtocolError> {
    if rest.is_empty() {
        return Ok(None);
    }
    if rest[0] != b'*' {
        let Some(line) = model_line(rest, b"\n", ProtocolError::TooBigLine)? else {
            return Ok(None);
        };
        let line = String::from_utf8(line).expect("the streams of the model are text");
        assert!(!line.contains(['"', '\'']), "the model knows no quotes");
        let words = line.split_ascii_whitespace();
        return Ok(Some(words.map(|word| word.as_bytes().to_vec()).collect()));
    }
    let Some(line) = model_line(rest, b"\r\n", ProtocolError::TooBigCount)? else {
        return Ok(None);
    };
    let count = model_number(&line[1..]).filter(|&count| count <= MAX_ARGUMENTS);
    let mut command = Vec::new();
    for _ in 0..count.ok_or(ProtocolError::InvalidCount)? {
        let Some(line) = model_line(rest, b"\r\n", ProtocolError::TooBigLength)? else {
            return Ok(None);
        };
        match line.first() {
            Some(b'$') => {}
            other => return Err(ProtocolError::ExpectedBulk(*other.unwrap_or(&b'\r'))),
        }
        let length = model_number(&line[1..]).filter(|&length| length <= MAX_BULK_BYTES);
        let length = length.and_then(|length| usize::try_from(length).ok());
        let length = length.ok_or(ProtocolError::InvalidLength)?;
        if rest.len() < length + 2 {
            return Ok(None);
        }
        command.push(rest.drain(..length).collect());
        rest.drain(..2);
    }
    Ok(Some(command))
}

fn model_line(
    rest: &mut Vec<u8>,
    end: &[u8],
    too_big: ProtocolError,
) -> Result<Option<Vec<u8>>, ProtocolError> {
    let found = rest.windows(end.len()).position(|window| window == end);
    let Some(length) = found else {
        return match rest.len() > MAX_LINE_BYTES + end.len() - 1 {
            true => Err(too_big),
            false => Ok(None),
        };
    };
    if length > MAX_LINE_BYTES {
        return Err(too_big);
    }
    let line = rest.drain(..length).collect();
    rest.drain(..end.len());
    Ok(Some(line))
}

fn model_number(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// Checks one stream whole, in two pieces at every place, and byte by byte.
fn check(stream: &[u8]) {
    let expected = model(stream);
    assert_eq!(parse([stream]), expected, "{}", stream.escape_ascii());
    for place in 0..=stream.len() {
        let (first, second) = stream.split_at(place);
        let found = parse([first, second]);
        assert_eq!(found, expected, "{} at {place}", stream.escape_ascii());
    }
    assert_eq!(
        parse(stream.chunks(1)),
        expected,
        "{}",
        stream.escape_ascii()
    );
}

fn encode(command: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", command.len()).into_bytes();
    for argument in command {
        bytes.extend(format!("${}\r\n", argument.len()).into_bytes());
        bytes.extend(argument);
        bytes.extend(b"\r\n");
    }
    bytes
}

#[test]
fn a_command_is_found_at_every_cut() {
    check(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$5\r\n\r\n*$1\r\n*1\r\n$4\r\nPING\r\n");
    check(
        b"PING\r\nset a b\n\r\n  \n*0\r\n*-1\r\n*-5\r\nPING\n*1\r\n$0\r\n\r\n*2\r\n$1\r\na\r\n$1",
    );
    check(b"*2\r\n$12\r\n");
    check(b"");
}

#[test]
fn an_error_comes_behind_whole_commands() {
    for (bytes, error) in [
        (&b"*a\r\n"[..], ProtocolError::InvalidCount),
        (b"*\r\n", ProtocolError::InvalidCount),
        (b"*1048577\r\n", ProtocolError::InvalidCount),
        (b"*1\r\n:1\r\n", ProtocolError::ExpectedBulk(b':')),
        (b"*1\r\n\r\n", ProtocolError::ExpectedBulk(b'\r')),
        (b"*1\r\n$-1\r\n", ProtocolError::InvalidLength),
        (b"*1\r\n$01\r\n", ProtocolError::InvalidLength),
        (b"*1\r\n$16777217\r\n", ProtocolError::InvalidLength),
    ] {
        let stream = [b"PING\r\n*1\r\n$4\r\nPING\r\n", bytes].concat();
        let (commands, found) = parse([&stream[..]]);
        assert_eq!((commands.len(), found), (2, Some(error)));
        check(&stream);
    }
}

#[test]
fn random_streams_are_read_as_by_the_model() {
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..300 {
        let mut stream = Vec::new();
        for _ in 0..random.usize(1..5) {
            let mut argument = || {
                let length = random.usize(0..12);
                let bytes = (0..length).map(|_| *random.choice(b"\r\n$*19aZ").unwrap());
                bytes.collect::<Vec<u8>>()
            };
            let command: Vec<_> = (0..4).map(|_| argument()).collect();
            match random.u8(0..4) {
                0 => stream.extend(b"get a  b\r\n"),
                _ => stream.extend(encode(&command[..random.usize(0..=4)])),
            }
        }
        // Damage to one byte leads to errors, and to other commands.
        if random.bool() && !stream.is_empty() {
            let place = random.usize(..stream.len());
            let is_of_an_end = matches!(stream[place], b'\r' | b'\n');
            stream[place] = match is_of_an_end {
                true => b'x',
                false => *random.choice(b"*$0129x \n").unwrap(),
            };
        }
        // Redis looks at the CR of an end alone, and the model at both bytes.
        let is_plain = (0..stream.len())
            .all(|place| stream[place] != b'\r' || stream.get(place + 1) == Some(&b'\n'));
        if is_plain {
            check(&stream);
        } else {
            let whole = parse([&stream[..]]);
            assert_eq!(parse(stream.chunks(1)), whole, "{}", stream.escape_ascii());
        }
    }
}

#[test]
fn lines_have_a_limit_wherever_they_are_cut() {
    let long = |line: &[u8], length: usize| {
        let mut line = line.to_vec();
        line.resize(length, b'1');
        line
    };
    for (beginning, line, error) in [
        (&b""[..], &b"a"[..], ProtocolError::TooBigLine),
        (b"", b"*", ProtocolError::TooBigCount),
        (b"*1\r\n", b"$", ProtocolError::TooBigLength),
    ] {
        // Of an end of CR LF, the CR counts too.
        let whole = [beginning, &long(line, MAX_LINE_BYTES - 1), b"\r\n"].concat();
        let (_, found) = parse([&whole[..]]);
        assert_ne!(found, Some(error), "the longest line is no error");
        let longer = [beginning, &long(line, MAX_LINE_BYTES + 2)].concat();
        let expected = (vec![], Some(error));
        assert_eq!(parse([&longer[..]]), expected);
        assert_eq!(parse(longer.chunks(1000)), expected);
        assert_eq!(parse([&longer[..], b"\r\n"]), expected);
        assert_eq!(parse([&[&longer[..], b"\r\n"].concat()[..]]), expected);
    }
}

#[test]
fn a_command_has_a_limit() {
    let announced = format!("${MAX_BULK_BYTES}\r\n").into_bytes();
    let mut parser = Parser::default();
    let mut input = b"*3\r\n".to_vec();
    for _ in 0..2 {
        input.extend(&announced);
        input.resize(
            input.len() + usize::try_from(MAX_BULK_BYTES).unwrap() + 2,
            b'a',
        );
        // The second argument would pass the limit by the lines between.
        if input.len() < MAX_COMMAND_BYTES {
            assert!(matches!(parser.next(&input), Ok(None)));
        } else {
            let error = parser.next(&input).unwrap_err();
            assert_eq!(error, ProtocolError::TooBigCommand);
        }
    }
}

#[test]
fn errors_have_the_words_of_redis() {
    for (error, words) in [
        (
            ProtocolError::ExpectedBulk(b'x'),
            "Protocol error: expected '$', got 'x'",
        ),
        (
            ProtocolError::InvalidCount,
            "Protocol error: invalid multibulk length",
        ),
        (
            ProtocolError::InvalidLength,
            "Protocol error: invalid bulk length",
        ),
        (
            ProtocolError::TooBigLine,
            "Protocol error: too big inline request",
        ),
        (
            ProtocolError::UnbalancedQuotes,
            "Protocol error: unbalanced quotes in request",
        ),
    ] {
        assert_eq!(error.to_string(), words);
    }
}
