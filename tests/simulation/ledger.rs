//! What has happened to every connection of a run, and what must never happen.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use netloop::{CloseReason, SocketId};

use super::pattern::Pattern;

/// The clients' local ports begin here: the number of a connection is its port less this.
pub(crate) const FIRST_PORT: usize = 2_000;

/// How far the life of a socket has come (S2).
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
    /// 0 for who has connected, 1 for who has accepted.
    pub(crate) end: usize,
    pub(crate) phase: Phase,
    /// Bytes that writes have accepted.
    pub(crate) sent: u64,
    /// Bytes of writes that found out that the connection is dead. The kernel may have had some of them before.
    pub(crate) refused: u64,
    /// Bytes that were delivered.
    pub(crate) received: u64,
    /// `end` was called, and nothing since that throws bytes away.
    pub(crate) has_ended: bool,
    /// Something was called that may throw bytes away.
    pub(crate) was_cut: bool,
    pub(crate) saw_end: bool,
    pub(crate) tokens_asked: u64,
    pub(crate) tokens_told: u64,
    /// A write has answered `Full`, and no drain has come.
    pub(crate) is_full: bool,
    pub(crate) reason: Option<CloseReason>,
}

impl Side {
    fn new(link: usize, end: usize) -> Self {
        Self {
            link,
            end,
            phase: Phase::New,
            sent: 0,
            refused: 0,
            received: 0,
            has_ended: false,
            was_cut: false,
            saw_end: false,
            tokens_asked: 0,
            tokens_told: 0,
            is_full: false,
            reason: None,
        }
    }
}

/// The books of one run, which all its loops keep together.
pub(crate) struct Ledger {
    pub(crate) pattern: std::rc::Rc<Pattern>,
    pub(crate) sides: Vec<Side>,
    ends: BTreeMap<(usize, usize), usize>,
    /// Whether what comes back is what was sent.
    pub(crate) is_echo: bool,
    /// Connections that carry another one's bytes.
    aliases: BTreeMap<usize, usize>,
    next_link: usize,
    /// Sockets, with the loop that they are of.
    pub(crate) open: BTreeSet<(usize, SocketId)>,
    pub(crate) dead: Vec<(usize, SocketId)>,
    /// Handlers that were not dropped.
    pub(crate) handlers: usize,
    /// A callback is running (S9).
    pub(crate) is_calling: bool,
    pub(crate) accepted: usize,
    pub(crate) refused: usize,
    pub(crate) accepted_closed: usize,
    pub(crate) callbacks: u64,
    pub(crate) delivered: u64,
    /// Who was given bytes last, in which turn, and how often in it (I9).
    turn_of: Option<(usize, Instant, u32)>,
}

/// How many reads in a row one socket may have.
const LONGEST_BURST: u32 = 4;

impl Ledger {
    pub(crate) fn new(pattern: std::rc::Rc<Pattern>, is_echo: bool) -> Self {
        Self {
            pattern,
            sides: Vec::new(),
            ends: BTreeMap::new(),
            is_echo,
            aliases: BTreeMap::new(),
            next_link: 0,
            open: BTreeSet::new(),
            dead: Vec::new(),
            handlers: 0,
            is_calling: false,
            accepted: 0,
            refused: 0,
            accepted_closed: 0,
            callbacks: 0,
            delivered: 0,
            turn_of: None,
        }
    }

    /// A number for a new connection, and the local port that says it.
    pub(crate) fn new_link(&mut self) -> (usize, u16) {
        let link = self.next_link;
        self.next_link += 1;
        (link, u16::try_from(FIRST_PORT + link).unwrap())
    }

    pub(crate) fn open_side(&mut self, link: usize, end: usize) -> usize {
        let side = self.sides.len();
        self.sides.push(Side::new(link, end));
        self.ends.insert((link, end), side);
        side
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

    pub(crate) fn peer_of(&self, side: usize) -> Option<&Side> {
        let side = &self.sides[side];
        let peer = self.ends.get(&(side.link, 1 - side.end))?;
        Some(&self.sides[*peer])
    }

    /// The next `length` bytes that `side` has to send.
    pub(crate) fn to_send(&self, side: usize, length: usize) -> Vec<u8> {
        let it = &self.sides[side];
        let stream = self.stream(it.link, it.end);
        self.pattern.piece(stream, it.sent, length).to_vec()
    }

    /// I9: no socket keeps the loop to itself. The time is a turn's own, as it moves on with each.
    pub(crate) fn check_fairness(&mut self, side: usize, now: Instant) {
        let count = match self.turn_of {
            Some((last, turn, count)) if (last, turn) == (side, now) => count + 1,
            _ => 1,
        };
        assert!(
            count <= LONGEST_BURST,
            "I9: {count} reads in a row: {:?}",
            self.sides[side]
        );
        self.turn_of = Some((side, now, count));
    }

    /// S1: what is delivered is what was sent, in order, and nothing else.
    pub(crate) fn deliver(&mut self, side: usize, data: &[u8]) {
        let it = &self.sides[side];
        let stream = self.stream(it.link, 1 - it.end);
        let mut position = it.received;
        for piece in data.chunks(super::pattern::LONGEST) {
            let expected = self.pattern.piece(stream, position, piece.len());
            assert!(piece == expected, "S1: other bytes than were sent: {it:?}");
            position += piece.len() as u64;
        }
        if let Some(peer) = self.peer_of(side) {
            assert!(
                position <= peer.sent + peer.refused,
                "S1: more bytes than were sent: {:?} {peer:?}",
                self.sides[side]
            );
        }
        self.sides[side].received = position;
        self.delivered += data.len() as u64;
    }

    /// S1, at the end of a stream: a clean end comes behind every byte.
    pub(crate) fn check_end(&self, side: usize) {
        let it = &self.sides[side];
        if let Some(peer) = self.peer_of(side).filter(|peer| !peer.was_cut) {
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
