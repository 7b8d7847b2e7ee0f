//! Plays a scenario of datagrams with netloop: the same steps as `datagrams.js`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use netloop::{
    Budget, DatagramContext, DatagramHandler, DatagramId, DatagramOptions, DatagramSocket, Error,
    EventLoop, Wait,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// The names of addresses, and the events of each socket.
#[derive(Default)]
struct World {
    addresses: BTreeMap<String, SocketAddr>,
    lanes: BTreeMap<String, Vec<String>>,
}

impl World {
    fn note(&mut self, name: &str, event: impl Into<String>) {
        let lane = self.lanes.entry(name.to_owned()).or_default();
        lane.push(event.into());
    }

    fn name_of(&self, address: SocketAddr) -> &str {
        let mut addresses = self.addresses.iter();
        let found = addresses.find(|(_, known)| **known == address);
        found.map_or("undefined", |(name, _)| name)
    }
}

struct Part {
    name: String,
    echoes: bool,
    ends: bool,
}

impl Part {
    fn note(&self, cx: &mut DatagramContext<'_, World>, event: impl Into<String>) {
        cx.shared.note(&self.name, event);
    }
}

impl DatagramHandler<World> for Part {
    fn on_listening(&mut self, cx: &mut DatagramContext<'_, World>) {
        let address = cx.socket.local_address().unwrap();
        cx.shared.addresses.insert(self.name.clone(), address);
        self.note(cx, "listening");
    }
    fn on_connect(&mut self, cx: &mut DatagramContext<'_, World>) {
        self.note(cx, "connect");
    }
    fn on_message(&mut self, cx: &mut DatagramContext<'_, World>, from: SocketAddr, data: &[u8]) {
        let text = match data.len() {
            0..=20 => String::from_utf8_lossy(data).into_owned(),
            length => format!("{length} bytes"),
        };
        let sender = cx.shared.name_of(from).to_owned();
        self.note(cx, format!("message \"{text}\" from {sender}"));
        if self.echoes {
            cx.socket.send_to(from, data).ignore();
        }
        if self.ends {
            cx.socket.close();
        }
    }
    fn on_error(&mut self, cx: &mut DatagramContext<'_, World>, error: &Error) {
        let syscall = error.syscall();
        let syscall = syscall.map_or_else(|| "-".to_owned(), |call| call.to_string());
        self.note(cx, format!("error {syscall} {}", error.code()));
    }
    fn on_close(&mut self, cx: &mut DatagramContext<'_, World>) {
        self.note(cx, "close");
    }
}

struct Player {
    event_loop: EventLoop<World>,
    world: World,
    ids: BTreeMap<String, DatagramId>,
    host: IpAddr,
}

/// Plays `steps`, and returns the events as `datagrams.js` prints them.
pub(super) fn play(steps: &str, host: IpAddr) -> String {
    let mut player = Player {
        event_loop: EventLoop::new().unwrap(),
        world: World::default(),
        ids: BTreeMap::new(),
        host,
    };
    for line in steps.lines().map(str::trim).filter(|line| !line.is_empty()) {
        player.step(line);
    }
    let mut text = String::new();
    for (name, lane) in &player.world.lanes {
        writeln!(text, "{name}: {}", lane.join(", ")).unwrap();
    }
    text
}

impl Player {
    fn turn(&mut self) {
        let wait = Wait::For(Duration::from_millis(1));
        let turned = self.event_loop.turn(&mut self.world, wait, Budget::new());
        turned.unwrap();
    }

    fn socket(&mut self, name: &str) -> DatagramSocket<'_> {
        self.event_loop.datagram_socket(self.ids[name])
    }

    fn attempt(&mut self, name: &str, result: netloop::Result<()>, done: Option<String>) {
        match (result, done) {
            (Ok(()), Some(done)) => self.world.note(name, done),
            (Ok(()), None) => {}
            (Err(error), _) => self.world.note(name, format!("refused {}", error.code())),
        }
    }

    fn step(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let (verb, name, words) = (
            words[0],
            *words.get(1).unwrap_or(&""),
            &words[2.min(words.len())..],
        );
        let named = words.first().and_then(|word| word.strip_prefix('@'));
        let address = named.and_then(|name| self.world.addresses.get(name).copied());
        let has = |word: &str| words.contains(&word);
        let rest = words.get(1..).unwrap_or_default().join(" ");
        let loopback = Ipv4Addr::LOCALHOST;
        match verb {
            "bind" => {
                let host: IpAddr = match (has("ipv6"), has("any")) {
                    (true, true) => Ipv6Addr::UNSPECIFIED.into(),
                    (true, false) => Ipv6Addr::LOCALHOST.into(),
                    (false, true) => Ipv4Addr::UNSPECIFIED.into(),
                    (false, false) => self.host,
                };
                let to = SocketAddr::new(host, address.map_or(0, |address| address.port()));
                let options = DatagramOptions::new()
                    .reuse_address(has("reuse"))
                    .ipv6_only(has("only6"));
                let part = self.part(name, words);
                match self.event_loop.bind_udp(to, options, part) {
                    Ok(id) => drop(self.ids.insert(name.to_owned(), id)),
                    Err(error) => {
                        let syscall = error.syscall().unwrap();
                        let event = format!("error {syscall} {}", error.code());
                        self.world.note(name, event);
                    }
                }
            }
            "dead" => {
                let gone = UdpSocket::bind((self.host, 0)).unwrap();
                let address = gone.local_addr().unwrap();
                self.world.addresses.insert(name.to_owned(), address);
            }
            "dial" => {
                let options = DatagramOptions::new().local_address(self.host);
                let part = self.part(name, words);
                let made = self.event_loop.connect_udp(address.unwrap(), options, part);
                self.ids.insert(name.to_owned(), made.unwrap());
            }
            "connect" => {
                let connected = self.socket(name).connect(address.unwrap());
                self.attempt(name, connected, None);
            }
            "send" => {
                let bytes = match rest.strip_prefix('*') {
                    Some(length) => vec![b'x'; length.parse().unwrap()],
                    None => rest.into_bytes(),
                };
                let _ = match address {
                    Some(to) => self.socket(name).send_to(to, &bytes),
                    None => self.socket(name).send(&bytes),
                };
            }
            "close" => {
                let is_closed = self.socket(name).is_closed();
                self.socket(name).close();
                let code = Error::with_code(Error::DATAGRAM_NOT_RUNNING, "it is closed");
                self.attempt(name, if is_closed { Err(code) } else { Ok(()) }, None);
            }
            "set" => {
                let (option, value) = (words[0], words[1]);
                let number = value.parse().unwrap_or(0);
                let mut socket = self.socket(name);
                let set = match option {
                    "setBroadcast" => socket.set_broadcast(value == "true"),
                    "setTTL" => socket.set_ttl(number),
                    "setMulticastTTL" => socket.set_multicast_ttl(number),
                    "setMulticastLoopback" => socket.set_multicast_loopback(value == "true"),
                    "setRecvBufferSize" => {
                        socket.set_receive_buffer_size(usize::try_from(number).unwrap())
                    }
                    other => panic!("no option {other}"),
                };
                self.attempt(name, set, Some(format!("set {option} {value}")));
            }
            "join" | "leave" => {
                let group: Ipv4Addr = words[0].parse().unwrap();
                let mut socket = self.socket(name);
                let (changed, done) = match verb {
                    "join" => (socket.join_multicast(group, loopback), "joined"),
                    _ => (socket.leave_multicast(group, loopback), "left"),
                };
                self.attempt(name, changed, Some(done.to_owned()));
            }
            "from" => {
                let set = self.socket(name).set_multicast_interface(loopback);
                self.attempt(name, set, None);
            }
            "group" => {
                let group: IpAddr = words[1].parse().unwrap();
                let to = SocketAddr::new(group, address.unwrap().port());
                self.world.addresses.insert(name.to_owned(), to);
            }
            "peer" => {
                let event = match self.socket(name).peer_address() {
                    Some(peer) => format!("peer {}", self.world.name_of(peer)),
                    None => format!("refused {}", Error::DATAGRAM_NOT_CONNECTED),
                };
                self.world.note(name, event);
            }
            "queue" => {
                let socket = self.socket(name);
                let (bytes, count) = (socket.queued_bytes(), socket.queued_datagrams());
                self.world.note(name, format!("queued {bytes} in {count}"));
            }
            "await" => {
                let event = words.join(" ");
                let deadline = Instant::now() + PATIENCE;
                while !self
                    .world
                    .lanes
                    .get(name)
                    .is_some_and(|lane| lane.contains(&event))
                {
                    let lanes = &self.world.lanes;
                    assert!(
                        Instant::now() < deadline,
                        "{name} is not told {event}: {lanes:?}"
                    );
                    self.turn();
                }
            }
            "settle" => {
                let deadline = Instant::now() + Duration::from_millis(60);
                while Instant::now() < deadline {
                    self.turn();
                }
            }
            _ => panic!("no step {verb}"),
        }
    }

    fn part(&self, name: &str, words: &[&str]) -> Part {
        Part {
            name: name.to_owned(),
            echoes: words.contains(&"echo"),
            ends: words.contains(&"once"),
        }
    }
}
