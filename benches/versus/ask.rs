//! Other programs, asked for one line: a version, a commit, the flags of a library.

use std::io::{ErrorKind, Read};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::system;

/// A program that takes longer to say its version hangs.
const PATIENCE: Duration = Duration::from_secs(5);

/// The first line that a command prints, or why there is none: it cannot be run, it hangs, it fails, and then with its
/// own reason.
pub(crate) fn first_line(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // So that what it has started itself ends with it.
        .process_group(0)
        .spawn();
    let mut child = child.map_err(|error| match error.kind() {
        ErrorKind::NotFound if !name.contains('/') => format!("{name} is not on the PATH"),
        _ => format!("{name} cannot be run: {error}"),
    })?;
    let (said, hear) = mpsc::channel();
    let (output, errors) = (child.stdout.take(), child.stderr.take());
    std::thread::spawn(move || {
        let mut texts = (String::new(), String::new());
        let read = |from: Option<&mut dyn Read>, to: &mut String| {
            // What is not text, or breaks off, is not a line.
            let _ = from.map(|from| from.read_to_string(to));
        };
        let (mut output, mut errors) = (output, errors);
        read(
            output.as_mut().map(|from| from as &mut dyn Read),
            &mut texts.0,
        );
        read(
            errors.as_mut().map(|from| from as &mut dyn Read),
            &mut texts.1,
        );
        // The other end may have stopped waiting.
        let _ = said.send(texts);
    });
    let Ok((output, errors)) = hear.recv_timeout(PATIENCE) else {
        system::kill_group_and_wait(child.id());
        return Err(format!("{name} said nothing for {} s", PATIENCE.as_secs()));
    };
    let status = child
        .wait()
        .map_err(|error| format!("{name} cannot be waited for: {error}"))?;
    let line = |text: &str| {
        let mut lines = text.lines().map(str::trim);
        lines.find(|line| !line.is_empty()).map(str::to_owned)
    };
    match (status.success(), line(&output)) {
        (true, Some(line)) => Ok(line),
        (true, None) => Err(format!("{name} says nothing")),
        (false, _) => Err(line(&errors).map_or_else(
            || format!("{name} failed: {status}"),
            |reason| format!("{name} says: {reason}"),
        )),
    }
}
