//! Handlers that log the events they are told, and then act as the test asked.

use std::net::SocketAddr;

use netloop::{
    Accepted, CloseReason, Context, Error, FailedHandshake, LoopContext, OverLimit, ServerHandler,
    ServerId, SocketHandler,
};

use super::{Seen, World};

/// A reaction, and the word of the only event that it is for, if it is not for all.
type Reaction<C> = (Option<&'static str>, C);
type SocketReaction = Box<dyn FnMut(&mut Context<'_, World>, &Seen)>;
type ServerReaction = Box<dyn FnMut(&mut LoopContext<'_, World>, &Seen)>;
type Welcome = Box<dyn FnMut(&mut LoopContext<'_, World>, &Accepted) -> Option<Recorder>>;

fn is_for(wanted: Option<&'static str>, seen: &Seen) -> bool {
    wanted.map_or_else(|| !seen.is_dialing(), |word| word == seen.word())
}

/// A handler that logs each event under its name, and then runs its reactions. Without a reaction it changes nothing;
/// in particular a timeout does not destroy the socket.
pub(crate) struct Recorder {
    name: String,
    reactions: Vec<Reaction<SocketReaction>>,
}

impl Recorder {
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            reactions: Vec::new(),
        }
    }

    /// Runs `reaction` after each event but lookups and attempts ([`Seen::is_dialing`]).
    pub(crate) fn reacting(
        mut self,
        reaction: impl FnMut(&mut Context<'_, World>, &Seen) + 'static,
    ) -> Self {
        self.reactions.push((None, Box::new(reaction)));
        self
    }

    /// Runs `reaction` after each event of `word` ([`Seen::WORDS`]).
    pub(crate) fn on(
        mut self,
        word: &'static str,
        reaction: impl FnMut(&mut Context<'_, World>, &Seen) + 'static,
    ) -> Self {
        assert!(Seen::WORDS.contains(&word), "no event is called {word}");
        self.reactions.push((Some(word), Box::new(reaction)));
        self
    }

    fn see(&mut self, cx: &mut Context<'_, World>, seen: Seen) {
        let (id, now) = (cx.socket.id(), cx.now());
        if self.reactions.is_empty() {
            return cx.shared.see_of(&self.name, id, seen, now);
        }
        cx.shared.see_of(&self.name, id, seen.clone(), now);
        for (wanted, reaction) in &mut self.reactions {
            if is_for(*wanted, &seen) {
                reaction(cx, &seen);
            }
        }
    }
}

impl SocketHandler<World> for Recorder {
    fn on_lookup(
        &mut self,
        cx: &mut Context<'_, World>,
        host: &str,
        found: Result<SocketAddr, &Error>,
    ) {
        self.see(
            cx,
            Seen::Lookup(
                host.to_owned(),
                found.map(|found| found.ip()).map_err(Error::code),
            ),
        );
    }
    fn on_connection_attempt(&mut self, cx: &mut Context<'_, World>, address: SocketAddr) {
        self.see(cx, Seen::Attempt(address));
    }
    fn on_connection_attempt_failed(
        &mut self,
        cx: &mut Context<'_, World>,
        address: SocketAddr,
        error: &Error,
    ) {
        self.see(cx, Seen::AttemptFailed(address, error.code()));
    }
    fn on_connection_attempt_slow(&mut self, cx: &mut Context<'_, World>, address: SocketAddr) {
        self.see(cx, Seen::AttemptTimeout(address));
    }
    fn on_connect(&mut self, cx: &mut Context<'_, World>) {
        if !cx.shared.unheard.remove(&cx.socket.id()) {
            self.see(cx, Seen::Connect);
        }
    }
    fn on_data(&mut self, cx: &mut Context<'_, World>, data: &[u8]) {
        self.see(cx, Seen::Data(data.to_vec()));
    }
    fn on_drain(&mut self, cx: &mut Context<'_, World>) {
        self.see(cx, Seen::Drain);
    }
    fn on_sent(&mut self, cx: &mut Context<'_, World>, token: u64, sent: Result<(), &Error>) {
        self.see(cx, Seen::Sent(token, sent.map_err(Error::code)));
    }
    fn on_end(&mut self, cx: &mut Context<'_, World>) {
        self.see(cx, Seen::End);
    }
    fn on_timeout(&mut self, cx: &mut Context<'_, World>) {
        self.see(cx, Seen::Timeout);
    }
    fn on_deadline(&mut self, cx: &mut Context<'_, World>) {
        self.see(cx, Seen::Deadline);
    }
    fn on_timer(&mut self, cx: &mut Context<'_, World>, token: u64) {
        self.see(cx, Seen::Timer(token));
    }
    fn on_error(&mut self, cx: &mut Context<'_, World>, error: &Error) {
        cx.shared.keep_error(&self.name, error);
        self.see(cx, Seen::Error(error.code()));
    }
    fn on_close(&mut self, cx: &mut Context<'_, World>, reason: CloseReason) {
        self.see(cx, Seen::Close(reason));
    }
}

/// A server that logs each event under its name, and gives each connection the handler that the test asked for.
pub(crate) struct Reception {
    name: String,
    welcome: Welcome,
    reactions: Vec<Reaction<ServerReaction>>,
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

    /// Runs `reaction` after each event.
    pub(crate) fn reacting(
        mut self,
        reaction: impl FnMut(&mut LoopContext<'_, World>, &Seen) + 'static,
    ) -> Self {
        self.reactions.push((None, Box::new(reaction)));
        self
    }

    /// Runs `reaction` after each event of `word` ([`Seen::WORDS`]).
    pub(crate) fn on(
        mut self,
        word: &'static str,
        reaction: impl FnMut(&mut LoopContext<'_, World>, &Seen) + 'static,
    ) -> Self {
        assert!(Seen::WORDS.contains(&word), "no event is called {word}");
        self.reactions.push((Some(word), Box::new(reaction)));
        self
    }

    fn see(&mut self, cx: &mut LoopContext<'_, World>, seen: &Seen) {
        let now = cx.now();
        cx.shared.see(&self.name, seen.clone(), now);
        for (wanted, reaction) in &mut self.reactions {
            if is_for(*wanted, seen) {
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
        cx.shared.newest = Some(accepted.id);
        self.see(cx, &Seen::Connection);
        let handler = (self.welcome)(cx, accepted)?;
        Some(Box::new(handler))
    }
    fn on_over_limit(&mut self, cx: &mut LoopContext<'_, World>, dropped: &OverLimit) {
        // Once for each, as in Node.
        for _ in 0..dropped.refused {
            self.see(cx, &Seen::Drop(dropped.peer_address));
        }
    }
    fn on_handshake_failed(&mut self, cx: &mut LoopContext<'_, World>, failed: &FailedHandshake) {
        cx.shared.keep_error(&self.name, &failed.error);
        self.see(cx, &Seen::Failed(failed.error.code()));
    }
    fn on_error(&mut self, cx: &mut LoopContext<'_, World>, error: &Error) {
        cx.shared.keep_error(&self.name, error);
        self.see(cx, &Seen::Error(error.code()));
    }
    fn on_close(&mut self, cx: &mut LoopContext<'_, World>) {
        self.see(cx, &Seen::ServerClose);
    }
}
