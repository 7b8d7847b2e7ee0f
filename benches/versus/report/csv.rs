//! One line for each slice that was measured, for spreadsheets. The lines before the header, which begin with `#`, are
//! the circumstances: figures without them mean nothing.

use super::Report;
use crate::load::Slice;

const HEADER: &str = "workload,peer,round,operations,seconds,operations_per_second,server_cpu_ns_per_operation,\
server_busy,client_busy,p50_ns,p99_ns,p999_ns,verified_bytes,peak_memory_bytes,extras,fault\n";

pub(crate) fn text(report: &Report) -> String {
    let mut text = String::new();
    for (name, value) in &report.context {
        text.push_str(&format!("# {name}: {value}\n"));
    }
    for warning in &report.warnings {
        text.push_str(&format!("# beware: {warning}\n"));
    }
    text.push_str(HEADER);
    for section in &report.sections {
        let workload = &section.workload.name;
        for row in &section.rows {
            for (round, slice) in row.slices.iter().enumerate() {
                let quantile = |quantile| slice.latency.value_at_quantile(quantile);
                text.push_str(&format!(
                    "{workload},{},{round},{},{:.6},{:.1},{:.1},{:.4},{:.4},{},{},{},{},{},{},\n",
                    row.peer,
                    slice.operations,
                    slice.seconds,
                    slice.rate(),
                    slice.cpu_per_operation_ns(),
                    slice.server_busy(),
                    slice.client_busy(),
                    quantile(0.5),
                    quantile(0.99),
                    quantile(0.999),
                    slice.verified_bytes,
                    row.peak_memory,
                    extras(slice),
                ));
            }
            if let Some(fault) = &row.fault {
                let fault = fault.replace(['"', '\n', ','], " ");
                text.push_str(&format!("{workload},{},,,,,,,,,,,,,,{fault}\n", row.peer));
            }
        }
    }
    text
}

/// What only this kind of load has, in one cell: as many columns as there are kinds would be empty in nearly all lines.
fn extras(slice: &Slice) -> String {
    let extras = slice
        .extras
        .iter()
        .map(|(name, value)| format!("{}={value:.1}", name.replace(',', "")));
    extras.collect::<Vec<_>>().join("; ")
}
