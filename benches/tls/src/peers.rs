//! The peers, and how each is started.

use std::path::Path;
use std::process::Command;

/// The peer that all others are compared with.
pub(crate) const BASE: &str = "by hand";

pub(crate) const PEERS: [&str; 4] = ["netloop", BASE, "tokio-rustls", "node"];

/// Returns the command that starts `peer`, behind the words `under`.
///
/// # Errors
///
/// The reason why the peer is missing on this machine.
pub(crate) fn command(peer: &str, under: &[String]) -> Result<Command, String> {
    let mut words = under.to_vec();
    match peer {
        "node" => {
            Command::new("node")
                .arg("--version")
                .output()
                .map_err(|error| format!("`node --version` does not run: {error}"))?;
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tls.mjs");
            words.extend(["node".to_owned(), script.to_string_lossy().into_owned()]);
        }
        _ => {
            let program = std::env::current_exe().map_err(|error| error.to_string())?;
            let program = program.to_string_lossy().into_owned();
            words.extend([program, "serve".to_owned(), peer.to_owned()]);
        }
    }
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    Ok(command)
}
