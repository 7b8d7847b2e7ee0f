//! A lack of memory in the kernel, which a connection waits out for ten seconds, however often it is served meanwhile.
//! In virtual time.

use std::time::Duration;

use netloop::simulation::{Flavour, Options, Simulation};
use netloop::{ConnectOptions, Context, Error, ListenOptions, SocketHandler};

use super::resting::run_through_shortage;
use crate::support::Records;

const SERVER: &str = "10.0.0.1:7000";

/// The time between two timers of a socket. Each serves the socket, and more than 20 pass in a shortage.
const PERIOD: Duration = Duration::from_millis(10);

/// Shorter than the ten seconds, and longer than the rests that a deadline waits for.
const SHORTAGE: Duration = Duration::from_secs(5);

/// Bytes are under way when the shortage begins, and arrive in it.
const LATENCY: Duration = Duration::from_millis(50);

#[derive(Default)]
struct Told {
    sent: usize,
    received: usize,
    timers: usize,
    errors: Vec<&'static str>,
}

/// Has timers without end. Sends a byte at each if `sends` is set.
struct Timed {
    sends: bool,
}

impl SocketHandler<Told> for Timed {
    fn on_connect(&mut self, cx: &mut Context<'_, Told>) {
        cx.socket.after(PERIOD, 0);
    }
    fn on_timer(&mut self, cx: &mut Context<'_, Told>, _: u64) {
        cx.socket.after(PERIOD, 0);
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

/// Runs a sender and a reader through a shortage of `time`. Returns what the two are told.
fn told(flavour: Flavour, is_filtered: bool, time: Duration) -> [Told; 2] {
    let options = Options {
        latency: LATENCY,
        flavour,
        ..Options::new()
    };
    let mut simulation = Simulation::new(1, options).unwrap();
    let mut server = simulation.host(Told::default()).unwrap();
    let mut client = simulation.host(Told::default()).unwrap();
    let (mut listen, mut connect) = (ListenOptions::new(), ConnectOptions::new());
    if is_filtered {
        listen = listen.filter(|| Ok(Records::default()));
        connect = connect.filter(|| Ok(Records::default()));
    }
    let begins = Duration::from_millis(400);
    server
        .event_loop
        .listen_with(SERVER, listen, |_, _| Timed { sends: false })
        .unwrap();
    client
        .event_loop
        .connect_with(SERVER, connect, Timed { sends: true })
        .unwrap();
    let shortage = (begins, begins + time);
    run_through_shortage(&mut simulation, &mut [&mut server, &mut client], shortage);
    [client.shared, server.shared]
}

#[test]
fn a_shortage_is_waited_out_however_often_a_socket_is_served() {
    for flavour in Flavour::ALL {
        for is_filtered in [false, true] {
            let case = format!("{flavour:?}, filtered: {is_filtered}");
            let [sender, reader] = told(flavour, is_filtered, SHORTAGE);
            assert!(sender.errors.is_empty(), "{case}: {:?}", sender.errors);
            assert!(reader.errors.is_empty(), "{case}: {:?}", reader.errors);
            assert!(reader.received > 20, "{case}: {}", reader.received);
            assert!(sender.sent - reader.received < 20, "{case}");
        }
    }
}

#[test]
fn a_shortage_that_lasts_fails_a_socket_that_is_often_served() {
    for flavour in Flavour::ALL {
        for is_filtered in [false, true] {
            for it in told(flavour, is_filtered, Duration::from_secs(12)) {
                assert_eq!(it.errors, ["ENOBUFS"], "{flavour:?}, {is_filtered}");
            }
        }
    }
}
