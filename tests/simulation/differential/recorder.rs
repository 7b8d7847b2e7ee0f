//! The events that the sockets of one world were told, and the bytes that are still under way to them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use netloop::{CloseReason, Context, Error, SocketHandler, SocketId};

/// An end of a connection: the number of the connection, and whether it is the end that has connected.
pub(super) type Name = (usize, bool);

/// An event that a socket was told. Bytes that come in several pieces count as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Connected,
    Data(usize),
    Drained,
    Sent(u64, bool),
    Ended,
    TimedOut,
    Failed(&'static str),
    Closed(CloseReason, usize),
}

/// All that is known of one world.
#[derive(Default)]
pub(super) struct Log {
    pub(super) told: BTreeMap<Name, Vec<Told>>,
    pub(super) ids: BTreeMap<Name, SocketId>,
    pub(super) connects: usize,
    /// The connections on which more was written than any kernel takes.
    pub(super) filled: BTreeSet<usize>,
    /// The bytes that were written and have not come yet, by the end that has to get them.
    under_way: BTreeMap<Name, VecDeque<u8>>,
    /// The last number that went into the bytes.
    counter: u32,
}

impl Log {
    /// Bytes that begin as no others do.
    pub(super) fn next_bytes(&mut self, length: usize) -> Vec<u8> {
        self.counter = self.counter.wrapping_add(0x9E37_79B9);
        let number = self.counter.to_be_bytes();
        let mut bytes = vec![number[0]; length];
        let numbered = length.min(number.len());
        bytes[..numbered].copy_from_slice(&number[..numbered]);
        bytes
    }

    pub(super) fn sent(&mut self, (number, is_client): Name, bytes: &[u8]) {
        let to = (number, !is_client);
        self.under_way.entry(to).or_default().extend(bytes);
    }

    fn receive(&mut self, name: Name, bytes: &[u8]) {
        let under_way = self.under_way.entry(name).or_default();
        let (front, back) = under_way.as_slices();
        let (first, second) = bytes.split_at(bytes.len().min(front.len()));
        let are_right = front.starts_with(first) && back.starts_with(second);
        assert!(are_right, "{name:?} gets other bytes than were sent");
        under_way.drain(..bytes.len());
        self.tell(name, Told::Data(bytes.len()));
    }

    fn tell(&mut self, name: Name, told: Told) {
        let all = self.told.entry(name).or_default();
        if let (Some(Told::Data(before)), &Told::Data(length)) = (all.last_mut(), &told) {
            *before += length;
            return;
        }
        all.push(told);
    }

    /// Whether both worlds were told the same, and have both got all that was written, or neither.
    pub(super) fn agrees_with(&self, other: &Self) -> bool {
        if self.filled.is_empty() {
            return self.told == other.told;
        }
        let is_missing = |(name, bytes): (&Name, &VecDeque<u8>)| (*name, !bytes.is_empty());
        let missing = self.under_way.iter().map(is_missing);
        missing.eq(other.under_way.iter().map(is_missing))
            && self.told.keys().eq(other.told.keys())
            && self.told.iter().all(|(name, told)| {
                let others = &other.told[name];
                match self.filled.contains(&name.0) {
                    true => without_amounts(told).eq(without_amounts(others)),
                    false => told == others,
                }
            })
    }
}

impl Log {
    /// The ends in which this log, of loopback, and `simulated` differ: few enough for one screen.
    pub(super) fn difference_from(&self, simulated: &Self) -> String {
        const MOST: usize = 4;
        let names: BTreeSet<Name> = self
            .told
            .keys()
            .chain(simulated.told.keys())
            .copied()
            .collect();
        let lines = names.into_iter().filter_map(|name| {
            let [real, simulated] = [self, simulated].map(|log| log.end_of(name));
            (real != simulated).then(|| {
                format!(
                    "{name:?}\n  loopback   {}\n  simulation {}",
                    brief(real),
                    brief(simulated)
                )
            })
        });
        lines.take(MOST).collect::<Vec<_>>().join("\n")
    }

    /// The events of `name`, and the number of bytes that are still under way to it.
    fn end_of(&self, name: Name) -> (&[Told], usize) {
        let told = self.told.get(&name).map_or(&[][..], Vec::as_slice);
        (told, self.under_way.get(&name).map_or(0, VecDeque::len))
    }
}

fn brief((told, missing): (&[Told], usize)) -> String {
    let last = &told[told.len().saturating_sub(20)..];
    format!("{last:?}, {missing} bytes under way")
}

/// The events without the amounts of bytes. The size of the buffers decides how many arrive before a cut or are queued
/// then, in which pieces, and between which other news.
///
/// The bytes themselves were checked already, and the number of drains counts. The buffers also decide whether a FIN comes
/// through a full window before the reset behind it, which makes the reset an EPIPE.
fn without_amounts(told: &[Told]) -> impl Iterator<Item = Told> {
    let has_data = told.iter().any(|told| matches!(told, Told::Data(_)));
    let data = has_data.then_some(Told::Data(0));
    let drained = told.iter().filter(|told| **told == Told::Drained).cloned();
    let others = told.iter().filter_map(|told| match told {
        Told::Data(_) | Told::Drained => None,
        Told::Failed("EPIPE") => Some(Told::Failed("ECONNRESET")),
        Told::Closed(reason, queued) => Some(Told::Closed(*reason, usize::from(*queued > 0))),
        other => Some(other.clone()),
    });
    data.into_iter().chain(drained).chain(others)
}

/// Writes down what a socket is told, and may send back what it gets. One without a name is a stranger's.
pub(super) struct Recorder {
    pub(super) name: Option<Name>,
    pub(super) echoes: bool,
}

impl Recorder {
    fn tell(&self, cx: &mut Context<'_, Log>, told: Told) {
        match self.name {
            Some(name) => cx.shared.tell(name, told),
            None => cx.socket.destroy(),
        }
    }
}

impl SocketHandler<Log> for Recorder {
    fn on_connect(&mut self, cx: &mut Context<'_, Log>) {
        self.tell(cx, Told::Connected);
    }
    fn on_data(&mut self, cx: &mut Context<'_, Log>, data: &[u8]) {
        let Some(name) = self.name else {
            return cx.socket.destroy();
        };
        cx.shared.receive(name, data);
        if self.echoes && cx.socket.write(data).is_accepted() {
            cx.shared.sent(name, data);
        }
    }
    fn on_drain(&mut self, cx: &mut Context<'_, Log>) {
        self.tell(cx, Told::Drained);
    }
    fn on_sent(&mut self, cx: &mut Context<'_, Log>, token: u64, sent: Result<(), &Error>) {
        self.tell(cx, Told::Sent(token, sent.is_ok()));
    }
    fn on_end(&mut self, cx: &mut Context<'_, Log>) {
        self.tell(cx, Told::Ended);
    }
    fn on_timeout(&mut self, cx: &mut Context<'_, Log>) {
        self.tell(cx, Told::TimedOut);
    }
    fn on_error(&mut self, cx: &mut Context<'_, Log>, error: &Error) {
        self.tell(cx, Told::Failed(error.code()));
    }
    fn on_close(&mut self, cx: &mut Context<'_, Log>, reason: CloseReason) {
        let queued = cx.socket.queued_bytes();
        self.tell(cx, Told::Closed(reason, queued));
    }
}
