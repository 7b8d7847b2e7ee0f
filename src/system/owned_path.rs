//! The file of a Unix socket, which is removed when its server closes.

#[cfg(unix)]
use std::path::{Path, PathBuf};

/// The file that this program made when it bound a Unix socket.
///
/// Dropping this value removes the file, unless a later server has put another file at its path (libuv#1332).
#[cfg(unix)]
#[derive(Debug)]
pub(crate) struct OwnedPath {
    path: PathBuf,
    /// The device and the inode of the file. `None` after [`leave`](Self::leave).
    identity: Option<(u64, u64)>,
}

/// The file of a Unix socket, on a system without Unix sockets.
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
    /// Notes the file at `path`, which was just made. `None` for a name in the abstract namespace, which has no file.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        Some(Self {
            path: path.into(),
            identity: Some(identity_of(path)?),
        })
    }

    /// Gives the file up without removing it, because the file belongs to the new owner of the socket.
    pub(crate) fn leave(mut self) {
        self.identity = None;
    }
}

#[cfg(unix)]
impl Drop for OwnedPath {
    fn drop(&mut self) {
        if self.identity.is_some() && identity_of(&self.path) == self.identity {
            // If the system refuses, the file stays, and the next bind of the path returns EADDRINUSE.
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
