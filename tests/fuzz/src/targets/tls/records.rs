//! The records of a peer on their way, and what a hostile script does to them.

use std::collections::VecDeque;

use arbitrary::{Result, Unstructured};

/// The length of the head of a record.
const HEAD: usize = 5;

/// The harm that one record takes on its way.
#[derive(Clone, Debug)]
pub(crate) enum Harm {
    None,
    /// A bit of the byte at this place is flipped.
    Flip(usize, u8),
    /// The record ends after this many bytes, and its head does not say so.
    Cut(usize),
    Double,
    Drop,
    /// The next record comes first.
    Swap,
    /// These bytes come before the record.
    Insert(Vec<u8>),
}

/// The records that a peer has made, with the harm that is done to them.
#[derive(Debug, Default)]
pub(crate) struct Records {
    harms: VecDeque<Harm>,
    /// The bytes that are a part of a record.
    part: Vec<u8>,
    /// A record that the next one overtakes.
    held: Option<Vec<u8>>,
    /// The bytes that the peer sends.
    pub(crate) wire: VecDeque<u8>,
    /// Whether any harm was done.
    pub(crate) is_harmed: bool,
}

impl Records {
    pub(crate) fn new(harms: VecDeque<Harm>) -> Self {
        Self {
            harms,
            ..Self::default()
        }
    }

    /// Takes the next bytes of the peer's stream.
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        self.part.extend_from_slice(bytes);
        while let Some(&[_, _, _, high, low]) = self.part.first_chunk::<HEAD>() {
            let length = HEAD + usize::from(u16::from_be_bytes([high, low]));
            if self.part.len() < length {
                return;
            }
            let record = self.part.drain(..length).collect();
            self.pass(record);
        }
    }

    fn pass(&mut self, mut record: Vec<u8>) {
        let harm = self.harms.pop_front().unwrap_or(Harm::None);
        self.is_harmed |= !matches!(harm, Harm::None);
        match harm {
            Harm::None => {}
            Harm::Flip(place, bit) => {
                let place = place % record.len();
                record[place] ^= 1 << (bit % 8);
            }
            Harm::Cut(length) => record.truncate(length % record.len()),
            Harm::Double => self.wire.extend(&record),
            Harm::Drop => record.clear(),
            Harm::Swap => {
                let earlier = self.held.replace(record);
                self.wire.extend(earlier.unwrap_or_default());
                return;
            }
            Harm::Insert(bytes) => self.wire.extend(bytes),
        }
        self.wire.extend(record);
        self.wire.extend(self.held.take().unwrap_or_default());
    }
}

impl Harm {
    pub(crate) fn draw(input: &mut Unstructured<'_>) -> Result<Self> {
        Ok(match input.int_in_range(0..=15_u8)? {
            0..=1 => Self::Flip(input.int_in_range(0..=20_000)?, input.arbitrary()?),
            2 => Self::Flip(input.int_in_range(0..=8)?, input.arbitrary()?),
            3 => Self::Cut(input.int_in_range(0..=20_000)?),
            4..=5 => Self::Double,
            6 => Self::Drop,
            7..=8 => Self::Swap,
            _ => Self::Insert(foreign(input)?),
        })
    }
}

/// Bytes that no peer sends at this place.
fn foreign(input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let long = |kind: u8, length: u16, there: usize| {
        let [high, low] = length.to_be_bytes();
        let mut bytes = vec![kind, 3, 3, high, low];
        bytes.resize(HEAD + there, 0);
        bytes
    };
    Ok(match input.int_in_range(0..=9_u8)? {
        // A request for another handshake, and the beginning of one.
        0 => vec![22, 3, 3, 0, 4, 0, 0, 0, 0],
        1 => {
            let mut bytes = vec![22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3];
            bytes.resize(205, 7);
            bytes
        }
        // The end, a warning and a failure, which are not encrypted.
        2 => vec![21, 3, 3, 0, 2, 1, 0],
        3 => vec![21, 3, 3, 0, 2, *input.choose(&[1, 2])?, input.arbitrary()?],
        4 => [20, 3, 3, 0, 1, 1].repeat(input.int_in_range(1..=2000)?),
        5 => [23, 3, 3, 0, 0].repeat(input.int_in_range(1..=2000)?),
        // Records that are longer than any may be, and messages longer than their records.
        6 => {
            let length = input.int_in_range(16_384..=u16::MAX)?;
            let kind = *input.choose(&[20, 21, 22, 23, 24])?;
            long(kind, length, input.int_in_range(0..=70_000)?)
        }
        7 => {
            let mut bytes = Vec::new();
            for _ in 0..input.int_in_range(1..=40_u8)? {
                bytes.extend(long(22, 16_000, 0));
                bytes.extend([1, 0xff, 0xff, 0xff]);
                bytes.resize(bytes.len() + 15_996, 0);
            }
            bytes
        }
        8 => vec![input.arbitrary()?; input.int_in_range(1..=100_000)?],
        _ => {
            let length = input.int_in_range(1..=60)?.min(input.len());
            input.bytes(length)?.to_vec()
        }
    })
}
