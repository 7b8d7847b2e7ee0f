//! The arguments of MAIL and RCPT.

/// The longest address (RFC 5321, 4.5.3.1.3).
const MOST_ADDRESS_BYTES: usize = 254;

/// The argument of MAIL or RCPT: an address, and parameters after it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Path<'a> {
    /// Empty for the sender of a bounce.
    pub(crate) address: &'a str,
    pub(crate) parameters: &'a str,
}

impl<'a> Path<'a> {
    /// Reads `FROM:<ada@example.org> SIZE=42`, where `keyword` is `FROM:`.
    pub(crate) fn parse(argument: &'a str, keyword: &str) -> Option<Self> {
        let (found, rest) = argument.split_at_checked(keyword.len())?;
        if !found.eq_ignore_ascii_case(keyword) {
            return None;
        }
        // The space is against the letter, and common.
        let (address, parameters) = rest.trim_start().strip_prefix('<')?.split_once('>')?;
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'<' | b',' | b';');
        let is_valid = address.bytes().all(is_plain) && address.len() <= MOST_ADDRESS_BYTES;
        let is_apart = parameters.is_empty() || parameters.starts_with(' ');
        (is_valid && is_apart).then_some(Self {
            address,
            parameters: parameters.trim(),
        })
    }

    /// Whether the address has both of its parts.
    pub(crate) fn is_full(&self) -> bool {
        match self.address.rsplit_once('@') {
            Some((name, domain)) => !name.is_empty() && !domain.is_empty(),
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_with_their_parameters() {
        for (argument, expected) in [
            ("FROM:<ada@example.org>", Some(("ada@example.org", ""))),
            (
                "from: <a@b> SIZE=4 BODY=8BITMIME",
                Some(("a@b", "SIZE=4 BODY=8BITMIME")),
            ),
            ("FROM:<>", Some(("", ""))),
            ("FROM:<a@b>SIZE=4", None),
            ("FROM:a@b", None),
            ("FROM:<a b@c>", None),
            ("FROM:<a@b", None),
            ("FROM:<<a@b>>", None),
            ("TO:<a@b>", None),
            ("FRÖM:<a@b>", None),
            ("", None),
        ] {
            let path = Path::parse(argument, "FROM:");
            let found = path.map(|path| (path.address, path.parameters));
            assert_eq!(found, expected, "{argument}");
        }
    }

    #[test]
    fn an_address_without_one_of_its_parts_is_not_full() {
        for (address, expected) in [("a@b", true), ("a", false), ("@b", false), ("a@", false)] {
            let parameters = "";
            assert_eq!(
                Path {
                    address,
                    parameters
                }
                .is_full(),
                expected,
                "{address}"
            );
        }
    }
}
