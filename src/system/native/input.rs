//! A descriptor that the loop only reads and shares with other programs, such as standard input.

use std::fs::{File, FileType};
use std::io::{self, IsTerminal, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use mio::event::Source;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use socket2::SockRef;

use super::readable::{has_hung_up, is_readable};
use super::reopening::{is_anonymous_pipe, opens_for_reading, reopen};
use super::shared::forbid_lingering;
use super::socket::{check_stream, peek_at_once};

/// The loop never sets O_NONBLOCK on the descriptor of the user, because that would also apply to the other programs
/// that share it. Such a program may take the bytes that the kernel has reported, and a read would then wait for more.
/// So each kind is read in a way of its own.
#[derive(Debug)]
pub(crate) struct Input {
    file: File,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A pipe that the loop has opened anew, so that O_NONBLOCK is the loop's own.
    OwnPipe {
        /// Whether a named pipe's writers had all gone before the loop opened it. The kernel does not report that.
        has_hung_up: bool,
    },
    /// A stream socket. A peek with MSG_DONTWAIT comes before each read, so that no read waits.
    Socket,
    /// A terminal, or any other descriptor that the kernel can poll. After each report the loop asks the kernel again,
    /// and then reads once: another holder may have taken the bytes since the report. The read would then wait, or on a
    /// terminal in raw mode (VMIN 0) return 0, which looks like the end.
    Reported,
    /// A descriptor that the kernel cannot poll, such as a regular file. Such a descriptor is always ready.
    File,
}

impl Input {
    /// Makes an input from a duplicate of `descriptor`, or from the same pipe or terminal, opened anew. Returns EISDIR,
    /// EBADF or EINVAL for a descriptor that is no stream of bytes to read.
    pub(crate) fn adopt(descriptor: BorrowedFd<'_>) -> io::Result<Self> {
        let file = File::from(descriptor.try_clone_to_owned()?);
        let kind = file.metadata()?.file_type();
        if kind.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if kind.is_socket() {
            check_socket(&SockRef::from(&file))?;
            let kind = Kind::Socket;
            return Ok(Self { file, kind });
        }
        opens_for_reading(&file, kind)?;
        if is_event(kind) && !SockRef::from(&file).nonblocking()? {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a descriptor of events (eventfd, inotify) has to be non-blocking before a loop reads it",
            ));
        }
        if kind.is_fifo() {
            return Ok(Self::of_pipe(file));
        }
        let own = match is_plain_terminal(&file)? {
            true => reopen(&file),
            false => None,
        };
        let kind = Kind::Reported;
        Ok(Self {
            file: own.unwrap_or(file),
            kind,
        })
    }

    fn of_pipe(file: File) -> Self {
        let Some(own) = reopen(&file) else {
            // The system cannot open a pipe anew, or the pipe belongs to another user.
            let kind = Kind::Reported;
            return Self { file, kind };
        };
        let has_hung_up = !is_anonymous_pipe(&file) && has_hung_up(&file);
        Self {
            file: own,
            kind: Kind::OwnPipe { has_hung_up },
        }
    }

    /// Whether the kernel reports when there is something to read. Only the registration shows this: `true` before it.
    pub(crate) fn is_pollable(&self) -> bool {
        self.kind != Kind::File
    }

    pub(crate) fn is_ready_at_first(&self) -> bool {
        matches!(self.kind, Kind::File | Kind::OwnPipe { has_hung_up: true })
    }

    pub(crate) fn is_read_once_a_report(&self) -> bool {
        matches!(self.kind, Kind::Socket | Kind::Reported)
    }

    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.kind {
            Kind::Socket => {
                peek_at_once(&SockRef::from(&self.file))?;
            }
            Kind::Reported if !is_readable(&self.file).map_err(as_transient)? => {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Kind::OwnPipe { .. } | Kind::Reported | Kind::File => {}
        }
        self.file.read(buffer)
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        if self.kind == Kind::Socket {
            forbid_lingering(&SockRef::from(&self.file));
        }
    }
}

/// Checks that a socket is a stream, and that it does not listen, if the system can tell.
fn check_socket(socket: &SockRef<'_>) -> io::Result<()> {
    check_stream(socket)?;
    #[cfg(any(target_os = "android", target_os = "freebsd", target_os = "linux"))]
    if socket.is_listener()? {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the socket listens: a server accepts from it, and there is nothing to read",
        ));
    }
    Ok(())
}

/// Turns an error of `is_readable` into ENOBUFS, except EINTR: the descriptor is intact, and the loop reads it later.
fn as_transient(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::Interrupted => error,
        _ => io::Error::from_raw_os_error(libc::ENOBUFS),
    }
}

/// Whether a descriptor is neither a file, a pipe, a device nor a link, but one of eventfd, timerfd, signalfd, inotify.
fn is_event(kind: FileType) -> bool {
    !(kind.is_fifo()
        || kind.is_file()
        || kind.is_char_device()
        || kind.is_block_device()
        || kind.is_symlink())
}

/// Whether the file is a terminal, but not the master of a pseudo-terminal: opening a master anew makes another one.
fn is_plain_terminal(file: &File) -> io::Result<bool> {
    // The device numbers of masters on Linux: 5:2 is /dev/ptmx, and major 2 has the pseudo-terminals in BSD style.
    let device = file.metadata()?.rdev();
    let major = (device >> 8) & 0xfff;
    let minor = (device & 0xff) | ((device >> 12) & 0xffff_ff00);
    Ok(file.is_terminal() && (major, minor) != (5, 2) && major != 2)
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
                self.kind = Kind::File;
                Ok(())
            }
            done => done,
        }
    }

    fn reregister(&mut self, registry: &Registry, token: Token, _: Interest) -> io::Result<()> {
        if !self.is_pollable() {
            return Ok(());
        }
        let descriptor = self.file.as_raw_fd();
        SourceFd(&descriptor).reregister(registry, token, Interest::READABLE)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        if !self.is_pollable() {
            return Ok(());
        }
        let descriptor = self.file.as_raw_fd();
        SourceFd(&descriptor).deregister(registry)
    }
}
