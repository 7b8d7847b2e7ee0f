//! After a stall of the loop, all bytes count that came in time, however many reads and sends they take.

use std::io::IoSlice;
use std::time::Duration;

use netloop::simulation::{Handle, Options, Simulation};
use netloop::{
    CloseReason, ConnectOptions, Context, Decoded, Error, EventLoopOptions, Filter, FilterOutput,
    Limits, ListenOptions, MinRate, Result, SocketHandler, SocketOptions,
};

const SERVER: &str = "10.0.0.1:7000";

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// The close of the server's socket, at its time since the start.
#[derive(Default)]
struct Told {
    received: usize,
    error: String,
    close: Option<(CloseReason, Duration)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Expects,
    Ends,
    Waits,
}

struct Serving(Handle, std::time::Instant, Deed);

impl SocketHandler<Told> for Serving {
    fn on_connect(&mut self, cx: &mut Context<'_, Told>) {
        match self.2 {
            Deed::Expects => cx.socket.expect_bytes(true),
            Deed::Ends => cx.socket.end(),
            Deed::Waits => {}
        }
    }
    fn on_data(&mut self, cx: &mut Context<'_, Told>, data: &[u8]) {
        cx.shared.received += data.len();
    }
    fn on_error(&mut self, cx: &mut Context<'_, Told>, error: &Error) {
        cx.shared.error = error.to_string();
    }
    fn on_close(&mut self, cx: &mut Context<'_, Told>, reason: CloseReason) {
        cx.shared.close = Some((reason, self.0.now() - self.1));
    }
}

/// Sends `.1` bytes at each time of `.0`.
struct Peer(Vec<(Duration, usize)>);

impl SocketHandler<()> for Peer {
    fn on_connect(&mut self, cx: &mut Context<'_, ()>) {
        for (number, (at, _)) in (0..).zip(&self.0) {
            cx.socket.after(*at, number);
        }
    }
    fn on_timer(&mut self, cx: &mut Context<'_, ()>, number: u64) {
        let (_, bytes) = self.0[usize::try_from(number).unwrap()];
        cx.socket.write(&vec![1; bytes]).ignore();
    }
    fn on_data(&mut self, _: &mut Context<'_, ()>, _: &[u8]) {}
}

/// Stalls the server within `stall`, and runs for an hour.
fn run(limits: Limits, deed: Deed, sends: Vec<(Duration, usize)>, stall: [Duration; 2]) -> Told {
    run_with(|_| ListenOptions::new().limits(limits), deed, sends, stall)
}

fn run_with(
    listen: impl FnOnce(&Handle) -> ListenOptions,
    deed: Deed,
    sends: Vec<(Duration, usize)>,
    stall: [Duration; 2],
) -> Told {
    // The client connects after two of these, and a byte of it takes one.
    let options = Options {
        latency: ms(50),
        capacity: 8 << 20,
        ..Options::new()
    };
    let mut simulation = Simulation::new(1, options).unwrap();
    let clock = simulation.handle();
    let options = EventLoopOptions::new().read_buffer_bytes(1 << 10);
    let mut server = simulation.host_with(Told::default(), options).unwrap();
    let mut client = simulation.host(()).unwrap();
    let begun = clock.now();
    let make = clock.clone();
    server
        .event_loop
        .listen_with(SERVER, listen(&clock), move |_, _| {
            Serving(make.clone(), begun, deed)
        })
        .unwrap();
    let [from, to] = stall;
    server
        .event_loop
        .after(from, move |_| clock.pass(to - from));
    let options = SocketOptions::new()
        .allow_half_open(true)
        .close_timeout(None);
    client
        .event_loop
        .connect_with(SERVER, options, Peer(sends))
        .unwrap();
    simulation
        .run_for(&mut [&mut server, &mut client], Duration::from_secs(3_600))
        .unwrap();
    server.shared
}

fn assert_closed(told: &Told, at: Duration) {
    let (reason, closed) = told.close.expect("the peer is silent in the end");
    assert_eq!(reason, CloseReason::TimedOut, "{}", told.error);
    let late = ms(100);
    assert!(closed >= at && closed <= at + late, "{closed:?} for {at:?}");
}

#[test]
fn bytes_of_many_reads_count_for_the_rate_after_a_stall() {
    let rate = MinRate::per_second(1_000).grace(Duration::ZERO);
    let limits = Limits::unlimited().min_receive_rate(rate);
    // These bytes are under way when the stall begins.
    let sends = vec![(ms(400), 20_000)];
    let told = run(limits, Deed::Expects, sends, [ms(520), ms(9_000)]);
    assert_eq!(told.received, 20_000, "{}", told.error);
    assert_closed(&told, ms(10_000));
}

#[test]
fn bytes_of_many_reads_put_the_close_off_after_a_stall() {
    let limits = Limits::unlimited().close_timeout(ms(500));
    // The first byte puts the timeout off to 670 ms, without a rate. The others come at 650 ms.
    let sends = vec![(ms(20), 1), (ms(500), 30_000)];
    let told = run(limits, Deed::Ends, sends, [ms(640), ms(30_000)]);
    assert_eq!(told.received, 30_001);
    assert_closed(&told, ms(30_500));
}

/// A filter that takes `whole` bytes before it decodes one. It is ready before or after these.
struct Slow {
    received: usize,
    whole: usize,
    is_ready_first: bool,
    /// Lets a tenth of a millisecond pass in each call.
    clock: Option<Handle>,
}

impl Slow {
    fn new(whole: usize, is_ready_first: bool) -> Self {
        Self {
            received: 0,
            whole,
            is_ready_first,
            clock: None,
        }
    }
}

impl Filter for Slow {
    fn is_ready(&self) -> bool {
        self.is_ready_first || self.received >= self.whole
    }
    fn decode(&mut self, input: &mut [u8], output: &mut FilterOutput<'_>) -> Result<Decoded> {
        if let Some(clock) = &self.clock {
            clock.pass(Duration::from_micros(100));
        }
        let before = self.received;
        self.received += input.len();
        if (before..self.received).contains(&(self.whole - 1)) {
            output.put(b"!");
        }
        Ok(Decoded::used(input.len()))
    }
    fn encode(&mut self, bytes: &[IoSlice<'_>], to_peer: &mut Vec<u8>) -> Result<usize> {
        to_peer.extend_from_slice(&bytes[0]);
        Ok(bytes[0].len())
    }
}

/// Lets more bytes arrive in time than one service reads through a filter, which decodes one byte of them all.
fn run_filtered(limits: Limits, is_ready_first: bool) {
    let listen = |_: &Handle| {
        ListenOptions::new()
            .limits(limits)
            .filter(move || Ok(Slow::new(20_000, is_ready_first)))
    };
    let sends = vec![(ms(400), 20_000)];
    let told = run_with(listen, Deed::Waits, sends, [ms(520), ms(9_000)]);
    assert_eq!((told.received, told.error), (1, String::new()));
}

#[test]
fn a_first_byte_of_many_reads_counts_after_a_stall() {
    run_filtered(Limits::unlimited().first_byte_timeout(ms(1_000)), true);
}

#[test]
fn a_handshake_of_many_reads_counts_after_a_stall() {
    run_filtered(Limits::unlimited().handshake_timeout(ms(1_000)), false);
}

// The kernel holds 8 MiB when the stall ends, for most of a second.
#[test]
fn a_flood_that_decodes_to_nothing_is_closed_in_time() {
    let listen = |clock: &Handle| {
        let clock = clock.clone();
        let limits = Limits::unlimited().first_byte_timeout(ms(1_000));
        ListenOptions::new().limits(limits).filter(move || {
            Ok(Slow {
                clock: Some(clock.clone()),
                ..Slow::new(usize::MAX, true)
            })
        })
    };
    let sends = vec![(ms(400), 8 << 20)];
    let told = run_with(listen, Deed::Waits, sends, [ms(520), ms(9_000)]);
    assert_eq!(told.received, 0);
    assert_closed(&told, ms(9_000));
}

/// Writes many bytes 30 ms after the accept.
struct Greeting;

impl SocketHandler<()> for Greeting {
    fn on_connect(&mut self, cx: &mut Context<'_, ()>) {
        cx.socket.after(ms(30), 0);
    }
    fn on_timer(&mut self, cx: &mut Context<'_, ()>, _: u64) {
        cx.socket.write(&[1; 20_000]).ignore();
    }
    fn on_data(&mut self, _: &mut Context<'_, ()>, _: &[u8]) {}
}

#[test]
fn a_connect_with_a_handshake_of_many_reads_outlives_a_stall() {
    let options = Options {
        latency: ms(50),
        ..Options::new()
    };
    let mut simulation = Simulation::new(1, options).unwrap();
    let clock = simulation.handle();
    let mut server = simulation.host(()).unwrap();
    server.event_loop.listen(SERVER, |_, _| Greeting).unwrap();
    let options = EventLoopOptions::new().read_buffer_bytes(1 << 10);
    let mut client = simulation.host_with(Told::default(), options).unwrap();
    let connect = ConnectOptions::new()
        .connect_timeout(ms(1_000))
        .filter(|| Ok(Slow::new(20_000, false)));
    let serving = Serving(clock.clone(), clock.now(), Deed::Waits);
    client
        .event_loop
        .connect_with(SERVER, connect, serving)
        .unwrap();
    // The stream is connected at 100 ms, and the bytes come at 130 ms.
    client
        .event_loop
        .after(ms(120), move |_| clock.pass(ms(9_000)));
    simulation
        .run_for(&mut [&mut server, &mut client], ms(20_000))
        .unwrap();
    assert_eq!(
        (client.shared.received, client.shared.error),
        (1, String::new())
    );
}
