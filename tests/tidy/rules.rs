//! The rules that look at one file at a time, and at nothing else.

use crate::file::{File, Finding};

/// As much as can be read in one sitting.
const MANY_LINES: usize = 450;

/// A file of so many lines has more than one idea.
const MOST_LINES: usize = 700;

/// The words at the head of a file of more than [`MANY_LINES`], before its reason.
const LONG: &str = "long because";

/// Written in two parts, so that this file does not contain them.
const UNFINISHED: [&str; 3] = [
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("HA", "CK"),
];

/// Paths that mean something only on the machine that they were written on, in two parts likewise.
const FOREIGN: [&str; 3] = [
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
];

pub(crate) fn long_files(file: &File) -> Vec<Finding> {
    let lines = file.text.lines().count();
    if !file.is_rust() || lines <= MANY_LINES {
        return Vec::new();
    }
    let head = file.text.lines().take_while(|line| line.starts_with("//!"));
    let head: Vec<&str> = head.map(|line| line[3..].trim()).collect();
    let advice = if lines > MOST_LINES {
        format!(
            "{lines} lines, where {MOST_LINES} are the most: move one of its ideas to a file of its own"
        )
    } else if !head.join(" ").contains(LONG) {
        format!(
            "{lines} lines: move one of its ideas to a file of its own, or say at its head why it is {LONG} .."
        )
    } else {
        return Vec::new();
    };
    vec![file.finding(1, advice)]
}

pub(crate) fn unfinished_work(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, text) in numbered(&file.text) {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        for word in UNFINISHED {
            let is_word = text.match_indices(word).any(|(start, _)| {
                let before = text[..start].bytes().next_back();
                let after = text[start + word.len()..].bytes().next();
                !before.is_some_and(is_part) && !after.is_some_and(is_part)
            });
            if is_word {
                findings.push(file.finding(line, format!("{word}: do it now, or open an issue")));
            }
        }
    }
    findings
}

pub(crate) fn foreign_names(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, text) in numbered(&file.text) {
        for name in FOREIGN.iter().filter(|name| text.contains(**name)) {
            let advice =
                format!("`{name}` means something on one machine or service only: leave it out");
            findings.push(file.finding(line, advice));
        }
    }
    findings
}

pub(crate) fn missing_transcripts(file: &File) -> Vec<Finding> {
    let is_program = match file.path.split('/').collect::<Vec<_>>()[..] {
        ["examples", program] => program.ends_with(".rs"),
        ["examples", _, program] | ["examples", _, "src", program] => program == "main.rs",
        _ => false,
    };
    let mut head = file.text.lines().take_while(|line| line.starts_with("//!"));
    let has_transcript = head.any(|line| line == "//! ```text")
        && head
            .take_while(|line| *line != "//! ```")
            .any(|line| line.starts_with("//! $ "));
    if !is_program || has_transcript {
        return Vec::new();
    }
    let advice = "an example begins with what it looks like: `//! ```text`, then `//! $ cargo run --example ..` \
                  with the output";
    vec![file.finding(1, advice)]
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::found;

    #[test]
    fn what_is_unfinished_is_found() {
        let note = format!("fn f() {{}} // {}: later", UNFINISHED[0]);
        let longer = format!("{0}_{0} {0}S a{0}", UNFINISHED[1]);
        for (path, text, lines) in [
            ("README.md", note.as_str(), vec![1]),
            ("src/net/server.rs", longer.as_str(), vec![]),
        ] {
            assert_eq!(found(unfinished_work, path, text), lines, "{path}: {text}");
        }
    }

    #[test]
    fn the_remaining_rules_find_what_they_are_for() {
        let long = "\n".repeat(MANY_LINES + 1);
        let too_long = "\n".repeat(MOST_LINES);
        let reason = "//! Words. The table is long\n//! because the world is.\n";
        assert_eq!(found(long_files, "tests/a.rs", &long), [1]);
        assert_eq!(found(long_files, "tests/a.rs", &long[1..]), []);
        assert_eq!(
            found(long_files, "src/a.rs", &format!("{reason}{long}")),
            []
        );
        assert_eq!(
            found(long_files, "src/a.rs", &format!("{reason}{too_long}")),
            [1]
        );
        assert_eq!(found(long_files, "README.md", &long), []);

        for name in FOREIGN {
            assert_eq!(
                found(foreign_names, "README.md", &format!("\nsee {name}a")),
                [2]
            );
        }
        assert_eq!(
            found(
                foreign_names,
                "src/a.rs",
                "registry.register(worker / roots)"
            ),
            []
        );

        let transcript =
            "//! Words.\n//!\n//! ```text\n//! $ cargo run --example a\n//! ```\nfn main() {}";
        assert_eq!(found(missing_transcripts, "examples/a.rs", transcript), []);
        for (path, text) in [
            ("examples/a.rs", "fn main() {}"),
            (
                "examples/a.rs",
                "//! Words.\nfn main() {}\n//! ```text\n//! $ a",
            ),
            ("examples/a.rs", "//! ```text\n//! words\n//! ```\n//! $ a"),
            ("examples/a/main.rs", "//! Words."),
            ("examples/a/src/main.rs", "//! Words."),
        ] {
            assert_eq!(
                found(missing_transcripts, path, text),
                [1],
                "{path}: {text}"
            );
        }
        assert_eq!(
            found(missing_transcripts, "examples/a/part.rs", "//! Words."),
            []
        );
    }
}
