//! A descriptor that is only read, and that belongs to other programs too.

use std::io;
use std::os::fd::AsRawFd;

use mio::event::Source;
use mio::{Interest, Registry, Token};

/// A descriptor that is only read: a terminal, a pipe or a file, left blocking as other programs share it.
#[derive(Debug)]
pub(crate) struct Input {
    pub(in crate::system) file: std::fs::File,
    /// False if the kernel refuses to poll it, as it does for regular files, which are always ready.
    pub(in crate::system) pollable: bool,
}

impl Input {
    pub(in crate::system) fn register(
        &mut self,
        registry: &Registry,
        token: Token,
    ) -> io::Result<()> {
        let descriptor = self.file.as_raw_fd();
        match mio::unix::SourceFd(&descriptor).register(registry, token, Interest::READABLE) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                self.pollable = false;
                Ok(())
            }
            done => done,
        }
    }

    pub(in crate::system) fn reregister(
        &self,
        registry: &Registry,
        token: Token,
    ) -> io::Result<()> {
        if !self.pollable {
            return Ok(());
        }
        let descriptor = self.file.as_raw_fd();
        mio::unix::SourceFd(&descriptor).reregister(registry, token, Interest::READABLE)
    }

    pub(in crate::system) fn deregister(&self, registry: &Registry) -> io::Result<()> {
        if !self.pollable {
            return Ok(());
        }
        let descriptor = self.file.as_raw_fd();
        mio::unix::SourceFd(&descriptor).deregister(registry)
    }
}
