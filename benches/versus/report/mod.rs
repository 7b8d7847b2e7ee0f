//! What a run leaves behind: text on the terminal, and files for people, spreadsheets and programs.

pub(crate) mod charts;
pub(crate) mod compare;
pub(crate) mod csv;
pub(crate) mod html;
pub(crate) mod json;
pub(crate) mod losses;
pub(crate) mod table;
pub(crate) mod terminal;
pub(crate) mod voids;

use std::path::Path;

use crate::bars::Outcome;
use crate::context::Context;
use crate::rounds::Section;
use crate::say::say;

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

/// What a run writes beside its charts.
const FILES: [&str; 4] = ["summary.md", "results.csv", "results.json", "report.html"];

/// Makes sure that the results can be written, while nothing is lost yet if they cannot.
pub(crate) fn prepare(folder: &Path) -> Result<(), String> {
    let failed = |path: &Path, error| format!("{}: {error}", path.display());
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    let probe = folder.join(format!(".probe-{}", std::process::id()));
    std::fs::write(&probe, "").map_err(|error| failed(folder, error))?;
    std::fs::remove_file(&probe).map_err(|error| failed(&probe, error))?;
    for path in FILES.map(|name| folder.join(name)) {
        // A file of another user's may be in a folder of ours. What is in it stays until there is something better.
        match std::fs::OpenOptions::new().append(true).open(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed(&path, error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Prints the summary and writes all files into `folder`.
pub(crate) fn write(
    report: &Report,
    earlier: Option<&compare::Earlier>,
    folder: &Path,
) -> Result<(), String> {
    let summary = terminal::summary(report, earlier);
    say(&summary);
    let save = |name: &str, text: &str| {
        std::fs::write(folder.join(name), text)
            .map_err(|error| format!("{}: {error}", folder.join(name).display()))
    };
    let mut details = format!("{}\n{summary}", terminal::head(report));
    for section in &report.sections {
        details.push_str(&table::section(section, &report.baseline));
        details.push('\n');
    }
    let charts = charts::draw(report);
    let texts = [
        details,
        csv::text(report),
        json::text(report)?,
        html::page(report, earlier, &charts),
    ];
    for (name, text) in FILES.iter().zip(&texts) {
        save(name, text)?;
    }
    remove_charts(folder)?;
    for chart in &charts {
        save(&format!("{}.svg", chart.name), &chart.svg)?;
    }
    say(&format!(
        "wrote {} and {} charts to {}",
        FILES.join(", "),
        charts.len(),
        folder.display()
    ));
    Ok(())
}

/// A former run may have drawn what this one has not measured, and nobody could tell them apart.
fn remove_charts(folder: &Path) -> Result<(), String> {
    let failed = |error| format!("{}: {error}", folder.display());
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if charts::is_name_of_chart(&name) {
            std::fs::remove_file(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        }
    }
    Ok(())
}
