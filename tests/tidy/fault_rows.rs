//! The fault table, in `tests/guarantees/FAULTS.md`.

use crate::file::{File, Finding};

const TABLE: &str = "tests/guarantees/FAULTS.md";

/// The groups of faults, with the number of each.
const GROUPS: [(char, usize); 8] = [
    ('A', 16),
    ('B', 13),
    ('C', 14),
    ('D', 14),
    ('E', 4),
    ('F', 5),
    ('G', 5),
    ('H', 5),
];

/// Finds rows that are missing or in another order, and rows that name no test or one that is not there.
pub(crate) fn broken_rows(files: &[File]) -> Vec<Finding> {
    let Some(table) = files.iter().find(|file| file.path == TABLE) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    let numbered = |(group, count)| (1..=count).map(move |number| format!("{group}{number}"));
    let mut expected = GROUPS.into_iter().flat_map(numbered);
    for (line, text) in (1..).zip(table.text.lines()) {
        let cells: Vec<_> = text.split('|').map(str::trim).collect();
        let [_, row, fault, here, tests, _] = cells[..] else {
            continue;
        };
        if row == "row" || row.starts_with('-') {
            continue;
        }
        if expected.next().as_deref() != Some(row) {
            findings.push(table.finding(line, format!("`{row}` is not the row that is next")));
            return findings;
        }
        let are_there = tests
            .split(", ")
            .all(|test| is_test(files, test.trim_matches('`')));
        if fault.is_empty() || here.is_empty() || !are_there {
            let advice = format!("`{row}` names a test that is not there, or says nothing");
            findings.push(table.finding(line, advice));
        }
    }
    if let Some(missing) = expected.next() {
        findings.push(table.finding(1, format!("`{missing}` is missing")));
    }
    findings
}

/// Whether `test` is a test of the file that stands before it: `guarantees/faults::a_test`, or `src/slots/tests::a_test`.
pub(crate) fn is_test(files: &[File], test: &str) -> bool {
    test.split_once("::").is_some_and(|(file, test)| {
        let folder = match file.starts_with("src/") {
            true => "",
            false => "tests/",
        };
        let path = format!("{folder}{file}.rs");
        let declaration = format!("fn {test}(");
        files.iter().any(|file| {
            file.path == path
                && file
                    .text
                    .split("#[test]")
                    .skip(1)
                    .any(|text| function_of(text).starts_with(&declaration))
        })
    })
}

/// The text of a function, from its name on, behind its further attributes.
fn function_of(text: &str) -> &str {
    text.find("fn ").map_or("", |start| &text[start..])
}

#[cfg(test)]
mod tests {
    use super::broken_rows;
    use crate::file::File;

    fn found(table: &str) -> Vec<usize> {
        let file = |path: &str, text: &str| File {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        let files = [
            file(super::TABLE, table),
            file(
                "tests/guarantees/faults.rs",
                "#[test]\n#[ignore]\nfn there() {}\nfn helper() {}\n",
            ),
        ];
        broken_rows(&files).iter().map(|it| it.line).collect()
    }

    #[test]
    fn a_row_without_its_test_is_found() {
        let there = "| A1 | a | b | `guarantees/faults::there` |\n";
        let gone = "| A2 | a | b | `guarantees/faults::there`, `guarantees/faults::gone` |\n";
        let helper = "| A3 | a | b | `guarantees/faults::helper` |\n";
        assert_eq!(found(&format!("{there}{gone}{helper}")), [2, 3, 1]);
    }

    #[test]
    fn a_row_that_is_missing_is_found() {
        let row = |name: &str| format!("| {name} | a | b | `guarantees/faults::there` |\n");
        assert_eq!(found(&(row("A1") + &row("A3"))), [2]);
    }
}
