//! TLS in the simulated network: bad networks, deadlines and certificates in virtual time, and runs that repeat.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use netloop::simulation::{Host, Options, Simulation, SimulationEnd};
use netloop::{
    Accepted, CloseReason, ConnectOptions, Context, Error, EventLoopOptions, FailedHandshake, Flow,
    Limits, ListenOptions, LoopContext, ServerHandler, SocketHandler,
};
use netloop_tls::{Authority, Identity};

use crate::support::{assert_same_bytes, pattern};
use crate::{NAME, name};

const SERVER: &str = "10.0.0.1:7000";
const DAY: Duration = Duration::from_secs(86_400);

/// The events of all machines of a run, in their order.
type Notes = Rc<RefCell<Vec<String>>>;

/// Accepts with [`Echo`].
struct Front;

impl ServerHandler<Notes> for Front {
    fn on_connection(
        &mut self,
        _: &mut LoopContext<'_, Notes>,
        _: &Accepted,
    ) -> Option<Box<dyn SocketHandler<Notes>>> {
        Some(Echo.boxed())
    }
    fn on_handshake_failed(&mut self, cx: &mut LoopContext<'_, Notes>, failed: &FailedHandshake) {
        let text = format!("server failed: {}", failed.error);
        cx.shared.borrow_mut().push(text);
    }
}

/// Sends back what comes, and stops reading while it cannot.
struct Echo;

impl SocketHandler<Notes> for Echo {
    fn on_connect(&mut self, cx: &mut Context<'_, Notes>) {
        let is_resumed = cx.socket.tls().unwrap().is_resumed();
        note(cx, format!("server connect, resumed: {is_resumed}"));
    }
    fn on_data(&mut self, cx: &mut Context<'_, Notes>, data: &[u8]) {
        note(cx, format!("server data {}", data.len()));
        if cx.socket.write(data) == Flow::Full {
            cx.socket.pause();
        }
    }
    fn on_drain(&mut self, cx: &mut Context<'_, Notes>) {
        cx.socket.resume();
    }
    fn on_end(&mut self, cx: &mut Context<'_, Notes>) {
        note(cx, "server end".to_owned());
    }
    fn on_close(&mut self, cx: &mut Context<'_, Notes>, reason: CloseReason) {
        note(cx, format!("server close {reason:?}"));
    }
}

/// Sends bytes, and wants them back.
struct Ask {
    sends: Vec<u8>,
    received: Vec<u8>,
}

impl Ask {
    fn new(length: usize) -> Self {
        Self {
            sends: pattern(length, 1),
            received: Vec::new(),
        }
    }
}

impl SocketHandler<Notes> for Ask {
    fn on_connect(&mut self, cx: &mut Context<'_, Notes>) {
        note(cx, "client connect".to_owned());
        assert!(cx.socket.end_with(&self.sends).is_accepted());
    }
    fn on_data(&mut self, cx: &mut Context<'_, Notes>, data: &[u8]) {
        note(cx, format!("client data {}", data.len()));
        self.received.extend_from_slice(data);
    }
    fn on_error(&mut self, cx: &mut Context<'_, Notes>, error: &Error) {
        note(cx, format!("client failed: {} {error}", error.code()));
    }
    fn on_close(&mut self, cx: &mut Context<'_, Notes>, reason: CloseReason) {
        note(cx, format!("client close {reason:?}"));
        if reason == CloseReason::Graceful {
            assert_same_bytes(&self.received, &self.sends);
        }
    }
}

fn note(cx: &Context<'_, Notes>, text: String) {
    cx.shared.borrow_mut().push(text);
}

/// A server on machine 1 and a client on machine 2.
struct Scene {
    simulation: Simulation,
    server: Host<Notes>,
    client: Host<Notes>,
    notes: Notes,
    /// The options of all clients, which share their sessions.
    connect: ConnectOptions,
}

impl Scene {
    /// `limits` are those of both loops.
    fn new(seed: u64, options: Options, limits: Limits, trust: &(Authority, Identity)) -> Self {
        let (authority, identity) = trust;
        let mut simulation = Simulation::new(seed, options).unwrap();
        let notes = Notes::default();
        let options = EventLoopOptions::new().limits(limits);
        let [mut server, client] = [(); 2].map(|()| {
            let made = simulation.host_with(Rc::clone(&notes), options.clone());
            made.unwrap()
        });
        // Both are new for each run: a session of another run would make a handshake shorter.
        let (mut theirs, mut ours) = (identity.server(), authority.client());
        theirs.time_provider = simulation.time_provider();
        ours.time_provider = simulation.time_provider();
        let listen = ListenOptions::new().tls(Arc::new(theirs));
        server.event_loop.serve(SERVER, listen, Front).unwrap();
        Self {
            simulation,
            server,
            client,
            notes,
            connect: ConnectOptions::new().tls(Arc::new(ours), name()),
        }
    }

    fn connect(&mut self, handler: impl SocketHandler<Notes> + 'static) {
        let event_loop = &mut self.client.event_loop;
        let made = event_loop.connect_with(SERVER, self.connect.clone(), handler);
        made.unwrap();
    }

    fn run_for(&mut self, time: Duration) -> SimulationEnd {
        let Self {
            simulation,
            server,
            client,
            ..
        } = self;
        simulation.run_for(&mut [server, client], time).unwrap()
    }

    fn run(&mut self) {
        let end = self.run_for(Duration::from_secs(100_000));
        assert_eq!(end, SimulationEnd::Quiescent, "{:?}", self.simulation);
    }

    /// The events since the last call.
    fn take_notes(&self) -> Vec<String> {
        self.notes.take()
    }
}

fn trust() -> (Authority, Identity) {
    let authority = Authority::new();
    let identity = authority.of_january_2030(&[NAME]);
    (authority, identity)
}

/// Options of any network whose faults end no connection.
fn bad_network(seed: u64) -> Options {
    let mut options = Options::from_seed(seed);
    options.faults.resets = 0;
    options.faults.aborted_accepts = 0;
    options.faults.exhausted_accepts = 0;
    options.faults.exhausted_connects = 0;
    options.faults.self_connects = 0;
    options.faults.missing_buffers = options.faults.missing_buffers.min(2);
    options
}

/// Three clients of an echo, in a bad network that is cut for a while.
fn run_in_bad_network(seed: u64, trust: &(Authority, Identity)) -> (Vec<String>, u64) {
    let options = bad_network(seed);
    let length = (options.capacity * 10).clamp(3, 40_000);
    // Where a kernel takes a byte at a time, a handshake takes as many round trips as it has bytes.
    let mut scene = Scene::new(seed, options, Limits::unlimited(), trust);
    for part in 1..=3 {
        scene.connect(Ask::new(length / part));
        scene.run_for(Duration::from_millis(seed % 40));
    }
    let [server, client] = [&scene.server, &scene.client].map(|host| &host.event_loop);
    scene.simulation.partition_one_way(server, client);
    scene.run_for(Duration::from_secs(3));
    let [server, client] = [&scene.server, &scene.client].map(|host| &host.event_loop);
    scene.simulation.heal_one_way(server, client);
    scene.run();
    (scene.take_notes(), scene.simulation.trace_hash())
}

#[test]
fn tls_loses_no_byte_in_a_bad_network() {
    let trust = trust();
    for seed in 0..60 {
        let (notes, _) = run_in_bad_network(seed, &trust);
        let count = |text: &str| notes.iter().filter(|note| *note == text).count();
        let closes = ["server close Graceful", "client close Graceful"].map(count);
        assert_eq!(closes, [3, 3], "seed {seed}: {notes:#?}");
    }
}

// Sixteen shortages of memory in a row fail a socket. Here each is followed by a byte, and all lie within one record.
#[test]
fn shortages_between_the_bytes_of_a_record_never_add_up() {
    let trust = trust();
    for seed in 0..8 {
        let mut options = Options {
            capacity: 1,
            ..Options::new()
        };
        options.faults.missing_buffers = 200;
        let mut scene = Scene::new(seed, options, Limits::unlimited(), &trust);
        scene.connect(Ask::new(3_000));
        scene.run();
        let notes = scene.take_notes();
        let closes = ["server close Graceful", "client close Graceful"];
        for close in closes {
            assert!(
                notes.iter().any(|note| note == close),
                "seed {seed}: {notes:#?}"
            );
        }
    }
}

#[test]
fn a_seed_repeats_the_order_of_events_of_tls() {
    let trust = trust();
    let mut hashes = std::collections::BTreeSet::new();
    for seed in 0..12 {
        let first = run_in_bad_network(seed, &trust);
        assert_eq!(first, run_in_bad_network(seed, &trust), "seed {seed}");
        hashes.insert(first.1);
    }
    assert_eq!(hashes.len(), 12, "other seeds give other runs");
}

/// Sends the head of a long record, and then a byte a second.
struct Dribble;

impl SocketHandler<Notes> for Dribble {
    fn on_connect(&mut self, cx: &mut Context<'_, Notes>) {
        let head = [22, 3, 1, 0x3f, 0xff, 1, 0, 0x3f, 0xfb];
        cx.socket.write(&head).ignore();
        cx.socket.after(Duration::from_secs(1), 0);
    }
    fn on_data(&mut self, _: &mut Context<'_, Notes>, _: &[u8]) {}
    fn on_timer(&mut self, cx: &mut Context<'_, Notes>, _: u64) {
        cx.socket.write(&[0]).ignore();
        cx.socket.after(Duration::from_secs(1), 0);
    }
}

#[test]
fn a_handshake_that_never_ends_times_out_in_virtual_time() {
    let limits = Limits::new().handshake_timeout(Duration::from_secs(600));
    let mut scene = Scene::new(1, Options::new(), limits, &trust());
    scene.connect = ConnectOptions::new();
    scene.connect(Dribble);
    assert_eq!(
        scene.run_for(Duration::from_secs(599)),
        SimulationEnd::TimedOut
    );
    assert_eq!(scene.take_notes(), [""; 0]);
    scene.run();
    let text = "the handshake was not complete within 600s (handshake_timeout)";
    assert_eq!(scene.take_notes(), [format!("server failed: {text}")]);
    assert!(scene.simulation.elapsed() < Duration::from_secs(602));
}

#[test]
fn a_server_that_never_answers_times_out_in_virtual_time() {
    let limits = Limits::new().handshake_timeout(Duration::from_secs(600));
    let mut scene = Scene::new(1, Options::new(), limits, &trust());
    let silent = scene.server.event_loop.listen("10.0.0.1:7001", |_, _| Mute);
    silent.unwrap();
    let options = scene.connect.clone();
    let asked = Ask::new(1);
    let made = scene
        .client
        .event_loop
        .connect_with("10.0.0.1:7001", options, asked);
    made.unwrap();
    scene.run();
    let text = "the handshake was not complete within 600s (handshake_timeout)";
    assert_eq!(
        scene.take_notes(),
        [
            format!("client failed: ETIMEDOUT {text}"),
            "client close TimedOut".to_owned()
        ]
    );
    assert!(scene.simulation.elapsed() < Duration::from_secs(602));
}

/// Reads, and never says anything.
struct Mute;

impl SocketHandler<Notes> for Mute {
    fn on_data(&mut self, _: &mut Context<'_, Notes>, _: &[u8]) {}
}

/// Connects, and returns what has come of it.
fn ask_once(scene: &mut Scene) -> Vec<String> {
    scene.connect(Ask::new(3));
    scene.run();
    let mut notes = scene.take_notes();
    notes.retain(|note| note.starts_with("server connect") || note.contains("failed"));
    notes
}

#[test]
fn certificates_and_sessions_expire_in_virtual_time() {
    let mut scene = Scene::new(1, Options::new(), Limits::new(), &trust());
    let pass = |scene: &Scene, time| scene.simulation.handle().pass(time);
    assert_eq!(ask_once(&mut scene), ["server connect, resumed: false"]);
    pass(&scene, Duration::from_secs(600));
    assert_eq!(ask_once(&mut scene), ["server connect, resumed: true"]);
    // A session lives for seven days at most, the certificate for 31.
    pass(&scene, 8 * DAY);
    assert_eq!(ask_once(&mut scene), ["server connect, resumed: false"]);
    pass(&scene, 23 * DAY);
    let words = "certificate expired";
    assert_eq!(
        ask_once(&mut scene),
        [
            format!(
                "client failed: CERT_HAS_EXPIRED handshake failed: {words} (localhost, since 2030-02-01)"
            ),
            format!("server failed: handshake failed: the peer refuses: {words} (alert 45)"),
        ]
    );
}

#[test]
fn the_wall_clock_of_a_simulation_begins_as_its_options_say() {
    let trust = trust();
    let begin = Options::new().unix_time;
    let refused = |unix_time| {
        let options = Options {
            unix_time,
            ..Options::new()
        };
        let mut scene = Scene::new(1, options, Limits::new(), &trust);
        ask_once(&mut scene)[0].contains("failed: CERT_")
    };
    assert!(refused(begin - DAY));
    assert!(!refused(begin));
    assert!(!refused(begin + 30 * DAY));
    assert!(refused(begin + 31 * DAY + Duration::from_secs(1)));
}
