//! The script of a run: the network, the filters, the bytes that the raw peer sends, and the calls.

use std::time::Duration;

use arbitrary::{Result, Unstructured};
use netloop::simulation::{Flavour, Options as Network};
use netloop::{Socket, SocketOptions};

use super::super::text::text;
use super::code::{Code, Kind};
use super::coder::{Flaw, Options};
use super::ends::State;

const MOST_ACTIONS: usize = 300;
const LONGEST_STREAM: usize = 16 << 10;
const LONGEST_FLOOD: usize = 1 << 20;

/// The fixed part of a run.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) network: Network,
    /// Whether the network has no delay and no fault, so that a second is enough for everything.
    pub(crate) is_calm: bool,
    pub(crate) is_server: bool,
    pub(crate) start: Start,
    /// The filters, the first next to the wire.
    pub(crate) stack: Vec<Options>,
    pub(crate) socket: SocketOptions,
    pub(crate) read_buffer: usize,
    /// The bytes that the raw peer sends.
    pub(crate) stream: Vec<u8>,
    pub(crate) actions: Vec<Action>,
    pub(crate) reactions: Vec<Action>,
}

/// The moment at which the filters start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    AtOnce,
    /// In `on_connect`, behind this many bytes that the handler writes before.
    MidStream(usize),
}

/// A call of a script.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Action {
    /// The raw peer sends the next bytes of its stream.
    Send(usize),
    RawEnd,
    RawReset,
    RawPause,
    RawResume,
    Write(usize),
    End,
    DestroySoon,
    Destroy,
    Pause,
    Resume,
    Cork,
    Uncork,
    Nothing,
}

impl Plan {
    pub(crate) fn draw(input: &mut Unstructured<'_>) -> Result<Self> {
        let seed = input.arbitrary()?;
        let is_calm = input.ratio(2, 3)?;
        let mut network = match is_calm {
            true => Network::new().flavour(*input.choose(&Flavour::ALL)?),
            false => Network::from_seed(input.arbitrary()?),
        };
        if is_calm {
            network.capacity = *input.choose(&[1, 100, 4 << 10, 64 << 10, 256 << 10])?;
        }
        let start = match input.ratio(1, 5)? {
            true => Start::MidStream(input.int_in_range(0..=400)?),
            false => Start::AtOnce,
        };
        let mut stack = vec![options(input)?];
        if start == Start::AtOnce && input.ratio(1, 2)? {
            stack.push(options(input)?);
            if stack.iter().all(|it| it.code.kind == Kind::Runs) {
                // Together they would make gigabytes of a few bytes.
                stack[0].code.kind = Kind::Mask;
            }
        }
        let mut longest = (16 * network.capacity + 64).min(LONGEST_STREAM);
        if stack.iter().any(|it| it.code.kind == Kind::Runs) {
            longest = longest.min(2 << 10);
        }
        let socket = socket_options(input)?;
        let read_buffer = *input.choose(&[1 << 10, 4 << 10, 128 << 10])?;
        let is_server = input.arbitrary()?;
        let stream = stream(&stack, longest, input)?;
        let mut actions = Vec::new();
        let mut reactions = Vec::new();
        while !input.is_empty() && actions.len() < MOST_ACTIONS {
            let action = Action::draw(input, longest, stream.len())?;
            match action.is_of_raw() || input.ratio(1, 2)? {
                true => actions.push(action),
                false => reactions.push(action),
            }
        }
        Ok(Self {
            seed,
            network,
            is_calm,
            is_server,
            start,
            stack,
            socket,
            read_buffer,
            stream,
            actions,
            reactions,
        })
    }

    /// The host that has the filters.
    pub(crate) fn filtered(&self) -> usize {
        usize::from(self.is_server)
    }
}

fn options(input: &mut Unstructured<'_>) -> Result<Options> {
    let code = Code::draw(input)?;
    let at_a_time = *input.choose(&[1, 100, 16 << 10, usize::MAX, usize::MAX])?;
    let flaw = match input.ratio(1, 12)? {
        true => {
            let flaw = *input.choose(&[Flaw::Fail, Flaw::TakeNone, Flaw::TakeTooMany])?;
            Some((input.int_in_range(0..=3000)?, flaw))
        }
        false => None,
    };
    Ok(Options {
        code,
        at_a_time,
        flaw,
    })
}

/// Encodes a text, and damages the result.
fn stream(stack: &[Options], longest: usize, input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let is_flood = longest == LONGEST_STREAM && input.ratio(1, 4)?;
    if let (true, Kind::Frames, [bottom]) = (is_flood, stack[0].code.kind, stack) {
        // Nothing but pings, which are more than the kernels hold.
        let mut wire = bottom.code.greeting().to_vec();
        while wire.len() < LONGEST_FLOOD {
            super::code::frame(super::code::PING, &text(0, 3000), &mut wire);
        }
        return Ok(wire);
    }
    let length = input.int_in_range(0..=longest / 4)?;
    let mut bytes = text(0, length);
    for options in stack.iter().rev() {
        bytes = options.code.encode(&bytes, input)?;
    }
    for _ in 0..input.int_in_range(0..=3_u8)? {
        if bytes.is_empty() {
            break;
        }
        let at = input.choose_index(bytes.len())?;
        let end = at + input.int_in_range(0..=200)?.min(bytes.len() - at);
        match input.int_in_range(0..=9_u8)? {
            0..=2 => bytes[at] = input.arbitrary()?,
            3 => bytes[at] ^= 1 << input.int_in_range(0..=7_u8)?,
            4 => drop(bytes.drain(at..end)),
            5 => {
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            6 => bytes.truncate(at),
            7 => {
                let junk = input.int_in_range(0..=50)?.min(input.len());
                bytes.extend_from_slice(input.bytes(junk)?);
            }
            _ => {}
        }
    }
    bytes.truncate(longest);
    Ok(bytes)
}

fn socket_options(input: &mut Unstructured<'_>) -> Result<SocketOptions> {
    let mut options = SocketOptions::new()
        .high_water_mark(*input.choose(&[0, 100, 4 << 10, 64 << 10])?)
        .allow_half_open(input.arbitrary()?)
        .pause_on_connect(input.ratio(1, 8)?);
    if input.ratio(1, 8)? {
        options = options.idle_timeout(Duration::from_secs(3_600_000));
    }
    Ok(options)
}

impl Action {
    /// The calls with which both sides come to their end.
    pub(crate) const LAST: [Self; 5] = [
        Self::RawResume,
        Self::RawEnd,
        Self::Uncork,
        Self::Resume,
        Self::End,
    ];

    fn draw(input: &mut Unstructured<'_>, longest: usize, stream: usize) -> Result<Self> {
        Ok(match input.int_in_range(0..=47_u8)? {
            0..=15 => {
                let most = *input.choose(&[1, 3, 40, 1500, stream])?;
                Self::Send(input.int_in_range(0..=most)?)
            }
            16 => match input.int_in_range(0..=3_u8)? {
                0 => Self::RawEnd,
                1 => Self::RawReset,
                _ => Self::Nothing,
            },
            17..=18 => Self::RawPause,
            19..=22 => Self::RawResume,
            23..=32 => {
                let most = *input.choose(&[1, 64, 1500, 17 << 10, 4 * longest])?;
                Self::Write(input.int_in_range(0..=most.min(4 * longest))?)
            }
            33 => match input.int_in_range(0..=5_u8)? {
                0 => Self::Destroy,
                1 => Self::DestroySoon,
                2..=3 => Self::End,
                _ => Self::Nothing,
            },
            34..=36 => Self::Pause,
            37..=41 => Self::Resume,
            42 => Self::Cork,
            43..=45 => Self::Uncork,
            _ => Self::Nothing,
        })
    }

    pub(crate) fn is_of_raw(self) -> bool {
        matches!(
            self,
            Self::Send(_) | Self::RawEnd | Self::RawReset | Self::RawPause | Self::RawResume
        )
    }

    /// Makes the call on `socket`, which is that of its side.
    pub(crate) fn apply(self, socket: &mut Socket<'_>, state: &mut State) {
        let is_alive = !socket.is_destroyed();
        match self {
            Self::Send(length) => {
                let raw = &mut state.raw;
                let rest = &state.plan.stream[raw.sent..];
                let part = &rest[..rest.len().min(length)];
                if socket.write(part).is_accepted() {
                    raw.sent += part.len();
                }
            }
            Self::RawEnd => {
                socket.end();
                state.raw.has_ended |= is_alive;
            }
            Self::RawReset => state.raw.was_cut |= is_alive && socket.reset().is_ok(),
            Self::RawPause => {
                socket.pause();
                state.raw.is_paused |= is_alive;
            }
            Self::RawResume => {
                socket.resume();
                state.raw.is_paused = false;
            }
            Self::Write(length) => {
                let filtered = &mut state.filtered;
                let flow = socket.write(&text(filtered.written, length));
                filtered.offered = filtered.offered.max(filtered.written + length as u64);
                if flow.is_accepted() {
                    filtered.written += length as u64;
                }
            }
            Self::End => {
                socket.end();
                state.filtered.has_ended |= is_alive;
            }
            Self::DestroySoon => {
                socket.destroy_soon();
                state.filtered.has_ended |= is_alive;
                state.filtered.was_cut |= is_alive;
            }
            Self::Destroy => {
                socket.destroy();
                state.filtered.was_cut |= is_alive;
            }
            Self::Pause => socket.pause(),
            Self::Resume => socket.resume(),
            Self::Cork => {
                socket.cork();
                state.filtered.is_corked = true;
            }
            Self::Uncork => {
                socket.uncork();
                state.filtered.is_corked = false;
            }
            Self::Nothing => {}
        }
    }
}
