//! The stream below the filters: its calls in one operation, and their results.

use std::io::{self, IoSlice};

use crate::net::error::copy_of_io;
use crate::system::Stream;
use crate::system::errno::is_transient;

/// The limit on the stream's reads in one call, however many filters there are. Also limits the reads of one filter
/// before it decodes any bytes. At the limit, other sources are served first.
pub(super) const MOST_READS: usize = 8;

/// The result of the last write in one operation.
#[derive(Debug, Default)]
pub(super) enum LastWrite {
    /// The kernel has taken every byte. Also a short write to a stream on which that does not prove a lack of space,
    /// such as a Unix socket.
    #[default]
    Sent,
    /// The kernel has taken a part, which proves that it has no space for now.
    Short,
    WouldBlock,
    /// A transient failure: a signal, or a lack of memory.
    Fault(io::Error),
    /// A lasting failure.
    Failed,
}

/// The results of the stream's calls in one operation, and what outlasts the operation.
#[derive(Debug, Default)]
pub(super) struct WireState {
    pub(super) received: u64,
    /// Invariant: at most [`MOST_READS`].
    pub(super) reads: usize,
    /// The number of bytes at the front of the queue that were written before there were filters. These are sent as
    /// they are, and no other byte overtakes them.
    pub(super) plain: usize,
    /// Whether the last read proves that the kernel has no more: it was short, or would have blocked after a long one.
    pub(super) read_short: bool,
    /// Whether a read after a short one returns `WouldBlock` without a system call. Not in a `peek`: its caller would
    /// take this `WouldBlock` for the proof that a reported end has not come.
    pub(super) spares_reads: bool,
    pub(super) last_write: LastWrite,
    pub(super) has_sent: bool,
    /// Whether further output is dropped, because a write has failed and the connection knows of it.
    pub(super) drops_output: bool,
    /// The failure of a write after some bytes were taken, for the next write to return.
    pub(super) late_failure: Option<io::Error>,
    /// An error of a read that came after decoded bytes, for the next read to return.
    pub(super) failure: Option<io::Error>,
    /// The lasting failure of a write, unless it was a broken pipe. The kernel reports it once: a later read would see
    /// a plain end, and a later write a broken pipe.
    pub(super) cut: Option<io::Error>,
    /// Whether the top filter's answers, if any, wait to leave in one call with the handler's bytes, at the next flush.
    pub(super) holds_answers: bool,
}

impl WireState {
    pub(super) fn begin_call(&mut self) {
        self.reads = 0;
        self.read_short = false;
        self.spares_reads = true;
        self.last_write = LastWrite::Sent;
        self.has_sent = false;
        self.holds_answers = false;
    }

    /// Returns the result of a write that has failed after `taken` bytes, which must leave the queue. The next write
    /// then returns the error, unless it is `WouldBlock`.
    pub(super) fn fail(&mut self, error: io::Error, taken: usize) -> io::Result<usize> {
        if taken == 0 {
            return Err(error);
        }
        if !is_full(&error) {
            self.late_failure = Some(error);
        }
        Ok(taken)
    }

    pub(super) fn has_fault(&self) -> bool {
        matches!(self.last_write, LastWrite::Fault(_))
    }

    pub(super) fn has_read_enough(&self) -> bool {
        self.reads == MOST_READS
    }

    #[inline(always)]
    pub(super) fn read(&mut self, stream: &mut Stream, buffer: &mut [u8]) -> io::Result<usize> {
        if self.failure.is_some() {
            return self.failure.take().map_or(Ok(0), Err);
        }
        if self.read_short && self.spares_reads {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        // Each of several filters may read several times, so their reads of the stream would multiply.
        if self.has_read_enough() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        self.reads += 1;
        let length = stream.read(buffer)?;
        if let (0, Some(cut)) = (length, &self.cut) {
            return Err(copy_of_io(cut));
        }
        self.received += length as u64;
        self.read_short = length > 0 && length < buffer.len() && stream.short_read_exhausts();
        Ok(length)
    }

    /// Writes to the stream; 0 if the kernel is known to have no space, or `plain` bytes come first.
    pub(super) fn write(&mut self, stream: &Stream, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.take_late_failure()?;
        match matches!(self.last_write, LastWrite::Short) || self.plain > 0 {
            true => Ok(0),
            false => self.write_now(stream, slices),
        }
    }

    pub(super) fn write_plain(
        &mut self,
        stream: &Stream,
        slices: &[IoSlice<'_>],
    ) -> io::Result<usize> {
        match self.plain {
            0 => Ok(0),
            _ => self.write_some_plain(stream, slices),
        }
    }

    #[cold]
    fn write_some_plain(&mut self, stream: &Stream, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut left = self.plain;
        let mut batch = Vec::with_capacity(slices.len());
        for slice in slices {
            let part = &slice[..slice.len().min(left)];
            left -= part.len();
            if !part.is_empty() {
                batch.push(IoSlice::new(part));
            }
        }
        let sent = self.write_now(stream, &batch)?;
        self.plain -= sent;
        Ok(sent)
    }

    #[inline]
    pub(super) fn take_late_failure(&mut self) -> io::Result<()> {
        match self.late_failure.is_some() {
            true => self.late_failure.take().map_or(Ok(()), Err),
            false => Ok(()),
        }
    }

    fn write_now(&mut self, stream: &Stream, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if let Some(cut) = &self.cut {
            self.last_write = LastWrite::Failed;
            return Err(copy_of_io(cut));
        }
        let offered = total_length(slices);
        match stream.write(slices) {
            Ok(sent) => {
                self.has_sent |= sent > 0;
                self.last_write = match sent < offered && stream.short_write_exhausts() {
                    true => LastWrite::Short,
                    false => LastWrite::Sent,
                };
                Ok(sent)
            }
            Err(error) => {
                self.note_failed_write(&error);
                Err(error)
            }
        }
    }

    #[cold]
    fn note_failed_write(&mut self, error: &io::Error) {
        self.last_write = if is_full(error) {
            LastWrite::WouldBlock
        } else if is_transient(error) {
            LastWrite::Fault(copy_of_io(error))
        } else {
            if error.kind() != io::ErrorKind::BrokenPipe {
                self.cut = Some(copy_of_io(error));
            }
            LastWrite::Failed
        };
    }
}

#[inline]
pub(super) fn total_length(slices: &[IoSlice<'_>]) -> usize {
    match slices {
        [slice] => slice.len(),
        _ => total_length_of_several(slices),
    }
}

#[inline(never)]
fn total_length_of_several(slices: &[IoSlice<'_>]) -> usize {
    slices.iter().map(|slice| slice.len()).sum()
}

pub(super) fn is_full(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}
