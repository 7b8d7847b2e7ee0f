//! Bytes to send, and whether they arrived.

/// Bytes that differ from place to place, so that one that is lost, doubled or out of order shows. Another `seed` gives
/// other bytes.
pub(crate) fn pattern(length: usize, seed: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut bytes = vec![0; length];
    random.fill(&mut bytes);
    bytes
}

/// Says where two byte strings part, instead of printing megabytes.
#[track_caller]
pub(crate) fn assert_same_bytes(got: &[u8], wanted: &[u8]) {
    if got != wanted {
        let mut pairs = got.iter().zip(wanted);
        let parting = pairs.position(|(got, wanted)| got != wanted);
        panic!(
            "{} bytes instead of {}; the first difference is at {parting:?}",
            got.len(),
            wanted.len()
        );
    }
}
