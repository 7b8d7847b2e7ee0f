//! Statistics in virtual time: injected stalls are reported exactly, and cost no system call.

use std::net::SocketAddr;
use std::time::Duration;

use netloop::simulation::{CallCounts, Handle, Host, Options, Simulation};
use netloop::{Budget, CallbackOwner, Context, EventLoop, SocketHandler, SocketId, Stall};

const STALLS: [Duration; 3] = [
    Duration::from_millis(1),
    Duration::from_millis(5),
    Duration::from_millis(20),
];

/// The virtual time that each poll takes.
const POLL: Duration = Duration::from_micros(1);

#[derive(Default)]
struct World {
    stalls: Vec<Stall>,
    accepted: Option<SocketId>,
}

/// Takes the time `stall` for each message.
struct Slow(Handle, Duration);

impl SocketHandler<World> for Slow {
    fn on_connect(&mut self, cx: &mut Context<'_, World>) {
        cx.shared.accepted = Some(cx.socket.id());
    }
    fn on_data(&mut self, cx: &mut Context<'_, World>, data: &[u8]) {
        self.0.pass(self.1);
        let _ = cx.socket.end_with(data);
    }
}

struct Ask;

impl SocketHandler<Option<SocketAddr>> for Ask {
    fn on_connect(&mut self, cx: &mut Context<'_, Option<SocketAddr>>) {
        *cx.shared = cx.socket.local_address();
        let _ = cx.socket.end_with(b"hello");
    }
    fn on_data(&mut self, _: &mut Context<'_, Option<SocketAddr>>, _: &[u8]) {}
}

/// One client beside a server that takes `stall` for its message.
fn visit(
    stall: Duration,
    budget: Budget,
    prepare: impl FnOnce(&mut EventLoop<World>),
) -> (Host<World>, SocketAddr, CallCounts) {
    let mut simulation = Simulation::new(1, Options::new()).unwrap();
    let handle = simulation.handle();
    let mut server = simulation.host(World::default()).unwrap();
    let mut client = simulation.host(None).unwrap();
    server.budget = budget;
    prepare(&mut server.event_loop);
    server
        .event_loop
        .listen("10.0.0.1:7000", move |_, _| Slow(handle.clone(), stall))
        .unwrap();
    client.event_loop.connect("10.0.0.1:7000", Ask).unwrap();
    simulation.run(&mut [&mut client, &mut server]).unwrap();
    let calls = simulation.call_counts(&server.event_loop);
    (server, client.shared.expect("it has connected"), calls)
}

fn told(event_loop: &mut EventLoop<World>) {
    let limit = Duration::from_micros(500);
    event_loop.on_stall(limit, |cx, stall| cx.shared.stalls.push(*stall));
}

#[test]
fn a_stall_is_reported_exactly_with_socket_peer_and_callback() {
    for budget in [Budget::new(), Budget::new().steps(1)] {
        for stall in STALLS {
            let (server, peer, _) = visit(stall, budget, told);
            let id = server.shared.accepted.unwrap();
            let owner = CallbackOwner::Socket {
                id,
                peer: Some(peer),
            };
            let [callback, turn] = &server.shared.stalls[..] else {
                panic!("{:?}", server.shared.stalls);
            };
            assert_eq!((callback.callback, callback.owner), ("on_data", owner));
            assert_eq!((turn.callback, turn.owner), ("turn", CallbackOwner::Loop));
            assert_eq!([callback.duration, turn.duration], [stall; 2]);
            assert_eq!(
                callback.to_string(),
                format!("on_data of socket {id} ({peer}) took {stall:?}")
            );
            assert_eq!(server.event_loop.statistics().stalls, 2);
        }
    }
}

#[test]
fn the_loop_lag_and_the_longest_turn_are_the_stall() {
    for budget in [Budget::new(), Budget::new().steps(1)] {
        for stall in STALLS {
            let (mut server, ..) = visit(stall, budget, |_| ());
            let statistics = server.event_loop.statistics();
            assert_eq!(statistics.longest_turn, stall);
            assert_eq!(statistics.worst_lag, stall);
            server.event_loop.reset_peaks();
            let statistics = server.event_loop.statistics();
            assert_eq!(statistics.longest_turn, Duration::ZERO);
            assert_eq!(statistics.worst_lag, Duration::ZERO);
            // Of all other turns, only the polls took time.
            assert_eq!(
                statistics.busy,
                stall + POLL * u32::try_from(statistics.polls).unwrap()
            );
        }
    }
}

#[test]
fn a_limit_is_passed_only_by_what_is_longer() {
    for stall in STALLS {
        let at = |limit: Duration| {
            let (server, ..) = visit(stall, Budget::new(), move |it| {
                it.on_stall(limit, |cx, stall| cx.shared.stalls.push(*stall));
            });
            server.shared.stalls.len()
        };
        assert_eq!(at(stall), 0);
        assert_eq!(at(stall - Duration::from_nanos(1)), 2);
    }
}

#[test]
fn statistics_and_their_hook_make_no_system_call() {
    let stall = STALLS[1];
    let (_, _, without) = visit(stall, Budget::new(), |_| ());
    let (server, _, with) = visit(stall, Budget::new(), |it| {
        told(it);
    });
    assert_eq!(with, without);
    assert_eq!(server.event_loop.statistics().polls, with.polls);
}

#[test]
fn a_timer_behind_a_stall_reports_its_lag() {
    for stall in STALLS {
        let mut simulation = Simulation::new(1, Options::new()).unwrap();
        let handle = simulation.handle();
        let mut host = simulation.host(()).unwrap();
        let due = Duration::from_millis(10);
        host.event_loop.on_stall(Duration::ZERO, |_, _| ());
        host.event_loop.after(due, move |_| handle.pass(stall));
        host.event_loop.after(due, |_| ());
        simulation.run(&mut [&mut host]).unwrap();
        let statistics = host.event_loop.statistics();
        assert_eq!(statistics.timers, 2);
        // The first timer is called behind the poll that finds it due.
        assert_eq!(statistics.worst_timer_lag, POLL + stall);
        assert_eq!(statistics.timer_lag, POLL + POLL + stall);
    }
}

#[test]
fn a_timer_that_a_stall_has_made_late_reports_it_unasked() {
    for stall in STALLS {
        let mut simulation = Simulation::new(1, Options::new()).unwrap();
        let handle = simulation.handle();
        let mut host = simulation.host(()).unwrap();
        let due = Duration::from_millis(10);
        host.event_loop.defer(move |_| handle.pass(due + stall));
        host.event_loop.after(due, |_| ());
        simulation.run(&mut [&mut host]).unwrap();
        assert_eq!(host.event_loop.statistics().worst_timer_lag, POLL + stall);
    }
}

#[test]
fn deferred_calls_before_the_poll_add_to_the_lag_of_run() {
    let mut simulation = Simulation::new(1, Options::new()).unwrap();
    let handle = simulation.handle();
    let mut event_loop: EventLoop = simulation.event_loop().unwrap();
    event_loop.after(Duration::from_millis(1), move |cx| {
        handle.pass(Duration::from_millis(5));
        cx.defer(move |_| handle.pass(Duration::from_millis(2)));
    });
    event_loop.run(&mut ()).unwrap();
    let statistics = event_loop.statistics();
    // No event could be noticed in the end of one turn and the beginning of the next.
    assert_eq!(statistics.worst_lag, Duration::from_millis(7));
    assert_eq!(statistics.longest_turn, Duration::from_millis(5));
}

#[test]
fn the_time_of_the_host_is_not_the_loops() {
    let mut simulation = Simulation::new(1, Options::new()).unwrap();
    let handle = simulation.handle();
    let mut host = simulation.host(()).unwrap();
    for _ in 0..3 {
        handle.pass(Duration::from_millis(50));
        host.event_loop
            .turn(&mut (), netloop::Wait::No, Budget::new())
            .unwrap();
    }
    let statistics = host.event_loop.statistics();
    assert_eq!(
        (statistics.busy, statistics.idle),
        (POLL * 3, Duration::ZERO)
    );
    assert_eq!(
        (statistics.worst_lag, statistics.longest_turn),
        Default::default()
    );
}

// libuv: a timer of 0 ms is no wait, and one turn.
#[test]
fn metrics_idle_time_zero() {
    let mut simulation = Simulation::new(1, Options::new()).unwrap();
    let mut event_loop: EventLoop<u64> = simulation.event_loop().unwrap();
    event_loop.after(Duration::ZERO, |cx| *cx.shared += 1);
    let mut calls = 0;
    event_loop.run(&mut calls).unwrap();
    let statistics = event_loop.statistics();
    assert_eq!((statistics.idle, statistics.turns), (Duration::ZERO, calls));
    // Later, in the middle of a millisecond, the timer waits for the next.
    event_loop.after(Duration::ZERO, |cx| *cx.shared += 1);
    event_loop.run(&mut calls).unwrap();
    let statistics = event_loop.statistics();
    assert!(
        statistics.idle <= Duration::from_millis(1),
        "{statistics:?}"
    );
    assert_eq!((statistics.turns, calls), (2, 2));
}

// libuv, exactly: a timer of 1000 ms whose callback takes 600 ms.
#[test]
fn metrics_idle_time() {
    let mut simulation = Simulation::new(1, Options::new()).unwrap();
    let handle = simulation.handle();
    let mut event_loop: EventLoop = simulation.event_loop().unwrap();
    event_loop.after(Duration::from_secs(1), move |_| {
        handle.pass(Duration::from_millis(600))
    });
    event_loop.run(&mut ()).unwrap();
    let statistics = event_loop.statistics();
    assert_eq!(statistics.busy, Duration::from_millis(600));
    assert_eq!(statistics.idle, Duration::from_secs(1) + POLL);
    assert!((statistics.utilization() - 0.375).abs() < 1e-6);
}
