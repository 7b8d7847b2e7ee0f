//! Patterns of names, as KEYS and PSUBSCRIBE take them: `*`, `?`, `[a-z]`, `[^a]`, and `\` before any of these.

/// Whether `pattern` matches all of `text`. The steps are at most the product of the two lengths, so a pattern of many
/// stars cannot hold the loop.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut pattern, mut text) = (pattern, text);
    // The pattern after the last star, and the text that the star has not taken yet.
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        if let [b'*', behind @ ..] = pattern {
            pattern = behind;
            retry = Some((behind, text));
            continue;
        }
        let step = match (pattern, text) {
            ([], []) => return true,
            ([], _) | (_, []) => None,
            (_, [byte, text_behind @ ..]) => {
                let (is_match, behind) = take_one(pattern, *byte);
                is_match.then_some((behind, text_behind))
            }
        };
        // Without a match the last star takes one byte more; an earlier star would gain nothing by it.
        (pattern, text) = match (step, retry) {
            (Some(step), _) => step,
            (None, Some((behind, [_, rest @ ..]))) => {
                retry = Some((behind, rest));
                (behind, rest)
            }
            (None, _) => return false,
        };
    }
}

/// Whether the first part of a pattern, which is no star, matches `byte`; and the pattern after that part.
fn take_one(pattern: &[u8], byte: u8) -> (bool, &[u8]) {
    match pattern {
        [b'?', behind @ ..] => (true, behind),
        [b'[', b'^', class @ ..] => {
            let (is_in, behind) = take_class(class, byte);
            (!is_in, behind)
        }
        [b'[', class @ ..] => take_class(class, byte),
        [b'\\', escaped, behind @ ..] => (*escaped == byte, behind),
        [wanted, behind @ ..] => (*wanted == byte, behind),
        [] => (false, pattern),
    }
}

/// Whether `byte` is in a class, and the pattern after the class. A class without an end goes on to the end of the pattern.
fn take_class(mut class: &[u8], byte: u8) -> (bool, &[u8]) {
    let mut is_in = false;
    loop {
        class = match class {
            [] => return (is_in, class),
            [b']', behind @ ..] => return (is_in, behind),
            [b'\\', escaped, behind @ ..] => {
                is_in |= *escaped == byte;
                behind
            }
            [first, b'-', last, behind @ ..] => {
                let (low, high) = (first.min(last), first.max(last));
                is_in |= (low..=high).contains(&&byte);
                behind
            }
            [member, behind @ ..] => {
                is_in |= *member == byte;
                behind
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::{matches, take_one};

    /// The same by recursion, which tries everything.
    fn model(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([], _) => text.is_empty(),
            ([b'*', behind @ ..], _) => (0..=text.len()).any(|taken| model(behind, &text[taken..])),
            (_, []) => false,
            (_, [byte, rest @ ..]) => {
                let (is_match, behind) = take_one(pattern, *byte);
                is_match && model(behind, rest)
            }
        }
    }

    #[test]
    fn patterns_match_as_in_redis() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "abc", true),
            ("a*c", "abbc", true),
            ("a*c", "abcd", false),
            ("h?llo", "hello", true),
            ("h?llo", "hllo", false),
            ("h[ae]llo", "hallo", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-c]llo", "hbllo", true),
            ("h[c-a]llo", "hbllo", true),
            ("h[a-c]llo", "hdllo", false),
            ("h\\*llo", "h*llo", true),
            ("h\\*llo", "hello", false),
            ("[\\]]", "]", true),
            ("[a", "a", true),
            ("[", "a", false),
            ("a\\", "a\\", true),
            ("*a*b", "xxaxxb", true),
        ] {
            let found = matches(pattern.as_bytes(), text.as_bytes());
            assert_eq!(found, expected, "{pattern} {text}");
        }
    }

    #[test]
    fn random_patterns_match_as_by_recursion() {
        let mut random = fastrand::Rng::with_seed(3);
        let mut draw = |letters: &[u8], most: usize| -> Vec<u8> {
            let length = random.usize(..most);
            (0..length)
                .map(|_| letters[random.usize(..letters.len())])
                .collect()
        };
        for _ in 0..100_000 {
            let (pattern, text) = (draw(b"**ab?[]^-\\", 8), draw(b"ab]-", 7));
            let (pattern_text, text_text) = (pattern.escape_ascii(), text.escape_ascii());
            assert_eq!(
                matches(&pattern, &text),
                model(&pattern, &text),
                "{pattern_text} {text_text}"
            );
        }
    }

    #[test]
    fn many_stars_are_no_burden() {
        let pattern = b"a*".repeat(1000);
        let text = vec![b'a'; 5000];
        assert!(!matches(&[&pattern[..], b"b"].concat(), &text));
    }
}
