//! The last flight of a handshake: it leaves with the handler's first bytes in one call, or alone at the end of the
//! turn.

use std::io::IoSlice;
use std::time::{Duration, Instant};

use netloop::simulation::{CallCounts, Options, Simulation};
use netloop::{
    ConnectOptions, Context, Decoded, Filter, FilterOutput, Flow, ListenOptions, Result,
    SocketHandler, SocketOptions,
};

const SERVER: &str = "10.0.0.1:7000";

/// The flights, one letter each: the client sends `k`, the server `e`, the client `t` and is ready, and the server `g` and is
/// ready. Some clients wait for `g`.
struct Flights {
    is_client: bool,
    waits_for_last: bool,
    is_ready: bool,
}

impl Filter for Flights {
    fn begin(&mut self, to_peer: &mut Vec<u8>) -> Result<()> {
        if self.is_client {
            to_peer.push(b'k');
        }
        Ok(())
    }
    fn is_ready(&self) -> bool {
        self.is_ready
    }
    fn decode(&mut self, input: &mut [u8], output: &mut FilterOutput<'_>) -> Result<Decoded> {
        let mut used = 0;
        while let Some(&letter) = input.get(used) {
            match letter {
                b'k' => output.to_peer().push(b'e'),
                b'e' => {
                    output.to_peer().push(b't');
                    self.is_ready = !self.waits_for_last;
                }
                b't' => {
                    output.to_peer().push(b'g');
                    self.is_ready = true;
                }
                b'g' => self.is_ready = true,
                // An answer that comes with bytes for the handler.
                b'?' => {
                    output.to_peer().push(b'!');
                    output.put(b"?");
                }
                b'!' => {}
                other => drop(output.put(&[other])),
            }
            used += 1;
        }
        Ok(Decoded::used(used))
    }
    fn encode(&mut self, bytes: &[IoSlice<'_>], to_peer: &mut Vec<u8>) -> Result<usize> {
        to_peer.extend_from_slice(&bytes[0]);
        Ok(bytes[0].len())
    }
}

fn flights(is_client: bool, waits_for_last: bool) -> Flights {
    Flights {
        is_client,
        waits_for_last,
        is_ready: false,
    }
}

/// The action of a handler in `on_connect`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum First {
    Nothing,
    Write,
    /// Writes behind a cork, which it never takes away.
    Cork,
    Pause,
    /// Pauses for a while.
    Rest,
    Destroy,
}

#[derive(Default)]
struct World {
    connects: usize,
    received: Vec<u8>,
}

struct End {
    first: First,
    /// Whether it sends back what it receives.
    echoes: bool,
}

impl SocketHandler<World> for End {
    fn on_connect(&mut self, cx: &mut Context<'_, World>) {
        cx.shared.connects += 1;
        match self.first {
            First::Nothing => {}
            First::Write => assert_eq!(cx.socket.write(b"12345"), Flow::Open),
            First::Cork => {
                cx.socket.cork();
                cx.socket.write(b"12345").ignore();
            }
            First::Pause => cx.socket.pause(),
            First::Rest => {
                cx.socket.pause();
                cx.socket.after(Duration::from_millis(10), 0);
            }
            First::Destroy => cx.socket.destroy(),
        }
    }
    fn on_data(&mut self, cx: &mut Context<'_, World>, data: &[u8]) {
        cx.shared.received.extend_from_slice(data);
        if self.echoes {
            cx.socket.write(data).ignore();
        }
    }
    fn on_timer(&mut self, cx: &mut Context<'_, World>, _: u64) {
        cx.socket.resume();
    }
}

/// The numbers of connects and the received bytes of the client and of the server, and their calls.
struct Seen {
    connects: [usize; 2],
    received: [Vec<u8>; 2],
    calls: [CallCounts; 2],
}

/// Lets a client and a server meet for a second.
fn meet(client: End, server: End, waits_for_last: bool) -> Seen {
    let mut simulation = Simulation::new(3, Options::new()).unwrap();
    let mut there = simulation.host(World::default()).unwrap();
    let mut here = simulation.host(World::default()).unwrap();
    let options = ListenOptions::new().filter(|| Ok(flights(false, false)));
    let mut server = Some(server);
    there
        .event_loop
        .listen_with(SERVER, options, move |_, _| server.take().unwrap())
        .unwrap();
    let options = ConnectOptions::new().filter(move || Ok(flights(true, waits_for_last)));
    here.event_loop
        .connect_with(SERVER, options, client)
        .unwrap();
    simulation
        .run_for(&mut [&mut here, &mut there], Duration::from_secs(1))
        .unwrap();
    Seen {
        connects: [here.shared.connects, there.shared.connects],
        calls: [&here, &there].map(|host| simulation.call_counts(&host.event_loop)),
        received: [here.shared.received, there.shared.received],
    }
}

fn end(first: First, echoes: bool) -> End {
    End { first, echoes }
}

#[test]
fn the_last_flight_leaves_with_the_first_bytes_in_one_call() {
    let seen = meet(end(First::Write, false), end(First::Nothing, true), false);
    assert_eq!(seen.received, [b"12345", b"12345"]);
    // `k`, then `t` with the request; `e`, then `g` with the reply.
    assert_eq!(seen.calls.map(|it| it.writes), [2, 2]);
    let seen = meet(end(First::Nothing, false), end(First::Write, false), false);
    assert_eq!(seen.received, [&b"12345"[..], b""]);
    assert_eq!(seen.calls.map(|it| it.writes), [2, 2]);
}

#[test]
fn bytes_behind_a_last_flight_cost_no_further_read() {
    let seen = meet(end(First::Write, false), end(First::Nothing, true), false);
    assert_eq!(seen.received, [b"12345", b"12345"]);
    // `e`, then `g` with the reply; `k`, then `t` with the request. No read would block.
    assert_eq!(seen.calls.map(|it| it.reads), [2, 2]);
    let seen = meet(end(First::Nothing, false), end(First::Write, false), true);
    assert_eq!(seen.received, [&b"12345"[..], b""]);
    assert_eq!(seen.calls.map(|it| it.reads), [2, 2]);
}

#[test]
fn bytes_behind_a_last_flight_wait_for_a_resume() {
    let seen = meet(end(First::Write, false), end(First::Rest, true), false);
    assert_eq!(seen.received, [b"12345", b"12345"]);
    assert_eq!(seen.calls[1].reads, 2);
}

#[test]
fn an_idle_timeout_counts_from_bytes_behind_a_last_flight() {
    const IDLE: Duration = Duration::from_millis(20);
    /// Notes the times of its bytes and of its timeouts.
    struct Late(Duration);
    type Told = Vec<(&'static str, Instant)>;
    impl SocketHandler<Told> for Late {
        fn on_connect(&mut self, cx: &mut Context<'_, Told>) {
            cx.socket.pause();
            let id = cx.socket.id();
            cx.after(self.0, move |cx| cx.sockets.socket(id).resume());
        }
        fn on_data(&mut self, cx: &mut Context<'_, Told>, _: &[u8]) {
            let now = cx.now();
            cx.shared.push(("data", now));
        }
        fn on_timeout(&mut self, cx: &mut Context<'_, Told>) {
            let now = cx.now();
            cx.shared.push(("timeout", now));
        }
    }
    for (pause, expected) in [
        (15, &["data", "timeout"][..]),
        (30, &["timeout", "data", "timeout"]),
    ] {
        let mut simulation = Simulation::new(3, Options::new()).unwrap();
        let mut there = simulation.host(Vec::new()).unwrap();
        let mut here = simulation.host(World::default()).unwrap();
        let options = ListenOptions::new()
            .socket(SocketOptions::new().idle_timeout(IDLE))
            .filter(|| Ok(flights(false, false)));
        let pause_time = Duration::from_millis(pause);
        there
            .event_loop
            .listen_with(SERVER, options, move |_, _| Late(pause_time))
            .unwrap();
        let options = ConnectOptions::new().filter(|| Ok(flights(true, false)));
        here.event_loop
            .connect_with(SERVER, options, end(First::Write, false))
            .unwrap();
        simulation
            .run_for(&mut [&mut here, &mut there], Duration::from_secs(1))
            .unwrap();
        let told: Vec<_> = there.shared.iter().map(|it| it.0).collect();
        assert_eq!(told, expected, "a pause of {pause} ms");
        let times: Vec<_> = there.shared.iter().map(|it| it.1).collect();
        let [.., data, timeout] = times[..] else {
            unreachable!()
        };
        assert!(timeout - data >= IDLE, "{:?}", timeout - data);
    }
}

#[test]
fn an_answer_leaves_with_the_reply_in_one_call() {
    struct Ask;
    impl SocketHandler<World> for Ask {
        fn on_connect(&mut self, cx: &mut Context<'_, World>) {
            cx.socket.write(b"?").ignore();
        }
        fn on_data(&mut self, cx: &mut Context<'_, World>, data: &[u8]) {
            cx.shared.received.extend_from_slice(data);
            if cx.shared.received.len() < 5 {
                cx.socket.write(b"?").ignore();
            }
        }
    }
    let mut simulation = Simulation::new(3, Options::new()).unwrap();
    let mut there = simulation.host(World::default()).unwrap();
    let mut here = simulation.host(World::default()).unwrap();
    let options = ListenOptions::new().filter(|| Ok(flights(false, false)));
    there
        .event_loop
        .listen_with(SERVER, options, |_, _| Reply)
        .unwrap();
    let options = ConnectOptions::new().filter(|| Ok(flights(true, false)));
    here.event_loop.connect_with(SERVER, options, Ask).unwrap();
    simulation
        .run_for(&mut [&mut here, &mut there], Duration::from_secs(1))
        .unwrap();
    assert_eq!(here.shared.received, b"yyyyy");
    let calls = simulation.call_counts(&there.event_loop);
    assert_eq!(calls.writes, 1 + 5, "`e`, and a reply to each");
}

struct Reply;

impl SocketHandler<World> for Reply {
    fn on_data(&mut self, cx: &mut Context<'_, World>, data: &[u8]) {
        for _ in data {
            cx.socket.write(b"y").ignore();
        }
    }
}

#[test]
fn a_last_flight_waits_for_no_handler() {
    for first in [First::Nothing, First::Pause, First::Cork] {
        let seen = meet(end(first, false), end(First::Nothing, true), false);
        assert_eq!(seen.connects, [1, 1], "the server has got the last flight");
        assert_eq!(seen.received, [b"", b""]);
        let seen = meet(end(First::Nothing, false), end(first, false), true);
        assert_eq!(seen.connects, [1, 1], "the client has got the last flight");
        assert_eq!(seen.received, [b"", b""]);
    }
}

#[test]
fn a_last_flight_leaves_before_a_destroy() {
    let seen = meet(
        end(First::Destroy, false),
        end(First::Nothing, false),
        false,
    );
    assert_eq!(seen.connects, [1, 1]);
    let seen = meet(end(First::Nothing, false), end(First::Destroy, false), true);
    assert_eq!(seen.connects, [1, 1]);
}
