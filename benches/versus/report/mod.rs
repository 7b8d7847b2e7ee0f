//! What a run leaves behind: text on the terminal, and files for people, spreadsheets and programs.

pub(crate) mod charts;
pub(crate) mod compare;
pub(crate) mod csv;
pub(crate) mod html;
pub(crate) mod json;
pub(crate) mod losses;
pub(crate) mod table;
pub(crate) mod terminal;

use std::path::Path;

use crate::bars::Outcome;
use crate::context::Context;
use crate::rounds::Section;

/// Whose losses are told first.
pub(crate) const SUBJECT: &str = "netloop";

/// All that a run has found.
pub(crate) struct Report {
    pub(crate) context: Context,
    pub(crate) warnings: Vec<String>,
    /// Name, version, and how it was set up.
    pub(crate) peers: Vec<(&'static str, String, &'static str)>,
    /// Peers that are not on this machine, and why.
    pub(crate) missing: Vec<(&'static str, String)>,
    pub(crate) baseline: String,
    pub(crate) sections: Vec<Section>,
    /// What became of the bars, if the run was about them.
    pub(crate) bars: Vec<Outcome>,
}

impl Report {
    /// A line of the head, for all formats: who takes part and who is missing.
    pub(crate) fn peers_line(&self) -> String {
        let found: Vec<String> = self
            .peers
            .iter()
            .map(|(name, version, _)| format!("{name} {version}"))
            .collect();
        found.join(" · ")
    }

    pub(crate) fn missing_line(&self) -> Option<String> {
        let missing: Vec<String> = self
            .missing
            .iter()
            .map(|(name, reason)| format!("{name} ({reason})"))
            .collect();
        (!missing.is_empty()).then(|| missing.join(", "))
    }
}

/// Prints the summary and writes all files into `folder`.
pub(crate) fn write(
    report: &Report,
    earlier: Option<&compare::Earlier>,
    folder: &Path,
) -> Result<(), String> {
    let summary = terminal::summary(report, earlier);
    println!("{summary}");
    let save = |name: &str, text: &str| {
        std::fs::write(folder.join(name), text)
            .map_err(|error| format!("{}: {error}", folder.join(name).display()))
    };
    std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut details = format!("{}\n{summary}", terminal::head(report));
    for section in &report.sections {
        details.push_str(&table::section(section, &report.baseline));
        details.push('\n');
    }
    save("summary.md", &details)?;
    save("results.csv", &csv::text(report))?;
    save("results.json", &json::text(report))?;
    let charts = charts::draw(report)?;
    for chart in &charts {
        save(&format!("{}.svg", chart.name), &chart.svg)?;
    }
    save("report.html", &html::page(report, earlier, &charts))?;
    println!(
        "wrote summary.md, results.csv, results.json, report.html and {} charts to {}",
        charts.len(),
        folder.display()
    );
    Ok(())
}
