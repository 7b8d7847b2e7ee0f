//! One input: a stream of bytes, the pieces it arrives in, and the limit of a line.

/// The bytes at the head of a file that are settings and not part of the stream.
const SETTINGS: usize = 9;
/// The bytes that mean something to the parsers. Bytes drawn from all 256 would rarely end a line or cut a character.
const ALPHABET: &[u8] = b"\n\n\r\rab\xe2\x82\xac\xf0\x9f\x98\x80\xc3\xa9\xff\xc0\xed\xa0";
const LONGEST_STREAM: usize = 200;

#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) stream: Vec<u8>,
    pub(crate) max_line_bytes: usize,
    /// The length of each piece, in turn and then from the beginning again.
    piece_bytes: Vec<usize>,
}

impl Input {
    pub(crate) fn random(random: &mut fastrand::Rng) -> Self {
        let stream = (0..random.usize(..LONGEST_STREAM))
            .map(|_| ALPHABET[random.usize(..ALPHABET.len())])
            .collect();
        Self {
            stream,
            max_line_bytes: random.usize(..12),
            piece_bytes: (1..SETTINGS).map(|_| random.usize(1..16)).collect(),
        }
    }

    /// Reads an input from a file: its first byte is the limit of a line, the next eight are the lengths of the pieces.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        let (settings, stream) = bytes.split_at(bytes.len().min(SETTINGS));
        let max_line_bytes = settings.first().map_or(0, |&byte| usize::from(byte));
        let lengths = settings.iter().skip(1);
        let mut piece_bytes: Vec<usize> = lengths.map(|&byte| usize::from(byte).max(1)).collect();
        if piece_bytes.is_empty() {
            piece_bytes.push(1);
        }
        Self {
            stream: stream.to_vec(),
            max_line_bytes,
            piece_bytes,
        }
    }

    /// The stream, cut into its pieces.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.stream[..];
        let mut lengths = self.piece_bytes.iter().cycle();
        std::iter::from_fn(move || {
            let length = rest.len().min(*lengths.next()?);
            let (piece, behind) = rest.split_at(length);
            rest = behind;
            (!piece.is_empty()).then_some(piece)
        })
    }
}
