//! The log of the events that handlers were told.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use netloop::{CloseReason, Error, SocketId};

use super::host_name;
use super::life::Life;

/// One event, as a handler was told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// A lookup: the name, and an address of it or the code of the error.
    Lookup(String, Result<IpAddr, &'static str>),
    Attempt(SocketAddr),
    AttemptFailed(SocketAddr, &'static str),
    AttemptTimeout(SocketAddr),
    Connect,
    Data(Vec<u8>),
    Drain,
    /// The token, and the code of the error if it was not sent.
    Sent(u64, Result<(), &'static str>),
    End,
    Timeout,
    /// The deadline of the program.
    Deadline,
    /// A timer of the socket, with its token.
    Timer(u64),
    /// Of a socket or a server. The error itself is in [`World::error`].
    Error(&'static str),
    /// Of a socket.
    Close(CloseReason),
    /// A server's: it listens.
    Listening,
    /// A server's: a connection came.
    Connection,
    /// A server's: a connection from there was dropped.
    Drop(Option<SocketAddr>),
    /// A server's: a handshake has failed, with the code of its error.
    Failed(&'static str),
    /// A server's last.
    ServerClose,
}

impl Seen {
    /// The words by which reactions are chosen, and that traces consist of.
    pub(crate) const WORDS: [&'static str; 19] = [
        "lookup",
        "attempt",
        "attempt-failed",
        "attempt-timeout",
        "connect",
        "data",
        "drain",
        "sent",
        "end",
        "timeout",
        "deadline",
        "timer",
        "error",
        "close",
        "listening",
        "connection",
        "drop",
        "failed",
        "server-close",
    ];

    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Lookup(..) => "lookup",
            Self::Attempt(_) => "attempt",
            Self::AttemptFailed(..) => "attempt-failed",
            Self::AttemptTimeout(_) => "attempt-timeout",
            Self::Connect => "connect",
            Self::Data(_) => "data",
            Self::Drain => "drain",
            Self::Sent(..) => "sent",
            Self::End => "end",
            Self::Timeout => "timeout",
            Self::Deadline => "deadline",
            Self::Timer(_) => "timer",
            Self::Error(_) => "error",
            Self::Close(_) => "close",
            Self::Listening => "listening",
            Self::Connection => "connection",
            Self::Drop(_) => "drop",
            Self::Failed(_) => "failed",
            Self::ServerClose => "server-close",
        }
    }

    /// Whether it tells how a socket looks for its connection.
    pub(crate) fn is_dialing(&self) -> bool {
        matches!(
            self,
            Self::Lookup(..) | Self::Attempt(_) | Self::AttemptFailed(..) | Self::AttemptTimeout(_)
        )
    }
}

impl fmt::Display for Seen {
    /// One word an event: the ports, which the system chooses, are left out, and long data is told by its length.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.word())?;
        match self {
            Self::Lookup(_, Ok(address)) => write!(formatter, ":{}", host_name(*address)),
            Self::Lookup(_, Err(code)) | Self::Error(code) | Self::Failed(code) => {
                write!(formatter, ":{code}")
            }
            Self::Attempt(address) | Self::AttemptTimeout(address) => {
                write!(formatter, ":{}", host_name(address.ip()))
            }
            Self::AttemptFailed(address, code) => {
                write!(formatter, ":{}:{code}", host_name(address.ip()))
            }
            Self::Data(bytes) if bytes.len() > 32 => write!(formatter, ":{}", bytes.len()),
            Self::Data(bytes) => write!(formatter, ":{}", bytes.escape_ascii()),
            Self::Sent(token, Ok(())) | Self::Timer(token) => write!(formatter, ":{token}"),
            Self::Sent(token, Err(code)) => write!(formatter, ":{token}:{code}"),
            Self::Close(reason) => write!(formatter, ":{reason:?}"),
            _ => Ok(()),
        }
    }
}

/// One entry of the log.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// The name of the handler that was told it.
    pub(crate) name: String,
    pub(crate) seen: Seen,
    /// The loop's time.
    pub(crate) at: Instant,
}

/// The state that is shared with all handlers.
#[derive(Debug, Default)]
pub(crate) struct World {
    /// Every event of every handler, in order.
    pub(crate) log: Vec<Event>,
    /// The socket behind each name.
    pub(crate) ids: HashMap<String, SocketId>,
    /// The socket that a server accepted last.
    pub(crate) newest: Option<SocketId>,
    /// The events that each socket was told, to check that the next one may follow.
    pub(crate) lives: HashMap<SocketId, Life>,
    /// The sockets whose next `on_connect` is not noted, because a plain socket has none.
    pub(crate) unheard: HashSet<SocketId>,
    /// Notes of a test's reactions.
    pub(crate) notes: Vec<String>,
    errors: HashMap<String, Error>,
}

impl World {
    pub(super) fn see(&mut self, name: &str, seen: Seen, at: Instant) {
        let name = name.to_owned();
        self.log.push(Event { name, seen, at });
    }

    pub(super) fn see_of(&mut self, name: &str, id: SocketId, seen: Seen, at: Instant) {
        self.ids.insert(name.to_owned(), id);
        self.lives.entry(id).or_default().see(&seen);
        self.see(name, seen, at);
    }

    pub(super) fn keep_error(&mut self, name: &str, error: &Error) {
        self.errors.insert(name.to_owned(), error.clone());
    }

    /// The events of `name`, in order.
    pub(crate) fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Event> + 'a {
        self.log.iter().filter(move |event| event.name == name)
    }

    fn seen_by<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Seen> + 'a {
        self.of(name).map(|event| &event.seen)
    }

    /// Returns the events of `name` in order, in words; adjacent data is one: `connect data:hello end close:Graceful`.
    /// Lookups and attempts, which every connect has, are left to [`dialing`](Self::dialing).
    pub(crate) fn trace(&self, name: &str) -> String {
        let mut merged: Vec<Seen> = Vec::new();
        for seen in self.seen_by(name).filter(|seen| !seen.is_dialing()) {
            match (merged.last_mut(), seen) {
                (Some(Seen::Data(before)), Seen::Data(more)) => before.extend_from_slice(more),
                _ => merged.push(seen.clone()),
            }
        }
        words(merged.iter())
    }

    /// Returns the lookups and attempts of `name`, up to and including their result.
    pub(crate) fn dialing(&self, name: &str) -> String {
        words(self.seen_by(name).filter(|seen| {
            seen.is_dialing() || matches!(seen, Seen::Connect | Seen::Error(_) | Seen::Close(_))
        }))
    }

    /// Counts the events of `word` ([`Seen::WORDS`]) that `name` was told.
    pub(crate) fn count(&self, name: &str, word: &str) -> usize {
        assert!(Seen::WORDS.contains(&word), "no event is called {word}");
        self.seen_by(name)
            .filter(|seen| seen.word() == word)
            .count()
    }

    /// Whether `name` was told an event of `word` ([`Seen::WORDS`]).
    pub(crate) fn has(&self, name: &str, word: &str) -> bool {
        self.count(name, word) > 0
    }

    /// Whether `name` was told exactly this event.
    pub(crate) fn has_seen(&self, name: &str, wanted: &Seen) -> bool {
        self.seen_by(name).any(|seen| seen == wanted)
    }

    /// The time of the first event of `word` that `name` was told.
    pub(crate) fn time_of(&self, name: &str, word: &str) -> Instant {
        self.of(name)
            .find(|event| event.seen.word() == word)
            .unwrap_or_else(|| panic!("{name} was not told {word}"))
            .at
    }

    /// All bytes that `name` was given.
    pub(crate) fn received(&self, name: &str) -> Vec<u8> {
        let mut received = Vec::new();
        for seen in self.seen_by(name) {
            if let Seen::Data(bytes) = seen {
                received.extend_from_slice(bytes);
            }
        }
        received
    }

    /// The number of bytes that `name` was given.
    pub(crate) fn received_length(&self, name: &str) -> usize {
        self.seen_by(name)
            .map(|seen| match seen {
                Seen::Data(bytes) => bytes.len(),
                _ => 0,
            })
            .sum()
    }

    /// The reason that `name` was told when it closed, if it has.
    pub(crate) fn close_reason(&self, name: &str) -> Option<CloseReason> {
        self.seen_by(name).find_map(|seen| match seen {
            Seen::Close(reason) => Some(*reason),
            _ => None,
        })
    }

    /// The last error that `name` was told.
    pub(crate) fn error(&self, name: &str) -> &Error {
        self.errors
            .get(name)
            .unwrap_or_else(|| panic!("{name} was told no error"))
    }

    /// The socket of `name`, which has had an event already.
    pub(crate) fn id(&self, name: &str) -> SocketId {
        *self
            .ids
            .get(name)
            .unwrap_or_else(|| panic!("nothing has happened to {name} yet"))
    }

    /// Whether every socket that was told anything was told its end too.
    pub(crate) fn all_are_closed(&self) -> bool {
        self.lives.values().all(Life::is_closed)
    }

    /// The end of the log, short enough for one screen.
    pub(crate) fn brief(&self) -> String {
        const MOST: usize = 20;
        let left_out = self.log.len().saturating_sub(MOST);
        let last: Vec<String> = self.log[left_out..]
            .iter()
            .map(|event| format!("{} {}", event.name, event.seen))
            .collect();
        format!("the last events, after {left_out} others: {last:?}")
    }

    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }
}

fn words<'a>(seen: impl Iterator<Item = &'a Seen>) -> String {
    seen.map(Seen::to_string).collect::<Vec<_>>().join(" ")
}
