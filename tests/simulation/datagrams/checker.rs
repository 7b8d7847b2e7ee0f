//! The checker of UDP: what no seed may show, whatever the network does.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use netloop::DatagramFlow;

/// All datagrams of a run, and the events of all sockets.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// The datagrams that were accepted or dropped, by the socket and its number, with the addresses and the arrivals.
    sent: BTreeMap<(u32, u32), Sent>,
    sockets: BTreeMap<u32, Told>,
    /// Whether the network may deliver a datagram more than once.
    pub(super) doubles: bool,
    /// Whether no datagram overtakes an earlier one in the network.
    pub(super) keeps_order: bool,
    pub(super) delivered: u64,
}

#[derive(Debug)]
struct Sent {
    length: usize,
    arrivals: u32,
    echoes: u32,
}

/// The events that a socket was told.
#[derive(Debug, Default)]
struct Told {
    listening: bool,
    connected: bool,
    closed: bool,
    sends: u64,
    /// Whether a send was answered `Full` or dropped a datagram, and no drain was told since.
    may_drain: bool,
    /// The datagrams that were dropped until the last send.
    dropped: u64,
    /// The numbers of the last of its datagrams that has arrived, and of the last echo.
    last: [Option<u32>; 2],
    timers: BTreeMap<u64, Instant>,
}

/// The length of the head of a datagram: the socket and the number.
pub(super) const HEAD: usize = 8;

/// Makes a datagram: the head, and bytes that follow from it.
pub(super) fn datagram(socket: u32, number: u32, length: usize) -> Vec<u8> {
    let mut bytes = [socket.to_be_bytes(), number.to_be_bytes()].concat();
    let fill = socket.wrapping_mul(31).wrapping_add(number).to_be_bytes()[3];
    bytes.resize(length.max(HEAD), fill);
    bytes
}

fn head(bytes: &[u8]) -> (u32, u32) {
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    (number(0), number(4))
}

impl Ledger {
    fn told(&mut self, socket: u32) -> &mut Told {
        let told = self.sockets.entry(socket).or_default();
        assert!(!told.closed, "an event of socket {socket} behind its close");
        told
    }

    pub(super) fn listening(&mut self, socket: u32) {
        let told = self.told(socket);
        assert!(!told.listening, "twice");
        told.listening = true;
    }

    pub(super) fn connected(&mut self, socket: u32) {
        let told = self.told(socket);
        assert!(told.listening && !told.connected);
        told.connected = true;
    }

    /// Any event in the middle of a socket's life.
    pub(super) fn event(&mut self, socket: u32) {
        assert!(self.told(socket).listening, "before on_listening");
    }

    /// A send was answered with `flow`, and the socket has dropped `dropped` datagrams until now: perhaps an older one.
    pub(super) fn answered(&mut self, socket: u32, flow: DatagramFlow, dropped: u64) {
        let told = self.told(socket);
        told.may_drain |= flow == DatagramFlow::Full || dropped > told.dropped;
        told.dropped = dropped;
    }

    pub(super) fn drained(&mut self, socket: u32) {
        self.event(socket);
        let told = self.told(socket);
        assert!(
            told.may_drain,
            "a drain of socket {socket} that was never full"
        );
        told.may_drain = false;
    }

    pub(super) fn closed(&mut self, socket: u32, sent: u64, dropped: u64, queued: usize) {
        let told = self.told(socket);
        told.closed = true;
        // Each datagram was taken by the kernel, or is counted as dropped.
        assert_eq!(told.sends, sent + dropped, "socket {socket}");
        assert_eq!(queued, 0);
    }

    pub(super) fn armed(&mut self, socket: u32, token: u64, now: Instant, after: Duration) {
        self.told(socket).timers.insert(token, now + after);
    }

    pub(super) fn fired(&mut self, socket: u32, token: u64, now: Instant) {
        let due = self.told(socket).timers.remove(&token);
        let due = due.expect("the timer was armed, and comes once");
        assert!(now >= due, "early");
    }

    /// A datagram that a socket has sent. It counts as a send also if it was dropped.
    pub(super) fn sent(&mut self, bytes: &[u8]) {
        let (socket, number) = head(bytes);
        self.told(socket).sends += 1;
        let sent = Sent {
            length: bytes.len(),
            arrivals: 0,
            echoes: 0,
        };
        assert!(self.sent.insert((socket, number), sent).is_none());
    }

    /// An echo that a socket has sent, which counts for it alone.
    pub(super) fn echoed(&mut self, socket: u32) {
        self.told(socket).sends += 1;
    }

    /// A datagram that has arrived at the server, or as an echo.
    pub(super) fn arrived(&mut self, at: u32, bytes: &[u8], is_echo: bool) {
        self.event(at);
        self.delivered += 1;
        let (socket, number) = head(bytes);
        assert_eq!(bytes, datagram(socket, number, bytes.len()), "other bytes");
        let doubles = self.doubles;
        let sent = self.sent.get_mut(&(socket, number));
        let sent = sent.expect("it was sent");
        assert_eq!(bytes.len(), sent.length, "cut");
        let count = match is_echo {
            true => {
                assert_eq!(socket, at, "another's echo");
                &mut sent.echoes
            }
            false => &mut sent.arrivals,
        };
        *count += 1;
        assert!(doubles || *count == 1, "twice");
        // An echo of each of two arrivals may double again.
        assert!(*count <= if is_echo { 4 } else { 2 });
        let keeps_order = self.keeps_order;
        // The sender may have closed.
        let sender = self.sockets.entry(socket).or_default();
        let last = sender.last[usize::from(is_echo)].replace(number);
        assert!(
            !keeps_order || last <= Some(number),
            "{number} of socket {socket} behind {last:?}"
        );
    }

    /// The numbers of datagrams that were sent and that have arrived.
    pub(super) fn arrivals(&self) -> (usize, usize) {
        let arrived = self.sent.values().filter(|sent| sent.arrivals > 0).count();
        (self.sent.len(), arrived)
    }

    pub(super) fn assert_all_closed(&self) {
        assert!(self.sockets.values().all(|told| told.closed));
    }
}

/// The address of a peer, in a test where the seed decides the family.
pub(super) fn at(machine: usize, port: u16, is_ipv6: bool) -> SocketAddr {
    match is_ipv6 {
        false => format!("10.0.0.{machine}:{port}"),
        true => format!("[fd00::{machine}]:{port}"),
    }
    .parse()
    .unwrap()
}
