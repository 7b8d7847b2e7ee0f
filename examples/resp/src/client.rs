//! A client as the commands see it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use netloop::{Accepted, LoopContext, SocketId};

use crate::channels::{Channels, Kind};
use crate::database::Bytes;
use crate::protocol::Version;
use crate::server::Server;

/// The state of a connection that its commands use.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) id: SocketId,
    pub(crate) version: Version,
    pub(crate) channels: BTreeSet<Bytes>,
    pub(crate) patterns: BTreeSet<Bytes>,
    /// Whether the connection ends after the replies so far.
    pub(crate) is_ending: bool,
}

/// The state of a connection that other clients can see, with CLIENT LIST.
#[derive(Debug)]
pub(crate) struct Profile {
    pub(crate) number: usize,
    pub(crate) address: Option<SocketAddr>,
    pub(crate) since: Instant,
    pub(crate) name: Vec<u8>,
    pub(crate) library: Vec<u8>,
    pub(crate) library_version: Vec<u8>,
    pub(crate) version: Version,
    pub(crate) channels: usize,
    pub(crate) patterns: usize,
}

impl Client {
    /// Makes the client of an accepted connection, and its profile.
    pub(crate) fn new(cx: &mut LoopContext<'_, Server>, accepted: &Accepted) -> Self {
        cx.shared.connections += 1;
        let id = accepted.id;
        let profile = Profile {
            number: cx.shared.connections,
            address: accepted.peer_address,
            since: cx.now(),
            name: Vec::new(),
            library: Vec::new(),
            library_version: Vec::new(),
            version: Version::Two,
            channels: 0,
            patterns: 0,
        };
        cx.shared.clients.insert(id, profile);
        Self {
            id,
            version: Version::Two,
            channels: BTreeSet::new(),
            patterns: BTreeSet::new(),
            is_ending: false,
        }
    }

    /// Changes the version of the protocol, also that of the messages of channels.
    pub(crate) fn set_version(&mut self, version: Version, channels: &mut Channels) {
        self.version = version;
        for (kind, names) in [
            (Kind::Channel, &self.channels),
            (Kind::Pattern, &self.patterns),
        ] {
            for name in names {
                channels.subscribe(kind, Rc::clone(name), self.id, version);
            }
        }
    }

    pub(crate) fn names(&mut self, kind: Kind) -> &mut BTreeSet<Bytes> {
        match kind {
            Kind::Channel => &mut self.channels,
            Kind::Pattern => &mut self.patterns,
        }
    }

    /// Returns the number of channels and patterns that the client has subscribed to.
    #[inline]
    pub(crate) fn subscriptions(&self) -> usize {
        self.channels.len() + self.patterns.len()
    }

    /// Whether the client may only change its subscriptions: its replies would be taken for messages. In version 3 messages
    /// have a mark of their own.
    #[inline]
    pub(crate) fn only_listens(&self) -> bool {
        self.version == Version::Two && self.subscriptions() > 0
    }

    /// Removes what the server knows of the client.
    pub(crate) fn leave(&mut self, server: &mut Server) {
        server.clients.remove(&self.id);
        for kind in [Kind::Channel, Kind::Pattern] {
            for name in std::mem::take(self.names(kind)) {
                server.channels.unsubscribe(kind, &name, self.id);
            }
        }
    }
}
