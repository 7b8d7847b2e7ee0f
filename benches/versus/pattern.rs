//! The bytes that are sent, and the proof that they came back: a seeded pattern that is compared byte for byte.

/// A prime, so that no message size divides it and a message in the wrong place is a wrong message.
const PERIOD: usize = 65_521;
/// The longest slice that one comparison or one send may take.
pub(crate) const LONGEST_SLICE: usize = 1 << 20;
/// The length of a small message: in a broadcast, in a visit, and where each message is answered by itself.
pub(crate) const MESSAGE: usize = 64;
/// The length of the block that a flooding server repeats.
pub(crate) const FLOOD_BLOCK: usize = 65_536;

/// The block that a flooding server repeats; every peer, in whatever language, computes the same bytes.
pub(crate) static FLOOD: [u8; FLOOD_BLOCK] = {
    let mut block = [0; FLOOD_BLOCK];
    let mut position = 0;
    while position < FLOOD_BLOCK {
        block[position] = position.to_le_bytes()[0] ^ position.to_le_bytes()[1];
        position += 1;
    }
    block
};

/// An endless periodic stream. Every connection begins at a position of its own, so that the bytes of another connection
/// are wrong bytes.
pub(crate) struct Pattern {
    period: u64,
    /// The period, and so much behind it that a slice from any position is in one piece.
    bytes: Vec<u8>,
}

impl Pattern {
    pub(crate) fn random(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut period = vec![0; PERIOD];
        random.fill(&mut period);
        Self::repeating(&period)
    }

    pub(crate) fn flood() -> Self {
        Self::repeating(&FLOOD)
    }

    fn repeating(period: &[u8]) -> Self {
        let length = period.len() + LONGEST_SLICE;
        Self {
            period: period.len() as u64,
            bytes: period.iter().copied().cycle().take(length).collect(),
        }
    }

    /// Returns the `length` bytes of the stream from `position` on; at most [`LONGEST_SLICE`].
    #[inline]
    pub(crate) fn slice(&self, position: u64, length: usize) -> &[u8] {
        let start = usize::try_from(position % self.period).expect("below the period");
        &self.bytes[start..start + length]
    }

    /// Whether `received` is what the stream holds at `position`.
    #[inline]
    pub(crate) fn matches(&self, position: u64, received: &[u8]) -> bool {
        self.slice(position, received.len()) == received
    }
}
