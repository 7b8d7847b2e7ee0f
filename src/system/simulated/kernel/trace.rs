//! What happened, as one number: two runs are the same exactly if their traces are.

/// A running hash (FNV-1a over whole words). Nothing goes in that could differ between two runs of one seed: no
/// address, no hash order, no wall clock.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    hash: u64,
    entries: u64,
}

/// What is noted in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Note {
    /// The clock moved, to so many nanoseconds.
    Time,
    /// A packet has arrived, of some kind, for some socket.
    Arrival,
    /// An event was given to a loop.
    Event,
    /// A socket was read.
    Read,
    /// A socket was written to.
    Write,
    /// A connection was accepted.
    Accept,
    /// A connect has begun.
    Connect,
    /// A socket was closed.
    Close,
    /// A wait has ended, with so many events.
    Poll,
    /// A lookup has been answered.
    Answer,
}

impl Trace {
    pub(crate) fn new() -> Self {
        Self {
            hash: 0xCBF2_9CE4_8422_2325,
            entries: 0,
        }
    }

    pub(crate) fn note(&mut self, note: Note, what: u64, result: u64) {
        self.entries += 1;
        for word in [note as u64, what, result] {
            self.hash = (self.hash ^ word)
                .wrapping_mul(0x0000_0100_0000_01B3)
                .rotate_left(23);
        }
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// How many things have happened.
    pub(crate) fn entries(&self) -> u64 {
        self.entries
    }
}
