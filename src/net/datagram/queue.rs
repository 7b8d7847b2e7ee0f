//! The send queue of a UDP socket: datagrams that wait for the kernel, for a name lookup, or for the flush of a batch.

use std::collections::{TryReserveError, VecDeque};
use std::net::SocketAddr;

use crate::system::PacketInfo;

/// The memory of an entry counts too, so that a limit in bytes also bounds empty datagrams.
const ENTRY_BYTES: usize = size_of::<Entry>();

/// The limits on the capacity that an empty queue keeps.
const KEPT_BYTES: usize = 4 * 1024;
const KEPT_ENTRIES: usize = 64;

/// The queued datagrams, the oldest first. All bytes lie in one ring, so that queueing allocates nothing while it is
/// long enough.
#[derive(Debug, Default)]
pub(super) struct SendQueue {
    /// Invariant: the bytes of all entries, in the order of the entries.
    bytes: VecDeque<u8>,
    entries: VecDeque<Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// The destination; `None` for the peer of a connected socket.
    to: Option<SocketAddr>,
    #[cfg_attr(
        not(feature = "udp-batch"),
        expect(dead_code, reason = "empty without the feature")
    )]
    info: PacketInfo,
    length: usize,
}

#[cfg(feature = "udp-batch")]
#[derive(Clone, Copy, Debug)]
pub(super) struct Run<'a> {
    /// All datagrams, in one piece.
    pub(super) bytes: &'a [u8],
    /// The length of each datagram. The last may be shorter.
    pub(super) segment: usize,
    pub(super) count: usize,
    /// The destination; `None` for the peer of a connected socket.
    pub(super) to: Option<SocketAddr>,
    pub(super) info: PacketInfo,
}

impl SendQueue {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Returns the number of bytes that would count against the limit with a further datagram.
    pub(super) fn weight_with(&self, further: usize) -> usize {
        self.bytes.len() + further + (self.entries.len() + 1) * ENTRY_BYTES
    }

    pub(super) fn reserve(&mut self, length: usize) -> Result<(), TryReserveError> {
        self.entries.try_reserve(1)?;
        self.bytes.try_reserve(length)
    }

    pub(super) fn push(&mut self, to: Option<SocketAddr>, info: PacketInfo, bytes: &[u8]) {
        self.bytes.extend(bytes);
        self.entries.push_back(Entry {
            to,
            info,
            length: bytes.len(),
        });
    }

    /// Calls `send` with the oldest datagram, in one piece.
    pub(super) fn with_oldest<R>(
        &mut self,
        send: impl FnOnce(&[u8], Option<SocketAddr>) -> R,
    ) -> Option<R> {
        let Entry { to, length, .. } = *self.entries.front()?;
        let (first, _) = self.bytes.as_slices();
        let piece = match first.get(..length) {
            Some(piece) => piece,
            // The datagram runs across the end of the ring.
            None => &self.bytes.make_contiguous()[..length],
        };
        Some(send(piece, to))
    }

    /// Calls `send` with a run from the front: successive datagrams of the same destination, packet info and length, of
    /// which the last may be shorter. A run has at most `most` datagrams. If it has several, they have at most
    /// `most_bytes` together.
    #[cfg(feature = "udp-batch")]
    pub(super) fn with_oldest_run<R>(
        &mut self,
        most: usize,
        most_bytes: usize,
        send: impl FnOnce(Run<'_>) -> R,
    ) -> Option<R> {
        let Entry { to, info, length } = *self.entries.front()?;
        let (mut count, mut bytes) = (1, length);
        for entry in self.entries.iter().skip(1).take(most.saturating_sub(1)) {
            let is_alike = entry.to == to && entry.info == info;
            let fits = is_alike && entry.length > 0 && entry.length <= length;
            if !fits || bytes + entry.length > most_bytes {
                break;
            }
            count += 1;
            bytes += entry.length;
            if entry.length < length {
                break;
            }
        }
        let (first, _) = self.bytes.as_slices();
        let piece = match first.get(..bytes) {
            Some(piece) => piece,
            None => &self.bytes.make_contiguous()[..bytes],
        };
        Some(send(Run {
            bytes: piece,
            segment: length,
            count,
            to,
            info,
        }))
    }

    /// Removes the oldest datagram, and returns the number of its bytes.
    pub(super) fn pop(&mut self) -> Option<usize> {
        let Entry { length, .. } = self.entries.pop_front()?;
        self.bytes.drain(..length);
        if self.entries.is_empty() {
            self.bytes.shrink_to(KEPT_BYTES);
            self.entries.shrink_to(KEPT_ENTRIES);
        }
        Some(length)
    }

    /// Drops all datagrams, and returns their number and their bytes.
    pub(super) fn clear(&mut self) -> (usize, usize) {
        let dropped = (self.entries.len(), self.bytes.len());
        *self = Self::default();
        dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_gives_back_what_was_put_in() {
        let mut random = fastrand::Rng::with_seed(18);
        let mut queue = SendQueue::default();
        let mut model: VecDeque<(Option<SocketAddr>, Vec<u8>)> = VecDeque::new();
        for step in 0..20_000_u32 {
            match random.u32(..5) {
                0..2 => {
                    let length = random.usize(..200) * random.usize(..2);
                    let bytes: Vec<u8> = (0..length).map(|_| random.u8(..)).collect();
                    let port = u16::try_from(step % 60_000).unwrap();
                    let to = random
                        .bool()
                        .then(|| SocketAddr::from(([10, 0, 0, 1], port)));
                    queue.push(to, PacketInfo::default(), &bytes);
                    model.push_back((to, bytes));
                }
                2..4 => {
                    let seen = queue.with_oldest(|bytes, to| (to, bytes.to_vec()));
                    assert_eq!(seen.as_ref(), model.front());
                    let popped = model.pop_front().map(|(_, bytes)| bytes.len());
                    assert_eq!(queue.pop(), popped);
                }
                _ if random.u32(..50) == 0 => {
                    let bytes = model.iter().map(|(_, bytes)| bytes.len()).sum();
                    assert_eq!(queue.clear(), (model.len(), bytes));
                    model.clear();
                }
                _ => {}
            }
            assert_eq!(queue.len(), model.len());
            assert_eq!(queue.is_empty(), model.is_empty());
            let bytes: usize = model.iter().map(|(_, bytes)| bytes.len()).sum();
            assert_eq!(queue.bytes(), bytes);
        }
    }

    #[test]
    fn empty_datagrams_weigh_too() {
        let mut queue = SendQueue::default();
        let alone = queue.weight_with(0);
        assert!(alone > 0);
        queue.push(None, PacketInfo::default(), b"");
        assert_eq!(queue.weight_with(0), 2 * alone);
        assert_eq!(queue.bytes(), 0);
    }
}
