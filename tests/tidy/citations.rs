//! The tests that `tests/guarantees/INVARIANTS.md` names for each invariant.

use crate::file::{File, Finding};

const DOCUMENT: &str = "tests/guarantees/INVARIANTS.md";

/// Where the files of citations are looked for, if not in the repository's root.
const FOLDERS: [&str; 3] = ["", "src/", "tests/guarantees/"];

/// Finds citations of tests that are not in the file that stands before them: `` - `file.rs`: `test`, `test` ``.
pub(crate) fn missing_tests(files: &[File]) -> Vec<Finding> {
    let document = files.iter().find(|file| file.path == DOCUMENT);
    let Some(document) = document else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    let mut cited_file = None;
    for (line, text) in (1..).zip(document.text.lines()) {
        let rest = match text
            .strip_prefix("- `")
            .and_then(|rest| rest.split_once("`: "))
        {
            Some((path, rest)) if path.ends_with(".rs") => {
                cited_file = Some(path);
                rest
            }
            // The list goes on in the next line.
            _ if text.starts_with("  `") => text,
            _ => {
                cited_file = None;
                continue;
            }
        };
        let Some(path) = cited_file else { continue };
        let found = FOLDERS.iter().find_map(|folder| {
            let path = format!("{folder}{path}");
            files.iter().find(|file| file.path == path)
        });
        let tests = rest.split('`').skip(1).step_by(2);
        for test in tests {
            let declaration = format!("fn {test}(");
            if !found.is_some_and(|file| file.text.contains(&declaration)) {
                let advice =
                    format!("there is no test `{test}` in `{path}`: cite the one there is");
                findings.push(document.finding(line, advice));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::missing_tests;
    use crate::file::File;

    #[test]
    fn a_citation_of_a_missing_test_is_found() {
        let file = |path: &str, text: &str| File {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        let text = "- `a.rs`: `one`,\n  `two`\n- `b/c.rs`: `three`\n\n- `Other`: `x`\n  `y`\n- `d.rs`: `one`\n";
        let files = [
            file(super::DOCUMENT, text),
            file("tests/guarantees/a.rs", "fn one() {}"),
            file("src/b/c.rs", "fn three() {}"),
        ];
        let lines: Vec<usize> = missing_tests(&files)
            .iter()
            .map(|found| found.line)
            .collect();
        assert_eq!(lines, [2, 7]);
    }
}
