//! The calls of a script on a socket.

use std::sync::LazyLock;
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use netloop::{Error, KeepAlive, Socket};

use super::MOST_SIDES;
use super::records::{PERIOD, Phase, Side, stream};

/// A call of a script.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Action {
    Write(Way, usize),
    EndWith(usize),
    End,
    DestroySoon,
    Destroy,
    DestroyWith,
    Reset,
    Pause,
    Resume,
    Cork,
    Uncork,
    Notify,
    IdleTimeout(Option<u64>),
    After(u64, u64),
    Cancel(u64),
    Hold,
    Release,
    NoDelay(bool),
    KeepAlive,
    Nothing,
}

/// A way in which bytes are given to a socket.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    Borrowed,
    Owned,
    Shared,
    Static,
    Formatted,
}

/// The bytes of static writes, for each side: two periods of its stream.
static STREAMS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let streams =
        (0..MOST_SIDES).map(|side| (0..2 * PERIOD as u64).map(move |place| stream(side, place)));
    streams.map(Iterator::collect).collect()
});

impl Action {
    /// The calls with which every side comes to its end.
    pub(crate) const LAST: [Self; 4] = [
        Self::Uncork,
        Self::Resume,
        Self::IdleTimeout(None),
        Self::End,
    ];

    pub(crate) fn draw(input: &mut Unstructured<'_>, longest_write: usize) -> Result<Self> {
        Ok(match input.int_in_range(0..=47_u8)? {
            0..=17 => {
                let ways = [
                    Way::Borrowed,
                    Way::Borrowed,
                    Way::Owned,
                    Way::Shared,
                    Way::Static,
                    Way::Formatted,
                ];
                let longest = *input.choose(&[1, 64, 1500, 17 << 10, longest_write])?;
                Self::Write(*input.choose(&ways)?, input.int_in_range(0..=longest)?)
            }
            18 => Self::EndWith(input.int_in_range(0..=longest_write)?),
            19 => Self::End,
            20 => match input.int_in_range(0..=6_u8)? {
                0 => Self::Destroy,
                1 => Self::DestroyWith,
                2 => Self::Reset,
                3 => Self::DestroySoon,
                _ => Self::Nothing,
            },
            21..=23 => Self::Pause,
            24..=28 => Self::Resume,
            29..=30 => Self::Cork,
            31..=33 => Self::Uncork,
            34..=36 => Self::Notify,
            37 => Self::IdleTimeout(Some(input.int_in_range(0..=5_000)?)),
            38 => Self::IdleTimeout(None),
            39..=40 => Self::After(input.int_in_range(0..=3_000)?, input.int_in_range(0..=3)?),
            41 => Self::Cancel(input.int_in_range(0..=3)?),
            42 => Self::Hold,
            43 => Self::Release,
            44 => Self::NoDelay(input.arbitrary()?),
            45 => Self::KeepAlive,
            _ => Self::Nothing,
        })
    }

    /// Makes the call on `socket`, and notes it in the records of its side.
    pub(crate) fn apply(self, socket: &mut Socket<'_>, side: &mut Side) {
        let is_alive = !socket.is_destroyed();
        match self {
            Self::Write(way, length) => write(way, length, socket, side),
            Self::EndWith(length) => {
                let bytes = side.next_bytes(length);
                let flow = socket.end_with(&bytes);
                side.wrote(bytes.len(), flow);
                side.has_ended |= is_alive;
            }
            Self::End => {
                socket.end();
                side.has_ended |= is_alive;
            }
            Self::DestroySoon => {
                socket.destroy_soon();
                side.has_ended |= is_alive;
            }
            Self::Destroy => {
                socket.destroy();
                side.was_cut |= is_alive;
            }
            Self::DestroyWith => {
                socket.destroy_with(Error::other("the script says so"));
                side.was_cut |= is_alive;
            }
            Self::Reset => {
                let done = socket.reset();
                side.was_cut |= is_alive && done.is_ok();
            }
            Self::Pause => socket.pause(),
            Self::Resume => socket.resume(),
            Self::Cork => socket.cork(),
            Self::Uncork => socket.uncork(),
            Self::Notify if is_alive && side.phase <= Phase::Ended && !side.was_cut => {
                let token = side.ask();
                socket.notify_when_sent(token);
            }
            Self::Notify | Self::Nothing => {}
            Self::IdleTimeout(timeout) => {
                socket.set_idle_timeout(timeout.map(Duration::from_millis))
            }
            Self::After(milliseconds, token) => {
                socket.after(Duration::from_millis(milliseconds), token);
                if is_alive {
                    side.timers.insert(token);
                }
            }
            Self::Cancel(token) => {
                let was_armed = side.timers.remove(&token);
                assert_eq!(socket.cancel(token), was_armed && is_alive, "{side:?}");
            }
            Self::Hold => socket.hold(),
            Self::Release => socket.release(),
            // The kernel may refuse them, which changes nothing.
            Self::NoDelay(on) => drop(socket.set_no_delay(on)),
            Self::KeepAlive => drop(socket.set_keep_alive(KeepAlive::new())),
        }
    }
}

fn write(way: Way, length: usize, socket: &mut Socket<'_>, side: &mut Side) {
    let bytes = side.next_bytes(length);
    let flow = match way {
        Way::Borrowed => socket.write(&bytes),
        Way::Owned => socket.write_owned(bytes),
        Way::Shared => socket.write_shared(bytes.into()),
        Way::Static => {
            let (number, start) = side.place();
            let length = length.min(PERIOD);
            let flow = socket.write_static(&STREAMS[number][start..start + length]);
            return side.wrote(length, flow);
        }
        Way::Formatted => {
            // Text has to be ASCII, which a part of the stream may not be.
            let length = bytes.iter().take_while(|byte| byte.is_ascii()).count();
            let text = std::str::from_utf8(&bytes[..length]).expect("ASCII is UTF-8");
            let flow = socket.write_fmt(format_args!("{text}"));
            return side.wrote(length, flow);
        }
    };
    side.wrote(length, flow);
}
