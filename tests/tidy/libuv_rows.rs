//! The table of libuv's tests of the loop, in `tests/guarantees/README.md`.

use crate::file::{File, Finding};

const TABLE: &str = "tests/guarantees/README.md";

/// The number of rows, so that none is lost.
const ROWS: usize = 147;

/// Finds rows whose test is not there, and rows without a test that do not say why.
pub(crate) fn broken_rows(files: &[File]) -> Vec<Finding> {
    let Some(table) = files.iter().find(|file| file.path == TABLE) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    let mut count = 0;
    for (line, text) in (1..).zip(table.text.lines()) {
        let cells: Vec<_> = text.split('|').map(str::trim).collect();
        let [_, name, class, here, note, _] = cells[..] else {
            continue;
        };
        if !["MUST", "SHOULD", "NA"].contains(&class) {
            continue;
        }
        count += 1;
        let is_right = match (class, here) {
            ("NA", _) | ("SHOULD", "—") => here == "—" && !note.is_empty(),
            _ => is_test(files, here.trim_matches('`')),
        };
        if !is_right {
            let advice = format!("`{name}` has no test {here}: name the one there is, or say why");
            findings.push(table.finding(line, advice));
        }
    }
    if count != ROWS {
        findings.push(table.finding(1, format!("{count} rows, and not {ROWS}")));
    }
    findings
}

/// Whether `test` is a function of the file that stands before it: `timers/repeating::a_test`. A file that is not in
/// `tests/guarantees` stands there with its whole path.
fn is_test(files: &[File], test: &str) -> bool {
    test.split_once("::").is_some_and(|(file, test)| {
        let path = match file.starts_with("src/") || file.starts_with("tests/") {
            true => format!("{file}.rs"),
            false => format!("tests/guarantees/{file}.rs"),
        };
        let declaration = format!("#[test]\nfn {test}(");
        files
            .iter()
            .any(|file| file.path == path && file.text.contains(&declaration))
    })
}

#[cfg(test)]
mod tests {
    use super::broken_rows;
    use crate::file::File;

    #[test]
    fn a_row_without_its_test_is_found() {
        let file = |path: &str, text: &str| File {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        let table = "| embed | MUST | `hosts::there` | |\n\
            | ref | MUST | `hosts::gone` | |\n\
            | fork | NA | — | |\n\
            | raise | MUST | `src/signals::raised` | |\n\
            | wait | MUST | — | for a reason |\n\
            | poll | SHOULD | — | for a reason |\n\
            | oom | NA | — | no allocator |\n";
        let files = [
            file(super::TABLE, table),
            file("tests/guarantees/hosts.rs", "#[test]\nfn there() {}\n"),
            file("src/signals.rs", "#[test]\nfn raised() {}\n"),
        ];
        let found: Vec<_> = broken_rows(&files).iter().map(|it| it.line).collect();
        assert_eq!(found, [2, 3, 5, 1]);
    }
}
