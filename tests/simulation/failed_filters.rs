//! Filtered sockets that fail: in a write of their filters' bytes, in a filter between two writes, in a read past the
//! handshake's deadline.

use std::io::IoSlice;
use std::time::Duration;

use netloop::simulation::{Flavour, Handle, Host, Options, Simulation};
use netloop::{
    Accepted, CloseReason, ConnectOptions, Context, Decoded, Error, EventLoopOptions,
    FailedHandshake, Filter, FilterOutput, Limits, ListenOptions, LoopContext, Result,
    ServerHandler, SocketHandler,
};

const SERVER: &str = "10.0.0.1:7";
const BYTES: usize = 200;

/// The most bytes that [`Broken`] encodes at a time, and all that it ever encodes.
const PIECE: usize = 1_000;
const MOST_ENCODED: usize = 50_000;

/// Answers each byte with many, and is ready after some bytes.
struct Loud {
    /// The length of an answer.
    answers: usize,
    awaits: usize,
}

impl Filter for Loud {
    fn is_ready(&self) -> bool {
        self.awaits == 0
    }
    fn decode(&mut self, input: &mut [u8], output: &mut FilterOutput<'_>) -> Result<Decoded> {
        let to_peer = output.to_peer();
        to_peer.resize(to_peer.len() + self.answers * input.len(), 0);
        self.awaits = self.awaits.saturating_sub(input.len());
        Ok(Decoded::used(input.len()).in_place(0..input.len()))
    }
    fn encode(&mut self, bytes: &[IoSlice<'_>], to_peer: &mut Vec<u8>) -> Result<usize> {
        to_peer.extend_from_slice(&bytes[0]);
        Ok(bytes[0].len())
    }
}

/// Encodes a few bytes at a time, and fails after many. It is ready when it has heard a byte.
#[derive(Default)]
struct Broken {
    is_ready: bool,
    encoded: usize,
}

impl Filter for Broken {
    fn begin(&mut self, to_peer: &mut Vec<u8>) -> Result<()> {
        to_peer.push(b'!');
        Ok(())
    }
    fn is_ready(&self) -> bool {
        self.is_ready
    }
    fn decode(&mut self, input: &mut [u8], _: &mut FilterOutput<'_>) -> Result<Decoded> {
        let start = usize::from(!self.is_ready);
        self.is_ready = true;
        Ok(Decoded::used(input.len()).in_place(start..input.len()))
    }
    fn encode(&mut self, bytes: &[IoSlice<'_>], to_peer: &mut Vec<u8>) -> Result<usize> {
        let length = bytes[0].len().min(PIECE);
        self.encoded += length;
        if self.encoded > MOST_ENCODED {
            return Err(Error::with_code("ERR_BROKEN", "no more is encoded"));
        }
        to_peer.extend_from_slice(&bytes[0][..length]);
        Ok(length)
    }
}

/// The events of the server's machine.
#[derive(Default)]
struct World {
    received: usize,
    /// The bytes that count as written at the close, and those of them that count as lost.
    written: u64,
    lost: u64,
    events: Vec<String>,
}

struct Front {
    /// The pieces that each socket writes at its beginning, and their length.
    writes: (usize, usize),
    /// Whether each socket pauses for a second before it reads, and once more while bytes are unread.
    pauses: bool,
}

impl ServerHandler<World> for Front {
    fn on_connection(
        &mut self,
        _: &mut LoopContext<'_, World>,
        _: &Accepted,
    ) -> Option<Box<dyn SocketHandler<World>>> {
        Some(Box::new(Told {
            writes: self.writes,
            pauses: self.pauses,
        }))
    }
    fn on_handshake_failed(&mut self, cx: &mut LoopContext<'_, World>, failed: &FailedHandshake) {
        let text = format!("handshake: {}", failed.error.code());
        cx.shared.events.push(text);
    }
}

struct Told {
    writes: (usize, usize),
    pauses: bool,
}

impl SocketHandler<World> for Told {
    fn on_connect(&mut self, cx: &mut Context<'_, World>) {
        let (pieces, length) = self.writes;
        for _ in 0..pieces {
            cx.socket.write(&vec![0; length]).ignore();
        }
        if self.pauses {
            pause(cx);
        }
    }
    fn on_data(&mut self, cx: &mut Context<'_, World>, data: &[u8]) {
        cx.shared.received += 1;
        if !self.pauses {
            cx.shared.received += data.len() - 1;
            return;
        }
        // The write has failed before this read. The rest is unread while the socket is paused.
        let next = Self {
            writes: (0, 0),
            pauses: false,
        };
        let id = cx.socket.id();
        assert!(cx.replace_handler(id, next, &data[1..]));
        pause(cx);
    }
    fn on_error(&mut self, cx: &mut Context<'_, World>, error: &Error) {
        cx.shared.events.push(error.code().to_owned());
    }
    fn on_close(&mut self, cx: &mut Context<'_, World>, reason: CloseReason) {
        cx.shared.written = cx.socket.bytes_written();
        cx.shared.lost = cx.socket.queued_bytes() as u64;
        cx.shared.events.push(format!("{reason:?}"));
    }
}

/// Pauses the socket for a second.
fn pause(cx: &mut Context<'_, World>) {
    let id = cx.socket.id();
    cx.socket.pause();
    cx.after(Duration::from_secs(1), move |cx| {
        cx.sockets.socket(id).resume();
    });
}

/// Sends some bytes, reads none, and resets the connection later.
struct Rude;

impl SocketHandler<World> for Rude {
    fn on_connect(&mut self, cx: &mut Context<'_, World>) {
        cx.socket.pause();
        cx.socket.write(&[1; BYTES]).ignore();
        let id = cx.socket.id();
        cx.after(Duration::from_millis(100), move |cx| {
            let _ = cx.sockets.socket(id).reset();
        });
    }
    fn on_data(&mut self, _: &mut Context<'_, World>, _: &[u8]) {}
}

/// Runs a server with filters and a rude client to the end, and returns the world of the server and the time.
fn run(flavour: Flavour, filter: fn() -> Loud, front: Front) -> (World, Duration) {
    let options = Options {
        capacity: 4096,
        flavour,
        ..Options::new()
    };
    let mut simulation = Simulation::new(1, options).unwrap();
    let mut server: Host<World> = simulation.host(World::default()).unwrap();
    let mut client = simulation.host(World::default()).unwrap();
    let listen = ListenOptions::new().filter(move || Ok(filter()));
    let id = server.event_loop.serve(SERVER, listen, front).unwrap();
    client.event_loop.connect(SERVER, Rude).unwrap();
    simulation.run(&mut [&mut server, &mut client]).unwrap();
    assert_eq!(
        server.event_loop.server(id).connection_count(),
        0,
        "{flavour:?}: {:?}",
        server.shared.events
    );
    (server.shared, simulation.elapsed())
}

#[test]
fn a_paused_socket_with_filters_sleeps_after_a_failed_write() {
    for flavour in Flavour::ALL {
        let filter = || Loud {
            answers: 0,
            awaits: 0,
        };
        let front = Front {
            writes: (1, 1 << 20),
            pauses: true,
        };
        let (world, elapsed) = run(flavour, filter, front);
        assert_eq!(world.received, BYTES, "{flavour:?}");
        assert_eq!(world.events, ["ECONNRESET", "Reset"], "{flavour:?}");
        assert!(elapsed >= Duration::from_secs(2));
    }
}

#[test]
fn answers_of_a_filter_that_cannot_leave_end_with_their_socket() {
    for flavour in Flavour::ALL {
        let filter = || Loud {
            answers: 1024,
            awaits: 0,
        };
        let front = Front {
            writes: (0, 0),
            pauses: false,
        };
        let (world, _) = run(flavour, filter, front);
        assert_eq!(world.received, BYTES, "{flavour:?}");
        assert_eq!(world.events, ["ECONNRESET", "Reset"], "{flavour:?}");
    }
}

#[test]
fn a_handshake_whose_answers_cannot_leave_fails_at_once() {
    for flavour in Flavour::ALL {
        let filter = || Loud {
            answers: 1024,
            awaits: 2 * BYTES,
        };
        let front = Front {
            writes: (0, 0),
            pauses: false,
        };
        let (world, elapsed) = run(flavour, filter, front);
        assert_eq!(world.events, ["handshake: ECONNRESET"], "{flavour:?}");
        assert!(elapsed < Duration::from_secs(1), "{flavour:?}: {elapsed:?}");
    }
}

/// Counts what it receives.
struct Reader;

impl SocketHandler<World> for Reader {
    fn on_data(&mut self, cx: &mut Context<'_, World>, data: &[u8]) {
        cx.shared.received += data.len();
    }
}

#[test]
fn bytes_that_left_before_a_filter_failed_are_not_lost() {
    // A write that is offered to the kernel at once, and many that wait in the queue.
    for writes in [(1, 100_000), (100, 1_000), (10_000, 10)] {
        let mut simulation = Simulation::new(1, Options::new()).unwrap();
        let mut server = simulation.host(World::default()).unwrap();
        let mut client = simulation.host(World::default()).unwrap();
        let front = Front {
            writes,
            pauses: false,
        };
        let listen = ListenOptions::new().filter(|| Ok(Broken::default()));
        server.event_loop.serve(SERVER, listen, front).unwrap();
        let options = ConnectOptions::new().filter(|| Ok(Broken::default()));
        let connected = client.event_loop.connect_with(SERVER, options, Reader);
        connected.unwrap();
        simulation.run(&mut [&mut server, &mut client]).unwrap();
        assert_eq!(server.shared.events, ["ERR_BROKEN", "Error"]);
        let received = client.shared.received;
        assert!(received > MOST_ENCODED - PIECE, "{received} were received");
        let World { written, lost, .. } = server.shared;
        assert_eq!(
            written - lost,
            received as u64,
            "{writes:?}: {lost} of {written}"
        );
    }
}

#[test]
fn a_hello_that_came_in_time_counts_behind_interrupted_reads() {
    const TIMEOUT: Duration = Duration::from_millis(100);
    for seed in 0..100 {
        let mut options = Options::new();
        options.faults.interruptions = 500;
        let mut simulation = Simulation::new(seed, options).unwrap();
        let limits = Limits::new().handshake_timeout(TIMEOUT);
        let loop_options = EventLoopOptions::new().limits(limits);
        let made = simulation.host_with(World::default(), loop_options);
        let mut server = made.unwrap();
        let mut client = simulation.host(World::default()).unwrap();
        let listen = ListenOptions::new().filter(|| Ok(Broken::default()));
        let front = Front {
            writes: (0, 0),
            pauses: false,
        };
        server.event_loop.serve(SERVER, listen, front).unwrap();
        client
            .event_loop
            .connect(SERVER, Hello(simulation.handle()))
            .unwrap();
        simulation.run(&mut [&mut server, &mut client]).unwrap();
        let events = &server.shared.events;
        assert!(
            !events.iter().any(|it| it.contains("ETIMEDOUT")),
            "{seed}: {events:?}"
        );
    }
}

/// Sends a byte within the time of a handshake. Then no machine runs until that time is over.
struct Hello(Handle);

impl SocketHandler<World> for Hello {
    fn on_connect(&mut self, cx: &mut Context<'_, World>) {
        // The second comes in the same turn, after the byte of the first has left.
        cx.socket.after(Duration::from_millis(50), 0);
        cx.socket.after(Duration::from_millis(50), 1);
    }
    fn on_data(&mut self, _: &mut Context<'_, World>, _: &[u8]) {}
    fn on_timer(&mut self, cx: &mut Context<'_, World>, token: u64) {
        match token {
            0 => cx.socket.write(b"!").ignore(),
            _ => {
                self.0.pass(Duration::from_millis(200));
                cx.socket.end();
            }
        }
    }
}

#[test]
fn a_write_that_fails_behind_taken_bytes_is_not_forgotten() {
    for flavour in Flavour::ALL {
        for seed in 0..50 {
            let mut options = Options {
                capacity: 4096,
                flavour,
                ..Options::new()
            };
            options.faults.interruptions = (seed % 2) * 200;
            let mut simulation = Simulation::new(u64::from(seed), options).unwrap();
            let mut server = simulation.host(World::default()).unwrap();
            let mut client = simulation.host(World::default()).unwrap();
            let front = Front {
                writes: (20, 3_000 + usize::from(seed)),
                pauses: false,
            };
            let listen = ListenOptions::new().filter(|| Ok(Broken::default()));
            server.event_loop.serve(SERVER, listen, front).unwrap();
            let options = ConnectOptions::new().filter(|| Ok(Broken::default()));
            let connected = client.event_loop.connect_with(SERVER, options, Reader);
            connected.unwrap();
            simulation.run(&mut [&mut server, &mut client]).unwrap();
            let events = &server.shared.events;
            assert_eq!(*events, ["ERR_BROKEN", "Error"], "{flavour:?}, {seed}");
            // The kernel has space, and tells nothing: what has failed is tried again at once.
            let elapsed = simulation.elapsed();
            assert!(
                elapsed < Duration::from_secs(1),
                "{flavour:?}, {seed}: {elapsed:?}"
            );
        }
    }
}
