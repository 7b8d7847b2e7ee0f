//! The errors of a filter that is at fault, or finds no memory.

use std::io;

use crate::net::error::{Error, Syscall};

#[cold]
pub(super) fn misbehaved() -> Error {
    let text = "a filter has answered with bytes that it was not given, or has used none of many";
    Error::with_code(Error::FILTER, text)
}

pub(super) fn without_memory() -> Error {
    Error::new(Syscall::Read, io::ErrorKind::OutOfMemory.into())
}

/// Hides the kind of the error: the caller would take a filter's `WouldBlock` for that of the stream.
#[cold]
pub(super) fn wrap(error: Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
