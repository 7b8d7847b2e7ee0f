//! Whole characters from a UTF-8 stream whose chunks cut them anywhere.

use std::borrow::Cow;
use std::fmt;
use std::str;

/// A decoder of a stream into text, which keeps the beginning of a character until the rest has arrived.
///
/// The texts of all [`push`](Self::push) calls, joined, equal the text of the whole stream decoded at once, as by
/// Node's `setEncoding('utf8')` and [`String::from_utf8_lossy`]. The `TextDecoder` of browsers gives the same text, but
/// drops a byte order mark by default. The text of a chunk is borrowed from the chunk, unless the text begins with a
/// character that was cut before, or has a replacement.
///
/// ```
/// use netloop::text::Utf8Decoder;
///
/// let mut decoder = Utf8Decoder::new();
/// assert_eq!(decoder.push(b"20 \xe2\x82"), "20 ");
/// assert_eq!(decoder.push(b"\xac, please"), "€, please");
/// assert_eq!(decoder.finish(), "");
/// ```
#[derive(Clone, Debug, Default)]
#[doc(alias("setEncoding", "StringDecoder"))]
pub struct Utf8Decoder {
    /// The beginning of a character that was cut, in the first `pending_bytes` bytes. Invariant: not a whole character,
    /// and further bytes could complete it.
    pending: [u8; LONGEST_CHARACTER],
    pending_bytes: usize,
}

impl Utf8Decoder {
    /// Makes a decoder at the beginning of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the text in `bytes`, up to the last whole character. A sequence that cannot be part of a character is
    /// replaced by U+FFFD.
    pub fn push<'a>(&mut self, bytes: &'a [u8]) -> Cow<'a, str> {
        self.decode(bytes).0
    }

    /// Returns the text in `bytes` as [`push`](Self::push) does, but refuses invalid UTF-8 instead of replacing it.
    ///
    /// # Errors
    ///
    /// [`InvalidUtf8`] if a sequence in `bytes` cannot be part of a character, or does not continue the character that
    /// was cut. The call then returns none of `bytes`, and the decoder continues after `bytes`.
    pub fn push_strict<'a>(&mut self, bytes: &'a [u8]) -> Result<Cow<'a, str>, InvalidUtf8> {
        match self.decode(bytes) {
            (text, false) => Ok(text),
            (_, true) => Err(InvalidUtf8),
        }
    }

    /// Ends the stream, and returns the rest of its text: U+FFFD if the stream ends within a character, otherwise the
    /// empty string. The next push begins a new stream.
    pub fn finish(&mut self) -> &'static str {
        match self.finish_strict() {
            Ok(()) => "",
            Err(InvalidUtf8) => REPLACEMENT,
        }
    }

    /// Ends the stream as [`finish`](Self::finish) does, for [`push_strict`](Self::push_strict).
    ///
    /// # Errors
    ///
    /// [`InvalidUtf8`] if the stream ends within a character.
    pub fn finish_strict(&mut self) -> Result<(), InvalidUtf8> {
        match std::mem::take(&mut self.pending_bytes) {
            0 => Ok(()),
            _ => Err(InvalidUtf8),
        }
    }

    /// Returns the text, and whether any sequence was replaced.
    fn decode<'a>(&mut self, bytes: &'a [u8]) -> (Cow<'a, str>, bool) {
        let mut text = String::new();
        let (rest, mut is_replaced) = self.complete(bytes, &mut text);
        // Almost no text has an error, and this check is much faster than the search for errors below.
        let whole_characters = match str::from_utf8(rest) {
            Ok(whole) => Some(whole),
            Err(error) if error.error_len().is_none() => {
                let (whole, beginning) = rest.split_at(error.valid_up_to());
                self.keep(beginning);
                str::from_utf8(whole).ok()
            }
            Err(_) => None,
        };
        if let Some(whole) = whole_characters {
            if text.is_empty() {
                return (Cow::Borrowed(whole), is_replaced);
            }
            text.push_str(whole);
            return (Cow::Owned(text), is_replaced);
        }
        let mut chunks = rest.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            text.push_str(chunk.valid());
            match chunk.invalid() {
                [] => {}
                // Only at the end of `bytes` may the beginning of a character wait for its rest.
                beginning if chunks.peek().is_none() && is_beginning(beginning) => {
                    self.keep(beginning);
                }
                _ => {
                    text.push_str(REPLACEMENT);
                    is_replaced = true;
                }
            }
        }
        (Cow::Owned(text), is_replaced)
    }

    /// Continues the character that was cut. Returns the bytes after it, and whether it is invalid.
    fn complete<'a>(&mut self, bytes: &'a [u8], text: &mut String) -> (&'a [u8], bool) {
        let mut rest = bytes;
        while self.pending_bytes > 0 {
            let Some((&byte, behind)) = rest.split_first() else {
                break;
            };
            self.pending[self.pending_bytes] = byte;
            match str::from_utf8(&self.pending[..=self.pending_bytes]) {
                Ok(character) => {
                    text.push_str(character);
                    self.pending_bytes = 0;
                }
                Err(error) if error.error_len().is_none() => self.pending_bytes += 1,
                Err(_) => {
                    // The byte stays in `rest`, because the byte may begin the next character.
                    text.push_str(REPLACEMENT);
                    self.pending_bytes = 0;
                    return (rest, true);
                }
            }
            rest = behind;
        }
        (rest, false)
    }

    fn keep(&mut self, beginning: &[u8]) {
        self.pending[..beginning.len()].copy_from_slice(beginning);
        self.pending_bytes = beginning.len();
    }
}

/// The error of a stream that is not valid UTF-8.
///
/// ```
/// use netloop::text::{InvalidUtf8, Utf8Decoder};
///
/// let mut decoder = Utf8Decoder::new();
/// assert_eq!(decoder.push_strict(b"20 \xff"), Err(InvalidUtf8));
/// assert_eq!(InvalidUtf8.to_string(), "the stream is no valid UTF-8");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidUtf8;

impl fmt::Display for InvalidUtf8 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the stream is no valid UTF-8")
    }
}

impl std::error::Error for InvalidUtf8 {}

const LONGEST_CHARACTER: usize = 4;

const REPLACEMENT: &str = "\u{FFFD}";

/// Whether further bytes could complete `bytes` to a character.
fn is_beginning(bytes: &[u8]) -> bool {
    str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes on both sides of each boundary in the rules of UTF-8.
    const EDGES: [u8; 24] = [
        0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xac, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0,
        0xe2, 0xed, 0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xfe, 0xff,
    ];

    /// Returns the pieces of `bytes`, cut after each byte whose bit in `cuts` is set.
    fn pieces(bytes: &[u8], cuts: u32) -> impl Iterator<Item = &[u8]> {
        let mut index = 0;
        bytes.split_inclusive(move |_| {
            index += 1;
            cuts >> (index - 1) & 1 == 1
        })
    }

    fn decode_in_pieces(bytes: &[u8], cuts: u32) -> String {
        let mut decoder = Utf8Decoder::new();
        let mut text = String::new();
        for piece in pieces(bytes, cuts) {
            text.push_str(&decoder.push(piece));
        }
        text + decoder.finish()
    }

    fn is_refused_in_pieces(bytes: &[u8], cuts: u32) -> bool {
        let mut decoder = Utf8Decoder::new();
        let mut is_refused = false;
        for piece in pieces(bytes, cuts) {
            is_refused |= decoder.push_strict(piece).is_err();
        }
        is_refused | decoder.finish_strict().is_err()
    }

    #[test]
    fn every_chunking_decodes_as_the_whole_does() {
        for length in 1..=3 {
            for number in 0..EDGES.len().pow(length) {
                let bytes: Vec<u8> = (0..length)
                    .map(|place| EDGES[number / EDGES.len().pow(place) % EDGES.len()])
                    .collect();
                let whole = String::from_utf8_lossy(&bytes);
                for cuts in 0..1 << (length - 1) {
                    assert_eq!(
                        decode_in_pieces(&bytes, cuts),
                        whole,
                        "{bytes:x?}, cuts {cuts:b}"
                    );
                }
            }
        }
    }

    #[test]
    fn random_chunkings_decode_or_fail_as_the_whole_does() {
        for seed in 0..60_000 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut bytes = Vec::new();
            while bytes.len() < 10 {
                if random.bool() {
                    bytes.push(EDGES[random.usize(..EDGES.len())]);
                } else {
                    let character = random.char('\u{70}'..);
                    bytes.extend(character.encode_utf8(&mut [0; 4]).as_bytes());
                }
            }
            let whole = String::from_utf8_lossy(&bytes);
            let is_invalid = str::from_utf8(&bytes).is_err();
            for _ in 0..4 {
                let cuts = random.u32(..);
                let text = decode_in_pieces(&bytes, cuts);
                assert_eq!(text, whole, "seed {seed}, {bytes:x?}, cuts {cuts:b}");
                let is_refused = is_refused_in_pieces(&bytes, cuts);
                assert_eq!(
                    is_refused, is_invalid,
                    "seed {seed}, {bytes:x?}, cuts {cuts:b}"
                );
            }
        }
    }

    #[test]
    fn text_that_lies_whole_in_its_chunk_is_borrowed() {
        let mut decoder = Utf8Decoder::new();
        assert!(matches!(
            decoder.push("žluť".as_bytes()),
            Cow::Borrowed("žluť")
        ));
        assert!(matches!(decoder.push(b"a\xc5"), Cow::Borrowed("a")));
        assert!(matches!(decoder.push(b"\xbe"), Cow::Owned(text) if text == "ž"));
        assert!(matches!(decoder.push(b"b"), Cow::Borrowed("b")));
    }

    #[test]
    fn a_broken_character_is_replaced_once() {
        let mut decoder = Utf8Decoder::new();
        assert_eq!(decoder.push(b"\xf0\x9f\x92"), "");
        assert_eq!(decoder.push(b"\xe2\x82\xac!"), "\u{FFFD}€!");
    }

    #[test]
    fn a_byte_order_mark_is_text() {
        assert_eq!(Utf8Decoder::new().push(b"\xef\xbb\xbfa"), "\u{FEFF}a");
    }

    #[test]
    fn a_stream_cut_within_a_character_ends_in_a_replacement() {
        let mut decoder = Utf8Decoder::new();
        assert_eq!(decoder.push(b"a\xf0\x9f\x92"), "a");
        assert_eq!(decoder.finish(), "\u{FFFD}");
        assert_eq!(decoder.finish(), "", "it is as new");
    }

    #[test]
    fn the_strict_form_refuses_a_chunk_and_continues_behind_it() {
        let mut decoder = Utf8Decoder::new();
        assert_eq!(decoder.push_strict(b"good \xc5"), Ok("good ".into()));
        assert_eq!(decoder.push_strict(b"\xbe"), Ok("ž".into()));
        assert_eq!(decoder.push_strict(b"fine \xff, not"), Err(InvalidUtf8));
        assert_eq!(decoder.push_strict(b"again"), Ok("again".into()));
        assert_eq!(decoder.finish_strict(), Ok(()));
    }
}
