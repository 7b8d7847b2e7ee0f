//! The state machine of one server: it listens, it rests while the process is out of descriptors, it has closed and
//! waits for its last connection.

mod accept_fault;
mod event;
mod options;

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use crate::net::address::BlockList;
use crate::net::error::{Error, Syscall};
use crate::net::values::{Endpoint, Event, SocketOptions};
use crate::reactor::{Interest, Readiness, Registration};
use crate::system::{Acceptor, OwnedPath, Reserve, Stream};

use accept_fault::{AcceptFault, classify_accept};

pub use options::ListenOptions;

pub(crate) use event::ServerEvent;

/// How many accepts in a row may fail for a peer's reason before the others are served.
const TRANSIENT_FAULTS_A_CALL: u32 = 16;

/// The pauses while there are no descriptors: this, then twice as long each time, up to a second.
const FIRST_REST: Duration = Duration::from_millis(5);
const LONGEST_REST: Duration = Duration::from_secs(1);

/// How many failures in a row, each for a reason that does not pass, end a listener.
const FATAL_FAULTS: u32 = 3;

/// One server.
#[derive(Debug)]
pub(crate) struct Listener {
    /// Invariant: `Some` exactly while it listens.
    acceptor: Option<Acceptor>,
    /// Where it was bound, which stays known when it has closed.
    endpoint: Endpoint,
    /// How many of its sockets have not yet had their `on_close`.
    connections: usize,
    /// How many of them are not closed: these are what the limit is about.
    places_taken: usize,
    max_connections: Option<usize>,
    /// While descriptors are short: how long the last rest was since a peer was accepted. `None` when it is well, which
    /// is known when nobody waits any more: the kernel looks for a descriptor before it looks into its queue.
    rest: Option<Duration>,
    /// Failures in a row that do not pass.
    fatal_faults: u32,
    socket_options: Rc<SocketOptions>,
    passes_on_options: bool,
    /// The name that it will listen on is being looked up.
    is_pending: bool,
    /// What is to be told next.
    event: Option<ServerEvent>,
    block_list: Option<Rc<BlockList>>,
    /// The path that it made, with the file's identity: what is removed with it is only what is its own, also when the
    /// whole loop goes.
    path: Option<OwnedPath>,
}

impl Listener {
    /// A listener on a name that is being looked up.
    pub(crate) fn pending(endpoint: Endpoint, options: &ListenOptions) -> Self {
        Self {
            passes_on_options: false,
            is_pending: true,
            event: None,
            block_list: options.block_list.clone(),
            path: None,
            acceptor: None,
            endpoint,
            connections: 0,
            places_taken: 0,
            max_connections: options.max_connections,
            rest: None,
            fatal_faults: 0,
            socket_options: Rc::new(options.socket.clone()),
        }
    }

    /// A listener that was made elsewhere: its sockets inherit nothing of `options`.
    pub(crate) fn adopted(acceptor: Acceptor, endpoint: Endpoint, options: &ListenOptions) -> Self {
        let mut listener = Self::pending(endpoint, options);
        listener.begin(acceptor, None);
        listener.passes_on_options = false;
        listener
    }

    /// It listens from now on.
    pub(crate) fn begin(&mut self, acceptor: Acceptor, path: Option<OwnedPath>) {
        self.is_pending = false;
        // The type of service is not among what a listener is given, so who has one is given all by itself.
        self.passes_on_options =
            acceptor.passes_on_options() && self.socket_options.type_of_service.is_none();
        if let Ok(Some(address)) = acceptor.local_address() {
            // The port may have been 0, and the host a name.
            self.endpoint = Endpoint::Socket(address);
        }
        self.acceptor = Some(acceptor);
        self.path = path;
        self.event = Some(ServerEvent::Listening);
    }

    /// It will never listen: this is told, and then its end.
    pub(crate) fn fail(&mut self, error: Error, registration: &mut Registration<'_>) {
        self.is_pending = false;
        self.event = Some(ServerEvent::ListenFailed(error));
        registration.attend_soon();
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.is_pending
    }

    pub(crate) fn attend(&self) -> Option<Event> {
        self.event.as_ref().map(|_| Event::Server)
    }

    /// What has happened, for the server's handler.
    pub(crate) fn take_event(&mut self) -> Option<ServerEvent> {
        self.event.take()
    }

    fn report(&mut self, event: ServerEvent) -> Event {
        debug_assert!(
            self.event.is_none(),
            "who has something to report is attended to first"
        );
        self.event = Some(event);
        Event::Server
    }

    pub(crate) fn acceptor_mut(&mut self) -> Option<&mut Acceptor> {
        self.acceptor.as_mut()
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(crate) fn is_listening(&self) -> bool {
        self.acceptor.is_some()
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections
    }

    pub(crate) fn set_max_connections(&mut self, connections: Option<usize>) {
        self.max_connections = connections;
    }

    pub(crate) fn socket_options(&self) -> Rc<SocketOptions> {
        Rc::clone(&self.socket_options)
    }

    /// Whether an accepted socket has the options already that its listener was given.
    pub(crate) fn passes_on_options(&self) -> bool {
        self.passes_on_options
    }

    /// Whether accepting has failed for good.
    pub(crate) fn is_faulty(&self) -> bool {
        self.fatal_faults >= FATAL_FAULTS
    }

    /// Whether descriptors are short.
    pub(crate) fn is_resting(&self) -> bool {
        self.rest.is_some()
    }

    /// One more of its sockets is there.
    pub(crate) fn connection_opened(&mut self) {
        self.connections += 1;
        self.places_taken += 1;
    }

    /// One of its sockets is closed, and will be gone before long.
    pub(crate) fn place_freed(&mut self) {
        self.places_taken = self.places_taken.saturating_sub(1);
    }

    /// One of its sockets is gone. The last one takes a server with it that [is done](Self::is_done).
    pub(crate) fn connection_closed(&mut self) {
        self.connections = self.connections.saturating_sub(1);
    }

    /// Stops listening at once; the kernel refuses newcomers from now on. The caller has deregistered it.
    pub(crate) fn stop(&mut self, registration: &mut Registration<'_>) {
        self.acceptor = None;
        self.is_pending = false;
        self.event = None;
        self.path = None;
        registration.unwant(Interest::READABLE);
        self.close_if_done(registration);
    }

    pub(crate) fn close_if_done(&self, registration: &mut Registration<'_>) {
        if self.is_done() {
            registration.close();
        }
    }

    /// Whether it has closed, and its last socket is gone.
    pub(crate) fn is_done(&self) -> bool {
        self.acceptor.is_none() && !self.is_pending && self.connections == 0
    }

    /// Tries again, because a descriptor may be free now.
    pub(crate) fn wake(&self, registration: &mut Registration<'_>) {
        if self.is_listening() && self.rest.is_some() {
            registration.assume(Readiness::READABLE);
            registration.want(Interest::READABLE);
        }
    }

    pub(crate) fn readable(
        &mut self,
        registration: &mut Registration<'_>,
        reserve: &mut Reserve,
    ) -> Option<Event> {
        let acceptor = self.acceptor.as_ref()?;
        for _ in 0..TRANSIENT_FAULTS_A_CALL {
            let error = match acceptor.accept() {
                Ok((stream, peer)) => {
                    self.rest = self.rest.map(|_| Duration::ZERO);
                    self.fatal_faults = 0;
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
                    self.rest = None;
                    registration.would_block(Interest::READABLE);
                    return None;
                }
                AcceptFault::Interrupted | AcceptFault::Transient => {}
                AcceptFault::Exhausted => {
                    return self.rest(error, registration, reserve);
                }
                AcceptFault::Fatal => return self.fault(error, registration),
            }
        }
        None
    }

    fn is_blocked(&self, peer: Option<SocketAddr>) -> bool {
        match (&self.block_list, peer) {
            (Some(list), Some(peer)) => list.check(peer.ip()),
            _ => false,
        }
    }

    /// A rest is over.
    pub(crate) fn elapsed(&self, registration: &mut Registration<'_>) {
        self.wake(registration);
    }

    fn admit(&self, stream: Stream, peer: Option<SocketAddr>) -> ServerEvent {
        match self.max_connections {
            Some(limit) if self.places_taken >= limit => ServerEvent::Dropped { stream, peer },
            _ => ServerEvent::Accepted { stream, peer },
        }
    }

    /// Rests after refusing one peer with the reserve descriptor: no edge comes for the peers that wait already, so
    /// the listener has to come back by itself. It tells once an episode, and not once an attempt.
    fn rest(
        &mut self,
        error: io::Error,
        registration: &mut Registration<'_>,
        reserve: &mut Reserve,
    ) -> Option<Event> {
        if let Some(acceptor) = &self.acceptor {
            reserve.refuse_one(acceptor);
        }
        let begins = self.rest.is_none();
        let rest = (self.rest.unwrap_or_default() * 2).clamp(FIRST_REST, LONGEST_REST);
        self.rest = Some(rest);
        registration.unwant(Interest::READABLE);
        registration.wake_at(registration.tick_after(rest));
        begins.then(|| self.failed(error))
    }

    /// Counts a failure that does not pass. The third in a row ends the listener, which would be deaf otherwise.
    fn fault(&mut self, error: io::Error, registration: &mut Registration<'_>) -> Option<Event> {
        self.fatal_faults += 1;
        if self.fatal_faults < FATAL_FAULTS {
            return None;
        }
        registration.unwant(Interest::READABLE);
        Some(self.failed(error))
    }

    fn failed(&mut self, error: io::Error) -> Event {
        let error = Error::new(Syscall::Accept, error).at(self.endpoint.clone());
        self.report(ServerEvent::AcceptFailed(error))
    }
}
