//! The loads.

pub(crate) struct Load {
    pub(crate) name: &'static str,
    /// The length of an echo; `None` is a handshake.
    pub(crate) length: Option<usize>,
    /// The operations of a round.
    pub(crate) count: usize,
}

pub(crate) const LOADS: [Load; 4] = [
    Load {
        name: "echo of 64 B",
        length: Some(64),
        count: 20_000,
    },
    Load {
        name: "echo of 16 KiB",
        length: Some(16 << 10),
        count: 5_000,
    },
    Load {
        name: "echo of 64 KiB",
        length: Some(64 << 10),
        count: 2_000,
    },
    Load {
        name: "handshake",
        length: None,
        count: 500,
    },
];
