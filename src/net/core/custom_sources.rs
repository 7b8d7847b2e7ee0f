//! Sources of the program: the requests of their views and contexts, and the end of their callbacks.

use std::io;

use mio::event;

use crate::net::error::{Error, Result, Syscall};
use crate::net::values::SourceId;
use crate::reactor::{Interest, Readiness, Registration};
use crate::system::SHORT_WRITE_EXHAUSTS;

use super::Net;
use super::custom_source::CustomSource;
use super::source::Source;

const SIMULATED: &str =
    "a simulated loop polls no kernel, so it takes no source of the operating system";

impl Net {
    /// Registers `object`, which the caller keeps, and lends to the other methods that need it.
    pub(crate) fn add_source(
        &mut self,
        object: &mut dyn event::Source,
        interest: Interest,
        burst: u32,
    ) -> Result<SourceId> {
        let source = Source::Custom(CustomSource::new(burst));
        let added = match self.system.polls_kernel() {
            true => self.reactor.insert_lent(source, object, interest),
            false => Err(io::Error::new(io::ErrorKind::Unsupported, SIMULATED)),
        };
        added
            .map(SourceId)
            .map_err(|error| Error::new(Syscall::Register, error))
    }

    pub(crate) fn deregister_source(&self, object: &mut dyn event::Source) {
        self.reactor.deregister_lent(object);
    }

    /// Removes a source at once: its id is dead. The caller still has to deregister its object.
    pub(crate) fn remove_source(&mut self, id: SourceId) {
        if self.custom_source(id).is_some() {
            self.cancel_timers_of(id.0);
            self.reactor.remove(id.0);
        }
    }

    pub(super) fn custom_source(&self, id: SourceId) -> Option<&CustomSource> {
        self.reactor.get(id.0)?.custom()
    }

    /// Whether the source exists. A source that closes exists until its handler is told.
    pub(crate) fn has_source(&self, id: SourceId) -> bool {
        self.custom_source(id).is_some()
    }

    /// Whether the source is closed, closes in this turn, or is gone.
    pub(crate) fn source_is_closed(&self, id: SourceId) -> bool {
        self.custom_source(id).is_none_or(CustomSource::is_closing)
    }

    fn with_source<R>(
        &mut self,
        id: SourceId,
        ask: impl FnOnce(&mut CustomSource, &mut Registration<'_>) -> R,
    ) -> Option<R> {
        self.reactor
            .visit(id.0, |source, registration| {
                Some(ask(source.custom_mut()?, registration))
            })
            .flatten()
    }

    /// Ends a callback. A source that is still ready is served again: at once in its burst, else after the others.
    pub(crate) fn end_source_callback(&mut self, id: SourceId) {
        self.reactor
            .end_lent_callback(id.0, |source, registration, is_alone| {
                source
                    .custom_mut()
                    .map_or(0, |source| source.end_callback(registration, is_alone))
            });
    }

    pub(crate) fn close_source(&mut self, id: SourceId) {
        self.with_source(id, CustomSource::close);
    }

    pub(crate) fn want(&mut self, id: SourceId, interest: Interest) {
        self.with_source(id, |_, registration| registration.want(interest));
    }

    pub(crate) fn unwant(&mut self, id: SourceId, interest: Interest) {
        self.with_source(id, |_, registration| registration.unwant(interest));
    }

    pub(crate) fn source_interest(&self, id: SourceId) -> Interest {
        match self.custom_source(id) {
            Some(_) => self.reactor.interest(id.0),
            None => Interest::empty(),
        }
    }

    /// Returns the reported readiness of a source, without the part that a call of its handler has disproved.
    pub(crate) fn source_readiness(&self, id: SourceId) -> Readiness {
        match self.custom_source(id) {
            Some(source) => self.reactor.readiness(id.0) | source.served(),
            None => Readiness::default(),
        }
    }

    pub(crate) fn source_would_block(
        &mut self,
        id: SourceId,
        direction: Interest,
        object: &mut dyn event::Source,
    ) {
        let asks = self.with_source(id, |source, registration| {
            source.would_block(direction, registration)
        });
        // AFD (Windows) and poll(2) report a descriptor again only after it was registered anew. `SHORT_WRITE_EXHAUSTS`
        // is `false` on these two alone.
        if asks == Some(true) || asks.is_some() && !SHORT_WRITE_EXHAUSTS {
            self.reactor.rearm_lent(id.0, object);
        }
    }

    /// Tries once more to register the `object` of a source anew, after the kernel has refused.
    pub(crate) fn retry_to_rearm(&mut self, id: SourceId, object: &mut dyn event::Source) {
        self.reactor.rearm_lent(id.0, object);
    }

    /// Forgets the readiness of a source, and asks the kernel to report that of its `object`.
    pub(crate) fn rearm_source(&mut self, id: SourceId, object: &mut dyn event::Source) {
        if self
            .with_source(id, CustomSource::forget_readiness)
            .is_some()
        {
            self.reactor.rearm_lent(id.0, object);
        }
    }
}
