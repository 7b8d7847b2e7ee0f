//! The handlers of signals. The operating system's signal handler can do hardly more than write to a descriptor. So
//! each signal of a loop has a pipe, which is a source of the loop: signal-hook writes a byte into it for each
//! delivery. Not signalfd: it needs a signal to be blocked, and child processes inherit blocked signals.

mod default_actions;
mod signal;
mod signal_watch;

use std::fmt;
use std::io::{self, Read};
use std::rc::Rc;

use mio::unix::pipe::{self, Receiver};
use signal_hook::SigId;
use signal_hook::consts::FORBIDDEN;
use signal_hook::low_level;

use crate::event_loop::call::{Call, RepeatedCall};
use crate::event_loop::calling::Calling;
use crate::event_loop::contexts::{SourceContext, Verbs};
use crate::event_loop::handlers::SourceHandler;
use crate::event_loop::turns::Limit;
use crate::event_loop::watch::Watched;
use crate::event_loop::{EventLoop, Turn};
use crate::net::{Descriptor, Error, Interest, Net, Result, SourceId};
use crate::slots::{Key, Slots};

pub use signal::Signal;
pub use signal_watch::{SignalId, SignalWatch};

pub(crate) enum SignalCall<S> {
    Once(Call<S>),
    Each(RepeatedCall<S>),
}

struct Watcher<S> {
    signal: Signal,
    /// `None` while the call runs.
    call: Option<SignalCall<S>>,
    /// The number of deliveries of the signal that came before the handler, or that the handler was called for.
    told: u64,
    is_held: bool,
}

/// A signal that has handlers, with its pipe.
struct Inlet {
    signal: Signal,
    source: SourceId,
    receiver: Rc<Receiver>,
    /// The registration of the pipe's other end with signal-hook, which owns that end.
    action: SigId,
    received: u64,
    /// The handlers, in the order in which they were added. Invariant: not empty, once the first is added.
    watchers: Vec<Key>,
}

pub(super) struct Signals<S> {
    watchers: Slots<Watcher<S>>,
    inlets: Vec<Inlet>,
    /// The number of calls that are to be made. Invariant: the sum of `received - told` over all watchers.
    due: u64,
    /// The number of watchers that keep the loop going. Invariant: the number of those whose `is_held` is set.
    held: usize,
}

/// The handler of the reading end of a pipe, which is a source of the loop.
pub(super) struct Reading(Signal);

/// Shared with the `Inlet`, because [`Signals::add`] reads the pipe too.
type Inflow = Descriptor<Rc<Receiver>>;

impl<S> Signals<S> {
    pub(super) fn new() -> Self {
        Self {
            watchers: Slots::new(),
            inlets: Vec::new(),
            due: 0,
            held: 0,
        }
    }

    pub(super) fn hold_loop(&self) -> bool {
        self.held > 0
    }

    pub(super) fn are_due(&self) -> bool {
        self.due > 0
    }

    pub(super) fn due(&self) -> u64 {
        self.due
    }

    pub(super) fn has_inlet(&self, signal: Signal) -> bool {
        self.inlets.iter().any(|inlet| inlet.signal == signal)
    }

    /// The signal must have a pipe, which [`open_inlet`] makes.
    pub(super) fn add(&mut self, signal: Signal, call: SignalCall<S>) -> SignalId {
        let place = self.inlets.iter().position(|it| it.signal == signal);
        if let Some(place) = place {
            // A delivery that came before the handler is not told to the handler.
            self.drain(place);
        }
        let inlet = place.map(|place| &mut self.inlets[place]);
        let key = self.watchers.insert(Watcher {
            signal,
            call: Some(call),
            told: inlet.as_ref().map_or(0, |inlet| inlet.received),
            is_held: false,
        });
        if let Some(inlet) = inlet {
            inlet.watchers.push(key);
        }
        SignalId(key)
    }

    fn drain(&mut self, place: usize) {
        let mut buffer = [0; 512];
        loop {
            match (&*self.inlets[place].receiver).read(&mut buffer) {
                Ok(length) if length > 0 => self.note(place, length),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => return,
            }
        }
    }

    fn note(&mut self, place: usize, deliveries: usize) {
        let inlet = &mut self.inlets[place];
        inlet.received += deliveries as u64;
        self.due += deliveries as u64 * inlet.watchers.len() as u64;
    }

    /// Takes out the next call that is due, and closes a handler that is called only once.
    pub(super) fn next_due(&mut self, net: &mut Net) -> Option<(SignalId, SignalCall<S>)> {
        let key = self.next_watcher()?;
        let watcher = self.watchers.get_mut(key)?;
        watcher.told += 1;
        self.due -= 1;
        let call = watcher.call.take()?;
        let id = SignalId(key);
        if matches!(call, SignalCall::Once(_)) {
            self.close(net, id);
        }
        Some((id, call))
    }

    /// Of the watchers of one signal, the one that was told of the fewest deliveries is next.
    fn next_watcher(&self) -> Option<Key> {
        let told = |key: &Key| self.watchers.get(*key).map(|watcher| watcher.told);
        self.inlets.iter().find_map(|inlet| {
            let next = inlet.watchers.iter().copied().min_by_key(|key| told(key))?;
            (told(&next)? < inlet.received).then_some(next)
        })
    }

    /// Gives a handler its call back, unless the call has closed the handler.
    pub(super) fn restore(&mut self, id: SignalId, call: RepeatedCall<S>) {
        if let Some(watcher) = self.watchers.get_mut(id.0) {
            watcher.call = Some(SignalCall::Each(call));
        }
    }

    /// Closes a handler, and the signal's pipe with its last handler in the loop. `false` if it is closed already.
    pub(super) fn close(&mut self, net: &mut Net, id: SignalId) -> bool {
        let Some(watcher) = self.watchers.remove(id.0) else {
            return false;
        };
        if watcher.is_held {
            self.held -= 1;
        }
        let place = self
            .inlets
            .iter()
            .position(|it| it.signal == watcher.signal);
        let Some(place) = place else {
            return true;
        };
        let inlet = &mut self.inlets[place];
        self.due -= inlet.received - watcher.told;
        inlet.watchers.retain(|key| *key != id.0);
        if inlet.watchers.is_empty() {
            let inlet = self.inlets.remove(place);
            inlet.end();
            net.close_source(inlet.source);
        }
        true
    }

    pub(super) fn signal_of(&self, id: SignalId) -> Option<Signal> {
        self.watchers.get(id.0).map(|watcher| watcher.signal)
    }

    pub(super) fn set_held(&mut self, id: SignalId, held: bool) {
        if let Some(watcher) = self.watchers.get_mut(id.0) {
            if watcher.is_held != held {
                watcher.is_held = held;
                if held {
                    self.held += 1;
                } else {
                    self.held -= 1;
                }
            }
        }
    }

    pub(super) fn is_held(&self, id: SignalId) -> bool {
        self.watchers.get(id.0).is_some_and(|it| it.is_held)
    }
}

impl Inlet {
    /// Ends the deliveries into the pipe, and gives the signal its default action back if no other loop handles it.
    fn end(&self) {
        low_level::unregister(self.action);
        default_actions::restore(self.signal.number());
    }
}

impl<S> Drop for Signals<S> {
    fn drop(&mut self) {
        for inlet in &self.inlets {
            inlet.end();
        }
    }
}

impl<S> fmt::Debug for Signals<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signals: Vec<Signal> = self.inlets.iter().map(|inlet| inlet.signal).collect();
        formatter
            .debug_struct("Signals")
            .field("signals", &signals)
            .field("handlers", &self.watchers.len())
            .field("due", &self.due)
            .finish_non_exhaustive()
    }
}

/// Makes the pipe of a signal that has no handler in this loop, and puts it into the loop as a source.
pub(super) fn open_inlet<S>(verbs: Verbs<'_, S>, signal: Signal) -> Result<()> {
    // signal-hook panics on these.
    if FORBIDDEN.contains(&signal.number()) {
        return Err(invalid(format!("{signal} cannot be handled in a loop")));
    }
    let (sender, receiver) = pipe::new()?;
    let receiver = Rc::new(receiver);
    let Verbs { net, agenda } = verbs;
    let source = Verbs {
        net: &mut *net,
        agenda: &mut *agenda,
    }
    .add_source(
        Descriptor(Rc::clone(&receiver)),
        Interest::READABLE,
        Reading(signal),
    )?;
    net.release(source.0);
    let action = match low_level::pipe::register(signal.number(), sender) {
        Ok(action) => action,
        Err(error) => {
            net.close_source(source);
            return Err(match error.kind() {
                io::ErrorKind::InvalidInput => {
                    invalid(format!("{signal} does not exist, or is the system's own"))
                }
                _ => error.into(),
            });
        }
    };
    default_actions::suppress(signal.number());
    agenda.signals.inlets.push(Inlet {
        signal,
        source,
        receiver,
        action,
        received: 0,
        watchers: Vec::new(),
    });
    Ok(())
}

fn invalid(text: String) -> Error {
    Error::with_code(Error::INVALID_ARGUMENT, text)
}

impl<S> SourceHandler<S> for Reading {
    type Source = Inflow;

    fn on_readable(&mut self, cx: &mut SourceContext<'_, Inflow, S>) {
        let mut buffer = [0; 512];
        let read = cx.try_io(Interest::READABLE, |inflow| (&*inflow.0).read(&mut buffer));
        match read {
            Ok(0) => cx.unwant(Interest::READABLE),
            Ok(length) => {
                let signals = &mut cx.agenda.signals;
                let place = signals.inlets.iter().position(|it| it.signal == self.0);
                if let Some(place) = place {
                    signals.note(place, length);
                }
            }
            // `try_io` has noted a read that would block. After an interrupted read, the loop calls this method again.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) => {}
            // The pipe is broken. It stays readable, and would keep the loop awake for ever.
            Err(_) => cx.unwant(Interest::READABLE),
        }
    }
}

impl<S> EventLoop<S> {
    pub(super) fn deliver_signals(&mut self, shared: &mut S, limit: &mut Limit, turn: &mut Turn) {
        for _ in 0..self.agenda.signals.due() {
            let Some((id, call)) = self.agenda.signals.next_due(&mut self.net) else {
                return;
            };
            turn.calls += 1;
            match call {
                SignalCall::Once(call) => self.call_once(shared, "on_signal", call),
                SignalCall::Each(mut call) => {
                    let watched = self.watch();
                    self.call_without_install(shared, Calling::Signal(id), &mut call);
                    self.agenda.signals.restore(id, call);
                    self.install();
                    self.end_watch(shared, watched, "on_signal", Watched::Loop);
                }
            }
            if limit.step(&self.net) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;
