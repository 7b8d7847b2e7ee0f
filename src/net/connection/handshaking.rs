//! Filters: the handshake that precedes the open connection.

use std::io;
use std::net::SocketAddr;

use crate::net::error::{Error, Syscall};
use crate::net::filter::{Advance, AnyFilter, Filter, Filters};
use crate::net::outbox::Outbox;
use crate::net::values::{CloseReason, Event, SocketEvent};
use crate::reactor::{Interest, Readiness, Registration};
use crate::system::Stream;
use crate::system::errno::is_out_of_buffers;

use super::Connection;
use super::cold::filters_of;
use super::outbound::Wire;
use super::stage::Stage;
use super::transport::Transport;

impl Connection {
    pub(crate) fn set_filters(&mut self, filters: Box<Filters>) {
        self.cold_mut().filters = Some(filters);
    }

    /// Sets the filters of a connection that a server has just accepted. The server is told of it once they are ready.
    /// The limit for each network counts it under the address `counted`.
    pub(crate) fn set_accepted_filters(
        &mut self,
        filters: Option<Box<Filters>>,
        counted: Option<SocketAddr>,
    ) {
        self.set_counted_peer(counted);
        if let Some(filters) = filters {
            self.set_filters(filters);
            self.cold_mut().is_untold = true;
            self.stream = self.stream.take().map(Stream::into_filtered);
            if let Stage::Open(peer) = self.stage.take() {
                self.stage = Stage::Handshaking(peer);
            }
        }
    }

    /// Puts `filter` into an open connection: next to the handler, and above the filters that are there already. Bytes
    /// that were written before leave without this filter. The connection is open again once the filter is ready.
    ///
    /// # Errors
    ///
    /// `ERR_INVALID_STATE` if the connection is not open, has failed or can only be read, or if one side has ended.
    /// Also if earlier filters still have bytes to encode. `ERR_UNREAD_BYTES` if received bytes wait in the loop: these
    /// came without the filter, so an attacker may have put them in.
    pub(crate) fn start_filter(
        &mut self,
        filter: Box<dyn AnyFilter>,
        registration: &mut Registration<'_>,
        outbox: &mut Outbox,
    ) -> Result<(), Error> {
        self.check_open_for_filter()?;
        let has_decoded = self.filters().is_some_and(Filters::has_input);
        if self.has_unread() || has_decoded {
            return Err(Error::unread_bytes());
        }
        let was_corked = self.outbound.is_corked();
        self.outbound.uncork();
        if self.has_filters() {
            // The earlier filters have to encode the unsent bytes before this filter starts.
            self.flush(registration, outbox);
            if let Err(error) = self.check_flushed_for_filter() {
                if was_corked {
                    self.outbound.cork();
                }
                return Err(error);
            }
        }
        self.end_queue_wait();
        // Keeps the address that is counted: the filter may know another one, and the connection must leave the network
        // that it has entered.
        self.set_counted_peer(self.counted_peer());
        let plain = self.outbound.unsent.len();
        let received = self.bytes_read;
        let cold = self.cold_mut();
        // The connect is over, and its timeout must not count for this handshake.
        cold.connect_timeout = None;
        cold.has_been_open = true;
        // The handshake timeout counts from this call, and the turn's reading of the clock may be old.
        cold.handshake_began = registration.read_tick();
        match &mut cold.filters {
            Some(filters) => filters.push(filter),
            none => *none = Some(Box::new(Filters::start(filter, plain, received))),
        }
        self.stream = self.stream.take().map(Stream::into_filtered);
        if let Stage::Open(peer) = self.stage.take() {
            self.stage = Stage::Handshaking(peer);
        }
        self.plan_handshake(registration);
        self.file_deadline(registration);
        Ok(())
    }

    /// Checks the connection behind the flush of its queue, which may have failed.
    fn check_flushed_for_filter(&self) -> Result<(), Error> {
        self.check_open_for_filter()?;
        if self.outbound.unsent.is_empty() {
            return Ok(());
        }
        let text = "bytes wait for the kernel, and a further filter would encode them";
        Err(Error::with_code(Error::INVALID_STATE, text))
    }

    fn check_open_for_filter(&self) -> Result<(), Error> {
        let is_open = self.stage.is_open()
            && self.is_writable()
            && !self.inbound.has_ended()
            && !self.is_input();
        if is_open {
            return Ok(());
        }
        let text = "a filter starts on an open socket whose sides have not ended";
        Err(Error::with_code(Error::INVALID_STATE, text))
    }

    /// Returns the filter of the type `F`, also one that was taken off.
    pub(crate) fn find_filter<F: Filter + 'static>(&self) -> Option<&F> {
        let cold = self.cold.as_ref()?;
        let filters = cold.filters.as_deref();
        let past = || cold.past_filter.as_ref()?.as_any().downcast_ref();
        filters.and_then(Filters::find).or_else(past)
    }

    pub(super) fn filters(&self) -> Option<&Filters> {
        self.cold.as_ref()?.filters.as_deref()
    }

    pub(super) fn filters_mut(&mut self) -> Option<&mut Filters> {
        filters_of(&mut self.cold)
    }

    pub(super) fn has_filters(&self) -> bool {
        self.filters().is_some()
    }

    pub(crate) fn is_untold(&self) -> bool {
        self.cold.as_ref().is_some_and(|cold| cold.is_untold)
    }
}

impl Connection {
    /// Sends the bytes that were written before the filters started, as many as the kernel takes.
    pub(super) fn send_plain(&mut self, registration: &mut Registration<'_>, outbox: &mut Outbox) {
        if !self.filters().is_some_and(Filters::has_plain) {
            return;
        }
        let taken = self.taken_while_waiting();
        while self.filters().is_some_and(Filters::has_plain)
            && registration.readiness().serves(Interest::WRITABLE)
        {
            let Some(stream) = &self.stream else {
                return;
            };
            let mut wire = Wire {
                transport: Transport::new(stream, filters_of(&mut self.cold)),
                activity: &mut self.activity,
                registration,
                outbox,
            };
            if let Err(error) = self.outbound.send(&[], &mut wire) {
                if is_out_of_buffers(&error) {
                    // The shortage has lasted too long. A read does not meet this failure.
                    return self.write_failed(error, registration);
                }
                // The next read meets the failure too, and reports it.
                registration.would_block(Interest::WRITABLE);
            }
        }
        if !self.filters().is_some_and(Filters::has_plain) {
            // A short last send only means that later bytes wait for the filters, and not that the kernel is full.
            registration.assume(Readiness::WRITABLE);
        }
        if self.outbound.has_markers() {
            // These bytes are sent even if the handshake fails later.
            self.pass_markers(registration);
        }
        self.note_queue(taken, registration);
    }

    /// Leaves the handshake to the next service. A filter may be ready at once, and the handler must not be told of the
    /// open connection within this call.
    fn plan_handshake(&mut self, registration: &mut Registration<'_>) {
        self.cold_mut().handshake_is_due = true;
        registration.activate();
    }

    /// Begins the handshake of an accepted connection. Leaves the result to the next service, unless the filters wait
    /// for the peer.
    pub(super) fn begin_accepted_handshake(&mut self, registration: &mut Registration<'_>) {
        let (Some(stream), Some(cold)) = (&mut self.stream, &mut self.cold) else {
            return;
        };
        cold.handshake_began = registration.read_tick();
        let Some(filters) = cold.filters.as_deref_mut() else {
            return;
        };
        if filters.begin() {
            return;
        }
        match filters.advance(stream, None) {
            Ok(Advance::Waits) => self.await_filters(registration),
            _ => self.plan_handshake(registration),
        }
    }

    pub(super) fn has_planned_handshake(&self) -> bool {
        self.cold.as_ref().is_some_and(|it| it.handshake_is_due)
    }

    /// Begins the handshake of a connection whose stream is connected, also a handshake that was planned.
    pub(crate) fn begin_handshake(&mut self, registration: &mut Registration<'_>) -> Option<Event> {
        let cold = self.cold_mut();
        if !std::mem::take(&mut cold.handshake_is_due) {
            cold.handshake_began = registration.read_tick();
        }
        self.update_read_interest(registration);
        let event = self.advance_handshake(None, registration);
        if !self.stage.is_closed() {
            self.file_deadline(registration);
        }
        event
    }

    /// Goes on with the handshake. Reads into `received`, if that is given.
    pub(super) fn advance_handshake(
        &mut self,
        received: Option<&mut [u8]>,
        registration: &mut Registration<'_>,
    ) -> Option<Event> {
        if self.has_new_peer() {
            // An earlier step has found the peer's address. The server decides on it before the next filter begins.
            return Some(Event::Introduced);
        }
        let (Some(stream), Some(cold)) = (&mut self.stream, &mut self.cold) else {
            return None;
        };
        let filters = cold.filters.as_deref_mut()?;
        let before = filters.received();
        let reads = received.is_some();
        let advanced = filters.advance(stream, received);
        let has_read_short = filters.has_read_short();
        let has_write_failed = filters.has_write_failed();
        let has_received = filters.received() > before;
        if has_received {
            self.activity.touch(registration);
        }
        if has_received || reads && advanced.is_ok() {
            self.note_read();
        }
        let is_ready = matches!(advanced, Ok(Advance::Ready));
        let is_introduction = self.has_new_peer() || is_ready && self.awaits_introduction();
        let is_exhausted = match advanced {
            // After a failed write, the next read returns the failure. The readiness stays, because the kernel may not
            // report the failure again.
            Ok(Advance::Ready) => has_read_short && !has_write_failed,
            Ok(Advance::Waits) => has_read_short,
            _ => false,
        };
        // After a failure that is held, reads go on until one would block, as on an open connection.
        if reads && is_exhausted && !self.outbound.has_failed() {
            registration.fell_short(Interest::READABLE);
        }
        match advanced {
            Ok(Advance::Ready) if is_introduction => return Some(Event::Introduced),
            Ok(Advance::Ready) => return self.finish_handshake(registration),
            Ok(Advance::Waits) if reads && !has_read_short => {
                registration.would_block(Interest::READABLE);
                if self.outbound.has_failed() {
                    // The peer waits for bytes that cannot be sent any more.
                    self.report_held_back(registration);
                    return None;
                }
            }
            // No read was made, or more is to be done. The readiness stays, for another service.
            Ok(Advance::Waits | Advance::Unfinished) => {}
            // As in any other read, a signal is transient. So is a lack of memory, until it has lasted too long.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                self.retry_read(true, registration);
            }
            Err(error) if is_out_of_buffers(&error) && !self.is_shortage_fatal() => {
                self.retry_read(false, registration);
            }
            Err(error) => {
                self.fail_io(Syscall::Read, error, registration);
                return None;
            }
        }
        self.await_filters(registration);
        is_introduction.then_some(Event::Introduced)
    }

    /// Takes over the peer's address, if a filter has found one. Returns whether the server has still to decide on it.
    fn has_new_peer(&mut self) -> bool {
        let better = self.filters().and_then(Filters::peer_address);
        if let (Some(address), Stage::Handshaking(peer)) = (better, &mut self.stage) {
            *peer = Some(address).into();
        }
        better.is_some() && self.awaits_introduction()
    }

    /// Whether the server has still to admit or refuse the peer: so far it counts another address or none.
    fn awaits_introduction(&self) -> bool {
        self.is_untold() && self.counted_peer() != self.peer()
    }

    /// Goes on with the handshake after the server has admitted the peer.
    pub(crate) fn go_on_introduced(
        &mut self,
        registration: &mut Registration<'_>,
    ) -> Option<Event> {
        let event = self.advance_handshake(None, registration);
        if matches!(event, Some(Event::Introduced)) {
            // A further filter knows another address. The next service asks the server again.
            self.plan_handshake(registration);
            return None;
        }
        event
    }

    /// Closes a connection that its server was not told of: the peer is blocked, or no place or memory is left.
    pub(crate) fn refuse(&mut self, resets: bool, registration: &mut Registration<'_>) {
        if let (true, Some(stream)) = (resets, &self.stream) {
            // This call fails for a Unix socket, which has no RST.
            let _ = stream.reset_on_close();
        }
        self.close(CloseReason::Local, registration);
    }

    fn finish_handshake(&mut self, registration: &mut Registration<'_>) -> Option<Event> {
        if let Stage::Handshaking(peer) = self.stage.take() {
            self.stage = Stage::Open(peer);
        }
        let is_untold = self
            .cold
            .as_mut()
            .is_some_and(|cold| std::mem::take(&mut cold.is_untold));
        if self.server.is_some() {
            // The limit on the first byte counts from the end of the handshake.
            self.activity.began_tick = registration.read_tick();
        }
        // The idle timeout counts from here too. It may be due before the filed deadline, that of the handshake.
        self.activity.touch_now(registration);
        self.file_deadline_of_opened(registration);
        self.take_off_filters(registration);
        self.opened(registration);
        self.await_filters(registration);
        self.deliver_kept_input(registration);
        Some(Event::Socket(match is_untold {
            true => SocketEvent::Accepted,
            false => SocketEvent::Connected,
        }))
    }
}
