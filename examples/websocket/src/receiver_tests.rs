//! The receiver against a naive model, with the bytes of a client cut at every place and at random places.

use super::*;

const LIMITS: Limits = Limits {
    frame: 200,
    message: 300,
};

/// An event that owns its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong,
    Close(Option<u16>),
}

/// The events of a stream, and the code of the violation that ended it.
type Outcome = (Vec<Said>, Option<u16>);

/// Gives `pieces` to a receiver.
fn receive<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut receiver = Receiver::new(LIMITS);
    let mut said = Vec::new();
    for mut piece in pieces {
        loop {
            said.push(match receiver.next(&mut piece) {
                Ok(None) => break,
                Ok(Some(Event::Text(text))) => Said::Text(text.to_owned()),
                Ok(Some(Event::Binary(bytes))) => Said::Binary(bytes.to_vec()),
                Ok(Some(Event::Ping(payload))) => Said::Ping(payload.to_vec()),
                Ok(Some(Event::Pong)) => Said::Pong,
                Ok(Some(Event::Close(code))) => Said::Close(code),
                Err(violation) => return (said, Some(violation.code)),
            });
        }
        assert!(piece.is_empty(), "bytes were left");
    }
    (said, None)
}

/// The rules, read from the whole stream at once, a byte at a time.
fn model(stream: &[u8]) -> Outcome {
    let mut said = Vec::new();
    let code = model_frames(stream, &mut said).err();
    (said, code)
}

fn model_frames(stream: &[u8], said: &mut Vec<Said>) -> Result<(), u16> {
    let mut bytes = stream.iter().copied();
    let mut message: Option<(u8, Vec<u8>)> = None;
    loop {
        let (Some(first), Some(second)) = (bytes.next(), bytes.next()) else {
            return Ok(());
        };
        let (is_final, opcode) = (first >= 0x80, first % 16);
        let is_control = opcode >= 8;
        let is_known = [0, 1, 2, 8, 9, 10].contains(&opcode);
        let is_long_control = is_control && (!is_final || second % 128 > 125);
        if first & 0b0111_0000 > 0 || !is_known || second < 128 || is_long_control {
            return Err(1002);
        }
        let width = match second % 128 {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mut length = u128::from(second % 128);
        if width > 0 {
            let long: Vec<u8> = bytes.by_ref().take(width).collect();
            if long.len() < width {
                return Ok(());
            }
            length = long
                .iter()
                .fold(0, |length, &byte| length * 256 + u128::from(byte));
            let is_shortest = if width == 2 {
                length > 125
            } else {
                length > 65535
            };
            if !is_shortest || length >= 1 << 63 {
                return Err(1002);
            }
        }
        let mask: Vec<u8> = bytes.by_ref().take(4).collect();
        if mask.len() < 4 {
            return Ok(());
        }
        match (opcode, &message) {
            (0, None) | (1 | 2, Some(_)) => return Err(1002),
            _ => {}
        }
        let before = message.as_ref().map_or(0, |(_, bytes)| bytes.len());
        let is_too_long = !is_control && before as u128 + length > LIMITS.message as u128;
        if length > LIMITS.frame as u128 || is_too_long {
            return Err(1009);
        }
        let length = usize::try_from(length).unwrap();
        let masked: Vec<u8> = bytes.by_ref().take(length).collect();
        let is_whole = masked.len() == length;
        let payload: Vec<u8> = (0..masked.len())
            .map(|place| masked[place] ^ mask[place % 4])
            .collect();
        if is_control {
            if !is_whole {
                return Ok(());
            }
            said.push(match opcode {
                8 => Said::Close(model_close(&payload)?),
                9 => Said::Ping(payload),
                _ => Said::Pong,
            });
            continue;
        }
        let (kind, mut so_far) = message.take().unwrap_or((opcode, Vec::new()));
        so_far.extend(payload);
        let is_over = is_whole && is_final;
        if let (1, Err(error)) = (kind, str::from_utf8(&so_far)) {
            if is_over || error.error_len().is_some() {
                return Err(1007);
            }
        }
        if !is_over {
            message = Some((kind, so_far));
        } else if kind == 1 {
            said.push(Said::Text(String::from_utf8(so_far).unwrap()));
        } else {
            said.push(Said::Binary(so_far));
        }
    }
}

fn model_close(payload: &[u8]) -> Result<Option<u16>, u16> {
    if payload.len() < 2 {
        return if payload.is_empty() {
            Ok(None)
        } else {
            Err(1002)
        };
    }
    let code = u16::from(payload[0]) * 256 + u16::from(payload[1]);
    if code < 1000
        || [1004, 1005, 1006].contains(&code)
        || (1015..3000).contains(&code)
        || code > 4999
    {
        return Err(1002);
    }
    str::from_utf8(&payload[2..]).map_err(|_| 1007_u16)?;
    Ok(Some(code))
}

/// A frame as a client sends it, with its length in the shortest form.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let mut bytes = vec![first];
    match payload.len() {
        length @ ..=125 => bytes.push(0x80 | u8::try_from(length).unwrap()),
        length => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
    }
    bytes.extend(mask);
    bytes.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    bytes
}

/// Streams with the outcome that the RFC asks for.
fn catalogue() -> Vec<(Vec<u8>, Outcome)> {
    let text = |text: &str| Said::Text(text.to_owned());
    let close = |code: u16, reason: &[u8]| frame(0x88, &[&code.to_be_bytes()[..], reason].concat());
    let mut catalogue = vec![
        (frame(0x81, b"Hello"), (vec![text("Hello")], None)),
        (frame(0x81, b""), (vec![text("")], None)),
        (
            frame(0x82, &[7; 126]),
            (vec![Said::Binary(vec![7; 126])], None),
        ),
        (
            frame(0x82, &[7; 200]),
            (vec![Said::Binary(vec![7; 200])], None),
        ),
        (frame(0x82, &[7; 201]), (vec![], Some(1009))),
        // Fragments, with control frames and a cut character between them.
        (
            [
                frame(0x01, b"\xe2"),
                frame(0x89, b"first"),
                frame(0x00, b"\x82"),
                frame(0x8a, b""),
                frame(0x00, b""),
                frame(0x80, b"\xac!"),
                frame(0x82, b"next"),
            ]
            .concat(),
            (
                vec![
                    Said::Ping(b"first".to_vec()),
                    Said::Pong,
                    text("€!"),
                    Said::Binary(b"next".to_vec()),
                ],
                None,
            ),
        ),
        // The limit on the message, and a control frame that does not count.
        (
            [
                frame(0x02, &[1; 200]),
                frame(0x89, &[2; 125]),
                frame(0x80, &[3; 101]),
            ]
            .concat(),
            (vec![Said::Ping(vec![2; 125])], Some(1009)),
        ),
        (
            [close(1000, b"bye"), frame(0x81, b"a")].concat(),
            (vec![Said::Close(Some(1000)), text("a")], None),
        ),
        (frame(0x88, b""), (vec![Said::Close(None)], None)),
        (frame(0x88, b"\x03"), (vec![], Some(1002))),
        (close(1000, b"\xff"), (vec![], Some(1007))),
        (frame(0x89, &[0; 126]), (vec![], Some(1002))),
        (frame(0x09, b""), (vec![], Some(1002))),
        (frame(0x80, b"of nothing"), (vec![], Some(1002))),
        (
            [frame(0x01, b"a"), frame(0x81, b"b")].concat(),
            (vec![], Some(1002)),
        ),
        (b"\x81\x05Hello".to_vec(), (vec![], Some(1002))),
        (b"\x82\xfe\x00\x7d....".to_vec(), (vec![], Some(1002))),
        (
            b"\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff....".to_vec(),
            (vec![], Some(1002)),
        ),
        (
            b"\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00....".to_vec(),
            (vec![], Some(1002)),
        ),
        (
            b"\x82\xff\x00\x00\x00\x00\x00\x01\x00\x00....".to_vec(),
            (vec![], Some(1009)),
        ),
    ];
    for reserved in [0xc1, 0xa1, 0x91, 0x83, 0x87, 0x8b, 0x8f] {
        catalogue.push((frame(reserved, b"a"), (vec![], Some(1002))));
    }
    for code in [1000, 1001, 1002, 1003, 1007, 1011, 1014, 3000, 4999] {
        catalogue.push((close(code, b""), (vec![Said::Close(Some(code))], None)));
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535] {
        catalogue.push((close(code, b""), (vec![], Some(1002))));
    }
    catalogue
}

#[test]
fn every_cut_of_a_stream_gives_what_the_rfc_asks_for() {
    for (stream, outcome) in catalogue() {
        assert_eq!(model(&stream), outcome, "the model, {stream:x?}");
        for cut in 0..=stream.len() {
            let (before, behind) = stream.split_at(cut);
            assert_eq!(
                receive([before, behind]),
                outcome,
                "{stream:x?} cut at {cut}"
            );
            // Without its end: whatever the model says of as much.
            assert_eq!(receive([before]), model(before), "{before:x?}");
            assert_eq!(
                receive(before.chunks(1)),
                model(before),
                "{before:x?} byte by byte"
            );
        }
    }
}

#[test]
fn bad_text_is_told_with_its_first_bad_byte() {
    let stream = frame(0x01, b"good \xf4\x90\x80\x80 and more");
    let bad = 2 + 4 + b"good \xf4\x90".len();
    assert_eq!(receive([&stream[..bad - 1]]), (vec![], None));
    assert_eq!(receive([&stream[..bad]]), (vec![], Some(1007)));
    assert_eq!(
        receive([&stream[..bad - 1], &stream[bad - 1..bad]]),
        (vec![], Some(1007))
    );
}

#[test]
fn random_streams_in_random_cuts_give_what_the_model_gives() {
    let mut kinds = [0; 3];
    for seed in 0..30_000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut stream = Vec::new();
        let mut is_within = false;
        for _ in 0..random.usize(1..8) {
            stream.extend(random_frame(&mut random, &mut is_within));
        }
        if random.u8(..) < 60 {
            stream.truncate(random.usize(..=stream.len()));
        }
        let mut rest = &stream[..];
        let mut pieces = Vec::new();
        while !rest.is_empty() {
            let most = if random.bool() { 3 } else { rest.len() };
            let (piece, behind) = rest.split_at(random.usize(1..=most.min(rest.len())));
            pieces.push(piece);
            rest = behind;
        }
        let outcome = model(&stream);
        kinds[match outcome {
            (_, None) => 0,
            (_, Some(1007)) => 1,
            (_, Some(_)) => 2,
        }] += 1;
        assert_eq!(receive(pieces), outcome, "seed {seed}, {stream:x?}");
    }
    assert!(kinds.iter().all(|&count| count > 1000), "{kinds:?}");
}

/// A frame that mostly keeps the rules.
fn random_frame(random: &mut fastrand::Rng, is_within: &mut bool) -> Vec<u8> {
    let is_control = random.u8(..) < 80;
    let is_final = is_control || random.bool();
    let opcode = match (is_control, *is_within) {
        (true, _) => random.u8(8..11),
        (false, true) => 0,
        (false, false) => random.u8(1..3),
    };
    if !is_control {
        *is_within = !is_final;
    }
    let length = match random.u8(..) {
        ..100 => random.usize(..8),
        100..200 => random.usize(..=125),
        _ if is_control => 125,
        _ => random.usize(120..220),
    };
    let mut payload: Vec<u8> = Vec::new();
    while payload.len() < length {
        payload.extend(random.char('\u{70}'..).encode_utf8(&mut [0; 4]).as_bytes());
    }
    // Now and then the last character is cut, or a byte is wrong.
    payload.truncate(if random.u8(..) < 50 {
        length
    } else {
        payload.len().min(125)
    });
    if random.u8(..) < 10 && !payload.is_empty() {
        let place = random.usize(..payload.len());
        payload[place] = random.u8(..);
    }
    if opcode == 8 && random.u8(..) < 230 {
        payload.splice(.., random.u16(990..5010).to_be_bytes());
    }
    let mut bytes = frame(u8::from(is_final) << 7 | opcode, &payload);
    if random.u8(..) < 6 {
        bytes[random.usize(..2)] = random.u8(..);
    }
    bytes
}
