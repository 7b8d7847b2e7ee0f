//! The state machine of one server. The server listens, backs off while accepting fails, and once closed waits for the
//! removal of its last connection.

mod accept_fault;
mod event;
mod exhaustion;
mod options;

use std::io;
use std::mem;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use crate::net::address::BlockList;
use crate::net::error::{Error, Syscall};
use crate::net::values::{Endpoint, Event, SocketOptions};
use crate::reactor::{Interest, Readiness, Registration};
use crate::system::{Acceptor, OwnedPath, Stream};

use accept_fault::{AcceptFault, classify_accept};

pub use options::ListenOptions;

pub(crate) use event::ServerEvent;
pub(crate) use exhaustion::DescriptorExhaustion;

/// The limit on accepts in one call, blocked peers and failures included, before the reactor serves other sources.
const ACCEPTS_A_CALL: u32 = 16;

/// The number of [transient](AcceptFault::Transient) failures in a row after which the listener backs off.
const TRANSIENT_FAULTS: u32 = 16;

/// The first and the longest backoff. Each backoff is twice as long as the one before.
const FIRST_BACKOFF: Duration = Duration::from_millis(5);
const LONGEST_BACKOFF: Duration = Duration::from_secs(1);

/// The longest backoff after transient failures. Peers that abort their connections can cause such failures, and must not
/// keep the peers behind them waiting for long.
const LONGEST_TRANSIENT_BACKOFF: Duration = Duration::from_millis(100);

/// The number of [fatal](AcceptFault::Fatal) failures in a row that ends a listener.
const FATAL_FAULTS: u32 = 3;

/// A listening socket, with its options and the count of its connections: what users call a server.
#[derive(Debug)]
pub(crate) struct Listener {
    state: State,
    /// The address, name or path that the user asked to listen on. Once bound, the address of the socket. The endpoint
    /// stays known after the close.
    endpoint: Endpoint,
    /// The number of accepted sockets that are not removed. `on_close` of the server comes after the last removal.
    connections: usize,
    /// The number of accepted sockets that are not closed, which `max_connections` limits. A closed socket leaves this
    /// count before it leaves `connections`.
    places_taken: usize,
    max_connections: Option<usize>,
    socket_options: Rc<SocketOptions>,
    block_list: Option<Rc<BlockList>>,
    /// The event that the handler of the server gets next.
    event: Option<ServerEvent>,
}

#[derive(Debug)]
enum State {
    /// The name to listen on is being looked up. The options are kept for the bind.
    Pending(Box<ListenOptions>),
    /// The socket listens, and the kernel queues connections for it.
    Listening(Bound),
    /// The socket listens, but an accept has failed for a cause that no edge will report the end of. No accept is tried
    /// before the backoff is over. The state ends when an accept finds no waiting peer. That result proves a free
    /// descriptor, because the kernel looks for a descriptor before it looks into the backlog.
    BackingOff {
        bound: Bound,
        /// The length of the last backoff; zero if a peer was accepted since.
        backoff: Duration,
    },
    /// The server has stopped listening, or could not begin. The server is removed after its last socket.
    Closed,
}

/// The part of a server that exists only while it listens.
#[derive(Debug)]
struct Bound {
    acceptor: Acceptor,
    /// The socket file that the server made. Dropping this value removes the file, unless another file has its path
    /// now. This also happens when the whole loop is dropped.
    path: Option<OwnedPath>,
    /// Whether accepted sockets inherit all options from the listening socket, so that no calls have to set them.
    passes_on_options: bool,
    /// The numbers of [fatal](AcceptFault::Fatal) and [transient](AcceptFault::Transient) failures since the last accept
    /// that took a peer or found none.
    fatal_faults: u32,
    transient_faults: u32,
}

#[cfg(unix)]
impl Bound {
    fn into_shared(self) -> Self {
        Self {
            acceptor: self.acceptor.into_shared(),
            ..self
        }
    }
}

impl Listener {
    /// A listener on a name whose lookup is under way.
    pub(crate) fn pending(endpoint: Endpoint, options: &ListenOptions) -> Self {
        Self {
            state: State::Pending(Box::new(options.clone())),
            endpoint,
            connections: 0,
            places_taken: 0,
            max_connections: options.max_connections,
            socket_options: Rc::new(options.socket.clone()),
            block_list: options.block_list.clone(),
            event: None,
        }
    }

    /// A listener that was bound to `endpoint` with `options`.
    pub(crate) fn bound(
        acceptor: Acceptor,
        path: Option<OwnedPath>,
        endpoint: Endpoint,
        options: &ListenOptions,
    ) -> Self {
        let mut listener = Self::pending(endpoint, options);
        listener.begin(acceptor);
        if let Some(bound) = listener.bound_mut() {
            bound.path = path;
        }
        listener
    }

    /// A listener around a socket that the user has made. Accepted sockets inherit no option, so each gets its options
    /// by calls.
    pub(crate) fn adopted(acceptor: Acceptor, endpoint: Endpoint, options: &ListenOptions) -> Self {
        let mut listener = Self::bound(acceptor, None, endpoint, options);
        if let Some(bound) = listener.bound_mut() {
            bound.passes_on_options = false;
        }
        listener
    }

    /// Begins to listen with `acceptor`, which is bound, and queues the event for the handler.
    pub(crate) fn begin(&mut self, acceptor: Acceptor) {
        if let Ok(Some(address)) = acceptor.local_address() {
            // The address of the socket may differ from the endpoint of the user, which may be a name or have port 0.
            self.endpoint = Endpoint::Socket(address);
        }
        self.state = State::Listening(Bound {
            // The type of service is never set on the listening socket, and so is not inherited. If the options contain
            // one, every accepted socket gets all of its options by calls.
            passes_on_options: acceptor.passes_on_options()
                && self.socket_options.type_of_service.is_none(),
            acceptor,
            path: None,
            fatal_faults: 0,
            transient_faults: 0,
        });
        self.event = Some(ServerEvent::Listening);
    }

    /// Fails a server that never listened. The handler gets the error before [`stop`](Self::stop) ends the server.
    pub(crate) fn fail(&mut self, error: Error, registration: &mut Registration<'_>) {
        self.state = State::Closed;
        self.event = Some(ServerEvent::ListenFailed(error));
        registration.activate();
    }

    /// The options to bind with, while the lookup of the name is under way. `None` in every other state.
    pub(crate) fn pending_options(&self) -> Option<&ListenOptions> {
        match &self.state {
            State::Pending(options) => Some(options),
            State::Listening(_) | State::BackingOff { .. } | State::Closed => None,
        }
    }

    pub(crate) fn on_activated(&self) -> Option<Event> {
        self.event.as_ref().map(|_| Event::Server)
    }

    /// Takes the event for the handler of the server.
    pub(crate) fn take_event(&mut self) -> Option<ServerEvent> {
        self.event.take()
    }

    fn report(&mut self, event: ServerEvent) -> Event {
        debug_assert!(
            self.event.is_none(),
            "a listener with an event to report is attended to before it is served"
        );
        self.event = Some(event);
        Event::Server
    }

    pub(crate) fn acceptor_mut(&mut self) -> Option<&mut Acceptor> {
        Some(&mut self.bound_mut()?.acceptor)
    }

    /// Lends the descriptor of the listening socket to the user, who may duplicate it.
    #[cfg(unix)]
    pub(crate) fn lend_descriptor(&mut self) -> Option<std::os::fd::BorrowedFd<'_>> {
        self.as_bound()?.acceptor.descriptor()?;
        self.state = match mem::replace(&mut self.state, State::Closed) {
            State::Listening(bound) => State::Listening(bound.into_shared()),
            State::BackingOff { bound, backoff } => State::BackingOff {
                bound: bound.into_shared(),
                backoff,
            },
            other => other,
        };
        self.as_bound()?.acceptor.descriptor()
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn as_bound(&self) -> Option<&Bound> {
        match &self.state {
            State::Listening(bound) | State::BackingOff { bound, .. } => Some(bound),
            State::Pending(_) | State::Closed => None,
        }
    }

    fn bound_mut(&mut self) -> Option<&mut Bound> {
        match &mut self.state {
            State::Listening(bound) | State::BackingOff { bound, .. } => Some(bound),
            State::Pending(_) | State::Closed => None,
        }
    }

    pub(crate) fn is_listening(&self) -> bool {
        self.as_bound().is_some()
    }

    /// Whether the server has stopped listening, or could not begin to listen.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections
    }

    pub(crate) fn max_connections(&self) -> Option<usize> {
        self.max_connections
    }

    pub(crate) fn set_max_connections(&mut self, connections: Option<usize>) {
        self.max_connections = connections;
    }

    pub(crate) fn socket_options(&self) -> Rc<SocketOptions> {
        Rc::clone(&self.socket_options)
    }

    /// Whether an accepted socket inherits all options from the listening socket, so that no calls are needed.
    pub(crate) fn passes_on_options(&self) -> bool {
        self.as_bound().is_some_and(|bound| bound.passes_on_options)
    }

    /// Whether [`FATAL_FAULTS`] accepts in a row have failed fatally, so that the caller should close the server.
    pub(crate) fn is_faulty(&self) -> bool {
        self.as_bound()
            .is_some_and(|bound| bound.fatal_faults >= FATAL_FAULTS)
    }

    /// Counts a socket that was accepted, both in `connections` and in `places_taken`.
    pub(crate) fn connection_opened(&mut self) {
        self.connections += 1;
        self.places_taken += 1;
    }

    /// Notes that an accepted socket is closed: it no longer counts against `max_connections`, but still among
    /// `connections`.
    pub(crate) fn place_freed(&mut self) {
        self.places_taken = self.places_taken.saturating_sub(1);
    }

    /// Notes that an accepted socket was removed. If the server [is done](Self::is_done) now, the caller closes it.
    pub(crate) fn connection_closed(&mut self) {
        self.connections = self.connections.saturating_sub(1);
    }

    /// Stops listening at once: the kernel refuses new peers from now on. The caller has deregistered the socket.
    pub(crate) fn stop(&mut self, registration: &mut Registration<'_>) {
        self.state = State::Closed;
        self.event = None;
        registration.unwant(Interest::READABLE);
        self.close_if_done(registration);
    }

    /// Whether the user can take the listening socket out as a socket of the standard library.
    pub(crate) fn can_be_detached(&self) -> bool {
        self.as_bound()
            .is_some_and(|bound| bound.acceptor.is_standard())
    }

    /// Returns the listening socket for use outside of the loop, and [stops](Self::stop) the server. The file of a Unix
    /// socket is not removed, because it is still the address of that socket.
    pub(crate) fn detach(&mut self, registration: &mut Registration<'_>) -> Option<Acceptor> {
        let state = mem::replace(&mut self.state, State::Closed);
        self.stop(registration);
        match state {
            State::Listening(bound) | State::BackingOff { bound, .. } => {
                if let Some(path) = bound.path {
                    path.leave();
                }
                Some(bound.acceptor)
            }
            State::Pending(_) | State::Closed => None,
        }
    }

    /// Asks the reactor for the close, if the server [is done](Self::is_done).
    pub(crate) fn close_if_done(&self, registration: &mut Registration<'_>) {
        if self.is_done() {
            registration.close();
        }
    }

    /// Whether the server has stopped, and its last socket was removed.
    pub(crate) fn is_done(&self) -> bool {
        self.is_closed() && self.connections == 0
    }

    /// Ends the wait of a backoff early, because a descriptor may be free: the reactor then calls
    /// [`on_readable`](Self::on_readable). Does nothing in any other state.
    pub(crate) fn wake(&self, registration: &mut Registration<'_>) {
        if let State::BackingOff { .. } = self.state {
            registration.assume(Readiness::READABLE);
            registration.want(Interest::READABLE);
        }
    }

    /// Accepts one peer, and returns the event for it. Skips blocked peers, and peers that are gone.
    pub(crate) fn on_readable(
        &mut self,
        registration: &mut Registration<'_>,
        exhaustion: &mut DescriptorExhaustion,
    ) -> Option<Event> {
        for _ in 0..ACCEPTS_A_CALL {
            let error = match self.as_bound()?.acceptor.accept() {
                Ok((stream, peer)) => {
                    self.note_accepted();
                    if self.is_blocked(peer) {
                        continue;
                    }
                    let event = self.admit(stream, peer);
                    return Some(self.report(event));
                }
                Err(error) => error,
            };
            match classify_accept(&error) {
                AcceptFault::WouldBlock => {
                    self.end_backoff();
                    registration.would_block(Interest::READABLE);
                    return None;
                }
                AcceptFault::Transient => {
                    let bound = self.bound_mut()?;
                    bound.transient_faults += 1;
                    if bound.transient_faults >= TRANSIENT_FAULTS {
                        bound.transient_faults = 0;
                        return self.back_off(error, LONGEST_TRANSIENT_BACKOFF, registration);
                    }
                }
                AcceptFault::OutOfMemory => {
                    return self.back_off(error, LONGEST_BACKOFF, registration);
                }
                AcceptFault::OutOfDescriptors => {
                    exhaustion.meet(&self.as_bound()?.acceptor);
                    return self.back_off(error, LONGEST_BACKOFF, registration);
                }
                AcceptFault::Fatal => return self.fault(error, registration),
            }
        }
        None
    }

    fn note_accepted(&mut self) {
        if let State::BackingOff { backoff, .. } = &mut self.state {
            *backoff = Duration::ZERO;
        }
        self.reset_faults();
    }

    fn reset_faults(&mut self) {
        if let Some(bound) = self.bound_mut() {
            bound.fatal_faults = 0;
            bound.transient_faults = 0;
        }
    }

    fn is_blocked(&self, peer: Option<SocketAddr>) -> bool {
        match (&self.block_list, peer) {
            (Some(list), Some(peer)) => list.check(peer.ip()),
            _ => false,
        }
    }

    /// Makes the event for an accepted peer, which depends on whether the server is at its limit.
    fn admit(&self, stream: Stream, peer: Option<SocketAddr>) -> ServerEvent {
        match self.has_place() {
            true => ServerEvent::Accepted { stream, peer },
            false => ServerEvent::OverLimit { stream, peer },
        }
    }

    /// Whether the server may take a further connection.
    pub(crate) fn has_place(&self) -> bool {
        self.max_connections
            .is_none_or(|limit| self.places_taken < limit)
    }

    /// Backs off, for at most `longest`. The peers in the backlog cause no further edge, so the listener must try again by
    /// itself. The handler gets the first failure only.
    fn back_off(
        &mut self,
        error: io::Error,
        longest: Duration,
        registration: &mut Registration<'_>,
    ) -> Option<Event> {
        let (bound, last) = match mem::replace(&mut self.state, State::Closed) {
            State::Listening(bound) => (bound, None),
            State::BackingOff { bound, backoff } => (bound, Some(backoff)),
            other @ (State::Pending(_) | State::Closed) => {
                self.state = other;
                return None;
            }
        };
        let backoff = (last.unwrap_or_default() * 2).clamp(FIRST_BACKOFF, longest);
        self.state = State::BackingOff { bound, backoff };
        registration.unwant(Interest::READABLE);
        registration.wake_at(registration.tick_after(backoff));
        last.is_none().then(|| self.accept_failed(error))
    }

    /// Ends the backoff: an accept found no waiting peer, which proves that accepting works. A later failure begins with
    /// the shortest wait, and is reported again.
    fn end_backoff(&mut self) {
        self.state = match mem::replace(&mut self.state, State::Closed) {
            State::BackingOff { bound, .. } => State::Listening(bound),
            other => other,
        };
        self.reset_faults();
    }

    /// Counts a [fatal](AcceptFault::Fatal) failure. After the third in a row, stops accepting and reports the error to
    /// the handler: otherwise the listener would silently never accept again.
    fn fault(&mut self, error: io::Error, registration: &mut Registration<'_>) -> Option<Event> {
        self.bound_mut()?.fatal_faults += 1;
        if !self.is_faulty() {
            return None;
        }
        registration.unwant(Interest::READABLE);
        Some(self.accept_failed(error))
    }

    fn accept_failed(&mut self, error: io::Error) -> Event {
        let error = Error::new(Syscall::Accept, error).at(self.endpoint.clone());
        self.report(ServerEvent::AcceptFailed(error))
    }
}
