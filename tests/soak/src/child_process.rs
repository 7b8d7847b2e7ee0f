//! The other process of a program: this one, started again with the addresses of the servers.

use std::env;
use std::ffi::OsString;
use std::io::{Read, stdin};
use std::process::{Command, Stdio, exit};
use std::sync::mpsc;
use std::thread;

/// Runs this program with `arguments`, and returns its output when it has ended.
///
/// # Errors
///
/// If the program cannot be started, or fails.
pub(crate) fn output(
    arguments: impl IntoIterator<Item = impl Into<OsString>>,
) -> Result<String, String> {
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let mut child = Command::new(program)
        .args(arguments.into_iter().map(Into::into))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let _kept_open = child.stdin.take();
    let output = child.wait_with_output();
    let output = output.map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    match output.status.success() {
        true => Ok(text),
        false => Err(format!("the other process: {}\n{text}", output.status)),
    }
}

/// Ends this process when the one that started it is gone.
pub(crate) fn end_with_the_parent() {
    let (ready, is_ready) = mpsc::channel();
    thread::spawn(move || {
        // The buffer of the input is allocated before the heap is measured.
        let input = stdin();
        let _ = ready.send(());
        drop(ready);
        // The parent keeps its end of the pipe open as long as it lives, and writes nothing.
        let _ = input.lock().read(&mut [0]);
        exit(1);
    });
    // The thread sends, or is gone.
    let _ = is_ready.recv();
}
