//! A lack of memory in the kernel, which a connection waits out for ten seconds, however often it is served meanwhile.
//! In virtual time.

use std::time::Duration;

use netloop::simulation::{Flavour, Options, Simulation};
use netloop::{ConnectOptions, Context, Error, ListenOptions, SocketHandler};

use super::resting::run_through_shortage;
use crate::support::Records;

const SERVER: &str = "10.0.0.1:7000";

/// The time between two timers or deadlines of a socket. Each serves the socket.
const PERIOD: Duration = Duration::from_millis(10);

/// A little shorter than the ten seconds: the last rest takes one.
const SHORTAGE: Duration = Duration::from_secs(9);

/// Bytes are under way when the shortage begins, and arrive in it.
const LATENCY: Duration = Duration::from_millis(50);

#[derive(Default)]
struct Told {
    sent: usize,
    received: usize,
    timers: usize,
    errors: Vec<&'static str>,
}

/// Has timers, or deadlines, without end. Sends a byte at each if `sends` is set.
#[derive(Clone, Copy)]
struct Timed {
    sends: bool,
    has_deadlines: bool,
}

impl Timed {
    fn begin_period(self, cx: &mut Context<'_, Told>) {
        match self.has_deadlines {
            true => cx.socket.set_deadline(PERIOD),
            false => cx.socket.after(PERIOD, 0),
        }
    }
}

impl SocketHandler<Told> for Timed {
    fn on_connect(&mut self, cx: &mut Context<'_, Told>) {
        self.begin_period(cx);
    }
    fn on_deadline(&mut self, cx: &mut Context<'_, Told>) {
        self.on_timer(cx, 0);
    }
    fn on_timer(&mut self, cx: &mut Context<'_, Told>, _: u64) {
        self.begin_period(cx);
        cx.shared.timers += 1;
        if self.sends && cx.socket.write(b".").is_accepted() {
            cx.shared.sent += 1;
        }
    }
    fn on_data(&mut self, cx: &mut Context<'_, Told>, data: &[u8]) {
        cx.shared.received += data.len();
    }
    fn on_error(&mut self, cx: &mut Context<'_, Told>, error: &Error) {
        cx.shared.errors.push(error.code());
    }
}

/// The work of the two sockets.
#[derive(Clone, Copy, Debug)]
struct Work {
    is_filtered: bool,
    has_deadlines: bool,
    /// Whether both send. Otherwise one sends, and the other reads.
    both: bool,
}

const WORK: [Work; 4] = [
    Work {
        is_filtered: false,
        has_deadlines: false,
        both: false,
    },
    Work {
        is_filtered: true,
        has_deadlines: false,
        both: false,
    },
    Work {
        is_filtered: false,
        has_deadlines: true,
        both: false,
    },
    Work {
        is_filtered: false,
        has_deadlines: false,
        both: true,
    },
];

/// Runs two sockets through a shortage of `time`, and returns what they are told.
fn told(flavour: Flavour, work: Work, time: Duration) -> [Told; 2] {
    let options = Options {
        latency: LATENCY,
        flavour,
        ..Options::new()
    };
    let mut simulation = Simulation::new(1, options).unwrap();
    let mut server = simulation.host(Told::default()).unwrap();
    let mut client = simulation.host(Told::default()).unwrap();
    let (mut listen, mut connect) = (ListenOptions::new(), ConnectOptions::new());
    if work.is_filtered {
        listen = listen.filter(|| Ok(Records::default()));
        connect = connect.filter(|| Ok(Records::default()));
    }
    let has_deadlines = work.has_deadlines;
    let timed = move |sends| Timed {
        sends,
        has_deadlines,
    };
    server
        .event_loop
        .listen_with(SERVER, listen, move |_, _| timed(work.both))
        .unwrap();
    client
        .event_loop
        .connect_with(SERVER, connect, timed(true))
        .unwrap();
    let begins = Duration::from_millis(400);
    let shortage = (begins, begins + time);
    run_through_shortage(&mut simulation, &mut [&mut server, &mut client], shortage);
    [client.shared, server.shared]
}

#[test]
fn a_shortage_is_waited_out_however_often_a_socket_is_served() {
    for flavour in Flavour::ALL {
        for work in WORK {
            let case = format!("{flavour:?}, {work:?}");
            let [one, other] = told(flavour, work, SHORTAGE);
            assert!(one.errors.is_empty(), "{case}: {:?}", one.errors);
            assert!(other.errors.is_empty(), "{case}: {:?}", other.errors);
            assert!(other.received > 20, "{case}: {}", other.received);
            assert!(one.sent - other.received < 20, "{case}");
        }
    }
}

#[test]
fn a_shortage_that_lasts_fails_a_socket_that_is_often_served() {
    for flavour in Flavour::ALL {
        for work in WORK {
            for it in told(flavour, work, Duration::from_secs(12)) {
                assert_eq!(it.errors, ["ENOBUFS"], "{flavour:?}, {work:?}");
            }
        }
    }
}
