//! UDP sockets: bind, connect, adopt, and the requests of their views.

use std::io;
use std::net::SocketAddr;

use crate::net::connect::HostQuery;
use crate::net::datagram::DatagramFlow;
use crate::net::datagram::{
    DatagramCounts, DatagramEvent, DatagramOptions, Datagrams, Message, Purpose, check_sendable,
    not_running,
};
use crate::net::error::{Error, Result, Syscall, copy_of_io};
use crate::net::outbox::Outbox;
use crate::net::values::{DatagramId, Endpoint};
use crate::reactor::{Interest, Readiness, Registration};
#[cfg(feature = "udp-batch")]
use crate::system::PacketInfo;
use crate::system::{Udp, UdpOption};

use super::Net;
use super::opening_datagrams::{open, open_first, open_to, set, set_behind_bind};
use super::option_ranges::check_udp_option;
use super::source::Source;

impl Net {
    /// Opens a UDP socket. An address is bound at once; for a name, the handler gets the error of the lookup or bind.
    pub(crate) fn bind_udp(
        &mut self,
        endpoint: Endpoint,
        options: &DatagramOptions,
    ) -> Result<DatagramId> {
        check_options(options)?;
        match endpoint {
            Endpoint::Socket(address) => {
                let socket = open(&self.system, address, options)?;
                self.insert_datagrams(Datagrams::open(socket, endpoint, None, options))
            }
            Endpoint::Name { .. } => self.look_datagrams_up(endpoint, Purpose::Bind, options),
            Endpoint::Path(_) => Err(no_path()),
        }
    }

    pub(crate) fn connect_udp(
        &mut self,
        endpoint: Endpoint,
        options: &DatagramOptions,
    ) -> Result<DatagramId> {
        check_options(options)?;
        match endpoint {
            Endpoint::Socket(peer) => {
                let socket = open_to(&self.system, peer, options)?;
                self.insert_datagrams(Datagrams::open(socket, endpoint, Some(peer), options))
            }
            Endpoint::Name { .. } => self.look_datagrams_up(endpoint, Purpose::Connect, options),
            Endpoint::Path(_) => Err(no_path()),
        }
    }

    /// Adopts a UDP socket of the user, which is bound, and perhaps connected.
    pub(crate) fn adopt_udp(
        &mut self,
        socket: std::net::UdpSocket,
        options: &DatagramOptions,
    ) -> Result<DatagramId> {
        check_options(options)?;
        let failed = |error| Error::new(Syscall::Open, error);
        let socket = Udp::adopt(socket).map_err(failed)?;
        let local = socket.local_address().map_err(failed)?;
        let peer = socket.peer_address().ok();
        let blocked = options.send_block_list.as_deref();
        peer.map_or(Ok(()), |peer| check_sendable(blocked, peer))?;
        let binding = options.binding();
        if let Some(bytes) = binding.receive_buffer {
            set(&socket, UdpOption::ReceiveBuffer(bytes), local)?;
        }
        if let Some(bytes) = binding.send_buffer {
            set(&socket, UdpOption::SendBuffer(bytes), local)?;
        }
        set_behind_bind(&socket, options, local)?;
        self.insert_datagrams(Datagrams::open(socket, local.into(), peer, options))
    }

    fn insert_datagrams(&mut self, datagrams: Datagrams) -> Result<DatagramId> {
        let address = datagrams.local();
        let source = Source::Datagrams(Box::new(datagrams));
        let inserted = self
            .reactor
            .insert_ready(source, Interest::READABLE, Readiness::WRITABLE);
        let key = inserted.map_err(|(error, _)| {
            let error = Error::new(Syscall::Register, error);
            match address {
                Some(address) => error.at(address.into()),
                None => error,
            }
        })?;
        self.reactor
            .visit(key, |_, registration| registration.activate());
        self.datagrams.push(DatagramId(key));
        Ok(DatagramId(key))
    }

    fn look_datagrams_up(
        &mut self,
        endpoint: Endpoint,
        purpose: Purpose,
        options: &DatagramOptions,
    ) -> Result<DatagramId> {
        let Endpoint::Name { host, .. } = &endpoint else {
            return Err(no_path());
        };
        let host = host.clone();
        let datagrams = Datagrams::looking_up(endpoint, purpose, options);
        let source = Source::Datagrams(Box::new(datagrams));
        let id = DatagramId(self.reactor.insert_unregistered(source, Interest::READABLE));
        self.datagrams.push(id);
        let query = HostQuery::new(&host, options.family);
        if let Err(error) = self.look_up(&query, options.resolver.as_ref(), id.0) {
            self.finish_datagram_lookup(id, Err(&error));
        }
        Ok(id)
    }

    pub(super) fn finish_datagram_lookup(
        &mut self,
        id: DatagramId,
        answer: std::result::Result<&[SocketAddr], &io::Error>,
    ) {
        let Some((datagrams, (options, purpose))) =
            self.datagrams(id).and_then(|it| Some((it, it.pending()?)))
        else {
            return;
        };
        let asked = datagrams.asked().clone();
        let opened = match answer {
            Ok(found) => open_first(&self.system, found, asked, purpose, options),
            Err(error) => Err(Error::new(Syscall::Lookup, copy_of_io(error)).at(asked)),
        };
        let is_open = opened.is_ok();
        self.with_datagrams(id, |datagrams, registration, outbox| match opened {
            Ok((socket, peer)) => {
                datagrams.begin(socket, peer);
                registration.activate();
            }
            Err(error) => datagrams.fail(error, registration, outbox),
        });
        if is_open {
            if let Err(error) = self.reactor.register(id.0) {
                let error = Error::new(Syscall::Register, error);
                self.with_datagrams(id, |datagrams, registration, outbox| {
                    datagrams.fail(error, registration, outbox);
                });
            }
        }
    }

    pub(crate) fn datagrams(&self, id: DatagramId) -> Option<&Datagrams> {
        self.reactor.get(id.0)?.datagrams()
    }

    #[inline]
    pub(crate) fn with_datagrams<R>(
        &mut self,
        id: DatagramId,
        ask: impl FnOnce(&mut Datagrams, &mut Registration<'_>, &mut Outbox) -> R,
    ) -> Option<R> {
        let outbox = &mut self.outbox;
        self.reactor
            .visit(id.0, |source, registration| {
                Some(ask(source.datagrams_mut()?, registration, outbox))
            })
            .flatten()
    }

    #[inline]
    pub(crate) fn send_datagram(
        &mut self,
        id: DatagramId,
        bytes: &[u8],
        to: Option<SocketAddr>,
    ) -> DatagramFlow {
        let source = self.reactor.source_mut(id.0);
        let Some(datagrams) = source.and_then(Source::datagrams_mut) else {
            return DatagramFlow::Closed;
        };
        match datagrams.send_at_once(bytes, to, &mut self.outbox) {
            Some(Ok(())) => DatagramFlow::Open,
            Some(Err(error)) => self.send_slow_path(id, bytes, to, Some(error)),
            None => self.send_slow_path(id, bytes, to, None),
        }
    }

    /// Sends a datagram that [`Datagrams::send_at_once`] did not try to send, or for which it has failed with `error`.
    #[inline(never)]
    fn send_slow_path(
        &mut self,
        id: DatagramId,
        bytes: &[u8],
        to: Option<SocketAddr>,
        error: Option<io::Error>,
    ) -> DatagramFlow {
        let sent = self.with_datagrams(id, |datagrams, registration, outbox| match error {
            Some(error) => datagrams.on_unsent(error, bytes, to, registration, outbox),
            None => datagrams.send(bytes, to, registration, outbox),
        });
        sent.unwrap_or(DatagramFlow::Closed)
    }

    #[cfg(feature = "udp-batch")]
    pub(crate) fn send_datagram_with(
        &mut self,
        id: DatagramId,
        bytes: &[u8],
        to: SocketAddr,
        info: PacketInfo,
    ) -> DatagramFlow {
        let sent = self.with_datagrams(id, |datagrams, registration, outbox| {
            datagrams.send_with(bytes, to, info, registration, outbox)
        });
        sent.unwrap_or(DatagramFlow::Closed)
    }

    pub(crate) fn set_udp_option(
        &self,
        id: DatagramId,
        name: &str,
        option: UdpOption,
    ) -> Result<()> {
        check_udp_option(name, option)?;
        match self.datagrams(id) {
            Some(datagrams) => datagrams.set(option),
            None => Err(not_running()),
        }
    }

    /// Takes the message of a UDP socket, unless its handler gets a notice first. The bytes are in the read buffer.
    #[inline]
    pub(crate) fn take_only_message(&mut self, id: DatagramId) -> Option<Message> {
        let source = self.reactor.source_mut(id.0)?;
        source.datagrams_mut()?.take_only_message()
    }

    /// Takes the next event for the handler. A message has its bytes in the read buffer.
    pub(crate) fn take_datagram_event(&mut self, id: DatagramId) -> Option<DatagramEvent> {
        self.reactor.source_mut(id.0)?.datagrams_mut()?.take_event()
    }

    /// Forgets the datagrams in a read buffer that is gone, because a hook panicked before their handler was told. The
    /// notices before them are told in the next service.
    #[cold]
    pub(crate) fn forget_messages(&mut self) {
        for place in 0..self.datagrams.len() {
            self.with_datagrams(self.datagrams[place], |datagrams, registration, _| {
                datagrams.forget_messages(registration);
            });
        }
    }

    pub(crate) fn take_last_datagram_error(&mut self, id: DatagramId) -> Option<Error> {
        let source = self.reactor.source_mut(id.0)?;
        source.datagrams_mut()?.take_last_error()
    }

    /// Closes a UDP socket at once: its address is free again. Does nothing in a forked child, because the close would
    /// deregister the parent's socket.
    pub(crate) fn close_datagrams(&mut self, id: DatagramId) {
        self.close_datagrams_by(id, Datagrams::close);
    }

    fn close_datagrams_by(
        &mut self,
        id: DatagramId,
        close: impl FnOnce(&mut Datagrams, &mut Registration<'_>, &mut Outbox),
    ) {
        let is_open = self.datagrams(id).is_some_and(|it| !it.is_closed());
        if is_open && self.check_owner().is_ok() {
            // The program has sent the gathered datagrams before this close, so they must leave.
            #[cfg(feature = "udp-batch")]
            self.with_datagrams(id, Datagrams::send_all);
            self.reactor.deregister(id.0);
            self.with_datagrams(id, |datagrams, registration, outbox| {
                close(datagrams, registration, outbox);
                datagrams.shut(outbox);
            });
            self.dismiss_asker(id.0);
        }
    }

    pub(crate) fn close_datagrams_soon(&mut self, id: DatagramId) {
        match self.datagrams(id).map(Datagrams::queued_datagrams) {
            Some(0) => self.close_datagrams_by(id, Datagrams::end),
            Some(_) => {
                self.with_datagrams(id, |datagrams, registration, _| {
                    datagrams.close_soon(registration);
                });
            }
            None => {}
        }
    }

    /// Closes a UDP socket with `error`: its handler has panicked, or the socket keeps the loop awake for nothing.
    pub(crate) fn fail_datagrams(&mut self, id: DatagramId, error: Error) {
        self.with_datagrams(id, |datagrams, registration, outbox| {
            datagrams.fail(error, registration, outbox);
        });
        self.dismiss_asker(id.0);
    }

    /// Takes the socket out of the loop. `None` if it cannot be taken, and in a forked child.
    pub(crate) fn detach_datagrams(&mut self, id: DatagramId) -> Option<std::net::UdpSocket> {
        let can_be_detached = self.datagrams(id).is_some_and(Datagrams::can_be_detached);
        if !can_be_detached || self.check_owner().is_err() {
            return None;
        }
        self.reactor.deregister(id.0);
        self.with_datagrams(id, Datagrams::detach).flatten()
    }

    /// Lends the descriptor of a UDP socket to the user. Duplicates of it may exist from now on.
    #[cfg(unix)]
    pub(crate) fn lend_datagrams(&mut self, id: DatagramId) -> Option<std::os::fd::BorrowedFd<'_>> {
        let source = self.reactor.source_mut(id.0)?;
        source.datagrams_mut()?.lend_descriptor()
    }

    pub(crate) fn remove_datagrams(&mut self, id: DatagramId) {
        let removed = self.reactor.remove(id.0);
        if let Some(datagrams) = removed.as_ref().and_then(Source::datagrams) {
            self.tally.datagrams_before.add(datagrams.counts());
        }
        self.datagrams.retain(|known| *known != id);
    }

    pub(crate) fn datagram_ids(&self) -> &[DatagramId] {
        &self.datagrams
    }

    /// Returns the sums of all counters, with those of removed sockets, and the number of queued bytes.
    pub(super) fn datagram_counts(&self) -> (DatagramCounts, usize) {
        let mut counts = self.tally.datagrams_before;
        let mut queued = 0;
        for id in &self.datagrams {
            if let Some(datagrams) = self.datagrams(*id) {
                counts.add(datagrams.counts());
                queued += datagrams.queued_bytes();
            }
        }
        (counts, queued)
    }
}

fn check_options(options: &DatagramOptions) -> Result<()> {
    for (name, option) in options.behind_bind() {
        check_udp_option(name, option)?;
    }
    let binding = options.binding();
    if let Some(bytes) = binding.receive_buffer {
        check_udp_option("receive_buffer_size", UdpOption::ReceiveBuffer(bytes))?;
    }
    if let Some(bytes) = binding.send_buffer {
        check_udp_option("send_buffer_size", UdpOption::SendBuffer(bytes))?;
    }
    Ok(())
}

fn no_path() -> Error {
    let text = "a UDP socket has an address or a name with a port, and no path";
    Error::with_code(Error::INVALID_ARGUMENT, text)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::net::core::{Capacities, Closing};
    use crate::net::values::Limits;
    use crate::system::System;

    // A source that gets no entry on the wheel is closed by its registration, and not by its owner.
    #[test]
    fn a_close_for_want_of_memory_counts_the_queue_as_lost() {
        let capacities = Capacities {
            events_per_poll: 16,
            pooled_bytes: 0,
        };
        let mut net = Net::new(System::Kernel, &capacities, Limits::new()).unwrap();
        let resolver = |_: &HostQuery<'_>| Ok(Vec::new());
        let options = DatagramOptions::new().resolver(Arc::new(resolver));
        let name = Endpoint::Name {
            host: "here.test".to_owned(),
            port: 7,
        };
        let id = net.connect_udp(name, &options).unwrap();
        for _ in 0..3 {
            assert!(net.send_datagram(id, &[7; 100], None).is_accepted());
        }
        assert_eq!(net.take_pressure().0, 300);
        net.reactor
            .visit(id.0, |_, registration| registration.close());
        assert!(net.begin_closing());
        assert!(matches!(net.next_closing(), Some(Closing::Datagram(_))));
        net.remove_datagrams(id);
        assert_eq!(net.take_pressure().0, 0);
        assert_eq!(net.datagram_counts().0.dropped, 3);
    }
}
