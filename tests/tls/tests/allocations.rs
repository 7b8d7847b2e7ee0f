//! The heap of TLS: an echo takes no more of it than rustls does by itself, and an idle connection little more.
//!
//! Both ends are in this process, and all threads are counted. So each test compares two runs with the same client: the
//! server is the loop, or rustls alone, fed with the same bytes.
#![allow(
    clippy::unwrap_used,
    reason = "a test says what it expects by panicking"
)]

use std::alloc::System;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use netloop::{Budget, Context, EventLoop, Flow, ListenOptions, SocketHandler, Wait};
use netloop_tls::Authority;
use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[path = "../../support/mod.rs"]
mod support;

use support::{PATIENCE, in_own_process, loopback};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// More than a record has.
const BUFFER_BYTES: usize = 32 << 10;

/// One end of a connection, driven by hand. Its buffers keep their memory.
struct End {
    tls: Connection,
    encrypted: Vec<u8>,
    plaintext: Vec<u8>,
}

impl End {
    fn new(tls: impl Into<Connection>) -> Self {
        let mut tls = tls.into();
        tls.set_buffer_limit(None);
        Self {
            tls,
            encrypted: Vec::with_capacity(BUFFER_BYTES),
            plaintext: Vec::with_capacity(BUFFER_BYTES),
        }
    }

    fn client(config: &Arc<ClientConfig>) -> Self {
        let name = "localhost".try_into().unwrap();
        Self::new(ClientConnection::new(Arc::clone(config), name).unwrap())
    }

    fn write(&mut self, bytes: &[u8]) {
        self.tls.writer().write_all(bytes).unwrap();
    }

    /// Decrypts all of `bytes`.
    fn take(&mut self, mut bytes: &[u8]) {
        let mut space = [0; 16 << 10];
        while !bytes.is_empty() {
            self.tls.read_tls(&mut bytes).unwrap();
            self.tls.process_new_packets().unwrap();
            while let Ok(length) = self.tls.reader().read(&mut space) {
                self.plaintext.extend_from_slice(&space[..length]);
            }
        }
    }

    /// Moves the encrypted bytes out of rustls.
    fn encrypt(&mut self) -> &[u8] {
        self.encrypted.clear();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.encrypted).unwrap();
        }
        &self.encrypted
    }
}

/// A server for one client.
trait Server {
    /// Takes the bytes that the client has to send, and gives it the bytes of the server, until `done`.
    fn serve(&mut self, client: &mut End, done: &mut dyn FnMut(&End) -> bool);

    fn shake_hands(&mut self, client: &mut End) {
        self.serve(client, &mut |client| !client.tls.is_handshaking());
    }

    fn round_trip(&mut self, client: &mut End, message: &[u8]) {
        client.plaintext.clear();
        client.write(message);
        self.serve(client, &mut |client| {
            client.plaintext.len() == message.len()
        });
        assert!(client.plaintext == message);
    }
}

/// rustls alone.
struct Alone(End);

impl Alone {
    fn new(config: &Arc<ServerConfig>) -> Self {
        Self(End::new(ServerConnection::new(Arc::clone(config)).unwrap()))
    }
}

impl Server for Alone {
    fn serve(&mut self, client: &mut End, done: &mut dyn FnMut(&End) -> bool) {
        while !done(client) || client.tls.wants_write() {
            self.0.take(client.encrypt());
            let plaintext = std::mem::take(&mut self.0.plaintext);
            self.0.write(&plaintext);
            self.0.plaintext = plaintext;
            self.0.plaintext.clear();
            client.take(self.0.encrypt());
        }
    }
}

struct Echo;

impl SocketHandler for Echo {
    fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) {
        if cx.socket.write(data) == Flow::Full {
            cx.socket.pause();
        }
    }
    fn on_drain(&mut self, cx: &mut Context<'_>) {
        cx.socket.resume();
    }
}

/// The loop, with a socket of the client.
struct OnLoop<'a> {
    event_loop: &'a mut EventLoop,
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl<'a> OnLoop<'a> {
    fn new(event_loop: &'a mut EventLoop, address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nonblocking(true).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            event_loop,
            stream,
            buffer: vec![0; BUFFER_BYTES],
        }
    }

    fn listen(config: &Arc<ServerConfig>) -> (EventLoop, SocketAddr) {
        let mut event_loop = EventLoop::new().unwrap();
        let options = ListenOptions::new().tls(Arc::clone(config));
        let server = event_loop
            .listen_with(loopback(), options, |_, _| Echo)
            .unwrap();
        let address = event_loop.server(server).address().unwrap();
        (event_loop, address)
    }
}

impl Server for OnLoop<'_> {
    fn serve(&mut self, client: &mut End, done: &mut dyn FnMut(&End) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done(client) || client.tls.wants_write() {
            assert!(Instant::now() < deadline, "an answer is missing");
            self.stream.write_all(client.encrypt()).unwrap();
            let wait = Wait::For(Duration::from_millis(1));
            self.event_loop.turn(&mut (), wait, Budget::new()).unwrap();
            match self.stream.read(&mut self.buffer) {
                Ok(length) => client.take(&self.buffer[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}

fn configs() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let authority = Authority::new();
    let server = authority.identity(&["localhost"]).server();
    (Arc::new(server), Arc::new(authority.client()))
}

const ROUND_TRIPS: usize = 100;

/// Returns the allocations and reallocations of [`ROUND_TRIPS`] round trips, after some that warm up.
fn allocations(server: &mut dyn Server, client: &mut End, message: &[u8]) -> usize {
    for _ in 0..ROUND_TRIPS {
        server.round_trip(client, message);
    }
    let region = Region::new(ALLOCATOR);
    for _ in 0..ROUND_TRIPS {
        server.round_trip(client, message);
    }
    let change = region.change();
    change.allocations + change.reallocations
}

#[test]
fn an_echo_allocates_no_more_than_rustls_does() {
    in_own_process(r#"exec "$@""#, || {
        let (server, client) = configs();
        for length in [64, 16 << 10] {
            let message: Vec<u8> = (0..=250).cycle().take(length).collect();
            let mut end = End::client(&client);
            let mut alone = Alone::new(&server);
            alone.shake_hands(&mut end);
            let of_rustls = allocations(&mut alone, &mut end, &message);
            let (mut event_loop, address) = OnLoop::listen(&server);
            let mut end = End::client(&client);
            let mut on_loop = OnLoop::new(&mut event_loop, address);
            on_loop.shake_hands(&mut end);
            let of_loop = allocations(&mut on_loop, &mut end, &message);
            println!("{ROUND_TRIPS} echoes of {length} bytes: {of_rustls} alone, {of_loop}");
            assert!(of_loop <= of_rustls, "{of_loop} for {of_rustls}: {length}");
        }
    });
}

/// The bytes that the process has on the heap.
fn live() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// The most bytes of the heap that an idle connection takes beside those of rustls.
const MOST_BYTES_BESIDE: usize = 1536;

#[test]
fn an_idle_connection_takes_little_more_than_rustls_does() {
    const COUNT: usize = 50;
    in_own_process(r#"exec "$@""#, || {
        let (server, client) = configs();
        for length in [0, 64, 16 << 10] {
            let message = vec![b'x'; length];
            let meet = |server: &mut dyn Server| {
                let mut end = End::client(&client);
                server.shake_hands(&mut end);
                if length > 0 {
                    server.round_trip(&mut end, &message);
                    server.round_trip(&mut end, &message);
                }
                end.encrypted = Vec::new();
                end.plaintext = Vec::new();
                end
            };
            let before = live();
            let alone: Vec<_> = (0..COUNT)
                .map(|_| {
                    let mut alone = Alone::new(&server);
                    let end = meet(&mut alone);
                    alone.0.encrypted = Vec::new();
                    alone.0.plaintext = Vec::new();
                    (alone, end)
                })
                .collect();
            let of_rustls = (live() - before) / COUNT;
            drop(alone);
            let (mut event_loop, address) = OnLoop::listen(&server);
            let before = live();
            let on_loop: Vec<_> = (0..COUNT)
                .map(|_| {
                    let mut on_loop = OnLoop::new(&mut event_loop, address);
                    let end = meet(&mut on_loop);
                    (on_loop.stream, end)
                })
                .collect();
            event_loop.trim();
            let of_loop = (live() - before) / COUNT;
            println!("idle after {length} bytes: {of_rustls} bytes alone, {of_loop} on the loop");
            assert!(
                of_loop <= of_rustls + MOST_BYTES_BESIDE,
                "{of_loop} for {of_rustls}"
            );
            drop(on_loop);
        }
    });
}
