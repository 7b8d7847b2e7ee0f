//! Integers as Redis writes and reads them.

/// Reads an integer, which has no leading zero, no plus and no space.
#[inline]
pub(crate) fn parse_integer(text: &[u8]) -> Option<i64> {
    // The lengths of arguments, which stand in each command.
    if let &[digit @ b'0'..=b'9'] = text {
        return Some(i64::from(digit - b'0'));
    }
    parse_longer(text)
}

fn parse_longer(text: &[u8]) -> Option<i64> {
    let (is_negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if !matches!(digits, [b'1'..=b'9', ..]) {
        return None;
    }
    // Below zero there is one number more.
    let mut number: i64 = 0;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        let digit = i64::from(digit - b'0');
        number = number.checked_mul(10)?.checked_sub(digit)?;
    }
    match is_negative {
        true => Some(number),
        false => number.checked_neg(),
    }
}

/// Appends an integer to `bytes`. The machinery of `write!` would take more instructions than the rest of a short reply.
#[inline]
pub(crate) fn write_integer(bytes: &mut Vec<u8>, number: i64) {
    let mut text = [0; 20];
    let mut start = text.len();
    let mut rest = number.unsigned_abs();
    loop {
        start -= 1;
        text[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        start -= 1;
        text[start] = b'-';
    }
    bytes.extend_from_slice(&text[start..]);
}

#[cfg(test)]
mod tests {
    use super::{parse_integer, write_integer};

    #[test]
    fn every_written_integer_is_read_again() {
        let mut random = fastrand::Rng::with_seed(1);
        let edges = [0, 1, -1, 9, 10, -10, i64::MAX, i64::MIN, i64::MIN + 1];
        let drawn = (0..10_000).map(|_| random.i64(..) >> random.u32(..64));
        for number in edges.into_iter().chain(drawn) {
            let mut text = Vec::new();
            write_integer(&mut text, number);
            assert_eq!(text, number.to_string().as_bytes());
            assert_eq!(parse_integer(&text), Some(number));
        }
    }

    #[test]
    fn another_text_is_no_integer() {
        for text in [
            "",
            "-",
            "+1",
            "01",
            "-0",
            "-01",
            " 1",
            "1 ",
            "1a",
            "a",
            "0x1",
            "9223372036854775808",
            "-9223372036854775809",
            "99999999999999999999",
        ] {
            assert_eq!(parse_integer(text.as_bytes()), None, "{text:?}");
        }
    }
}
