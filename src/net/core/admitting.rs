//! The decision on each accepted connection: before anything is allocated for it, and again once its filters know the
//! peer. A *place* is the count of one open socket against the limits of its loop, its server and its network.

use crate::net::listener::{Listener, Refused, ServerEvent};
use crate::net::values::{AcceptLimit, Event, ServerId, SocketId};

use super::{Net, TargetedEvent};

impl Net {
    #[inline]
    pub(crate) fn begin_turn(&mut self) {
        self.loop_admission.begin_turn();
    }

    /// Decides on an accepted connection: the block list first, then the limits in the order of [`AcceptLimit`].
    /// Returns whether the server's handler gets an event now: refused connections share one event at the end of the
    /// server's burst.
    // Not inlined, and returns no event: otherwise the compiler would keep the event of every message in memory, and
    // not in registers.
    #[inline(never)]
    pub(super) fn screen(&mut self, id: ServerId) -> bool {
        let Some(listener) = self.listener_mut(id).filter(|it| it.has_arrival()) else {
            return true;
        };
        if listener.is_arrival_blocked() {
            listener.drop_arrival();
            self.tally.dropped_blocked += 1;
        } else if let Some(limit) = self.reached_limit(id) {
            self.tally.refused[limit as usize] += 1;
            if let Some(listener) = self.listener_mut(id) {
                listener.refuse_arrival(limit);
            }
        } else {
            if let Some(listener) = self.listener_mut(id) {
                listener.take_arrival();
            }
            return true;
        }
        !self.reactor.is_in_burst(id.0) && self.has_refusals(id)
    }

    /// Decides again on an accepted connection, once its filters know the peer: the block list first, then the limit of
    /// the peer's network. Returns the event of the connection, or of the server if that limit refuses; none for a
    /// blocked peer.
    pub(super) fn introduce(&mut self, id: SocketId) -> Option<TargetedEvent> {
        let connection = self.connection_mut(id)?;
        let (peer, counted) = (connection.peer(), connection.counted_peer());
        let server = ServerId(connection.server()?);
        if self.listener(server)?.blocks(peer) {
            self.tally.dropped_blocked += 1;
            self.begin_close(id, |it, registration| it.refuse(false, registration));
            return None;
        }
        self.connection_mut(id)?.set_counted_peer(None);
        self.listener_mut(server)?.leave_network(counted);
        let mut is_full = self.listener(server)?.is_network_full(peer);
        if is_full && self.free_places_of_closing() {
            is_full = self.listener(server)?.is_network_full(peer);
        }
        if is_full {
            self.tally.refused[AcceptLimit::Network as usize] += 1;
            let resets = self.listener_mut(server)?.refuse_late(peer);
            self.begin_close(id, |it, registration| it.refuse(resets, registration));
            return Some(TargetedEvent::Server(server));
        }
        let listener = self.listener_mut(server)?;
        if listener.reserve_place().is_err() {
            // There is no memory to count the connection. No handler is told of it, as in `admit`.
            self.begin_close(id, |it, registration| it.refuse(true, registration));
            return None;
        }
        listener.enter_network(peer);
        self.connection_mut(id)?.set_counted_peer(peer);
        let event = self.reactor.visit(id.0, |source, registration| {
            source.connection_mut()?.go_on_introduced(registration)
        });
        match event.flatten()? {
            Event::Socket(event) => Some(TargetedEvent::Socket(id, event)),
            _ => None,
        }
    }

    /// Whether the handler of the server `id` is still to be told of refused connections.
    pub(super) fn has_refusals(&self, id: ServerId) -> bool {
        self.listener(id).is_some_and(Listener::has_refusals)
    }

    /// Takes the refused connections of one limit, for the caller to call again until `None`. One event of the reactor
    /// stands for all of them, and for the server's own event after them.
    pub(crate) fn take_refused(&mut self, id: ServerId) -> Option<Refused> {
        self.listener_mut(id)?.take_refused()
    }

    /// Takes the server's own event; `None` while refused connections wait, as these were accepted earlier.
    #[inline]
    pub(crate) fn take_server_event(&mut self, id: ServerId) -> Option<ServerEvent> {
        self.listener_mut(id)?.take_event()
    }

    fn reached_limit(&mut self, id: ServerId) -> Option<AcceptLimit> {
        let mut full = self.full_place(id);
        if full.is_some() && self.free_places_of_closing() {
            full = self.full_place(id);
        }
        if full.is_some() {
            return full;
        }
        let tick = self.reactor.tick();
        let keeps_rate = self.listener_mut(id)?.keeps_rate(tick);
        (!keeps_rate).then_some(AcceptLimit::Rate)
    }

    fn full_place(&self, server: ServerId) -> Option<AcceptLimit> {
        if !self.loop_admission.has_place() {
            return Some(AcceptLimit::Loop);
        }
        self.listener(server)?.full_place()
    }

    /// Frees the places of the sockets that wait for the close phase. Returns whether there were any. A close within a
    /// service, such as after a failed read, frees no place by itself. So this is called before a server refuses.
    fn free_places_of_closing(&mut self) -> bool {
        let before = self.loop_admission.open_sockets();
        loop {
            let key = self.reactor.closing().nth(self.closing_looked_at);
            let Some(key) = key else {
                return self.loop_admission.open_sockets() < before;
            };
            self.closing_looked_at += 1;
            self.free_place(SocketId(key));
        }
    }

    /// Stops counting a closed socket against the limits, once. The server still closes only after the socket's
    /// removal.
    pub(crate) fn free_place(&mut self, id: SocketId) {
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        if !connection.give_up_place() {
            return;
        }
        let (server, peer) = (connection.server(), connection.counted_peer());
        self.loop_admission.free_place();
        let server = server.map(ServerId);
        if let Some(listener) = server.and_then(|server| self.listener_mut(server)) {
            listener.place_freed(|| peer);
        }
    }

    /// Closes the server after too many fatal failures in a row, before the handler gets the error.
    pub(crate) fn accept_failed(&mut self, id: ServerId) {
        if self.listener(id).is_some_and(Listener::is_faulty) {
            self.close_server(id);
        }
    }

    /// Notes that a descriptor may have become free: the servers that have met a shortage try again.
    #[inline]
    pub(super) fn note_free_descriptor(&mut self) {
        if self.loop_admission.take_shortage() {
            self.wake_servers();
        }
    }

    #[cold]
    fn wake_servers(&mut self) {
        for place in 0..self.servers.len() {
            self.with_listener(self.servers[place], |listener, registration| {
                listener.wake(registration);
            });
        }
    }
}
