//! A descriptor that the loop only reads and shares with other programs, such as standard input.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use mio::event::Source;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

/// A terminal, a pipe or a file that is only read. The descriptor stays in blocking mode: O_NONBLOCK would also apply
/// to the other programs that share the descriptor.
#[derive(Debug)]
pub(crate) struct Input {
    file: File,
    /// Whether the kernel can poll the descriptor. The kernel cannot poll regular files, which are always ready.
    is_pollable: bool,
}

impl Input {
    /// Makes an input of a duplicate of `descriptor`.
    pub(crate) fn adopt(descriptor: BorrowedFd<'_>) -> io::Result<Self> {
        Ok(Self {
            file: descriptor.try_clone_to_owned()?.into(),
            is_pollable: true,
        })
    }

    pub(crate) fn is_pollable(&self) -> bool {
        self.is_pollable
    }

    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }
}

impl AsFd for Input {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Source for Input {
    fn register(&mut self, registry: &Registry, token: Token, _: Interest) -> io::Result<()> {
        let descriptor = self.file.as_raw_fd();
        match SourceFd(&descriptor).register(registry, token, Interest::READABLE) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                self.is_pollable = false;
                Ok(())
            }
            done => done,
        }
    }

    fn reregister(&mut self, registry: &Registry, token: Token, _: Interest) -> io::Result<()> {
        if !self.is_pollable {
            return Ok(());
        }
        let descriptor = self.file.as_raw_fd();
        SourceFd(&descriptor).reregister(registry, token, Interest::READABLE)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        if !self.is_pollable {
            return Ok(());
        }
        let descriptor = self.file.as_raw_fd();
        SourceFd(&descriptor).deregister(registry)
    }
}
