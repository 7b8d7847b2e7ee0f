//! Programs that are built or asked for a bench.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// The files of libuv that its own build takes on Linux.
const LIBUV_SOURCES: &str = "fs-poll idna inet random strscpy strtok thread-common threadpool timer uv-common \
    uv-data-getter-setters version unix/async unix/core unix/dl unix/fs unix/getaddrinfo unix/getnameinfo unix/linux \
    unix/loop-watcher unix/loop unix/pipe unix/poll unix/process unix/procfs-exepath unix/proctitle \
    unix/random-devurandom unix/random-getrandom unix/random-sysctl-linux unix/signal unix/stream unix/tcp unix/thread \
    unix/tty unix/udp";

/// Returns the first line that a command prints, or why there is none.
pub fn first_line(command: &mut Command) -> Result<String, String> {
    let name = Path::new(command.get_program())
        .file_name()
        .unwrap_or_default();
    let name = name.to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{name} cannot be run: {error}"))?;
    let first = |text: &[u8]| {
        let text = String::from_utf8_lossy(text);
        let line = text.lines().map(str::trim).find(|line| !line.is_empty());
        line.unwrap_or_default().to_owned()
    };
    match output.status.success() {
        true => Ok(first(&output.stdout)),
        false => Err(format!("{name} failed: {}", first(&output.stderr))),
    }
}

/// Lets cargo do `command`, and returns the path of the program `name`.
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

/// Builds `examples/serve` as a user would, and returns where it is.
pub fn serve_example() -> Result<PathBuf, String> {
    let profile = match cfg!(debug_assertions) {
        true => "dev",
        false => "release",
    };
    let command = format!("build --profile {profile} -p netloop --example serve");
    build(&command, "serve")
}

/// Returns where this program is, which is started again for some peers.
pub fn this_program() -> Result<PathBuf, String> {
    std::env::current_exe().map_err(|error| error.to_string())
}

/// Compiles libuv with a program in C, from the source that cargo has unpacked. Returns the version and the program, whose
/// name carries the version: it is compiled once.
pub fn libuv(source: &str, folder: &Path) -> Result<(String, PathBuf), String> {
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
    let library = manifest.with_file_name("libuv");
    let name = Path::new(source).file_stem().unwrap_or_default();
    let program = folder.join(format!("{}-peer-{version}", name.to_string_lossy()));
    let changed = |path: &Path| path.metadata().and_then(|it| it.modified()).ok();
    if changed(&program) > changed(Path::new(source)) {
        return Ok((version, program));
    }
    std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut command = Command::new(std::env::var("CC").unwrap_or_else(|_| "cc".to_owned()));
    command.args(["-O2", "-w", "-D_GNU_SOURCE", "-o"]);
    command.arg(&program).arg(source);
    for include in ["include", "src"] {
        command.arg("-I").arg(library.join(include));
    }
    for file in LIBUV_SOURCES.split_whitespace() {
        command.arg(library.join("src").join(file).with_extension("c"));
    }
    first_line(command.args(["-lpthread", "-ldl", "-lrt"]))?;
    Ok((version, program))
}
