//! The filters of one connection, in their order. The methods answer as a stream's calls do. A read of 0 bytes is the
//! peer's end, and `WouldBlock` means that nothing can be done for now.

use std::io::{self, IoSlice};
use std::mem;
use std::net::SocketAddr;

use crate::net::error::Result;
use crate::system::Stream;

use super::factory::FilterFactory;
use super::interface::Filter;
use super::layer::{AnyFilter, Layer};
use super::passage::{answer, fill, flush, read_top, send, write_through};
use super::wire::{LastWrite, MOST_READS, WireState, is_full, total_length};
use super::wire_buffer::WireBuffer;

/// The limit on a filter's own bytes that wait for the kernel, such as answers. Above it, the connection does not read.
const MOST_ANSWER_BYTES: usize = 64 << 10;

/// The filters of one connection. Invariant: there is at least one. The first is next to the wire.
#[derive(Debug)]
pub(crate) struct Filters {
    layers: Vec<Layer>,
    /// The number of ready layers. Of the layers after these, only the first may have begun.
    ready: usize,
    wire: WireState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Advance {
    /// All filters are ready.
    Ready,
    /// The peer has to send something, or the kernel has to take something.
    Waits,
    /// The step has stopped although the stream may hold more bytes. It has made all its reads or found an address of
    /// the peer, or too many answers of a filter wait for the kernel.
    Unfinished,
}

impl Filters {
    /// Makes the filters of a connection that is not open yet: `first`, next to the wire, then those of `factories`.
    pub(crate) fn make(
        first: Option<Box<dyn AnyFilter>>,
        factories: &[FilterFactory],
    ) -> Result<Option<Box<Self>>> {
        let count = usize::from(first.is_some()) + factories.len();
        if count == 0 {
            return Ok(None);
        }
        let mut layers = Vec::with_capacity(count);
        layers.extend(first.map(Layer::new));
        for factory in factories {
            layers.push(Layer::new(factory.make()?));
        }
        Ok(Some(Box::new(Self {
            layers,
            ready: 0,
            wire: WireState::default(),
        })))
    }

    /// Makes the filters of an open connection. The first `plain` bytes of its queue were written before, and are sent
    /// as they are.
    pub(crate) fn start(filter: Box<dyn AnyFilter>, plain: usize, received: u64) -> Self {
        Self {
            layers: vec![Layer::new(filter)],
            ready: 0,
            wire: WireState {
                received,
                plain,
                ..WireState::default()
            },
        }
    }

    pub(crate) fn push(&mut self, filter: Box<dyn AnyFilter>) {
        self.layers.push(Layer::new(filter));
    }

    /// Removes the only filter, with its decoded bytes, if it has done its work; the caller then drops this value.
    pub(crate) fn take_apart(&mut self) -> Option<(Box<dyn AnyFilter>, Vec<u8>)> {
        match &self.layers[..] {
            [layer] if layer.is_over() && self.wire.cut.is_none() && !self.has_plain() => {
                self.layers.pop().map(Layer::into_parts)
            }
            _ => None,
        }
    }

    /// Takes the decoded bytes. `None` if the filters have other input too.
    pub(crate) fn take_decoded(&mut self) -> Option<Vec<u8>> {
        let (top, below) = self.layers.split_last_mut()?;
        let has_other = self.wire.failure.is_some() || below.iter().any(Layer::has_input);
        match has_other {
            true => None,
            false => top.take_decoded(),
        }
    }

    /// Returns the number of bytes received on the wire.
    pub(crate) fn received(&self) -> u64 {
        self.wire.received
    }

    /// Returns the address of the peer, from the ready filter nearest to the handler that knows one.
    pub(crate) fn peer_address(&self) -> Option<SocketAddr> {
        let ready = &self.layers[..self.ready];
        ready.iter().rev().find_map(Layer::peer_address)
    }

    pub(crate) fn find<F: Filter + 'static>(&self) -> Option<&F> {
        self.layers
            .iter()
            .rev()
            .find_map(|layer| layer.as_any().downcast_ref())
    }

    /// Whether a read may return bytes, the end or an error although the kernel has nothing.
    pub(crate) fn has_input(&self) -> bool {
        self.wire.failure.is_some() || self.layers.iter().any(Layer::has_input)
    }

    /// Whether encoded bytes, or bytes from before the filters, wait for the kernel.
    pub(crate) fn has_output(&self) -> bool {
        self.has_plain() || self.layers.iter().any(|layer| !layer.out.is_empty())
    }

    /// Whether the encoding of written bytes waits for the kernel.
    pub(crate) fn has_encoded(&self) -> bool {
        self.layers.last().is_some_and(|top| top.out.has_batch())
    }

    pub(crate) fn has_plain(&self) -> bool {
        self.wire.plain > 0
    }

    /// Whether the connection must not read, because too many answers wait: the peer sends, and does not read.
    pub(crate) fn is_clogged(&self) -> bool {
        self.layers.iter().any(has_many_answers)
    }

    /// Drops all output, also future output, after a lasting failure of a write. The filters go on decoding.
    pub(crate) fn drop_output(&mut self) {
        self.wire.drops_output = true;
        self.wire.plain = 0;
        for layer in &mut self.layers {
            layer.out.drop_all();
        }
    }

    /// Takes the transient failure of the last operation's last write: a signal, or a lack of memory.
    pub(crate) fn take_write_fault(&mut self) -> Option<io::Error> {
        if !self.wire.has_fault() {
            return None;
        }
        match mem::take(&mut self.wire.last_write) {
            LastWrite::Fault(error) => Some(error),
            _ => None,
        }
    }

    /// Whether there is one filter, which is ready, and nothing waits: no bytes in either direction, and no failure.
    #[inline]
    pub(crate) fn is_quiet(&self) -> bool {
        match &self.layers[..] {
            [layer] => {
                layer.is_quiet()
                    && self.ready == 1
                    && self.wire.failure.is_none()
                    && !self.has_plain()
            }
            _ => false,
        }
    }

    pub(crate) fn has_panicked(&self) -> bool {
        self.layers.iter().any(Layer::has_panicked)
    }

    /// Whether the kernel has taken bytes in the last operation, of the queue or of the filters.
    pub(crate) fn has_sent(&self) -> bool {
        self.wire.has_sent
    }

    /// Whether the kernel has proved to have no more for now, and no filter has input either.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.wire.read_short && !self.has_input()
    }

    /// Whether the last operation has proved that the kernel has no more for now. `false` after a [`peek`](Self::peek).
    pub(crate) fn has_read_short(&self) -> bool {
        self.wire.read_short && self.wire.spares_reads
    }

    /// Whether the last operation ended with a short write, and not with a call that would block.
    pub(crate) fn has_written_short(&self) -> bool {
        matches!(self.wire.last_write, LastWrite::Short)
    }

    /// Whether the caller has to flush soon, for answers that wait to leave in one call with the handler's bytes.
    pub(crate) fn holds_answers(&self) -> bool {
        self.wire.holds_answers
    }

    pub(crate) fn has_write_failed(&self) -> bool {
        matches!(self.wire.last_write, LastWrite::Failed)
    }

    pub(crate) fn would_block(&self) -> bool {
        matches!(self.wire.last_write, LastWrite::WouldBlock)
    }

    /// Whether the next write returns the failure of an earlier one.
    pub(crate) fn has_late_failure(&self) -> bool {
        self.wire.late_failure.is_some()
    }

    /// Lets the first filter begin. Returns whether it now only waits for the peer. Then an [`advance`](Self::advance)
    /// without received bytes would change nothing.
    pub(crate) fn begin(&mut self) -> bool {
        let Some(first) = self.layers.first_mut() else {
            return false;
        };
        first.begin();
        !first.is_ready() && !first.has_input() && first.out.is_empty()
    }

    /// Goes on with the handshake. Reads from the stream into `received`, if it is given. An error of the stream may be
    /// transient (EINTR, a lack of memory). If a filter fails, its bytes for the peer are still offered to the kernel.
    pub(crate) fn advance(
        &mut self,
        stream: &mut Stream,
        mut received: Option<&mut [u8]>,
    ) -> io::Result<Advance> {
        self.begin_call();
        let mut steps = 0;
        while self.ready < self.layers.len() {
            let (here, above) = self.layers.split_at_mut(self.ready + 1);
            let Some((top, below)) = here.split_last_mut() else {
                break;
            };
            top.begin();
            // A failure of this `send` waits for the `fill` below: bytes that the peer has sent before come first.
            let sent = match above.is_empty() && top.may_hold_answers() {
                true => Ok(false),
                false => send(top, below, &mut self.wire, stream),
            };
            // The layers below may have answers of their own that wait for the kernel.
            let sent =
                sent.and_then(|is_sent| Ok(flush(below, &mut self.wire, stream)? && is_sent));
            if top.is_ready() {
                // A ready filter may have failed as well. A later read returns the failure, after the decoded bytes.
                let knows_peer = top.peer_address().is_some();
                self.ready += 1;
                if knows_peer && self.ready < self.layers.len() {
                    // The caller decides on the address before the next filter answers the peer.
                    return Ok(Advance::Unfinished);
                }
                continue;
            }
            if let Some(error) = top.failure() {
                return Err(error);
            }
            if top.has_peer_ended() {
                top.note_early_end();
                continue;
            }
            if has_many_answers(top) && !self.wire.has_fault() {
                // The stream is not read under so many answers, so no read can return the failure of the write.
                match sent {
                    Err(error) if !is_full(&error) => return Err(error),
                    _ => {}
                }
            }
            let Some(received) = received.as_deref_mut() else {
                return Ok(Advance::Waits);
            };
            if steps == MOST_READS || has_many_answers(top) {
                return Ok(Advance::Unfinished);
            }
            steps += 1;
            match fill(top, below, &mut self.wire, stream, received) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let may_pass = self.wire.has_fault();
                    return match sent {
                        Err(error) if !is_full(&error) && !may_pass => Err(error),
                        _ => Ok(Advance::Waits),
                    };
                }
                Err(error)
                    if error.kind() == io::ErrorKind::Interrupted
                        && self.wire.has_read_enough() =>
                {
                    return Ok(Advance::Unfinished);
                }
                Err(error) => return Err(error),
            }
        }
        self.wire.holds_answers = self.layers.last().is_some_and(Layer::may_hold_answers);
        if !self.wire.holds_answers {
            // If this fails, the first read or write after the handshake returns the error.
            let _ = self.flush_on(stream);
        }
        Ok(Advance::Ready)
    }

    /// Reads as [`Stream::read`] does. The bytes on the wire pass through `spare`.
    pub(crate) fn read(
        &mut self,
        stream: &mut Stream,
        buffer: &mut [u8],
        spare: &mut WireBuffer,
    ) -> io::Result<usize> {
        self.begin_call();
        let Some((top, below)) = self.layers.split_last_mut() else {
            return stream.read(buffer);
        };
        let received = spare.of_length(buffer.len())?;
        let read = read_top(top, below, &mut self.wire, stream, buffer, received);
        // Answers are not held if the output is dropped: held ones would pile up, and stop the reads.
        let has_output = !top.out.is_empty() || !below.is_empty() || self.wire.plain > 0;
        if has_output {
            self.wire.holds_answers = !self.wire.drops_output && top.may_hold_answers();
            if !self.wire.holds_answers {
                answer(top, below, &mut self.wire, stream);
            }
        }
        read
    }

    /// Returns 1 if there are received bytes, and 0 at the peer's end, as [`Stream::peek`] does. Decodes in at most
    /// [`MOST_READS`] steps, and keeps the decoded bytes for the next read.
    pub(crate) fn peek(&mut self, stream: &mut Stream) -> io::Result<usize> {
        self.begin_call();
        self.wire.spares_reads = false;
        let Some((top, below)) = self.layers.split_last_mut() else {
            return stream.peek();
        };
        let mut received = [0; 1024];
        for _ in 0..MOST_READS {
            if top.has_decoded() {
                return Ok(1);
            }
            if !top.may_decode() {
                if let Some(error) = top.failure() {
                    return Err(error);
                }
                if top.has_peer_ended() {
                    return Ok(0);
                }
            }
            let filled = fill(top, below, &mut self.wire, stream, &mut received);
            answer(top, below, &mut self.wire, stream);
            filled?;
        }
        match top.has_decoded() {
            true => Ok(1),
            false => Err(io::ErrorKind::Interrupted.into()),
        }
    }

    /// Writes as [`Stream::write`] does. `slices` begin with the bytes that the last call has not taken, because some
    /// may be encoded already. The top filter may borrow the empty buffer `spare`, until everything is sent.
    pub(crate) fn write(
        &mut self,
        stream: &Stream,
        slices: &[IoSlice<'_>],
        spare: &mut Vec<u8>,
    ) -> io::Result<usize> {
        self.begin_call();
        let before = self.wire.write_plain(stream, slices)?;
        if self.has_plain() || self.ready < self.layers.len() || before == total_length(slices) {
            return Ok(before);
        }
        let Some((top, below)) = self.layers.split_last_mut() else {
            return Ok(before);
        };
        let has_borrowed = top.out.borrow(spare);
        top.out.credit(before);
        let written = write_through(top, below, &mut self.wire, stream, slices);
        match has_borrowed {
            true => top.out.give_back(spare),
            false => top.out.release(),
        }
        written
    }

    /// Sends the bytes that wait in the filters. Returns whether all are sent.
    pub(crate) fn flush(&mut self, stream: &Stream) -> io::Result<bool> {
        self.begin_call();
        self.flush_on(stream)
    }

    fn flush_on(&mut self, stream: &Stream) -> io::Result<bool> {
        flush(&mut self.layers, &mut self.wire, stream)
    }

    /// Sends the end of each filter. The caller calls this after all written bytes are encoded. Returns whether
    /// everything is sent: then the FIN may follow.
    pub(crate) fn end(&mut self, stream: &Stream) -> io::Result<bool> {
        self.begin_call();
        let mut layers = &mut self.layers[..];
        while let Some((top, below)) = layers.split_last_mut() {
            top.end()?;
            if !send(top, below, &mut self.wire, stream)? {
                return Ok(false);
            }
            layers = below;
        }
        Ok(true)
    }

    fn begin_call(&mut self) {
        self.wire.begin_call();
    }
}

fn has_many_answers(layer: &Layer) -> bool {
    layer.out.own_len() > MOST_ANSWER_BYTES
}
