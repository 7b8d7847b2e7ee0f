//! What few connections have: a dial under way, notices that wait to be told, marks on what is being sent.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use crate::net::connect::Dial;
use crate::net::values::Event;
use crate::reactor::Registration;

use super::{Connection, Error, Facts, Key, SocketEvent, Stage};

/// Something to be told to the handler beside its main events.
#[derive(Debug)]
pub(crate) enum Notice {
    /// The name led to an address, or to none.
    LookedUp(Result<SocketAddr, Error>),
    /// An address is being tried.
    AttemptBegun(SocketAddr),
    /// It could not be reached.
    AttemptFailed(SocketAddr, Error),
    /// It has not answered yet, so that the next one is tried beside it.
    AttemptIsSlow(SocketAddr),
    /// The kernel has taken everything up to the mark with this token.
    Sent(u64),
    /// A write before the mark with this token was refused.
    Refused(u64, Error),
}

/// A place in the stream of bytes that are written.
#[derive(Clone, Copy, Debug)]
struct SendMark {
    /// How many bytes had been written when it was set.
    position: u64,
    token: u64,
    /// A write before it was refused, so that it fails even if everything else is sent.
    is_refused: bool,
}

impl SendMark {
    fn notice(self) -> Notice {
        match self.is_refused {
            false => Notice::Sent(self.token),
            true => Notice::Refused(self.token, write_after_end()),
        }
    }
}

fn write_after_end() -> Error {
    Error::with_code(Error::WRITE_AFTER_END, "write after end")
}

/// Boxed, so that the connections that have none of it, which are nearly all, pay one pointer.
#[derive(Debug, Default)]
pub(crate) struct Extras {
    pub(crate) dial: Option<Dial>,
    /// The local address that was asked for.
    local: Option<SocketAddr>,
    /// How long connecting may take.
    connect_timeout: Option<Duration>,
    notices: VecDeque<Notice>,
    /// Invariant: in rising order of position.
    marks: VecDeque<SendMark>,
    /// What the queue still held when it was thrown away.
    lost_bytes: usize,
    /// It closed while it was connecting.
    is_closed_unconnected: bool,
    /// A write came after the end. Nothing is taken from then on, so every later mark stands behind it.
    has_refused: bool,
    /// Its descriptor was lent, so that there may be duplicates of it.
    is_lent: bool,
    /// Invariant: `Some` exactly if the connection [has failed](Facts::HAS_FAILED).
    failure: Option<Error>,
}

impl Connection {
    fn extras_mut(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }

    /// Notes a fatal error.
    pub(super) fn set_failure(&mut self, error: Error) {
        self.facts.insert(Facts::HAS_FAILED);
        self.extras_mut().failure = Some(error);
    }

    pub(super) fn take_failure(&mut self) -> Option<Error> {
        self.facts.remove(Facts::HAS_FAILED);
        self.extras.as_mut()?.failure.take()
    }

    pub(crate) fn set_dial(&mut self, dial: Dial) {
        self.extras_mut().dial = Some(dial);
    }

    pub(crate) fn set_asked_local(&mut self, local: SocketAddr) {
        self.extras_mut().local = Some(local);
    }

    pub(super) fn set_connect_timeout(&mut self, timeout: Duration) {
        self.extras_mut().connect_timeout = Some(timeout);
    }

    pub(super) fn connect_timeout(&self) -> Option<Duration> {
        self.extras.as_ref()?.connect_timeout
    }

    pub(super) fn asked_local(&self) -> Option<SocketAddr> {
        self.extras.as_ref()?.local
    }

    pub(crate) fn dial(&self) -> Option<&Dial> {
        self.extras.as_ref()?.dial.as_ref()
    }

    pub(crate) fn dial_mut(&mut self) -> Option<&mut Dial> {
        self.extras.as_mut()?.dial.as_mut()
    }

    /// The sources of its attempts to connect that are still under way, which are to be closed.
    pub(crate) fn take_attempts(&mut self) -> Vec<Key> {
        self.dial_mut()
            .map(Dial::abandon_attempts)
            .unwrap_or_default()
    }

    /// Whether there may be notices or marks to be told.
    pub(crate) fn has_extras(&self) -> bool {
        self.extras.is_some()
    }

    /// Whether it is still looking for the address to connect to.
    pub(crate) fn is_dialing(&self) -> bool {
        self.stage == Stage::Connecting && self.stream.is_none() && self.dial().is_some()
    }

    /// Keeps `notice` until the handler can be told, in the order of the notices and before anything else.
    pub(crate) fn notify(&mut self, notice: Notice, registration: &mut Registration<'_>) {
        self.extras_mut().notices.push_back(notice);
        registration.attend_soon();
    }

    /// The next notice to be told.
    pub(crate) fn next_notice(&mut self) -> Option<Notice> {
        self.extras.as_mut()?.notices.pop_front()
    }

    /// Forgets the notices that a socket does not get after `destroy`: all but those of what was sent.
    pub(super) fn drop_notices(&mut self) {
        if let Some(extras) = &mut self.extras {
            extras
                .notices
                .retain(|notice| matches!(notice, Notice::Sent(_) | Notice::Refused(..)));
        }
    }

    /// Asks for notice when the kernel has taken everything that was written until now.
    pub(crate) fn mark(&mut self, token: u64, registration: &mut Registration<'_>) {
        let position = self.bytes_written;
        let extras = self.extras_mut();
        extras.marks.push_back(SendMark {
            position,
            token,
            is_refused: extras.has_refused,
        });
        self.reach_marks(registration);
    }

    /// Whether notice was asked for of something that is not sent yet.
    #[inline]
    pub(super) fn has_marks(&self) -> bool {
        self.extras
            .as_ref()
            .is_some_and(|extras| !extras.marks.is_empty())
    }

    /// Makes notices of the marks that the kernel has passed.
    pub(super) fn reach_marks(&mut self, registration: &mut Registration<'_>) {
        if self.stage != Stage::Open || self.has_failed() {
            // Not there yet, or a write has been refused: what it was about was never sent.
            return;
        }
        let sent = self.bytes_written - self.queue.len() as u64;
        let Some(extras) = &mut self.extras else {
            return;
        };
        while let Some(mark) = extras.marks.front().copied() {
            if mark.position > sent {
                break;
            }
            extras.marks.pop_front();
            extras.notices.push_back(mark.notice());
            registration.attend_soon();
        }
    }

    /// The tokens of the marks that will never be reached, each once, with what to tell if nothing has failed.
    pub(crate) fn next_missed_mark(&mut self) -> Option<(u64, Error)> {
        let extras = self.extras.as_mut()?;
        let mark = extras.marks.pop_front()?;
        if mark.is_refused {
            return Some((mark.token, write_after_end()));
        }
        let (code, text) = if extras.is_closed_unconnected {
            let text = "the socket was closed before there was a connection";
            (Error::CLOSED_BEFORE_CONNECTION, text)
        } else {
            (Error::SOCKET_CLOSED, "the socket was closed")
        };
        Some((mark.token, Error::with_code(code, text)))
    }

    /// Takes note of a write that came after the end.
    #[cold]
    pub(super) fn note_refused(&mut self) {
        self.extras_mut().has_refused = true;
    }

    pub(super) fn note_lost(&mut self, bytes: usize) {
        self.extras_mut().lost_bytes += bytes;
    }

    pub(super) fn lost_bytes(&self) -> usize {
        self.extras.as_ref().map_or(0, |extras| extras.lost_bytes)
    }

    /// Lends its descriptor. The user may duplicate it, and closing ours does not deregister it then.
    #[cfg(unix)]
    pub(crate) fn lend_descriptor(&mut self) -> Option<std::os::fd::BorrowedFd<'_>> {
        self.live_stream()?.descriptor()?;
        self.extras_mut().is_lent = true;
        self.live_stream()?.descriptor()
    }

    pub(super) fn is_lent(&self) -> bool {
        self.extras.as_ref().is_some_and(|extras| extras.is_lent)
    }

    pub(super) fn note_closed_unconnected(&mut self) {
        if let Some(extras) = &mut self.extras {
            extras.is_closed_unconnected = true;
        }
    }

    pub(crate) fn attend(&self) -> Option<Event> {
        let extras = self.extras.as_ref()?;
        (!extras.notices.is_empty()).then_some(Event::Socket(SocketEvent::Noticed))
    }
}
