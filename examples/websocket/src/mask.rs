//! The mask on the payload of a client's frame (RFC 6455, 5.3).

/// Removes `mask` from `payload`, or puts it on. Eight bytes are done at a time, which the compiler makes into vectors.
pub(crate) fn apply(mask: [u8; 4], payload: &mut [u8]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut eights = payload.chunks_exact_mut(8);
    for eight in &mut eights {
        let word = u64::from_ne_bytes((&*eight).try_into().expect("a chunk has eight bytes"));
        eight.copy_from_slice(&(word ^ wide).to_ne_bytes());
    }
    for (byte, mask) in eights.into_remainder().iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_is_masked_as_byte_by_byte() {
        let mask = [0x12, 0xff, 0x00, 0x9a];
        let payload: Vec<u8> = (0..100).collect();
        for start in 0..8 {
            for end in start..payload.len() {
                let expected: Vec<u8> = payload[start..end]
                    .iter()
                    .enumerate()
                    .map(|(place, byte)| byte ^ mask[place % 4])
                    .collect();
                let mut masked = payload.clone();
                apply(mask, &mut masked[start..end]);
                assert_eq!(masked[start..end], expected);
                assert_eq!(masked[..start], payload[..start]);
                assert_eq!(masked[end..], payload[end..]);
            }
        }
    }
}
