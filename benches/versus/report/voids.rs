//! What makes a run worthless: a workload in which the subject, the baseline or everybody failed.

use super::{Report, SUBJECT};
use crate::rounds::Section;

/// Workloads in which the subject failed, and how.
pub(crate) fn of_subject(report: &Report) -> Vec<(&str, &str)> {
    let sections = report.sections.iter();
    sections
        .filter_map(|section| Some((section.workload.name.as_str(), fault(section, SUBJECT)?)))
        .collect()
}

/// Why this run must not pass for one that measured something, a line for each reason.
pub(crate) fn fatal(report: &Report) -> Vec<String> {
    let mut failures = Vec::new();
    for section in &report.sections {
        let name = &section.workload.name;
        let mut faults = section.rows.iter().map(|row| row.fault.as_deref());
        if let (Some(Some(first)), true) =
            (faults.clone().next(), faults.all(|fault| fault.is_some()))
        {
            failures.push(format!("{name}: everything is void: {first}"));
            continue;
        }
        let mut names = vec![SUBJECT];
        if report.baseline != SUBJECT {
            names.push(&report.baseline);
        }
        for peer in names {
            if let Some(fault) = fault(section, peer) {
                failures.push(format!("{name}: {peer} is void: {fault}"));
            }
        }
    }
    failures
}

fn fault<'a>(section: &'a Section, peer: &str) -> Option<&'a str> {
    let row = section.rows.iter().find(|row| row.peer == peer)?;
    row.fault.as_deref()
}
