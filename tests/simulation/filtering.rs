//! The filters of a run, which its seed draws: none in half of the runs, or the same kind in both ends of all connections.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use netloop::{ConnectOptions, Error, ListenOptions, Result, Socket};

use super::framed::{CUT, Fault, Form, Framed, HEAD, PLANTED, STRANGE, Totals};

/// The filters of all sockets of a run.
#[derive(Clone)]
pub(crate) struct Filters(Rc<Shared>);

struct Shared {
    kind: Kind,
    /// The share of the ends of connections that have a fault, in hundredths.
    faults: Cell<u32>,
    random: RefCell<fastrand::Rng>,
    totals: Rc<Totals>,
    handshake_timeout: Duration,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    None,
    /// Filters that change nothing.
    Neutral,
    Framed(Form),
}

/// The shared buffers of a loop: 128 KiB, and 64 KiB of written bytes with the heads of their records.
const LOOP_BYTES: usize = 256 << 10;

/// The handshake timeout that loops have by default.
const LONG: Duration = Duration::from_secs(30);

impl Filters {
    /// Sockets without filters.
    pub(crate) fn none() -> Self {
        Self::of(Kind::None, 0, fastrand::Rng::with_seed(0), LONG)
    }

    fn of(kind: Kind, faults: u32, random: fastrand::Rng, handshake_timeout: Duration) -> Self {
        Self(Rc::new(Shared {
            kind,
            faults: Cell::new(faults),
            random: RefCell::new(random),
            totals: Rc::default(),
            handshake_timeout,
        }))
    }

    /// Draws the filters of the run with `seed`, in a network whose kernels take `capacity` bytes.
    pub(crate) fn draw(seed: u64, capacity: usize) -> Self {
        // Other numbers than those of the run, so that a run without filters is the same as before there were any.
        let mut random = fastrand::Rng::with_seed(!seed.rotate_left(32));
        let kind = match random.u32(..8) {
            0..4 => return Self::none(),
            4 => Kind::Neutral,
            _ => {
                let lengths = match capacity {
                    // Each byte costs a turn of both loops.
                    0..1000 => [7, 100, 16 << 10],
                    _ => [50, 1000, 16 << 10],
                };
                let longest = random.choice(lengths).unwrap();
                Kind::Framed(Form {
                    hellos: random.choice([0, 1, 1, 2, 2]).unwrap(),
                    longest,
                    taken: random.choice([longest, 3 * longest, 64 << 10]).unwrap(),
                    holds: random.bool(),
                    leaves: random.bool(),
                })
            }
        };
        let faults = random.choice([0, 0, 5, 30]).unwrap();
        let timeout = random.choice([LONG, LONG, Duration::from_millis(400)]);
        Self::of(kind, faults, random, timeout.unwrap())
    }

    pub(crate) fn of_server(&self, options: ListenOptions) -> ListenOptions {
        let filters = self.clone();
        match self.0.kind {
            Kind::None => options,
            _ => options.filter(move || filters.make_for_server()),
        }
    }

    pub(crate) fn of_client(&self, options: ConnectOptions) -> ConnectOptions {
        let filters = self.clone();
        match self.0.kind {
            Kind::None => options,
            _ => options.filter(move || Ok(filters.make())),
        }
    }

    fn make_for_server(&self) -> Result<Framed> {
        let is_faulty = self.0.random.borrow_mut().u32(..400) < self.0.faults.get();
        match is_faulty {
            true => Err(Error::with_code(PLANTED, "a filter that cannot be made")),
            false => Ok(self.make()),
        }
    }

    fn make(&self) -> Framed {
        let form = match self.0.kind {
            Kind::Framed(form) => Some(form),
            _ => None,
        };
        let random = &mut self.0.random.borrow_mut();
        let is_faulty = random.u32(..100) < self.0.faults.get();
        let fault = is_faulty.then(|| {
            let hello = random.u8(1..3);
            let most = random.choice([0, 10, 1_000, 30_000]).unwrap();
            match random.u32(..7) {
                0 | 1 => Fault::Mute(hello),
                2 => Fault::Strange(hello),
                3 => Fault::Begin,
                4 => Fault::Decode(random.u64(..=most)),
                5 => Fault::Encode(random.u64(..=most)),
                _ => Fault::End,
            }
        });
        Framed::new(form, fault, Rc::clone(&self.0.totals))
    }

    /// From here on, no further end of a connection has a fault.
    pub(crate) fn end_faults(&self) {
        self.0.faults.set(0);
    }

    pub(crate) fn handshake_timeout(&self) -> Duration {
        self.0.handshake_timeout
    }

    /// Whether sockets have filters.
    pub(crate) fn are_there(&self) -> bool {
        !matches!(self.0.kind, Kind::None)
    }

    /// Whether a record marks the end of a side, so that a FIN alone is no end.
    pub(crate) fn mark_the_end(&self) -> bool {
        matches!(self.0.kind, Kind::Framed(_))
    }

    /// Whether a connect may fail with `error` because of filters.
    pub(crate) fn may_fail_with(&self, error: &Error) -> bool {
        let codes = [PLANTED, STRANGE, CUT, Error::FILTER];
        let is_late = || error.to_string().contains("the handshake was not complete");
        self.are_there() && (codes.contains(&error.code()) || is_late())
    }

    /// The most bytes that the peer has received and that are still queued. The queue falls in proportion to the encoded
    /// bytes, and a short record has as long a head as the others.
    pub(crate) fn most_ahead(&self) -> u64 {
        match self.mark_the_end() {
            true => HEAD as u64 + 1,
            false => 0,
        }
    }

    /// The number of calls of all filters until now.
    pub(crate) fn calls(&self) -> u64 {
        self.0.totals.calls.get()
    }

    /// The most memory that the filters of `sockets` take, in the filters and in `loops`, which have `queued` bytes to
    /// send.
    pub(crate) fn most_bytes(&self, loops: usize, sockets: usize, queued: usize) -> usize {
        let longest = match self.0.kind {
            Kind::None => return 0,
            Kind::Neutral => 0,
            Kind::Framed(form) => form.longest,
        };
        // Each loop has a second read buffer, and one for encoded bytes, which its sockets share. Each socket may have a
        // record that is not whole, twice as long for the growth of its list; and encoded bytes.
        loops * LOOP_BYTES
            + sockets * (3 * longest + (8 << 10))
            + 4 * queued
            + self.0.totals.bytes.get()
    }
}

/// The bytes that the filter of `socket` has seen: 0 without one.
pub(crate) fn seen(socket: &Socket<'_>) -> u64 {
    socket.filter::<Framed>().map_or(0, Framed::seen)
}

impl fmt::Debug for Filters {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Filters")
            .field("kind", &self.0.kind)
            .field("faults", &self.0.faults)
            .field("handshake_timeout", &self.0.handshake_timeout)
            .finish_non_exhaustive()
    }
}
