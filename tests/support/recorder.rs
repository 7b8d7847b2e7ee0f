//! Handlers that write down what the loop tells them, and do what a test asks of them at that moment.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;

use netloop::{
    Accepted, CloseReason, Context, Dropped, Endpoint, Error, LoopContext, ServerHandler, ServerId,
    SocketHandler, SocketId, Syscall,
};

use super::life::Life;

/// One event, as a handler was told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Connect,
    Data(Vec<u8>),
    Drain,
    /// What was written before the token is with the kernel, or the code of what it failed with.
    Sent(u64, Option<&'static str>),
    End,
    Timeout,
    /// The error's code and its text.
    Error(&'static str, String),
    Close(CloseReason),
    /// A server's first.
    Listening,
    /// A server's: a connection came.
    Connection,
    /// A server's: a connection was dropped.
    Drop,
    /// A server's last.
    ServerClose,
}

impl fmt::Display for Seen {
    /// One word an event; long data by its length.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect => write!(formatter, "connect"),
            Self::Data(bytes) if bytes.len() > 32 => write!(formatter, "data:{}", bytes.len()),
            Self::Data(bytes) => write!(formatter, "data:{}", bytes.escape_ascii()),
            Self::Drain => write!(formatter, "drain"),
            Self::Sent(token, None) => write!(formatter, "sent:{token}"),
            Self::Sent(token, Some(code)) => write!(formatter, "unsent:{token}:{code}"),
            Self::End => write!(formatter, "end"),
            Self::Timeout => write!(formatter, "timeout"),
            Self::Error(code, _) => write!(formatter, "error:{code}"),
            Self::Close(reason) => write!(formatter, "close:{reason:?}"),
            Self::Listening => write!(formatter, "listening"),
            Self::Connection => write!(formatter, "connection"),
            Self::Drop => write!(formatter, "drop"),
            Self::ServerClose => write!(formatter, "server-close"),
        }
    }
}

/// What an error that a socket was told carries (B4).
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) syscall: Option<Syscall>,
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) local: Option<SocketAddr>,
}

/// The state that is shared with all handlers: what each of them has seen, in order.
#[derive(Debug, Default)]
pub(crate) struct World {
    /// Every event of every handler, with the handler's name.
    pub(crate) log: Vec<(String, Seen)>,
    /// The socket behind each name.
    pub(crate) ids: HashMap<String, SocketId>,
    /// What else the error of each name carries.
    pub(crate) failures: HashMap<String, Failure>,
    /// The socket that a server of [`Scene::listen`](super::Scene::listen) accepted last.
    pub(crate) newest: Option<SocketId>,
    /// What each socket was told, to check that it may be told the next thing.
    pub(crate) lives: HashMap<SocketId, Life>,
    /// Anything that a test's reactions want to note.
    pub(crate) notes: Vec<String>,
}

impl World {
    /// What `name` has seen, in order, as words; adjacent data is one: `connect data:hello end close:Graceful`.
    pub(crate) fn trace(&self, name: &str) -> String {
        let mut merged: Vec<Seen> = Vec::new();
        for (who, seen) in &self.log {
            if who != name {
                continue;
            }
            match (merged.last_mut(), seen) {
                (Some(Seen::Data(before)), Seen::Data(more)) => before.extend_from_slice(more),
                _ => merged.push(seen.clone()),
            }
        }
        let words: Vec<String> = merged.iter().map(Seen::to_string).collect();
        words.join(" ")
    }

    /// All bytes that `name` was given.
    pub(crate) fn received(&self, name: &str) -> Vec<u8> {
        let mut received = Vec::new();
        for (who, seen) in &self.log {
            if let (true, Seen::Data(bytes)) = (who == name, seen) {
                received.extend_from_slice(bytes);
            }
        }
        received
    }

    /// How many bytes `name` was given.
    pub(crate) fn received_length(&self, name: &str) -> usize {
        let lengths = self.log.iter().map(|(who, seen)| match seen {
            Seen::Data(bytes) if who == name => bytes.len(),
            _ => 0,
        });
        lengths.sum()
    }

    /// How many times `name` has seen what `is_it` recognises.
    pub(crate) fn count(&self, name: &str, is_it: impl Fn(&Seen) -> bool) -> usize {
        let hits = self.log.iter();
        hits.filter(|(who, seen)| who == name && is_it(seen))
            .count()
    }

    /// Whether `name` has seen exactly this.
    pub(crate) fn has_seen(&self, name: &str, what: &Seen) -> bool {
        self.count(name, |seen| seen == what) > 0
    }

    /// Why `name` closed, if it has.
    pub(crate) fn close_reason(&self, name: &str) -> Option<CloseReason> {
        self.log.iter().find_map(|(who, seen)| match seen {
            Seen::Close(reason) if who == name => Some(*reason),
            _ => None,
        })
    }

    /// The code and the text of the error of `name`, if it had one.
    pub(crate) fn error(&self, name: &str) -> Option<(&'static str, &str)> {
        self.log.iter().find_map(|(who, seen)| match seen {
            Seen::Error(code, text) if who == name => Some((*code, text.as_str())),
            _ => None,
        })
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

    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }
}

type Reaction = Box<dyn FnMut(&mut Context<'_, World>, &Seen)>;

/// A handler that notes each event under its name, and then reacts as it was told to. Without a reaction it changes
/// nothing; in particular a timeout does not destroy the socket.
pub(crate) struct Recorder {
    name: String,
    reaction: Option<Reaction>,
}

impl Recorder {
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            reaction: None,
        }
    }

    /// What to do at each event, after it was noted.
    pub(crate) fn reacting(
        mut self,
        reaction: impl FnMut(&mut Context<'_, World>, &Seen) + 'static,
    ) -> Self {
        self.reaction = Some(Box::new(reaction));
        self
    }

    fn see(&mut self, cx: &mut Context<'_, World>, seen: Seen) {
        let id = cx.socket.id();
        cx.shared.ids.insert(self.name.clone(), id);
        cx.shared.lives.entry(id).or_default().see(&seen);
        if let Some(reaction) = &mut self.reaction {
            cx.shared.log.push((self.name.clone(), seen.clone()));
            reaction(cx, &seen);
        } else {
            cx.shared.log.push((self.name.clone(), seen));
        }
    }
}

impl SocketHandler<World> for Recorder {
    fn on_connect(&mut self, cx: &mut Context<'_, World>) {
        self.see(cx, Seen::Connect);
    }
    fn on_data(&mut self, cx: &mut Context<'_, World>, data: &[u8]) {
        self.see(cx, Seen::Data(data.to_vec()));
    }
    fn on_drain(&mut self, cx: &mut Context<'_, World>) {
        self.see(cx, Seen::Drain);
    }
    fn on_sent(&mut self, cx: &mut Context<'_, World>, token: u64, sent: Result<(), &Error>) {
        let code = sent.err().map(Error::code);
        self.see(cx, Seen::Sent(token, code));
    }
    fn on_end(&mut self, cx: &mut Context<'_, World>) {
        self.see(cx, Seen::End);
    }
    fn on_timeout(&mut self, cx: &mut Context<'_, World>) {
        self.see(cx, Seen::Timeout);
    }
    fn on_error(&mut self, cx: &mut Context<'_, World>, error: &Error) {
        let failure = Failure {
            syscall: error.syscall(),
            endpoint: error.endpoint().cloned(),
            local: error.local(),
        };
        cx.shared.failures.insert(self.name.clone(), failure);
        self.see(cx, Seen::Error(error.code(), error.to_string()));
    }
    fn on_close(&mut self, cx: &mut Context<'_, World>, reason: CloseReason) {
        self.see(cx, Seen::Close(reason));
    }
}

type Welcome = Box<dyn FnMut(&mut LoopContext<'_, World>, &Accepted) -> Option<Recorder>>;
type ServerReaction = Box<dyn FnMut(&mut LoopContext<'_, World>, &Seen)>;

/// A server that notes each event under its name, and welcomes connections as it was told to.
pub(crate) struct Reception {
    name: String,
    welcome: Welcome,
    reaction: Option<ServerReaction>,
}

impl Reception {
    /// `welcome` answers with the handler of each connection, or refuses it.
    pub(crate) fn new(
        name: impl Into<String>,
        welcome: impl FnMut(&mut LoopContext<'_, World>, &Accepted) -> Option<Recorder> + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            welcome: Box::new(welcome),
            reaction: None,
        }
    }

    /// What to do at each event, after it was noted.
    pub(crate) fn reacting(
        mut self,
        reaction: impl FnMut(&mut LoopContext<'_, World>, &Seen) + 'static,
    ) -> Self {
        self.reaction = Some(Box::new(reaction));
        self
    }

    fn see(&mut self, cx: &mut LoopContext<'_, World>, seen: Seen) {
        cx.shared.log.push((self.name.clone(), seen.clone()));
        if let Some(reaction) = &mut self.reaction {
            reaction(cx, &seen);
        }
    }
}

impl ServerHandler<World> for Reception {
    fn on_listening(&mut self, cx: &mut LoopContext<'_, World>, _: ServerId) {
        self.see(cx, Seen::Listening);
    }
    fn on_connection(
        &mut self,
        cx: &mut LoopContext<'_, World>,
        accepted: &Accepted,
    ) -> Option<Box<dyn SocketHandler<World>>> {
        self.see(cx, Seen::Connection);
        let handler = (self.welcome)(cx, accepted)?;
        Some(Box::new(handler))
    }
    fn on_drop(&mut self, cx: &mut LoopContext<'_, World>, _: &Dropped) {
        self.see(cx, Seen::Drop);
    }
    fn on_error(&mut self, cx: &mut LoopContext<'_, World>, error: &Error) {
        self.see(cx, Seen::Error(error.code(), error.to_string()));
    }
    fn on_close(&mut self, cx: &mut LoopContext<'_, World>) {
        self.see(cx, Seen::ServerClose);
    }
}
