//! Programs that cargo builds for a bench.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

/// Lets cargo do `command`, and returns the path of the program `name`.
///
/// # Errors
///
/// If cargo fails, or does not build that program.
pub fn build(command: &str, name: &str) -> Result<PathBuf, String> {
    let output = Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(command.split_whitespace())
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| error.to_string())?;
    let messages = String::from_utf8_lossy(&output.stdout);
    let mut messages = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let path = messages.find_map(|message| {
        let path = message["executable"].as_str().map(PathBuf::from);
        path.filter(|_| message["target"]["name"] == name)
    });
    path.ok_or_else(|| format!("cargo {command} did not build {name}"))
}
