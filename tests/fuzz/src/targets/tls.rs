//! TLS in the simulated network, against a peer whose records are changed, cut, doubled and mixed with others. A run
//! fails by a panic, a foreign byte, a forged end, unbounded memory, or a socket that outlives its deadline.

mod records;
mod script;
mod sides;

use std::cell::RefCell;
use std::panic;
use std::rc::Rc;
use std::sync::{Arc, LazyLock, Once};
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use netloop::rustls::server::NoServerSessionStorage;
use netloop::rustls::time_provider::TimeProvider;
use netloop::rustls::version::{TLS12, TLS13};
use netloop::rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};
use netloop::simulation::{Host, Simulation, SimulationEnd};
use netloop::{
    CloseReason, ConnectOptions, EventLoopOptions, Limits, ListenOptions, SocketOptions, TlsSide,
};
use netloop_tls::{Authority, Identity};
use stats_alloc::INSTRUMENTED_SYSTEM;

use script::{Action, Plan};
use sides::{OverTls, PeerHandler, Phase, Shared, State};

const ADDRESS: &str = "10.0.0.2:1000";
const NAME: &str = "fuzz.test";

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(60);

/// The virtual time within which all sockets come to their end.
const PATIENCE: Duration = Duration::from_secs(1_000_000);

/// The limit on the heap of a run, without the bytes that the script has made.
const MOST_HEAP: usize = 3 << 20;

/// The authority and its identities, which take long to make.
struct Certificates {
    authority: Authority,
    server: Identity,
    client: Identity,
}

static CERTIFICATES: LazyLock<Certificates> = LazyLock::new(|| {
    let authority = Authority::new();
    Certificates {
        server: authority.of_january_2030(&[NAME]),
        client: authority.of_january_2030(&["client.test"]),
        authority,
    }
});

/// Prints the panics of rustls, which the filter catches, without a backtrace. The symbols of a backtrace would stay on the
/// heap, and count as memory of the connection.
fn shorten_caught_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let others = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            match panic
                .location()
                .is_some_and(|it| it.file().contains("/rustls-"))
            {
                true => eprintln!("caught: {panic}"),
                false => others(panic),
            }
        }));
    });
}

pub(crate) fn play(input: &mut Unstructured<'_>) -> Result<()> {
    shorten_caught_panics();
    LazyLock::force(&CERTIFICATES);
    let plan = Plan::draw(input)?;
    let before = heap();
    let simulation =
        Simulation::new(plan.seed, plan.network.clone()).expect("a descriptor is free");
    let (side, tls) = both_sides(&plan, &simulation.time_provider());
    let state = Rc::new(RefCell::new(State::new(plan, tls, side)));
    let mut run = Run::new(simulation, &state, before);
    run.play();
    run.end();
    assert_eq!(state.borrow().handlers, 0, "a handler was not dropped");
    Ok(())
}

/// Returns the number of bytes on the heap.
fn heap() -> usize {
    let stats = INSTRUMENTED_SYSTEM.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// Makes the side with the filter, and the TLS of its peer.
fn both_sides(plan: &Plan, clock: &Arc<dyn TimeProvider>) -> (TlsSide, Connection) {
    let client = Arc::new(client_config(plan, clock));
    let server = Arc::new(server_config(plan, clock));
    let name = NAME.try_into().expect("it is a name");
    match plan.is_server {
        true => {
            let tls = ClientConnection::new(client, name).expect("a client");
            (TlsSide::Server(server), tls.into())
        }
        false => {
            let tls = ServerConnection::new(server).expect("a server");
            (TlsSide::Client(client, name), tls.into())
        }
    }
}

fn client_config(plan: &Plan, clock: &Arc<dyn TimeProvider>) -> ClientConfig {
    let Certificates {
        authority, client, ..
    } = &*CERTIFICATES;
    let mut config = match plan.asks_for_certificate {
        true => authority.client_with(client),
        false => authority.client(),
    };
    config.time_provider = Arc::clone(clock);
    config
}

fn server_config(plan: &Plan, clock: &Arc<dyn TimeProvider>) -> ServerConfig {
    let Certificates {
        authority, server, ..
    } = &*CERTIFICATES;
    let mut config = match (plan.asks_for_certificate, plan.is_of_version_1_2) {
        (true, _) => authority.server_for_clients(server),
        (false, true) => server.server_of(&[&TLS12]),
        (false, false) => server.server_of(&[&TLS13]),
    };
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.time_provider = Arc::clone(clock);
    config
}

/// The two machines.
struct Run {
    simulation: Simulation,
    /// The client and the server, one of which has the filter.
    hosts: [Host<Shared>; 2],
    state: Shared,
    is_calm: bool,
    filtered: usize,
    heap_before: usize,
}

impl Run {
    fn new(mut simulation: Simulation, state: &Shared, heap_before: usize) -> Self {
        let (filtered, is_calm, buffer) = {
            let plan = &state.borrow().plan;
            (plan.filtered(), plan.is_calm, plan.read_buffer)
        };
        let hosts = [0, 1].map(|_| {
            let limits = match is_calm {
                true => Limits::unlimited().handshake_timeout(HANDSHAKE_TIMEOUT),
                false => Limits::new(),
            };
            let options = EventLoopOptions::new()
                .limits(limits)
                .read_buffer_bytes(buffer);
            let host = simulation.host_with(Rc::clone(state), options);
            host.expect("a simulated loop")
        });
        let mut run = Self {
            simulation,
            hosts,
            state: Rc::clone(state),
            is_calm,
            filtered,
            heap_before,
        };
        run.begin();
        run
    }

    /// Listens and connects.
    fn begin(&mut self) {
        let state = Rc::clone(&self.state);
        let (socket, side, starts_late) = {
            let state = state.borrow();
            let plan = &state.plan;
            (plan.socket.clone(), state.side.clone(), plan.starts_late)
        };
        let plain = SocketOptions::new().allow_half_open(true);
        let [client, server] = &mut self.hosts;
        let accepting = Rc::clone(&state);
        let (listening, connecting) = match side {
            TlsSide::Server(config) => {
                let mut options = ListenOptions::from(socket);
                if !starts_late {
                    options = options.tls(config);
                }
                let listening = server
                    .event_loop
                    .listen_with(ADDRESS, options, move |_, _| OverTls::new(&accepting));
                let peer = PeerHandler::new(&state);
                let connecting = client.event_loop.connect_with(ADDRESS, plain, peer);
                (listening, connecting)
            }
            TlsSide::Client(config, name) => {
                let listening = server
                    .event_loop
                    .listen_with(ADDRESS, plain, move |_, _| PeerHandler::new(&accepting));
                let mut options = ConnectOptions::from(socket);
                if !starts_late {
                    options = options.tls(config, name);
                }
                let handler = OverTls::new(&state);
                let connecting = client.event_loop.connect_with(ADDRESS, options, handler);
                (listening, connecting)
            }
        };
        let state = &mut *state.borrow_mut();
        state.server = Some(listening.expect("the port is free"));
        let id = Some(connecting.expect("the address is one"));
        match self.filtered {
            0 => state.filtered.id = id,
            _ => state.peer.id = id,
        }
    }

    fn play(&mut self) {
        let mut steps = 0_u32;
        loop {
            let action = self.state.borrow_mut().actions.pop_front();
            let Some(action) = action else {
                break;
            };
            self.apply(action);
            steps += 1;
            let time = match (self.is_calm, steps % 4) {
                (true, 0) => Duration::from_millis(100),
                (true, _) => Duration::from_millis(1),
                (false, 0) => Duration::from_secs(2),
                (false, _) => Duration::from_millis(3),
            };
            self.advance(time);
            self.check_heap();
            if self.is_calm && steps % 4 == 0 {
                self.check_calm();
            }
        }
    }

    fn apply(&mut self, action: Action) {
        let (id, host) = {
            let state = self.state.borrow();
            match action.is_of_peer() {
                true => (state.peer.id, 1 - self.filtered),
                false => (state.filtered.id, self.filtered),
            }
        };
        if let Some(id) = id {
            let mut socket = self.hosts[host].event_loop.socket(id);
            action.apply(&mut socket, &mut self.state.borrow_mut());
        }
    }

    fn advance(&mut self, time: Duration) -> SimulationEnd {
        let [client, server] = &mut self.hosts;
        let end = self.simulation.run_for(&mut [client, server], time);
        end.unwrap_or_else(|error| panic!("{error}: {:?}", self.state.borrow()))
    }

    fn check_heap(&self) {
        let queued: u64 = self
            .hosts
            .iter()
            .map(|host| host.event_loop.statistics().queued_bytes as u64)
            .sum();
        let state = self.state.borrow();
        let of_script = state.peer.unsent() + usize::try_from(queued).expect("it is in memory");
        let capacity = self.state.borrow().plan.network.capacity;
        let most = MOST_HEAP + 4 * (of_script + capacity);
        let heap = heap().saturating_sub(self.heap_before);
        assert!(heap <= most, "{heap} bytes on the heap: {state:?}");
    }

    /// Checks a connection on which nothing happens any more, in a network without faults.
    fn check_calm(&mut self) {
        let sockets = self.hosts[self.filtered].event_loop.statistics().sockets;
        let state = self.state.borrow();
        let is_paused = state.filtered.id.is_some_and(|id| {
            let socket = self.hosts[self.filtered].event_loop.socket(id);
            !socket.is_destroyed() && socket.is_paused()
        });
        let (peer, filtered) = (&state.peer, &state.filtered);
        let is_cut = filtered.was_cut || peer.was_cut || peer.closed_early;
        if is_paused || peer.is_paused || is_cut || peer.unsent() > 0 {
            return;
        }
        if state.is_hostile() {
            let is_over = sockets == 0 || filtered.saw_end;
            assert!(!peer.has_ended || is_over, "no end: {state:?}");
            return;
        }
        if peer.is_handshaking() || filtered.phase < Phase::Open {
            return;
        }
        assert!(filtered.phase != Phase::Failed, "{state:?}");
        if peer.has_sent_all() {
            assert_eq!(filtered.received, peer.written, "{state:?}");
            assert_eq!(filtered.saw_end, peer.has_closed, "{state:?}");
        }
        assert_eq!(peer.received, filtered.written, "{state:?}");
    }

    /// Lets both sides end, after a silence.
    fn end(&mut self) {
        self.simulation.end_faults();
        let (server, falls_silent) = {
            let state = self.state.borrow();
            (state.server, state.plan.falls_silent)
        };
        if falls_silent && self.is_calm {
            self.advance(2 * HANDSHAKE_TIMEOUT);
            let state = self.state.borrow();
            let sockets = self.hosts[self.filtered].event_loop.statistics().sockets;
            let is_open = matches!(state.filtered.phase, Phase::Open | Phase::Ended);
            assert!(is_open || sockets == 0, "a handshake goes on: {state:?}");
        }
        self.state.borrow_mut().is_over = true;
        if let Some(id) = server {
            self.hosts[1].event_loop.server(id).close();
        }
        for action in Action::LAST {
            self.apply(action);
        }
        let end = self.advance(PATIENCE);
        let state = Rc::clone(&self.state);
        assert_eq!(end, SimulationEnd::Quiescent, "{:?}", state.borrow());
        self.check_heap();
        for host in &mut self.hosts {
            let statistics = host.event_loop.statistics();
            let left = (statistics.sockets, statistics.queued_bytes);
            assert_eq!(left, (0, 0), "{:?}", state.borrow());
            // A panic of a filter is an error of its socket, also where a filter of these tests asserts.
            assert_eq!(statistics.panics, 0, "{:?}", state.borrow());
        }
        let state = state.borrow();
        let (filtered, peer) = (&state.filtered, &state.peer);
        // The peer may have failed or gone before it has read all.
        if peer.saw_close && !peer.has_failed && !filtered.was_cut {
            assert!(filtered.has_ended, "{state:?}");
            assert_eq!(peer.received, filtered.written, "{state:?}");
        }
        if filtered.reason == Some(CloseReason::Graceful) && !peer.closed_early {
            assert_eq!(filtered.received, peer.written, "{state:?}");
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let simulation = &mut self.simulation;
        for host in &mut self.hosts {
            let empty = simulation.host(Rc::clone(&self.state));
            drop(std::mem::replace(host, empty.expect("a simulated loop")));
        }
        assert_eq!(simulation.open_sockets(), 0, "{simulation:?}");
    }
}
