//! Draws from an input that several targets make: bytes that mean something, and the pieces that they arrive in.

use arbitrary::{Result, Unstructured};

/// The bytes that mean something to the parsers of text. Bytes drawn from all 256 would rarely end a line or cut a
/// character.
const ALPHABET: &[u8] = b"\n\n\r\rab\xe2\x82\xac\xf0\x9f\x98\x80\xc3\xa9\xff\xc0\xed\xa0";
const LONGEST_STREAM: usize = 200;

/// A stream of bytes that text parsers react to, cut into pieces, some of them empty.
pub(crate) fn pieces(input: &mut Unstructured<'_>) -> Result<Vec<Vec<u8>>> {
    let mut left = input.int_in_range(0..=LONGEST_STREAM)?;
    let mut pieces = Vec::new();
    while left > 0 && !input.is_empty() {
        let length = input.int_in_range(0..=left.min(24))?;
        let piece = (0..length).map(|_| byte(input)).collect::<Result<_>>()?;
        pieces.push(piece);
        left -= length;
    }
    Ok(pieces)
}

fn byte(input: &mut Unstructured<'_>) -> Result<u8> {
    match input.ratio(7, 8)? {
        true => input.choose(ALPHABET).copied(),
        false => input.arbitrary(),
    }
}

/// A number from zero to the greatest, mostly small or near a power of two.
pub(crate) fn number(input: &mut Unstructured<'_>) -> Result<u64> {
    let any: u64 = input.arbitrary()?;
    Ok(match input.int_in_range(0..=7_u8)? {
        0 => 0,
        1 => any % 4,
        2 => any % 130,
        3 => any % 10_000,
        4 => 1 << (any % 64),
        5 => (1 << (any % 64)) - 1,
        _ => any >> (any % 64),
    })
}
