//! The bytes of a stream: each byte depends on the key of the stream and on its place in it.

use std::sync::OnceLock;

/// A prime, so that no size of a message or of a buffer divides it.
const PERIOD: usize = 65_521;

/// The bytes of a stream that follow one another in the table. Behind them the stream goes on at another place.
const BLOCK: u64 = 64 << 10;

/// Returns a table of random bytes: a period, and a block of it once more. The first call allocates it.
pub(super) fn table() -> &'static [u8] {
    static TABLE: OnceLock<Vec<u8>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut random = fastrand::Rng::with_seed(0x006e_6574_6c6f_6f70);
        let mut period = vec![0; PERIOD];
        random.fill(&mut period);
        let length = PERIOD + (64 << 10);
        period.iter().copied().cycle().take(length).collect()
    })
}

/// Mixes two numbers into one (the finalizer of SplitMix64).
pub(crate) fn mix(key: u64, number: u64) -> u64 {
    let mut mixed = key ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// Returns the bytes of the stream `key` from `position` on: at most `most`, and not beyond the block.
pub(crate) fn slice(key: u64, position: u64, most: u64) -> &'static [u8] {
    let (block, offset) = (position / BLOCK, position % BLOCK);
    let begin = mix(key, block) % PERIOD as u64 + offset;
    let begin = usize::try_from(begin % PERIOD as u64).expect("below the period");
    let length = usize::try_from(most.min(BLOCK - offset)).expect("at most a block");
    &table()[begin..begin + length]
}

/// Appends `length` bytes of the stream `key` from `position` on to `bytes`.
pub(crate) fn append(bytes: &mut Vec<u8>, key: u64, mut position: u64, length: u64) {
    let end = position + length;
    while position < end {
        let piece = slice(key, position, end - position);
        bytes.extend_from_slice(piece);
        position += piece.len() as u64;
    }
}

/// Returns the place of the first byte of `data` that differs from the stream `key` from `position` on.
pub(crate) fn difference(key: u64, mut position: u64, data: &[u8]) -> Option<u64> {
    let mut rest = data;
    while !rest.is_empty() {
        let expected = slice(key, position, rest.len() as u64);
        let (part, behind) = rest.split_at(expected.len());
        if part != expected {
            let pairs = part.iter().zip(expected);
            let equal = pairs.take_while(|(left, right)| left == right).count();
            return Some(position + equal as u64);
        }
        position += part.len() as u64;
        rest = behind;
    }
    None
}
