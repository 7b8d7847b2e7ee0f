//! The life of one connection, which both of its ends compute from its key.

use std::time::Duration;

use super::pattern::mix;

/// An end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

impl Side {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }

    fn place(self) -> usize {
        match self {
            Self::Client => 0,
            Self::Server => 1,
        }
    }
}

/// The way in which an end writes its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Writing {
    /// Many writes of at most so many bytes.
    Pieces(u64),
    /// One write of everything.
    Whole,
}

/// The way in which an end reads.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reading {
    Eager,
    /// Pauses after so many bytes, for so long.
    Slow(u64, Duration),
}

/// The end of a connection, and the end of it that brings it about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All bytes are exchanged, time passes, and then this side ends.
    End(Side),
    /// This side ends behind its last byte, while the other side may still be sending.
    HalfClose(Side),
    /// As `End`, with a close that does not wait for the peer.
    DestroySoon(Side),
    /// This side closes when it has received so many bytes.
    Destroy(Side, u64),
    /// This side resets the connection when it has received so many bytes.
    Reset(Side, u64),
    /// The client resets the connection as soon as it is connected.
    ResetAtOnce,
}

/// The life of one connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    lengths: [u64; 2],
    writing: [Writing; 2],
    reading: [Reading; 2],
    pub(crate) ending: Ending,
    /// The time between the last byte and the end.
    pub(crate) hold: Duration,
}

impl Plan {
    /// Returns the plan of the connection `key`, which is held for at most `longest_hold`.
    pub(crate) fn of(key: u64, longest_hold: Duration) -> Self {
        let random = &mut fastrand::Rng::with_seed(mix(key, 1));
        let lengths = [length(random), length(random)];
        let writing = [writing(random), writing(random)];
        let reading = [reading(random), reading(random)];
        let side = match random.bool() {
            true => Side::Client,
            false => Side::Server,
        };
        let part = random.u64(0..=lengths[side.other().place()]);
        let ending = match random.u8(0..100) {
            0..40 => Ending::End(side),
            40..58 => Ending::HalfClose(side),
            58..70 => Ending::DestroySoon(side),
            70..80 => Ending::Destroy(side, part),
            80..97 => Ending::Reset(side, part),
            _ => Ending::ResetAtOnce,
        };
        Self {
            lengths,
            writing,
            reading,
            ending,
            hold: longest_hold.mul_f64(random.f64()),
        }
    }

    /// Returns the number of bytes that `side` sends.
    pub(crate) fn length(&self, side: Side) -> u64 {
        self.lengths[side.place()]
    }

    pub(crate) fn writing(&self, side: Side) -> Writing {
        self.writing[side.place()]
    }

    pub(crate) fn reading(&self, side: Side) -> Reading {
        self.reading[side.place()]
    }

    /// Whether both ends receive all bytes of the other, and a clean end behind them.
    pub(crate) fn is_whole(&self) -> bool {
        matches!(
            self.ending,
            Ending::End(_) | Ending::HalfClose(_) | Ending::DestroySoon(_)
        )
    }
}

fn length(random: &mut fastrand::Rng) -> u64 {
    match random.u16(0..1_000) {
        0..20 => 0,
        20..600 => random.u64(1..2 << 10),
        600..880 => random.u64(2 << 10..64 << 10),
        880..985 => random.u64(64 << 10..256 << 10),
        _ => random.u64(256 << 10..2 << 20),
    }
}

fn writing(random: &mut fastrand::Rng) -> Writing {
    match random.u8(0..10) {
        0..2 => Writing::Whole,
        2..4 => Writing::Pieces(random.u64(100..1_500)),
        _ => Writing::Pieces(random.u64(1_500..64 << 10)),
    }
}

fn reading(random: &mut fastrand::Rng) -> Reading {
    match random.u8(0..10) {
        0 => {
            let pause = Duration::from_millis(random.u64(1..30));
            Reading::Slow(random.u64(1 << 10..32 << 10), pause)
        }
        _ => Reading::Eager,
    }
}
