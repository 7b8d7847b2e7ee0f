//! The file of a Unix socket, removed when its server closes.

#[cfg(unix)]
use std::path::{Path, PathBuf};

/// The file of a Unix socket that this program made.
///
/// Dropping it removes the file, but only the same one: a successor's socket may have taken its place (libuv#1332).
#[cfg(unix)]
#[derive(Debug)]
pub(crate) struct OwnedPath {
    path: PathBuf,
    /// `None` once the file was left to another owner.
    identity: Option<(u64, u64)>,
}

/// The file of a Unix socket, of which there are none here.
#[cfg(not(unix))]
#[derive(Debug)]
pub(crate) enum OwnedPath {}

#[cfg(not(unix))]
impl OwnedPath {
    pub(crate) fn leave(self) {
        match self {}
    }
}

#[cfg(unix)]
impl OwnedPath {
    /// Remembers the file at `path`, which was just made; `None` for a name that is no file.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        Some(Self {
            path: path.into(),
            identity: Some(identity_of(path)?),
        })
    }

    /// Leaves the file where it is, for the new owner of its socket.
    pub(crate) fn leave(mut self) {
        self.identity = None;
    }
}

#[cfg(unix)]
impl Drop for OwnedPath {
    fn drop(&mut self) {
        if self.identity.is_some() && identity_of(&self.path) == self.identity {
            // A failure leaves the file, and the next bind of the path reports it as taken.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(unix)]
fn identity_of(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::symlink_metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}
