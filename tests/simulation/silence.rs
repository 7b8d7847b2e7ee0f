//! Peers that do not answer: bytes that are sent again for too long, and probes in vain (tcp(7): tcp_retries2 and the
//! keep-alive options).

use std::time::Duration;

use netloop::simulation::{Faults, Host, Options, Simulation, SimulationEnd};
use netloop::{
    CloseReason, Context, Error, KeepAlive, Result, SocketHandler, SocketId, SocketOptions,
};

#[derive(Debug, Default, PartialEq, Eq)]
struct Log {
    ids: Vec<SocketId>,
    told: Vec<String>,
}

struct Recorder;

impl SocketHandler<Log> for Recorder {
    fn on_connect(&mut self, cx: &mut Context<'_, Log>) {
        cx.shared.ids.push(cx.socket.id());
    }
    fn on_data(&mut self, cx: &mut Context<'_, Log>, data: &[u8]) {
        cx.shared.told.push(format!("{} bytes", data.len()));
    }
    fn on_error(&mut self, cx: &mut Context<'_, Log>, error: &Error) {
        cx.shared.told.push(error.code().to_owned());
    }
    fn on_close(&mut self, cx: &mut Context<'_, Log>, reason: CloseReason) {
        cx.shared.told.push(format!("{reason:?}"));
    }
}

struct Pair {
    simulation: Simulation,
    server: Host<Log>,
    client: Host<Log>,
}

impl Pair {
    /// Two machines with a connection between them.
    fn new(options: Options, client: SocketOptions) -> Self {
        let mut simulation = Simulation::new(1, options).unwrap();
        let mut pair = Self {
            server: simulation.host(Log::default()).unwrap(),
            client: simulation.host(Log::default()).unwrap(),
            simulation,
        };
        let listening = pair.server.event_loop.listen("10.0.0.1:7", |_, _| Recorder);
        listening.unwrap();
        let connecting = pair
            .client
            .event_loop
            .connect_with("10.0.0.1:7", client, Recorder);
        connecting.unwrap();
        assert_eq!(pair.run(), Duration::ZERO, "nobody asks who is there");
        pair
    }

    /// Runs until nothing is left to happen, and says how many whole seconds that took.
    fn run(&mut self) -> Duration {
        let before = self.simulation.elapsed();
        let hosts: &mut [&mut dyn netloop::simulation::AnyHost] =
            &mut [&mut self.server, &mut self.client];
        assert_eq!(
            self.simulation.run(hosts).unwrap(),
            SimulationEnd::Quiescent
        );
        let passed = self.simulation.elapsed() - before;
        Duration::from_secs(passed.as_secs())
    }

    fn run_for(&mut self, time: Duration) -> Result<SimulationEnd> {
        self.simulation
            .run_for(&mut [&mut self.server, &mut self.client], time)
    }

    fn write(host: &mut Host<Log>) {
        let id = host.shared.ids[0];
        assert!(host.event_loop.socket(id).write(b"hello").is_accepted());
    }
}

#[test]
fn what_is_never_acknowledged_fails_when_the_kernel_gives_up() {
    let mut pair = Pair::new(Options::new(), SocketOptions::new());
    pair.simulation.partition(&pair.server.event_loop);
    Pair::write(&mut pair.client);
    assert_eq!(pair.run(), Duration::from_secs(924));
    assert_eq!(pair.client.shared.told, ["ETIMEDOUT", "TimedOut"]);
    assert!(pair.server.shared.told.is_empty(), "it has sent nothing");

    // The bytes that were given up never come; and the other side learns it when it says something.
    pair.simulation.heal(&pair.server.event_loop);
    pair.run();
    assert!(pair.server.shared.told.is_empty());
    Pair::write(&mut pair.server);
    pair.run();
    assert_eq!(pair.server.shared.told, ["ECONNRESET", "Reset"]);
}

#[test]
fn what_is_acknowledged_in_time_does_not_fail() {
    let mut pair = Pair::new(Options::new(), SocketOptions::new());
    for round in 1..4 {
        pair.simulation.partition(&pair.client.event_loop);
        Pair::write(&mut pair.client);
        pair.run_for(Duration::from_secs(900)).unwrap();
        // Another host that is cut off gives no new time.
        pair.simulation.partition(&pair.server.event_loop);
        pair.simulation.heal(&pair.server.event_loop);
        pair.run_for(Duration::from_secs(20)).unwrap();
        pair.simulation.heal(&pair.client.event_loop);
        assert_eq!(pair.run(), Duration::ZERO);
        assert_eq!(pair.server.shared.told.len(), round);
    }
    assert!(pair.client.shared.told.is_empty());
}

#[test]
fn another_cut_does_not_begin_the_time_anew() {
    let options = Options {
        retransmission_timeout: Duration::from_secs(100),
        ..Options::new()
    };
    let mut pair = Pair::new(options, SocketOptions::new());
    pair.simulation.partition(&pair.client.event_loop);
    Pair::write(&mut pair.client);
    pair.run_for(Duration::from_secs(90)).unwrap();
    pair.simulation.partition(&pair.server.event_loop);
    pair.simulation.heal(&pair.server.event_loop);
    assert!(pair.run() <= Duration::from_secs(10));
    assert_eq!(pair.client.shared.told, ["ETIMEDOUT", "TimedOut"]);
}

#[test]
fn keep_alive_finds_a_dead_peer_and_no_other() {
    let keep_alive = KeepAlive::after(Duration::from_secs(60))
        .interval(Duration::from_secs(10))
        .probes(5);
    let options = SocketOptions::new().keep_alive(keep_alive);
    let mut pair = Pair::new(Options::new(), options);
    // Every minute it asks, and is answered.
    pair.run_for(Duration::from_secs(200)).unwrap();
    pair.simulation.partition(&pair.server.event_loop);
    pair.run_for(Duration::from_secs(30)).unwrap();
    pair.simulation.heal(&pair.server.event_loop);
    assert_eq!(pair.run(), Duration::ZERO);

    // It was heard of at 230 s, so it is asked at 290 s and given up at 340 s.
    pair.simulation.partition(&pair.client.event_loop);
    assert_eq!(pair.run(), Duration::from_secs(110));
    assert_eq!(pair.client.shared.told, ["ETIMEDOUT", "TimedOut"]);
    assert!(pair.server.shared.told.is_empty(), "it does not ask");
}

#[test]
fn a_sender_that_sends_again_does_not_ask() {
    let keep_alive = KeepAlive::after(Duration::from_secs(1));
    let options = SocketOptions::new().keep_alive(keep_alive);
    let mut pair = Pair::new(Options::new(), options);
    pair.simulation.partition(&pair.server.event_loop);
    Pair::write(&mut pair.client);
    assert_eq!(pair.run(), Duration::from_secs(924));
    assert_eq!(pair.client.shared.told, ["ETIMEDOUT", "TimedOut"]);
}

/// C2: each call of both machines fails. The client gives its write up, then the read before the error, and the server its
/// read of the reset. Each takes ten seconds.
#[test]
fn a_lack_of_memory_that_does_not_pass_is_told_in_ten_seconds() {
    let faults = Faults {
        missing_buffers: 1_000,
        ..Faults::NONE
    };
    let options = Options {
        faults,
        ..Options::new()
    };
    let mut pair = Pair::new(options, SocketOptions::new());
    Pair::write(&mut pair.client);
    pair.run_for(Duration::from_secs(20)).unwrap();
    assert!(pair.client.shared.told.is_empty());
    pair.run_for(Duration::from_secs(1)).unwrap();
    assert_eq!(pair.client.shared.told, ["ENOBUFS", "Error"]);
    assert!(pair.server.shared.told.is_empty());
    pair.run_for(Duration::from_secs(11)).unwrap();
    assert_eq!(pair.server.shared.told, ["ENOBUFS", "Error"]);
}
