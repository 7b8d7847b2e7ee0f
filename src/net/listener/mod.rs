//! The state machine of one server. The server listens, backs off while accepting fails, and once closed waits for the
//! removal of its last connection.

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

/// A listening socket, with its options and the count of its connections: what users call a server.
#[derive(Debug)]
pub(crate) struct Listener {
    state: State,
    /// The address, name or path that the user asked to listen on. The bind replaces an address or a name by the
    /// address of the socket. The endpoint stays known after the close.
    endpoint: Endpoint,
    /// The number of accepted sockets that are not removed. `on_close` of the server comes after the last removal.
    connections: usize,
    admission: Admission,
    /// Invariant: empty while any handler but the server's runs, unless the server's handler has panicked. So no other
    /// handler changes a limit between a refusal and its report.
    refusals: Refusals,
    socket_settings: Rc<SocketSettings>,
    block_list: Option<Rc<BlockList>>,
    /// The proxies that send headers. The filter of a header comes before all others.
    proxy_protocol: Option<Box<ProxyProtocol>>,
    /// The filters of accepted sockets. The first is next to the wire.
    filters: Box<[FilterFactory]>,
    /// The event that the handler of the server gets next.
    event: Option<ServerEvent>,
    /// Whether `event` is a connection that `Net` has neither taken nor refused. This is no variant of `event`: `Net`
    /// takes a connection by clearing the flag, and does not move the event.
    has_arrival: bool,
}

#[derive(Debug)]
enum State {
    /// The name to listen on is being looked up. The options are kept for the bind.
    Pending(Box<ListenOptions>),
    /// The socket listens, and the kernel queues connections for it.
    Listening(Bound),
    /// The socket listens, but an accept has failed for a cause whose end no edge will report. No accept is tried
    /// before the backoff is over, a descriptor may be free, or the server [drains](Listener::drain). The state ends
    /// when an accept finds no waiting peer. An accept without a peer proves a free descriptor: the kernel looks for a
    /// descriptor before it looks into the backlog.
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
    /// The socket file that the server made. Dropping this value removes the file, unless another file has its path
    /// now, or this process is a forked child. So the drop of the whole loop removes the file too. The field is dropped
    /// before `acceptor`: once the socket is closed, another file may get the same inode.
    path: Option<OwnedPath>,
    acceptor: Acceptor,
    /// Whether accepted sockets inherit all options from the listening socket, so that no calls have to set them.
    passes_on_options: bool,
    /// The numbers of [fatal](accept_fault::AcceptFault::Fatal) and transient failures since the last accept that took
    /// a peer or found none. A backoff after transient failures sets `transient_faults` to zero.
    fatal_faults: u32,
    transient_faults: u32,
    /// The number of accepts that are left while the server [drains](Listener::drain); `None` if it does not drain.
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
    /// A listener on a name whose lookup is under way.
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

    /// A listener that was bound to `endpoint` with `options`.
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

    /// A listener around a socket that the user has made. Accepted sockets inherit no option, so each gets its options
    /// by calls.
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
                && self.socket_settings.type_of_service.is_none(),
            acceptor,
            path: None,
            fatal_faults: 0,
            transient_faults: 0,
            left_to_accept: None,
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
        self.event.as_ref().map(|_| self.event_for_net())
    }

    /// Takes the event for the handler of the server. Returns `None` also if the caller has to
    /// [take](Self::take_refused) refused connections first.
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

    /// Lends the descriptor of the listening socket to the user. From now on, the descriptor may have a duplicate.
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

    /// Leaves the socket file in place for good, because it is also the address of the user's duplicate of the socket.
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

    /// Whether the server has stopped listening, or could not begin to listen.
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

    /// Makes the filters of an accepted socket of `peer`. `None` if there are none.
    pub(crate) fn make_filters(&self, peer: Option<SocketAddr>) -> Result<Option<Box<Filters>>> {
        let header = match &self.proxy_protocol {
            Some(proxies) => proxies.filter(peer)?,
            None => None,
        };
        Filters::make(header, &self.filters)
    }

    /// Returns the address whose network counts a new connection of `peer`. `None` if no network counts the connection
    /// yet: `peer` has no address, or a PROXY header may name another one.
    pub(crate) fn first_counted_peer(&self, peer: Option<SocketAddr>) -> Option<SocketAddr> {
        let proxies = self.proxy_protocol.as_ref();
        peer.filter(|_| !proxies.is_some_and(|proxies| proxies.expects_header(peer)))
    }

    pub(crate) fn socket_settings(&self) -> Rc<SocketSettings> {
        Rc::clone(&self.socket_settings)
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

    /// Ensures that the count of one more connection allocates nothing.
    pub(crate) fn reserve_place(&mut self) -> Result<(), TryReserveError> {
        self.admission.reserve_place()
    }

    /// Counts an accepted socket of `peer`, both in `connections` and against the limits.
    pub(crate) fn connection_opened(&mut self, peer: Option<SocketAddr>) {
        self.connections += 1;
        self.admission.take_place(peer);
    }

    /// Stops counting a socket in the network of `peer`. The socket keeps its other places.
    pub(crate) fn leave_network(&mut self, peer: Option<SocketAddr>) {
        self.admission.leave_network(peer);
    }

    /// Whether the network of `peer` has no place for another socket.
    pub(crate) fn is_network_full(&self, peer: Option<SocketAddr>) -> bool {
        self.admission.is_network_full(peer.map(|peer| peer.ip()))
    }

    /// Counts a socket in the network of `peer`.
    pub(crate) fn enter_network(&mut self, peer: Option<SocketAddr>) {
        self.admission.enter_network(peer);
    }

    /// Notes that an accepted socket of `peer` is closed: it no longer counts against the limits, but still among
    /// `connections`.
    #[inline]
    pub(crate) fn place_freed(&mut self, peer: impl FnOnce() -> Option<SocketAddr>) {
        self.admission.free_place(peer);
    }

    /// Frees the memory that closed connections have left.
    pub(crate) fn shrink(&mut self) {
        self.admission.shrink();
    }

    /// Notes that an accepted socket was removed. If the server [is done](Self::is_done) now, the caller closes it.
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
}
