//! Machines that crash at any time, under any weather: what their peers are told is true, and they come to rest.

use std::time::Duration;

use netloop::simulation::{AnyHost, Flavour, Host, Options, Simulation, SimulationEnd};
use netloop::{
    Budget, CloseReason, ConnectOptions, Context, Error, EventLoop, KeepAlive, SocketHandler,
    SocketOptions,
};

const SEEDS: u64 = 200;
const SERVICE: &str = "10.0.0.1:7";
const PLENTY: Duration = Duration::from_secs(3_600);

/// One connection, as its connecting side knows it.
#[derive(Debug, Default)]
struct Client {
    sent: u64,
    received: u64,
    errors: u32,
    reasons: Vec<CloseReason>,
}

/// The state of a machine. Both ends have the same type, so that either can crash.
#[derive(Debug, Default)]
struct Books {
    clients: Vec<Client>,
}

/// The byte at `position` of the stream of `client`.
fn byte(client: usize, position: u64) -> u8 {
    u8::try_from((position * 7 + client as u64) % 251).unwrap()
}

/// Every connection comes to its end by itself, whatever its peer does.
fn options() -> SocketOptions {
    SocketOptions::new()
        .idle_timeout(Duration::from_secs(20))
        .close_timeout(Duration::from_secs(10))
        .keep_alive(KeepAlive::after(Duration::from_secs(8)))
}

/// Sends back all that it receives.
struct Echo;

impl SocketHandler<Books> for Echo {
    fn on_data(&mut self, cx: &mut Context<'_, Books>, data: &[u8]) {
        let _ = cx.socket.write(data);
    }

    fn on_timeout(&mut self, cx: &mut Context<'_, Books>) {
        cx.socket.destroy();
    }
}

/// Sends in rounds, and ends. What comes back must be what was sent.
struct Ask {
    number: usize,
    rounds: u32,
    pause: Duration,
    length: u64,
}

impl Ask {
    fn me<'a>(&self, cx: &'a mut Context<'_, Books>) -> &'a mut Client {
        let client = &mut cx.shared.clients[self.number];
        assert!(client.reasons.is_empty(), "S2: a callback behind on_close");
        client
    }
}

impl SocketHandler<Books> for Ask {
    fn on_connect(&mut self, cx: &mut Context<'_, Books>) {
        self.on_timer(cx, 0);
    }

    fn on_timer(&mut self, cx: &mut Context<'_, Books>, _token: u64) {
        if self.rounds == 0 {
            return cx.socket.end();
        }
        self.rounds -= 1;
        let sent = self.me(cx).sent;
        let bytes: Vec<u8> = (sent..sent + self.length)
            .map(|position| byte(self.number, position))
            .collect();
        if cx.socket.write(&bytes).is_accepted() {
            self.me(cx).sent += self.length;
        }
        cx.socket.after(self.pause, 0);
    }

    fn on_data(&mut self, cx: &mut Context<'_, Books>, data: &[u8]) {
        let number = self.number;
        let client = self.me(cx);
        for &received in data {
            assert_eq!(received, byte(number, client.received), "S1: {client:?}");
            client.received += 1;
        }
        assert!(client.received <= client.sent, "S1: {client:?}");
    }

    fn on_timeout(&mut self, cx: &mut Context<'_, Books>) {
        self.me(cx);
        cx.socket.destroy();
    }

    fn on_error(&mut self, cx: &mut Context<'_, Books>, _error: &Error) {
        self.me(cx).errors += 1;
    }

    fn on_close(&mut self, cx: &mut Context<'_, Books>, reason: CloseReason) {
        let client = self.me(cx);
        client.reasons.push(reason);
        assert!(client.errors <= 1, "S3: {client:?}");
        if reason == CloseReason::Graceful {
            assert_eq!(
                client.received, client.sent,
                "S1: an end before the last byte"
            );
        }
    }
}

struct Scene {
    simulation: Simulation,
    hosts: Vec<Host<Books>>,
    random: fastrand::Rng,
    /// The longest piece that is worth writing, given how much the network takes at a time.
    longest: u64,
}

impl Scene {
    fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let flavour = *random.choice(&Flavour::ALL).unwrap();
        let options = Options {
            retransmission_timeout: Duration::from_secs(random.u64(1..40)),
            ..Options::from_seed(seed).flavour(flavour)
        };
        let longest = (options.capacity as u64 * 4).min(5_000);
        let mut simulation = Simulation::new(seed, options).unwrap();
        let hosts = (0..2).map(|_| simulation.host(Books::default()).unwrap());
        let hosts = hosts.collect();
        let mut scene = Self {
            simulation,
            hosts,
            random,
            longest,
        };
        listen(&mut scene.hosts[0].event_loop);
        for _ in 0..scene.random.u32(1..6) {
            scene.connect();
        }
        scene
    }

    /// Connects from the second host, and returns the number of the client there.
    fn connect(&mut self) -> usize {
        let host = &mut self.hosts[1];
        let number = host.shared.clients.len();
        host.shared.clients.push(Client::default());
        let ask = Ask {
            number,
            rounds: self.random.u32(..20),
            pause: Duration::from_micros(self.random.u64(..200_000)),
            length: self.random.u64(1..=self.longest),
        };
        let options = ConnectOptions::new()
            .socket(options())
            .connect_timeout(Duration::from_secs(15));
        host.event_loop.connect_with(SERVICE, options, ask).unwrap();
        number
    }

    fn run_for(&mut self, time: Duration) -> SimulationEnd {
        if self.random.u32(..4) == 0 {
            let number = self.random.usize(..self.hosts.len());
            self.hosts[number].budget = Budget::new().steps(self.random.u32(1..4));
        }
        let mut hosts: Vec<&mut dyn AnyHost> = Vec::new();
        hosts.extend(self.hosts.iter_mut().map(|host| host as &mut dyn AnyHost));
        self.simulation.run_for(&mut hosts, time).unwrap()
    }

    /// Takes a machine down for a while. Another crash may follow before its peers have come to rest.
    fn crash(&mut self) {
        let number = self.random.usize(..2);
        let crashed = self.hosts.remove(number);
        let crashed = self.simulation.crash(crashed).unwrap();
        let down = *self.random.choice(&[0, 50, 3_000, 60_000]).unwrap();
        self.run_for(Duration::from_millis(down));
        let restarted = self.simulation.restart(crashed).unwrap();
        self.hosts.insert(number, restarted);
        if number == 0 {
            let deaf = self.random.u64(..100);
            self.run_for(Duration::from_millis(deaf));
            listen(&mut self.hosts[0].event_loop);
        } else {
            // No callback follows for the clients of the old loop.
            for client in &mut self.hosts[1].shared.clients {
                if client.reasons.is_empty() {
                    client.reasons.push(CloseReason::Local);
                }
            }
        }
    }

    /// Runs on until nothing is left to happen: each socket has closed, and told it once.
    fn check_rest(&mut self) {
        let end = self.run_for(PLENTY);
        assert_eq!(end, SimulationEnd::Quiescent, "it never comes to rest");
        for host in &mut self.hosts {
            assert_eq!(host.event_loop.sockets().ids().count(), 0, "L: open");
            for client in &host.shared.clients {
                assert_eq!(client.reasons.len(), 1, "S2: {client:?}");
            }
        }
        assert_eq!(self.simulation.open_sockets(), 1, "R1: the server's");
    }
}

fn listen(event_loop: &mut EventLoop<Books>) {
    let options = netloop::ListenOptions::new().socket(options());
    event_loop
        .listen_with(SERVICE, options, |_, _| Echo)
        .unwrap();
}

#[test]
fn peers_of_crashing_machines_are_told_the_truth() {
    let mut reasons: Vec<CloseReason> = Vec::new();
    for seed in 0..SEEDS {
        // Shown if the seed fails.
        println!("seed {seed}");
        let mut scene = Scene::new(seed);
        for _ in 0..scene.random.u32(1..4) {
            let time = Duration::from_millis(scene.random.u64(..1_500));
            scene.run_for(time);
            scene.crash();
            scene.connect();
        }
        scene.simulation.end_faults();
        scene.simulation.set_options(|options| {
            options.latency = options.latency.min(Duration::from_millis(1));
            options.jitter = options.jitter.min(Duration::from_millis(1));
        });
        scene.check_rest();
        // A connection after all of it is as good as the first.
        let last = scene.connect();
        scene.check_rest();
        let clients = &scene.hosts[1].shared.clients;
        assert_eq!(clients[last].reasons, [CloseReason::Graceful]);
        reasons.extend(clients.iter().flat_map(|client| &client.reasons));
    }
    for reason in [
        CloseReason::Graceful,
        CloseReason::Reset,
        CloseReason::TimedOut,
    ] {
        assert!(reasons.contains(&reason), "{reason:?} never comes");
    }
}
