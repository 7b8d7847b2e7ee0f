//! The kinds of attack, and one hostile peer of each.

use std::net::Ipv4Addr;
use std::time::Duration;

use netloop::{CloseReason, Context, Error, SocketHandler, SocketOptions};

use super::session::{ECHO, GOODBYE, REQUEST, RESPONSE, STREAM, SUBSCRIBE, WAIT};

pub(super) const BLOCKED: Ipv4Addr = Ipv4Addr::new(127, 121, 0, 66);

/// The token of the timer that every kind has.
const TICK: u64 = 1;

/// A kind of attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Says nothing.
    Silent,
    /// Sends a stream, a byte at a time and far below the least rate.
    Slowloris,
    /// Sends a request fast enough, and without end.
    Endless,
    /// Is answered once, and says nothing more.
    Idler,
    /// Wants a large response, and reads none of it.
    NeverReader,
    /// Subscribes to messages, and reads none of them.
    Subscriber,
    /// Sends a byte now and then behind the end of the server.
    Trickler,
    /// Ends its side, and waits.
    HalfOpen,
    /// Comes through the side door, and reads nothing.
    Staller,
    /// Sends single bytes, many of them.
    Chatterer,
    /// Sends a single byte now and then: one of thousands that take all connections.
    Writer,
    /// Resets its connection with bytes under way.
    Resetter,
    /// One of thousands that connect at once.
    Flooder,
    /// One of many of one address.
    Neighbour,
    /// Comes from a blocked address.
    Blocked,
}

impl Kind {
    pub(super) const ALL: [Self; 15] = [
        Self::Silent,
        Self::Slowloris,
        Self::Endless,
        Self::Idler,
        Self::NeverReader,
        Self::Subscriber,
        Self::Trickler,
        Self::HalfOpen,
        Self::Staller,
        Self::Chatterer,
        Self::Writer,
        Self::Resetter,
        Self::Flooder,
        Self::Neighbour,
        Self::Blocked,
    ];

    /// Returns the number of peers that attack at a time.
    pub(super) fn crowd(self) -> usize {
        match self {
            Self::Silent | Self::Idler => 100,
            Self::NeverReader => 60,
            Self::Slowloris | Self::Trickler | Self::HalfOpen => 50,
            Self::Endless => 30,
            Self::Chatterer => 20,
            Self::Staller => 25,
            // A mebibyte each, and the responses for those that never read: the limits of the loop allow 256 MiB.
            Self::Subscriber => 300,
            Self::Writer => 9_600,
            Self::Resetter => 100,
            Self::Flooder => 2_500,
            Self::Neighbour => 150,
            Self::Blocked => 10,
        }
    }

    /// Returns the time between two waves; `None` for a kind that keeps its number all the time.
    pub(super) fn wave(self) -> Option<Duration> {
        match self {
            Self::NeverReader | Self::Subscriber | Self::Staller => Some(Duration::from_secs(8)),
            Self::Flooder | Self::Neighbour | Self::Blocked => Some(Duration::from_secs(4)),
            Self::Resetter => Some(Duration::from_millis(500)),
            _ => None,
        }
    }

    /// Returns the address that the `number`th peer of this kind comes from. None but the neighbours are more than 100
    /// behind one address.
    pub(super) fn source(self, number: usize) -> Ipv4Addr {
        let addresses = self.crowd().div_ceil(80);
        let last = u8::try_from(number % addresses).unwrap_or(0);
        match self {
            Self::Neighbour => Ipv4Addr::new(127, 120, 0, 1),
            Self::Blocked => BLOCKED,
            _ => Ipv4Addr::new(127, 122 + self as u8, 0, last),
        }
    }

    /// Returns the bytes that the peer begins with.
    pub(super) fn greeting(self) -> &'static [u8] {
        match self {
            Self::Silent => b"",
            Self::Slowloris => &[STREAM],
            Self::Endless => &[REQUEST],
            Self::NeverReader | Self::Staller => &[RESPONSE],
            Self::Subscriber => &[SUBSCRIBE],
            Self::Trickler => &[GOODBYE],
            Self::HalfOpen => &[WAIT],
            _ => &[ECHO, b'x'],
        }
    }

    /// Returns the time between two ticks of a peer, and the bytes that it sends at each.
    fn tick(self, random: &mut fastrand::Rng) -> Option<(Duration, &'static [u8])> {
        let (milliseconds, bytes): (u64, &[u8]) = match self {
            Self::Slowloris => (100, b"x"),
            Self::Endless => (100, &[b'x'; 100]),
            Self::Trickler => (50, b"x"),
            Self::Chatterer => (5, b"x"),
            Self::Writer => (random.u64(1_000..3_000), b"x"),
            _ => return None,
        };
        Some((Duration::from_millis(milliseconds), bytes))
    }

    /// Returns the connects of this kind in a second.
    pub(super) fn rate(self) -> usize {
        match self {
            // With the other kinds, the rate at which the server accepts.
            Self::Writer => 700,
            Self::Subscriber => 2 * self.crowd(),
            _ => self.crowd().max(100),
        }
    }

    pub(super) fn never_reads(self) -> bool {
        matches!(self, Self::NeverReader | Self::Subscriber | Self::Staller)
    }

    pub(super) fn options(self) -> SocketOptions {
        SocketOptions::new()
            .allow_half_open(true)
            .pause_on_connect(self.never_reads())
            // A reset is noticed at once.
            .unread_timeout(Duration::ZERO)
            .close_timeout(None)
    }
}

/// The history of one kind of attack.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Record {
    pub(super) opened: u64,
    pub(super) unconnected: u64,
    pub(super) alive: usize,
}

/// The state that all hostile peers share.
#[derive(Debug)]
pub(super) struct World {
    pub(super) attacks: bool,
    pub(super) random: fastrand::Rng,
    pub(super) records: [Record; Kind::ALL.len()],
}

/// One hostile peer.
#[derive(Debug)]
pub(super) struct Attack {
    kind: Kind,
    is_connected: bool,
}

impl Attack {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            is_connected: false,
        }
    }

    fn arm(&self, cx: &mut Context<'_, World>) {
        if let Some((after, _)) = self.kind.tick(&mut cx.shared.random) {
            cx.socket.after(after, TICK);
        }
    }
}

impl SocketHandler<World> for Attack {
    fn on_connect(&mut self, cx: &mut Context<'_, World>) {
        self.is_connected = true;
        cx.socket.write(self.kind.greeting()).ignore();
        match self.kind {
            Kind::HalfOpen => cx.socket.end(),
            Kind::Resetter => cx.socket.after(Duration::from_millis(20), TICK),
            Kind::Flooder | Kind::Blocked => {
                cx.socket.after(Duration::from_millis(300), TICK);
            }
            Kind::Neighbour => cx.socket.after(Duration::from_millis(1_500), TICK),
            _ => self.arm(cx),
        }
    }

    fn on_data(&mut self, _: &mut Context<'_, World>, _: &[u8]) {}

    fn on_timer(&mut self, cx: &mut Context<'_, World>, _: u64) {
        match self.kind.tick(&mut cx.shared.random) {
            // Without an attack, it says nothing more.
            Some((_, bytes)) if cx.shared.attacks => {
                cx.socket.write(bytes).ignore();
                self.arm(cx);
            }
            Some(_) => {}
            None => {
                // It fails if the server was faster.
                let _ = cx.socket.reset();
            }
        }
    }

    fn on_end(&mut self, cx: &mut Context<'_, World>) {
        if self.kind != Kind::Trickler {
            cx.socket.end();
        }
    }

    fn on_error(&mut self, _: &mut Context<'_, World>, _: &Error) {}

    fn on_close(&mut self, cx: &mut Context<'_, World>, _: CloseReason) {
        let record = &mut cx.shared.records[self.kind as usize];
        record.alive -= 1;
        record.unconnected += u64::from(!self.is_connected);
    }
}

pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
