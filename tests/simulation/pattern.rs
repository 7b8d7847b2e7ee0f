//! Bytes that say where they belong. Each stream of each connection has its own, so that a lost, doubled or swapped
//! byte shows at once, without a copy of the stream.

/// A prime, so that no two streams ever fall into step.
const PERIOD: usize = 65_521;

/// The longest piece that [`Pattern::piece`] gives.
pub(crate) const LONGEST: usize = 128 << 10;

/// A table of random bytes, of which every stream is a rotation.
pub(crate) struct Pattern(Vec<u8>);

impl Pattern {
    pub(crate) fn new() -> Self {
        let mut random = fastrand::Rng::with_seed(1);
        let mut bytes: Vec<u8> = std::iter::repeat_with(|| random.u8(..))
            .take(PERIOD)
            .collect();
        let length = PERIOD + LONGEST;
        while bytes.len() < length {
            let more = (length - bytes.len()).min(PERIOD);
            bytes.extend_from_within(..more);
        }
        Self(bytes)
    }

    /// `length` bytes of the stream `key`, from `position` on.
    pub(crate) fn piece(&self, key: usize, position: u64, length: usize) -> &[u8] {
        let period = PERIOD as u64;
        let start = (position + (key as u64).wrapping_mul(7_919)) % period;
        let start = usize::try_from(start).unwrap();
        &self.0[start..start + length]
    }
}
