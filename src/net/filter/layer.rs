//! One filter of a connection, with the bytes that wait on both sides of it.

use std::any::Any;
use std::fmt;
use std::io::{self, IoSlice};
use std::mem;
use std::net::SocketAddr;

use crate::net::error::Error;

use super::course::Course;
use super::faults::{misbehaved, without_memory, wrap};
use super::interface::{Filter, FilterOutput};
use super::outgoing::Outgoing;
use super::proxy_filter::ProxyFilter;
use super::wire::total_length;

/// The limit on bytes that a filter leaves unused although it has space, or decodes before it is ready.
const MOST_UNUSED_BYTES: usize = 256 << 10;

/// A filter that can be downcast to its type.
pub(crate) trait AnyFilter: Filter {
    fn as_any(&self) -> &dyn Any;
}

impl<F: Filter + 'static> AnyFilter for F {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl fmt::Debug for dyn AnyFilter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("AnyFilter")
    }
}

pub(super) struct Layer {
    filter: Box<dyn AnyFilter>,
    course: Course,
    input: Vec<u8>,
    /// Whether the filter may decode more without further input.
    may_decode: bool,
    decoded: Vec<u8>,
    has_peer_ended: bool,
    /// Kept, because several calls may ask for it.
    failure: Option<Error>,
    has_ended: bool,
    pub(super) out: Outgoing,
}

impl Layer {
    pub(super) fn new(filter: Box<dyn AnyFilter>) -> Self {
        Self {
            filter,
            course: Course::default(),
            input: Vec::new(),
            may_decode: false,
            decoded: Vec::new(),
            has_peer_ended: false,
            failure: None,
            has_ended: false,
            out: Outgoing::default(),
        }
    }

    pub(super) fn begin(&mut self) {
        if self.course.is_new() {
            let begun = self.course.call(|| self.filter.begin(self.out.own()));
            self.course.note_begun(begun.is_ok());
            self.failure = begun.err();
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.course.has_begun() && self.course.ask(|| self.filter.is_ready())
    }

    /// Whether the filter is a [`ProxyFilter`] that has done its work, and passes all further bytes as they are.
    /// Nothing but decoded bytes waits in this layer.
    pub(super) fn is_over(&self) -> bool {
        let is_header = self.filter.as_any().is::<ProxyFilter>();
        is_header
            && self.is_ready()
            && self.input.is_empty()
            && self.out.is_empty()
            && !self.has_peer_ended
            && !self.has_failed()
    }

    pub(super) fn into_parts(self) -> (Box<dyn AnyFilter>, Vec<u8>) {
        (self.filter, self.decoded)
    }

    pub(super) fn peer_address(&self) -> Option<SocketAddr> {
        self.course.ask(|| self.filter.peer_address())
    }

    pub(super) fn as_any(&self) -> &dyn Any {
        self.filter.as_any()
    }

    pub(super) fn failure(&self) -> Option<io::Error> {
        let failure = self.failure.as_ref().or_else(|| self.course.panic());
        failure.cloned().map(wrap)
    }

    pub(super) fn has_panicked(&self) -> bool {
        self.course.panic().is_some()
    }

    #[inline]
    fn has_failed(&self) -> bool {
        self.failure.is_some() || self.has_panicked()
    }

    /// Whether a read may give bytes, the end, or an error without asking the layer below.
    #[inline]
    pub(super) fn has_input(&self) -> bool {
        !self.decoded.is_empty() || self.may_decode || self.has_peer_ended || self.has_failed()
    }

    #[inline]
    pub(super) fn is_quiet(&self) -> bool {
        !self.has_input() && self.input.is_empty() && self.out.is_empty()
    }

    /// Takes the decoded bytes. `None` if the layer has other input too.
    pub(super) fn take_decoded(&mut self) -> Option<Vec<u8>> {
        let has_other = self.may_decode || self.has_peer_ended || self.has_failed();
        (!has_other).then(|| mem::take(&mut self.decoded))
    }

    pub(super) fn has_decoded(&self) -> bool {
        !self.decoded.is_empty()
    }

    pub(super) fn has_peer_ended(&self) -> bool {
        self.has_peer_ended
    }

    /// Whether answers of the filter may wait, to leave with the bytes that the handler writes next. `false` after a
    /// failure or the peer's end: the peer must get the answers even if the handler closes. `false` also behind encoded
    /// bytes, because one flush sends both.
    pub(super) fn may_hold_answers(&self) -> bool {
        self.is_ready() && !self.has_failed() && !self.has_peer_ended && !self.out.has_batch()
    }

    /// Moves decoded bytes into `space`, and returns their number, or 0 at the peer's end. `None` if input is needed.
    #[inline]
    pub(super) fn give(&mut self, space: &mut [u8]) -> Option<io::Result<usize>> {
        match self.has_input() {
            true => self.give_held(space),
            false => None,
        }
    }

    #[inline(never)]
    fn give_held(&mut self, space: &mut [u8]) -> Option<io::Result<usize>> {
        if !self.decoded.is_empty() {
            let length = self.decoded.len().min(space.len());
            space[..length].copy_from_slice(&self.decoded[..length]);
            self.decoded.drain(..length);
            if self.decoded.is_empty() {
                // An idle connection holds no buffer.
                self.decoded = Vec::new();
            }
            return Some(Ok(length));
        }
        if self.may_decode {
            let length = self.decode_kept(space);
            if length > 0 {
                return Some(Ok(length));
            }
        }
        if let Some(error) = self.failure() {
            return Some(Err(error));
        }
        self.has_peer_ended.then_some(Ok(0))
    }

    /// Decodes `received` into `space`, and returns the number of decoded bytes. Keeps what the filter does not use.
    pub(super) fn decode_received(&mut self, received: &mut [u8], space: &mut [u8]) -> usize {
        if !self.input.is_empty() {
            return self.decode_behind_kept(received, space);
        }
        let (used, filled) = self.decode(received, space);
        if used < received.len() {
            self.keep(&received[used..]);
        }
        filled
    }

    #[inline(never)]
    fn decode_behind_kept(&mut self, received: &[u8], space: &mut [u8]) -> usize {
        match self.keep(received) {
            true => self.decode_kept(space),
            false => 0,
        }
    }

    /// Decodes bytes into a buffer of the layer, from which [`give`](Self::give) takes them.
    pub(super) fn decode_ahead(&mut self, received: &mut [u8]) {
        let kept = self.decoded.len();
        let mut space = [0; 512];
        let length = self.decode_received(received, &mut space);
        self.keep_decoded(kept, &space[..length]);
    }

    /// Decodes the kept input, as [`decode_ahead`](Self::decode_ahead) does.
    pub(super) fn decode_kept_ahead(&mut self) {
        let kept = self.decoded.len();
        let mut space = [0; 512];
        let length = self.decode_kept(&mut space);
        self.keep_decoded(kept, &space[..length]);
    }

    pub(super) fn may_decode(&self) -> bool {
        self.may_decode
    }

    /// Notes that no more comes from below: the peer's end if the filter agrees and leaves no input, else a failure.
    pub(super) fn note_end_below(&mut self) {
        if self.has_peer_ended || self.has_failed() {
            return;
        }
        match self.course.call(|| self.filter.peer_ended()) {
            Ok(()) if self.input.is_empty() => self.has_peer_ended = true,
            Ok(()) => {
                let text = "the peer has ended within bytes that a filter decodes as a whole";
                self.failure = Some(Error::with_code(Error::FILTER, text));
            }
            Err(error) => self.failure = Some(error),
        }
    }

    pub(super) fn note_early_end(&mut self) {
        let text = "the peer has ended before the connection was open";
        self.failure
            .get_or_insert_with(|| Error::with_code(Error::FILTER, text));
    }

    /// Encodes the front of `bytes`. The caller has sent all bytes that were written before.
    #[inline(always)]
    pub(super) fn encode(&mut self, bytes: &[IoSlice<'_>]) -> io::Result<()> {
        let offered = total_length(bytes);
        let before = self.out.len();
        let (filter, course) = (&mut self.filter, &self.course);
        let encoded = self.out.encode(|to_peer| {
            let taken = course.call(|| filter.encode(bytes, to_peer))?;
            match taken {
                taken if taken == 0 || taken > offered || to_peer.len() < before => {
                    Err(misbehaved())
                }
                taken => Ok(taken),
            }
        });
        match encoded {
            Ok(_) => Ok(()),
            Err(error) => {
                self.drop_torn(before);
                self.note_failure(error.clone());
                Err(wrap(error))
            }
        }
    }

    pub(super) fn end(&mut self) -> io::Result<()> {
        if !self.has_ended {
            self.has_ended = true;
            let before = self.out.len();
            let ended = self.course.call(|| self.filter.end(self.out.own()));
            if self.drop_torn(before) {
                return Err(wrap(ended.err().unwrap_or_else(misbehaved)));
            }
            ended.map_err(wrap)?;
        }
        Ok(())
    }

    fn decode_kept(&mut self, space: &mut [u8]) -> usize {
        let mut input = mem::take(&mut self.input);
        let (used, filled) = self.decode(&mut input, space);
        input.drain(..used);
        if !input.is_empty() {
            self.input = input;
        }
        filled
    }

    /// Calls the filter until it decodes no more, or `space` is full. Returns the numbers of used and of decoded bytes.
    /// After a failure or an end, all of `input` counts as used.
    fn decode(&mut self, input: &mut [u8], space: &mut [u8]) -> (usize, usize) {
        let (mut used, mut filled) = (0, 0);
        self.may_decode = false;
        loop {
            let left = input.len() - used;
            let answered = self.out.len();
            let mut output = FilterOutput {
                space: &mut space[filled..],
                filled: 0,
                to_peer: self.out.own(),
            };
            let decoded = self
                .course
                .call(|| self.filter.decode(&mut input[used..], &mut output));
            let written = output.filled;
            if self.out.len() < answered || self.has_panicked() {
                self.drop_torn(answered);
                self.note_failure(decoded.err().unwrap_or_else(misbehaved));
                return (input.len(), filled);
            }
            if self.has_ended {
                // The FIN may have left, so answers of the filter are dropped.
                self.out.cut(answered);
            }
            filled += written;
            let decoded = match decoded {
                Ok(decoded) if decoded.used <= left && decoded.in_place.end <= left => decoded,
                other => {
                    self.note_failure(other.err().unwrap_or_else(misbehaved));
                    return (input.len(), filled);
                }
            };
            let mut progress = decoded.used + written;
            if !decoded.in_place.is_empty() {
                let in_place = &input[used..][decoded.in_place];
                progress += in_place.len();
                filled += self.give_in_place(in_place, &mut space[filled..]);
                if self.failure.is_some() {
                    return (input.len(), filled);
                }
            }
            used += decoded.used;
            if decoded.is_end {
                self.has_peer_ended = true;
                return (input.len(), filled);
            }
            if filled == space.len() {
                self.may_decode = true;
                return (used, filled);
            }
            if progress == 0 || used == input.len() {
                return (used, filled);
            }
        }
    }

    /// Copies decoded bytes into `space`, keeps those that do not fit, and returns the number of copied ones.
    fn give_in_place(&mut self, decoded: &[u8], space: &mut [u8]) -> usize {
        let fitting = decoded.len().min(space.len());
        space[..fitting].copy_from_slice(&decoded[..fitting]);
        self.append_decoded(&decoded[fitting..]);
        fitting
    }

    /// Repairs the output after a call of the filter that panicked or removed bytes; `false` if the call did neither.
    /// After a panic, drops the bytes after the first `before`: they may be a part of a record. After a removal, drops
    /// all, because the counts of sent bytes are wrong.
    #[cold]
    fn drop_torn(&mut self, before: usize) -> bool {
        if self.out.len() < before {
            self.out.drop_all();
            return true;
        }
        if self.has_panicked() {
            self.out.cut(before);
        }
        self.has_panicked()
    }

    #[cold]
    fn note_failure(&mut self, failure: Error) {
        self.failure = Some(failure);
    }

    /// Keeps unused bytes. Fails the filter and returns `false` without memory, and above [`MOST_UNUSED_BYTES`]. The
    /// limit does not hold for a filter that has stopped for lack of space.
    fn keep(&mut self, unused: &[u8]) -> bool {
        if unused.is_empty() {
            return true;
        }
        let is_too_long = self.input.len() + unused.len() > MOST_UNUSED_BYTES && !self.may_decode;
        if is_too_long {
            self.failure.get_or_insert_with(misbehaved);
            return false;
        }
        if self.input.try_reserve(unused.len()).is_err() {
            self.failure.get_or_insert_with(without_memory);
            return false;
        }
        self.input.extend_from_slice(unused);
        true
    }

    /// Appends decoded bytes. Without memory, fails the filter and returns `false`.
    fn append_decoded(&mut self, bytes: &[u8]) -> bool {
        if self.decoded.try_reserve(bytes.len()).is_err() {
            self.failure.get_or_insert_with(without_memory);
            return false;
        }
        self.decoded.extend_from_slice(bytes);
        true
    }

    /// Inserts `bytes`, the first ones that a call has decoded, behind the `kept` bytes of earlier calls. The later
    /// bytes of the same call are in `decoded` already, because they did not fit into its space. Fails a filter that
    /// decodes many bytes before it is ready, because no read takes them until then.
    fn keep_decoded(&mut self, kept: usize, bytes: &[u8]) {
        let newer = self.decoded.len() - kept;
        if !self.append_decoded(bytes) {
            // No newer byte is delivered without those that are lost.
            self.decoded.truncate(kept);
            return;
        }
        self.decoded[kept..].rotate_left(newer);
        if self.decoded.len() > MOST_UNUSED_BYTES && !self.is_ready() {
            let text = "a filter has decoded many bytes, and is not ready";
            self.failure
                .get_or_insert_with(|| Error::with_code(Error::FILTER, text));
        }
    }
}

impl fmt::Debug for Layer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Layer")
            .field("is_ready", &self.is_ready())
            .field("failure", &self.failure)
            .finish_non_exhaustive()
    }
}
