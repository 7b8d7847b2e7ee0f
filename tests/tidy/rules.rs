//! The rules that look at one file at a time, and at nothing else.

use crate::file::{File, Finding};
use crate::tokens::tokens;

/// As much as can be read in one sitting.
const MOST_LINES: usize = 450;

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
    if !file.is_rust() || !file.is_in("src") || lines <= MOST_LINES {
        return Vec::new();
    }
    let advice = format!(
        "{lines} lines, where {MOST_LINES} are the most: move one of its ideas to a file of its own"
    );
    vec![file.finding(MOST_LINES + 1, advice)]
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
    if file.is_rust() {
        for pair in tokens(&file.text).windows(2) {
            if let ([name @ ("todo" | "unimplemented" | "dbg"), "!"], line) =
                ([pair[0].text, pair[1].text], pair[0].line)
            {
                findings.push(file.finding(line, format!("`{name}!`: finish it, or take it out")));
            }
        }
    }
    findings
}

pub(crate) fn unwraps(file: &File) -> Vec<Finding> {
    if !file.is_rust() || !file.is_in("src") || file.is_test() {
        return Vec::new();
    }
    let tokens = tokens(&file.text);
    tokens
        .windows(2)
        .filter(|pair| matches!(pair[0].text, "." | "::") && pair[1].text == "unwrap")
        .filter(|pair| !pair[1].is_test)
        .map(|pair| {
            let advice =
                "`unwrap` outside of tests: return the error, or `expect` with why it cannot fail";
            file.finding(pair[1].line, advice)
        })
        .collect()
}

/// The begin of the line above a sleep that waits for no event: one under a deadline where no event tells, or one in a
/// test of the passing of time.
const LETS_TIME_PASS: &str = "// Lets time pass:";

pub(crate) fn sleeps(file: &File) -> Vec<Finding> {
    if !file.is_rust() || !(file.is_in("src") || file.is_in("tests")) {
        return Vec::new();
    }
    let tokens = tokens(&file.text);
    tokens
        .windows(3)
        .filter(
            |three| match [three[0].text, three[1].text, three[2].text] {
                ["thread", "::", "sleep"] => true,
                [".", ..] => false,
                [_, name, next] => name == "sleep" && matches!(next, "(" | "," | "}"),
            },
        )
        .filter(|three| {
            let above = file.text.lines().nth(three[1].line.saturating_sub(2));
            !above.is_some_and(|above| above.trim_start().starts_with(LETS_TIME_PASS))
        })
        .map(|three| {
            let advice = "a sleep: wait for what is to happen, with a deadline, or use virtual \
                          time; if it waits for nobody, say why above it (`// Lets time pass: ..`)";
            file.finding(three[1].line, advice)
        })
        .collect()
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
        ["examples", _, program] => program == "main.rs",
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
    use std::collections::BTreeSet;

    use super::*;
    use crate::found;

    #[test]
    fn what_is_unfinished_is_found() {
        let note = format!("fn f() {{}} // {}: later", UNFINISHED[0]);
        let longer = format!("{0}_{0} {0}S a{0}", UNFINISHED[1]);
        for (path, text, lines) in [
            ("README.md", note.as_str(), vec![1]),
            ("src/net/server.rs", longer.as_str(), vec![]),
            ("benches/a.rs", "fn f() {\n    todo!()\n}", vec![2]),
            (
                "examples/a.rs",
                "fn f() { unimplemented!(\"\") }\nfn g() { dbg!(1); }",
                vec![1, 2],
            ),
            (
                "src/net/server.rs",
                "// todo!\nlet todo = dbg; // \"dbg!\"",
                vec![],
            ),
        ] {
            assert_eq!(found(unfinished_work, path, text), lines, "{path}: {text}");
        }
    }

    #[test]
    fn an_unwrap_is_found_unless_it_is_a_tests() {
        let test = "#[cfg(test)]\nmod tests {\n    fn f(a: [u8; 1]) { {} b().unwrap() }\n}\n";
        for (path, text, lines) in [
            ("src/a.rs", "fn f() { g()\n.unwrap() }", vec![2]),
            ("src/a.rs", "fn f() { g().map(Option::unwrap) }", vec![1]),
            (
                "src/a.rs",
                "/// a.unwrap()\nfn f() { g().unwrap_or(1).unwrap_or_default() }",
                vec![],
            ),
            ("src/a.rs", test, vec![]),
            (
                "src/a.rs",
                &format!("{test}fn f() {{ g().unwrap() }}"),
                vec![5],
            ),
            (
                "src/a.rs",
                "#[cfg(test)]\nmod tests;\nfn f() { g().unwrap() }",
                vec![3],
            ),
            (
                "src/a.rs",
                "#[cfg(test)]\nfn f(a: [u8; 1]) { g().unwrap() }",
                vec![],
            ),
            (
                "src/a.rs",
                "#[cfg(not(test))]\nfn f() { g().unwrap() }",
                vec![2],
            ),
            ("src/a/tests.rs", "fn f() { g().unwrap() }", vec![]),
            ("src/a/tests/b.rs", "fn f() { g().unwrap() }", vec![]),
            ("src/a_tests.rs", "fn f() { g().unwrap() }", vec![]),
            ("tests/a.rs", "fn f() { g().unwrap() }", vec![]),
        ] {
            assert_eq!(found(unwraps, path, text), lines, "{path}: {text}");
        }
    }

    #[test]
    fn a_sleep_is_found_under_any_name() {
        for (path, text, lines) in [
            ("tests/a.rs", "fn f() { std::thread::sleep(g()) }", vec![1]),
            (
                "src/a.rs",
                "use std::thread::{self, sleep};\nfn f() { sleep(g()) }",
                vec![1, 2],
            ),
            (
                "src/a.rs",
                "// thread::sleep\nfn may_sleep() { phone.sleep() }",
                vec![],
            ),
            ("benches/a.rs", "fn f() { std::thread::sleep(g()) }", vec![]),
            (
                "tests/a.rs",
                "fn f() {\n    // Lets time pass: it is what is tested.\n    thread::sleep(g())\n}",
                vec![],
            ),
            (
                "tests/a.rs",
                "// Lets time pass: far away.\nfn f() {\n    thread::sleep(g())\n}",
                vec![3],
            ),
        ] {
            let found: BTreeSet<_> = found(sleeps, path, text).into_iter().collect();
            assert_eq!(
                found.into_iter().collect::<Vec<_>>(),
                lines,
                "{path}: {text}"
            );
        }
    }

    #[test]
    fn the_remaining_rules_find_what_they_are_for() {
        let long = "\n".repeat(MOST_LINES + 1);
        assert_eq!(found(long_files, "src/a.rs", &long), [MOST_LINES + 1]);
        assert_eq!(found(long_files, "src/a.rs", &long[1..]), []);
        assert_eq!(found(long_files, "tests/a.rs", &long), []);

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
