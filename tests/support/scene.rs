//! A loop with its shared state, and the ways to let it run until a condition holds.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use netloop::{
    Budget, ConnectOptions, EventLoop, IntoEndpoint, ListenOptions, ServerHandler, ServerId,
    Socket, SocketHandler, SocketId, SocketOptions, Turn, Wait,
};

use super::{Peer, PeerEnd, Received, Reception, Recorder, World, filtered, loopback};

/// The longest wait for anything before a test fails. On a machine with a load of 15 everything takes that much longer,
/// and under wine each call does.
pub(crate) const PATIENCE: Duration = Duration::from_secs(if cfg!(windows) { 180 } else { 60 });

/// One wait of the loop while a test looks at the other end between turns.
const STEP: Duration = Duration::from_millis(1);

/// A loop and the state that it lends to its handlers.
pub(crate) struct Scene {
    pub(crate) event_loop: EventLoop<World>,
    pub(crate) world: World,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self {
            event_loop: EventLoop::new().unwrap(),
            world: World::default(),
        }
    }

    /// Listens on `to` with `reception`.
    #[track_caller]
    pub(crate) fn serve(
        &mut self,
        to: impl IntoEndpoint,
        options: impl Into<ListenOptions>,
        reception: impl ServerHandler<World> + 'static,
    ) -> ServerId {
        let to = to.into_endpoint().unwrap();
        let options = filtered::of_server_at(&to, options.into());
        let server = self.event_loop.serve(&to, options, reception).unwrap();
        let address = self.event_loop.server(server).address();
        filtered::note_server(&to, address);
        server
    }

    /// Listens on a port of `host1` with `make` for each connection, as the server called `server`.
    #[track_caller]
    pub(crate) fn listen(
        &mut self,
        options: impl Into<ListenOptions>,
        make: impl FnMut(usize) -> Recorder + 'static,
    ) -> (ServerId, SocketAddr) {
        let server = self.serve(loopback(), options, Reception::new("server", make));
        let address = self.address_of(server);
        (server, address)
    }

    /// [`listen`](Self::listen) on a port at which `neighbour` can be made elsewhere: a dead port, or a black hole.
    #[track_caller]
    pub(crate) fn listen_beside<T>(
        &mut self,
        neighbour: impl Fn(u16) -> io::Result<T>,
        make: impl Fn(usize) -> Recorder + Clone + 'static,
    ) -> (u16, T) {
        for _ in 0..64 {
            let (server, address) = self.listen(ListenOptions::new(), make.clone());
            match neighbour(address.port()) {
                Ok(neighbour) => return (address.port(), neighbour),
                Err(_) => self.close(server),
            }
        }
        panic!("no port is free at both");
    }

    #[track_caller]
    pub(crate) fn address_of(&mut self, server: ServerId) -> SocketAddr {
        self.event_loop.server(server).address().unwrap()
    }

    #[track_caller]
    pub(crate) fn connect(
        &mut self,
        to: impl IntoEndpoint,
        options: impl Into<ConnectOptions>,
        recorder: impl SocketHandler<World> + 'static,
    ) -> SocketId {
        let to = to.into_endpoint().unwrap();
        let options = filtered::of_client_to(&to, options.into());
        self.event_loop
            .connect_with(&to, options, recorder)
            .unwrap()
    }

    pub(crate) fn socket(&mut self, id: SocketId) -> Socket<'_> {
        self.event_loop.socket(id)
    }

    pub(crate) fn close(&mut self, server: ServerId) {
        self.event_loop.server(server).close();
    }

    /// One turn that does not wait.
    pub(crate) fn turn(&mut self) -> Turn {
        self.turn_within(Wait::No)
    }

    pub(crate) fn turn_within(&mut self, wait: Wait) -> Turn {
        let turn = self
            .event_loop
            .turn(&mut self.world, wait, Budget::new())
            .unwrap();
        filtered::pump();
        turn
    }

    /// Turns until `done`; `what` says in a panic what did not come.
    #[track_caller]
    pub(crate) fn drive(&mut self, what: &str, mut done: impl FnMut(&World) -> bool) {
        self.drive_with(what, |scene| done(&scene.world));
    }

    /// Turns until `done`, which may use the loop, or play the peer.
    #[track_caller]
    pub(crate) fn drive_with(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let mut waiting = Waiting::begin();
        while !done(self) {
            assert!(
                !waiting.is_in_vain(),
                "this did not come: {what}; {}",
                self.world.brief()
            );
            waiting.note(self.turn_within(Wait::For(STEP)));
        }
    }

    /// Turns until `name` was told an event of `word`.
    #[track_caller]
    pub(crate) fn drive_until(&mut self, name: &str, word: &str) {
        self.drive(&format!("{word} of {name}"), |world| world.has(name, word));
    }

    /// Turns until `name` is closed.
    #[track_caller]
    pub(crate) fn drive_to_close(&mut self, name: &str) {
        self.drive_until(name, "close");
    }

    /// Turns until nothing keeps the loop going any more: where Node's process would end.
    #[track_caller]
    pub(crate) fn drive_to_exit(&mut self) {
        self.drive_with("the end of the loop", |scene| !scene.event_loop.is_alive());
    }

    /// Turns until the loop has had nothing to do for some turns in a row. An event that would have come at once can
    /// then be said not to come. Timers that are not due yet are not waited for.
    #[track_caller]
    pub(crate) fn settle(&mut self) {
        let mut waiting = Waiting::begin();
        while waiting.quiet_turns < 5 {
            assert!(!waiting.is_in_vain(), "the loop does not come to rest");
            waiting.note(self.turn_within(Wait::For(STEP)));
        }
    }

    /// Turns for about `time`, whatever happens.
    pub(crate) fn let_pass(&mut self, time: Duration) {
        let deadline = Instant::now() + time;
        self.event_loop
            .run_until(&mut self.world, deadline)
            .unwrap();
    }

    /// Lets the loop make the `connects` to addresses that were asked for, and no further step. The handlers are told
    /// of the attempts, not yet of the connections.
    pub(crate) fn dial(&mut self, connects: u32) {
        let budget = Budget::new().steps(connects);
        let turned = self.event_loop.turn(&mut self.world, Wait::No, budget);
        assert_eq!(turned.unwrap().events, connects);
    }

    /// Lets the loop [make](Self::dial) the connect that was asked for, and accepts it at `listener`.
    pub(crate) fn peer_accepts(&mut self, listener: &TcpListener) -> Peer {
        self.dial(1);
        Peer::accept(listener)
    }

    /// Reads at the peer until it has `length` bytes.
    #[track_caller]
    pub(crate) fn peer_reads(&mut self, peer: &mut Peer, length: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.drive_with(&format!("{length} bytes at the peer"), |_| {
            while bytes.len() < length {
                match peer.read_some(length - bytes.len()) {
                    Ok(Some(more)) => bytes.extend_from_slice(&more),
                    Ok(None) => return false,
                    Err(end) => panic!(
                        "{end:?} at the peer after {} of {length} bytes",
                        bytes.len()
                    ),
                }
            }
            true
        });
        bytes
    }

    /// Reads at the peer until the connection ends there.
    #[track_caller]
    pub(crate) fn peer_reads_to_end(&mut self, peer: &mut Peer) -> Received {
        let mut bytes = Vec::new();
        let mut end: Option<PeerEnd> = None;
        self.drive_with("the end at the peer", |_| {
            loop {
                match peer.read_some(64 << 10) {
                    Ok(Some(more)) => bytes.extend_from_slice(&more),
                    Ok(None) => return false,
                    Err(kind) => {
                        end = Some(kind);
                        return true;
                    }
                }
            }
        });
        Received {
            bytes,
            end: end.unwrap(),
        }
    }

    /// Sends all of `bytes` from the peer, however slowly the loop takes them.
    #[track_caller]
    pub(crate) fn peer_writes(&mut self, peer: &mut Peer, bytes: &[u8]) {
        let mut sent = 0;
        self.drive_with("the peer's bytes being taken", |_| {
            sent += peer.write_some(&bytes[sent..]);
            sent == bytes.len()
        });
    }

    /// A connected socket with `recorder`, accepted by a server of its own, and its peer.
    pub(crate) fn accepted(
        &mut self,
        options: SocketOptions,
        recorder: Recorder,
    ) -> (SocketId, Peer) {
        self.accepted_from(options, recorder, Peer::connect)
    }

    /// As [`accepted`](Self::accepted), with a peer that `connect` makes.
    pub(crate) fn accepted_from(
        &mut self,
        options: SocketOptions,
        recorder: Recorder,
        connect: impl FnOnce(SocketAddr) -> Peer,
    ) -> (SocketId, Peer) {
        let mut recorder = Some(recorder);
        let (server, address) = self.listen(options, move |_| recorder.take().unwrap());
        let peer = connect(address);
        self.world.newest = None;
        self.drive("the connection", |world| world.newest.is_some());
        self.event_loop.server(server).close();
        (self.world.newest.unwrap(), peer)
    }

    /// A socket of ours whose kernel buffers little at both ends, and its peer: a few kilobytes fill it.
    pub(crate) fn adopted(
        &mut self,
        options: SocketOptions,
        recorder: Recorder,
    ) -> (SocketId, Peer) {
        let (ours, mut peer) = Peer::pair();
        let id = self.event_loop.adopt(ours, options, recorder).unwrap();
        self.begin_filters(id, &mut peer);
        (id, peer)
    }

    /// Puts TLS between an adopted socket and its peer, if the other sockets of the scene speak it. A recorder does not
    /// note that it is told so.
    pub(crate) fn begin_filters(&mut self, id: SocketId, peer: &mut Peer) {
        if filtered::is_tls() {
            self.world.unheard.insert(id);
        }
        filtered::begin(&mut self.event_loop, &mut self.world, id, peer);
    }
}

/// A wait for something that turns of the loop bring. Turns that do nothing are counted, because the time that they take
/// grows with the load of the machine.
struct Waiting {
    begun: Instant,
    /// The turns in a row that did nothing.
    quiet_turns: u32,
}

impl Waiting {
    /// The number of quiet turns, of a millisecond each, after which nothing will come.
    const MOST_QUIET_TURNS: u32 = 10_000;

    fn begin() -> Self {
        Self {
            begun: Instant::now(),
            quiet_turns: 0,
        }
    }

    fn note(&mut self, turn: Turn) {
        let is_quiet = turn.events + turn.timers + turn.calls + turn.closed == 0 && !turn.more;
        self.quiet_turns = if is_quiet { self.quiet_turns + 1 } else { 0 };
    }

    fn is_in_vain(&self) -> bool {
        self.quiet_turns >= Self::MOST_QUIET_TURNS || self.begun.elapsed() >= PATIENCE
    }
}

/// Plays `attempt` until the machine has not disturbed it. Some guarantees show only while this thread runs at least every
/// few milliseconds, which the system does not promise.
#[track_caller]
pub(crate) fn until_undisturbed(mut attempt: impl FnMut() -> Disturbed) {
    until_undisturbed_with_more_time(|_| attempt());
}

/// Plays `attempt` until the machine has not disturbed it: until this thread has run as often as the attempt's timeouts
/// pass. Each attempt is told by how much it stretches its timeouts, up to [`MOST_STRETCH`]: a busy machine gets more time.
#[track_caller]
pub(crate) fn until_undisturbed_with_more_time(mut attempt: impl FnMut(u32) -> Disturbed) {
    let deadline = Instant::now() + PATIENCE;
    let mut stretch = 1;
    let mut attempts = 1;
    while attempt(stretch) == Disturbed::Yes {
        assert!(
            attempts < FEWEST_ATTEMPTS || Instant::now() < deadline,
            "the machine held this thread up in each of {attempts} attempts"
        );
        attempts += 1;
        stretch = MOST_STRETCH.min(2 * stretch);
    }
}

/// With a timeout of 40 milliseconds, the thread has to run once a second.
const MOST_STRETCH: u32 = 32;

/// The attempts that a test has, however long they take: the last ones have all the time that there is.
const FEWEST_ATTEMPTS: u32 = 10;

/// Whether this thread has not run for so long that an attempt shows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disturbed {
    Yes,
    No,
}
