//! One page that can be mailed: the charts are in it, and it loads nothing.

use super::charts::Chart;
use super::table::{self, Table};
use super::{Report, compare, losses, terminal};
use crate::bars;

const STYLE: &str = "\
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; color: #1c2430 }
h1, h2, h3 { line-height: 1.2 } h2 { margin-top: 2.5rem; border-bottom: 1px solid #d5dae1 }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums }
.wide { overflow-x: auto } td { white-space: nowrap } td, th { padding: .2rem .6rem; text-align: right; border-bottom: 1px solid #e4e8ed }
td:first-child, th:first-child { text-align: left } tr.subject { background: #fff4d6 } th { color: #5b6675 }
svg { display: block; margin: 1rem 0 } .beware { color: #9a3412 } code { background: #f1f3f6; padding: 0 .2rem }
";

pub(crate) fn page(
    report: &Report,
    earlier: Option<&compare::Earlier>,
    charts: &[Chart],
) -> String {
    let mut body = String::from("<h1>Versus</h1>\n");
    for warning in &report.warnings {
        body.push_str(&format!(
            "<p class=beware>Beware: {}</p>\n",
            escape(warning)
        ));
    }
    if !report.bars.is_empty() {
        body.push_str("<h2>The bars</h2>\n");
        body.push_str(&table(&bars::table::table(&report.bars)));
        let sentence = bars::table::sentence(&report.bars);
        let note = bars::table::NOTE.replace('`', "");
        body.push_str(&format!(
            "<p>{}</p>\n<p>{}</p>\n",
            escape(&sentence),
            escape(&note)
        ));
    }
    body.push_str(&losses_of_subject(report));
    body.push_str("<h2>CPU time per operation, as a multiple of the baseline's</h2>\n");
    body.push_str(&table(&terminal::matrix(report)));
    body.push_str(&format!("<p>{}</p>\n", escape(terminal::NOTES)));
    if let Some(earlier) = earlier {
        body.push_str(&format!("<h2>{}</h2>\n", escape(&earlier.title())));
        match compare::table(report, earlier) {
            Ok(differences) => body.push_str(&table(&differences)),
            Err(reason) => body.push_str(&format!("<p class=beware>{}</p>\n", escape(&reason))),
        }
    }
    body.push_str("<h2>Charts</h2>\n");
    for chart in charts {
        body.push_str(&chart.svg);
    }
    body.push_str("<h2>Each workload</h2>\n");
    for section in &report.sections {
        body.push_str(&format!(
            "<h3>{} <code>{}</code></h3>\n{}",
            escape(&section.workload.title),
            escape(&section.workload.name),
            table(&table::rows(section, &report.baseline))
        ));
        for row in section.rows.iter().filter(|row| row.fault.is_some()) {
            let fault = row.fault.as_deref().unwrap_or_default();
            body.push_str(&format!(
                "<p class=beware>{}: void, {}</p>\n",
                row.peer,
                escape(fault)
            ));
        }
    }
    body.push_str("<h2>Peers</h2>\n");
    let mut peers = Table::new(&["peer", "version", "set-up"]);
    for (name, version, describes) in &report.peers {
        peers.rows.push(vec![
            (*name).to_owned(),
            version.clone(),
            (*describes).to_owned(),
        ]);
    }
    for (name, reason) in &report.missing {
        peers.rows.push(vec![
            (*name).to_owned(),
            "not here".to_owned(),
            reason.clone(),
        ]);
    }
    body.push_str(&table(&peers));
    body.push_str("<h2>Machine</h2>\n");
    let mut machine = Table::new(&["circumstance", "value"]);
    machine.rows = report
        .context
        .iter()
        .map(|(name, value)| vec![(*name).to_owned(), value.clone()])
        .collect();
    body.push_str(&table(&machine));
    format!(
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>Versus</title><style>\n{STYLE}</style></head><body>\n{body}</body></html>\n"
    )
}

/// The same as [`losses::text`].
fn losses_of_subject(report: &Report) -> String {
    let Some(account) = losses::account(report) else {
        return format!("<p>{} did not take part.</p>\n", super::SUBJECT);
    };
    let mut text = format!("<h2>Where {} loses</h2>\n", super::SUBJECT);
    if account.losses.rows.is_empty() {
        text.push_str(&format!("<p>{}</p>\n", account.nowhere));
    } else {
        text.push_str(&table(&account.losses));
    }
    text.push_str(&format!("<p>{}</p>\n", escape(&account.sentence)));
    if let Some((loud, undecided)) = account.undecided {
        text.push_str(&format!(
            "<p class=beware><b>{}</b></p>\n{}",
            escape(&loud),
            table(&undecided)
        ));
    }
    text
}

fn table(table: &Table) -> String {
    let row = |cells: &[String], tag: &str| {
        let cells: String = cells
            .iter()
            .map(|cell| format!("<{tag}>{}</{tag}>", escape(cell)))
            .collect();
        cells
    };
    let mut text = format!(
        "<div class=wide><table><tr>{}</tr>\n",
        row(&table.header, "th")
    );
    for cells in &table.rows {
        let class = if cells.first().is_some_and(|name| name == super::SUBJECT) {
            " class=subject"
        } else {
            ""
        };
        text.push_str(&format!("<tr{class}>{}</tr>\n", row(cells, "td")));
    }
    text + "</table></div>\n"
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
