//! The codes of the test's filters, as functions of a whole stream: the model.

use arbitrary::{Result, Unstructured};

/// The types of the frames of [`Kind::Frames`], in the byte before the length.
pub(crate) const DATA: u8 = 0;
pub(crate) const PING: u8 = 1;
pub(crate) const PONG: u8 = 2;
pub(crate) const END: u8 = 3;

/// The length of the head of a frame: its type, and its length in two bytes.
pub(crate) const HEAD: usize = 3;

/// The limit on the received bytes that a filter may leave unused.
const MOST_UNUSED: usize = 256 << 10;

/// The number of bytes in a run is at most this.
const LONGEST_RUN: usize = 255;

/// The first bytes that each side of a filter with a greeting sends.
const GREETING: &[u8] = b"a greeting of some bytes";

/// The code of one filter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Code {
    pub(crate) kind: Kind,
    /// The number of bytes that each side sends first.
    pub(crate) greeting: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Each byte is changed by its place. The filter decodes in place.
    Mask,
    /// Each byte is followed by its inverse: the wire has twice as many bytes.
    Doubled,
    /// Frames of a type, a length and bytes. A frame counts as a whole, a ping is answered, and the end is marked.
    Frames,
    /// Pairs of a count and a byte: a few bytes on the wire are many.
    Runs,
    /// Lines: the filter keeps what is behind the last end of a line.
    Lines,
    /// The bytes as they are, up to a number of them. Then the filter does something else.
    Until(u64, Turn),
}

/// The behaviour of a filter after a number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Fail,
    End,
    /// Says that it has used more than there is.
    UseTooMany,
    /// Says that bytes outside of the input are decoded.
    LieOutside,
    /// Uses no further byte.
    UseNone,
}

/// The state of a stream behind its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Open,
    Ended,
    Failed,
}

/// A decoded stream.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) bytes: Vec<u8>,
    pub(crate) outcome: Outcome,
    /// The contents of the pings and of the pongs on the wire.
    pub(crate) pings: Vec<u8>,
    pub(crate) pongs: Vec<u8>,
}

impl Stream {
    pub(crate) fn new(bytes: Vec<u8>, outcome: Outcome) -> Self {
        Self {
            bytes,
            outcome,
            pings: Vec::new(),
            pongs: Vec::new(),
        }
    }
}

impl Code {
    pub(crate) fn draw(input: &mut Unstructured<'_>) -> Result<Self> {
        let kind = match input.int_in_range(0..=9_u8)? {
            0 => Kind::Mask,
            1..=2 => Kind::Doubled,
            3..=5 => Kind::Frames,
            6 => Kind::Runs,
            7..=8 => Kind::Lines,
            _ => {
                let turns = [
                    Turn::Fail,
                    Turn::End,
                    Turn::UseTooMany,
                    Turn::LieOutside,
                    Turn::UseNone,
                ];
                Kind::Until(input.int_in_range(0..=2000)?, *input.choose(&turns)?)
            }
        };
        let greeting = match input.ratio(1, 3)? {
            true => input.int_in_range(1..=GREETING.len())?,
            false => 0,
        };
        Ok(Self { kind, greeting })
    }

    pub(crate) fn greeting(&self) -> &'static [u8] {
        &GREETING[..self.greeting]
    }

    /// Decodes a whole stream, which is `below` behind its last byte.
    pub(crate) fn decode(&self, stream: &[u8], below: Outcome) -> Stream {
        let Some((greeting, rest)) = stream.split_at_checked(self.greeting) else {
            let is_open = self.greeting().starts_with(stream) && below == Outcome::Open;
            let outcome = if is_open {
                Outcome::Open
            } else {
                Outcome::Failed
            };
            return Stream::new(Vec::new(), outcome);
        };
        if greeting != self.greeting() {
            return Stream::new(Vec::new(), Outcome::Failed);
        }
        self.kind.decode(rest, below)
    }

    /// Encodes bytes, with cuts, pings and an end as the input chooses.
    pub(crate) fn encode(&self, bytes: &[u8], input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
        let mut wire = self.greeting().to_vec();
        match self.kind {
            Kind::Frames => {
                let mut rest = bytes;
                while !rest.is_empty() {
                    if input.ratio(1, 8)? {
                        let length = input.int_in_range(0..=300)?.min(rest.len());
                        frame(PING, &rest[..length], &mut wire);
                    }
                    let longest = *input.choose(&[1, 30, 3000, 65_535])?;
                    let length = input.int_in_range(0..=longest)?.min(rest.len());
                    let (part, behind) = rest.split_at(length.max(1));
                    frame(DATA, part, &mut wire);
                    rest = behind;
                }
                if input.ratio(1, 3)? {
                    frame(END, b"", &mut wire);
                }
            }
            kind => kind.encode(bytes, 0, &mut wire),
        }
        Ok(wire)
    }
}

pub(crate) fn frame(kind: u8, bytes: &[u8], wire: &mut Vec<u8>) {
    let [_, _, _, _, _, _, high, low] = (bytes.len() as u64).to_be_bytes();
    wire.extend([kind, high, low]);
    wire.extend_from_slice(bytes);
}

/// The byte that a mask changes the byte at `place` by.
fn mask(place: u64) -> u8 {
    (place * 5 + place / 256 + 3).to_le_bytes()[0]
}

impl Kind {
    /// Changes `bytes`, the first of which is at `place`.
    pub(crate) fn mask(bytes: &mut [u8], place: u64) {
        for (byte, place) in bytes.iter_mut().zip(place..) {
            *byte ^= mask(place);
        }
    }

    /// Encodes the next bytes of a stream, of which `before` bytes are encoded already.
    pub(crate) fn encode(self, bytes: &[u8], before: u64, wire: &mut Vec<u8>) {
        match self {
            Self::Mask => {
                let start = wire.len();
                wire.extend_from_slice(bytes);
                Self::mask(&mut wire[start..], before);
            }
            Self::Doubled => wire.extend(bytes.iter().flat_map(|&byte| [byte, !byte])),
            Self::Frames => {
                for part in bytes.chunks(60_000) {
                    frame(DATA, part, wire);
                }
            }
            Self::Runs => {
                for run in bytes.chunk_by(|one, next| one == next) {
                    for part in run.chunks(LONGEST_RUN) {
                        wire.extend([part.len().to_le_bytes()[0], part[0]]);
                    }
                }
            }
            Self::Lines | Self::Until(..) => wire.extend_from_slice(bytes),
        }
    }

    fn decode(self, stream: &[u8], below: Outcome) -> Stream {
        match self {
            Self::Mask => {
                let mut bytes = stream.to_vec();
                Self::mask(&mut bytes, 0);
                Stream::new(bytes, below)
            }
            Self::Doubled => {
                let (pairs, rest) = stream.split_at(stream.len() & !1);
                let pairs: Vec<&[u8]> = pairs.chunks(2).collect();
                let right = pairs.iter().take_while(|pair| pair[0] == !pair[1]);
                let bytes: Vec<u8> = right.map(|pair| pair[0]).collect();
                let is_right = bytes.len() == pairs.len();
                Stream::new(bytes, behind(is_right, rest.is_empty(), below))
            }
            Self::Frames => frames(stream, below),
            Self::Runs => {
                let (pairs, rest) = stream.split_at(stream.len() & !1);
                let pairs: Vec<&[u8]> = pairs.chunks(2).collect();
                let right = pairs.iter().take_while(|pair| pair[0] > 0);
                let runs: Vec<Vec<u8>> = right.map(|pair| vec![pair[1]; pair[0].into()]).collect();
                let is_right = runs.len() == pairs.len();
                Stream::new(runs.concat(), behind(is_right, rest.is_empty(), below))
            }
            Self::Lines => {
                let last = stream.iter().rposition(|&byte| byte == b'\n');
                let whole = last.map_or(0, |last| last + 1);
                let is_whole = whole == stream.len();
                Stream::new(stream[..whole].to_vec(), behind(true, is_whole, below))
            }
            Self::Until(most, turn) => {
                let most = usize::try_from(most).unwrap_or(usize::MAX);
                let bytes = stream[..stream.len().min(most)].to_vec();
                let unused = stream.len() - bytes.len();
                let outcome = match turn {
                    _ if unused == 0 => below,
                    Turn::End => Outcome::Ended,
                    Turn::UseNone => behind(unused <= MOST_UNUSED, false, below),
                    Turn::Fail | Turn::UseTooMany | Turn::LieOutside => Outcome::Failed,
                };
                Stream::new(bytes, outcome)
            }
        }
    }
}

/// The state behind the bytes of a stream, which may break the code, or end within something.
fn behind(is_right: bool, is_whole: bool, below: Outcome) -> Outcome {
    match below {
        _ if !is_right => Outcome::Failed,
        Outcome::Ended if !is_whole => Outcome::Failed,
        below => below,
    }
}

fn frames(stream: &[u8], below: Outcome) -> Stream {
    let mut decoded = Stream::new(Vec::new(), Outcome::Open);
    let mut rest = stream;
    while let Some((&[kind, high, low], behind)) = rest.split_first_chunk::<HEAD>() {
        let length = usize::from(u16::from_be_bytes([high, low]));
        let Some((bytes, behind)) = behind.split_at_checked(length) else {
            break;
        };
        rest = behind;
        match kind {
            DATA => decoded.bytes.extend_from_slice(bytes),
            PING => decoded.pings.extend_from_slice(bytes),
            PONG => decoded.pongs.extend_from_slice(bytes),
            END => {
                decoded.outcome = Outcome::Ended;
                return decoded;
            }
            _ => {
                decoded.outcome = Outcome::Failed;
                return decoded;
            }
        }
    }
    // Without the frame that marks the end, there is none.
    decoded.outcome = match below {
        Outcome::Open => Outcome::Open,
        Outcome::Ended | Outcome::Failed => Outcome::Failed,
    };
    decoded
}
