//! What handlers were told, written down.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use netloop::{CloseReason, Error, SocketId};

use super::life::Life;

/// One event, as a handler was told it.
#[derive(Clone, Debug)]
pub(crate) enum Seen {
    /// The name, and an address of it or the code of the error.
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
    /// A server's last.
    ServerClose,
}

impl Seen {
    /// The words by which reactions are chosen, and that traces consist of.
    pub(crate) const WORDS: [&'static str; 16] = [
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
        "error",
        "close",
        "listening",
        "connection",
        "drop",
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
            Self::Error(_) => "error",
            Self::Close(_) => "close",
            Self::Listening => "listening",
            Self::Connection => "connection",
            Self::Drop(_) => "drop",
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
            Self::Lookup(_, Ok(address)) => write!(formatter, ":{address}"),
            Self::Lookup(_, Err(code)) | Self::Error(code) => write!(formatter, ":{code}"),
            Self::Attempt(address) | Self::AttemptTimeout(address) => {
                write!(formatter, ":{}", address.ip())
            }
            Self::AttemptFailed(address, code) => write!(formatter, ":{}:{code}", address.ip()),
            Self::Data(bytes) if bytes.len() > 32 => write!(formatter, ":{}", bytes.len()),
            Self::Data(bytes) => write!(formatter, ":{}", bytes.escape_ascii()),
            Self::Sent(token, Ok(())) => write!(formatter, ":{token}"),
            Self::Sent(token, Err(code)) => write!(formatter, ":{token}:{code}"),
            Self::Close(reason) => write!(formatter, ":{reason:?}"),
            _ => Ok(()),
        }
    }
}

/// The state that is shared with all handlers.
#[derive(Debug, Default)]
pub(crate) struct World {
    /// Every event of every handler, with the handler's name and its time.
    pub(crate) log: Vec<(String, Seen, Option<Instant>)>,
    /// The socket behind each name.
    pub(crate) ids: HashMap<String, SocketId>,
    /// Anything that a test's reactions want to note.
    pub(crate) notes: Vec<String>,
    errors: HashMap<String, Error>,
    lives: HashMap<SocketId, Life>,
}

impl World {
    pub(super) fn see(&mut self, name: &str, seen: &Seen, at: Instant) {
        self.log.push((name.to_owned(), seen.clone(), Some(at)));
    }

    pub(super) fn see_of(&mut self, name: &str, id: SocketId, seen: &Seen, at: Instant) {
        self.ids.insert(name.to_owned(), id);
        self.lives.entry(id).or_default().see(seen);
        self.see(name, seen, at);
    }

    pub(super) fn keep_error(&mut self, name: &str, error: &Error) {
        self.errors.insert(name.to_owned(), error.clone());
    }

    fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Seen> + 'a {
        let log = self.log.iter();
        log.filter(move |(who, ..)| who == name)
            .map(|(_, seen, _)| seen)
    }

    /// What `name` was told, in order, in words; adjacent data is one. Lookups and attempts, which every connect has,
    /// are not in it: [`dialing`](Self::dialing) has them.
    pub(crate) fn trace(&self, name: &str) -> String {
        let mut merged: Vec<Seen> = Vec::new();
        for seen in self.of(name).filter(|seen| !seen.is_dialing()) {
            match (merged.last_mut(), seen) {
                (Some(Seen::Data(before)), Seen::Data(more)) => before.extend_from_slice(more),
                _ => merged.push(seen.clone()),
            }
        }
        words(merged.iter())
    }

    /// How `name` found its connection, up to and including what came of it.
    pub(crate) fn dialing(&self, name: &str) -> String {
        words(self.of(name).filter(|seen| {
            seen.is_dialing() || matches!(seen, Seen::Connect | Seen::Error(_) | Seen::Close(_))
        }))
    }

    /// How many times `name` was told this: a word of [`Seen::WORDS`].
    pub(crate) fn count(&self, name: &str, word: &str) -> usize {
        assert!(Seen::WORDS.contains(&word), "no event is called {word}");
        self.of(name).filter(|seen| seen.word() == word).count()
    }

    /// Whether `name` was told this: a word of [`Seen::WORDS`].
    pub(crate) fn has(&self, name: &str, word: &str) -> bool {
        self.count(name, word) > 0
    }

    /// When `name` was told this first.
    pub(crate) fn time_of(&self, name: &str, word: &str) -> Instant {
        let mut log = self.log.iter();
        log.find(|(who, seen, _)| who == name && seen.word() == word)
            .and_then(|(_, _, at)| *at)
            .unwrap_or_else(|| panic!("{name} was not told {word}"))
    }

    /// All bytes that `name` was given.
    pub(crate) fn received(&self, name: &str) -> Vec<u8> {
        let mut received = Vec::new();
        for seen in self.of(name) {
            if let Seen::Data(bytes) = seen {
                received.extend_from_slice(bytes);
            }
        }
        received
    }

    /// How many bytes `name` was given.
    pub(crate) fn received_length(&self, name: &str) -> usize {
        self.of(name)
            .map(|seen| match seen {
                Seen::Data(bytes) => bytes.len(),
                _ => 0,
            })
            .sum()
    }

    /// Why `name` closed, if it has.
    pub(crate) fn close_reason(&self, name: &str) -> Option<CloseReason> {
        self.of(name).find_map(|seen| match seen {
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

    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }
}

fn words<'a>(seen: impl Iterator<Item = &'a Seen>) -> String {
    seen.map(Seen::to_string).collect::<Vec<_>>().join(" ")
}
