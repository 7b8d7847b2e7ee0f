//! The table of commands. The commonest stand first, because a name is looked up from the top.

use super::{Call, Outcome, clients, connection, info, keys, pubsub, server, strings};

/// A command, as COMMAND describes it.
pub(super) struct Command {
    /// In small letters.
    pub(super) name: &'static str,
    /// The number of arguments with the name; below zero, the least number.
    pub(super) arity: i8,
    pub(super) flags: &'static [&'static str],
    /// The numbers of the first and the last argument that is a key, and the step from one to the next.
    pub(super) keys: (i8, i8, i8),
    pub(super) run: fn(&mut Call<'_, '_>) -> Outcome,
}

const NO_KEY: (i8, i8, i8) = (0, 0, 0);
const ONE_KEY: (i8, i8, i8) = (1, 1, 1);
const ALL_KEYS: (i8, i8, i8) = (1, -1, 1);

const READ: &[&str] = &["readonly", "fast"];
const WRITE: &[&str] = &["write", "denyoom", "fast"];
const CONNECTION: &[&str] = &["noscript", "loading", "stale", "fast"];
const SERVER: &[&str] = &["loading", "stale"];
const PUBSUB: &[&str] = &["pubsub", "noscript", "loading", "stale"];

/// Each row: the name, the number of arguments, the flags, the keys, the function.
#[rustfmt::skip]
static COMMANDS: [Command; 32] = [
    row("get", 2, READ, ONE_KEY, strings::get),
    row("set", -3, WRITE, ONE_KEY, strings::set),
    row("ping", -1, &["fast"], NO_KEY, connection::ping),
    row("incr", 2, WRITE, ONE_KEY, strings::incr),
    row("mset", -3, WRITE, (1, -1, 2), strings::mset),
    row("mget", -2, READ, ALL_KEYS, strings::mget),
    row("del", -2, &["write"], ALL_KEYS, keys::del),
    row("exists", -2, READ, ALL_KEYS, keys::exists),
    row("expire", -3, &["write", "fast"], ONE_KEY, keys::expire),
    row("ttl", 2, READ, ONE_KEY, keys::ttl),
    row("publish", 3, PUBSUB, NO_KEY, pubsub::publish),
    row("decr", 2, WRITE, ONE_KEY, strings::decr),
    row("incrby", 3, WRITE, ONE_KEY, strings::incrby),
    row("decrby", 3, WRITE, ONE_KEY, strings::decrby),
    row("pexpire", -3, &["write", "fast"], ONE_KEY, keys::pexpire),
    row("pttl", 2, READ, ONE_KEY, keys::pttl),
    row("persist", 2, &["write", "fast"], ONE_KEY, keys::persist),
    row("keys", 2, &["readonly"], NO_KEY, keys::keys),
    row("dbsize", 1, READ, NO_KEY, keys::dbsize),
    row("flushall", -1, &["write"], NO_KEY, keys::flushall),
    row("echo", 2, &["fast"], NO_KEY, connection::echo),
    row("subscribe", -2, PUBSUB, NO_KEY, pubsub::subscribe),
    row("unsubscribe", -1, PUBSUB, NO_KEY, pubsub::unsubscribe),
    row("psubscribe", -2, PUBSUB, NO_KEY, pubsub::psubscribe),
    row("punsubscribe", -1, PUBSUB, NO_KEY, pubsub::punsubscribe),
    row("select", 2, CONNECTION, NO_KEY, connection::select),
    row("hello", -1, CONNECTION, NO_KEY, connection::hello),
    row("client", -2, CONNECTION, NO_KEY, clients::client),
    row("quit", -1, CONNECTION, NO_KEY, connection::quit),
    row("info", -1, SERVER, NO_KEY, info::info),
    row("config", -2, SERVER, NO_KEY, server::config),
    row("command", -1, SERVER, NO_KEY, server::command),
];

const fn row(
    name: &'static str,
    arity: i8,
    flags: &'static [&'static str],
    keys: (i8, i8, i8),
    run: fn(&mut Call<'_, '_>) -> Outcome,
) -> Command {
    Command {
        name,
        arity,
        flags,
        keys,
        run,
    }
}

impl Command {
    pub(super) fn all() -> &'static [Self] {
        &COMMANDS
    }

    #[inline]
    pub(super) fn find(name: &[u8]) -> Option<&'static Self> {
        COMMANDS
            .iter()
            .find(|command| command.name.as_bytes().eq_ignore_ascii_case(name))
    }

    /// Whether the command takes so many arguments, its name included.
    #[inline]
    pub(super) fn takes(&self, arguments: usize) -> bool {
        let arity = usize::from(self.arity.unsigned_abs());
        match self.arity < 0 {
            true => arguments >= arity,
            false => arguments == arity,
        }
    }

    /// Whether a client that only listens to channels may use the command.
    pub(super) fn is_for_listeners(&self) -> bool {
        let is_publish = self.name == "publish";
        (self.flags == PUBSUB && !is_publish) || ["ping", "quit"].contains(&self.name)
    }
}
