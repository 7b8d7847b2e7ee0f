//! The encoded bytes of one filter that the layer below has not taken.

/// The capacity up to which the empty buffer is kept.
const KEPT_BYTES: usize = 512;

/// The encoded bytes of one filter. Written bytes stay in the connection's queue until their encoding is sent. So an
/// empty queue means that everything is sent, with or without a filter. The queue shrinks in proportion to the sent
/// part of the encoding: a peer that takes a part of a long record has made progress.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    bytes: Vec<u8>,
    /// The number of sent bytes at the front of `bytes`. Invariant: less than its length, or both are zero.
    sent: usize,
    /// The part of `bytes` that encodes written bytes. All others are the filter's own, such as its answers.
    batch: Option<Batch>,
    /// The number of written bytes that are sent, still to be returned by [`take_credit`](Self::take_credit).
    credit: usize,
}

#[derive(Clone, Copy, Debug)]
struct Batch {
    start: usize,
    end: usize,
    written: usize,
    /// The number of written bytes that were added to [`Outgoing::credit`].
    credited: usize,
}

impl Outgoing {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Returns the length of the buffer, including the sent bytes at its front.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns the number of unsent bytes of the filter's own, which encode no written bytes.
    pub(super) fn own_len(&self) -> usize {
        let of_batch = self
            .batch
            .map_or(0, |batch| batch.end - batch.start.max(self.sent));
        self.bytes.len() - self.sent - of_batch
    }

    pub(super) fn has_batch(&self) -> bool {
        self.batch.is_some()
    }

    pub(super) fn cut(&mut self, length: usize) {
        self.bytes.truncate(length);
    }

    pub(super) fn drop_all(&mut self) {
        self.bytes = Vec::new();
        self.sent = 0;
        self.batch = None;
    }

    pub(super) fn unsent(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    pub(super) fn own(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    #[inline]
    pub(super) fn borrow(&mut self, spare: &mut Vec<u8>) -> bool {
        let is_empty = self.bytes.is_empty();
        if is_empty {
            std::mem::swap(&mut self.bytes, spare);
        }
        is_empty
    }

    /// Undoes a [`borrow`](Self::borrow) that has swapped, if the buffer is empty.
    #[inline]
    pub(super) fn give_back(&mut self, spare: &mut Vec<u8>) {
        if self.bytes.is_empty() {
            std::mem::swap(&mut self.bytes, spare);
        }
    }

    /// Frees a long buffer that is empty: an idle connection holds none.
    pub(super) fn release(&mut self) {
        if self.bytes.is_empty() && self.bytes.capacity() > KEPT_BYTES {
            self.bytes = Vec::new();
        }
    }

    /// Encodes written bytes by `encode`, which returns their number. The caller has sent all that was written before.
    pub(super) fn encode<E>(
        &mut self,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<usize, E>,
    ) -> Result<usize, E> {
        debug_assert!(self.batch.is_none(), "what was written before was sent");
        let start = self.bytes.len();
        let written = encode(&mut self.bytes)?;
        self.batch = Some(Batch {
            start,
            end: self.bytes.len(),
            written,
            credited: 0,
        });
        if start == self.bytes.len() {
            self.count();
        }
        Ok(written)
    }

    pub(super) fn note_sent(&mut self, count: usize) {
        self.sent += count;
        if self.sent < self.bytes.len() {
            self.count();
            return;
        }
        self.bytes.clear();
        self.sent = 0;
        if let Some(batch) = self.batch.take() {
            self.credit += batch.written - batch.credited;
        }
    }

    #[inline(never)]
    fn count(&mut self) {
        let Some(batch) = &mut self.batch else {
            return;
        };
        let sent = self.sent.clamp(batch.start, batch.end) - batch.start;
        let of = batch.end - batch.start;
        let credited = match sent == of {
            true => batch.written,
            // `written` is at most 64 KiB, so the product fits into 64 bits.
            false => {
                let credited = batch.written as u64 * sent as u64 / of as u64;
                usize::try_from(credited).unwrap_or(batch.written)
            }
        };
        self.credit += credited - batch.credited;
        batch.credited = credited;
        if sent == of {
            self.batch = None;
        }
    }

    pub(super) fn credit(&mut self, bytes: usize) {
        self.credit += bytes;
    }

    pub(super) fn take_credit(&mut self) -> usize {
        std::mem::take(&mut self.credit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_bytes_are_credited_as_their_encoding_leaves() {
        let mut outgoing = Outgoing::default();
        outgoing.own().extend([0; 10]);
        let encoded = outgoing.encode(|bytes| {
            bytes.extend([1; 40]);
            Ok::<_, ()>(20)
        });
        assert_eq!(encoded, Ok(20));
        outgoing.own().extend([2; 5]);
        let mut credits = Vec::new();
        while !outgoing.is_empty() {
            outgoing.note_sent(5);
            credits.push(outgoing.take_credit());
        }
        assert_eq!(credits, [0, 0, 2, 3, 2, 3, 2, 3, 2, 3, 0]);
    }

    #[test]
    fn bytes_with_an_empty_encoding_are_credited_at_once() {
        let mut outgoing = Outgoing::default();
        assert_eq!(outgoing.encode(|_| Ok::<_, ()>(7)), Ok(7));
        assert_eq!(outgoing.take_credit(), 7);
        assert_eq!(outgoing.take_credit(), 0);
    }
}
