//! The text that both sides of a connection write and expect.

use std::sync::LazyLock;

/// The length of a period of the text: those of a line and of a round of its runs have no common divisor.
const PERIOD: u64 = 61 * 55;

/// Returns `length` bytes of the text, from the byte `start` on: lines of short runs.
pub(crate) fn text(start: u64, length: usize) -> Vec<u8> {
    static PERIODS: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let byte = |place: u64| match place % 61 {
            60 => b'\n',
            _ => b"abcdefghijk"[usize::try_from(place / 5 % 11).expect("it is small")],
        };
        (0..64 * PERIOD).map(byte).collect()
    });
    let start = usize::try_from(start % PERIOD).expect("a period is short");
    match PERIODS.get(start..start + length) {
        Some(text) => text.to_vec(),
        None => {
            let bytes = PERIODS.iter().copied().cycle().skip(start);
            bytes.take(length).collect()
        }
    }
}
