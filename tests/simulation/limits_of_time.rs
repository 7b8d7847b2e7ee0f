//! The limits on the time of peers, in virtual time: each to the tick, and random limits with good and bad peers.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use netloop::simulation::{Faults, Handle, Options, Seeds, Simulation};
use netloop::{
    CloseReason, Context, Error, Flow, Limits, ListenOptions, MinRate, SocketHandler,
    SocketOptions, Statistics,
};

const SERVER: &str = "10.0.0.1:7000";

/// A deadline is rounded up to a tick. One more is added, as the event may have come at the end of its tick.
const LATE: Duration = Duration::from_millis(3);

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// The closes that one server has told: the number of the connection, the reason, and the time since its accept.
#[derive(Default)]
struct Told {
    connections: usize,
    closes: BTreeMap<usize, (CloseReason, Duration, String)>,
    received: u64,
}

/// The deeds of a server's handler for its peer.
#[derive(Clone, Copy, Debug, Default)]
struct Deeds {
    /// The bytes that are written when the peer is accepted.
    writes: usize,
    ends: bool,
    expects: bool,
    deadline: Option<Duration>,
    /// Whether the handler ends at the deadline, with the time until which it waits for the peer.
    answers: Option<Option<Duration>>,
}

struct Serving {
    clock: Handle,
    deeds: Deeds,
    number: usize,
    accepted: Instant,
    error: String,
}

impl SocketHandler<Told> for Serving {
    fn on_connect(&mut self, cx: &mut Context<'_, Told>) {
        self.accepted = self.clock.now();
        self.number = cx.shared.connections;
        cx.shared.connections += 1;
        cx.socket.set_deadline(self.deeds.deadline);
        cx.socket.expect_bytes(self.deeds.expects);
        if self.deeds.writes > 0 {
            cx.socket.write_owned(vec![7; self.deeds.writes]).ignore();
        }
        if self.deeds.ends {
            cx.socket.end();
        }
    }
    fn on_data(&mut self, cx: &mut Context<'_, Told>, data: &[u8]) {
        cx.shared.received += data.len() as u64;
    }
    fn on_deadline(&mut self, cx: &mut Context<'_, Told>) {
        if let Some(time) = self.deeds.answers {
            cx.socket.end_with(b"too slow").ignore();
            cx.socket.set_deadline(time);
        }
    }
    fn on_error(&mut self, _: &mut Context<'_, Told>, error: &Error) {
        self.error = error.to_string();
    }
    fn on_close(&mut self, cx: &mut Context<'_, Told>, reason: CloseReason) {
        let lived = self.clock.now() - self.accepted;
        let close = (reason, lived, self.error.clone());
        cx.shared.closes.insert(self.number, close);
    }
}

/// A peer that sends `bytes` each `period`, and reads if it `reads`.
#[derive(Clone, Copy, Debug)]
struct Habit {
    first: Duration,
    period: Option<Duration>,
    bytes: usize,
    reads: bool,
    half_closes: bool,
    /// The peer ends in good order after so many messages, and when it has read this side's end.
    messages: u32,
}

const SILENT: Habit = Habit {
    first: Duration::ZERO,
    period: None,
    bytes: 0,
    reads: true,
    half_closes: false,
    messages: u32::MAX,
};

struct Playing(Habit, u32);

impl SocketHandler<()> for Playing {
    fn on_connect(&mut self, cx: &mut Context<'_, ()>) {
        if !self.0.reads {
            cx.socket.pause();
        }
        if self.0.half_closes {
            cx.socket.end();
        } else if self.0.period.is_some() {
            cx.socket.after(self.0.first, 0);
        }
    }
    fn on_timer(&mut self, cx: &mut Context<'_, ()>, _: u64) {
        if self.1 == self.0.messages {
            return cx.socket.end();
        }
        self.1 += 1;
        if cx.socket.write(&vec![1; self.0.bytes]) == Flow::Closed {
            return;
        }
        if let Some(period) = self.0.period {
            cx.socket.after(period, 0);
        }
    }
    fn on_data(&mut self, _: &mut Context<'_, ()>, _: &[u8]) {}
}

/// Runs one server with `limits` beside a peer for each of `habits`, for an hour of virtual time.
fn run(
    simulation: &mut Simulation,
    limits: Limits,
    deeds: Deeds,
    options: SocketOptions,
    habits: &[Habit],
) -> (Told, Statistics) {
    let clock = simulation.handle();
    let mut server = simulation.host(Told::default()).unwrap();
    let mut peers = simulation.host(()).unwrap();
    let listen = ListenOptions::new().limits(limits).socket(options);
    server
        .event_loop
        .listen_with(SERVER, listen, move |_, _| Serving {
            accepted: clock.now(),
            clock: clock.clone(),
            deeds,
            number: 0,
            error: String::new(),
        })
        .unwrap();
    for habit in habits {
        // The limits of the peers' own loop are not in question.
        let options = SocketOptions::new()
            .allow_half_open(true)
            .close_timeout(None);
        peers
            .event_loop
            .connect_with(SERVER, options, Playing(*habit, 0))
            .unwrap();
        // The connections are accepted in the order of the connects.
        simulation
            .run_for(&mut [&mut server, &mut peers], ms(100))
            .unwrap();
    }
    simulation
        .run_for(&mut [&mut server, &mut peers], Duration::from_secs(3_600))
        .unwrap();
    let statistics = server.event_loop.statistics();
    (server.shared, statistics)
}

fn none() -> Limits {
    Limits::unlimited()
}

/// Runs a single peer, and asserts that its socket closes after `expected`, to the tick, with an error that names `limit`.
#[track_caller]
fn assert_closes(
    limit: &str,
    expected: Duration,
    limits: Limits,
    deeds: Deeds,
    habit: Habit,
) -> Statistics {
    let mut simulation = Simulation::new(1, Options::new()).unwrap();
    let options = SocketOptions::new().allow_half_open(true);
    let (told, statistics) = run(&mut simulation, limits, deeds, options, &[habit]);
    let (reason, lived, error) = told.closes.get(&0).expect("it has closed");
    assert_eq!(*reason, CloseReason::TimedOut);
    assert!(error.contains(limit), "{limit}: {error}");
    assert!(
        *lived >= expected && *lived <= expected + LATE,
        "{limit}: {lived:?} for {expected:?}"
    );
    statistics
}

const TRICKLE: Habit = Habit {
    first: ms(1),
    period: Some(ms(300)),
    bytes: 1,
    ..SILENT
};

#[test]
fn each_limit_closes_a_bad_peer_to_the_tick() {
    let limits = none().first_byte_timeout(ms(700));
    let it = assert_closes("first_byte", ms(700), limits, Deeds::default(), SILENT);
    assert_eq!(it.timed_out_first_bytes, 1);

    let limits = none().write_stall_timeout(ms(900));
    let deeds = Deeds {
        writes: 1 << 20,
        ..Deeds::default()
    };
    let deaf = Habit {
        reads: false,
        ..TRICKLE
    };
    let it = assert_closes("write_stall", ms(900), limits, deeds, deaf);
    assert_eq!(it.timed_out_writes, 1);

    let limits = none().min_send_rate(MinRate::per_second(100).grace(ms(500)));
    let it = assert_closes("min_send_rate", ms(1_500), limits, deeds, deaf);
    assert_eq!(it.slow_receivers, 1);

    let limits = none().min_receive_rate(MinRate::per_second(1_000).grace(ms(500)));
    let deeds = Deeds {
        expects: true,
        ..Deeds::default()
    };
    // Five bytes of a millisecond each have come until then.
    let it = assert_closes("min_receive_rate", ms(1_505), limits, deeds, TRICKLE);
    assert_eq!(it.slow_senders, 1);

    let deeds = Deeds {
        deadline: Some(ms(1_234)),
        ..Deeds::default()
    };
    let it = assert_closes("deadline", ms(1_234), none(), deeds, TRICKLE);
    assert_eq!(it.timed_out_deadlines, 1);

    let limits = none().half_open_timeout(ms(800));
    let half = Habit {
        half_closes: true,
        ..SILENT
    };
    let it = assert_closes("half_open", ms(800), limits, Deeds::default(), half);
    assert_eq!(it.timed_out_half_open, 1);

    let deeds = Deeds {
        ends: true,
        ..Deeds::default()
    };
    let it = assert_closes("", ms(600), none().linger_timeout(ms(600)), deeds, TRICKLE);
    assert_eq!(it.timed_out_closes, 1);

    // Put off once, at 500 ms, to half a second behind the byte of 301 ms.
    let limits = none().close_timeout(ms(500));
    let it = assert_closes("", ms(801), limits, deeds, TRICKLE);
    assert_eq!(it.timed_out_closes, 1);
}

#[test]
fn a_last_answer_at_a_deadline_is_limited_to_the_tick() {
    let deeds = |answers| Deeds {
        deadline: Some(ms(1_234)),
        answers: Some(answers),
        ..Deeds::default()
    };
    let it = assert_closes("deadline", ms(1_784), none(), deeds(Some(ms(550))), TRICKLE);
    assert_eq!(it.timed_out_deadlines, 1);

    let limits = none().linger_timeout(ms(600));
    let it = assert_closes("", ms(1_834), limits, deeds(None), TRICKLE);
    assert_eq!((it.timed_out_closes, it.timed_out_deadlines), (1, 0));
}

/// The close of a long download behind our own end (`end_with("GET ..")`), which moves at the least rate or faster.
#[test]
fn a_long_answer_behind_our_end_is_never_cut() {
    let mut simulation = Simulation::new(1, Options::new()).unwrap();
    let deeds = Deeds {
        ends: true,
        ..Deeds::default()
    };
    let answer = Habit {
        first: Duration::from_secs(29),
        period: Some(ms(500)),
        bytes: 121,
        messages: 2_000,
        ..SILENT
    };
    let options = SocketOptions::new();
    let (told, _) = run(&mut simulation, Limits::new(), deeds, options, &[answer]);
    assert_eq!(told.received, 242_000);
    let (reason, lived, _) = &told.closes[&0];
    assert_eq!(*reason, CloseReason::Graceful);
    assert!(*lived > Duration::from_secs(1_000));
}

#[test]
fn random_limits_close_every_bad_peer_and_no_good_one() {
    let calm = |options: &mut Options| {
        options.faults = Faults::NONE;
        options.latency = options.latency.min(ms(5));
        options.jitter = options.jitter.min(ms(5));
        options.bytes_per_second = None;
        options.capacity = options.capacity.max(4 << 10);
    };
    let seeds = Seeds::new(0..60).options(calm);
    let run = seeds.run(|simulation| {
        let mut random = fastrand::Rng::with_seed(simulation.turns() + simulation_seed(simulation));
        let time = |random: &mut fastrand::Rng| ms(random.u64(200..20_000));
        let rate = random.u64(1..2_000);
        let limits = none()
            .first_byte_timeout(time(&mut random))
            .write_stall_timeout(time(&mut random))
            .half_open_timeout(time(&mut random))
            .close_timeout(time(&mut random))
            .min_receive_rate(MinRate::per_second(rate).grace(time(&mut random)));
        let deeds = Deeds {
            writes: if random.bool() { 1 << 20 } else { 10 },
            expects: true,
            ..Deeds::default()
        };
        // Twice the rate, and within every time. The last one ends in good order.
        let period = ms(random.u64(1..100));
        let good = Habit {
            first: period,
            period: Some(period),
            bytes: usize::try_from(rate).unwrap() * 2,
            messages: random.u32(20..200),
            ..SILENT
        };
        let slow = Habit {
            first: ms(10),
            period: Some(ms(2_000)),
            bytes: 1,
            ..SILENT
        };
        let habits = [good, SILENT, slow, good, good];
        let is_slow_bad = rate > 1;
        let options = SocketOptions::new();
        let (told, statistics) = run(simulation, limits, deeds, options, &habits);
        for number in [0, 3, 4] {
            let (reason, ..) = &told.closes[&number];
            assert_eq!(
                *reason,
                CloseReason::Graceful,
                "a good peer: {:?}",
                told.closes
            );
        }
        let (reason, _, error) = &told.closes[&1];
        assert_eq!(*reason, CloseReason::TimedOut, "{error}");
        if is_slow_bad {
            let (reason, _, error) = &told.closes[&2];
            assert_eq!(*reason, CloseReason::TimedOut, "{error}");
        }
        let limited = statistics.timed_out_first_bytes + statistics.slow_senders;
        assert_eq!(limited, 1 + u64::from(is_slow_bad));
        Ok(())
    });
    assert_eq!(run.unwrap().seeds, 60);
}

/// A number that differs between seeds: the seed itself is in the text of a simulation.
fn simulation_seed(simulation: &Simulation) -> u64 {
    let text = format!("{simulation:?}");
    text.bytes().fold(0, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u64::from(byte))
    })
}

/// A process that stands still makes no peer slow: the bytes of that time wait in its kernel (E2).
#[test]
fn a_stall_of_the_process_breaks_no_limit() {
    let limits = none()
        .first_byte_timeout(ms(1_000))
        .min_receive_rate(MinRate::per_second(240).grace(ms(200)))
        .idle_timeout(ms(2_000));
    // The peers send all within half a second, and a message arrives each half, whether the loops turn or not.
    let slow = Options {
        bytes_per_second: Some(500),
        capacity: 1 << 20,
        ..Options::new()
    };
    let mut simulation = Simulation::new(1, slow).unwrap();
    let clock = simulation.handle();
    let mut server = simulation.host(Told::default()).unwrap();
    let mut peers = simulation.host(()).unwrap();
    let stalls = clock.clone();
    let deeds = Deeds {
        expects: true,
        ..Deeds::default()
    };
    let options = ListenOptions::new().limits(limits);
    server
        .event_loop
        .listen_with(SERVER, options, move |_, _| Serving {
            accepted: clock.now(),
            clock: clock.clone(),
            deeds,
            number: 0,
            error: String::new(),
        })
        .unwrap();
    server
        .event_loop
        .every(ms(700), move |_| stalls.pass(Duration::from_secs(3)));
    let habit = Habit {
        first: ms(1),
        period: Some(ms(1)),
        bytes: 250,
        messages: 400,
        ..SILENT
    };
    for _ in 0..100 {
        peers.event_loop.connect(SERVER, Playing(habit, 0)).unwrap();
    }
    simulation
        .run_for(&mut [&mut server, &mut peers], Duration::from_secs(120))
        .unwrap();
    assert_eq!(server.shared.connections, 100);
    assert!(
        server.shared.received > 100 * 20_000,
        "{}",
        server.shared.received
    );
    assert!(
        server.shared.closes.is_empty(),
        "{:?}",
        server.shared.closes
    );
}
