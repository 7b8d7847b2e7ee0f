//! Halves of a connection that rest after a call without memory. An early report and a call that succeeds end the rest,
//! so a timer that passes then does not wait. Nor is a timer lost that has passed within the rest, and a later write
//! leaves at once. In virtual time.

use std::time::{Duration, Instant};

use netloop::simulation::{AnyHost, Flavour, Handle, Options, Simulation};
use netloop::{ConnectOptions, Context, ListenOptions, SocketHandler};

use crate::support::{HELLO, Records};

const SERVER: &str = "10.0.0.1:7000";

/// The time at which each test begins. The handshakes are over then.
pub(crate) const BEGIN: Duration = Duration::from_millis(100);

/// A deadline is rounded up to a tick, and turns take microseconds.
const LATE: Duration = Duration::from_millis(2);

/// Runs `hosts` to their rest. Calls find no memory within `shortage`, whose two times count from [`BEGIN`].
pub(crate) fn run_through_shortage(
    simulation: &mut Simulation,
    hosts: &mut [&mut dyn AnyHost],
    shortage: (Duration, Duration),
) {
    let (from, to) = shortage;
    simulation.run_for(hosts, BEGIN + from).unwrap();
    simulation.set_options(|options| options.faults.missing_buffers = 1_000);
    simulation.run_for(hosts, to - from).unwrap();
    simulation.set_options(|options| options.faults.missing_buffers = 0);
    simulation.run_for(hosts, Duration::from_secs(1)).unwrap();
}

/// The half of the server's socket whose call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Half {
    Inbound,
    Outbound,
}

/// The times of a test, counted from [`BEGIN`]. A rest lasts at least 10 ms. The memory is back, and the kernel reports,
/// before its end; then the timer passes.
#[derive(Clone, Copy, Debug)]
struct Times {
    latency: Duration,
    shortage: (Duration, Duration),
    /// The send of the byte that makes the server's kernel report.
    report: Duration,
    timer: Duration,
}

impl Times {
    fn of(half: Half) -> Self {
        let us = Duration::from_micros;
        match half {
            // Both bytes of the client leave before the shortage. The first arrives within it, the second after it.
            Half::Inbound => Self {
                latency: us(5_000),
                shortage: (us(3_000), us(6_500)),
                report: us(2_000),
                timer: us(10_000),
            },
            Half::Outbound => Self {
                latency: us(0),
                shortage: (us(0), us(1_500)),
                report: us(3_000),
                timer: us(6_000),
            },
        }
    }
}

#[derive(Default)]
struct Told {
    received: Vec<u8>,
    timer: Option<Instant>,
}

/// Tokens of the server's timers.
const WRITES: u64 = 0;
const TOLD: u64 = 1;

struct Serving {
    half: Half,
    clock: Handle,
    begins: Instant,
}

impl SocketHandler<Told> for Serving {
    fn on_connect(&mut self, cx: &mut Context<'_, Told>) {
        let until = self.begins - self.clock.now();
        if self.half == Half::Outbound {
            cx.socket.after(until, WRITES);
        }
        cx.socket.after(until + Times::of(self.half).timer, TOLD);
    }
    fn on_data(&mut self, cx: &mut Context<'_, Told>, data: &[u8]) {
        cx.shared.received.extend_from_slice(data);
    }
    fn on_timer(&mut self, cx: &mut Context<'_, Told>, token: u64) {
        match token {
            WRITES => cx.socket.write(b"late").ignore(),
            _ => cx.shared.timer = Some(self.clock.now()),
        }
    }
}

/// Sends a byte at the beginning, if the server is to fail to read it, and another that makes the kernel report.
struct Asking {
    half: Half,
    clock: Handle,
    begins: Instant,
}

impl SocketHandler<Told> for Asking {
    fn on_connect(&mut self, cx: &mut Context<'_, Told>) {
        let until = self.begins - self.clock.now();
        if self.half == Half::Inbound {
            cx.socket.after(until, 0);
        }
        cx.socket.after(until + Times::of(self.half).report, 1);
    }
    fn on_data(&mut self, cx: &mut Context<'_, Told>, data: &[u8]) {
        cx.shared.received.extend_from_slice(data);
    }
    fn on_timer(&mut self, cx: &mut Context<'_, Told>, _: u64) {
        cx.socket.write(b".").ignore();
    }
}

fn assert_told_in_time(half: Half, is_filtered: bool) {
    let times = Times::of(half);
    let options = Options {
        latency: times.latency,
        ..Options::new()
    };
    let mut simulation = Simulation::new(1, options).unwrap();
    let mut server = simulation.host(Told::default()).unwrap();
    let mut client = simulation.host(Told::default()).unwrap();
    let clock = simulation.handle();
    let begins = clock.now() + BEGIN;
    let mut listen = ListenOptions::new();
    let mut connect = ConnectOptions::new();
    if is_filtered {
        listen = listen.filter(|| Ok(Records::default()));
        connect = connect.filter(|| Ok(Records::default()));
    }
    let asking = Asking {
        half,
        clock: clock.clone(),
        begins,
    };
    server
        .event_loop
        .listen_with(SERVER, listen, move |_, _| Serving {
            half,
            clock: clock.clone(),
            begins,
        })
        .unwrap();
    client
        .event_loop
        .connect_with(SERVER, connect, asking)
        .unwrap();
    let mut hosts: [&mut dyn AnyHost; 2] = [&mut server, &mut client];
    run_through_shortage(&mut simulation, &mut hosts, times.shortage);
    let told = server.shared.timer.expect("the timer is told") - begins;
    assert!(
        told >= times.timer && told <= times.timer + LATE,
        "{half:?}: {told:?}"
    );
    let (asked, answered): (&[u8], &[u8]) = match half {
        Half::Inbound => (b"..", b""),
        Half::Outbound => (b".", b"late"),
    };
    assert_eq!(server.shared.received, asked);
    assert_eq!(client.shared.received, answered);
}

#[test]
fn a_read_that_succeeds_early_ends_the_rest_of_its_half() {
    assert_told_in_time(Half::Inbound, false);
    assert_told_in_time(Half::Inbound, true);
}

#[test]
fn a_send_that_succeeds_early_ends_the_rest_of_its_half() {
    assert_told_in_time(Half::Outbound, false);
    assert_told_in_time(Half::Outbound, true);
}

/// A server that writes within the shortage of [`Half::Inbound`], and once more after all rests. The timers are the loop's:
/// a timer of the socket would wait for the read.
struct Twice {
    clock: Handle,
    begins: Instant,
}

impl SocketHandler<Told> for Twice {
    fn on_connect(&mut self, cx: &mut Context<'_, Told>) {
        let until = self.begins - self.clock.now();
        let id = cx.socket.id();
        for (time, word) in [(4, &b"late"[..]), (60, b"again")] {
            cx.after(until + Duration::from_millis(time), move |cx| {
                cx.sockets.socket(id).write(word).ignore();
            });
        }
    }
    fn on_data(&mut self, cx: &mut Context<'_, Told>, data: &[u8]) {
        cx.shared.received.extend_from_slice(data);
    }
}

// Both halves rest, and the kernel reports the second byte of the client. The read within the rest assumes an error, which
// serves the other half too: its send succeeds without a report of space. Only kqueue reports one direction alone. With two
// sockets, the one that is served first makes one read in the turn, and sends before the next.
#[test]
fn a_write_after_a_send_within_a_rest_leaves_at_once() {
    for flavour in Flavour::ALL {
        let half = Half::Inbound;
        let times = Times::of(half);
        let options = Options {
            latency: times.latency,
            flavour,
            ..Options::new()
        };
        let mut simulation = Simulation::new(1, options).unwrap();
        let mut server = simulation.host(Told::default()).unwrap();
        let mut client = simulation.host(Told::default()).unwrap();
        let clock = simulation.handle();
        let begins = clock.now() + BEGIN;
        let clocks = [clock.clone(), clock.clone()];
        server
            .event_loop
            .listen(SERVER, move |_, _| Twice {
                clock: clock.clone(),
                begins,
            })
            .unwrap();
        for clock in clocks {
            let asking = Asking {
                half,
                clock,
                begins,
            };
            client.event_loop.connect(SERVER, asking).unwrap();
        }
        let mut hosts: [&mut dyn AnyHost; 2] = [&mut server, &mut client];
        run_through_shortage(&mut simulation, &mut hosts, times.shortage);
        assert_eq!(server.shared.received, b"....", "{flavour:?}");
        assert_eq!(client.shared.received, b"latelateagainagain", "{flavour:?}");
    }
}

/// The times of a handshake, counted from [`BEGIN`]. The client's read fails when the first half of the server's hello
/// arrives. The client's timer passes within the rest that follows, and the read is tried again without success. The
/// second half arrives before the end of the rest.
const LATENCY: Duration = Duration::from_millis(2);
const SHORTAGE: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(5));
const TIMER: Duration = Duration::from_millis(3);
const SECOND_HALF: Duration = Duration::from_millis(6);

/// A server that sends its hello in two halves, and expects nothing of the client.
struct SlowHello {
    clock: Handle,
    begins: Instant,
}

impl SocketHandler<Told> for SlowHello {
    fn on_connect(&mut self, cx: &mut Context<'_, Told>) {
        let until = self.begins - self.clock.now();
        cx.socket.after(until, 0);
        cx.socket.after(until + SECOND_HALF, 1);
    }
    fn on_data(&mut self, _: &mut Context<'_, Told>, _: &[u8]) {}
    fn on_timer(&mut self, cx: &mut Context<'_, Told>, half: u64) {
        let (first, second) = HELLO.split_at(HELLO.len() / 2);
        cx.socket
            .write(if half == 0 { first } else { second })
            .ignore();
    }
}

struct Timed(Handle);

impl SocketHandler<Told> for Timed {
    fn on_connect(&mut self, cx: &mut Context<'_, Told>) {
        cx.shared.received.extend_from_slice(b"open");
    }
    fn on_data(&mut self, _: &mut Context<'_, Told>, _: &[u8]) {}
    fn on_timer(&mut self, cx: &mut Context<'_, Told>, _: u64) {
        cx.shared.timer = Some(self.0.now());
    }
}

#[test]
fn a_timer_put_off_in_a_handshake_outlives_it() {
    let options = Options {
        latency: LATENCY,
        ..Options::new()
    };
    let mut simulation = Simulation::new(1, options).unwrap();
    let mut server = simulation.host(Told::default()).unwrap();
    let mut client = simulation.host(Told::default()).unwrap();
    let clock = simulation.handle();
    let begins = clock.now() + BEGIN;
    let timed = Timed(clock.clone());
    server
        .event_loop
        .listen(SERVER, move |_, _| SlowHello {
            clock: clock.clone(),
            begins,
        })
        .unwrap();
    // An idle timeout would keep the entry on the wheel on which the timer relies.
    let connect = ConnectOptions::new().filter(|| Ok(Records::default()));
    let id = client
        .event_loop
        .connect_with(SERVER, connect, timed)
        .unwrap();
    client.event_loop.socket(id).after(BEGIN + TIMER, 0);
    let mut hosts: [&mut dyn AnyHost; 2] = [&mut server, &mut client];
    run_through_shortage(&mut simulation, &mut hosts, SHORTAGE);
    assert_eq!(client.shared.received, b"open");
    let told = client.shared.timer.expect("the timer is told") - begins;
    let opened = SECOND_HALF + LATENCY;
    assert!(told >= opened && told <= opened + LATE, "{told:?}");
}
