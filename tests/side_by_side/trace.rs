//! The events that were seen, and the part that is compared: without what the kernel may do in one way or another.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use super::loopback::Loopback;

/// The traces of a scenario, by lane. A lane is a socket, a server, a peer, or several of one subject whose common
/// order matters.
pub(crate) type Lanes = BTreeMap<String, String>;

/// More than the address of a Unix socket has space for (108 bytes on Linux).
pub(crate) const LONG_NAME: &str = "a-name-of-a-socket-that-is-longer-than-any-system-has-space-for-\
    a-name-of-a-socket-that-is-longer-than-any-system-has-space-for";

/// The events of one scenario, by name.
pub(crate) struct Log {
    /// Names and events, as they were said.
    entries: Vec<(String, String)>,
    together: HashSet<String>,
    without_amounts: HashSet<String>,
    ports: Vec<(u16, &'static str)>,
    loopback: Loopback,
    /// Where the scenario's Unix sockets are.
    directory: PathBuf,
}

impl Log {
    pub(crate) fn new(directory: &Path, loopback: Loopback) -> Self {
        Self {
            entries: Vec::new(),
            together: HashSet::new(),
            without_amounts: HashSet::new(),
            ports: Vec::new(),
            loopback,
            directory: directory.to_owned(),
        }
    }

    pub(crate) fn add(&mut self, name: &str, text: &str) {
        self.entries.push((name.to_owned(), text.to_owned()));
    }

    /// Shows these in one lane.
    pub(crate) fn show_together(&mut self, names: &[&str]) {
        self.together
            .extend(names.iter().map(|&name| name.to_owned()));
    }

    pub(crate) fn leave_amounts_out(&mut self, name: &str) {
        self.without_amounts.insert(name.to_owned());
    }

    /// Shows `port` by what it is.
    pub(crate) fn name_port(&mut self, port: u16, name: &'static str) {
        self.ports.push((port, name));
    }

    pub(crate) fn seen(&self, name: &str) -> impl Iterator<Item = &str> {
        let of_name = self.entries.iter().filter(move |(who, _)| who == name);
        of_name.map(|(_, text)| text.as_str())
    }

    /// The number of bytes that `name` was given.
    pub(crate) fn bytes(&self, name: &str) -> usize {
        self.seen(name).filter_map(data_length).sum()
    }

    /// The traces.
    pub(crate) fn lanes(&self) -> Lanes {
        let mut lanes: BTreeMap<String, Vec<Seen>> = BTreeMap::new();
        for (name, text) in &self.entries {
            let (lane, prefix) = if self.together.contains(name) {
                ("together", format!("{name}: "))
            } else {
                (name.as_str(), String::new())
            };
            let seen = Seen::new(prefix, &self.normalised(name, text));
            let lane = lanes.entry(lane.to_owned()).or_default();
            match lane.last_mut() {
                Some(last) if last.swallows(&seen) => last.bytes += seen.bytes,
                _ => lane.push(seen),
            }
        }
        let texts = lanes.into_iter().map(|(lane, seen)| {
            let texts: Vec<String> = seen.iter().map(Seen::to_string).collect();
            (lane, texts.join(", "))
        });
        texts.collect()
    }

    fn normalised(&self, name: &str, text: &str) -> String {
        let directory = self.directory.display().to_string();
        let text = text.replace(&directory, "DIR").replace(LONG_NAME, "LONG");
        let mut text = name_ports(&self.loopback.name(&text), &self.ports);
        if self.without_amounts.contains(name) {
            text = hide_amounts(&text);
        }
        text
    }
}

/// One event of a lane.
struct Seen {
    prefix: String,
    text: String,
    /// The number of bytes that it carries, if it is data, and the rest of its text then.
    bytes: usize,
    is_data: bool,
}

impl Seen {
    fn new(prefix: String, text: &str) -> Self {
        match (data_length(text), text.split_once('[')) {
            (Some(bytes), Some((_, state))) => Self {
                prefix,
                text: format!("[{state}"),
                bytes,
                is_data: true,
            },
            _ => Self {
                prefix,
                text: text.to_owned(),
                bytes: 0,
                is_data: false,
            },
        }
    }

    /// Chunks of the same bytes are one: where they are cut is the kernel's business.
    fn swallows(&self, next: &Self) -> bool {
        self.is_data && next.is_data && (&self.prefix, &self.text) == (&next.prefix, &next.text)
    }
}

impl std::fmt::Display for Seen {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_data && self.bytes > 0 {
            write!(
                formatter,
                "{}data({}) {}",
                self.prefix, self.bytes, self.text
            )
        } else if self.is_data {
            write!(formatter, "{}data(some) {}", self.prefix, self.text)
        } else {
            write!(formatter, "{}{}", self.prefix, self.text)
        }
    }
}

/// `5` of `data 5 [open]`.
fn data_length(text: &str) -> Option<usize> {
    let (length, _) = text.strip_prefix("data ")?.split_once(' ')?;
    length.parse().ok()
}

/// `data 5 [open]` and `close(false) [closed 5/0]` as `data 0 [open]` and `close(false) [closed]`.
fn hide_amounts(text: &str) -> String {
    if data_length(text).is_some() {
        let state = text.split_once('[').map_or("", |(_, state)| state);
        return format!("data 0 [{state}");
    }
    match text.split_once('[') {
        Some((event, state)) => {
            let state = state.split([' ', ']']).next().unwrap_or_default();
            format!("{event}[{state}]")
        }
        None => text.to_owned(),
    }
}

/// Ports by what they are: `127.0.0.1:40321` as `127.0.0.1:server`.
fn name_ports(text: &str, ports: &[(u16, &'static str)]) -> String {
    let mut parts = text.split(':');
    let mut named = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let name = part[..digits].parse().ok().map(|port: u16| {
            let known = ports.iter().find(|(known, _)| *known == port);
            known.map_or("other", |(_, name)| name)
        });
        named.push(':');
        named.push_str(name.unwrap_or(&part[..digits]));
        named.push_str(&part[digits..]);
    }
    named
}

#[test]
fn only_what_the_kernel_decides_is_made_alike() {
    let ports = [(4000, "server")];
    let addresses = "local=127.0.0.1:4000 remote=127.0.0.1:5000";
    assert_eq!(
        name_ports(addresses, &ports),
        "local=127.0.0.1:server remote=127.0.0.1:other"
    );
    assert_eq!(hide_amounts("data 5 [open]"), "data 0 [open]");
    assert_eq!(
        hide_amounts("close(true) [closed 5/0]"),
        "close(true) [closed]"
    );
    let first = Seen::new(String::new(), "data 5 [open]");
    assert!(first.swallows(&Seen::new(String::new(), "data 7 [open]")));
    assert!(!first.swallows(&Seen::new(String::new(), "data 7 [readOnly]")));
    assert!(!first.swallows(&Seen::new(String::new(), "end [open 5/0]")));
}
