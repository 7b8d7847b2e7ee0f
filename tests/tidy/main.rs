//! Rules that the compiler does not check: the floors, the sizes, and what does not belong in a repository.
//!
//! Each finding names a file and a line, and says what to do.
#![allow(
    clippy::unwrap_used,
    reason = "a test says what it expects by panicking"
)]

mod citations;
mod fault_rows;
mod file;
mod floors;
mod language;
mod left_out;
mod libuv_rows;
mod limit_rows;
mod links;
mod node_names;
mod rules;
mod tokens;

use std::collections::BTreeSet;

use file::{File, Finding};

/// A rule: its findings in one file.
type Rule = fn(&File) -> Vec<Finding>;

fn check(rule: Rule) {
    let findings: BTreeSet<_> = file::files().iter().flat_map(rule).collect();
    let lines: Vec<_> = findings.iter().map(Finding::to_string).collect();
    assert!(lines.is_empty(), "\n{}\n", lines.join("\n"));
}

#[test]
fn no_room_imports_from_above_or_past_another() {
    check(floors::stray_imports);
}

#[test]
fn every_source_file_can_be_read_in_one_sitting() {
    check(rules::long_files);
}

#[test]
fn nothing_unfinished_is_left_behind() {
    check(rules::unfinished_work);
}

#[test]
fn nothing_names_a_registry_or_a_path_of_one_machine() {
    check(rules::foreign_names);
}

#[test]
fn every_example_begins_with_its_transcript() {
    check(rules::missing_transcripts);
}

#[test]
fn each_renamed_name_of_node_is_an_alias_in_the_docs() {
    let missing = node_names::without_alias(&file::files());
    assert!(missing.is_empty(), "no #[doc(alias)]: {missing:?}");
}

#[test]
fn every_test_that_is_cited_is_there() {
    let findings = citations::missing_tests(&file::files());
    let lines: Vec<_> = findings.iter().map(Finding::to_string).collect();
    assert!(lines.is_empty(), "\n{}\n", lines.join("\n"));
}

#[test]
fn every_test_that_a_step_leaves_out_is_there() {
    let findings = left_out::stale_names(&file::files());
    let lines: Vec<_> = findings.iter().map(Finding::to_string).collect();
    assert!(lines.is_empty(), "\n{}\n", lines.join("\n"));
}

#[test]
fn every_row_of_libuvs_tests_has_its_test() {
    let findings = libuv_rows::broken_rows(&file::files());
    let lines: Vec<_> = findings.iter().map(Finding::to_string).collect();
    assert!(lines.is_empty(), "\n{}\n", lines.join("\n"));
}

#[test]
fn every_row_of_the_fault_table_has_its_tests() {
    let findings = fault_rows::broken_rows(&file::files());
    let lines: Vec<_> = findings.iter().map(Finding::to_string).collect();
    assert!(lines.is_empty(), "\n{}\n", lines.join("\n"));
}

#[test]
fn every_limit_has_a_row_with_its_tests() {
    let findings = limit_rows::broken_rows(&file::files());
    let lines: Vec<_> = findings.iter().map(Finding::to_string).collect();
    assert!(lines.is_empty(), "\n{}\n", lines.join("\n"));
}

#[test]
fn every_link_of_the_documents_leads_somewhere() {
    let findings = links::broken_links(&file::files());
    let lines: Vec<_> = findings.iter().map(Finding::to_string).collect();
    assert!(lines.is_empty(), "\n{}\n", lines.join("\n"));
}

#[test]
fn comments_begin_with_the_thing_and_name_the_actor() {
    let findings = language::foreign_language(&file::files());
    let lines: Vec<_> = findings.iter().map(Finding::to_string).collect();
    // The first of them are enough for one screen.
    let shown = &lines[..lines.len().min(30)];
    assert!(
        lines.is_empty(),
        "\n{}\n({} in all)\n",
        shown.join("\n"),
        lines.len()
    );
}

#[test]
fn names_of_functions_fit_in_a_line() {
    check(language::long_names);
}

/// The lines in which a rule finds something.
fn found(rule: Rule, path: &str, text: &str) -> Vec<usize> {
    let file = File {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    rule(&file)
        .into_iter()
        .map(|finding| finding.line)
        .collect()
}
