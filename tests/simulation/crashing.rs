//! Machines that crash and start again, and links that are cut in one direction or slow: what the others learn.

use std::time::Duration;

use netloop::simulation::{CrashedHost, Handle, Host, Options, Simulation, SimulationEnd};
use netloop::{
    Budget, CloseReason, ConnectOptions, Context, Error, EventLoop, KeepAlive, SocketHandler,
    SocketId, SocketOptions,
};

const LATENCY: Duration = Duration::from_millis(10);
const PLENTY: Duration = Duration::from_secs(3_600);

#[derive(Debug, Default)]
struct Log {
    ids: Vec<SocketId>,
    told: Vec<String>,
}

struct Recorder;

impl SocketHandler<Log> for Recorder {
    fn on_connect(&mut self, cx: &mut Context<'_, Log>) {
        cx.shared.ids.push(cx.socket.id());
        cx.shared.told.push("connected".to_owned());
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

/// A server at 10.0.0.1 and a client at 10.0.0.2, connected.
struct Pair {
    simulation: Simulation,
    server: Host<Log>,
    client: Host<Log>,
}

impl Pair {
    fn new(client: SocketOptions) -> Self {
        let options = Options {
            latency: LATENCY,
            retransmission_timeout: Duration::from_secs(100),
            ..Options::new()
        };
        let mut simulation = Simulation::new(1, options).unwrap();
        let mut pair = Self {
            server: simulation.host(Log::default()).unwrap(),
            client: simulation.host(Log::default()).unwrap(),
            simulation,
        };
        listen(&mut pair.server.event_loop);
        let options = ConnectOptions::new().socket(client);
        let connecting = pair
            .client
            .event_loop
            .connect_with("10.0.0.1:7", options, Recorder);
        connecting.unwrap();
        pair.run_for(LATENCY * 10);
        assert_eq!(pair.client.shared.told, ["connected"]);
        pair
    }

    fn run_for(&mut self, time: Duration) -> SimulationEnd {
        let Self {
            simulation,
            server,
            client,
        } = self;
        simulation.run_for(&mut [server, client], time).unwrap()
    }

    /// Takes the server down. The client runs alone until [`Alone::restart`].
    fn crash(self) -> Alone {
        let Self {
            mut simulation,
            server,
            mut client,
        } = self;
        let crashed = simulation.crash(server).unwrap();
        let of_client = client.event_loop.sockets().ids().count();
        assert_eq!(
            simulation.open_sockets(),
            of_client,
            "those of a dead machine are gone"
        );
        Alone {
            simulation,
            crashed,
            client,
        }
    }
}

/// The pair while its server is down.
struct Alone {
    simulation: Simulation,
    crashed: CrashedHost<Log>,
    client: Host<Log>,
}

impl Alone {
    fn run_for(&mut self, time: Duration) -> SimulationEnd {
        let client = &mut self.client;
        self.simulation.run_for(&mut [client], time).unwrap()
    }

    fn restart(self) -> Pair {
        let Self {
            mut simulation,
            crashed,
            client,
        } = self;
        let server = simulation.restart(crashed).unwrap();
        Pair {
            simulation,
            server,
            client,
        }
    }
}

fn listen(event_loop: &mut EventLoop<Log>) {
    event_loop.listen("10.0.0.1:7", |_, _| Recorder).unwrap();
}

fn write(host: &mut Host<Log>) {
    let id = host.shared.ids[0];
    assert!(host.event_loop.socket(id).write(b"hello").is_accepted());
}

#[test]
fn a_peer_that_sends_to_a_dead_machine_is_told_of_a_timeout() {
    let mut alone = Pair::new(SocketOptions::new()).crash();
    assert_eq!(alone.run_for(PLENTY), SimulationEnd::Quiescent);
    assert_eq!(
        alone.client.shared.told,
        ["connected"],
        "no packet tells it"
    );
    write(&mut alone.client);
    let began = alone.simulation.elapsed();
    assert_eq!(alone.run_for(PLENTY), SimulationEnd::Quiescent);
    let passed = alone.simulation.elapsed() - began;
    assert_eq!(passed.as_secs(), 100, "{passed:?}");
    assert_eq!(
        alone.client.shared.told,
        ["connected", "ETIMEDOUT", "TimedOut"]
    );
}

#[test]
fn a_restarted_machine_resets_what_it_does_not_know() {
    type Act = fn(&mut Host<Log>);
    let end: Act = |host| host.event_loop.socket(host.shared.ids[0]).end();
    for (before, after) in [
        (Some(write as Act), None),
        (Some(end), None),
        (None, Some(write as Act)),
        (None, Some(end)),
    ] {
        let mut alone = Pair::new(SocketOptions::new().close_timeout(None)).crash();
        if let Some(act) = before {
            act(&mut alone.client);
        }
        alone.run_for(Duration::from_secs(5));
        let mut pair = alone.restart();
        listen(&mut pair.server.event_loop);
        if let Some(act) = after {
            pair.run_for(Duration::from_secs(5));
            assert_eq!(pair.client.shared.told, ["connected"]);
            act(&mut pair.client);
        }
        pair.run_for(LATENCY * 5);
        assert_eq!(
            pair.client.shared.told,
            ["connected", "ECONNRESET", "Reset"]
        );
        assert_eq!(
            pair.server.shared.told,
            ["connected"],
            "of the first connection"
        );
    }
}

#[test]
fn a_probe_finds_that_its_peer_has_started_again() {
    let keep_alive = KeepAlive::after(Duration::from_secs(60));
    let mut alone = Pair::new(SocketOptions::new().keep_alive(keep_alive)).crash();
    alone.run_for(Duration::from_secs(30));
    let mut pair = alone.restart();
    pair.run_for(Duration::from_secs(29));
    assert_eq!(pair.client.shared.told, ["connected"]);
    pair.run_for(Duration::from_secs(2));
    assert_eq!(
        pair.client.shared.told,
        ["connected", "ECONNRESET", "Reset"]
    );
}

#[test]
fn connects_wait_for_a_dead_machine_and_a_deaf_one_refuses() {
    let mut alone = Pair::new(SocketOptions::new()).crash();
    alone.client.shared.told.clear();
    let connect = |host: &mut Host<Log>| {
        let options = ConnectOptions::new().connect_timeout(PLENTY);
        host.event_loop
            .connect_with("10.0.0.1:7", options, Recorder)
            .unwrap();
    };
    connect(&mut alone.client);
    alone.run_for(Duration::from_secs(8));
    let mut pair = alone.restart();
    listen(&mut pair.server.event_loop);
    // The request is sent again after 1 s, 2 s, 4 s and 8 s.
    pair.run_for(Duration::from_secs(8));
    assert_eq!(pair.client.shared.told, ["connected"]);

    let mut alone = pair.crash();
    alone.client.shared.told.clear();
    connect(&mut alone.client);
    assert_eq!(alone.run_for(PLENTY), SimulationEnd::Quiescent);
    assert_eq!(alone.client.shared.told, ["ETIMEDOUT", "TimedOut"]);
    alone.client.shared.told.clear();
    let mut pair = alone.restart();
    connect(&mut pair.client);
    pair.run_for(LATENCY * 3);
    assert_eq!(pair.client.shared.told, ["ECONNREFUSED", "Error"]);
}

#[test]
fn a_crash_calls_no_handler_and_frees_every_descriptor() {
    let mut pair = Pair::new(SocketOptions::new());
    write(&mut pair.server);
    assert!(!pair.server.event_loop.flush(Budget::new()));
    pair.server
        .event_loop
        .connect("10.0.0.2:9", Recorder)
        .unwrap();
    pair.server
        .event_loop
        .connect("no.such.name:9", Recorder)
        .unwrap();
    let told = pair.server.shared.told.len();
    let Alone {
        mut simulation,
        crashed,
        mut client,
    } = pair.crash();
    assert_eq!(crashed.shared.told.len(), told);
    // The bytes that had left arrive; nothing else does.
    simulation.run(&mut [&mut client]).unwrap();
    assert_eq!(client.shared.told, ["connected", "5 bytes"]);
    let mut server = simulation.restart(crashed).unwrap();
    assert!(!server.event_loop.is_alive());
    simulation.run(&mut [&mut server, &mut client]).unwrap();
    assert_eq!(simulation.open_sockets(), 1, "the client's");
    drop((server, client));
    assert_eq!(simulation.open_sockets(), 0);
}

#[test]
fn a_direction_that_is_cut_fails_both_ends_that_send() {
    for cut_answers in [false, true] {
        let mut pair = Pair::new(SocketOptions::new());
        let (server, client) = (&pair.server.event_loop, &pair.client.event_loop);
        match cut_answers {
            true => pair.simulation.partition_one_way(server, client),
            false => pair.simulation.partition_one_way(client, server),
        }
        write(&mut pair.client);
        pair.run_for(Duration::from_secs(99));
        let arrived = pair.server.shared.told.len() == 2;
        assert_eq!(arrived, cut_answers, "{:?}", pair.server.shared.told);
        assert_eq!(pair.client.shared.told, ["connected"]);
        pair.run_for(Duration::from_secs(2));
        assert_eq!(
            pair.client.shared.told,
            ["connected", "ETIMEDOUT", "TimedOut"]
        );
    }
}

#[test]
fn a_direction_that_heals_in_time_fails_no_end() {
    let mut pair = Pair::new(SocketOptions::new());
    for round in 1..4 {
        let (server, client) = (&pair.server.event_loop, &pair.client.event_loop);
        pair.simulation.partition_one_way(server, client);
        write(&mut pair.client);
        pair.run_for(Duration::from_secs(90));
        let (server, client) = (&pair.server.event_loop, &pair.client.event_loop);
        pair.simulation.heal_one_way(server, client);
        pair.run_for(Duration::from_secs(90));
        assert_eq!(pair.server.shared.told.len(), 1 + round);
        assert_eq!(pair.client.shared.told, ["connected"]);
    }
}

#[test]
fn a_pair_that_is_cut_leaves_the_third_alone() {
    let mut pair = Pair::new(SocketOptions::new());
    let mut third = pair.simulation.host(Log::default()).unwrap();
    let (server, client) = (&pair.server.event_loop, &pair.client.event_loop);
    pair.simulation.partition_pair(client, server);
    third.event_loop.connect("10.0.0.1:7", Recorder).unwrap();
    write(&mut pair.client);
    write(&mut pair.server);
    let hosts: &mut [&mut dyn netloop::simulation::AnyHost] =
        &mut [&mut pair.server, &mut pair.client, &mut third];
    pair.simulation.run_for(hosts, LATENCY * 5).unwrap();
    assert_eq!(third.shared.told, ["connected"]);
    assert_eq!(pair.client.shared.told, ["connected"]);
    let (server, client) = (&pair.server.event_loop, &pair.client.event_loop);
    pair.simulation.heal_pair(server, client);
    pair.run_for(LATENCY * 5);
    assert_eq!(pair.client.shared.told, ["connected", "5 bytes"]);
    assert_eq!(
        pair.server.shared.told,
        ["connected", "connected", "5 bytes"]
    );
}

#[test]
fn a_latency_holds_for_its_pair_until_it_is_taken_back() {
    let mut pair = Pair::new(SocketOptions::new());
    let (server, client) = (&pair.server.event_loop, &pair.client.event_loop);
    pair.simulation.set_latency(server, client, LATENCY * 10);
    write(&mut pair.client);
    pair.run_for(LATENCY * 9);
    assert_eq!(pair.server.shared.told, ["connected"]);
    pair.run_for(LATENCY * 2);
    assert_eq!(pair.server.shared.told, ["connected", "5 bytes"]);
    let (server, client) = (&pair.server.event_loop, &pair.client.event_loop);
    pair.simulation.set_latency(server, client, None);
    write(&mut pair.client);
    pair.run_for(LATENCY * 2);
    assert_eq!(pair.server.shared.told.len(), 3);
}

/// Takes time for each message, and arms a timer behind it.
struct Busy(Handle);

impl SocketHandler<Log> for Busy {
    fn on_data(&mut self, cx: &mut Context<'_, Log>, _data: &[u8]) {
        let before = cx.now();
        self.0.pass(Duration::from_secs(3));
        assert_eq!(cx.now(), before, "a loop's time is that of its turn");
        let due = self.0.now() + Duration::from_secs(1);
        let handle = self.0.clone();
        cx.after(Duration::from_secs(1), move |cx| {
            assert!(handle.now() >= due, "a timer came early");
            cx.shared.told.push("a timer".to_owned());
        });
    }
}

#[test]
fn a_callback_that_takes_time_delays_only_what_it_must() {
    let mut pair = Pair::new(SocketOptions::new());
    let handle = pair.simulation.handle();
    pair.server
        .event_loop
        .listen("10.0.0.1:8", move |_, _| Busy(handle.clone()))
        .unwrap();
    let id = pair
        .client
        .event_loop
        .connect("10.0.0.1:8", Recorder)
        .unwrap();
    assert!(
        pair.client
            .event_loop
            .socket(id)
            .write(b"work")
            .is_accepted()
    );
    let began = pair.simulation.elapsed();
    assert_eq!(
        pair.run_for(Duration::from_secs(5)),
        SimulationEnd::Quiescent
    );
    assert_eq!(pair.server.shared.told, ["connected", "a timer"]);
    assert_eq!((pair.simulation.elapsed() - began).as_secs(), 4);
}

#[test]
fn the_log_says_which_machine_did_what_and_when() {
    let mut pair = Pair::new(SocketOptions::new());
    pair.simulation.keep_log(1_000);
    write(&mut pair.client);
    pair.run_for(LATENCY * 3);
    pair.simulation.partition(&pair.server.event_loop);
    let alone = pair.crash();
    let log = alone.simulation.log();
    let mut rest = log.as_str();
    for part in [
        "machine 2 ",
        "sends 5 bytes",
        "machine 1 ",
        "receives 5 bytes",
        "is told readable",
        "reads 5 bytes",
        "is cut off",
        "machine 1 ",
        "crashes",
    ] {
        let at = rest.find(part);
        let at = at.unwrap_or_else(|| panic!("no \"{part}\" where it belongs: {log}"));
        rest = &rest[at + part.len()..];
    }
}

#[test]
fn a_host_starts_again_in_no_other_simulation_than_its_own() {
    let mut own = Simulation::new(1, Options::new()).unwrap();
    let mut other = Simulation::new(2, Options::new()).unwrap();
    let host = own.host(()).unwrap();
    let error = other.crash(host).unwrap_err();
    assert!(error.to_string().contains("not of this simulation"));
    let host = own.host(()).unwrap();
    let crashed = own.crash(host).unwrap();
    let error = other.restart(crashed).unwrap_err();
    assert!(error.to_string().contains("not of this simulation"));
}
