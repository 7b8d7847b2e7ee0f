//! The deadline of a handshake of filters, in virtual time: a peer that sends a byte now and then does not extend it.

use std::io::IoSlice;
use std::time::{Duration, Instant};

use netloop::simulation::{Handle, Options, Simulation};
use netloop::{
    Accepted, CloseReason, ConnectOptions, Context, Decoded, Error, FailedHandshake, Filter,
    FilterOutput, Limits, ListenOptions, LoopContext, Result, ServerHandler, SocketHandler,
};

const SERVER: &str = "10.0.0.1:7000";
const TIMEOUT: Duration = Duration::from_secs(1);

/// A deadline is rounded up to a tick, one more tick is added, and each turn takes a microsecond.
const LATE: Duration = Duration::from_millis(3);

/// Is ready after a hundred bytes.
struct LongGreeting(usize);

impl Filter for LongGreeting {
    fn is_ready(&self) -> bool {
        self.0 >= 100
    }
    fn decode(&mut self, input: &mut [u8], _: &mut FilterOutput<'_>) -> Result<Decoded> {
        self.0 += input.len();
        Ok(Decoded::used(input.len()))
    }
    fn encode(&mut self, bytes: &[IoSlice<'_>], to_peer: &mut Vec<u8>) -> Result<usize> {
        to_peer.extend_from_slice(&bytes[0]);
        Ok(bytes[0].len())
    }
}

fn greeting() -> Result<LongGreeting> {
    Ok(LongGreeting(0))
}

/// Sends a byte each tenth of a second.
struct Dripping;

impl<S> SocketHandler<S> for Dripping {
    fn on_connect(&mut self, cx: &mut Context<'_, S>) {
        self.on_timer(cx, 0);
    }
    fn on_data(&mut self, _: &mut Context<'_, S>, _: &[u8]) {}
    fn on_timer(&mut self, cx: &mut Context<'_, S>, _: u64) {
        if cx.socket.write(b"x").is_accepted() {
            cx.socket.after(Duration::from_millis(100), 0);
        }
    }
}

/// The beginning of the handshake, and its failure.
#[derive(Default)]
struct Told {
    began: Option<Instant>,
    failed: Option<(Instant, &'static str)>,
}

/// A server that is told of its failed handshake.
struct Front(Handle);

impl ServerHandler<Told> for Front {
    fn on_connection(
        &mut self,
        _: &mut LoopContext<'_, Told>,
        _: &Accepted,
    ) -> Option<Box<dyn SocketHandler<Told>>> {
        panic!("the filter is not ready")
    }
    fn on_handshake_failed(&mut self, cx: &mut LoopContext<'_, Told>, failed: &FailedHandshake) {
        cx.shared.failed = Some((self.0.now(), failed.error.code()));
    }
}

/// A socket whose filter is not ready, or that starts one.
struct Waiting {
    clock: Handle,
    starts: bool,
}

impl SocketHandler<Told> for Waiting {
    fn on_connect(&mut self, cx: &mut Context<'_, Told>) {
        assert!(self.starts, "the filter is not ready");
        cx.shared.began = Some(self.clock.now());
        cx.socket.start_filter(LongGreeting(0), b"").unwrap();
    }
    fn on_data(&mut self, _: &mut Context<'_, Told>, _: &[u8]) {
        panic!("the filter is not ready")
    }
    fn on_error(&mut self, cx: &mut Context<'_, Told>, error: &Error) {
        cx.shared.failed = Some((self.clock.now(), error.code()));
    }
    fn on_close(&mut self, _: &mut Context<'_, Told>, reason: CloseReason) {
        assert_eq!(reason, CloseReason::TimedOut);
    }
}

/// The side that has the filter, and its start.
#[derive(Clone, Copy, Debug)]
enum Place {
    Server,
    Client,
    ServerInMidStream,
    ClientInMidStream,
}

fn assert_fails_in_time(place: Place) {
    let mut simulation = Simulation::new(1, Options::new()).unwrap();
    let clock = simulation.handle();
    let limits = Limits::unlimited().handshake_timeout(TIMEOUT);
    let limits = netloop::EventLoopOptions::new().limits(limits);
    let mut waiting = simulation.host_with(Told::default(), limits).unwrap();
    let mut dripping = simulation.host(()).unwrap();
    let starts = matches!(place, Place::ServerInMidStream | Place::ClientInMidStream);
    let handler = Waiting {
        clock: clock.clone(),
        starts,
    };
    waiting.shared.began = Some(clock.now());
    match place {
        Place::Server => {
            let options = ListenOptions::new().filter(greeting);
            let server = waiting.event_loop.serve(SERVER, options, Front(clock));
            server.unwrap();
        }
        Place::ServerInMidStream => {
            let mut handler = Some(handler);
            let accept = move |_: &mut LoopContext<'_, Told>, _: &Accepted| handler.take();
            waiting.event_loop.listen(SERVER, accept).unwrap();
        }
        Place::Client => {
            let options = ConnectOptions::new().filter(greeting);
            let address = "10.0.0.2:7000";
            dripping
                .event_loop
                .listen(address, |_, _| Dripping)
                .unwrap();
            let socket = waiting.event_loop.connect_with(address, options, handler);
            socket.unwrap();
        }
        Place::ClientInMidStream => {
            let address = "10.0.0.2:7000";
            dripping
                .event_loop
                .listen(address, |_, _| Dripping)
                .unwrap();
            waiting.event_loop.connect(address, handler).unwrap();
        }
    }
    if matches!(place, Place::Server | Place::ServerInMidStream) {
        dripping.event_loop.connect(SERVER, Dripping).unwrap();
    }
    simulation
        .run_for(&mut [&mut waiting, &mut dripping], 5 * TIMEOUT)
        .unwrap();
    let (failed, code) = waiting.shared.failed.expect("it has failed");
    let took = failed - waiting.shared.began.expect("it has begun");
    assert_eq!(code, "ETIMEDOUT", "{place:?}");
    assert!(
        took >= TIMEOUT && took <= TIMEOUT + LATE,
        "{place:?}: {took:?}"
    );
}

#[test]
fn no_byte_extends_a_handshake() {
    assert_fails_in_time(Place::Server);
    assert_fails_in_time(Place::Client);
}

#[test]
fn no_byte_extends_a_handshake_in_mid_stream() {
    assert_fails_in_time(Place::ServerInMidStream);
    assert_fails_in_time(Place::ClientInMidStream);
}
