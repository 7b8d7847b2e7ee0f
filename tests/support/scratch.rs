//! Paths for Unix sockets.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A path for a Unix socket where nothing is yet. The folder that it is in goes with the returned guard.
pub(crate) fn scratch_path() -> ScratchPath {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::SeqCst);
    let folder = std::env::temp_dir().join(format!("netloop-{}-{count}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    ScratchPath {
        path: folder.join("socket"),
        folder,
    }
}

/// See [`scratch_path`].
pub(crate) struct ScratchPath {
    pub(crate) path: PathBuf,
    folder: PathBuf,
}

impl ScratchPath {
    pub(crate) fn text(&self) -> &str {
        self.path.to_str().unwrap()
    }
}

impl Drop for ScratchPath {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
