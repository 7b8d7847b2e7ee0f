//! Programs of others.

use std::process::{Command, Output, Stdio};

/// Returns a command that ends after two minutes, or `None` if the program is not installed. Says so then.
pub(crate) fn tool(name: &str) -> Option<Command> {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {name}")])
        .stdout(Stdio::null())
        .status();
    if !found.unwrap().success() {
        eprintln!("SKIPPED: {name} is not installed");
        return None;
    }
    let mut command = Command::new("timeout");
    command.args(["120", name]);
    Some(command)
}

/// curl, silent but for errors.
pub(crate) fn curl() -> Option<Command> {
    let mut command = tool("curl")?;
    command.args(["--silent", "--show-error", "--noproxy", "*"]);
    Some(command)
}

/// Runs a command that has to succeed, and returns its standard output.
#[track_caller]
pub(crate) fn output(command: &mut Command) -> Vec<u8> {
    let Output {
        status,
        stdout,
        stderr,
    } = command.stdin(Stdio::null()).output().unwrap();
    let errors = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{command:?}: {status}, {errors}");
    stdout
}

#[track_caller]
pub(crate) fn text(command: &mut Command) -> String {
    String::from_utf8(output(command)).unwrap()
}
