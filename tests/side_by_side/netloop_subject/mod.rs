//! netloop's side of the comparison: does what the lines say with `netloop`, and writes every event as a line. It knows
//! no scenario; `scenarios.js` is the same interpreter over Node's `net`, and README.md has the words.

mod handlers;
mod options;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use netloop::{
    ConnectOptions, Context, Endpoint, Error, Flow, KeepAlive, ListenOptions, LoopContext, Server,
    ServerId, Socket, SocketId,
};

use handlers::{Reception, Watcher};
use options::{Options, milliseconds, number};

/// The sockets and servers of the scenario, by name, and the actions that it asked for.
pub(crate) struct World {
    told: Sender<String>,
    /// Where to listen and connect, if a scenario does not say.
    local: IpAddr,
    /// Which scenario it is, so that late events of an earlier one are mute.
    scenario: u32,
    sockets: HashMap<String, SocketId>,
    servers: HashMap<String, ServerId>,
    rules: HashMap<String, Vec<Rule>>,
    counts: HashMap<String, u32>,
    letters: HashMap<String, u8>,
}

struct Rule {
    /// At which occurrence of the event; `None`: at every one.
    only: Option<u32>,
    actions: String,
}

impl World {
    pub(crate) fn new(told: Sender<String>, local: IpAddr) -> Self {
        Self {
            told,
            local,
            scenario: 0,
            sockets: HashMap::new(),
            servers: HashMap::new(),
            rules: HashMap::new(),
            counts: HashMap::new(),
            letters: HashMap::new(),
        }
    }

    fn say(&self, line: &str) {
        // If the receiver is gone the comparison is over.
        let _ = self.told.send(line.to_owned());
    }

    /// Bytes that tell which write of the socket they come from.
    fn payload(&mut self, name: &str, length: &str) -> Vec<u8> {
        let count = self.letters.entry(name.to_owned()).or_default();
        let letter = b'a' + *count % 26;
        *count += 1;
        vec![letter; number(length)]
    }
}

/// The verbs that all callbacks have, with a socket of their own or without.
trait Callback {
    fn world(&mut self) -> &mut World;
    fn socket<R>(&mut self, id: SocketId, use_it: impl FnOnce(&mut Socket<'_>) -> R) -> R;
    fn server<R>(&mut self, id: ServerId, use_it: impl FnOnce(&mut Server<'_>) -> R) -> R;
    fn connect(
        &mut self,
        to: Endpoint,
        options: ConnectOptions,
        handler: Watcher,
    ) -> netloop::Result<SocketId>;
    fn serve(
        &mut self,
        to: Endpoint,
        options: ListenOptions,
        handler: Reception,
    ) -> netloop::Result<ServerId>;
}

/// The two kinds of callbacks differ in how they reach the sockets.
macro_rules! callback {
    ($type:ident, |$cx:ident| $sockets:expr, $verbs:expr) => {
        impl Callback for $type<'_, World> {
            fn world(&mut self) -> &mut World {
                self.shared
            }
            fn socket<R>(&mut self, id: SocketId, use_it: impl FnOnce(&mut Socket<'_>) -> R) -> R {
                let $cx = self;
                use_it(&mut $sockets.socket(id))
            }
            fn server<R>(&mut self, id: ServerId, use_it: impl FnOnce(&mut Server<'_>) -> R) -> R {
                let $cx = self;
                use_it(&mut $sockets.server(id))
            }
            fn connect(
                &mut self,
                to: Endpoint,
                options: ConnectOptions,
                handler: Watcher,
            ) -> netloop::Result<SocketId> {
                let $cx = self;
                $verbs.connect_with(to, options, handler)
            }
            fn serve(
                &mut self,
                to: Endpoint,
                options: ListenOptions,
                handler: Reception,
            ) -> netloop::Result<ServerId> {
                let $cx = self;
                $verbs.serve(to, options, handler)
            }
        }
    };
}

callback!(Context, |cx| cx.socket.sockets(), cx.as_loop());
callback!(LoopContext, |cx| cx.sockets, cx);

pub(crate) fn obey(cx: &mut LoopContext<'_, World>, command: &str) {
    let (word, rest) = command.split_once(' ').unwrap_or((command, ""));
    match word {
        "on" => {
            let (key, actions) = rest.split_once(": ").expect("a rule has actions");
            let (key, only) = match key.split_once('@') {
                Some((key, only)) => (key, only.parse().ok()),
                None => (key, None),
            };
            let rule = Rule {
                only,
                actions: actions.to_owned(),
            };
            let rules = cx.shared.rules.entry(key.to_owned()).or_default();
            rules.push(rule);
        }
        "do" => {
            perform(cx, rest);
            cx.shared.say("= done");
        }
        "settle" => {
            cx.after(milliseconds(rest), |cx| cx.shared.say("= done"));
        }
        "clear" => {
            let next = World {
                scenario: cx.shared.scenario + 1,
                ..World::new(cx.shared.told.clone(), cx.shared.local)
            };
            let before = std::mem::replace(cx.shared, next);
            for id in before.sockets.into_values() {
                cx.sockets.socket(id).destroy();
            }
            for id in before.servers.into_values() {
                cx.sockets.server(id).close();
            }
            cx.shared.say("= done");
        }
        _ => panic!("no such command: {command}"),
    }
}

/// Writes the event down, then does what the scenario wants done at it.
fn see(cx: &mut impl Callback, name: &str, event: &str, detail: &str) {
    cx.world().say(&format!("{name} {event}{detail}"));
    let key = format!("{name}.{event}");
    let world = cx.world();
    let count = world.counts.entry(key.clone()).or_default();
    *count += 1;
    let count = *count;
    let rules = world.rules.get(&key).into_iter().flatten();
    let wanted: Vec<String> = rules
        .filter(|rule| rule.only.is_none_or(|only| only == count))
        .map(|rule| rule.actions.clone())
        .collect();
    for actions in wanted {
        perform(cx, &actions);
    }
}

fn perform(cx: &mut impl Callback, actions: &str) {
    for action in actions.split(';') {
        let mut words = action.split_whitespace();
        let verb = words.next().expect("an action has a verb");
        let name = words.next().expect("an action is about something");
        let words: Vec<&str> = words.collect();
        match verb {
            "connect" => connect(cx, name, &words),
            "listen" => listen(cx, name, &words),
            "write" => write(cx, name, &words),
            "stall" => stall_until(Path::new(words[0])),
            _ if cx.world().servers.contains_key(name) => act_on_server(cx, verb, name, &words),
            _ => act_on_socket(cx, verb, name, &words),
        }
    }
}

/// Keeps the whole loop from turning until the file is there, so that the kernel has several things to say at once.
fn stall_until(gate: &Path) {
    let latest = Instant::now() + Duration::from_secs(5);
    while !gate.exists() && Instant::now() < latest {
        #[expect(
            clippy::disallowed_methods,
            reason = "a file cannot be waited for; the deadline is above"
        )]
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn write(cx: &mut impl Callback, name: &str, words: &[&str]) {
    let bytes = cx.world().payload(name, words[0]);
    let id = cx.world().sockets[name];
    let flow = cx.socket(id, |socket| {
        let flow = socket.write(&bytes);
        if let (Some(token), true) = (words.get(1), flow.is_accepted()) {
            socket.notify_when_sent(token.parse().expect("a token is a number"));
        }
        flow
    });
    let line = format!("{name} write({})={}", words[0], flow == Flow::Open);
    cx.world().say(&line);
}

fn act_on_socket(cx: &mut impl Callback, verb: &str, name: &str, words: &[&str]) {
    let last_words = match (verb, words) {
        ("end", [length]) => Some(cx.world().payload(name, length)),
        _ => None,
    };
    let id = cx.world().sockets[name];
    let answer = cx.socket(id, |socket| {
        match verb {
            "state" => return Some(format!("state={}", socket.state())),
            "note" => return Some(format!("note{}", snapshot(socket))),
            "destroyed" => return Some(format!("destroyed={}", socket.is_destroyed())),
            "queue" => return Some(format!("queue={}", socket.queued_bytes())),
            "tried" => return Some(format!("tried={}", list(&socket.attempted_addresses()))),
            "addresses" => {
                let local = place(socket.local_address());
                let remote = place(socket.peer_address());
                return Some(format!("local={local} remote={remote}"));
            }
            "reset" => return Some(format!("reset={}", socket.reset().err()?.code())),
            "end" => match &last_words {
                Some(bytes) => {
                    let _ = socket.end_with(bytes);
                }
                None => socket.end(),
            },
            "destroy" => socket.destroy(),
            "destroy_with" => socket.destroy_with(Error::other(words[0])),
            "destroy_soon" => socket.destroy_soon(),
            "pause" => socket.pause(),
            "resume" => socket.resume(),
            "cork" => socket.cork(),
            "uncork" => socket.uncork(),
            "set_timeout" => socket.set_idle_timeout(milliseconds(words[0])),
            "set_options" => {
                let _ = socket.set_no_delay(true);
                let _ = socket.set_keep_alive(KeepAlive::after(Duration::from_secs(1)));
                socket.release();
                socket.hold();
            }
            _ => panic!("no such verb: {verb} {name}"),
        }
        None
    });
    if let Some(answer) = answer {
        cx.world().say(&format!("{name} {answer}"));
    }
}

fn act_on_server(cx: &mut impl Callback, verb: &str, name: &str, words: &[&str]) {
    let id = cx.world().servers[name];
    let answer = cx.server(id, |server| {
        match verb {
            "listens" => return Some(format!("listens={}", server.is_listening())),
            "address" => return Some(format!("address={}", where_is(server))),
            "connections" => return Some(format!("connections={}", server.connection_count())),
            "close" => server.close(),
            "max" => server.set_max_connections(number(words[0])),
            _ => panic!("no such verb: {verb} {name}"),
        }
        None
    });
    if let Some(answer) = answer {
        cx.world().say(&format!("{name} {answer}"));
    }
}

fn connect(cx: &mut impl Callback, name: &str, words: &[&str]) {
    let options = Options::parse(words);
    let local = cx.world().local;
    let handler = Watcher::new(cx.world().scenario, name, &options);
    match cx.connect(options.endpoint(local), options.for_connecting(), handler) {
        Ok(id) => {
            cx.world().sockets.insert(name.to_owned(), id);
        }
        Err(error) => cx.world().say(&format!("{name} connect={}", error.code())),
    }
}

fn listen(cx: &mut impl Callback, name: &str, words: &[&str]) {
    let options = Options::parse(words);
    let local = cx.world().local;
    let (to, listen) = (options.endpoint(local), options.for_listening());
    let reception = Reception::new(cx.world().scenario, name, options);
    match cx.serve(to, listen, reception) {
        Ok(id) => {
            cx.world().servers.insert(name.to_owned(), id);
        }
        Err(error) => cx.world().say(&format!("{name} listen={}", error.code())),
    }
}

/// The state with both counters, as they are at an event.
fn snapshot(socket: &Socket<'_>) -> String {
    let (read, written) = (socket.bytes_read(), socket.bytes_written());
    format!(" [{} {read}/{written}]", socket.state())
}

fn where_is(server: &Server<'_>) -> String {
    match (server.address(), server.path()) {
        (Some(address), _) => address.to_string(),
        (None, Some(path)) => path.display().to_string(),
        (None, None) => "null".to_owned(),
    }
}

fn list(addresses: &[SocketAddr]) -> String {
    let texts: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
    texts.join(",")
}

fn place(address: Option<SocketAddr>) -> String {
    address.map_or_else(|| "none".to_owned(), |address| address.to_string())
}
