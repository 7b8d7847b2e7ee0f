//! The script of a run: the network, the configuration, the calls of both sides, and the harm to the peer's records.

use std::collections::VecDeque;

use arbitrary::{Result, Unstructured};
use netloop::simulation::{Flavour, Options as Network};
use netloop::{Socket, SocketOptions};

use super::super::text::text;
use super::records::Harm;
use super::sides::State;

const MOST_ACTIONS: usize = 200;
const LONGEST_WRITE: usize = 64 << 10;

/// The fixed part of a run.
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) network: Network,
    /// Whether the network has no delay and no fault, so that a second is enough for everything.
    pub(crate) is_calm: bool,
    /// Whether the side with the filter is the server.
    pub(crate) is_server: bool,
    /// Whether TLS starts in mid-stream.
    pub(crate) starts_late: bool,
    pub(crate) is_of_version_1_2: bool,
    pub(crate) asks_for_certificate: bool,
    pub(crate) socket: SocketOptions,
    pub(crate) read_buffer: usize,
    /// Whether the peer falls silent at the end, before it ends.
    pub(crate) falls_silent: bool,
    pub(crate) actions: VecDeque<Action>,
    pub(crate) reactions: VecDeque<Action>,
    pub(crate) harms: VecDeque<Harm>,
}

/// A call of a script.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Action {
    /// The peer sends the next bytes of its records.
    Send(usize),
    PeerWrite(usize),
    /// The peer takes other keys.
    KeyUpdate,
    CloseNotify,
    Fin,
    PeerReset,
    PeerPause,
    PeerResume,
    Write(usize),
    End,
    Destroy,
    Pause,
    Resume,
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
        // At one byte a turn, a handshake alone takes thousands of turns.
        network.capacity = *input.choose(&[50, 700, 4 << 10, 64 << 10, 256 << 10])?;
        let longest = LONGEST_WRITE.min(32 * network.capacity);
        let socket = SocketOptions::new()
            .high_water_mark(*input.choose(&[0, 4 << 10, 64 << 10])?)
            .allow_half_open(input.arbitrary()?)
            .pause_on_connect(input.ratio(1, 8)?);
        let mut plan = Self {
            seed,
            network,
            is_calm,
            is_server: input.arbitrary()?,
            starts_late: input.ratio(1, 6)?,
            is_of_version_1_2: input.ratio(1, 3)?,
            asks_for_certificate: input.ratio(1, 6)?,
            socket,
            read_buffer: *input.choose(&[1 << 10, 16 << 10, 128 << 10])?,
            falls_silent: input.ratio(1, 4)?,
            actions: VecDeque::new(),
            reactions: VecDeque::new(),
            harms: VecDeque::new(),
        };
        if input.ratio(3, 4)? {
            let before = input.int_in_range(0..=12)?;
            plan.harms.resize(before, Harm::None);
            for _ in 0..input.int_in_range(1..=3_u8)? {
                plan.harms.push_back(Harm::draw(input)?);
            }
        }
        while !input.is_empty() && plan.actions.len() < MOST_ACTIONS {
            let action = Action::draw(input, longest)?;
            match action.is_of_peer() || input.ratio(1, 2)? {
                true => plan.actions.push_back(action),
                false => plan.reactions.push_back(action),
            }
        }
        Ok(plan)
    }

    /// The host that has the filter.
    pub(crate) fn filtered(&self) -> usize {
        usize::from(self.is_server)
    }
}

impl Action {
    /// The calls with which the peer ends, and those with which the filtered side does.
    pub(crate) const LAST: [Self; 6] = [
        Self::PeerResume,
        Self::Send(usize::MAX),
        Self::CloseNotify,
        Self::Fin,
        Self::Resume,
        Self::End,
    ];

    fn draw(input: &mut Unstructured<'_>, longest: usize) -> Result<Self> {
        Ok(match input.int_in_range(0..=39_u8)? {
            0..=3 => {
                let most = *input.choose(&[1, 7, 300, 20_000])?;
                Self::Send(input.int_in_range(0..=most)?)
            }
            4..=13 => Self::Send(usize::MAX),
            14..=19 => {
                let most = *input.choose(&[1, 100, 5000, longest])?;
                Self::PeerWrite(input.int_in_range(0..=most.min(longest))?)
            }
            20 => Self::KeyUpdate,
            21 => match input.int_in_range(0..=5_u8)? {
                0 => Self::PeerReset,
                1 => Self::Fin,
                2..=3 => Self::CloseNotify,
                _ => Self::Nothing,
            },
            22 => Self::PeerPause,
            23..=24 => Self::PeerResume,
            25..=31 => {
                let most = *input.choose(&[1, 100, 5000, longest])?;
                Self::Write(input.int_in_range(0..=most.min(longest))?)
            }
            32 => match input.int_in_range(0..=5_u8)? {
                0 => Self::Destroy,
                1..=2 => Self::End,
                _ => Self::Nothing,
            },
            33..=34 => Self::Pause,
            35..=37 => Self::Resume,
            _ => Self::Nothing,
        })
    }

    pub(crate) fn is_of_peer(self) -> bool {
        matches!(
            self,
            Self::Send(_)
                | Self::PeerWrite(_)
                | Self::KeyUpdate
                | Self::CloseNotify
                | Self::Fin
                | Self::PeerReset
                | Self::PeerPause
                | Self::PeerResume
        )
    }

    /// Makes the call on `socket`, which is that of its side.
    pub(crate) fn apply(self, socket: &mut Socket<'_>, state: &mut State) {
        let is_alive = !socket.is_destroyed();
        let filtered = &mut state.filtered;
        match self {
            Self::Send(length) => state.peer.send(length, socket),
            Self::PeerWrite(length) => state.peer.write(length),
            Self::KeyUpdate => state.peer.update_keys(),
            Self::CloseNotify => state.peer.close(),
            Self::Fin => {
                socket.end();
                state.peer.has_ended |= is_alive;
            }
            Self::PeerReset => state.peer.was_cut |= is_alive && socket.reset().is_ok(),
            Self::PeerPause => {
                socket.pause();
                state.peer.is_paused |= is_alive;
            }
            Self::PeerResume => {
                socket.resume();
                state.peer.is_paused = false;
            }
            Self::Write(length) => {
                let flow = socket.write(&text(filtered.written, length));
                filtered.offered = filtered.offered.max(filtered.written + length as u64);
                if flow.is_accepted() {
                    filtered.written += length as u64;
                }
            }
            Self::End => {
                socket.end();
                filtered.has_ended |= is_alive;
            }
            Self::Destroy => {
                socket.destroy();
                filtered.was_cut |= is_alive;
            }
            Self::Pause => socket.pause(),
            Self::Resume => socket.resume(),
            Self::Nothing => {}
        }
    }
}
