//! The way of the bytes through the layers, from the wire upwards and from the handler downwards.

use std::io::{self, IoSlice};

use crate::net::error::copy_of_io;
use crate::system::Stream;
use crate::system::errno::is_out_of_buffers;

use super::layer::Layer;

/// The limit on the reads of the stream in one call, however many filters there are. It is also the limit on the reads
/// that a filter makes from the layers below in one call before it decodes any bytes. At the limit, other sources are
/// served first.
pub(super) const MOST_READS: usize = 8;

/// If one read gives at least this number of decoded bytes, the layer below is read once more.
const LONG_READ: usize = 32 << 10;

/// The least length of a buffer that is halved, one half for received bytes and one for decoded bytes.
const LEAST_BUFFER: usize = 256;

/// The limit on the written bytes that are encoded at a time, and thus also on those that are encoded ahead of the
/// kernel.
const BATCH_BYTES: usize = 64 << 10;

/// The limit on the slices that are encoded at a time.
const BATCH_SLICES: usize = 16;

/// The result of the last write to the stream in one operation.
#[derive(Debug, Default)]
pub(super) enum LastWrite {
    /// The kernel has taken every byte, or was offered none. Also a short write to a stream on which that does not
    /// prove a lack of space, such as a Unix socket.
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

/// The results of the stream's calls in one operation, and the counts and errors that outlast the operation.
#[derive(Debug, Default)]
pub(super) struct WireState {
    pub(super) received: u64,
    /// The number of reads of the stream in this operation. At most [`MOST_READS`].
    pub(super) reads: usize,
    /// The number of bytes at the front of the queue that were written before there were filters. These bytes are sent
    /// as they are, and no other byte overtakes them.
    pub(super) plain: usize,
    /// Whether the last read was short, or was a second read after a long one and would have blocked. Both prove that
    /// the kernel has no more for now.
    pub(super) read_short: bool,
    /// Whether a read after a short one returns `WouldBlock` without a system call. Such a `WouldBlock` does not
    /// disprove an end that the kernel has reported.
    pub(super) spares_reads: bool,
    pub(super) last_write: LastWrite,
    /// Whether the kernel has taken bytes in this operation.
    pub(super) has_sent: bool,
    /// Whether nothing more is sent, because a write has failed and the connection knows of it. Further answers of the
    /// filters are dropped.
    pub(super) drops_output: bool,
    /// The failure of a write after some bytes were taken. The next write returns it.
    pub(super) late_failure: Option<io::Error>,
    /// An error of a read that came after decoded bytes. The next read returns it.
    pub(super) failure: Option<io::Error>,
    /// The lasting failure of a write, unless it was a broken pipe. The kernel reports it once: a later read would see
    /// a plain end, and a later write a broken pipe.
    pub(super) cut: Option<io::Error>,
    /// Whether the operation has kept back the answers of the top filter, if there are any, for the caller to flush
    /// soon. They leave in one call with the bytes that the handler writes until then.
    pub(super) holds_answers: bool,
}

impl WireState {
    /// Begins an operation. The results of the operation before may be outdated, and are cleared.
    pub(super) fn begin_call(&mut self) {
        self.reads = 0;
        self.read_short = false;
        self.spares_reads = true;
        self.last_write = LastWrite::Sent;
        self.has_sent = false;
        self.holds_answers = false;
    }

    /// Returns the result of a write that has failed with `error` after `taken` bytes were taken. If there are such
    /// bytes, returns their number, so that they leave the queue. The next write then returns the error, unless it is
    /// `WouldBlock`.
    fn fail(&mut self, error: io::Error, taken: usize) -> io::Result<usize> {
        if taken == 0 {
            return Err(error);
        }
        if !is_full(&error) {
            self.late_failure = Some(error);
        }
        Ok(taken)
    }

    /// Whether the last write has met a transient failure.
    pub(super) fn has_fault(&self) -> bool {
        matches!(self.last_write, LastWrite::Fault(_))
    }

    /// Whether the stream is not read again in this operation.
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
        // Without this limit on the stream, the reads of stacked filters would multiply, because each filter may read
        // several times.
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

    /// Writes to the stream. Returns 0 if the kernel is known to have no space, or `plain` bytes come first.
    pub(super) fn write(&mut self, stream: &Stream, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.take_late_failure()?;
        match matches!(self.last_write, LastWrite::Short) || self.plain > 0 {
            true => Ok(0),
            false => self.write_now(stream, slices),
        }
    }

    /// Writes the bytes at the front of `slices` that were written before there were filters.
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

    /// Returns the failure of an earlier write, once.
    #[inline]
    fn take_late_failure(&mut self) -> io::Result<()> {
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
        } else if error.kind() == io::ErrorKind::Interrupted || is_out_of_buffers(error) {
            LastWrite::Fault(copy_of_io(error))
        } else {
            if error.kind() != io::ErrorKind::BrokenPipe {
                self.cut = Some(copy_of_io(error));
            }
            LastWrite::Failed
        };
    }
}

/// Reads through `layers`, whose last is the top.
#[inline(never)]
fn read(
    layers: &mut [Layer],
    wire: &mut WireState,
    stream: &mut Stream,
    buffer: &mut [u8],
) -> io::Result<usize> {
    match layers.split_last_mut() {
        None => wire.read(stream, buffer),
        Some((top, below)) => read_through(top, below, wire, stream, buffer),
    }
}

/// Reads through `top` and the layers below it.
#[inline(never)]
fn read_through(
    top: &mut Layer,
    below: &mut [Layer],
    wire: &mut WireState,
    stream: &mut Stream,
    buffer: &mut [u8],
) -> io::Result<usize> {
    let read = if buffer.len() < LEAST_BUFFER {
        let mut received = [0; 4096];
        read_into(top, below, wire, stream, buffer, &mut received)
    } else {
        // The layer above has used the bytes of the last read, so the whole buffer is free.
        let (space, received) = buffer.split_at_mut(buffer.len() / 2);
        read_into(top, below, wire, stream, space, received)
    };
    answer(top, below, wire, stream);
    read
}

#[inline(never)]
fn read_into(
    top: &mut Layer,
    below: &mut [Layer],
    wire: &mut WireState,
    stream: &mut Stream,
    space: &mut [u8],
    received: &mut [u8],
) -> io::Result<usize> {
    read_top(top, below, wire, stream, space, received)
}

/// Reads through `top` and the layers below it, into `space`. The layers below put their bytes into `received`. The
/// caller then sends the answers of `top`.
#[inline(always)]
pub(super) fn read_top(
    top: &mut Layer,
    below: &mut [Layer],
    wire: &mut WireState,
    stream: &mut Stream,
    space: &mut [u8],
    received: &mut [u8],
) -> io::Result<usize> {
    for _ in 0..MOST_READS {
        if let Some(given) = top.give(space) {
            return given;
        }
        let read = match below.is_empty() {
            true => wire.read(stream, received)?,
            false => read(below, wire, stream, received)?,
        };
        let decoded = match read {
            0 => {
                top.note_end_below();
                0
            }
            length => top.decode_received(&mut received[..length], space),
        };
        if decoded >= LONG_READ {
            let space = &mut space[decoded..];
            return Ok(decoded + read_on(top, below, wire, stream, space, received));
        }
        if decoded > 0 {
            return Ok(decoded);
        }
        answer(top, below, wire, stream);
    }
    top.give(space)
        .unwrap_or_else(|| Err(io::ErrorKind::Interrupted.into()))
}

/// Reads once more after a long read, and returns the number of decoded bytes. Decoding takes so long that the rest of a
/// message has mostly come meanwhile: one callback and one write then serve for all of it.
fn read_on(
    top: &mut Layer,
    below: &mut [Layer],
    wire: &mut WireState,
    stream: &mut Stream,
    space: &mut [u8],
    received: &mut [u8],
) -> usize {
    if top.has_input() {
        return 0;
    }
    wire.read_short = false;
    match read(below, wire, stream, received) {
        Ok(0) => top.note_end_below(),
        Ok(length) => {
            return top.decode_received(&mut received[..length], space);
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => wire.read_short = true,
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
        // The kernel reports an error only once.
        Err(error) => wire.failure = Some(error),
    }
    0
}

/// Decodes once into the buffer of `top`, after a read into `received` if the filter needs further input. The caller
/// sends the answers of `top`.
pub(super) fn fill(
    top: &mut Layer,
    below: &mut [Layer],
    wire: &mut WireState,
    stream: &mut Stream,
    received: &mut [u8],
) -> io::Result<()> {
    if top.may_decode() {
        top.decode_kept_ahead();
    } else {
        match read(below, wire, stream, received)? {
            0 => top.note_end_below(),
            length => top.decode_ahead(&mut received[..length]),
        }
    }
    Ok(())
}

/// Sends the bytes with which the filter of `top` answers received ones.
pub(super) fn answer(top: &mut Layer, below: &mut [Layer], wire: &mut WireState, stream: &Stream) {
    // If encoded bytes of the queue wait too, the kernel was full. The next flush sends them all, and takes the written
    // bytes out of the queue.
    if !top.out.is_empty() && !top.out.has_batch() {
        // A later call sends the rest of the answers, or returns the failure.
        let _ = send(top, below, wire, stream);
    }
}

/// Writes through `layers`, whose last is the top. If bytes were taken before an error, returns their number; the next
/// write returns the error.
pub(super) fn write(
    layers: &mut [Layer],
    wire: &mut WireState,
    stream: &Stream,
    slices: &[IoSlice<'_>],
) -> io::Result<usize> {
    match layers.split_last_mut() {
        None => wire.write(stream, slices),
        Some((top, below)) => write_through(top, below, wire, stream, slices),
    }
}

/// Writes through `top` and the layers below it, as [`write`] does.
#[inline(always)]
pub(super) fn write_through(
    top: &mut Layer,
    below: &mut [Layer],
    wire: &mut WireState,
    stream: &Stream,
    slices: &[IoSlice<'_>],
) -> io::Result<usize> {
    wire.take_late_failure()?;
    let offered = total_length(slices);
    let mut taken = top.out.take_credit();
    if taken < offered && !top.out.is_empty() && top.may_hold_answers() {
        // The answers that were held back leave in one call with these bytes. If encoding fails, the loop below returns
        // the failure.
        let _ = encode(top, slices, taken);
    }
    loop {
        let sent = send(top, below, wire, stream);
        taken += top.out.take_credit();
        match sent {
            Ok(true) if taken < offered => {}
            Ok(_) => return Ok(taken),
            Err(error) => return wire.fail(error, taken),
        }
        let encoded = match top.failure() {
            Some(error) => Err(error),
            None => encode(top, slices, taken),
        };
        if let Err(error) = encoded {
            return wire.fail(error, taken);
        }
    }
}

/// Encodes a batch of `slices`, from the byte `from` on.
fn encode(top: &mut Layer, slices: &[IoSlice<'_>], from: usize) -> io::Result<()> {
    match slices {
        [slice] => {
            let rest = &slice[from..];
            top.encode(&[IoSlice::new(&rest[..rest.len().min(BATCH_BYTES)])])
        }
        _ => encode_several(top, slices, from),
    }
}

#[inline(never)]
fn encode_several(top: &mut Layer, slices: &[IoSlice<'_>], from: usize) -> io::Result<()> {
    let mut batch = [IoSlice::new(&[]); BATCH_SLICES];
    let (mut count, mut length, mut skipped) = (0, 0, from);
    for slice in slices {
        if skipped >= slice.len() {
            skipped -= slice.len();
            continue;
        }
        let rest = &slice[skipped..];
        skipped = 0;
        let part = &rest[..rest.len().min(BATCH_BYTES - length)];
        batch[count] = IoSlice::new(part);
        count += 1;
        length += part.len();
        if count == BATCH_SLICES || length == BATCH_BYTES {
            break;
        }
    }
    top.encode(&batch[..count])
}

/// Sends the encoded bytes of `top` to the layers below. Returns whether the layers have taken all of the bytes.
#[inline]
pub(super) fn send(
    top: &mut Layer,
    below: &mut [Layer],
    wire: &mut WireState,
    stream: &Stream,
) -> io::Result<bool> {
    match top.out.is_empty() {
        true => Ok(true),
        false => send_all(top, below, wire, stream),
    }
}

#[inline(never)]
fn send_all(
    top: &mut Layer,
    below: &mut [Layer],
    wire: &mut WireState,
    stream: &Stream,
) -> io::Result<bool> {
    if wire.drops_output {
        top.out.drop_all();
    }
    while !top.out.is_empty() {
        let unsent = [IoSlice::new(top.out.unsent())];
        let sent = match below.is_empty() {
            true => wire.write(stream, &unsent)?,
            false => write(below, wire, stream, &unsent)?,
        };
        match sent {
            0 => return Ok(false),
            sent => top.out.note_sent(sent),
        }
    }
    Ok(true)
}

/// Sends the encoded bytes of all `layers`, the uppermost first. Returns whether the kernel has taken all of them.
pub(super) fn flush(
    layers: &mut [Layer],
    wire: &mut WireState,
    stream: &Stream,
) -> io::Result<bool> {
    let mut layers = layers;
    while let Some((top, below)) = layers.split_last_mut() {
        if !send(top, below, wire, stream)? {
            return Ok(false);
        }
        top.out.release();
        layers = below;
    }
    Ok(true)
}

/// Returns the length of all `slices`, of which there is mostly one.
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

/// Whether the kernel had no space, which is no failure.
pub(super) fn is_full(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}
