//! Scripts: the actions on the sockets of both worlds.

use netloop::Socket;

use super::IDLE;
use super::recorder::Name;

/// The actions that may meet each other in a script; see the [module above](super).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Several actions in a step, with small writes.
    Crowded,
    /// Writes that fill all buffers, one action in a step. No socket answers and none corks: it would show how much of
    /// an answer, or of the gathered bytes, the buffers took.
    Full,
    /// Idle timeouts, one action in a step, and no socket that answers: at each rest they have all been told.
    Timed,
}

/// One thing that is done.
#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    Connect {
        half_open: bool,
    },
    ConnectNowhere,
    Write(Name, usize),
    /// More than any kernel takes.
    Fill(Name),
    /// More than the limit of the queue.
    Overflow(Name),
    EndWith(Name, usize),
    Mark(Name, u64),
    Simple(Name, Act),
}

/// An action that needs nothing but the socket.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    Pause,
    Resume,
    Cork,
    Uncork,
    Timeout,
    NoTimeout,
    End,
    DestroySoon,
    Destroy,
    DestroyWith,
    Reset,
}

impl Act {
    pub(super) fn act(self, socket: &mut Socket<'_>) {
        match self {
            Self::Pause => socket.pause(),
            Self::Resume => socket.resume(),
            Self::Cork => socket.cork(),
            Self::Uncork => socket.uncork(),
            Self::Timeout => socket.set_idle_timeout(IDLE),
            Self::NoTimeout => socket.set_idle_timeout(None),
            Self::End => socket.end(),
            Self::DestroySoon => socket.destroy_soon(),
            Self::Destroy => socket.destroy(),
            Self::DestroyWith => socket.destroy_with(std::io::Error::other("enough")),
            // It is refused where there is nothing to reset.
            Self::Reset => drop(socket.reset()),
        }
    }
}

/// A list of steps, after each of which everything comes to rest.
#[derive(Debug)]
pub(super) struct Script {
    #[expect(dead_code, reason = "for whoever reads a failure")]
    kind: Kind,
    pub(super) server_is_half_open: bool,
    /// Whether what was accepted sends back what it gets.
    pub(super) echoes: bool,
    pub(super) steps: Vec<Vec<Action>>,
}

impl Script {
    pub(super) fn new(random: &mut fastrand::Rng) -> Self {
        let kind = match random.u32(..32) {
            0 => Kind::Full,
            1..4 => Kind::Timed,
            _ => Kind::Crowded,
        };
        let mut connections = 0;
        let mut token = 0;
        let steps = (0..random.usize(5..40)).map(|_| {
            let actions = match kind {
                Kind::Crowded => random.usize(1..5),
                Kind::Full | Kind::Timed => 1,
            };
            (0..actions)
                .map(|_| {
                    token += 1;
                    action(random, kind, &mut connections, token)
                })
                .collect()
        });
        let steps = steps.collect();
        Self {
            kind,
            server_is_half_open: random.bool(),
            echoes: kind == Kind::Crowded && random.u32(..4) == 0,
            steps,
        }
    }
}

fn action(random: &mut fastrand::Rng, kind: Kind, connections: &mut usize, token: u64) -> Action {
    if *connections == 0 || random.u32(..8) == 0 {
        *connections += 1;
        if random.u32(..12) == 0 {
            return Action::ConnectNowhere;
        }
        return Action::Connect {
            half_open: random.bool(),
        };
    }
    // Rather one of the last ones, since most of the others are closed.
    let number = *connections - 1 - random.usize(..*connections).min(random.usize(..3));
    let name = (number, random.bool());
    let act = match random.u32(..27) {
        0..7 => return Action::Write(name, random.usize(1..3_000)),
        7 => return Action::Write(name, 1),
        8 => return Action::Mark(name, token),
        9..13 => return special(random, kind, name),
        13..15 => Act::Pause,
        15..18 => Act::Resume,
        18 if kind != Kind::Full => Act::Cork,
        18 | 19 => Act::Uncork,
        20 => Act::End,
        21 => return Action::EndWith(name, random.usize(1..3_000)),
        22 | 23 => Act::DestroySoon,
        24 => Act::Destroy,
        25 => Act::DestroyWith,
        _ => Act::Reset,
    };
    Action::Simple(name, act)
}

/// An action that only scripts of the kind have.
fn special(random: &mut fastrand::Rng, kind: Kind, name: Name) -> Action {
    match (kind, random.u32(..6)) {
        (Kind::Crowded, _) => Action::Write(name, random.usize(1..200)),
        (Kind::Full, 0) => Action::Overflow(name),
        (Kind::Full, _) => Action::Fill(name),
        (Kind::Timed, 0) => Action::Simple(name, Act::NoTimeout),
        (Kind::Timed, _) => Action::Simple(name, Act::Timeout),
    }
}
