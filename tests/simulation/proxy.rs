//! A proxy that pipes each of its clients to a server, in many orders of events, with and without faults.

use std::time::Duration;

use netloop::simulation::{Faults, Flavour, Options, Simulation};
use netloop::{CloseReason, Context, Error, Socket, SocketHandler, SocketOptions};

/// The bytes that every client sends and gets back: fewer where a few of them fill every buffer on the way.
fn length_for(options: &Options) -> usize {
    if options.capacity < 4 << 10 {
        1_000
    } else {
        300 << 10
    }
}

/// The longest that a whole run may take in the time of the simulation.
const LIMIT: Duration = Duration::from_secs(3_600);

/// A deed that is done to a client in the middle of everything.
type Act = fn(&mut Socket<'_>);

/// The state of a host: how its sockets have closed, and how many bytes each of its clients was given.
#[derive(Debug, Default)]
struct Seen {
    closed: Vec<CloseReason>,
    received: Vec<usize>,
}

/// The byte at a place of what is sent: no two pieces are the same, whatever their lengths.
fn byte_at(place: usize) -> u8 {
    u8::try_from((place / 7 + place) % 251).unwrap()
}

/// Sends everything, ends, and checks what comes back.
struct Client {
    length: usize,
    sent: usize,
    received: usize,
}

impl Client {
    fn send(&mut self, cx: &mut Context<'_, Seen>) {
        while self.sent < self.length {
            let end = (self.sent + (20 << 10)).min(self.length);
            let piece: Vec<u8> = (self.sent..end).map(byte_at).collect();
            self.sent = end;
            if cx.socket.write_owned(piece) != netloop::Flow::Open {
                return;
            }
        }
        cx.socket.end();
    }
}

impl SocketHandler<Seen> for Client {
    fn on_connect(&mut self, cx: &mut Context<'_, Seen>) {
        self.send(cx);
    }
    fn on_drain(&mut self, cx: &mut Context<'_, Seen>) {
        self.send(cx);
    }
    fn on_data(&mut self, _: &mut Context<'_, Seen>, data: &[u8]) {
        for &byte in data {
            assert_eq!(byte, byte_at(self.received), "at {}", self.received);
            self.received += 1;
        }
    }
    fn on_end(&mut self, cx: &mut Context<'_, Seen>) {
        // Both pipes pass an end on only behind the last byte: a part is never taken for the whole.
        let sent = usize::try_from(cx.socket.bytes_written()).unwrap();
        assert_eq!(self.received, sent, "a clean end before the last byte");
    }
    fn on_close(&mut self, cx: &mut Context<'_, Seen>, reason: CloseReason) {
        cx.shared.received.push(self.received);
        cx.shared.closed.push(reason);
    }
}

/// The handler behind either end of a pipe.
struct Watching;

impl SocketHandler<Seen> for Watching {
    fn on_data(&mut self, _: &mut Context<'_, Seen>, _: &[u8]) {
        panic!("its bytes are passed on");
    }
    fn on_error(&mut self, _: &mut Context<'_, Seen>, error: &Error) {
        assert_ne!(error.code(), "ERR_QUEUE_LIMIT", "backpressure holds");
    }
    fn on_close(&mut self, cx: &mut Context<'_, Seen>, reason: CloseReason) {
        cx.shared.closed.push(reason);
    }
}

/// Runs `clients` of one proxy, and does `act` to the last after a while. Returns the states of the clients and of the
/// proxy.
fn run(seed: u64, options: Options, clients: usize, act: Option<Act>) -> (Seen, Seen) {
    let length = length_for(&options);
    // Where nothing fails, a network that carries four bytes a second is no trickle.
    let close_timeout = match options.faults == Faults::default() {
        true => LIMIT,
        false => Duration::from_secs(30),
    };
    let patient = SocketOptions::new().close_timeout(close_timeout);
    let mut simulation = Simulation::new(seed, options).unwrap();
    let mut server = simulation.host(Seen::default()).unwrap();
    let mut proxy = simulation.host(Seen::default()).unwrap();
    let mut client = simulation.host(Seen::default()).unwrap();
    // An echo is a pipe of a socket to itself.
    server
        .event_loop
        .listen_with("10.0.0.1:7000", patient.clone(), |cx, accepted| {
            assert!(cx.pipe(accepted.id, accepted.id));
            Watching
        })
        .unwrap();
    let limited = patient.clone().max_queued_bytes(512 << 10);
    proxy
        .event_loop
        .listen_with("10.0.0.2:7000", limited.clone(), move |cx, accepted| {
            let upstream = netloop::ConnectOptions::from(limited.clone());
            let upstream = cx
                .connect_with("10.0.0.1:7000", upstream, Watching)
                .unwrap();
            assert!(cx.pipe_both(accepted.id, upstream));
            Watching
        })
        .unwrap();
    let mut last = None;
    for _ in 0..clients {
        let handler = Client {
            length,
            sent: 0,
            received: 0,
        };
        let id = client
            .event_loop
            .connect_with("10.0.0.2:7000", patient.clone(), handler);
        last = Some(id.unwrap());
    }
    if let (Some(act), Some(id)) = (act, last) {
        let after = Duration::from_millis(seed % 40);
        client
            .event_loop
            .after(after, move |cx| act(&mut cx.sockets.socket(id)));
    }
    simulation
        .run_for(&mut [&mut server, &mut proxy, &mut client], LIMIT)
        .unwrap();
    for host in [&mut server, &mut proxy, &mut client] {
        let left = host.event_loop.sockets().ids().count();
        assert_eq!(left, 0, "sockets are left: {simulation:?}");
    }
    assert_eq!(client.shared.closed.len(), clients, "{simulation:?}");
    (client.shared, proxy.shared)
}

#[test]
fn a_proxy_passes_every_byte_and_both_ends() {
    for seed in 0..40 {
        let flavour = Flavour::ALL[usize::try_from(seed).unwrap() % Flavour::ALL.len()];
        let options = Options::from_seed(seed).flavour(flavour);
        let options = Options {
            faults: Default::default(),
            ..options
        };
        let length = length_for(&options);
        let (client, proxy) = run(seed, options, 3, None);
        assert_eq!(client.received, [length; 3], "seed {seed}");
        for reason in client.closed.iter().chain(&proxy.closed) {
            assert_eq!(*reason, CloseReason::Graceful, "seed {seed}");
        }
    }
}

#[test]
fn a_proxy_with_faults_leaves_no_socket_behind() {
    let acts: [Act; 4] = [
        |socket| socket.destroy(),
        |socket| socket.reset().unwrap(),
        |socket| socket.end(),
        |socket| socket.destroy_soon(),
    ];
    for seed in 0..120 {
        let act = acts[usize::try_from(seed).unwrap() % acts.len()];
        // Every byte that comes is the right one; how many come is up to the faults.
        run(seed, Options::from_seed(seed), 3, Some(act));
    }
}
