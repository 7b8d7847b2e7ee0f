//! One page that can be mailed: the charts are in it, and it loads nothing.

use netloop_benches::bars::SUBJECT;
use netloop_benches::table::Table;

use super::charts::Chart;
use super::{Chapter, Part};

const STYLE: &str = "\
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; color: #1c2430 }
h1, h2, h3 { line-height: 1.2 } h2 { margin-top: 2.5rem; border-bottom: 1px solid #d5dae1 }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums }
.wide { overflow-x: auto } td { white-space: nowrap } td, th { padding: .2rem .6rem; text-align: right; border-bottom: 1px solid #e4e8ed }
td:first-child, th:first-child { text-align: left } tr.subject { background: #fff4d6 } th { color: #5b6675 }
svg { display: block; margin: 1rem 0 } p { white-space: pre-line }
";

pub(super) fn page(chapters: &[Chapter], charts: &[Chart]) -> String {
    let charts: String = charts.iter().map(|chart| chart.svg.as_str()).collect();
    let mut body = format!("<h1>Versus</h1>\n{charts}");
    for Chapter { title, parts } in chapters {
        body += &format!("<h2>{}</h2>\n", escape(title));
        for part in parts {
            body += &match part {
                Part::Text(text) => format!("<p>{}</p>\n", escape(text)),
                Part::Table(table) => html(table),
            };
        }
    }
    format!(
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>Versus</title><style>\n{STYLE}</style></head><body>\n{body}</body></html>\n"
    )
}

fn html(table: &Table) -> String {
    let row = |cells: &[String], tag: &str| {
        let cells = cells
            .iter()
            .map(|cell| format!("<{tag}>{}</{tag}>", escape(cell)));
        cells.collect::<String>()
    };
    let mut text = format!(
        "<div class=wide><table><tr>{}</tr>\n",
        row(&table.header, "th")
    );
    for cells in &table.rows {
        let is_subject = cells.first().is_some_and(|name| name == SUBJECT);
        let class = if is_subject { " class=subject" } else { "" };
        text += &format!("<tr{class}>{}</tr>\n", row(cells, "td"));
    }
    text + "</table></div>\n"
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('`', "")
}
