//! Messages to several sockets, each stored once for a group of sockets, until the flush phase.
//!
//! A chat room of a thousand members, in which sixteen speak in one turn, makes sixteen thousand writes and a thousand
//! sends. So a write outside of the socket's callback must be very cheap, and a member's bytes should lie in one piece.
//! The messages to a [`Group`] lie one after the other in one buffer. A member stores only a [`Span`], the range that
//! it has still to be sent. If the buffer has a message already, only the end of the span moves on over it.

use super::KEPT_BYTES;

/// The most groups in use at a time. Messages to any further group go to the queues of its sockets.
const GROUPS: usize = 4;

/// The most bytes of a group: an offset in a [`Span`] has two bytes. Further messages go to the queues of the members.
const GROUP_BYTES: usize = u16::MAX as usize;

/// The messages of one turn. A single write to another socket is a message to a group of one.
#[derive(Debug, Default)]
pub(super) struct Broadcast {
    groups: [Group; GROUPS],
    /// The number of groups in use. Invariant: `groups[..used]` have messages, and the others have none.
    used: u8,
    /// The index of the group that a message was last appended to.
    recent: u8,
    /// The number of members whose span is not empty. Invariant: if it is zero, so is `used`.
    spans: usize,
    /// Invariant: the sum of the lengths of all spans.
    waiting: usize,
    /// The last move by [`extend`](Self::extend) for the message that is being broadcast. Invariant: its bytes lie in a
    /// group in use.
    last_move: Option<SpanMove>,
}

#[derive(Debug, Default)]
struct Group {
    bytes: Vec<u8>,
    /// The offset at which the last message begins.
    last_start: usize,
}

/// The move of a span's end over one message, by which the span takes the message in. Another span that ends at `from`
/// can end at `to` without comparing bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct SpanMove {
    group: u8,
    /// The end of the span before the move. Invariant: not zero, because only spans with bytes are moved.
    from: u16,
    to: u16,
}

impl SpanMove {
    /// The length of the message.
    #[inline]
    pub(super) fn len(self) -> usize {
        usize::from(self.to - self.from)
    }
}

/// The range of a group's bytes that one socket has still to be sent. No byte was offered to the kernel yet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span {
    start: u16,
    /// Invariant: `start..end` lies within the bytes of the [`Group`] with the index `group`.
    end: u16,
    /// Invariant: above `end`, unless the span is empty or sealed. From here on, the socket may have to answer `Full`.
    limit: u16,
    group: u8,
}

impl Span {
    pub(super) fn seal(&mut self) {
        self.limit = self.end;
    }

    /// Moves the end as that of another span was moved. Returns `false` if the two ended at different places, or if the
    /// message would reach the limit.
    #[inline]
    pub(super) fn follow(&mut self, other: SpanMove) -> bool {
        let follows = self.group == other.group && self.end == other.from && other.to < self.limit;
        if follows {
            self.end = other.to;
        }
        follows
    }

    #[inline]
    pub(super) fn is_empty(self) -> bool {
        self.start == self.end
    }

    #[inline]
    pub(super) fn len(self) -> usize {
        usize::from(self.end - self.start)
    }
}

impl Broadcast {
    /// Returns a new span with only `message`, for a socket that has nothing unsent. The span always stays shorter than
    /// `capacity`. After `None`, the socket's queue takes the message.
    #[inline]
    pub(super) fn begin(&mut self, message: &[u8], capacity: usize) -> Option<Span> {
        if message.is_empty() || message.len() >= capacity {
            return None;
        }
        let recent = &self.groups[usize::from(self.recent)];
        if self.used == 0 || recent.bytes[recent.last_start..] != *message {
            self.recent = self.open(message)?;
        }
        self.spans += 1;
        self.waiting += message.len();
        let group = &self.groups[usize::from(self.recent)];
        let start = offset(group.last_start);
        Some(Span {
            start,
            end: offset(group.bytes.len()),
            limit: start.saturating_add(u16::try_from(capacity).unwrap_or(u16::MAX)),
            group: self.recent,
        })
    }

    /// Appends `message` to `span`, which is not empty. Returns `false` if other bytes follow the span in the group, if
    /// a limit would be reached, or if there is no memory.
    #[inline]
    pub(super) fn extend(&mut self, span: &mut Span, message: &[u8]) -> bool {
        if message.len() >= usize::from(span.limit - span.end) {
            return false;
        }
        let group = &mut self.groups[usize::from(span.group)];
        let further = &group.bytes[usize::from(span.end)..];
        if further.is_empty() {
            if !group.append(message) {
                return false;
            }
            self.recent = span.group;
        } else if !further.starts_with(message) {
            return false;
        }
        let to = span.end + offset(message.len());
        self.waiting += message.len();
        self.last_move = Some(SpanMove {
            group: span.group,
            from: std::mem::replace(&mut span.end, to),
            to,
        });
        true
    }

    #[inline]
    pub(super) fn begin_message(&mut self) {
        self.last_move = None;
    }

    #[inline]
    pub(super) fn last_move(&self) -> Option<SpanMove> {
        self.last_move
    }

    /// Counts `bytes` by which [`Span::follow`] has moved spans.
    #[inline]
    pub(super) fn note_moved(&mut self, bytes: usize) {
        self.waiting += bytes;
    }

    #[inline]
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    #[inline]
    pub(super) fn bytes(&self, span: Span) -> &[u8] {
        &self.groups[usize::from(span.group)].bytes[usize::from(span.start)..usize::from(span.end)]
    }

    /// Releases `span`, which is not empty, after its bytes were sent or queued. The last release empties all groups.
    #[inline]
    pub(super) fn release(&mut self, span: Span) {
        debug_assert!(!span.is_empty());
        self.spans -= 1;
        self.waiting -= span.len();
        if self.spans == 0 {
            for group in &mut self.groups[..usize::from(self.used)] {
                group.bytes.clear();
            }
            self.used = 0;
            self.last_move = None;
        }
    }

    pub(super) fn has_slack(&self) -> bool {
        let mut groups = self.groups.iter();
        groups.any(|group| group.bytes.capacity() > KEPT_BYTES)
    }

    pub(super) fn shrink(&mut self) {
        for group in &mut self.groups {
            if group.bytes.is_empty() && group.bytes.capacity() > KEPT_BYTES {
                *group = Group::default();
            }
        }
    }

    /// Opens a group with `message`, and returns its index.
    fn open(&mut self, message: &[u8]) -> Option<u8> {
        let group = self.groups.get_mut(usize::from(self.used))?;
        if !group.append(message) {
            return None;
        }
        self.used += 1;
        Some(self.used - 1)
    }
}

impl Group {
    fn append(&mut self, message: &[u8]) -> bool {
        let fits = self.bytes.len() + message.len() <= GROUP_BYTES
            && self.bytes.try_reserve(message.len()).is_ok();
        if fits {
            self.last_start = self.bytes.len();
            self.bytes.extend_from_slice(message);
        }
        fits
    }
}

fn offset(bytes: usize) -> u16 {
    u16::try_from(bytes).expect("a group is shorter than 64 KiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_to_all_members_lie_there_once() {
        let mut broadcast = Broadcast::default();
        let messages: [&[u8]; 3] = [b"one", b"two", b"three"];
        let mut spans = [Span::default(); 10];
        for message in messages {
            for span in &mut spans {
                if span.is_empty() {
                    *span = broadcast.begin(message, 100).unwrap();
                } else {
                    assert!(broadcast.extend(span, message));
                }
            }
        }
        assert_eq!(broadcast.groups[0].bytes, b"onetwothree");
        for span in spans {
            assert_eq!(broadcast.bytes(span), b"onetwothree");
            assert_eq!(span.len(), 11);
            broadcast.release(span);
        }
        assert_eq!((broadcast.used, broadcast.spans), (0, 0));
        assert_eq!(broadcast.groups[0].bytes, b"");
    }

    #[test]
    fn a_span_with_a_gap_behind_it_does_not_grow() {
        let mut broadcast = Broadcast::default();
        let mut listener = broadcast.begin(b"a", 100).unwrap();
        let mut speaker = broadcast.begin(b"a", 100).unwrap();
        assert!(broadcast.extend(&mut listener, b"mine"));
        assert!(broadcast.extend(&mut listener, b"next"));
        assert!(!broadcast.extend(&mut speaker, b"next"), "a gap");
        assert_eq!(broadcast.bytes(speaker), b"a");
        assert_eq!(broadcast.bytes(listener), b"aminenext");
    }

    #[test]
    fn random_groups_are_sent_their_own_messages() {
        for seed in 0..200 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut broadcast = Broadcast::default();
            let mut members = vec![(Span::default(), Vec::new()); 40];
            for step in 0..3_000 {
                let message: Vec<u8> = (0..random.usize(1..60)).map(|_| random.u8(0..3)).collect();
                let most = random.usize(1..2_000);
                let groups = random.usize(1..7);
                let group = random.usize(0..groups);
                broadcast.begin_message();
                for (index, (span, heard)) in members.iter_mut().enumerate() {
                    if index % groups != group || random.u8(0..20) == 0 {
                        continue;
                    }
                    let last = broadcast.last_move();
                    let took = if let Some(last) = last.filter(|it| span.follow(*it)) {
                        broadcast.note_moved(last.len());
                        true
                    } else if span.is_empty() {
                        let begun = broadcast.begin(&message, most);
                        begun.map(|begun| *span = begun).is_some()
                    } else {
                        broadcast.extend(span, &message)
                    };
                    if took {
                        heard.extend_from_slice(&message);
                        assert!(span.end < span.limit, "seed {seed}, step {step}");
                    }
                }
                let sends = if random.u8(0..10) == 0 { 40 } else { 3 };
                for _ in 0..sends {
                    let (span, heard) = &mut members[random.usize(0..40)];
                    if !span.is_empty() {
                        assert_eq!(broadcast.bytes(*span), heard, "seed {seed}, step {step}");
                        broadcast.release(std::mem::take(span));
                        heard.clear();
                    }
                }
                let spans = members.iter().filter(|(span, _)| !span.is_empty()).count();
                assert_eq!(broadcast.spans, spans, "seed {seed}, step {step}");
                let waiting: usize = members.iter().map(|(span, _)| span.len()).sum();
                assert_eq!(broadcast.waiting(), waiting, "seed {seed}, step {step}");
                assert_eq!(broadcast.used == 0, spans == 0);
                for group in &broadcast.groups {
                    assert!(group.bytes.len() <= GROUP_BYTES);
                }
            }
        }
    }
}
