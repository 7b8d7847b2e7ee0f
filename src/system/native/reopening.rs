//! Opens a descriptor of the user anew, through `/proc`. Flags such as O_NONBLOCK are then the loop's own.

use std::fs::{File, FileType};
use std::io;
#[cfg(not(any(target_os = "android", target_os = "linux")))]
use std::io::Read;
use std::os::fd::AsRawFd;
#[cfg(not(any(target_os = "android", target_os = "linux")))]
use std::os::unix::fs::FileTypeExt;

/// Opens the same pipe or terminal for reading once more. Fails without `/proc`, or if another user owns the file.
#[cfg(any(target_os = "android", target_os = "linux"))]
pub(super) fn reopen(file: &File) -> Option<File> {
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
    let own = File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(format!("/proc/self/fd/{}", file.as_raw_fd()))
        .ok()?;
    let (theirs, ours) = (file.metadata().ok()?, own.metadata().ok()?);
    (theirs.dev() == ours.dev() && theirs.ino() == ours.ino()).then_some(own)
}

/// Returns `None`: on these systems `/dev/fd` gives duplicates, which share all flags.
#[cfg(not(any(target_os = "android", target_os = "linux")))]
pub(super) fn reopen(_: &File) -> Option<File> {
    None
}

pub(super) fn is_anonymous_pipe(file: &File) -> bool {
    std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))
        .is_ok_and(|target| target.to_string_lossy().starts_with("pipe:["))
}

/// Checks that the descriptor was opened for reading. Otherwise the write end of a pipe would be opened for reading.
#[cfg(any(target_os = "android", target_os = "linux"))]
pub(super) fn opens_for_reading(file: &File, _: FileType) -> io::Result<()> {
    let Ok(info) = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd()))
    else {
        // Without `/proc` the flags are unknown. If the descriptor was not opened for reading, the first read fails.
        return Ok(());
    };
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| i32::from_str_radix(flags.trim(), 8).ok());
    match flags {
        Some(flags) if flags & libc::O_ACCMODE == libc::O_WRONLY || flags & libc::O_PATH != 0 => {
            Err(io::Error::from_raw_os_error(libc::EBADF))
        }
        _ => Ok(()),
    }
}

#[cfg(not(any(target_os = "android", target_os = "linux")))]
pub(super) fn opens_for_reading(mut file: &File, kind: FileType) -> io::Result<()> {
    // A terminal is left out: even a read of zero bytes from it may stop a program in the background.
    if kind.is_fifo() || kind.is_file() {
        file.read(&mut [])?;
    }
    Ok(())
}
