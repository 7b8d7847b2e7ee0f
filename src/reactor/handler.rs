//! The interface through which a reactor serves its sources.

use mio::event::Source;

use super::Registration;

/// A source that a [`Reactor`](super::Reactor) serves: an object that the kernel can poll, with its reaction to
/// readiness.
///
/// The reactor gives *levels* over the kernel's edges: it serves a source for as long as that is ready for something it
/// wants ([`Registration::want`]). A method may therefore do a bounded piece of work and return, and never has to
/// drain. It only has to report the end: [`Registration::would_block`] after a call that would have blocked. A method
/// that neither makes progress nor reports the end is called again and again. A method must not block, and it reaches
/// the reactor through its [`Registration`] alone.
///
/// An event goes up as a value, [`Event`](Self::Event), and not through a callback: the reactor is not borrowed while
/// the driver looks at the value.
pub trait Handler {
    /// A report of a served source to the driver of the reactor.
    type Event;

    /// Resources that the driver lends to every call, such as a read buffer that all sources share.
    type Resources<'a>;

    /// Returns the object to register and, before it is closed, to deregister: the same one from the first to the last.
    /// `None` if the kernel has no part in the source, or no longer has. The source is then served by its deadlines and
    /// its own requests only.
    fn source(&mut self) -> Option<&mut dyn Source>;

    /// There may be data to read (or a connection to accept), or the end of the data, or an error that a read returns.
    fn on_readable(
        &mut self,
        registration: &mut Registration<'_>,
        resources: &mut Self::Resources<'_>,
    ) -> Option<Self::Event>;

    /// There may be space to write, or a connect has come to its end, or an error that a write returns.
    fn on_writable(
        &mut self,
        registration: &mut Registration<'_>,
        resources: &mut Self::Resources<'_>,
    ) -> Option<Self::Event>;

    /// The kernel reports an error on a source that is not being read, so that no read would find it.
    ///
    /// It is called once for each report. While reading is wanted, [`on_readable`](Self::on_readable) is called
    /// instead, since the data that arrived before the error comes first.
    fn on_error(
        &mut self,
        registration: &mut Registration<'_>,
        resources: &mut Self::Resources<'_>,
    ) -> Option<Self::Event>;

    /// A flush point has come for a source that asked for one ([`Registration::flush_soon`]).
    fn on_flush(
        &mut self,
        registration: &mut Registration<'_>,
        resources: &mut Self::Resources<'_>,
    ) {
        let _ = (registration, resources);
    }

    /// The source asked to report something of its own ([`Registration::activate`]). This is called before
    /// everything else that the source is served for.
    fn on_activated(
        &mut self,
        registration: &mut Registration<'_>,
        resources: &mut Self::Resources<'_>,
    ) -> Option<Self::Event> {
        let _ = (registration, resources);
        None
    }

    /// A deadline that was set with [`Registration::set_deadline`] has passed, or an earlier one that it replaced. The
    /// source compares, and sets the next one. The call never comes early.
    fn on_deadline(&mut self, registration: &mut Registration<'_>) -> Option<Self::Event> {
        let _ = registration;
        None
    }

    /// Whether closing the source takes it out of the selector, so that the reactor need not deregister it.
    ///
    /// `false`, the default, is always right. `true` is right for a descriptor without a duplicate, on a system that
    /// forgets a descriptor with its last duplicate (`epoll(7)`). If a forked child holds a duplicate all the same, the
    /// selector goes on reporting it under the dead key, which reaches no source.
    fn close_deregisters(&self) -> bool {
        false
    }

    /// Returns how many events in a row the source may give before the next one is served, at least 1. A listener
    /// accepts in bursts, since each turn costs a poll; 1, the default, is the fairest.
    fn burst(&self) -> u32 {
        1
    }
}
