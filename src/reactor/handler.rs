//! The interface through which a reactor serves its sources.

use mio::event::Source;

use super::Registration;

/// A source that a [`Reactor`](super::Reactor) serves: an object that the kernel can poll, with its reaction to
/// readiness.
///
/// The reactor keeps *levels* over the kernel's edges: it serves a source as long as the source is ready for a
/// direction that it [wants](Registration::want). A method may therefore do a bounded piece of work and return; it need
/// not read until a read would block. When a call has returned `WouldBlock`, the method reports that with
/// [`Registration::would_block`]. A method that neither makes progress nor reports this is called again and again. A
/// method must not block, and it reaches the reactor through its [`Registration`] alone.
///
/// This is the interface of a source. The objects that users of the event loop write are
/// [`SocketHandler`](crate::SocketHandler) and [`ServerHandler`](crate::ServerHandler).
///
/// An event is returned as a value, [`Event`](Self::Event), and not passed to a callback: the reactor is not borrowed
/// while its caller acts on the value.
pub trait Handler {
    /// A report of a served source to the caller of [`Reactor::next`](super::Reactor::next).
    type Event;

    /// Resources that the reactor's caller lends to every method, such as a read buffer that all sources share.
    type Resources<'a>;

    /// Returns the object that the reactor registers with the kernel, and later deregisters. It must be the same object
    /// every time. `None` if there is no such object, or no longer. The source is then served for its deadlines and its
    /// own requests only.
    fn source(&mut self) -> Option<&mut dyn Source>;

    /// Reads or accepts. There may be data, a connection, the end of the data, or an error that the read returns.
    fn on_readable(
        &mut self,
        registration: &mut Registration<'_>,
        resources: &mut Self::Resources<'_>,
    ) -> Option<Self::Event>;

    /// Writes. There may be buffer space, a connect that has ended, or an error that the write returns.
    fn on_writable(
        &mut self,
        registration: &mut Registration<'_>,
        resources: &mut Self::Resources<'_>,
    ) -> Option<Self::Event>;

    /// Handles an error that the kernel has reported while the source wants no reading, so that no read would return
    /// the error.
    ///
    /// It is called once for each report. While reading is wanted, [`on_readable`](Self::on_readable) is called
    /// instead: the data that arrived before the error must be read first.
    fn on_error(
        &mut self,
        registration: &mut Registration<'_>,
        resources: &mut Self::Resources<'_>,
    ) -> Option<Self::Event>;

    /// Sends queued output at a flush point, for a source that asked for one ([`Registration::flush_soon`]).
    fn on_flush(
        &mut self,
        registration: &mut Registration<'_>,
        resources: &mut Self::Resources<'_>,
    ) {
        let _ = (registration, resources);
    }

    /// Reports an event of the source's own, which the source asked for with [`Registration::activate`]. It is called
    /// before the methods for readiness.
    fn on_activated(
        &mut self,
        registration: &mut Registration<'_>,
        resources: &mut Self::Resources<'_>,
    ) -> Option<Self::Event> {
        let _ = (registration, resources);
        None
    }

    /// Handles a deadline that has passed: the one from [`Registration::set_deadline`], or an earlier one that it
    /// replaced. So the source compares its deadline with the time, and sets the next one. The call never comes before
    /// the earlier of the two.
    fn on_deadline(&mut self, registration: &mut Registration<'_>) -> Option<Self::Event> {
        let _ = registration;
        None
    }

    /// Whether closing the source's descriptor takes it out of the selector, so that the reactor need not deregister
    /// it.
    ///
    /// `false`, the default, is always right. `true` is right for a descriptor without a duplicate, on a system that
    /// forgets a descriptor with its last duplicate (`epoll(7)`). If a forked child holds a duplicate all the same, the
    /// selector keeps reporting it under the dead key, and the reactor drops these events.
    fn close_deregisters(&self) -> bool {
        false
    }

    /// Returns the number of events in a row that the source may give before the next source is served, at least 1. A
    /// listener accepts in bursts, since each turn costs a poll. The default, 1, is the fairest.
    fn burst(&self) -> u32 {
        1
    }
}
