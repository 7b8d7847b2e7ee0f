//! The interface through which a reactor serves its sources.

use mio::event::Source;

use super::Registration;

/// A source of a [`Reactor`](super::Reactor): an object that the kernel can poll, with its reaction to readiness.
///
/// The reactor turns the kernel's edges into *levels*: it serves a source as long as the source is ready for a
/// direction that it [wants](Registration::want). A method may therefore do a bounded piece of work, and need not read
/// until a read would block. It reports a `WouldBlock` with [`Registration::would_block`]: a method that neither makes
/// progress nor reports this is called again and again. A method must not block, and it reaches the reactor through its
/// [`Registration`] alone. It returns its event as a value, so that the reactor is not borrowed while its caller acts.
///
/// Users of the event loop write a [`SocketHandler`](crate::SocketHandler) or a
/// [`ServerHandler`](crate::ServerHandler).
///
/// ```
/// use netloop::reactor::{Handler, Registration};
///
/// /// A source without a descriptor, which asks to be closed at its deadline.
/// struct Alarm;
///
/// impl Handler for Alarm {
///     type Event = &'static str;
///     type Resources<'a> = ();
///
///     fn source(&mut self) -> Option<&mut dyn mio::event::Source> {
///         None
///     }
///     fn on_readable(&mut self, _: &mut Registration<'_>, _: &mut ()) -> Option<&'static str> {
///         None
///     }
///     fn on_writable(&mut self, _: &mut Registration<'_>, _: &mut ()) -> Option<&'static str> {
///         None
///     }
///     fn on_error(&mut self, _: &mut Registration<'_>, _: &mut ()) -> Option<&'static str> {
///         None
///     }
///     fn on_deadline(&mut self, registration: &mut Registration<'_>) -> Option<&'static str> {
///         registration.close();
///         Some("time is up")
///     }
/// }
/// ```
pub trait Handler {
    /// A report from [`Reactor::next`](super::Reactor::next) or [`next_elapsed`](super::Reactor::next_elapsed).
    type Event;

    /// Resources that the reactor's caller lends to the methods, such as a read buffer that all sources share.
    type Resources<'a>;

    /// Returns the object to register with the kernel, the same in every call. A source that returns `None` is served
    /// for its deadlines, its own requests, and readiness that it [assumes](Registration::assume).
    fn source(&mut self) -> Option<&mut dyn Source>;

    /// Reads or accepts, because the kernel may have data, a connection, the end of the data, or an error to return.
    fn on_readable(
        &mut self,
        registration: &mut Registration<'_>,
        resources: &mut Self::Resources<'_>,
    ) -> Option<Self::Event>;

    /// Writes, because the kernel may have buffer space, a connect that has ended, or an error to return.
    fn on_writable(
        &mut self,
        registration: &mut Registration<'_>,
        resources: &mut Self::Resources<'_>,
    ) -> Option<Self::Event>;

    /// Handles an error that the kernel has reported, at most once for each report: a write that [would
    /// block](Registration::would_block) clears the report. While the source wants to read, the reactor calls
    /// [`on_readable`](Self::on_readable) instead: the data that arrived before the error must be read first.
    fn on_error(
        &mut self,
        registration: &mut Registration<'_>,
        resources: &mut Self::Resources<'_>,
    ) -> Option<Self::Event>;

    /// Sends the source's queued output at the first flush point after a call of [`Registration::flush_soon`].
    fn on_flush(
        &mut self,
        registration: &mut Registration<'_>,
        resources: &mut Self::Resources<'_>,
    ) {
        let _ = (registration, resources);
    }

    /// Reports an event of the source's own, after a call of [`Registration::activate`] and before the methods for
    /// readiness. A call without that request comes when the kernel has refused to register the source anew.
    fn on_activated(
        &mut self,
        registration: &mut Registration<'_>,
        resources: &mut Self::Resources<'_>,
    ) -> Option<Self::Event> {
        let _ = (registration, resources);
        None
    }

    /// Handles a passed deadline: that of the last [`Registration::set_deadline`], or an earlier one which it replaced.
    /// A call also comes before the source is registered anew, after the kernel has refused ([`Registration::rearm`]).
    /// So the source must compare its deadline with the time, and set it again if it has not passed.
    fn on_deadline(&mut self, registration: &mut Registration<'_>) -> Option<Self::Event> {
        let _ = registration;
        None
    }

    /// Whether closing the source's descriptor also removes the descriptor from the selector. If `true`,
    /// [`Reactor::next_closing`](super::Reactor::next_closing) does not deregister the source.
    ///
    /// `false`, the default, is always right. `true` is right for a descriptor without a duplicate, on a system whose
    /// selector forgets a descriptor when its last duplicate is closed (`epoll(7)`). If a forked child still holds a
    /// duplicate, the selector reports events under the dead key, and the reactor drops these events.
    fn close_deregisters(&self) -> bool {
        false
    }

    /// Returns how many events in a row the source may give while no other source waits, at least 1. The default, 1, is
    /// the fairest. A listener accepts in bursts, since each turn costs a poll.
    fn burst(&self) -> u32 {
        1
    }

    /// Returns how many events in a row the source may give while other sources wait, at least 1. The default is
    /// [`burst`](Self::burst).
    fn burst_beside_others(&self) -> u32 {
        self.burst()
    }
}
