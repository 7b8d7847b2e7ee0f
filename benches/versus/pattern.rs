//! The bytes that are sent, and the proof that they came back: a seeded pattern that is compared byte for byte.

/// A prime, so that no message size divides it and a message in the wrong place is a wrong message.
const PERIOD: usize = 65_521;
/// The longest slice that one comparison or one send may take.
pub(crate) const LONGEST_SLICE: usize = 1 << 20;
/// The length of a small message: that of a broadcast, of a visit, and of what [`super::peers::service::Mode::Messages`]
/// answers at a time.
pub(crate) const MESSAGE: usize = 64;
/// The length of the block that the servers of [`super::peers::service::Mode::Flood`] repeat.
pub(crate) const FLOOD_BLOCK: usize = 65_536;

/// An endless periodic stream of random bytes; every connection starts at an origin of its own, so that bytes of
/// another connection are wrong bytes too.
pub(crate) struct Pattern {
    bytes: Vec<u8>,
}

impl Pattern {
    pub(crate) fn seeded(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let period: Vec<u8> = std::iter::repeat_with(|| random.u8(..))
            .take(PERIOD)
            .collect();
        let bytes = period
            .iter()
            .copied()
            .cycle()
            .take(PERIOD + LONGEST_SLICE)
            .collect();
        Self { bytes }
    }

    /// The `length` bytes of the stream from `position` on; at most [`LONGEST_SLICE`].
    #[inline]
    pub(crate) fn slice(&self, position: u64, length: usize) -> &[u8] {
        let start = usize::try_from(position % PERIOD as u64).expect("below the period");
        &self.bytes[start..start + length]
    }

    /// Whether `received` is what the stream holds at `position`.
    #[inline]
    pub(crate) fn matches(&self, position: u64, received: &[u8]) -> bool {
        self.slice(position, received.len()) == received
    }
}

/// What a flooding server sends over and over; every peer, in whatever language, computes the same bytes.
pub(crate) static FLOOD: [u8; FLOOD_BLOCK] = {
    let mut block = [0; FLOOD_BLOCK];
    let mut position = 0;
    while position < FLOOD_BLOCK {
        // The low byte of the position, mixed with the next one.
        block[position] = position.to_le_bytes()[0] ^ position.to_le_bytes()[1];
        position += 1;
    }
    block
};

/// A copy of [`FLOOD`].
pub(crate) fn flood_block() -> Vec<u8> {
    FLOOD.to_vec()
}

/// The flooded stream from any place within the block, long enough for one comparison.
pub(crate) struct FloodPattern {
    bytes: Vec<u8>,
}

impl FloodPattern {
    pub(crate) fn new() -> Self {
        Self {
            bytes: flood_block()
                .into_iter()
                .cycle()
                .take(FLOOD_BLOCK + LONGEST_SLICE)
                .collect(),
        }
    }

    #[inline]
    pub(crate) fn matches(&self, position: u64, received: &[u8]) -> bool {
        let start =
            usize::try_from(position % FLOOD_BLOCK as u64).expect("below the block's length");
        self.bytes[start..start + received.len()] == *received
    }
}
