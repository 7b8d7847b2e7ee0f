//! Times that begin behind a long callback of their turn count from their own moment, not from the turn's reading of
//! the clock. In virtual time.

use std::time::{Duration, Instant};

use netloop::simulation::{Handle, Host, Options, Simulation};
use netloop::{
    CloseReason, Context, Error, EventLoopOptions, Limits, ListenOptions, SocketHandler, SocketId,
    SocketOptions,
};

use crate::support::{END, HELLO, Records};

const SERVER: &str = "10.0.0.1:7000";
const BESIDE: &str = "10.0.0.1:7001";

/// The time that a callback takes, and the timeouts that begin at its end.
const STALL: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(1);

/// A deadline is rounded up to a tick, one more tick is added, and each turn takes a microsecond.
const LATE: Duration = Duration::from_millis(3);

/// The space of a simulated kernel buffer, in the tests that fill one.
const CAPACITY: usize = 1_000;

/// The record of one host.
#[derive(Default)]
struct Told {
    /// The time at which the measured time begins.
    began: Option<Instant>,
    /// The time at which the measured time is over.
    over: Option<Instant>,
    sockets: Vec<SocketId>,
    closes: Vec<CloseReason>,
}

impl Told {
    #[track_caller]
    fn assert_exact(&self) {
        let took = self.over.expect("it is over") - self.began.expect("it has begun");
        assert!(took >= TIMEOUT && took <= TIMEOUT + LATE, "{took:?}");
    }
}

/// A callback of [`Scripted`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Connect,
    Data,
    End,
    Timer(u64),
    Timeout,
    Error,
    Close,
}

/// A handler whose callbacks all go to one function.
struct Scripted<F>(F);

impl<F: FnMut(&mut Context<'_, Told>, Step) + 'static> SocketHandler<Told> for Scripted<F> {
    fn on_connect(&mut self, cx: &mut Context<'_, Told>) {
        let id = cx.socket.id();
        cx.shared.sockets.push(id);
        (self.0)(cx, Step::Connect);
    }
    fn on_data(&mut self, cx: &mut Context<'_, Told>, _: &[u8]) {
        (self.0)(cx, Step::Data);
    }
    fn on_end(&mut self, cx: &mut Context<'_, Told>) {
        (self.0)(cx, Step::End);
    }
    fn on_timer(&mut self, cx: &mut Context<'_, Told>, token: u64) {
        (self.0)(cx, Step::Timer(token));
    }
    fn on_timeout(&mut self, cx: &mut Context<'_, Told>) {
        (self.0)(cx, Step::Timeout);
    }
    fn on_error(&mut self, cx: &mut Context<'_, Told>, _: &Error) {
        (self.0)(cx, Step::Error);
    }
    fn on_close(&mut self, cx: &mut Context<'_, Told>, reason: CloseReason) {
        cx.shared.closes.push(reason);
        (self.0)(cx, Step::Close);
    }
}

/// A handler that does nothing.
fn idle() -> impl SocketHandler<Told> {
    Scripted(|_: &mut Context<'_, Told>, _| {})
}

/// A simulation with a server whose loop has `limits`, and a client without any.
fn network(options: Options, limits: Limits) -> (Simulation, Host<Told>, Host<Told>) {
    let mut simulation = Simulation::new(1, options).unwrap();
    let limits = EventLoopOptions::new().limits(limits);
    let server = simulation.host_with(Told::default(), limits).unwrap();
    let limits = EventLoopOptions::new().limits(Limits::unlimited());
    let client = simulation.host_with(Told::default(), limits).unwrap();
    (simulation, server, client)
}

/// Lets the callback that calls this take long, and begins the measured time at its end.
fn stall(clock: &Handle, cx: &mut Context<'_, Told>) {
    clock.pass(STALL);
    cx.shared.began = Some(clock.now());
}

/// The kernel has no space for the end of the filter, so this side waits behind it.
#[test]
fn an_answer_to_an_end_behind_a_filter_counts_from_itself() {
    let mut options = Options::new();
    options.capacity = CAPACITY;
    let (mut simulation, mut server, mut client) = network(options, Limits::unlimited());
    let clock = simulation.handle();
    let listen = ListenOptions::new()
        .filter(|| Ok(Records::default()))
        .socket(SocketOptions::new().close_timeout(TIMEOUT));
    let handler = move |cx: &mut Context<'_, Told>, step| match step {
        Step::Connect => {
            // With its head, the record fills the kernel's buffer, in which the hello is unread.
            cx.socket.write(&[0; CAPACITY - HELLO.len() - 2]).ignore();
        }
        Step::End => {
            assert_eq!(cx.socket.queued_bytes(), 0);
            stall(&clock, cx);
        }
        Step::Close => cx.shared.over = Some(clock.now()),
        _ => {}
    };
    let mut handler = Some(Scripted(handler));
    let accepting = move |_: &mut netloop::LoopContext<'_, Told>, _: &_| handler.take();
    server
        .event_loop
        .listen_with(SERVER, listen, accepting)
        .unwrap();
    let ending = |cx: &mut Context<'_, Told>, step| {
        if step == Step::Connect {
            cx.socket.pause();
            cx.socket.write(HELLO).ignore();
            cx.socket.end_with(END).ignore();
        }
    };
    client.event_loop.connect(SERVER, Scripted(ending)).unwrap();
    simulation
        .run_for(&mut [&mut server, &mut client], 4 * STALL)
        .unwrap();
    assert_eq!(server.shared.closes, [CloseReason::TimedOut]);
    server.shared.assert_exact();
}

#[test]
fn a_close_timeout_counts_from_a_fin_behind_a_long_callback() {
    let (mut simulation, mut server, mut client) = network(Options::new(), Limits::unlimited());
    let clock = simulation.handle();
    let handler = move |cx: &mut Context<'_, Told>, step| match step {
        Step::Data => {
            cx.socket.end();
            stall(&clock, cx);
        }
        Step::Close => cx.shared.over = Some(clock.now()),
        _ => {}
    };
    let mut handler = Some(Scripted(handler));
    let listen = SocketOptions::new().close_timeout(TIMEOUT);
    server
        .event_loop
        .listen_with(SERVER, listen, move |_, _| handler.take())
        .unwrap();
    let asking = |cx: &mut Context<'_, Told>, step| {
        if step == Step::Connect {
            cx.socket.write(b"?").ignore();
        }
    };
    let connect = SocketOptions::new().allow_half_open(true);
    client
        .event_loop
        .connect_with(SERVER, connect, Scripted(asking))
        .unwrap();
    simulation
        .run_for(&mut [&mut server, &mut client], 4 * STALL)
        .unwrap();
    assert_eq!(server.shared.closes, [CloseReason::TimedOut]);
    server.shared.assert_exact();
}

/// Runs a server whose `limits` count from the end of a handshake. The hello of the one socket is read behind the long
/// callback of the other.
fn assert_counts_from_the_handshake(limits: Limits) {
    let (mut simulation, mut server, mut client) = network(Options::new(), limits);
    let clock = simulation.handle();
    let listen = ListenOptions::new().filter(|| Ok(Records::default()));
    let open = clock.clone();
    server
        .event_loop
        .listen_with(SERVER, listen, move |_, _| {
            let clock = open.clone();
            Scripted(move |cx: &mut Context<'_, Told>, step| match step {
                Step::Connect => cx.shared.began = Some(clock.now()),
                Step::Error | Step::Timeout => cx.shared.over = Some(clock.now()),
                _ => {}
            })
        })
        .unwrap();
    server
        .event_loop
        .listen(BESIDE, move |_, _| {
            let clock = clock.clone();
            Scripted(move |_: &mut Context<'_, Told>, step| {
                if step == Step::Data {
                    clock.pass(STALL);
                }
            })
        })
        .unwrap();
    let greeting = |cx: &mut Context<'_, Told>, step| match step {
        Step::Connect => cx.socket.after(TIMEOUT / 2, 0),
        Step::Timer(_) => {
            cx.socket.write(b"?").ignore();
            for id in cx.shared.sockets.clone() {
                if id != cx.socket.id() {
                    cx.socket.socket(id).write(HELLO).ignore();
                }
            }
        }
        _ => {}
    };
    client.event_loop.connect(SERVER, idle()).unwrap();
    client
        .event_loop
        .connect(BESIDE, Scripted(greeting))
        .unwrap();
    simulation
        .run_for(&mut [&mut server, &mut client], 4 * STALL)
        .unwrap();
    server.shared.assert_exact();
}

#[test]
fn a_first_byte_has_its_whole_time_behind_a_late_handshake() {
    assert_counts_from_the_handshake(Limits::unlimited().first_byte_timeout(TIMEOUT));
}

#[test]
fn an_idle_time_counts_from_a_late_handshake() {
    assert_counts_from_the_handshake(Limits::unlimited().idle_timeout(TIMEOUT));
}

// Both connects succeed in one turn.
#[test]
fn an_idle_time_counts_from_a_late_connect() {
    let (mut simulation, mut server, mut client) = network(Options::new(), Limits::unlimited());
    let clock = simulation.handle();
    server.event_loop.listen(SERVER, |_, _| idle()).unwrap();
    let slow = {
        let clock = clock.clone();
        move |_: &mut Context<'_, Told>, step| {
            if step == Step::Connect {
                clock.pass(STALL);
            }
        }
    };
    let timed = move |cx: &mut Context<'_, Told>, step| match step {
        Step::Connect => cx.shared.began = Some(clock.now()),
        Step::Timeout => cx.shared.over = Some(clock.now()),
        _ => {}
    };
    client.event_loop.connect(SERVER, Scripted(slow)).unwrap();
    let options = SocketOptions::new().idle_timeout(TIMEOUT);
    client
        .event_loop
        .connect_with(SERVER, options, Scripted(timed))
        .unwrap();
    simulation
        .run_for(&mut [&mut server, &mut client], 4 * STALL)
        .unwrap();
    client.shared.assert_exact();
}

/// Starts a filter late in a callback, which takes as long again afterwards.
#[test]
fn a_handshake_counts_from_the_call_that_starts_its_filter() {
    let limits = Limits::unlimited().handshake_timeout(2 * STALL);
    let (mut simulation, mut server, mut client) = network(Options::new(), limits);
    let clock = simulation.handle();
    let handler = move |cx: &mut Context<'_, Told>, step| match step {
        Step::Connect => {
            clock.pass(STALL);
            cx.socket.start_filter(Records::default(), b"").unwrap();
            cx.shared.began = Some(clock.now() + 2 * STALL - TIMEOUT);
            clock.pass(STALL);
        }
        Step::Error => cx.shared.over = Some(clock.now()),
        _ => {}
    };
    let mut handler = Some(Scripted(handler));
    server
        .event_loop
        .listen(
            SERVER,
            move |_: &mut netloop::LoopContext<'_, Told>, _: &_| handler.take(),
        )
        .unwrap();
    client.event_loop.connect(SERVER, idle()).unwrap();
    simulation
        .run_for(&mut [&mut server, &mut client], 8 * STALL)
        .unwrap();
    assert_eq!(server.shared.closes, [CloseReason::TimedOut]);
    server.shared.assert_exact();
}

// The pause by the pipe stops the idle timeout, and the program's own pause does not.
#[test]
fn a_pause_that_follows_that_of_a_pipe_begins_the_idle_time() {
    let mut options = Options::new();
    options.capacity = CAPACITY;
    let (mut simulation, mut server, mut client) = network(options, Limits::unlimited());
    let clock = simulation.handle();
    let marks = SocketOptions::new()
        .idle_timeout(TIMEOUT)
        .high_water_mark(1);
    server
        .event_loop
        .listen_with(SERVER, marks, move |_, _| {
            let clock = clock.clone();
            Scripted(move |cx: &mut Context<'_, Told>, step| match step {
                Step::Connect => {
                    if let [from, to] = cx.shared.sockets[..] {
                        assert!(cx.as_loop().pipe(from, to));
                        cx.socket.set_idle_timeout(None);
                        cx.socket.after(TIMEOUT / 2, 0);
                    }
                }
                Step::Timer(_) => {
                    stall(&clock, cx);
                    let from = cx.shared.sockets[0];
                    cx.socket.socket(from).pause();
                }
                Step::Timeout => cx.shared.over = Some(clock.now()),
                _ => {}
            })
        })
        .unwrap();
    let flooding = |cx: &mut Context<'_, Told>, step| {
        if step == Step::Connect {
            cx.socket.write(&[0; 10 * CAPACITY]).ignore();
        }
    };
    let silent = |cx: &mut Context<'_, Told>, step| {
        if step == Step::Connect {
            cx.socket.pause();
        }
    };
    client
        .event_loop
        .connect(SERVER, Scripted(flooding))
        .unwrap();
    client.event_loop.connect(SERVER, Scripted(silent)).unwrap();
    simulation
        .run_for(&mut [&mut server, &mut client], 4 * STALL)
        .unwrap();
    server.shared.assert_exact();
}

// The write that meets the reset comes late in the callback of another socket.
#[test]
fn an_unread_timeout_counts_from_the_failure() {
    let options = Options {
        latency: Duration::from_millis(200),
        ..Options::new()
    };
    let (mut simulation, mut server, mut client) = network(options, Limits::unlimited());
    let clock = simulation.handle();
    let unread = SocketOptions::new()
        .unread_timeout(TIMEOUT)
        .pause_on_connect(true);
    server
        .event_loop
        .listen_with(SERVER, unread, move |_, _| {
            let clock = clock.clone();
            Scripted(move |cx: &mut Context<'_, Told>, step| match step {
                Step::Connect if cx.shared.sockets.len() == 2 => {
                    cx.socket.after(TIMEOUT, 0);
                }
                Step::Timer(_) => {
                    stall(&clock, cx);
                    let paused = cx.shared.sockets[0];
                    cx.socket.socket(paused).write(&[0; 1 << 16]).ignore();
                }
                Step::Error => cx.shared.over = Some(clock.now()),
                _ => {}
            })
        })
        .unwrap();
    let resetting = |cx: &mut Context<'_, Told>, step| match step {
        Step::Connect => {
            cx.socket.write(b"unread").ignore();
            // The reset is under way when the timer of the server fires, 1.2 s after the connect began.
            cx.socket.after(Duration::from_millis(700), 0);
        }
        Step::Timer(_) => cx.socket.reset().unwrap(),
        _ => {}
    };
    client
        .event_loop
        .connect(SERVER, Scripted(resetting))
        .unwrap();
    client.event_loop.connect(SERVER, idle()).unwrap();
    simulation
        .run_for(&mut [&mut server, &mut client], 4 * STALL)
        .unwrap();
    server.shared.assert_exact();
}
