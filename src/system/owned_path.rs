//! The file of a Unix socket. The file is removed when the server of the socket closes.

#[cfg(unix)]
use std::path::{Path, PathBuf};

#[cfg(unix)]
use super::owner_process::OwnerProcess;

/// The file that this program made when it bound a Unix socket. The drop removes the file, unless a later server has
/// put another at its path (libuv#1332). A forked child leaves the file, because the parent still listens on it.
// Drop this value before its socket is closed: while the socket is open, no other file can get the inode.
#[cfg(unix)]
#[derive(Debug)]
pub(crate) struct OwnedPath {
    /// Absolute, because the working directory may change; as it was given if that directory is gone.
    path: PathBuf,
    /// The device and the inode of the file. `None` after [`leave`](Self::leave).
    identity: Option<(u64, u64)>,
    owner: OwnerProcess,
}

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
        let identity = identity_of(path)?;
        Some(Self {
            // Even if the path stays relative, `identity` keeps the drop from removing another file.
            path: std::path::absolute(path).unwrap_or_else(|_| path.into()),
            identity: Some(identity),
            owner: OwnerProcess::current(),
        })
    }

    /// Gives the file up without removing it, because it belongs to the new owner of the socket.
    pub(crate) fn leave(mut self) {
        self.identity = None;
    }
}

#[cfg(unix)]
impl Drop for OwnedPath {
    fn drop(&mut self) {
        if self.identity.is_some()
            && self.owner.is_current()
            && identity_of(&self.path) == self.identity
        {
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

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let name = format!("netloop-owned-path-{name}-{}", std::process::id());
            let folder = std::env::temp_dir().join(name);
            std::fs::create_dir_all(&folder).expect("the folder for temporary files is writable");
            Self(folder)
        }

        fn socket(&self) -> PathBuf {
            self.0.join("socket")
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn only_the_process_that_made_a_file_removes_it() {
        let folder = Folder::new("fork");
        let _listener = UnixListener::bind(folder.socket()).unwrap();
        let mut in_child = OwnedPath::of(&folder.socket()).unwrap();
        in_child.owner = OwnerProcess::parent_of_a_fork();
        drop(in_child);
        assert!(folder.socket().exists(), "the parent listens on it");
        drop(OwnedPath::of(&folder.socket()));
        assert!(!folder.socket().exists());
    }

    #[test]
    fn a_link_or_another_file_at_the_path_stays() {
        let folder = Folder::new("replaced");
        let _listener = UnixListener::bind(folder.socket()).unwrap();
        let owned = OwnedPath::of(&folder.socket()).unwrap();
        let moved = folder.0.join("moved");
        std::fs::rename(folder.socket(), &moved).unwrap();
        std::os::unix::fs::symlink(&moved, folder.socket()).unwrap();
        drop(owned);
        assert!(folder.socket().is_symlink(), "another program put it there");
        assert!(moved.exists(), "another program gave it that name");

        let owned = OwnedPath::of(&moved).unwrap();
        std::fs::remove_file(&moved).unwrap();
        let _successor = UnixListener::bind(&moved).unwrap();
        drop(owned);
        assert!(moved.exists(), "it is the successor's");
    }
}
