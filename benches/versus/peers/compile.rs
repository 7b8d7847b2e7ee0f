//! The peers in C: compiled where the results go, or in a folder of their own where that cannot be written.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::SCRIPTS;
use crate::ask::first_line;

/// Removed with what is in it when this value is dropped.
pub(crate) struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    fn new() -> Result<Self, String> {
        let name = format!("netloop-versus-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        // A folder that somebody else has made there is an error: what is compiled will be run.
        let made = std::fs::DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // What is left is in a folder that the system empties.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Returns the program, and the folder that must live as long as it is wanted. The program of another user, who has
/// measured here before, can neither be replaced nor trusted.
pub(crate) fn compile(
    library: &str,
    source: &str,
    build_folder: &Path,
) -> Result<(PathBuf, Option<TemporaryFolder>), String> {
    let program = build_folder.join(format!("{library}-peer"));
    if is_writable(build_folder, &program) {
        return compile_to(library, source, &program).map(|()| (program, None));
    }
    let folder = TemporaryFolder::new()?;
    let program = folder.0.join(format!("{library}-peer"));
    compile_to(library, source, &program)?;
    Ok((program, Some(folder)))
}

/// Whether the linker will be able to put the program there: it takes away the old one and writes a new one.
fn is_writable(folder: &Path, program: &Path) -> bool {
    let probe = program.with_extension(std::process::id().to_string());
    let is_writable =
        std::fs::create_dir_all(folder).is_ok() && std::fs::File::create(&probe).is_ok();
    // If it is not there it need not go.
    let _ = std::fs::remove_file(&probe);
    let is_ours = match std::fs::remove_file(program) {
        Ok(()) => true,
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    is_writable && is_ours
}

fn compile_to(library: &str, source: &str, program: &Path) -> Result<(), String> {
    let flags = first_line(Command::new("pkg-config").args(["--cflags", "--libs", library]))?;
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let output = Command::new(&compiler)
        .args(["-O2", "-o"])
        .arg(program)
        .arg(format!("{SCRIPTS}/{source}"))
        .args(flags.split_whitespace())
        .output()
        .map_err(|error| format!("no C compiler ({compiler}: {error})"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(format!(
            "{source} does not compile: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ))
    }
}
