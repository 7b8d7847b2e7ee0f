//! Handlers that write down what the loop tells them, and do what a test asks of them at that moment.

use std::net::{IpAddr, SocketAddr};

use netloop::{
    Accepted, CloseReason, Context, Dropped, Error, LoopContext, ServerHandler, ServerId,
    SocketHandler,
};

use super::{Seen, World};

type Reaction = Box<dyn FnMut(&mut Context<'_, World>, &Seen)>;

/// A handler that notes each event under its name, and then reacts as it was told to. Without a reaction it changes
/// nothing; in particular a timeout does not destroy the socket.
pub(crate) struct Recorder {
    name: String,
    reactions: Vec<(&'static str, Reaction)>,
}

impl Recorder {
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            reactions: Vec::new(),
        }
    }

    /// What to do at each event that is called `word` ([`Seen::WORDS`]), after it was noted.
    pub(crate) fn on(
        mut self,
        word: &'static str,
        reaction: impl FnMut(&mut Context<'_, World>, &Seen) + 'static,
    ) -> Self {
        assert!(Seen::WORDS.contains(&word), "no event is called {word}");
        self.reactions.push((word, Box::new(reaction)));
        self
    }

    fn see(&mut self, cx: &mut Context<'_, World>, seen: &Seen) {
        let (id, now) = (cx.socket.id(), cx.now());
        cx.shared.see_of(&self.name, id, seen, now);
        for (word, reaction) in &mut self.reactions {
            if *word == seen.word() {
                reaction(cx, seen);
            }
        }
    }
}

impl SocketHandler<World> for Recorder {
    fn on_lookup(
        &mut self,
        cx: &mut Context<'_, World>,
        host: &str,
        found: Result<IpAddr, &Error>,
    ) {
        self.see(
            cx,
            &Seen::Lookup(host.to_owned(), found.map_err(Error::code)),
        );
    }
    fn on_connection_attempt(&mut self, cx: &mut Context<'_, World>, address: SocketAddr) {
        self.see(cx, &Seen::Attempt(address));
    }
    fn on_connection_attempt_failed(
        &mut self,
        cx: &mut Context<'_, World>,
        address: SocketAddr,
        error: &Error,
    ) {
        self.see(cx, &Seen::AttemptFailed(address, error.code()));
    }
    fn on_connection_attempt_timeout(&mut self, cx: &mut Context<'_, World>, address: SocketAddr) {
        self.see(cx, &Seen::AttemptTimeout(address));
    }
    fn on_connect(&mut self, cx: &mut Context<'_, World>) {
        self.see(cx, &Seen::Connect);
    }
    fn on_data(&mut self, cx: &mut Context<'_, World>, data: &[u8]) {
        self.see(cx, &Seen::Data(data.to_vec()));
    }
    fn on_drain(&mut self, cx: &mut Context<'_, World>) {
        self.see(cx, &Seen::Drain);
    }
    fn on_sent(&mut self, cx: &mut Context<'_, World>, token: u64, sent: Result<(), &Error>) {
        self.see(cx, &Seen::Sent(token, sent.map_err(Error::code)));
    }
    fn on_end(&mut self, cx: &mut Context<'_, World>) {
        self.see(cx, &Seen::End);
    }
    fn on_timeout(&mut self, cx: &mut Context<'_, World>) {
        self.see(cx, &Seen::Timeout);
    }
    fn on_error(&mut self, cx: &mut Context<'_, World>, error: &Error) {
        cx.shared.keep_error(&self.name, error);
        self.see(cx, &Seen::Error(error.code()));
    }
    fn on_close(&mut self, cx: &mut Context<'_, World>, reason: CloseReason) {
        self.see(cx, &Seen::Close(reason));
    }
}

type Welcome = Box<dyn FnMut(&mut LoopContext<'_, World>, &Accepted) -> Option<Recorder>>;
type ServerReaction = Box<dyn FnMut(&mut LoopContext<'_, World>, &Seen)>;

/// A server that notes each event under its name, and welcomes connections as it was told to.
pub(crate) struct Reception {
    name: String,
    welcome: Welcome,
    reactions: Vec<(&'static str, ServerReaction)>,
}

impl Reception {
    /// A server called `name`, in which `make` makes the handler of each connection, given its number from 0 on.
    pub(crate) fn new(
        name: impl Into<String>,
        mut make: impl FnMut(usize) -> Recorder + 'static,
    ) -> Self {
        let mut count = 0;
        Self::welcoming(name, move |_, _| {
            count += 1;
            Some(make(count - 1))
        })
    }

    /// A server in which `welcome` answers with the handler of each connection, or refuses it.
    pub(crate) fn welcoming(
        name: impl Into<String>,
        welcome: impl FnMut(&mut LoopContext<'_, World>, &Accepted) -> Option<Recorder> + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            welcome: Box::new(welcome),
            reactions: Vec::new(),
        }
    }

    /// What to do at each event that is called `word` ([`Seen::WORDS`]), after it was noted.
    pub(crate) fn on(
        mut self,
        word: &'static str,
        reaction: impl FnMut(&mut LoopContext<'_, World>, &Seen) + 'static,
    ) -> Self {
        assert!(Seen::WORDS.contains(&word), "no event is called {word}");
        self.reactions.push((word, Box::new(reaction)));
        self
    }

    fn see(&mut self, cx: &mut LoopContext<'_, World>, seen: &Seen) {
        let now = cx.now();
        cx.shared.see(&self.name, seen, now);
        for (word, reaction) in &mut self.reactions {
            if *word == seen.word() {
                reaction(cx, seen);
            }
        }
    }
}

impl ServerHandler<World> for Reception {
    fn on_listening(&mut self, cx: &mut LoopContext<'_, World>, _: ServerId) {
        self.see(cx, &Seen::Listening);
    }
    fn on_connection(
        &mut self,
        cx: &mut LoopContext<'_, World>,
        accepted: &Accepted,
    ) -> Option<Box<dyn SocketHandler<World>>> {
        self.see(cx, &Seen::Connection);
        let handler = (self.welcome)(cx, accepted)?;
        Some(Box::new(handler))
    }
    fn on_drop(&mut self, cx: &mut LoopContext<'_, World>, dropped: &Dropped) {
        self.see(cx, &Seen::Drop(dropped.peer_address));
    }
    fn on_error(&mut self, cx: &mut LoopContext<'_, World>, error: &Error) {
        cx.shared.keep_error(&self.name, error);
        self.see(cx, &Seen::Error(error.code()));
    }
    fn on_close(&mut self, cx: &mut LoopContext<'_, World>) {
        self.see(cx, &Seen::ServerClose);
    }
}
