//! The handlers, which write down what they are told.

use std::net::SocketAddr;

use netloop::{
    Accepted, CloseReason, Context, Error, LoopContext, OverLimit, ServerHandler, ServerId,
    SocketHandler,
};

use super::options::Options;
use super::{World, see, snapshot, where_is};

/// Writes down the events of one socket.
pub(super) struct Watcher {
    scenario: u32,
    name: String,
    is_accepted: bool,
    /// Whether what arrives is written down; it arrives in any case.
    consumes: bool,
    /// `on_timeout` is left to the trait.
    is_forgetful: bool,
    /// Whether `on_error` has come: Node's `hadError`.
    had_error: bool,
}

impl Watcher {
    pub(super) fn new(scenario: u32, name: &str, options: &Options) -> Self {
        Self {
            scenario,
            name: name.to_owned(),
            is_accepted: false,
            consumes: !options.has("no_consumer"),
            is_forgetful: options.has("default_timeout"),
            had_error: false,
        }
    }

    fn tell(&self, cx: &mut Context<'_, World>, event: &str, detail: &str) {
        if cx.shared.scenario == self.scenario {
            see(cx, &self.name, event, detail);
        }
    }
}

impl SocketHandler<World> for Watcher {
    fn on_lookup(
        &mut self,
        cx: &mut Context<'_, World>,
        _: &str,
        found: Result<SocketAddr, &Error>,
    ) {
        let detail = match found {
            Ok(address) => format!("({})", address.ip()),
            Err(error) => format!("({})", error.code()),
        };
        self.tell(cx, "lookup", &detail);
    }
    fn on_connection_attempt(&mut self, cx: &mut Context<'_, World>, address: SocketAddr) {
        self.tell(cx, "attempt", &format!("({})", address.ip()));
    }
    fn on_connection_attempt_failed(
        &mut self,
        cx: &mut Context<'_, World>,
        address: SocketAddr,
        error: &Error,
    ) {
        let detail = format!("({} {})", address.ip(), error.code());
        self.tell(cx, "attemptFailed", &detail);
    }
    fn on_connection_attempt_slow(&mut self, cx: &mut Context<'_, World>, address: SocketAddr) {
        self.tell(cx, "attemptTimeout", &format!("({})", address.ip()));
    }
    fn on_connect(&mut self, cx: &mut Context<'_, World>) {
        // Node has no such event for what a server accepts.
        if !self.is_accepted {
            let detail = snapshot(&cx.socket);
            self.tell(cx, "connect", &detail);
        }
    }
    fn on_data(&mut self, cx: &mut Context<'_, World>, data: &[u8]) {
        if self.consumes {
            let detail = format!(" {} [{}]", data.len(), cx.socket.state());
            self.tell(cx, "data", &detail);
        }
    }
    fn on_drain(&mut self, cx: &mut Context<'_, World>) {
        let detail = format!(" [{}]", cx.socket.state());
        self.tell(cx, "drain", &detail);
    }
    fn on_sent(&mut self, cx: &mut Context<'_, World>, token: u64, sent: Result<(), &Error>) {
        let outcome = sent.map_or_else(Error::code, |()| "ok");
        self.tell(cx, "sent", &format!("({token} {outcome})"));
    }
    fn on_end(&mut self, cx: &mut Context<'_, World>) {
        let detail = snapshot(&cx.socket);
        self.tell(cx, "end", &detail);
    }
    fn on_timeout(&mut self, cx: &mut Context<'_, World>) {
        let detail = format!(" [{}]", cx.socket.state());
        self.tell(cx, "timeout", &detail);
        if self.is_forgetful {
            Forgetful.on_timeout(cx);
        }
    }
    fn on_error(&mut self, cx: &mut Context<'_, World>, error: &Error) {
        self.had_error = true;
        self.tell(cx, "error", &format!("({})", code_of(error)));
    }
    fn on_close(&mut self, cx: &mut Context<'_, World>, _: CloseReason) {
        let detail = format!("({}){}", self.had_error, snapshot(&cx.socket));
        self.tell(cx, "close", &detail);
    }
}

/// A handler that leaves everything to the trait.
struct Forgetful;

impl SocketHandler<World> for Forgetful {
    fn on_data(&mut self, _: &mut Context<'_, World>, _: &[u8]) {}
}

/// Writes down the events of one server.
pub(super) struct Reception {
    scenario: u32,
    name: String,
    count: u32,
    options: Options,
}

impl Reception {
    pub(super) fn new(scenario: u32, name: &str, options: Options) -> Self {
        Self {
            scenario,
            name: name.to_owned(),
            count: 0,
            options,
        }
    }

    fn tell(&self, cx: &mut LoopContext<'_, World>, event: &str, detail: &str) {
        if cx.shared.scenario == self.scenario {
            see(cx, &self.name, event, detail);
        }
    }
}

impl ServerHandler<World> for Reception {
    fn on_listening(&mut self, cx: &mut LoopContext<'_, World>, server: ServerId) {
        let detail = format!("({})", where_is(&cx.sockets.server(server)));
        self.tell(cx, "listening", &detail);
    }
    fn on_connection(
        &mut self,
        cx: &mut LoopContext<'_, World>,
        accepted: &Accepted,
    ) -> Option<Box<dyn SocketHandler<World>>> {
        if cx.shared.scenario != self.scenario {
            return None;
        }
        self.count += 1;
        let name = format!("{}{}", self.name, self.count);
        let watcher = Watcher {
            is_accepted: true,
            ..Watcher::new(self.scenario, &name, &self.options)
        };
        cx.shared.sockets.insert(name.clone(), accepted.id);
        self.tell(cx, "connection", &format!("({name})"));
        Some(Box::new(watcher))
    }
    fn on_over_limit(&mut self, cx: &mut LoopContext<'_, World>, dropped: &OverLimit) {
        for _ in 0..dropped.refused {
            self.tell(cx, "drop", "");
        }
    }
    fn on_error(&mut self, cx: &mut LoopContext<'_, World>, error: &Error) {
        self.tell(cx, "error", &format!("({})", code_of(error)));
    }
    fn on_close(&mut self, cx: &mut LoopContext<'_, World>) {
        self.tell(cx, "close", "");
    }
}

/// Its code, and of how many attempts it tells.
fn code_of(error: &Error) -> String {
    match error.attempts().len() {
        0 => error.code().to_owned(),
        count => format!("{} of {count}", error.code()),
    }
}
