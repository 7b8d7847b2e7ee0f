//! The history of every connection of a run, and the events that must never happen.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use netloop::{CloseReason, Flow, SocketId};

use super::armed::Armed;
use super::dialed::Dialed;
use super::fairness::Fairness;
use super::held::Held;
use super::idling::Idling;
use super::pattern::Pattern;
use super::requests::SERVICE;
use super::said::Said;
use super::tokens::Tokens;

/// The clients' local ports begin here: the number of a connection is its port less this.
pub(crate) const FIRST_PORT: usize = 2_000;

pub(crate) const MOST_LOOPS: usize = 3;

/// The stage that the life of a socket has come to (S2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    New,
    Connected,
    Ended,
    Failed,
    Closed,
}

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) link: usize,
    /// 0 for the end that has connected, 1 for the end that has accepted.
    pub(crate) end: usize,
    pub(crate) phase: Phase,
    /// Where the server is: of the end that has connected, as soon as it has.
    pub(crate) address: Option<SocketAddr>,
    /// The request of the end that connects.
    pub(crate) dialed: Option<Dialed>,
    /// Whether it ever was connected.
    pub(crate) was_connected: bool,
    /// Bytes that writes have accepted.
    pub(crate) sent: u64,
    /// Bytes of writes that found out that the connection is dead. The kernel may have had some of them before.
    pub(crate) refused: u64,
    /// Bytes that were delivered.
    pub(crate) received: u64,
    /// Bytes that its filter had seen at its last callback.
    pub(crate) seen: u64,
    /// `end` was called, and nothing since that throws bytes away.
    pub(crate) has_ended: bool,
    /// Something was called that may throw bytes away.
    pub(crate) was_cut: bool,
    pub(crate) saw_end: bool,
    /// `cork` was called, and no `uncork` since.
    pub(crate) is_corked: bool,
    pub(crate) most_queued: usize,
    /// The most that was queued when a write answered `Open`.
    pub(crate) most_open: usize,
    pub(crate) tokens: Tokens,
    pub(crate) idling: Idling,
    pub(crate) timers: Armed,
    /// Whether the loop passes on what it receives, and what another side receives: no handler knows the bytes.
    pub(crate) is_piped: bool,
    pub(crate) has_error: bool,
    /// A write has answered `Full`, and no drain has come.
    pub(crate) is_full: bool,
    /// The most bytes that were carried over since none was.
    carried: usize,
    pub(crate) reason: Option<CloseReason>,
    /// The bytes that it was to send, where no pattern says that: in a room.
    said: Option<Said>,
}

impl Side {
    fn new(link: usize, end: usize, address: Option<SocketAddr>, now: Instant) -> Self {
        Self {
            link,
            end,
            phase: Phase::New,
            address,
            dialed: None,
            was_connected: false,
            sent: 0,
            refused: 0,
            received: 0,
            seen: 0,
            has_ended: false,
            was_cut: false,
            saw_end: false,
            is_corked: false,
            most_queued: 0,
            most_open: 0,
            tokens: Tokens::default(),
            idling: Idling::new(now),
            timers: Armed::default(),
            is_piped: false,
            has_error: false,
            is_full: false,
            carried: 0,
            reason: None,
            said: None,
        }
    }
}

impl Side {
    /// Whether what it has written need not leave: a cork does not hold what there was too much of.
    pub(crate) fn is_held_back(&self) -> bool {
        self.is_corked && !self.is_full && !self.has_ended
    }

    /// Notes that `length` bytes are carried over behind those that were delivered.
    pub(crate) fn note_carried(&mut self, length: usize) {
        self.carried = match length {
            0 => 0,
            _ => self.carried.max(length),
        };
    }

    /// Whether the bytes that it was given last are told for the second time.
    pub(crate) fn is_carrying(&self) -> bool {
        self.carried > 0
    }

    /// The most descriptors that it may have: one for each attempt that has not failed, until one of them is taken.
    pub(crate) fn most_descriptors(&self) -> usize {
        match &self.dialed {
            Some(dialed) if !self.was_connected => dialed.most_attempts(),
            _ => 1,
        }
    }
}

/// The books of one run, which all its loops keep together.
pub(crate) struct Ledger {
    pub(crate) pattern: Rc<Pattern>,
    pub(crate) sides: Vec<Side>,
    /// The sides that connect, by their connections.
    clients: BTreeMap<usize, usize>,
    /// The sides that were accepted, by their connections and where. One that races may be accepted at several places.
    accepted_at: BTreeMap<(usize, SocketAddr), usize>,
    /// The connection that connects from the server's own port.
    mirrored: Option<usize>,
    /// Whether what comes back is what was sent.
    pub(crate) is_echo: bool,
    /// Whether accepted sockets are sent what others say.
    pub(crate) is_room: bool,
    /// Connections that carry another one's bytes.
    aliases: BTreeMap<usize, usize>,
    next_link: usize,
    /// Sockets, with the loop that they are of.
    pub(crate) open: BTreeSet<(usize, SocketId)>,
    pub(crate) dead: Vec<(usize, SocketId)>,
    /// Handlers that were not dropped.
    pub(crate) handlers: usize,
    /// Whether callbacks are noted in the log.
    pub(crate) is_logged: bool,
    /// A callback is running (S9).
    pub(crate) is_calling: bool,
    /// The most that the queues of all sockets have held, each in its life.
    pub(crate) held: Held,
    /// The number of sockets of each loop.
    pub(crate) live: [u64; MOST_LOOPS],
    pub(crate) accepted: usize,
    pub(crate) refused: usize,
    pub(crate) failed_handshakes: usize,
    pub(crate) servers_closed: usize,
    pub(crate) accepted_closed: usize,
    pub(crate) callbacks: u64,
    /// The number of calls, of callbacks and of the test, that the loop may have to act on at once.
    pub(crate) calls: u64,
    /// The number of times that a server was told that there are no descriptors.
    pub(crate) server_errors: u64,
    pub(crate) delivered: u64,
    /// The time that handlers and hosts have taken, for which everything may be late.
    pub(crate) stalled: Duration,
    /// The sides that were told of an idle timeout in this step.
    pub(crate) timed_out: Vec<usize>,
    fairness: Fairness,
    /// The number of steps of the simulation. The time alone does not tell turns apart: a turn that goes on where the
    /// last was cut short does not poll.
    pub(crate) steps: u64,
}

impl Ledger {
    pub(crate) fn new(pattern: Rc<Pattern>, is_echo: bool) -> Self {
        Self {
            pattern,
            sides: Vec::new(),
            clients: BTreeMap::new(),
            accepted_at: BTreeMap::new(),
            mirrored: None,
            is_echo,
            is_room: false,
            aliases: BTreeMap::new(),
            next_link: 0,
            open: BTreeSet::new(),
            dead: Vec::new(),
            handlers: 0,
            is_logged: std::env::var_os("SEED").is_some(),
            is_calling: false,
            held: Held::default(),
            live: [0; MOST_LOOPS],
            accepted: 0,
            refused: 0,
            failed_handshakes: 0,
            servers_closed: 0,
            accepted_closed: 0,
            callbacks: 0,
            calls: 0,
            server_errors: 0,
            delivered: 0,
            stalled: Duration::ZERO,
            timed_out: Vec::new(),
            fairness: Fairness::default(),
            steps: 0,
        }
    }

    /// A number for a new connection, and the local port that says it.
    pub(crate) fn new_link(&mut self) -> (usize, u16) {
        let link = self.next_link;
        self.next_link += 1;
        (link, u16::try_from(FIRST_PORT + link).unwrap())
    }

    /// The side that connects, of the connection `link`.
    pub(crate) fn open_client(&mut self, link: usize, dialed: Dialed, now: Instant) -> usize {
        let side = self.sides.len();
        if dialed.request.local_port == Some(SERVICE) {
            self.mirrored = Some(link);
        }
        self.sides.push(Side {
            dialed: Some(dialed),
            ..Side::new(link, 0, None, now)
        });
        self.sides[side].address = self.sides[side].dialed.as_ref().and_then(Dialed::address);
        self.clients.insert(link, side);
        side
    }

    /// The side that was accepted at `address`, of the connection that comes from `port`.
    pub(crate) fn open_accepted(&mut self, port: u16, address: SocketAddr, now: Instant) -> usize {
        let link = match (port, self.mirrored) {
            (SERVICE, Some(link)) => link,
            _ => usize::from(port) - FIRST_PORT,
        };
        let side = self.sides.len();
        self.sides.push(Side {
            said: self.is_room.then(Said::default),
            ..Side::new(link, 1, Some(address), now)
        });
        let before = self.accepted_at.insert((link, address), side);
        assert_eq!(before, None, "a connection is accepted twice at {address}");
        self.accepted += 1;
        side
    }

    /// Whether an accepted side has no other end: the end that has connected is elsewhere, or gone.
    pub(crate) fn is_stray(&self, side: usize) -> bool {
        let it = &self.sides[side];
        let client = &self.sides[self.clients[&it.link]];
        let is_there = client.address == it.address && client.phase != Phase::Closed;
        it.end == 1 && !is_there
    }

    /// The connection `link` carries the bytes of `of`.
    pub(crate) fn alias(&mut self, link: usize, of: usize) {
        let of = self.aliases.get(&of).copied().unwrap_or(of);
        self.aliases.insert(link, of);
    }

    /// The stream that `end` of `link` sends.
    fn stream(&self, link: usize, end: usize) -> usize {
        let link = self.aliases.get(&link).copied().unwrap_or(link);
        if self.is_echo {
            link * 2
        } else {
            link * 2 + end
        }
    }

    /// The other end, if it can say which bytes it has sent.
    pub(crate) fn speaker_to(&self, side: usize) -> Option<&Side> {
        self.peer_of(side).filter(|peer| !peer.is_piped)
    }

    pub(crate) fn peer_of(&self, side: usize) -> Option<&Side> {
        let side = &self.sides[side];
        let address = side.address?;
        let peer = match side.end {
            0 => self.accepted_at.get(&(side.link, address)),
            _ => self.clients.get(&side.link),
        };
        let peer = &self.sides[*peer?];
        (peer.address == Some(address)).then_some(peer)
    }

    /// The next `length` bytes that `side` has to send.
    pub(crate) fn to_send(&self, side: usize, length: usize) -> Vec<u8> {
        let it = &self.sides[side];
        let stream = self.stream(it.link, it.end);
        self.pattern.piece(stream, it.sent, length).to_vec()
    }

    /// `side` is about to be sent `bytes`, behind all that it was before.
    pub(crate) fn say(&mut self, side: usize, bytes: &[u8]) {
        if let Some(said) = &mut self.sides[side].said {
            said.0.extend_from_slice(bytes);
        }
    }

    /// The last `length` bytes were not taken, as the side has ended.
    fn unsay(&mut self, side: usize, length: usize) {
        if let Some(said) = &mut self.sides[side].said {
            said.0.truncate(said.0.len() - length);
        }
    }

    /// A write of `length` bytes was answered with `flow`, and `queued` bytes wait now.
    pub(crate) fn note_written(&mut self, side: usize, length: usize, flow: Flow, queued: usize) {
        self.note_queued(side, queued);
        let it = &mut self.sides[side];
        match flow {
            Flow::Open => {
                it.sent += length as u64;
                it.most_open = it.most_open.max(queued);
            }
            Flow::Full => {
                it.sent += length as u64;
                it.is_full = true;
            }
            Flow::Ended => {
                assert!(it.has_ended, "`Ended` without an end: {it:?}");
                self.unsay(side, length);
            }
            Flow::Closed => it.refused += length as u64,
        }
    }

    /// `queued` bytes wait to be sent.
    pub(crate) fn note_queued(&mut self, side: usize, queued: usize) {
        let it = &mut self.sides[side];
        let before = it.most_queued;
        it.most_queued = before.max(queued);
        self.held.grow(before, it.most_queued);
    }

    /// The most memory that carried bytes take in the loops: what is put back was taken before, so no list grows beyond
    /// its first length.
    pub(crate) fn carried_bytes(&self) -> usize {
        let open = self.sides.iter().filter(|side| side.reason.is_none());
        open.map(|side| side.carried).sum()
    }

    /// The memory that the books of a room take.
    pub(crate) fn said_bytes(&self) -> usize {
        let said = self.sides.iter().filter_map(|side| side.said.as_ref());
        said.map(|said| said.0.capacity()).sum()
    }

    /// I9: no socket keeps the loop to itself. `has_deadline` says whether the side has a deadline, which may have passed.
    pub(crate) fn check_fairness(&mut self, side: usize, now: Instant, has_deadline: bool) {
        let it = &mut self.sides[side];
        let deadlines = u32::from(has_deadline) + it.timers.count_due(now, self.steps);
        let turn = (self.steps, now);
        self.fairness.note_read(side, turn, it.is_carrying());
        let most = self.fairness.most_reads(deadlines);
        let reads = self.fairness.reads();
        assert!(reads <= most, "I9: {reads} reads in a row: {it:?}");
    }

    /// S1: what is delivered is what was sent, in order, and nothing else.
    pub(crate) fn deliver(&mut self, side: usize, data: &[u8]) {
        let it = &self.sides[side];
        let stream = self.stream(it.link, 1 - it.end);
        let mut position = it.received;
        let said = self.peer_of(side).and_then(|peer| peer.said.as_ref());
        for piece in data.chunks(super::pattern::LONGEST) {
            let expected = match said {
                Some(said) => {
                    let start = usize::try_from(position).unwrap();
                    let rest = &said.0[start.min(said.0.len())..];
                    &rest[..piece.len().min(rest.len())]
                }
                None => self.pattern.piece(stream, position, piece.len()),
            };
            assert!(
                piece == expected,
                "S1: at {position} {} of {} {:?} {:?} stream {stream}: other bytes than were sent: {it:?}",
                piece.len(),
                data.len(),
                &piece[..piece.len().min(30)],
                &expected[..expected.len().min(30)]
            );
            position += piece.len() as u64;
        }
        assert!(
            it.end == 0 || self.peer_of(side).is_some(),
            "S1: bytes of a connect that was not taken: {it:?}"
        );
        if let Some(peer) = self.speaker_to(side) {
            assert!(
                position <= peer.sent + peer.refused,
                "S1: more bytes than were sent: {:?} {peer:?}",
                self.sides[side]
            );
        }
        self.sides[side].received = position;
        self.delivered += data.len() as u64;
    }

    /// S1, at the end of a stream: a clean end comes behind every byte. If it `is_marked`, nothing but the end of the peer
    /// looks like one.
    pub(crate) fn check_end(&self, side: usize, is_marked: bool) {
        let it = &self.sides[side];
        let peer = self.speaker_to(side).filter(|_| !it.is_piped);
        if let Some(peer) = peer.filter(|peer| !peer.was_cut || is_marked) {
            assert!(
                peer.has_ended,
                "S1: an end that the peer did not send: {it:?} {peer:?}"
            );
            assert_eq!(
                it.received, peer.sent,
                "S1: a clean end before the last byte: {it:?} {peer:?}"
            );
        }
    }
}
