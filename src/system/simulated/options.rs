//! What a simulated network is like: how far its machines are apart, how their kernels report, and what goes wrong.

use std::time::Duration;

use crate::system::faults::Faults;
use crate::system::faults::random::Random;

/// How the simulated kernel reports what is ready: which loop of which system a program would meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flavour {
    /// Linux: one event for a socket with all that is true of it, when something has become true (edge-triggered).
    Epoll,
    /// macOS and the BSDs: reading and writing are reported by events of their own, with the end beside them.
    Kqueue,
    /// Windows: what was reported is not reported again before a call has blocked, which also reports anew that
    /// writing is possible, and a read that came short proves nothing.
    Afd,
    /// No system that exists, and worse than all: events come late, twice, in any order, one at a time, and for
    /// sockets that are closed already.
    Adversary,
}

impl Flavour {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Epoll, Self::Kqueue, Self::Afd, Self::Adversary];
}

/// What a simulated network is like. Its `Debug` output says everything that a run depends on beside its seed.
///
/// ```
/// use std::time::Duration;
/// use netloop::simulation::{Flavour, Options};
///
/// let calm = Options::new();
/// let slow = Options { latency: Duration::from_millis(80), flavour: Flavour::Kqueue, ..Options::new() };
/// let wild = Options::from_seed(42);
/// # let _ = (calm, slow, wild);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How the kernels report.
    pub flavour: Flavour,
    /// How long everything is under way from one socket to the other.
    pub latency: Duration,
    /// How much longer it may be, by chance. Bytes never overtake bytes.
    pub jitter: Duration,
    /// How long a lookup takes, and longer by the jitter.
    pub lookup_time: Duration,
    /// How much each direction of a connection carries in a second; `None`: as much as there is room for.
    pub bytes_per_second: Option<u64>,
    /// How many bytes of each direction may be under way or unread before writing blocks.
    pub capacity: usize,
    /// How many events a wait gives at most.
    pub batch: usize,
    /// How many sockets a loop may have open before it gets EMFILE; `None`: as many as it likes.
    pub descriptors: Option<usize>,
    /// How long a kernel sends again what is not acknowledged, before the connection fails with ETIMEDOUT.
    pub retransmission_timeout: Duration,
    /// What goes wrong.
    pub faults: Faults,
}

/// Linux's, with tcp_retries2 at 15: 924.6 s.
const RETRANSMISSION_TIMEOUT: Duration = Duration::from_millis(924_600);

impl Options {
    /// A calm network as loopback is one: Linux, no delay, 256 KiB for each direction, no faults.
    pub const fn new() -> Self {
        Self {
            flavour: Flavour::Epoll,
            latency: Duration::ZERO,
            jitter: Duration::ZERO,
            lookup_time: Duration::ZERO,
            bytes_per_second: None,
            capacity: 256 << 10,
            batch: 1024,
            descriptors: None,
            retransmission_timeout: RETRANSMISSION_TIMEOUT,
            faults: Faults::NONE,
        }
    }

    /// Anything, as `seed` has it: any flavour, latency, capacity and batch, with few faults or many.
    pub fn from_seed(seed: u64) -> Self {
        // Another stream than that of the run, which begins with the seed itself.
        let mut random = Random::new(!seed);
        let latency = random.choose(&[0, 0, 1, 50, 700, 20_000, 150_000]);
        let jitter = random.choose(&[0, 0, 1, 3]) * latency / 2;
        let rates: [u16; 4] =
            random.choose(&[[0; 4], [0, 0, 5, 20], [0, 10, 50, 50], [0, 5, 100, 300]]);
        let mut rate = || random.choose(&rates);
        let faults = Faults {
            short_transfers: rate(),
            interruptions: rate(),
            false_blocks: rate(),
            missing_buffers: rate() / 4,
            resets: rate() / 20,
            aborted_accepts: rate(),
            exhausted_accepts: rate(),
            exhausted_connects: 0,
            failed_lookups: 0,
            slow_lookups: 0,
            empty_polls: rate(),
            false_events: rate(),
            self_connects: rate(),
            refused_options: rate(),
        };
        let mut options = Self {
            flavour: random.choose(&Flavour::ALL),
            latency: Duration::from_micros(latency),
            jitter: Duration::from_micros(jitter),
            lookup_time: Duration::ZERO,
            bytes_per_second: random.choose(&[None, None, Some(1 << 20), Some(64 << 10)]),
            capacity: random.choose(&[1, 100, 4 << 10, 64 << 10, 256 << 10]),
            batch: random.choose(&[1, 2, 1024]),
            descriptors: None,
            retransmission_timeout: RETRANSMISSION_TIMEOUT,
            faults,
        };
        // Drawn last, so that a seed still means of the others what it meant before there were these.
        options.faults.exhausted_connects = random.choose(&rates);
        options.faults.failed_lookups = random.choose(&rates);
        options.faults.slow_lookups = random.choose(&rates);
        options.lookup_time = Duration::from_micros(random.choose(&[0, 0, 300, 30_000, 400_000]));
        options
    }

    /// The same with `flavour`.
    pub fn flavour(mut self, flavour: Flavour) -> Self {
        self.flavour = flavour;
        self
    }

    /// The same with `faults`.
    pub fn faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}
