//! Filters that start late, in the midst of writes, corks, pauses, marks and bytes given back. Each byte arrives in order,
//! each full queue drains, and each mark is told. In virtual time.

use std::io::IoSlice;
use std::time::Duration;

use fastrand::Rng;
use netloop::simulation::{AnyHost, Faults, Flavour, Host, Options, Simulation};
use netloop::{
    CloseReason, ConnectOptions, Context, Decoded, Error, Filter, FilterOutput, Limits,
    ListenOptions, Result, SocketHandler, SocketId, SocketOptions,
};

use crate::support::HELLO;

const SERVER: &str = "10.0.0.1:7000";

/// Asks the peer to start its filter, and answers that it does. The other bytes are smaller.
const START: u8 = 0xff;

/// The number of random deeds of each side.
const DEEDS: u32 = 60;

/// The byte that each side sends at `place`.
fn byte_at(place: usize) -> u8 {
    u8::try_from(place * 7 % 251).unwrap()
}

/// The client says hello, and the server answers if `is_answered` is set. Then each byte is inverted.
struct Inverted {
    is_client: bool,
    is_answered: bool,
    heard: usize,
}

impl Filter for Inverted {
    fn begin(&mut self, to_peer: &mut Vec<u8>) -> Result<()> {
        if self.is_client {
            to_peer.extend_from_slice(HELLO);
        }
        Ok(())
    }
    fn is_ready(&self) -> bool {
        self.heard == HELLO.len() || self.is_client && !self.is_answered
    }
    fn decode(&mut self, input: &mut [u8], output: &mut FilterOutput<'_>) -> Result<Decoded> {
        if self.is_ready() {
            input.iter_mut().for_each(|byte| *byte = !*byte);
            return Ok(Decoded::used(input.len()).in_place(0..input.len()));
        }
        let heard = input.len().min(HELLO.len() - self.heard);
        assert_eq!(&input[..heard], &HELLO[self.heard..][..heard]);
        self.heard += heard;
        if self.is_ready() && !self.is_client && self.is_answered {
            output.to_peer().extend_from_slice(HELLO);
        }
        Ok(Decoded::used(heard))
    }
    fn encode(&mut self, bytes: &[IoSlice<'_>], to_peer: &mut Vec<u8>) -> Result<usize> {
        to_peer.extend(bytes[0].iter().map(|byte| !byte));
        Ok(bytes[0].len())
    }
}

/// One side of the connection, and what its handler was told.
#[derive(Default)]
struct Side {
    id: Option<SocketId>,
    sent: Vec<u8>,
    received: Vec<u8>,
    /// Whether the last byte before the filter is sent. No byte follows it before the filter starts.
    has_asked: bool,
    has_started: bool,
    connects: u32,
    marks: u64,
    told: Vec<u64>,
    closed: Option<CloseReason>,
}

struct Actor {
    is_client: bool,
    is_answered: bool,
    deeds: u32,
    random: Rng,
}

impl Actor {
    fn act(&mut self, cx: &mut Context<'_, Side>) {
        if self.deeds == 0 {
            return;
        }
        self.deeds -= 1;
        if self.deeds == 0 {
            cx.socket.resume();
            return cx.socket.uncork();
        }
        match self.random.u32(..20) {
            0..=6 => self.write(cx),
            7 | 8 => cx.socket.cork(),
            9..=11 => cx.socket.uncork(),
            12 | 13 => cx.socket.pause(),
            14..=16 => cx.socket.resume(),
            17 | 18 => {
                cx.socket.notify_when_sent(cx.shared.marks);
                cx.shared.marks += 1;
            }
            _ if self.is_client && !cx.shared.has_asked => ask(cx),
            _ => {}
        }
    }

    fn write(&mut self, cx: &mut Context<'_, Side>) {
        if cx.shared.has_asked && !cx.shared.has_started {
            return;
        }
        let length = match self.random.u32(..5) {
            0 => 0,
            1 => self.random.usize(..100_000),
            2 => 16 << 10,
            _ => self.random.usize(..300),
        };
        let from = cx.shared.sent.len();
        let bytes: Vec<u8> = (from..from + length).map(byte_at).collect();
        cx.shared.sent.extend_from_slice(&bytes);
        let id = cx.socket.id();
        let is_accepted = match self.random.u32(..3) {
            0 => cx.socket.write(&bytes).is_accepted(),
            1 => cx.socket.write_owned(bytes).is_accepted(),
            _ => {
                let full = cx.socket.sockets().broadcast([id], &bytes);
                full.iter().all(|(_, flow)| flow.is_accepted())
            }
        };
        assert!(is_accepted);
    }

    /// Takes `data`, and sometimes gives a part of it back.
    fn take(&mut self, cx: &mut Context<'_, Side>, data: &[u8]) {
        let gives_back = self.deeds > 0 && self.random.u32(..4) == 0;
        let taken = match gives_back && !data.ends_with(&[START]) {
            true => self.random.usize(..data.len()),
            false => data.len(),
        };
        assert!(cx.socket.unread(&data[taken..]));
        cx.shared.received.extend_from_slice(&data[..taken]);
    }
}

fn ask(cx: &mut Context<'_, Side>) {
    cx.shared.has_asked = true;
    cx.shared.sent.push(START);
    assert!(cx.socket.write(&[START]).is_accepted());
}

impl SocketHandler<Side> for Actor {
    fn on_connect(&mut self, cx: &mut Context<'_, Side>) {
        cx.shared.id = Some(cx.socket.id());
        cx.shared.connects += 1;
        self.on_timer(cx, 0);
    }
    fn on_timer(&mut self, cx: &mut Context<'_, Side>, _: u64) {
        if self.deeds > 0 {
            let after = self.random.u64(100..9_000);
            cx.socket.after(Duration::from_micros(after), 0);
        }
        self.act(cx);
    }
    fn on_data(&mut self, cx: &mut Context<'_, Side>, data: &[u8]) {
        self.take(cx, data);
        if data.ends_with(&[START]) && !cx.shared.has_started {
            if !self.is_client {
                ask(cx);
            }
            let filter = Inverted {
                is_client: self.is_client,
                is_answered: self.is_answered,
                heard: 0,
            };
            cx.socket.start_filter(filter, b"").unwrap();
            cx.shared.has_started = true;
            if self.random.bool() {
                // No later request makes up for a drain that is lost. The start has ended the cork.
                self.deeds = 0;
                cx.socket.resume();
            }
        }
        self.act(cx);
    }
    fn on_drain(&mut self, cx: &mut Context<'_, Side>) {
        self.act(cx);
    }
    fn on_sent(&mut self, cx: &mut Context<'_, Side>, mark: u64, sent: Result<(), &Error>) {
        assert!(sent.is_ok());
        cx.shared.told.push(mark);
        self.act(cx);
    }
    fn on_close(&mut self, cx: &mut Context<'_, Side>, reason: CloseReason) {
        cx.shared.closed = Some(reason);
    }
}

fn options(random: &mut Rng) -> Options {
    let mut options = Options {
        capacity: [4 << 10, 16 << 10, 256 << 10][random.usize(..3)],
        latency: Duration::from_micros(random.u64(..3_000)),
        flavour: Flavour::ALL[random.usize(..Flavour::ALL.len())],
        ..Options::new()
    };
    if random.bool() {
        options.faults.interruptions = random.u16(..200);
        options.faults.short_transfers = random.u16(..300);
        options.faults.spurious_blocks = random.u16(..100);
        options.faults.spurious_events = random.u16(..200);
        options.faults.missing_buffers = random.u16(..60);
    }
    options
}

fn host(simulation: &mut Simulation) -> Host<Side> {
    let unlimited = netloop::EventLoopOptions::new().limits(Limits::unlimited());
    simulation.host_with(Side::default(), unlimited).unwrap()
}

/// Returns whether the filters have started.
fn play(seed: u64) -> bool {
    let mut random = Rng::with_seed(seed);
    let mut simulation = Simulation::new(seed, options(&mut random)).unwrap();
    let (mut server, mut client) = (host(&mut simulation), host(&mut simulation));
    let socket = SocketOptions::new()
        .max_queued_bytes(1 << 30)
        .low_water_mark([0, 1_000, 100_000][random.usize(..3)])
        .high_water_mark([1, 1_000, 64 << 10][random.usize(..3)]);
    let is_answered = random.bool();
    let mut actor = |is_client| Actor {
        is_client,
        is_answered,
        deeds: DEEDS,
        random: random.fork(),
    };
    let (mut accepted, connecting) = (Some(actor(false)), actor(true));
    let listen = ListenOptions::new().socket(socket.clone());
    server
        .event_loop
        .listen_with(SERVER, listen, move |_, _| accepted.take())
        .unwrap();
    let connect = ConnectOptions::new().socket(socket);
    let id = client
        .event_loop
        .connect_with(SERVER, connect, connecting)
        .unwrap();
    let early: Vec<u8> = (0..random.usize(..40_000)).map(byte_at).collect();
    client.event_loop.socket(id).write(&early).ignore();
    client.shared.sent = early;
    if random.bool() {
        client.event_loop.socket(id).cork();
    }
    let mut hosts: [&mut dyn AnyHost; 2] = [&mut server, &mut client];
    simulation
        .run_for(&mut hosts, Duration::from_secs(5))
        .unwrap();
    simulation.set_options(|options| options.faults = Faults::NONE);
    simulation
        .run_for(&mut hosts, Duration::from_secs(12))
        .unwrap();
    for host in [&mut server, &mut client] {
        let id = host.shared.id.unwrap();
        let (socket, side) = (host.event_loop.socket(id), &host.shared);
        assert!(!socket.needs_drain(), "{seed}");
        assert_eq!(socket.queued_bytes(), 0, "{seed}");
        assert_eq!(side.told, Vec::from_iter(0..side.marks), "{seed}");
        assert_eq!(side.connects, 1 + u32::from(side.has_started), "{seed}");
        host.event_loop.socket(id).end();
    }
    assert!(server.shared.received == client.shared.sent, "{seed}");
    assert!(client.shared.received == server.shared.sent, "{seed}");
    let mut hosts: [&mut dyn AnyHost; 2] = [&mut server, &mut client];
    simulation
        .run_for(&mut hosts, Duration::from_secs(1))
        .unwrap();
    for side in [&server.shared, &client.shared] {
        assert_eq!(side.closed, Some(CloseReason::Graceful), "{seed}");
    }
    client.shared.has_started
}

#[test]
fn a_late_filter_loses_no_byte_no_drain_and_no_mark() {
    let started = (0..300).filter(|seed| play(*seed)).count();
    assert!(started > 200, "{started} filters have started");
}
