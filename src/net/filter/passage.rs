//! The way of the bytes through the layers, from the wire upwards and from the handler downwards.

use std::io::{self, IoSlice};

use crate::system::Stream;

use super::layer::Layer;
use super::wire::{MOST_READS, WireState, total_length};

/// A read of at least this many decoded bytes is followed by another.
const LONG_READ: usize = 32 << 10;

/// The least length of a buffer that is halved for received and for decoded bytes.
const LEAST_BUFFER: usize = 256;

/// The limit on the written bytes that are encoded at a time, and so ahead of the kernel.
const BATCH_BYTES: usize = 64 << 10;

const BATCH_SLICES: usize = 16;

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

/// Reads as [`read_top`] does, which is inlined, for two rare callers.
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

/// Reads into `space`; the layers below read into `received`. The caller then sends the answers of `top`.
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

/// Reads once more after a long read. Decoding takes so long that the rest of a message has mostly come meanwhile: one
/// callback and one write then serve for all of it.
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
        // The kernel reports an error only once, so it is kept for the next read.
        Err(error) => wire.failure = Some(error),
    }
    0
}

/// Decodes once into the buffer of `top`, after a read if the filter needs further input. The caller sends the answers.
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

pub(super) fn answer(top: &mut Layer, below: &mut [Layer], wire: &mut WireState, stream: &Stream) {
    // Behind encoded bytes of the queue, the answers wait for the next flush. It sends all, and takes the written bytes
    // out of the queue.
    if !top.out.is_empty() && !top.out.has_batch() {
        // A later call sends the rest of the answers, or returns the failure.
        let _ = send(top, below, wire, stream);
    }
}

/// Writes through `layers`, the last first. If bytes were taken before an error, the next write returns the error.
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
        // The held answers leave in one call with these bytes. If encoding fails, the failure is returned below.
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

/// Sends the encoded bytes of `top` to the layers below. Returns whether these have taken all.
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

/// Sends the encoded bytes of all `layers`, the uppermost first. Returns whether the kernel has taken all.
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
