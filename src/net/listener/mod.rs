//! The state machine of one server: it listens, backs off, and once closed waits for its last connection's removal.

mod accept_fault;
mod accepting;
mod admission;
mod arrival;
mod event;
mod loop_admission;
mod networks;
mod options;
mod proxy_protocol;
mod refusals;
mod token_bucket;

use std::collections::TryReserveError;
use std::mem;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use crate::net::address::BlockList;
use crate::net::error::{Error, Result};
use crate::net::filter::{FilterFactory, Filters};
use crate::net::values::{Endpoint, Event, SocketSettings};
use crate::reactor::{Interest, Registration};
use crate::system::{Acceptor, OwnedPath};

use accepting::FATAL_FAULTS;
use refusals::Refusals;

pub use options::ListenOptions;
pub use proxy_protocol::ProxyProtocol;

pub(crate) use admission::Admission;
pub(crate) use event::ServerEvent;
pub(crate) use loop_admission::LoopAdmission;
pub(crate) use refusals::Refused;

/// A listening socket, with its options and the count of its connections: users call it a server.
#[derive(Debug)]
pub(crate) struct Listener {
    state: State,
    /// The address, name or path to listen on. The bind replaces an address or a name by the socket's address, which
    /// stays known after the close.
    endpoint: Endpoint,
    /// The number of accepted sockets that are not removed. `on_close` of the server comes after the last removal.
    connections: usize,
    admission: Admission,
    /// Invariant: empty while a handler other than this server's runs, unless this server's handler has panicked. So no
    /// other handler changes a limit between a refusal and its report.
    refusals: Refusals,
    socket_settings: Rc<SocketSettings>,
    block_list: Option<Rc<BlockList>>,
    /// The filter of a proxy's header comes before all others.
    proxy_protocol: Option<Box<ProxyProtocol>>,
    /// The filters of accepted sockets. The first is next to the wire.
    filters: Box<[FilterFactory]>,
    event: Option<ServerEvent>,
    /// Whether `event` is a connection that `Net` has neither taken nor refused. No variant of `event`: `Net` takes a
    /// connection by clearing the flag, and does not move the event.
    has_arrival: bool,
}

#[derive(Debug)]
enum State {
    /// The name is being looked up. The options are kept for the bind.
    Pending(Box<ListenOptions>),
    Listening(Bound),
    /// The socket listens, but an accept has failed for a cause whose end no edge will report. No accept is tried
    /// before the backoff is over, a descriptor may be free, or the server [drains](Listener::drain). The state ends
    /// when an accept finds no peer. This proves a free descriptor: the kernel looks for one before it looks into the
    /// backlog.
    BackingOff {
        bound: Bound,
        /// The length of the last backoff; zero if a peer was accepted since.
        backoff: Duration,
    },
    /// The server is removed after its last socket.
    Closed,
}

/// The part of a server that exists only while it listens.
#[derive(Debug)]
struct Bound {
    /// The file of the server's Unix socket. The drop, also of the whole loop, removes the file, unless another file
    /// has its path now, or this is a forked child. Dropped before `acceptor`: once the socket is closed, another file
    /// may get the same inode.
    path: Option<OwnedPath>,
    acceptor: Acceptor,
    /// Whether accepted sockets inherit all options from the listening socket, so that no calls have to set them.
    passes_on_options: bool,
    /// The [fatal](accept_fault::AcceptFault::Fatal) and transient failures since the last accept that took a peer or
    /// found none. A backoff after transient failures sets `transient_faults` to zero.
    fatal_faults: u32,
    transient_faults: u32,
    /// The accepts that are left while the server [drains](Listener::drain); `None` if it does not.
    left_to_accept: Option<u32>,
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
    pub(crate) fn pending(
        endpoint: Endpoint,
        options: &ListenOptions,
        settings: Rc<SocketSettings>,
        admission: Admission,
    ) -> Self {
        Self {
            state: State::Pending(Box::new(options.clone())),
            endpoint,
            connections: 0,
            admission,
            refusals: Refusals::default(),
            socket_settings: settings,
            block_list: options.block_list.clone(),
            proxy_protocol: options.proxy_protocol.clone().map(Box::new),
            filters: options.filters.as_slice().into(),
            event: None,
            has_arrival: false,
        }
    }

    pub(crate) fn bound(
        acceptor: Acceptor,
        path: Option<OwnedPath>,
        endpoint: Endpoint,
        options: &ListenOptions,
        settings: Rc<SocketSettings>,
        admission: Admission,
    ) -> Self {
        let mut listener = Self::pending(endpoint, options, settings, admission);
        listener.begin(acceptor);
        if let Some(bound) = listener.bound_mut() {
            bound.path = path;
        }
        listener
    }

    /// A listener around a socket of the user. Accepted sockets inherit no option, so each gets its options by calls.
    pub(crate) fn adopted(
        acceptor: Acceptor,
        endpoint: Endpoint,
        options: &ListenOptions,
        settings: Rc<SocketSettings>,
        admission: Admission,
    ) -> Self {
        let mut listener = Self::bound(acceptor, None, endpoint, options, settings, admission);
        if let Some(bound) = listener.bound_mut() {
            bound.passes_on_options = false;
        }
        listener
    }

    pub(crate) fn begin(&mut self, acceptor: Acceptor) {
        if let Ok(Some(address)) = acceptor.local_address() {
            // The endpoint of the user may be a name or have port 0.
            self.endpoint = Endpoint::Socket(address);
        }
        self.state = State::Listening(Bound {
            // The type of service is never set on the listening socket, and so is not inherited.
            passes_on_options: acceptor.passes_on_options()
                && self.socket_settings.type_of_service.is_none(),
            acceptor,
            path: None,
            fatal_faults: 0,
            transient_faults: 0,
            left_to_accept: None,
        });
        self.event = Some(ServerEvent::Listening);
    }

    /// Fails a server that never listened. The handler gets the error before [`stop`](Self::stop).
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
        self.event.as_ref().map(|_| self.event_for_net())
    }

    /// Takes the event for the handler. `None` also while the caller has to [take](Self::take_refused) refused
    /// connections first.
    #[inline]
    pub(crate) fn take_event(&mut self) -> Option<ServerEvent> {
        debug_assert!(
            !self.has_arrival,
            "`Net` takes or refuses a connection first"
        );
        if self.has_refusals() {
            return None;
        }
        self.event.take()
    }

    fn report(&mut self, event: ServerEvent) -> Event {
        debug_assert!(
            self.event.is_none(),
            "a listener with an event to report is attended to before it is served"
        );
        self.event = Some(event);
        self.event_for_net()
    }

    fn event_for_net(&self) -> Event {
        match self.has_arrival {
            true => Event::Arrival,
            false => Event::Server,
        }
    }

    pub(crate) fn acceptor_mut(&mut self) -> Option<&mut Acceptor> {
        Some(&mut self.bound_mut()?.acceptor)
    }

    /// Lends the descriptor to the user. While the user keeps a duplicate, a close does not deregister the socket, so
    /// the acceptor becomes a shared one.
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

    /// Leaves the socket file in place for good, as the address of the user's duplicate of the socket.
    #[cfg(unix)]
    pub(crate) fn leave_path(&mut self) {
        if let Some(path) = self.bound_mut().and_then(|bound| bound.path.take()) {
            path.leave();
        }
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

    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections
    }

    pub(crate) fn max_connections(&self) -> Option<usize> {
        self.admission.max_connections
    }

    pub(crate) fn set_max_connections(&mut self, connections: Option<usize>) {
        self.admission.max_connections = connections;
    }

    /// Returns the limit on the accepts of a turn, which is also the listener's burst in the reactor.
    pub(crate) fn accepts_per_turn(&self) -> u32 {
        self.admission.accepts_per_turn
    }

    pub(crate) fn make_filters(&self, peer: Option<SocketAddr>) -> Result<Option<Box<Filters>>> {
        let header = match &self.proxy_protocol {
            Some(proxies) => proxies.filter(peer)?,
            None => None,
        };
        Filters::make(header, &self.filters)
    }

    /// Returns the address whose network counts a new connection. `None` if `peer` has no address, or a PROXY header
    /// may name another.
    pub(crate) fn first_counted_peer(&self, peer: Option<SocketAddr>) -> Option<SocketAddr> {
        let proxies = self.proxy_protocol.as_ref();
        peer.filter(|_| !proxies.is_some_and(|proxies| proxies.expects_header(peer)))
    }

    pub(crate) fn socket_settings(&self) -> Rc<SocketSettings> {
        Rc::clone(&self.socket_settings)
    }

    pub(crate) fn passes_on_options(&self) -> bool {
        self.as_bound().is_some_and(|bound| bound.passes_on_options)
    }

    pub(crate) fn is_faulty(&self) -> bool {
        self.as_bound()
            .is_some_and(|bound| bound.fatal_faults >= FATAL_FAULTS)
    }

    /// Ensures that the count of one more connection allocates nothing.
    pub(crate) fn reserve_place(&mut self) -> Result<(), TryReserveError> {
        self.admission.reserve_place()
    }

    /// Counts an accepted socket, both in `connections` and against the limits.
    pub(crate) fn connection_opened(&mut self, peer: Option<SocketAddr>) {
        self.connections += 1;
        self.admission.take_place(peer);
    }

    /// Stops counting a socket in the network of `peer`. The socket keeps its other places.
    pub(crate) fn leave_network(&mut self, peer: Option<SocketAddr>) {
        self.admission.leave_network(peer);
    }

    pub(crate) fn is_network_full(&self, peer: Option<SocketAddr>) -> bool {
        self.admission.is_network_full(peer.map(|peer| peer.ip()))
    }

    pub(crate) fn enter_network(&mut self, peer: Option<SocketAddr>) {
        self.admission.enter_network(peer);
    }

    /// Stops counting a closed socket against the limits, but not among `connections`.
    #[inline]
    pub(crate) fn place_freed(&mut self, peer: impl FnOnce() -> Option<SocketAddr>) {
        self.admission.free_place(peer);
    }

    pub(crate) fn shrink(&mut self) {
        self.admission.shrink();
    }

    /// Notes the removal of an accepted socket. The caller then closes a server that [is done](Self::is_done).
    pub(crate) fn connection_closed(&mut self) {
        self.connections = self.connections.saturating_sub(1);
    }

    /// Stops listening at once, and closes the socket, which the caller has deregistered.
    pub(crate) fn stop(&mut self, registration: &mut Registration<'_>) {
        self.state = State::Closed;
        self.event = None;
        self.has_arrival = false;
        registration.unwant(Interest::READABLE);
        self.close_if_done(registration);
    }

    pub(crate) fn can_be_detached(&self) -> bool {
        self.as_bound()
            .is_some_and(|bound| bound.acceptor.is_standard())
    }

    /// Stops the server, and returns its socket for use outside of the loop. The file of a Unix socket stays as its
    /// address. A connection that was accepted is still told: its peer is not in the backlog any more.
    pub(crate) fn detach(&mut self, registration: &mut Registration<'_>) -> Option<Acceptor> {
        let state = mem::replace(&mut self.state, State::Closed);
        registration.unwant(Interest::READABLE);
        match self.event {
            Some(ServerEvent::Accepted { .. }) => registration.activate(),
            _ => self.event = None,
        }
        self.close_if_done(registration);
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

    /// Whether the server has stopped, its last socket was removed, and nothing is to be told.
    pub(crate) fn is_done(&self) -> bool {
        self.is_closed() && self.connections == 0 && self.event.is_none()
    }
}
