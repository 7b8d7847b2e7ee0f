//! Handshakes whose calls find no memory. A shortage that lasts too long is told although the peer is silent. A read
//! that fails does not lead past the limit on answers. In virtual time.

use std::cell::Cell;
use std::io::IoSlice;
use std::rc::Rc;
use std::time::{Duration, Instant};

use netloop::simulation::{AnyHost, Flavour, Handle, Host, Options, Simulation};
use netloop::{
    Accepted, ConnectOptions, Context, Decoded, Error, EventLoopOptions, FailedHandshake, Filter,
    FilterOutput, Limits, ListenOptions, LoopContext, Result, ServerHandler, SocketHandler,
    SocketOptions,
};

use super::resting::{BEGIN, run_through_shortage};
use crate::support::{HELLO, Records};

const SERVER: &str = "10.0.0.1:7000";

/// Longer than the shortage that a half waits out.
const SHORTAGE: Duration = Duration::from_secs(11);

type Told = Vec<String>;

/// Sends nothing. With `starts`, puts a filter into its open socket, behind bytes that wait for the kernel.
struct Silent {
    starts: bool,
}

impl SocketHandler<Told> for Silent {
    fn on_connect(&mut self, cx: &mut Context<'_, Told>) {
        if std::mem::take(&mut self.starts) {
            cx.socket.write(b"plain").ignore();
            cx.socket.start_filter(Records::default(), b"").unwrap();
        }
    }
    fn on_data(&mut self, _: &mut Context<'_, Told>, _: &[u8]) {}
    fn on_error(&mut self, cx: &mut Context<'_, Told>, error: &Error) {
        cx.shared.push(error.code().to_owned());
    }
}

struct Front;

impl ServerHandler<Told> for Front {
    fn on_connection(
        &mut self,
        _: &mut LoopContext<'_, Told>,
        _: &Accepted,
    ) -> Option<Box<dyn SocketHandler<Told>>> {
        Some(Box::new(Silent { starts: false }))
    }
    fn on_handshake_failed(&mut self, cx: &mut LoopContext<'_, Told>, failed: &FailedHandshake) {
        cx.shared
            .push(format!("handshake: {}", failed.error.code()));
    }
}

/// Connects a client to a server without any limit, with no memory for a while. Returns what both are told.
fn told(
    flavour: Flavour,
    listen: ListenOptions,
    connect: ConnectOptions,
    starts: bool,
) -> (Told, Told) {
    let mut options = Options::new().flavour(flavour);
    options.faults.missing_buffers = 1_000;
    let mut simulation = Simulation::new(1, options).unwrap();
    let unlimited = EventLoopOptions::new().limits(Limits::unlimited());
    let mut host = || -> Host<Told> {
        let made = simulation.host_with(Vec::new(), unlimited.clone());
        made.unwrap()
    };
    let (mut server, mut client) = (host(), host());
    server.event_loop.serve(SERVER, listen, Front).unwrap();
    client
        .event_loop
        .connect_with(SERVER, connect, Silent { starts })
        .unwrap();
    let mut hosts: [&mut dyn AnyHost; 2] = [&mut server, &mut client];
    simulation.run_for(&mut hosts, SHORTAGE).unwrap();
    simulation.set_options(|options| options.faults.missing_buffers = 0);
    simulation
        .run_for(&mut hosts, Duration::from_secs(1))
        .unwrap();
    (server.shared, client.shared)
}

#[test]
fn a_connect_whose_hello_finds_no_memory_fails() {
    for flavour in Flavour::ALL {
        let connect = ConnectOptions::new().filter(|| Ok(Records::default()));
        let (_, client) = told(flavour, ListenOptions::new(), connect, false);
        assert_eq!(client, ["ENOBUFS"], "{flavour:?}");
    }
}

#[test]
fn an_accepted_hello_that_finds_no_memory_fails() {
    for flavour in Flavour::ALL {
        let listen = ListenOptions::new().filter(|| Ok(Records::default()));
        let (server, _) = told(flavour, listen, ConnectOptions::new(), false);
        assert_eq!(server, ["handshake: ENOBUFS"], "{flavour:?}");
    }
}

#[test]
fn plain_bytes_that_find_no_memory_fail_the_handshake() {
    for flavour in Flavour::ALL {
        let (_, client) = told(flavour, ListenOptions::new(), ConnectOptions::new(), true);
        assert_eq!(client, ["ENOBUFS"], "{flavour:?}");
    }
}

/// More answers than the peer takes, so that too many wait until the end.
const MANY_ANSWERS: usize = 1 << 20;

/// The findings of a loud filter.
#[derive(Default)]
struct Heard {
    /// The time since which too many answers wait.
    clogged: Cell<Option<Instant>>,
    is_read_on: Cell<bool>,
}

/// Answers each byte with many. It is ready at once.
struct Loud {
    clock: Handle,
    heard: Rc<Heard>,
}

impl Filter for Loud {
    fn is_ready(&self) -> bool {
        true
    }
    fn decode(&mut self, input: &mut [u8], output: &mut FilterOutput<'_>) -> Result<Decoded> {
        let now = self.clock.now();
        if self
            .heard
            .clogged
            .get()
            .is_some_and(|since| now > since + WITHIN)
        {
            self.heard.is_read_on.set(true);
        }
        let to_peer = output.to_peer();
        to_peer.resize(to_peer.len() + 1_000 * input.len(), 0);
        if to_peer.len() > MANY_ANSWERS && self.heard.clogged.get().is_none() {
            self.heard.clogged.set(Some(now));
        }
        Ok(Decoded::used(input.len()).in_place(0..input.len()))
    }
    fn encode(&mut self, bytes: &[IoSlice<'_>], to_peer: &mut Vec<u8>) -> Result<usize> {
        to_peer.extend_from_slice(&bytes[0]);
        Ok(bytes[0].len())
    }
}

/// Is never ready.
struct Endless;

impl Filter for Endless {
    fn is_ready(&self) -> bool {
        false
    }
    fn decode(&mut self, input: &mut [u8], _: &mut FilterOutput<'_>) -> Result<Decoded> {
        Ok(Decoded::used(input.len()))
    }
    fn encode(&mut self, _: &[IoSlice<'_>], _: &mut Vec<u8>) -> Result<usize> {
        Ok(0)
    }
}

/// Sends without end, and takes a few bytes now and then.
struct Firehose;

impl SocketHandler<Told> for Firehose {
    fn on_connect(&mut self, cx: &mut Context<'_, Told>) {
        cx.socket.pause();
        self.on_drain(cx);
        self.on_timer(cx, 0);
    }
    fn on_timer(&mut self, cx: &mut Context<'_, Told>, _: u64) {
        cx.socket.resume();
        cx.socket.after(Duration::from_millis(20), 0);
    }
    fn on_drain(&mut self, cx: &mut Context<'_, Told>) {
        while cx.socket.write(&[0; 1_000]).is_accepted() && cx.socket.queued_bytes() < 10_000 {}
    }
    fn on_data(&mut self, cx: &mut Context<'_, Told>, _: &[u8]) {
        cx.socket.pause();
    }
}

/// Longer than one service of a handshake, and shorter than a rest.
const WITHIN: Duration = Duration::from_millis(5);

#[test]
fn a_clogged_handshake_reads_nothing_behind_a_rest() {
    let mut clogged = 0;
    for flavour in Flavour::ALL {
        for seed in 0..5 {
            let options = Options {
                capacity: 16 << 10,
                flavour,
                ..Options::new()
            };
            let mut simulation = Simulation::new(seed, options).unwrap();
            let mut server: Host<Told> = simulation.host(Vec::new()).unwrap();
            let mut client = simulation.host(Vec::new()).unwrap();
            let heard = Rc::new(Heard::default());
            let (hears, clock) = (Rc::clone(&heard), simulation.handle());
            let loud = move || {
                let (clock, heard) = (clock.clone(), Rc::clone(&hears));
                Ok(Loud { clock, heard })
            };
            let listen = ListenOptions::new().filter(loud).filter(|| Ok(Endless));
            server.event_loop.serve(SERVER, listen, Front).unwrap();
            client.event_loop.connect(SERVER, Firehose).unwrap();
            simulation.set_options(|options| options.faults.missing_buffers = 300);
            let mut hosts: [&mut dyn AnyHost; 2] = [&mut server, &mut client];
            simulation
                .run_for(&mut hosts, Duration::from_millis(500))
                .unwrap();
            clogged += u32::from(heard.clogged.get().is_some());
            assert!(!heard.is_read_on.get(), "{flavour:?}, {seed}");
        }
    }
    assert!(clogged > 5, "{clogged} handshakes were clogged");
}

/// The times of the handshake, which count from the beginning of the simulation. The server's hello leaves before the
/// shortage, and arrives in it when the client has started its filter.
const LATENCY: Duration = Duration::from_millis(100);
const SAYS_HELLO: Duration = Duration::from_millis(480);
const FALLS_SHORT: Duration = Duration::from_millis(500);
const STARTS: Duration = Duration::from_millis(540);

/// The client's hello has found no memory for ten seconds then. The read began to rest 40 ms later, and finds memory at the
/// end of its last rest.
const LONG: Duration = Duration::from_millis(10_330);

const UNREAD: Duration = Duration::from_secs(5);

/// A client that pauses, and starts a filter behind it. Notes the time of each event.
struct Paused {
    clock: Handle,
    starts: Instant,
    resumes: bool,
    is_open: bool,
}

type Timed = Vec<(String, Instant)>;

impl SocketHandler<Timed> for Paused {
    fn on_connect(&mut self, cx: &mut Context<'_, Timed>) {
        if self.is_open {
            cx.shared.push(("open".to_owned(), self.clock.now()));
            assert!(cx.socket.is_peer_gone(), "the failure is held");
            if self.resumes {
                cx.socket.after(UNREAD / 5, 0);
            }
            return;
        }
        self.is_open = true;
        let id = cx.socket.id();
        // A timer of the socket would wait for a read.
        cx.after(self.starts - self.clock.now(), move |cx| {
            let mut socket = cx.sockets.socket(id);
            socket.pause();
            socket.start_filter(Records::default(), b"").unwrap();
        });
    }
    fn on_timer(&mut self, cx: &mut Context<'_, Timed>, _: u64) {
        cx.socket.resume();
    }
    fn on_data(&mut self, _: &mut Context<'_, Timed>, _: &[u8]) {}
    fn on_error(&mut self, cx: &mut Context<'_, Timed>, error: &Error) {
        cx.shared.push((error.code().to_owned(), self.clock.now()));
    }
}

struct Early {
    clock: Handle,
    says_hello: Instant,
}

impl SocketHandler<()> for Early {
    fn on_connect(&mut self, cx: &mut Context<'_, ()>) {
        cx.socket.after(self.says_hello - self.clock.now(), 0);
    }
    fn on_timer(&mut self, cx: &mut Context<'_, ()>, _: u64) {
        cx.socket.write(HELLO).ignore();
    }
    fn on_data(&mut self, _: &mut Context<'_, ()>, _: &[u8]) {}
}

// The client's hello finds no memory for ten seconds, and the server's hello is read right after that.
#[test]
fn a_handshake_ready_behind_its_failure_tells_it_in_a_pause() {
    for flavour in Flavour::ALL {
        for resumes in [false, true] {
            let options = Options {
                latency: LATENCY,
                flavour,
                ..Options::new()
            };
            let mut simulation = Simulation::new(1, options).unwrap();
            let unlimited = EventLoopOptions::new().limits(Limits::unlimited());
            let mut server = simulation.host(()).unwrap();
            let mut client: Host<Timed> = simulation.host_with(Vec::new(), unlimited).unwrap();
            let clock = simulation.handle();
            let begins = clock.now();
            let paused = Paused {
                clock: clock.clone(),
                starts: begins + STARTS,
                resumes,
                is_open: false,
            };
            server
                .event_loop
                .listen(SERVER, move |_, _| Early {
                    clock: clock.clone(),
                    says_hello: begins + SAYS_HELLO,
                })
                .unwrap();
            let options = SocketOptions::new().unread_timeout(UNREAD);
            let connect = ConnectOptions::new().socket(options);
            client
                .event_loop
                .connect_with(SERVER, connect, paused)
                .unwrap();
            let mut hosts: [&mut dyn AnyHost; 2] = [&mut server, &mut client];
            let from = FALLS_SHORT - BEGIN;
            run_through_shortage(&mut simulation, &mut hosts, (from, from + LONG));
            simulation.run_for(&mut hosts, 2 * UNREAD).unwrap();
            let case = format!("{flavour:?}, {resumes}: {:?}", client.shared);
            let [(open, opened), (error, failed)] = &client.shared[..] else {
                panic!("{case}");
            };
            assert_eq!((&open[..], &error[..]), ("open", "ENOBUFS"), "{case}");
            let held = *failed - *opened;
            match resumes {
                // The time counts from the failure, which came before.
                false => assert!(held > UNREAD / 2 && held <= UNREAD, "{case}"),
                true => assert!(held < UNREAD / 2, "{case}"),
            }
        }
    }
}
