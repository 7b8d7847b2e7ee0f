//! The interface through which a reactor serves its sources.

use mio::event::Source;

use super::Registration;

/// A source that a [`Reactor`](super::Reactor) serves: an object that the kernel can poll, with its reaction to
/// readiness.
///
/// The reactor turns the kernel's edges into *levels*: it serves a source as long as the source is ready for a
/// direction that it [wants](Registration::want). A method may therefore do a bounded piece of work and return; it need
/// not read until a read would block. When a call has returned `WouldBlock`, the method reports that with
/// [`Registration::would_block`]. A method that neither makes progress nor reports this is called again and again. A
/// method must not block, and it reaches the reactor through its [`Registration`] alone.
///
/// `Handler` is the interface of a source. The objects that users of the event loop write are
/// [`SocketHandler`](crate::SocketHandler) and [`ServerHandler`](crate::ServerHandler).
///
/// A method returns its event as a value, [`Event`](Self::Event), instead of passing it to a callback. So the reactor
/// is not borrowed while its caller acts on the event.
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
    /// A report of a source to the caller of [`Reactor::next`](super::Reactor::next) or
    /// [`Reactor::next_elapsed`](super::Reactor::next_elapsed).
    type Event;

    /// Resources that the reactor's caller lends to each method with an argument `resources`, such as a read buffer
    /// that all sources share.
    type Resources<'a>;

    /// Returns the object that the reactor registers with the kernel and later deregisters: the same object in every
    /// call. Returns `None` if the source has no such object. The reactor then serves the source for its deadlines, for
    /// its own requests, and for readiness that it [assumes](Registration::assume).
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

    /// Handles an error that the kernel has reported. The reactor calls this only while the source does not want to
    /// read, because no read then returns the error.
    ///
    /// The reactor calls this at most once for each report: a write that [would block](Registration::would_block)
    /// clears the report. While the source wants to read, the reactor calls [`on_readable`](Self::on_readable) instead:
    /// the data that arrived before the error must be read first.
    fn on_error(
        &mut self,
        registration: &mut Registration<'_>,
        resources: &mut Self::Resources<'_>,
    ) -> Option<Self::Event>;

    /// Sends the source's queued output. The reactor calls this at the first flush point after the source called
    /// [`Registration::flush_soon`].
    fn on_flush(
        &mut self,
        registration: &mut Registration<'_>,
        resources: &mut Self::Resources<'_>,
    ) {
        let _ = (registration, resources);
    }

    /// Reports an event that did not come from the kernel. The reactor calls this after the source called
    /// [`Registration::activate`], and before the methods for readiness. A call without that request comes when the
    /// kernel has refused to register the source anew.
    fn on_activated(
        &mut self,
        registration: &mut Registration<'_>,
        resources: &mut Self::Resources<'_>,
    ) -> Option<Self::Event> {
        let _ = (registration, resources);
        None
    }

    /// Handles a deadline that has passed: the deadline of the last [`Registration::set_deadline`], or an earlier
    /// deadline which that call replaced. The reactor also calls this before it registers the source anew, after the
    /// kernel has refused to do so ([`Registration::rearm`]). So the source must compare its deadline with the time. If
    /// the deadline has not passed, the source sets it again.
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

    /// Returns the number of events in a row that the source may give while no other source waits to be served, at
    /// least 1. A listener accepts in bursts, since each turn costs a poll. The default, 1, is the fairest.
    fn burst(&self) -> u32 {
        1
    }

    /// Returns the number of events in a row that the source may give while other sources wait to be served, at least
    /// 1. The default is [`burst`](Self::burst).
    fn burst_beside_others(&self) -> u32 {
        self.burst()
    }
}
