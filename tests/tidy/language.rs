//! The language of comments and names, whose rules are in CONTRIBUTING.md. A comment begins with the thing and names the
//! actor, and the name of a function fits in a line.

use std::collections::BTreeMap;

use crate::file::{File, Finding};
use crate::tokens::tokens;

/// The first words of comments that say neither a thing nor a verb.
const OPENINGS: [&str; 6] = ["What", "Who", "Whoever", "Whom", "That", "How"];

/// The words for people, where sockets, peers and handlers are meant.
const PEOPLE: [&str; 6] = ["who", "whom", "whoever", "nobody", "somebody", "everybody"];

/// The longest name of a function, in characters.
const LONGEST_NAME: usize = 60;

/// The share of comments of a folder that may open with one of [`OPENINGS`], in 100.
const OPENINGS_IN_100: usize = 1;

/// The share of words of a folder's comments that may be [`PEOPLE`], in 10,000.
const PEOPLE_IN_10_000: usize = 3;

/// The comments of one folder, counted.
#[derive(Default)]
struct Count {
    blocks: usize,
    words: usize,
    openings: Vec<Finding>,
    people: Vec<Finding>,
}

impl Count {
    fn add(&mut self, file: &File) {
        // A block ends with the comment, or with an empty line of it.
        let (mut is_in_block, mut is_in_code) = (false, false);
        for (line, text) in (1..).zip(file.text.lines()) {
            let Some(text) = comment(text) else {
                (is_in_block, is_in_code) = (false, false);
                continue;
            };
            if text.starts_with("```") {
                is_in_code = !is_in_code;
                continue;
            }
            if is_in_code {
                continue;
            }
            if !text.is_empty() && !is_in_block {
                self.blocks += 1;
                let first = text.split(' ').next().unwrap_or_default();
                if OPENINGS.contains(&first) && text.contains(' ') {
                    let advice = format!(
                        "a comment that opens with `{first}`: begin with the thing, or with a verb"
                    );
                    self.openings.push(file.finding(line, advice));
                }
            }
            is_in_block = !text.is_empty();
            for word in words(text) {
                self.words += 1;
                if PEOPLE.contains(&word.to_ascii_lowercase().as_str()) {
                    let advice = format!(
                        "`{word}`: name the peer, the connection, the caller, the handler, the test"
                    );
                    self.people.push(file.finding(line, advice));
                }
            }
        }
    }

    /// The findings of the rules that the folder as a whole breaks: a few of either are allowed.
    fn into_findings(self) -> Vec<Finding> {
        let mut findings = Vec::new();
        if self.openings.len() * 100 > self.blocks * OPENINGS_IN_100 {
            findings.extend(self.openings);
        }
        if self.people.len() * 10_000 > self.words * PEOPLE_IN_10_000 {
            findings.extend(self.people);
        }
        findings
    }
}

/// The text of a line that is a comment and nothing else.
fn comment(line: &str) -> Option<&str> {
    let text = line.trim_start().strip_prefix("//")?;
    let text = text.strip_prefix(['/', '!']).unwrap_or(text);
    Some(text.trim())
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_part = |character: char| character.is_ascii_alphabetic() || character == '\'';
    text.split(move |character| !is_part(character))
        .filter(|word| !word.is_empty())
}

/// Finds what breaks the rules in the Rust files, folder by folder: `src`, `tests`, `benches`, `examples`.
pub(crate) fn foreign_language(files: &[File]) -> Vec<Finding> {
    let mut folders: BTreeMap<&str, Count> = BTreeMap::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let folder = file.path.split('/').next().unwrap_or_default();
        folders.entry(folder).or_default().add(file);
    }
    folders
        .into_values()
        .flat_map(Count::into_findings)
        .collect()
}

/// Finds the functions whose names are too long for a sentence.
pub(crate) fn long_names(file: &File) -> Vec<Finding> {
    if !file.is_rust() {
        return Vec::new();
    }
    tokens(&file.text)
        .windows(2)
        .filter(|pair| pair[0].text == "fn" && pair[1].text.chars().count() > LONGEST_NAME)
        .map(|pair| {
            let name = pair[1].text;
            let advice = format!(
                "`{name}` has {} characters, where {LONGEST_NAME} are the most: say the guarantee in fewer words",
                name.chars().count()
            );
            file.finding(pair[1].line, advice)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::found;

    fn lines_of(text: &str) -> Vec<usize> {
        let file = File {
            path: "src/a.rs".to_owned(),
            text: text.to_owned(),
        };
        let findings = foreign_language(&[file]);
        findings.into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn an_opening_is_found_where_a_comment_begins() {
        for (text, lines) in [
            ("/// What it does.", vec![1]),
            ("//! How it does that.", vec![1]),
            ("    // That is so.", vec![1]),
            ("/// Sends.\n///\n/// Who sends.", vec![3, 3]),
            ("/// Sends what\n/// What it has.", vec![]),
            ("/// ```\n/// // What\n/// ```\n/// Whatever", vec![]),
            ("/// ```\n/// a", vec![]),
            ("let a = 1; // What it is.", vec![]),
            ("/// Whether it is. Somebodys.", vec![]),
            ("/// The peer, and nobody else.", vec![1]),
        ] {
            assert_eq!(lines_of(text), lines, "{text}");
        }
    }

    #[test]
    fn a_few_findings_in_a_folder_are_allowed() {
        let plain =
            "/// A peer that sends. The handler is told of it once, later, and in order.\n\n";
        let few = format!("/// What it does.\n\n{}", plain.repeat(99));
        let many = format!("/// What it does.\n\n{}", plain.repeat(98));
        assert_eq!(lines_of(&few), []);
        assert_eq!(lines_of(&many), [1]);

        let person = "/// It tells nobody.\n\n";
        let words = words(plain).count();
        let enough = 10_000 / 3 / words + 1;
        let few = format!("{person}{}", plain.repeat(enough));
        let many = format!("{person}{person}{}", plain.repeat(enough));
        assert_eq!(lines_of(&few), []);
        assert_eq!(lines_of(&many), [1, 3]);
    }

    #[test]
    fn a_long_name_is_found_generic_or_not() {
        let long = "a".repeat(LONGEST_NAME + 1);
        for (text, lines) in [
            (format!("fn {long}() {{}}"), vec![1]),
            (format!("\nfn {long}<T>() {{}}"), vec![2]),
            (format!("fn {}() {{}}", &long[1..]), vec![]),
            (format!("// fn {long}()\nlet {long} = 1;"), vec![]),
        ] {
            assert_eq!(found(long_names, "src/a.rs", &text), lines, "{text}");
        }
    }
}
