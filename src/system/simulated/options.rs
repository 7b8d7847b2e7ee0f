//! What a simulated network is like: how far its machines are apart, how their kernels report, and what goes wrong.

use std::time::Duration;

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

/// How often each fault happens, in calls of a thousand. All are faults that real systems have.
///
/// ```
/// use netloop::simulation::Faults;
///
/// let faults = Faults { resets: 0, ..Faults::everywhere(20) };
/// assert_eq!(faults.interruptions, 20);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// A read or a write moves less than it could; the rest is announced later.
    pub short_transfers: u16,
    /// A call is ended by a signal (EINTR).
    pub interruptions: u16,
    /// A call would block although the socket was said to be ready, and is announced later.
    pub false_blocks: u16,
    /// The kernel has no memory to send with (ENOBUFS), which nothing announces the end of.
    pub missing_buffers: u16,
    /// The connection is reset between two calls.
    pub resets: u16,
    /// A connection is gone when it is accepted (ECONNABORTED).
    pub aborted_accepts: u16,
    /// There is no descriptor for a connection that waits: the process has none left (EMFILE), or the whole system
    /// (ENFILE).
    pub exhausted_accepts: u16,
    /// There is no descriptor to connect with, as above.
    pub exhausted_connects: u16,
    /// A lookup fails for now (EAI_AGAIN).
    pub failed_lookups: u16,
    /// A lookup takes some times five seconds longer, since as many name servers do not answer.
    pub slow_lookups: u16,
    /// A wait ends early, with nothing.
    pub empty_polls: u16,
    /// A socket is reported as ready that is not.
    pub false_events: u16,
    /// A connect to a local port on which nobody listens meets itself (simultaneous open).
    pub self_connects: u16,
    /// An option of a socket is refused (EINVAL, which macOS says once the peer has gone).
    pub refused_options: u16,
}

impl Faults {
    /// No fault at all.
    pub const NONE: Self = Self {
        short_transfers: 0,
        interruptions: 0,
        false_blocks: 0,
        missing_buffers: 0,
        resets: 0,
        aborted_accepts: 0,
        exhausted_accepts: 0,
        exhausted_connects: 0,
        failed_lookups: 0,
        slow_lookups: 0,
        empty_polls: 0,
        false_events: 0,
        self_connects: 0,
        refused_options: 0,
    };

    /// Every fault, in `per_mille` calls of a thousand.
    pub const fn everywhere(per_mille: u16) -> Self {
        Self {
            short_transfers: per_mille,
            interruptions: per_mille,
            false_blocks: per_mille,
            missing_buffers: per_mille,
            resets: per_mille,
            aborted_accepts: per_mille,
            exhausted_accepts: per_mille,
            exhausted_connects: per_mille,
            failed_lookups: per_mille,
            slow_lookups: per_mille,
            empty_polls: per_mille,
            false_events: per_mille,
            self_connects: per_mille,
            refused_options: per_mille,
        }
    }
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
