//! One page that can be mailed: the charts are in it, and it loads nothing.

use netloop_benches::bars::SUBJECT;
use pulldown_cmark::{Options, Parser, html};

const STYLE: &str = "\
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; color: #1c2430 }
h1, h2, h3 { line-height: 1.2 } h2 { margin-top: 2.5rem; border-bottom: 1px solid #d5dae1 }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums }
.wide { overflow-x: auto } td { white-space: nowrap } td, th { padding: .2rem .6rem; text-align: right; border-bottom: 1px solid #e4e8ed }
td:first-child, th:first-child { text-align: left } tr.subject { background: #fff4d6 } th { color: #5b6675 }
svg { display: block; margin: 1rem 0 } p { white-space: pre-line }
";

/// Returns the page of a report in Markdown, with the charts behind its title.
pub(super) fn page(markdown: &str, charts: &[(&str, String)]) -> String {
    let mut body = String::new();
    let parser = Parser::new_ext(markdown, Options::ENABLE_TABLES);
    html::push_html(&mut body, parser);
    let row = format!("<tr><td>{SUBJECT}</td>");
    let subject = row.replace("<tr>", "<tr class=subject>");
    let body = body.replace(&row, &subject);
    let body = body.replace("<table>", "<div class=wide><table>");
    let body = body.replace("</table>", "</table></div>");
    let charts: String = charts.iter().map(|(_, svg)| svg.as_str()).collect();
    let body = body.replacen("</h1>\n", &format!("</h1>\n{charts}"), 1);
    format!(
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>Versus</title><style>\n{STYLE}</style></head><body>\n{body}</body></html>\n"
    )
}
