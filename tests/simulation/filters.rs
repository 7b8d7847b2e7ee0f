//! Filters that answer, expand and discard, in the simulated network. It finds a loop that turns for nothing.

use std::io::IoSlice;
use std::time::Duration;

use netloop::simulation::{Host, Options, Simulation, SimulationEnd};
use netloop::{
    CloseReason, Context, Decoded, Error, EventLoopOptions, Filter, FilterOutput, Limits,
    ListenOptions, Result, SocketHandler, SocketOptions,
};

const SERVER: &str = "10.0.0.1:7000";

/// A filter that passes all bytes as they are, unless a field says otherwise.
#[derive(Clone, Copy, Default)]
struct Odd {
    /// The number of bytes after which the filter is ready. The handler does not get these.
    greeting: usize,
    /// The number of bytes that answer each received one.
    answers: usize,
    discards: bool,
    /// The number of bytes at this side's end.
    farewell: usize,
    received: usize,
}

impl Filter for Odd {
    fn is_ready(&self) -> bool {
        self.received >= self.greeting
    }
    fn decode(&mut self, input: &mut [u8], output: &mut FilterOutput<'_>) -> Result<Decoded> {
        let passes = self.is_ready() && !self.discards;
        self.received += input.len();
        let answers = vec![b'a'; self.answers * input.len()];
        output.to_peer().extend_from_slice(&answers);
        let length = if passes { input.len() } else { 0 };
        Ok(Decoded::used(input.len()).in_place(0..length))
    }
    fn encode(&mut self, bytes: &[IoSlice<'_>], to_peer: &mut Vec<u8>) -> Result<usize> {
        to_peer.extend_from_slice(&bytes[0]);
        Ok(bytes[0].len())
    }
    fn end(&mut self, to_peer: &mut Vec<u8>) -> Result<()> {
        to_peer.resize(to_peer.len() + self.farewell, b'e');
        Ok(())
    }
}

/// The handler behind the filters.
#[derive(Default)]
struct Behind {
    /// The bytes that are written at the beginning.
    writes: usize,
    /// Whether the socket is paused but for a moment after a second.
    pauses: bool,
    ends: bool,
    /// Whether this side ends after a second.
    ends_later: bool,
}

impl SocketHandler<Vec<String>> for Behind {
    fn on_connect(&mut self, cx: &mut Context<'_, Vec<String>>) {
        cx.shared.push("connect".to_owned());
        cx.socket.write(&vec![7; self.writes]).ignore();
        if self.ends {
            cx.socket.end();
        }
        if self.pauses {
            cx.socket.pause();
        }
        if self.pauses || self.ends_later {
            cx.socket.after(Duration::from_secs(1), 0);
        }
    }
    fn on_timer(&mut self, cx: &mut Context<'_, Vec<String>>, _: u64) {
        if self.ends_later {
            cx.socket.end();
        }
        cx.socket.resume();
    }
    fn on_data(&mut self, cx: &mut Context<'_, Vec<String>>, data: &[u8]) {
        cx.shared.push(format!("data {}", data.len()));
        if self.pauses {
            cx.socket.pause();
        }
    }
    fn on_end(&mut self, cx: &mut Context<'_, Vec<String>>) {
        cx.shared.push("end".to_owned());
    }
    fn on_error(&mut self, cx: &mut Context<'_, Vec<String>>, error: &Error) {
        cx.shared.push(error.code().to_owned());
    }
    fn on_close(&mut self, cx: &mut Context<'_, Vec<String>>, reason: CloseReason) {
        cx.shared.push(format!("{reason:?}"));
    }
}

/// A peer without filters.
#[derive(Default)]
struct Plain {
    sends: usize,
    reads: bool,
    /// Whether the peer resets the connection after half a second.
    resets: bool,
    ends: bool,
}

impl SocketHandler<usize> for Plain {
    fn on_connect(&mut self, cx: &mut Context<'_, usize>) {
        if !self.reads {
            cx.socket.pause();
        }
        cx.socket.write_owned(vec![b'x'; self.sends]).ignore();
        if self.resets {
            cx.socket.after(Duration::from_millis(500), 0);
        }
        if self.ends {
            cx.socket.end();
        }
    }
    fn on_timer(&mut self, cx: &mut Context<'_, usize>, _: u64) {
        cx.socket.reset().unwrap();
    }
    fn on_data(&mut self, cx: &mut Context<'_, usize>, data: &[u8]) {
        *cx.shared += data.len();
    }
}

/// A server behind a stack of filters, and one peer of it.
struct Pair {
    simulation: Simulation,
    server: Host<Vec<String>>,
    peer: Host<usize>,
}

impl Pair {
    fn new(capacity: usize, filters: &[Odd], behind: Behind, plain: Plain) -> Self {
        let options = Options {
            capacity,
            ..Options::new()
        };
        let mut simulation = Simulation::new(1, options).unwrap();
        let options = || {
            EventLoopOptions::new()
                .limits(Limits::unlimited().close_timeout(Duration::from_secs(60)))
                .read_buffer_bytes(1 << 10)
        };
        let mut server = simulation.host_with(Vec::new(), options()).unwrap();
        let mut peer = simulation.host_with(0, options()).unwrap();
        let socket = SocketOptions::new().high_water_mark(1);
        let mut listen = ListenOptions::new().socket(socket);
        for &filter in filters {
            listen = listen.filter(move || Ok(filter));
        }
        let mut behind = Some(behind);
        server
            .event_loop
            .listen_with(SERVER, listen, move |_, _| behind.take())
            .unwrap();
        let options = SocketOptions::new().allow_half_open(true);
        peer.event_loop
            .connect_with(SERVER, options, plain)
            .unwrap();
        Self {
            simulation,
            server,
            peer,
        }
    }

    fn run_for(&mut self, time: Duration) -> SimulationEnd {
        let hosts = &mut [&mut self.server as _, &mut self.peer as _];
        self.simulation.run_for(hosts, time).unwrap()
    }
}

#[test]
fn a_failure_behind_a_filter_that_is_held_costs_no_turns() {
    let behind = Behind {
        writes: 1 << 20,
        pauses: true,
        ..Behind::default()
    };
    let plain = Plain {
        sends: 2000,
        resets: true,
        ..Plain::default()
    };
    let mut pair = Pair::new(4 << 10, &[Odd::default()], behind, plain);
    pair.run_for(Duration::from_secs(10));
    // A part is delivered at the moment without a pause. The rest and the failure wait for the next one.
    assert_eq!(pair.server.shared[0], "connect");
    assert!(pair.server.shared[1].starts_with("data "));
    assert_eq!(pair.server.shared.len(), 2);
}

#[test]
fn an_end_that_the_kernel_has_no_space_for_is_over_in_time() {
    const CAPACITY: usize = 4 << 10;
    let filter = Odd {
        farewell: 10,
        ..Odd::default()
    };
    let behind = Behind {
        writes: CAPACITY,
        ends_later: true,
        ..Behind::default()
    };
    let mut pair = Pair::new(CAPACITY, &[filter], behind, Plain::default());
    // The kernel has taken every written byte, and has no space for the end of the filter.
    pair.run_for(Duration::from_secs(30));
    assert_eq!(pair.server.shared, ["connect"]);
    pair.run_for(Duration::from_secs(200));
    assert_eq!(pair.server.event_loop.statistics().sockets, 0);
}

#[test]
fn a_peer_that_takes_no_answers_and_resets_is_told() {
    let filter = Odd {
        answers: 100,
        ..Odd::default()
    };
    let plain = Plain {
        sends: 100_000,
        resets: true,
        ..Plain::default()
    };
    let mut pair = Pair::new(64 << 10, &[filter], Behind::default(), plain);
    pair.run_for(Duration::from_secs(10));
    let expected = ["ECONNRESET".to_owned(), "Reset".to_owned()];
    assert!(
        pair.server.shared.ends_with(&expected),
        "{:?}",
        pair.server.shared
    );
    assert_eq!(pair.server.event_loop.statistics().sockets, 0);
}

#[test]
fn answers_of_a_lower_filter_leave_during_the_handshake_above() {
    let lower = Odd {
        answers: 10,
        ..Odd::default()
    };
    let upper = Odd {
        greeting: 100,
        ..Odd::default()
    };
    let plain = Plain {
        sends: 50,
        reads: true,
        ..Plain::default()
    };
    let mut pair = Pair::new(7, &[lower, upper], Behind::default(), plain);
    pair.run_for(Duration::from_secs(1));
    assert_eq!((pair.peer.shared, pair.server.shared.len()), (500, 0));
}

#[test]
fn answers_leave_behind_a_queue_that_has_drained() {
    let filter = Odd {
        answers: 10,
        ..Odd::default()
    };
    // Five bytes come before the queue has left, and are answered behind it.
    for writes in 0..40 {
        let behind = Behind {
            writes,
            ..Behind::default()
        };
        let plain = Plain {
            sends: 5,
            reads: true,
            ..Plain::default()
        };
        let mut pair = Pair::new(7, &[filter], behind, plain);
        pair.run_for(Duration::from_secs(1));
        assert_eq!(pair.peer.shared, writes + 50);
    }
}

#[test]
fn bytes_that_decode_to_nothing_are_read_without_rests() {
    let filter = Odd {
        discards: true,
        ..Odd::default()
    };
    for is_paused in [false, true] {
        // A paused socket that has ended still looks for the end of its peer.
        let behind = Behind {
            pauses: is_paused,
            ends: is_paused,
            ..Behind::default()
        };
        let plain = Plain {
            sends: 16 << 20,
            ends: true,
            ..Plain::default()
        };
        let mut pair = Pair::new(256 << 10, &[filter], behind, plain);
        pair.run_for(Duration::from_millis(900));
        assert_eq!(pair.server.shared, ["connect", "end", "Graceful"]);
    }
}
