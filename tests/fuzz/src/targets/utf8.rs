//! The decoder of text, which sees pieces, against the standard library, which sees the whole stream at once.

use arbitrary::{Result, Unstructured};
use netloop::text::Utf8Decoder;

use super::drawing::pieces;

pub(crate) fn play(input: &mut Unstructured<'_>) -> Result<()> {
    let (mut decoder, mut strict) = (Utf8Decoder::new(), Utf8Decoder::new());
    // The decoders serve two streams, one behind the other.
    for _ in 0..2 {
        let pieces = pieces(input)?;
        let stream = pieces.concat();
        let (mut text, mut strict_text) = (String::new(), String::new());
        let mut is_valid = true;
        let mut position = 0;
        for piece in &pieces {
            let decoded = decoder.push(piece);
            position += piece.len();
            match strict.push_strict(piece) {
                Ok(more) if is_valid => {
                    assert_eq!(more, decoded);
                    strict_text.push_str(&more);
                    // All but the beginning of a character is given at once.
                    let waiting = position - strict_text.len();
                    assert!(waiting < 4, "{waiting} bytes wait");
                }
                Ok(_) => {}
                Err(_) => is_valid = false,
            }
            text.push_str(&decoded);
        }
        text.push_str(decoder.finish());
        is_valid &= strict.finish_strict().is_ok();
        assert_eq!(text, String::from_utf8_lossy(&stream));
        assert_eq!(is_valid, std::str::from_utf8(&stream).is_ok(), "{stream:?}");
        if is_valid {
            assert_eq!(strict_text.as_bytes(), stream);
        }
    }
    Ok(())
}
