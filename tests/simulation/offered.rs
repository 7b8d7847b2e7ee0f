//! Writes at the limit on all unsent bytes, which are offered to the kernel behind a queue that waits. In virtual time.

use std::time::Duration;

use netloop::simulation::{AnyHost, Host, Options, Simulation};
use netloop::{Context, EventLoopOptions, Limits, SocketHandler, SocketId};

const SERVER: &str = "10.0.0.1:7000";
const LIMIT: usize = 20_000;

/// The time without a taken byte after which a queue stalls.
const STALL: Duration = Duration::from_secs(10);

/// The time at which the peer takes bytes, once.
const TAKEN: Duration = Duration::from_secs(8);

#[derive(Default)]
struct World {
    slow: Option<SocketId>,
    offers: u32,
    errors: Vec<String>,
}

/// Fills the queue of the first socket. The bytes of the second socket's peer make a write to the first.
struct Writing;

impl SocketHandler<World> for Writing {
    fn on_connect(&mut self, cx: &mut Context<'_, World>) {
        if cx.shared.slow.is_none() {
            cx.shared.slow = Some(cx.socket.id());
            cx.socket.write(&[0; LIMIT]).ignore();
        }
    }
    fn on_data(&mut self, cx: &mut Context<'_, World>, _: &[u8]) {
        let Some(slow) = cx.shared.slow else { return };
        let mut socket = cx.socket.socket(slow);
        let beyond = LIMIT - socket.queued_bytes() + 100;
        if socket.write(&vec![0; beyond]).is_accepted() {
            cx.shared.offers += 1;
        }
    }
    fn on_error(&mut self, cx: &mut Context<'_, World>, error: &netloop::Error) {
        cx.shared.errors.push(error.to_string());
    }
}

/// Takes what has come at [`TAKEN`], and nothing before or after.
struct Slow;

impl SocketHandler<()> for Slow {
    fn on_connect(&mut self, cx: &mut Context<'_, ()>) {
        cx.socket.pause();
        cx.socket.after(TAKEN, 0);
    }
    fn on_timer(&mut self, cx: &mut Context<'_, ()>, _: u64) {
        cx.socket.resume();
    }
    fn on_data(&mut self, cx: &mut Context<'_, ()>, _: &[u8]) {
        cx.socket.pause();
    }
}

/// Speaks at the same time.
struct Speaking;

impl SocketHandler<()> for Speaking {
    fn on_connect(&mut self, cx: &mut Context<'_, ()>) {
        cx.socket.after(TAKEN, 0);
    }
    fn on_timer(&mut self, cx: &mut Context<'_, ()>, _: u64) {
        cx.socket.write(b"?").ignore();
    }
    fn on_data(&mut self, _: &mut Context<'_, ()>, _: &[u8]) {}
}

// I8. A flush comes before the offer, and is interrupted in some of the runs. Then the offer alone moves bytes.
#[test]
fn a_stall_counts_from_bytes_of_an_offer_at_the_limit() {
    let mut offers = 0;
    for seed in 0..1_000 {
        let options = Options {
            capacity: 8 << 10,
            ..Options::new()
        };
        let mut simulation = Simulation::new(seed, options).unwrap();
        let limits = Limits::unlimited()
            .max_total_queued_bytes(LIMIT)
            .write_stall_timeout(STALL);
        let options = EventLoopOptions::new().limits(limits);
        let mut server: Host<World> = simulation.host_with(World::default(), options).unwrap();
        let mut client = simulation.host(()).unwrap();
        server.event_loop.listen(SERVER, |_, _| Writing).unwrap();
        client.event_loop.connect(SERVER, Slow).unwrap();
        client.event_loop.connect(SERVER, Speaking).unwrap();
        let mut hosts: [&mut dyn AnyHost; 2] = [&mut server, &mut client];
        let moment = Duration::from_millis(10);
        let mut run_for = |time, interruptions| {
            simulation.set_options(|options| options.faults.interruptions = interruptions);
            simulation.run_for(&mut hosts, time).unwrap();
        };
        run_for(TAKEN - moment, 0);
        run_for(3 * moment, 500);
        run_for(Duration::from_secs(5), 0);
        if server.shared.offers == 0 {
            // The offer was interrupted too, or came before the kernel had space.
            continue;
        }
        offers += 1;
        let errors = &server.shared.errors;
        assert!(errors.is_empty(), "{seed}: {errors:?}");
        let mut hosts: [&mut dyn AnyHost; 2] = [&mut server, &mut client];
        simulation.run_for(&mut hosts, STALL).unwrap();
        let errors = &server.shared.errors;
        let stalls = |error: &String| error.contains("write_stall_timeout");
        assert!(
            errors.iter().all(stalls) && errors.len() == 1,
            "{seed}: {errors:?}"
        );
    }
    assert!(offers > 100, "{offers} writes have met the limit");
}
