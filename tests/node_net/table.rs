//! The table in `README.md` and the tests are about the same.

use std::collections::{BTreeMap, BTreeSet};

const README: &str = include_str!("README.md");

/// The modules of `rows`, by name, with their text.
const MODULES: [(&str, &str); 13] = [
    ("addresses", include_str!("rows/addresses.rs")),
    ("attempts", include_str!("rows/attempts.rs")),
    ("connecting", include_str!("rows/connecting.rs")),
    ("ending", include_str!("rows/ending.rs")),
    ("holding", include_str!("rows/holding.rs")),
    ("listening", include_str!("rows/listening.rs")),
    ("options", include_str!("rows/options.rs")),
    ("pingpong", include_str!("rows/pingpong.rs")),
    ("reading", include_str!("rows/reading.rs")),
    ("servers", include_str!("rows/servers.rs")),
    ("timeouts", include_str!("rows/timeouts.rs")),
    ("unix", include_str!("rows/unix.rs")),
    ("writing", include_str!("rows/writing.rs")),
];

/// Every row of the catalogue of Node's behaviour, with its class.
const CATALOGUE: &str = include_str!("catalogue.txt");

struct Row<'a> {
    id: &'a str,
    class: &'a str,
    /// `rows::module::test`, if there is one.
    test: Option<&'a str>,
    note: &'a str,
}

fn rows() -> Vec<Row<'static>> {
    let lines = README.lines().filter(|line| line.starts_with("| net-"));
    lines
        .map(|line| {
            let cells: Vec<&str> = line
                .trim_matches('|')
                .split(" | ")
                .map(|cell| cell.trim_matches(|end: char| end == '|' || end == ' '))
                .collect();
            let [id, class, test, note] = cells[..] else {
                panic!("not four cells: {line}");
            };
            let test = test
                .strip_prefix('`')
                .and_then(|test| test.strip_suffix('`'));
            Row {
                id,
                class,
                test,
                note,
            }
        })
        .collect()
}

fn function_of(id: &str) -> String {
    id.replace(['-', '@'], "_")
}

/// The tests of the rows: `rows::module::test`.
fn tests() -> BTreeSet<String> {
    let mut tests = BTreeSet::new();
    for (module, text) in MODULES {
        let mut is_test = false;
        for line in text.lines() {
            if line == "#[test]" {
                is_test = true;
            } else if let Some(function) = line.strip_prefix("fn ") {
                if std::mem::take(&mut is_test) {
                    let name = function.split('(').next().unwrap();
                    let is_new = tests.insert(format!("rows::{module}::{name}"));
                    assert!(is_new, "{name} is there twice");
                }
            }
        }
    }
    tests
}

#[test]
fn the_table_has_the_rows_of_the_catalogue_and_no_others() {
    let catalogue: Vec<(&str, &str)> = CATALOGUE
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .collect();
    assert_eq!(catalogue.len(), 135);
    let table: Vec<(&str, &str)> = rows().iter().map(|row| (row.id, row.class)).collect();
    assert_eq!(table, catalogue);
}

#[test]
fn every_module_of_rows_is_looked_into() {
    let lines = include_str!("rows.rs").lines();
    let declared: Vec<&str> = lines
        .filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'))
        .collect();
    assert_eq!(declared, MODULES.map(|(module, _)| module));
}

#[test]
fn every_row_is_held_by_a_test_or_says_why_not() {
    let tests = tests();
    let mut failures = Vec::new();
    for row in rows() {
        match (row.class, row.test) {
            (_, Some(test)) => {
                let name = test.split("::").last().unwrap();
                if name != function_of(row.id) || !tests.contains(test) {
                    failures.push(format!("{}: there is no test {test}", row.id));
                }
            }
            ("CORE", None) => failures.push(format!("{}: a core row needs a test", row.id)),
            (_, None) if row.note.is_empty() => {
                failures.push(format!("{}: neither a test nor a reason", row.id));
            }
            _ => {}
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn every_test_belongs_to_a_row() {
    let of_rows: BTreeMap<&str, &str> = rows()
        .iter()
        .filter_map(|row| Some((row.test?, row.id)))
        .collect();
    let without: Vec<String> = tests()
        .into_iter()
        .filter(|test| !of_rows.contains_key(test.as_str()))
        .collect();
    assert!(without.is_empty(), "tests without a row: {without:#?}");
}
