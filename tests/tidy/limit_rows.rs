//! The table of limits, in `tests/guarantees/LIMITS.md`.

use crate::fault_rows::is_test;
use crate::file::{File, Finding};

const TABLE: &str = "tests/guarantees/LIMITS.md";

/// The file whose methods are the limits.
const LIMITS: &str = "src/net/values/limits.rs";

/// The limit that is no method of `Limits`, and has the last row.
const DEADLINE: &str = "Socket::set_deadline";

/// Finds methods of `Limits` whose row is missing or in another place, and rows that name a test that is not there.
pub(crate) fn broken_rows(files: &[File]) -> Vec<Finding> {
    let find = |path: &str| files.iter().find(|file| file.path == path);
    let (Some(table), Some(limits)) = (find(TABLE), find(LIMITS)) else {
        return Vec::new();
    };
    let method = |line: &str| {
        let rest = line.trim().strip_prefix("pub fn ")?;
        let (name, arguments) = rest.split_once('(')?;
        arguments.starts_with("mut self").then(|| name.to_owned())
    };
    let methods = limits.text.lines().filter_map(method);
    let mut expected = methods.chain([DEADLINE.to_owned()]);
    let mut findings = Vec::new();
    for (line, text) in (1..).zip(table.text.lines()) {
        let cells: Vec<_> = text.split('|').map(str::trim).collect();
        let [_, row, default, strangers, counter, tests, _] = cells[..] else {
            continue;
        };
        if row == "limit" || row.starts_with('-') {
            continue;
        }
        let row = row.trim_matches('`');
        if expected.next().as_deref() != Some(row) {
            findings.push(table.finding(line, format!("`{row}` is not the limit that is next")));
            return findings;
        }
        let are_there = tests
            .split(", ")
            .all(|test| is_test(files, test.trim_matches('`')));
        let says_nothing = [default, strangers, counter].contains(&"");
        if says_nothing || !are_there {
            let advice = format!("`{row}` names a test that is not there, or says nothing");
            findings.push(table.finding(line, advice));
        }
    }
    if let Some(missing) = expected.next() {
        findings.push(table.finding(1, format!("`{missing}` is missing")));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::broken_rows;
    use crate::file::File;

    #[test]
    fn a_limit_without_a_row_or_a_test_is_found() {
        let file = |path: &str, text: &str| File {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        let findings = |table: &str| {
            broken_rows(&[
                file(super::TABLE, table),
                file(
                    super::LIMITS,
                    "    pub fn one(mut self, most: usize) -> Self {",
                ),
                file("tests/guarantees/a.rs", "#[test]\nfn there() {}"),
            ])
            .len()
        };
        let row = |name: &str, test: &str| {
            format!("| `{name}` | 1 | 2 | `c` | `guarantees/a::{test}` |\n")
        };
        let whole = row("one", "there") + &row("Socket::set_deadline", "there");
        assert_eq!(findings(&whole), 0);
        assert_eq!(findings(&row("one", "there")), 1, "a row is missing");
        let without_test = row("one", "gone") + &row("Socket::set_deadline", "there");
        assert_eq!(findings(&without_test), 1);
    }
}
