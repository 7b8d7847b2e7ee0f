//! Queues that wait for their connection to open: the limits on a peer that takes them slowly count from then on. In
//! virtual time.

use std::time::Duration;

use netloop::simulation::{AnyHost, Host, Options, Simulation};
use netloop::{ConnectOptions, Context, EventLoopOptions, Limits, MinRate, SocketHandler};

use crate::support::{HELLO, Records};

const SERVER: &str = "10.0.0.1:7000";

/// The time that the lookup or the handshake takes. It is longer than the time that the rate leaves to a peer.
const OPENING: Duration = Duration::from_secs(5);

/// More than the kernel takes at once, and written at once.
const BYTES: usize = 1 << 20;

/// More than the kernel takes, so that the bytes that it takes at once put the deadline off by less than [`OPENING`].
fn rate() -> MinRate {
    MinRate::per_second(64 << 10).grace(Duration::from_secs(1))
}

/// The part of the connection that takes long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slow {
    Lookup,
    Handshake,
    /// The handshake of a filter that starts behind bytes that wait.
    Start,
}

type Told = Vec<String>;

struct Client {
    slow: Slow,
}

impl SocketHandler<Told> for Client {
    fn on_connect(&mut self, cx: &mut Context<'_, Told>) {
        if self.slow == Slow::Start {
            self.slow = Slow::Handshake;
            cx.socket.write(&[b'p'; 20_000]).ignore();
            cx.socket.start_filter(Records::default(), b"").unwrap();
            cx.socket.write(&[b'f'; BYTES]).ignore();
        }
    }
    fn on_data(&mut self, _: &mut Context<'_, Told>, _: &[u8]) {}
    fn on_error(&mut self, cx: &mut Context<'_, Told>, error: &netloop::Error) {
        cx.shared.push(error.to_string());
    }
}

/// Reads everything, and says hello late if its peer has a filter.
struct Server {
    slow: Slow,
}

impl SocketHandler<u64> for Server {
    fn on_connect(&mut self, cx: &mut Context<'_, u64>) {
        if self.slow != Slow::Lookup {
            cx.socket.after(OPENING, 0);
        }
    }
    fn on_timer(&mut self, cx: &mut Context<'_, u64>, _: u64) {
        cx.socket.write(HELLO).ignore();
    }
    fn on_data(&mut self, cx: &mut Context<'_, u64>, data: &[u8]) {
        *cx.shared += data.len() as u64;
    }
}

#[test]
fn no_rate_of_sending_counts_before_a_connection_is_open() {
    for slow in [Slow::Lookup, Slow::Handshake, Slow::Start] {
        let options = Options {
            capacity: 16 << 10,
            lookup_time: match slow {
                Slow::Lookup => OPENING,
                Slow::Handshake | Slow::Start => Duration::ZERO,
            },
            ..Options::new()
        };
        let mut simulation = Simulation::new(1, options).unwrap();
        let limits = Limits::unlimited().min_send_rate(rate());
        let limited = EventLoopOptions::new().limits(limits);
        let mut server: Host<u64> = simulation.host(0).unwrap();
        let mut client: Host<Told> = simulation.host_with(Vec::new(), limited).unwrap();
        simulation.set_name("server", &["10.0.0.1".parse().unwrap()]);
        server
            .event_loop
            .listen(SERVER, move |_, _| Server { slow })
            .unwrap();
        // With a deadline of the connect, the connection looks at its deadlines when it opens.
        let mut connect = ConnectOptions::new().connect_timeout(4 * OPENING);
        if slow == Slow::Handshake {
            connect = connect.filter(|| Ok(Records::default()));
        }
        let id = client
            .event_loop
            .connect_with("server:7000", connect, Client { slow })
            .unwrap();
        if slow != Slow::Start {
            client.event_loop.socket(id).write(&[b'f'; BYTES]).ignore();
        }
        let mut hosts: [&mut dyn AnyHost; 2] = [&mut server, &mut client];
        simulation.run_for(&mut hosts, 2 * OPENING).unwrap();
        assert!(client.shared.is_empty(), "{slow:?}: {:?}", client.shared);
        assert!(server.shared >= BYTES as u64, "{slow:?}: {}", server.shared);
    }
}

/// Accepts, and never reads.
struct Deaf;

impl SocketHandler<u64> for Deaf {
    fn on_connect(&mut self, cx: &mut Context<'_, u64>) {
        cx.socket.pause();
    }
    fn on_data(&mut self, _: &mut Context<'_, u64>, _: &[u8]) {}
}

#[test]
fn bytes_written_before_the_connect_stall_as_later_ones_do() {
    const STALL: Duration = Duration::from_secs(10);
    for length in [100_000, BYTES] {
        let mut simulation = Simulation::new(1, Options::new()).unwrap();
        simulation.set_options(|options| options.capacity = 16 << 10);
        let limits = Limits::unlimited().write_stall_timeout(STALL);
        let limited = EventLoopOptions::new().limits(limits);
        let mut server: Host<u64> = simulation.host(0).unwrap();
        let mut client: Host<Told> = simulation.host_with(Vec::new(), limited).unwrap();
        server.event_loop.listen(SERVER, |_, _| Deaf).unwrap();
        let slow = Slow::Lookup;
        let id = client.event_loop.connect(SERVER, Client { slow }).unwrap();
        client
            .event_loop
            .socket(id)
            .write(&vec![b'f'; length])
            .ignore();
        let mut hosts: [&mut dyn AnyHost; 2] = [&mut server, &mut client];
        simulation.run_for(&mut hosts, 2 * STALL).unwrap();
        let errors = &client.shared;
        assert!(
            errors.len() == 1 && errors[0].contains("write_stall_timeout"),
            "{length}: {errors:?}"
        );
    }
}
