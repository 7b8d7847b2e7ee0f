//! The channels, and the subscribers of each.

use std::collections::BTreeMap;

use netloop::{SocketId, Sockets};

use crate::database::Bytes;
use crate::glob;
use crate::protocol::{Replies, Version};

/// The subscribers of a channel or a pattern.
type Subscribers = BTreeMap<SocketId, Version>;

/// A channel by its name, or all channels whose names match a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Channel,
    Pattern,
}

#[derive(Debug, Default)]
pub(crate) struct Channels {
    channels: BTreeMap<Bytes, Subscribers>,
    patterns: BTreeMap<Bytes, Subscribers>,
}

impl Channels {
    fn of(&mut self, kind: Kind) -> &mut BTreeMap<Bytes, Subscribers> {
        match kind {
            Kind::Channel => &mut self.channels,
            Kind::Pattern => &mut self.patterns,
        }
    }

    pub(crate) fn count(&self, kind: Kind) -> usize {
        match kind {
            Kind::Channel => self.channels.len(),
            Kind::Pattern => self.patterns.len(),
        }
    }

    pub(crate) fn subscribe(&mut self, kind: Kind, name: Bytes, id: SocketId, version: Version) {
        self.of(kind).entry(name).or_default().insert(id, version);
    }

    pub(crate) fn unsubscribe(&mut self, kind: Kind, name: &[u8], id: SocketId) {
        let names = self.of(kind);
        if let Some(subscribers) = names.get_mut(name) {
            subscribers.remove(&id);
            if subscribers.is_empty() {
                names.remove(name);
            }
        }
    }

    /// Sends a message to the subscribers of a channel, and returns their number.
    pub(crate) fn publish(
        &self,
        sockets: &mut Sockets<'_>,
        channel: &[u8],
        message: &[u8],
    ) -> usize {
        let mut count = 0;
        if let Some(subscribers) = self.channels.get(channel) {
            count += subscribers.len();
            send(sockets, subscribers, &[b"message", channel, message]);
        }
        for (pattern, subscribers) in &self.patterns {
            if glob::matches(pattern, channel) {
                count += subscribers.len();
                send(
                    sockets,
                    subscribers,
                    &[b"pmessage", pattern, channel, message],
                );
            }
        }
        count
    }
}

/// Sends one message to all subscribers. One that does not read is closed by the loop, at the limit of its queue: waiting
/// for it would make all others wait.
fn send(sockets: &mut Sockets<'_>, subscribers: &Subscribers, parts: &[&[u8]]) {
    for version in [Version::Two, Version::Three] {
        let of_version = subscribers.iter().filter(|(_, of)| **of == version);
        let mut of_version = of_version.map(|(id, _)| *id).peekable();
        if of_version.peek().is_some() {
            let mut replies = Replies::default();
            replies.begin(version);
            replies.push(parts.len());
            for part in parts {
                replies.bulk(part);
            }
            // The subscribers that are behind need nothing from this side.
            let _ = sockets.broadcast(of_version, replies.bytes());
        }
    }
}
