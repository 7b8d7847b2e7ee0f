//! A hash of what happens in a simulation. The hash covers the entries that [`Note`] lists, with lengths and times,
//! but not the bytes themselves. Runs whose entries differ have different hashes, except for chance collisions.

/// A running hash, FNV-1a over integers of 64 bits. It covers no value that could differ between two runs of one seed:
/// no memory address, order of a hash table or wall clock.
#[derive(Clone, Debug)]
pub(super) struct Trace {
    hash: u64,
    entries: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Note {
    /// The clock moved on, other than by the time of a poll. The entry has the new number of nanoseconds.
    Time,
    /// A packet or datagram arrived, or a timer of a socket fell due.
    Arrival,
    Event,
    Read,
    Write,
    Accept,
    Connect,
    Close,
    /// A poll returned. The entry has the number of events.
    Poll,
    Answer,
}

impl Trace {
    pub(super) fn new() -> Self {
        Self {
            hash: 0xCBF2_9CE4_8422_2325,
            entries: 0,
        }
    }

    /// Adds an entry about `subject`, such as the key of a socket, to the hash.
    pub(super) fn note(&mut self, note: Note, subject: u64, result: u64) {
        self.entries += 1;
        for value in [note as u64, subject, result] {
            self.hash = (self.hash ^ value)
                .wrapping_mul(0x0000_0100_0000_01B3)
                .rotate_left(23);
        }
    }

    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    pub(super) fn entries(&self) -> u64 {
        self.entries
    }
}
