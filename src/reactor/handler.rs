//! What a reactor asks of the sources that it serves.

use mio::event::Source;

use super::Registration;

/// A source that a [`Reactor`](super::Reactor) serves: something that the kernel can poll, with what to do when it
/// is ready.
///
/// The reactor gives *levels* over the kernel's edges: a source is served again as long as it is ready and what it
/// is ready for is wanted ([`Registration::want`]). A method may therefore do a bounded piece of work and return;
/// it never has to drain. It only has to say when there is no more: [`Registration::would_block`] after a call that
/// would have blocked. A method that neither makes progress nor says so is called again and again.
///
/// What happened goes up as a value, [`Event`](Self::Event), and not through a callback: the reactor is not
/// borrowed while the value is looked at.
pub trait Handler {
    /// What a served source reports to whoever drives the reactor.
    type Event;

    /// What the driver lends to every call, such as a read buffer that all sources share.
    type Lent<'a>;

    /// The thing to register and, before it is closed, to deregister. `None` if there is nothing in the kernel (any
    /// more); the source is then served by its deadlines only.
    fn source(&mut self) -> Option<&mut dyn Source>;

    /// There may be something to read (or accept), or the end of it, or an error that reading will tell.
    fn readable(
        &mut self,
        registration: &mut Registration<'_>,
        lent: &mut Self::Lent<'_>,
    ) -> Option<Self::Event>;

    /// There may be room to write, or a connect has come to its end, or an error that writing will tell.
    fn writable(
        &mut self,
        registration: &mut Registration<'_>,
        lent: &mut Self::Lent<'_>,
    ) -> Option<Self::Event>;

    /// The kernel reports an error on a source that is not being read, so that no read would find it.
    ///
    /// It is called once for each report. While reading is wanted, [`readable`](Self::readable) is called instead,
    /// since what arrived before the error comes first.
    fn closed(
        &mut self,
        registration: &mut Registration<'_>,
        lent: &mut Self::Lent<'_>,
    ) -> Option<Self::Event>;

    /// A flush point has come for a source that asked for one ([`Registration::flush_soon`]).
    fn flush(&mut self, registration: &mut Registration<'_>, lent: &mut Self::Lent<'_>) {
        let _ = (registration, lent);
    }

    /// The source asked to be attended to ([`Registration::attend_soon`]). It comes before everything else that the
    /// source is served for.
    fn attend(&mut self, registration: &mut Registration<'_>) -> Option<Self::Event> {
        let _ = registration;
        None
    }

    /// A deadline that was set with [`Registration::set_deadline`] has come, or an earlier one that it replaced: the
    /// source compares, and sets the next one.
    fn elapsed(&mut self, registration: &mut Registration<'_>) -> Option<Self::Event> {
        let _ = registration;
        None
    }

    /// Whether to close the source takes it out of the selector, so that no call of its own is needed for that. No, which
    /// is the answer of whoever does not say otherwise, is always right. Yes is right for a descriptor of which there is
    /// no duplicate, on a system that forgets it with the last one (`epoll(7)`). If there is one all the same, in a child
    /// that was forked, the selector goes on telling of it under the dead key, which reaches nobody.
    fn close_deregisters(&self) -> bool {
        false
    }

    /// How many events in a row the source may give before the next one is served. A listener accepts in bursts, as
    /// each turn costs a poll; 1 is the fairest.
    fn burst(&self) -> u32 {
        1
    }
}
