//! The cold state of a connection: the fields that few connections need. The other connections pay for one pointer.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use crate::net::connect::ConnectRace;
use crate::net::filter::{AnyFilter, Filters};
use crate::reactor::{Key, Registration};
#[cfg(unix)]
use crate::system::Stream;

use super::close_progress::CloseProgress;
use super::connecting::DialStep;
use super::held::{Failure, HeldFailure};
use super::notice::Notice;
use super::outbound::OutboundFlags;
use super::pace::Pace;
use super::queue_wait::QueueWait;
use super::retry::RestEnd;
use super::sent_markers::{SentMarker, SentMarkers, write_after_end};
use super::time_limits::ProgramDeadline;
use super::unread::UnreadBytes;
use super::{Connection, Error};

#[derive(Debug, Default)]
pub(super) struct ColdState {
    /// The race of a connection to a name, once the race is over: an attempt succeeded, or the connection was closed.
    past_race: Option<Box<ConnectRace>>,
    /// The local address that the user gave for a connect to an address. For a name, the options of the race have it.
    local: Option<SocketAddr>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) notices: VecDeque<Notice>,
    /// The next step of the connect, which is taken when no notice waits.
    pub(super) dial_step: Option<DialStep>,
    pub(super) unread: UnreadBytes,
    pub(super) filters: Option<Box<Filters>>,
    /// The filter of a PROXY header that was taken off after its work. `find_filter` still returns this filter.
    pub(super) past_filter: Option<Box<dyn AnyFilter>>,
    /// Whether the connection does not read, because too many answers of its filters wait for the kernel.
    pub(super) waits_for_answers: bool,
    /// The tick at which the handshake of the filters began.
    pub(super) handshake_began: u64,
    /// Whether the next service calls `begin_handshake`. Either the handshake has not begun, or its first step, at the
    /// accept, ended without a wait for the peer.
    pub(super) handshake_is_due: bool,
    /// Whether the server that accepted the connection was not told of it yet, because the handshake has not succeeded.
    pub(super) is_untold: bool,
    /// The address under which the server's limit for each network counts the connection, if not the peer's.
    counted_as: CountedAs,
    markers: SentMarkers,
    /// The number of unsent bytes that were dropped, at the close or after a failure.
    lost_bytes: usize,
    /// Whether a write after `end` was refused. Every later write is refused too, so every later marker reports that.
    pub(super) has_refused: bool,
    /// Whether the connection closed before it was established.
    is_closed_unconnected: bool,
    /// Whether the connection was open before the handshake of a filter that was started late.
    pub(super) has_been_open: bool,
    /// Whether `reset` was called while connecting. The reset follows once the connection is open, as in Node.
    pub(super) resets_when_connected: bool,
    /// The number of bytes that were written before a `cork` that came before the connection was open. The cork does not
    /// hold these bytes back.
    pub(super) early_cork: Option<u64>,
    /// The end of the inbound half's rest. The outbound half has space for its own.
    pub(super) read_rest_end: RestEnd,
    pub(super) program_deadline: ProgramDeadline,
    /// The pace at which the peer sends, while the program expects bytes.
    pub(super) receiving: Option<Pace>,
    /// The wait of the queue. Invariant: `Some` exactly while the flag [`WAITS`](OutboundFlags::WAITS) is set.
    pub(super) queue_wait: Option<QueueWait>,
    /// Whether the limit on the first byte no longer counts: its deadline passed in a pause, and bytes may have waited
    /// in the kernel.
    pub(super) has_first_byte: bool,
    pub(super) close_progress: CloseProgress,
    /// The tick at which a pause began after this side's end. `None` without such a pause.
    pub(super) rest_began: Option<u64>,
    /// Whether bytes were unread when the close timeout fell due during a pause. The timeout then waits for `resume`.
    pub(super) is_unread: bool,
    /// Whether the user called `destroy_with`, whose close sends a FIN even if bytes are lost.
    is_given_up: bool,
    /// Whether a pipe has ended this side, and neither `end` nor `destroy_soon` had promised a FIN before.
    pub(super) is_ended_by_pipe: bool,
    /// The sockets that pipes have paused until this one drains, ends or closes. Invariant: exactly those whose
    /// `paused_for` is this connection.
    paused_sources: Vec<Key>,
    /// The target for which a pipe has paused this connection last, unless the target has let it go since.
    paused_for: Option<Key>,
    /// The error with which the connection closes once its queue is sent: the error of the other socket of its pipe.
    pub(super) closing_error: Option<Error>,
    /// The fatal error. Invariant: `Some` exactly while the flag [`FAILED`](OutboundFlags::FAILED) is set.
    failure: Option<Failure>,
}

#[derive(Clone, Copy, Debug, Default)]
enum CountedAs {
    #[default]
    Peer,
    Other(Option<SocketAddr>),
}

/// Returns the filters of a connection, while its other fields are borrowed too.
#[inline]
pub(super) fn filters_of(cold: &mut Option<Box<ColdState>>) -> Option<&mut Filters> {
    match cold {
        Some(cold) => cold.filters.as_deref_mut(),
        None => None,
    }
}

impl Connection {
    pub(super) fn cold_mut(&mut self) -> &mut ColdState {
        self.cold.get_or_insert_default()
    }

    /// Whether there is a cold state, and so perhaps a notice, a marker or an error to report before the close.
    pub(crate) fn has_cold_state(&self) -> bool {
        self.cold.is_some()
    }

    pub(super) fn set_failure(&mut self, error: Error) {
        self.note_failure(Failure::Final(error));
    }

    pub(super) fn hold_failure(&mut self, failure: HeldFailure) {
        self.note_failure(Failure::Held(Box::new(failure)));
    }

    fn note_failure(&mut self, failure: Failure) {
        self.outbound.flags.insert(OutboundFlags::FAILED);
        // As at the close: a span that could still grow would accept a write that is never sent.
        self.outbound.unsent.seal();
        self.cold_mut().failure = Some(failure);
    }

    pub(super) fn take_failure(&mut self) -> Option<Error> {
        self.outbound.flags.remove(OutboundFlags::FAILED);
        self.cold.as_mut()?.failure.take().map(Failure::into_error)
    }

    pub(super) fn held_failure(&self) -> Option<&HeldFailure> {
        match self.cold.as_ref()?.failure.as_ref()? {
            Failure::Held(held) => Some(held),
            Failure::Final(_) => None,
        }
    }

    pub(super) fn note_given_up(&mut self) {
        self.cold_mut().is_given_up = true;
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.cold.as_ref().is_some_and(|cold| cold.is_given_up)
    }

    /// Keeps a race that is over: views and errors still ask for the name and the attempts.
    pub(super) fn set_past_race(&mut self, race: Box<ConnectRace>) {
        self.cold_mut().past_race = Some(race);
    }

    pub(crate) fn race(&self) -> Option<&ConnectRace> {
        let past = || self.cold.as_ref()?.past_race.as_deref();
        self.stage.race().or_else(past)
    }

    pub(crate) fn race_mut(&mut self) -> Option<&mut ConnectRace> {
        match self.stage.race_mut() {
            None => self.cold.as_mut()?.past_race.as_deref_mut(),
            under_way => under_way,
        }
    }

    /// Takes the keys of the attempts that are under way. The caller removes the sources of these attempts.
    pub(crate) fn take_attempts(&mut self) -> Vec<Key> {
        self.race_mut()
            .map(ConnectRace::abandon_attempts)
            .unwrap_or_default()
    }

    pub(crate) fn set_asked_local(&mut self, local: SocketAddr) {
        self.cold_mut().local = Some(local);
    }

    pub(crate) fn asked_local(&self) -> Option<SocketAddr> {
        self.cold.as_ref()?.local
    }

    pub(super) fn set_connect_timeout(&mut self, timeout: Duration) {
        self.cold_mut().connect_timeout = Some(timeout);
    }

    pub(super) fn connect_timeout(&self) -> Option<Duration> {
        self.cold.as_ref()?.connect_timeout
    }

    /// Sets the address under which a limit for each network counts the connection. `None` if it is not counted.
    pub(crate) fn set_counted_peer(&mut self, peer: Option<SocketAddr>) {
        self.cold_mut().counted_as = CountedAs::Other(peer);
    }

    pub(crate) fn counted_peer(&self) -> Option<SocketAddr> {
        match self.cold.as_ref().map(|cold| cold.counted_as) {
            Some(CountedAs::Other(peer)) => peer,
            Some(CountedAs::Peer) | None => self.peer(),
        }
    }

    pub(super) fn note_lost(&mut self, bytes: usize) {
        self.cold_mut().lost_bytes += bytes;
    }

    pub(super) fn lost_bytes(&self) -> usize {
        self.cold.as_ref().map_or(0, |cold| cold.lost_bytes)
    }

    /// Lends the descriptor to the user. The user may duplicate the descriptor. While a duplicate exists, our close
    /// neither deregisters the socket nor ends the connection, so the stream becomes a shared one.
    #[cfg(unix)]
    pub(crate) fn lend_descriptor(&mut self) -> Option<std::os::fd::BorrowedFd<'_>> {
        self.live_stream()?.descriptor()?;
        self.stream = self.stream.take().map(Stream::into_shared);
        self.live_stream()?.descriptor()
    }

    pub(crate) fn paused_for(&self) -> Option<Key> {
        self.cold.as_ref()?.paused_for
    }

    pub(crate) fn set_paused_for(&mut self, target: Option<Key>) {
        self.cold_mut().paused_for = target;
    }

    pub(crate) fn add_paused_source(&mut self, source: Key) {
        self.cold_mut().paused_sources.push(source);
    }

    pub(crate) fn remove_paused_source(&mut self, source: Key) {
        if let Some(cold) = &mut self.cold {
            cold.paused_sources.retain(|it| *it != source);
        }
    }

    pub(crate) fn pop_paused_source(&mut self) -> Option<Key> {
        self.cold.as_mut()?.paused_sources.pop()
    }

    pub(super) fn has_been_open(&self) -> bool {
        self.cold.as_ref().is_some_and(|cold| cold.has_been_open)
    }

    pub(super) fn note_closed_unconnected(&mut self) {
        if let Some(cold) = &mut self.cold {
            cold.is_closed_unconnected = true;
        }
    }
}

impl Connection {
    /// Queues `notice`. The handler gets notices in the order of these calls, before the events of any later service.
    pub(crate) fn notify(&mut self, notice: Notice, registration: &mut Registration<'_>) {
        self.cold_mut().notices.push_back(notice);
        registration.activate();
    }

    pub(crate) fn waiting_notices(&self) -> usize {
        self.cold.as_ref().map_or(0, |cold| cold.notices.len())
    }

    pub(crate) fn next_notice(&mut self) -> Option<Notice> {
        self.cold.as_mut()?.notices.pop_front()
    }

    /// Drops the notices that the handler does not get after `destroy`: all except the notices of markers.
    pub(super) fn drop_notices(&mut self) {
        if let Some(cold) = &mut self.cold {
            cold.notices
                .retain(|notice| matches!(notice, Notice::Sent(_) | Notice::Refused(..)));
        }
    }
}

impl Connection {
    /// Sets a marker: a notice with `token` follows when the kernel has taken every byte written so far.
    pub(crate) fn set_sent_marker(&mut self, token: u64, registration: &mut Registration<'_>) {
        let position = self.outbound.unsent.written();
        let cold = self.cold_mut();
        let is_refused = cold.has_refused;
        cold.markers.push(SentMarker {
            position,
            token,
            is_refused,
        });
        self.outbound.flags.insert(OutboundFlags::HAS_MARKERS);
        self.pass_markers(registration);
    }

    /// Turns the markers that the kernel has passed into notices.
    pub(super) fn pass_markers(&mut self, registration: &mut Registration<'_>) {
        let sent = self.outbound.unsent.written() - self.outbound.unsent.len() as u64;
        // The handshake of a filter that has started late may fail. The bytes before it are sent all the same.
        let is_connected =
            self.stage.is_open() || self.stage.is_handshaking() && self.has_been_open();
        if !is_connected || self.outbound.has_failed() {
            // The bytes before the markers wait, or will not be sent.
            return;
        }
        let Some(cold) = &mut self.cold else {
            return;
        };
        while let Some(mark) = cold.markers.pop_passed(sent) {
            cold.notices.push_back(mark.notice());
            registration.activate();
        }
        if cold.markers.is_empty() {
            self.outbound.flags.remove(OutboundFlags::HAS_MARKERS);
        }
    }

    pub(crate) fn missed_markers(&self) -> usize {
        self.cold.as_ref().map_or(0, |cold| cold.markers.len())
    }

    /// Takes a marker that the kernel will never pass, with the error to report for it. Called during the close.
    pub(crate) fn next_missed_marker(&mut self) -> Option<(u64, Error)> {
        let cold = self.cold.as_mut()?;
        let mark = cold.markers.pop()?;
        if mark.is_refused {
            return Some((mark.token, write_after_end()));
        }
        let (code, text) = if cold.is_closed_unconnected {
            let text = "the socket was closed before there was a connection";
            (Error::CLOSED_BEFORE_CONNECTION, text)
        } else {
            (Error::SOCKET_CLOSED, "the socket was closed")
        };
        Some((mark.token, Error::with_code(code, text)))
    }
}
