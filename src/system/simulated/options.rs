//! The options of a simulated network: its times, its kernels and its faults.

use std::time::Duration;

use crate::system::faults::Faults;
use crate::system::faults::random::Random;

use super::flavour::Flavour;

/// The options of a simulated network. A run depends on its seed and on these options, so `Debug` shows all options.
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
    /// The way in which the kernels report readiness.
    pub flavour: Flavour,
    /// The time for which each packet is under way, unless
    /// [`set_latency`](crate::simulation::Simulation::set_latency) gave its two machines another.
    pub latency: Duration,
    /// The limit on the random time that is added to each latency. Bytes never overtake earlier bytes.
    pub jitter: Duration,
    /// The time of a name lookup, to which up to `jitter` is added.
    pub lookup_time: Duration,
    /// The bandwidth of each direction of a connection, and of the sends of a UDP socket; `None` for no limit.
    pub bytes_per_second: Option<u64>,
    /// The number of bytes in each direction that may be under way or unread before writing blocks. For a UDP socket,
    /// the size of its receive buffer and of its send buffer.
    pub capacity: usize,
    /// The limit on the events of one poll. The flavour `Kqueue` and the fault `spurious_events` may each add one more.
    pub batch: usize,
    /// The limit on the descriptors of a machine, beyond which calls return EMFILE or ENFILE; `None` for no limit.
    pub descriptors: Option<usize>,
    /// The time for which a kernel retransmits unacknowledged bytes before the connection ends with ETIMEDOUT.
    pub retransmission_timeout: Duration,
    /// The rates of the faults that calls meet.
    pub faults: Faults,
    /// The number of datagrams in a thousand that the network loses. Each fragment of a datagram that is longer than
    /// [`mtu`](Self::mtu) is lost at this rate. TCP would hide losses, so only UDP meets them.
    pub datagram_loss: u16,
    /// The number of datagrams in a thousand that the network doubles. Each copy may be lost.
    pub datagram_duplication: u16,
    /// The number of datagrams in a thousand that take longer than others: up to three times the usual time and a
    /// millisecond. With [`jitter`](Self::jitter), the others overtake one another too.
    pub datagram_reordering: u16,
    /// The number of bytes of the longest packet. A longer datagram travels in fragments, and is lost with any of them.
    pub mtu: usize,
    /// The wall-clock time at which the simulation begins, counted from 1970-01-01 in UTC. The default is 2030-01-01.
    /// Only `Simulation::time_provider` tells it, for the certificates of TLS. A change during a run changes nothing.
    pub unix_time: Duration,
}

/// The time for which Linux retransmits, with the default of 15 for tcp_retries2: 924.6 s.
const RETRANSMISSION_TIMEOUT: Duration = Duration::from_millis(924_600);

/// The MTU of Linux's loopback interface.
const LOOPBACK_MTU: usize = 65_536;

/// 2030-01-01 in UTC: certificates that are made with a validity of ten years are valid then.
const UNIX_TIME: Duration = Duration::from_secs(1_893_456_000);

impl Options {
    /// Makes the options of a network like loopback: Linux, no delay, 256 KiB for each direction, no faults.
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
            datagram_loss: 0,
            datagram_duplication: 0,
            datagram_reordering: 0,
            mtu: LOOPBACK_MTU,
            unix_time: UNIX_TIME,
        }
    }

    /// Draws all options from `seed`, with no, few or many faults. Only `descriptors`, `retransmission_timeout` and
    /// `unix_time` keep their defaults.
    pub fn from_seed(seed: u64) -> Self {
        // The run itself draws its numbers from `seed`. The complement gives the options other numbers.
        let mut random = Random::new(!seed);
        let latency = random.choose(&[0, 0, 1, 50, 700, 20_000, 150_000]);
        let jitter = random.choose(&[0, 0, 1, 3]) * latency / 2;
        let rates: [u16; 4] =
            random.choose(&[[0; 4], [0, 0, 5, 20], [0, 10, 50, 50], [0, 5, 100, 300]]);
        let mut rate = || random.choose(&rates);
        let faults = Faults {
            short_transfers: rate(),
            interruptions: rate(),
            spurious_blocks: rate(),
            missing_buffers: rate() / 4,
            resets: rate() / 20,
            aborted_accepts: rate(),
            exhausted_accepts: rate(),
            exhausted_connects: 0,
            failed_lookups: 0,
            slow_lookups: 0,
            empty_polls: rate(),
            spurious_events: rate(),
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
            datagram_loss: 0,
            datagram_duplication: 0,
            datagram_reordering: 0,
            mtu: LOOPBACK_MTU,
            unix_time: UNIX_TIME,
        };
        // Newer options are drawn last, so that a seed still gives the older options the same values.
        options.faults.exhausted_connects = random.choose(&rates);
        options.faults.failed_lookups = random.choose(&rates);
        options.faults.slow_lookups = random.choose(&rates);
        options.lookup_time = Duration::from_micros(random.choose(&[0, 0, 300, 30_000, 400_000]));
        options.datagram_loss = random.choose(&[0, 0, 10, 200]);
        options.datagram_duplication = random.choose(&[0, 0, 10, 200]);
        options.datagram_reordering = random.choose(&[0, 0, 50, 500]);
        options.mtu = random.choose(&[LOOPBACK_MTU, 1500, 1280]);
        options
    }

    /// Sets the flavour.
    pub fn flavour(mut self, flavour: Flavour) -> Self {
        self.flavour = flavour;
        self
    }

    /// Sets the faults.
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
