//! The state machine of one server: it listens, rests while the process is out of descriptors, and once closed waits
//! for its last connection.

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

/// The limit on accepts in a row that fail for a peer's reason, before other sources are served.
const TRANSIENT_FAULTS_A_CALL: u32 = 16;

/// The pauses while there are no descriptors: this, then twice as long each time, up to a second.
const FIRST_BACKOFF: Duration = Duration::from_millis(5);
const LONGEST_BACKOFF: Duration = Duration::from_secs(1);

/// The number of failures in a row, each for a reason that does not pass, that ends a listener.
const FATAL_FAULTS: u32 = 3;

/// One server.
#[derive(Debug)]
pub(crate) struct Listener {
    state: State,
    /// The place that the server was told to listen on, then the one that it is bound to. It stays known after the close.
    endpoint: Endpoint,
    /// The number of its sockets that have not yet had their `on_close`.
    connections: usize,
    /// The number of its sockets that are not closed: the limit is about these.
    places_taken: usize,
    max_connections: Option<usize>,
    socket_options: Rc<SocketOptions>,
    block_list: Option<Rc<BlockList>>,
    /// The event that its handler is told next.
    event: Option<ServerEvent>,
}

#[derive(Debug)]
enum State {
    /// The name is being looked up that it will listen on, with these options.
    Pending(Box<ListenOptions>),
    /// The kernel queues connections for it.
    Listening(Bound),
    /// It listens, but descriptors are short: it pauses between attempts to accept. The shortage is over when no peer
    /// waits any more, because the kernel looks for a descriptor before it looks into its queue.
    BackingOff {
        bound: Bound,
        /// The length of the last pause; zero once a peer was accepted after it.
        backoff: Duration,
    },
    /// It listens no more, or never did. The server goes with the last of its sockets.
    Closed,
}

/// The part of a server that lives as long as it listens.
#[derive(Debug)]
struct Bound {
    acceptor: Acceptor,
    /// The path that the server made, with the file's identity: dropping it removes only the server's own file, also when
    /// the whole loop goes.
    path: Option<OwnedPath>,
    passes_on_options: bool,
    /// The number of failures in a row that do not pass.
    fatal_faults: u32,
}

impl Listener {
    /// A listener on a name that is being looked up.
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

    /// A listener that was made elsewhere: its sockets inherit nothing of `options`.
    pub(crate) fn adopted(acceptor: Acceptor, endpoint: Endpoint, options: &ListenOptions) -> Self {
        let mut listener = Self::bound(acceptor, None, endpoint, options);
        if let Some(bound) = listener.bound_mut() {
            bound.passes_on_options = false;
        }
        listener
    }

    /// Listens from now on.
    pub(crate) fn begin(&mut self, acceptor: Acceptor) {
        if let Ok(Some(address)) = acceptor.local_address() {
            // The port may have been 0, and the host a name.
            self.endpoint = Endpoint::Socket(address);
        }
        self.state = State::Listening(Bound {
            // A listener is not given the type of service, so sockets that have one are given all options themselves.
            passes_on_options: acceptor.passes_on_options()
                && self.socket_options.type_of_service.is_none(),
            acceptor,
            path: None,
            fatal_faults: 0,
        });
        self.event = Some(ServerEvent::Listening);
    }

    /// Gives up before it ever listened. The handler is told the error first, and the end comes with
    /// [`stop`](Self::stop).
    pub(crate) fn fail(&mut self, error: Error, registration: &mut Registration<'_>) {
        self.state = State::Closed;
        self.event = Some(ServerEvent::ListenFailed(error));
        registration.activate();
    }

    /// The options to bind with, while the name is being looked up.
    pub(crate) fn pending_options(&self) -> Option<&ListenOptions> {
        match &self.state {
            State::Pending(options) => Some(options),
            State::Listening(_) | State::BackingOff { .. } | State::Closed => None,
        }
    }

    pub(crate) fn on_activated(&self) -> Option<Event> {
        self.event.as_ref().map(|_| Event::Server)
    }

    /// Takes the event that the server's handler is told next.
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

    /// The listening socket, as long as it listens.
    #[cfg(unix)]
    pub(crate) fn acceptor(&self) -> Option<&Acceptor> {
        Some(&self.as_bound()?.acceptor)
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

    /// Whether it listens no more, or never did.
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

    /// Whether an accepted socket has the options already that its listener was given.
    pub(crate) fn passes_on_options(&self) -> bool {
        self.as_bound().is_some_and(|bound| bound.passes_on_options)
    }

    /// Whether accepting has failed for good.
    pub(crate) fn is_faulty(&self) -> bool {
        self.as_bound()
            .is_some_and(|bound| bound.fatal_faults >= FATAL_FAULTS)
    }

    /// Counts one more socket.
    pub(crate) fn connection_opened(&mut self) {
        self.connections += 1;
        self.places_taken += 1;
    }

    /// Takes note that one of its sockets is closed, and will be gone before long.
    pub(crate) fn place_freed(&mut self) {
        self.places_taken = self.places_taken.saturating_sub(1);
    }

    /// Takes note that one of its sockets is gone. The last one takes a server with it that [is done](Self::is_done).
    pub(crate) fn connection_closed(&mut self) {
        self.connections = self.connections.saturating_sub(1);
    }

    /// Stops listening at once; the kernel refuses new peers from now on. The caller has deregistered it.
    pub(crate) fn stop(&mut self, registration: &mut Registration<'_>) {
        self.state = State::Closed;
        self.event = None;
        registration.unwant(Interest::READABLE);
        self.close_if_done(registration);
    }

    /// Whether its listening socket can be given away as one of the standard library.
    pub(crate) fn can_be_detached(&self) -> bool {
        self.as_bound()
            .is_some_and(|bound| bound.acceptor.is_standard())
    }

    /// Gives its listening socket away and [stops](Self::stop). The file of a Unix socket stays, as it is still the
    /// address of that socket.
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

    pub(crate) fn close_if_done(&self, registration: &mut Registration<'_>) {
        if self.is_done() {
            registration.close();
        }
    }

    /// Whether it has closed, and its last socket is gone.
    pub(crate) fn is_done(&self) -> bool {
        self.is_closed() && self.connections == 0
    }

    /// Ends a pause: tries to accept again, because a descriptor may be free now.
    pub(crate) fn wake(&self, registration: &mut Registration<'_>) {
        if let State::BackingOff { .. } = self.state {
            registration.assume(Readiness::READABLE);
            registration.want(Interest::READABLE);
        }
    }

    pub(crate) fn on_readable(
        &mut self,
        registration: &mut Registration<'_>,
        exhaustion: &mut DescriptorExhaustion,
    ) -> Option<Event> {
        for _ in 0..TRANSIENT_FAULTS_A_CALL {
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
                AcceptFault::Interrupted | AcceptFault::Transient => {}
                AcceptFault::Exhausted => return self.back_off(error, registration, exhaustion),
                AcceptFault::Fatal => return self.fault(error, registration),
            }
        }
        None
    }

    fn note_accepted(&mut self) {
        if let State::BackingOff { backoff, .. } = &mut self.state {
            *backoff = Duration::ZERO;
        }
        if let Some(bound) = self.bound_mut() {
            bound.fatal_faults = 0;
        }
    }

    fn is_blocked(&self, peer: Option<SocketAddr>) -> bool {
        match (&self.block_list, peer) {
            (Some(list), Some(peer)) => list.check(peer.ip()),
            _ => false,
        }
    }

    fn admit(&self, stream: Stream, peer: Option<SocketAddr>) -> ServerEvent {
        match self.max_connections {
            Some(limit) if self.places_taken >= limit => ServerEvent::OverLimit { stream, peer },
            _ => ServerEvent::Accepted { stream, peer },
        }
    }

    /// Pauses after refusing one peer with the reserve descriptor: no edge comes for the peers that wait already, so
    /// the listener has to come back by itself. The handler is told once a shortage, not once an attempt.
    fn back_off(
        &mut self,
        error: io::Error,
        registration: &mut Registration<'_>,
        exhaustion: &mut DescriptorExhaustion,
    ) -> Option<Event> {
        let (bound, last) = match mem::replace(&mut self.state, State::Closed) {
            State::Listening(bound) => (bound, None),
            State::BackingOff { bound, backoff } => (bound, Some(backoff)),
            other @ (State::Pending(_) | State::Closed) => {
                self.state = other;
                return None;
            }
        };
        exhaustion.meet(&bound.acceptor);
        let backoff = (last.unwrap_or_default() * 2).clamp(FIRST_BACKOFF, LONGEST_BACKOFF);
        self.state = State::BackingOff { bound, backoff };
        registration.unwant(Interest::READABLE);
        registration.wake_at(registration.tick_after(backoff));
        last.is_none().then(|| self.accept_failed(error))
    }

    /// Listens as usual again: no peer waits, so descriptors are not short.
    fn end_backoff(&mut self) {
        self.state = match mem::replace(&mut self.state, State::Closed) {
            State::BackingOff { bound, .. } => State::Listening(bound),
            other => other,
        };
    }

    /// Counts a failure that does not pass. The third in a row ends the listener, which would be deaf otherwise.
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
