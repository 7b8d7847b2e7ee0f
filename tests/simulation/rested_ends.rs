//! Ends and errors that the kernel reports once, to a read that finds no memory. An end or an error is told although a
//! timer, or a report in vain, causes the next read within the rest. In virtual time.

use std::time::{Duration, Instant};

use netloop::simulation::{AnyHost, Flavour, Handle, Host, Options, Simulation};
use netloop::{
    ConnectOptions, Context, DatagramContext, DatagramHandler, DatagramOptions, Error,
    SocketHandler, SocketId,
};

use crate::resting::{BEGIN, run_through_shortage};
use crate::support::{HELLO, Records};

const PEER: &str = "10.0.0.1:7000";

/// Everything that the peer has sent arrives in the middle of the shortage. The rest is not over until 15 ms behind
/// [`BEGIN`].
const LATENCY: Duration = Duration::from_millis(5);
const SHORTAGE: (Duration, Duration) = (Duration::from_millis(3), Duration::from_millis(7));
const WITHIN: Duration = Duration::from_millis(10);
const REST_ENDS: Duration = Duration::from_millis(15);

/// The events of the socket, in order.
#[derive(Default)]
struct Told {
    words: Vec<String>,
    data: Option<Instant>,
}

/// Sends `bytes` and its end, or a reset behind them.
struct Sending {
    at: Instant,
    clock: Handle,
    bytes: Vec<u8>,
    resets: bool,
}

impl SocketHandler<Told> for Sending {
    fn on_connect(&mut self, cx: &mut Context<'_, Told>) {
        cx.socket.after(self.at - self.clock.now(), 0);
    }
    fn on_data(&mut self, _: &mut Context<'_, Told>, _: &[u8]) {}
    fn on_timer(&mut self, cx: &mut Context<'_, Told>, _: u64) {
        cx.socket.write(&self.bytes).ignore();
        match self.resets {
            true => cx.socket.reset().unwrap(),
            false => cx.socket.end(),
        }
    }
}

struct Reading {
    clock: Handle,
    pauses: bool,
}

impl SocketHandler<Told> for Reading {
    fn on_data(&mut self, cx: &mut Context<'_, Told>, data: &[u8]) {
        cx.shared.words.push(String::from_utf8_lossy(data).into());
        cx.shared.data.get_or_insert_with(|| self.clock.now());
        if self.pauses {
            cx.socket.pause();
        }
    }
    fn on_end(&mut self, cx: &mut Context<'_, Told>) {
        cx.shared.words.push("end".to_owned());
    }
    fn on_error(&mut self, cx: &mut Context<'_, Told>, error: &Error) {
        cx.shared.words.push(error.code().to_owned());
    }
    fn on_timer(&mut self, _: &mut Context<'_, Told>, _: u64) {}
}

/// A socket that reads, and a peer that sends and then ends.
struct Pair {
    simulation: Simulation,
    peer: Host<Told>,
    reader: Host<Told>,
    id: SocketId,
}

impl Pair {
    fn new(options: Options, reading: ConnectOptions, sends: (&[u8], bool), pauses: bool) -> Self {
        let options = Options {
            latency: LATENCY,
            ..options
        };
        let mut simulation = Simulation::new(1, options).unwrap();
        let mut peer = simulation.host(Told::default()).unwrap();
        let mut reader = simulation.host(Told::default()).unwrap();
        let clock = simulation.handle();
        let at = clock.now() + BEGIN;
        let (bytes, resets) = (sends.0.to_vec(), sends.1);
        let reads = Reading {
            clock: clock.clone(),
            pauses,
        };
        peer.event_loop
            .listen(PEER, move |_, _| Sending {
                at,
                clock: clock.clone(),
                bytes: bytes.clone(),
                resets,
            })
            .unwrap();
        let id = reader.event_loop.connect_with(PEER, reading, reads);
        let id = id.unwrap();
        Self {
            simulation,
            peer,
            reader,
            id,
        }
    }

    fn run_through_shortage(&mut self) {
        let mut hosts: [&mut dyn AnyHost; 2] = [&mut self.peer, &mut self.reader];
        run_through_shortage(&mut self.simulation, &mut hosts, SHORTAGE);
    }

    /// Runs through the shortage to the end, and returns the events of the socket.
    fn told(mut self) -> Vec<String> {
        self.run_through_shortage();
        self.reader.shared.words
    }
}

fn options(flavour: Flavour) -> Options {
    Options::new().flavour(flavour)
}

fn filtered() -> ConnectOptions {
    ConnectOptions::new().filter(|| Ok(Records::default()))
}

/// Runs with a timer of the socket that passes within the rest, with the kernels of each flavour.
fn assert_told(reading: &ConnectOptions, sends: (&[u8], bool), pauses: bool, expected: &[&str]) {
    for flavour in Flavour::ALL {
        let mut pair = Pair::new(options(flavour), reading.clone(), sends, pauses);
        let id = pair.id;
        pair.reader.event_loop.socket(id).after(BEGIN + WITHIN, 0);
        assert_eq!(pair.told(), expected, "{flavour:?}");
    }
}

#[test]
fn a_timer_within_a_rest_loses_no_end_behind_bytes() {
    assert_told(&ConnectOptions::new(), (b".", false), false, &[".", "end"]);
}

#[test]
fn a_timer_within_a_rest_loses_no_end_behind_filtered_bytes() {
    let bytes = [HELLO, &Records::of(b".")].concat();
    assert_told(&filtered(), (&bytes, false), false, &[".", "ERR_CUT"]);
}

#[test]
fn a_timer_within_a_rest_loses_no_end_behind_a_handshake() {
    assert_told(&filtered(), (HELLO, false), false, &["ERR_CUT"]);
}

#[test]
fn a_timer_within_a_rest_loses_no_error_for_a_later_pause() {
    let sends: (&[u8], bool) = (b".", true);
    assert_told(&ConnectOptions::new(), sends, true, &[".", "ECONNRESET"]);
}

#[test]
fn a_report_in_vain_within_a_rest_loses_no_end() {
    for flavour in Flavour::ALL {
        let sends: (&[u8], bool) = (b".", false);
        let mut pair = Pair::new(options(flavour), ConnectOptions::new(), sends, false);
        let handle = pair.simulation.handle();
        let begins = handle.now() + BEGIN;
        // Each turn polls, and each poll reports one of the sockets for nothing.
        for millisecond in 0..14 {
            let at = SHORTAGE.1 + Duration::from_micros(500) * millisecond;
            pair.reader.event_loop.after(BEGIN + at, |_| ());
        }
        pair.simulation
            .set_options(|options| options.faults.spurious_events = 1_000);
        pair.run_through_shortage();
        let told = &pair.reader.shared;
        assert_eq!(told.words, [".", "end"], "{flavour:?}");
        let read = told.data.unwrap() - begins;
        assert!(read < REST_ENDS, "within the rest: {read:?}");
    }
}

#[test]
fn a_socket_that_is_paused_within_a_rest_hears_of_a_reset() {
    for flavour in Flavour::ALL {
        let sends: (&[u8], bool) = (b"", true);
        let mut pair = Pair::new(options(flavour), ConnectOptions::new(), sends, false);
        let id = pair.id;
        // A timer of the loop: one of the socket would read.
        pair.reader.event_loop.after(BEGIN + WITHIN, move |cx| {
            cx.sockets.socket(id).pause();
        });
        assert_eq!(pair.told(), ["ECONNRESET"], "{flavour:?}");
    }
}

struct Refused;

impl DatagramHandler<Told> for Refused {
    fn on_message(&mut self, _: &mut DatagramContext<'_, Told>, _: std::net::SocketAddr, _: &[u8]) {
    }
    fn on_error(&mut self, cx: &mut DatagramContext<'_, Told>, error: &Error) {
        cx.shared.words.push(error.code().to_owned());
    }
}

#[test]
fn a_udp_socket_paused_within_a_rest_hears_of_a_refusal() {
    for flavour in Flavour::ALL {
        let mut simulation = Simulation::new(1, options(flavour)).unwrap();
        let mut host = simulation.host(Told::default()).unwrap();
        let id = host
            .event_loop
            .connect_udp(PEER, DatagramOptions::new(), Refused)
            .unwrap();
        host.event_loop.datagram_socket(id).send(b"x").ignore();
        simulation.set_options(|options| options.faults.missing_buffers = 1_000);
        simulation
            .run_for(&mut [&mut host], Duration::from_millis(2))
            .unwrap();
        assert!(host.shared.words.is_empty(), "{flavour:?}: it rests");
        host.event_loop.datagram_socket(id).pause();
        simulation.set_options(|options| options.faults.missing_buffers = 0);
        simulation
            .run_for(&mut [&mut host], Duration::from_secs(1))
            .unwrap();
        assert_eq!(host.shared.words, ["ECONNREFUSED"], "{flavour:?}");
    }
}
