//! News that came in time decides a passed deadline, however long it waited: behind a stall of the thread, or the
//! budgets of many turns. A peer that floods puts off no deadline but its own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use netloop::{
    Budget, CloseReason, ConnectOptions, Error, EventLoop, EventLoopOptions, HostQuery, Limits,
    Resolver, SocketId, SocketOptions, Wait,
};

use crate::support::{
    Arrival, PATIENCE, Peer, Recorder, Scene, Seen, World, let_time_pass, listener, spend,
};

/// A timeout that a stall of [`STALL`] passes.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(60);
pub(crate) const STALL: Duration = Duration::from_millis(130);
/// More sockets than a turn of one step serves.
const SOCKETS: usize = 8;

fn name(number: usize) -> String {
    format!("socket {number}")
}

/// Makes turns of `budget` until `done`.
#[track_caller]
pub(crate) fn drive_within(
    scene: &mut Scene,
    budget: Budget,
    mut done: impl FnMut(&mut Scene) -> bool,
) {
    let deadline = Instant::now() + PATIENCE;
    while !done(scene) {
        assert!(Instant::now() < deadline, "{}", scene.world.brief());
        let wait = Wait::For(Duration::from_millis(1));
        scene
            .event_loop
            .turn(&mut scene.world, wait, budget)
            .unwrap();
    }
}

/// The budgets of the tests, from the smallest on. Under each of them, most sockets wait for many turns.
pub(crate) fn budgets() -> [Budget; 4] {
    let budget = Budget::new();
    [
        budget.steps(1),
        budget.time(Duration::ZERO),
        budget.steps(3),
        budget.time(Duration::from_millis(2)),
    ]
}

/// Sockets whose handlers take longer than the budget, on a loop whose other handlers took it, too.
fn all_of(scene: &Scene, word: &str) -> usize {
    (0..SOCKETS)
        .filter(|&number| scene.world.has(&name(number), word))
        .count()
}

/// Lets every socket begin its connect to `address`, and the kernel end it.
fn dial(scene: &mut Scene, address: SocketAddr, recorder: impl Fn(String) -> Recorder) {
    let connect = |number| {
        let options = ConnectOptions::new().connect_timeout(TIMEOUT);
        scene.connect(address, options, recorder(name(number)))
    };
    let ids: Vec<SocketId> = (0..SOCKETS).map(connect).collect();
    scene.dial(SOCKETS.try_into().unwrap());
    scene.await_arrival(Arrival::Connected, ids);
}

// netty#9399
#[test]
fn a_connect_that_the_kernel_made_in_time_is_never_etimedout() {
    for budget in budgets() {
        let mut scene = Scene::new();
        let (_listener, address) = listener();
        dial(&mut scene, address, |name| {
            Recorder::new(name).on("connect", |_, _| spend(Duration::from_millis(3)))
        });
        spend(STALL);
        drive_within(&mut scene, budget, |scene| {
            all_of(scene, "connect") + all_of(scene, "close") == SOCKETS
        });
        for number in 0..SOCKETS {
            assert_eq!(scene.world.trace(&name(number)), "connect");
        }
    }
}

#[test]
fn a_refusal_that_came_in_time_is_told_as_a_refusal() {
    for budget in budgets() {
        let mut scene = Scene::new();
        let (listener, address) = listener();
        drop(listener);
        dial(&mut scene, address, Recorder::new);
        spend(STALL);
        drive_within(&mut scene, budget, |scene| {
            all_of(scene, "close") == SOCKETS
        });
        for number in 0..SOCKETS {
            let trace = scene.world.trace(&name(number));
            assert_eq!(trace, "error:ECONNREFUSED close:Error");
        }
    }
}

/// A resolver that answers with the loopback address twice, the second under another number.
fn two_addresses(first: IpAddr) -> Arc<dyn Resolver> {
    let second = IpAddr::V4(Ipv4Addr::new(127, 255, 255, 1));
    let found = vec![SocketAddr::new(first, 0), SocketAddr::new(second, 0)];
    Arc::new(move |_: &HostQuery<'_>| Ok(found.clone()))
}

/// A scene with one thread for all lookups: they end in their order.
fn scene_with_one_thread() -> Scene {
    let options = EventLoopOptions::new().limits(Limits::new().lookup_threads(1));
    Scene {
        event_loop: EventLoop::with_options(options).unwrap(),
        world: World::default(),
    }
}

/// Waits until the answers of all lookups that were asked for lie ready. The loop makes no turn meanwhile.
fn await_answers(scene: &mut Scene) {
    let (begun, behind) = mpsc::channel();
    // Asked once the thread has handed in the answers before.
    let last = move |_: &HostQuery<'_>| {
        begun.send(()).unwrap();
        Err(Error::with_code("ENOTFOUND", "there is no such name"))
    };
    let options = ConnectOptions::new().resolver(Arc::new(last));
    scene.connect(("last.test", 1), options, Recorder::new("last"));
    behind.recv_timeout(PATIENCE).unwrap();
}

#[test]
fn a_lookup_and_an_attempt_that_ended_in_time_are_not_late() {
    for budget in budgets() {
        let mut scene = scene_with_one_thread();
        let (_listener, address) = listener();
        for number in 0..SOCKETS {
            let options = ConnectOptions::new()
                .lookup_timeout(TIMEOUT)
                .attempt_delay(TIMEOUT)
                .resolver(two_addresses(address.ip()));
            let host = format!("host-{number}.test");
            scene.connect((host, address.port()), options, Recorder::new(name(number)));
        }
        await_answers(&mut scene);
        let_time_pass(STALL);
        let has_begun =
            |scene: &mut Scene| all_of(scene, "attempt") + all_of(scene, "close") == SOCKETS;
        drive_within(&mut scene, budget, has_begun);
        for number in 0..SOCKETS {
            let trace = scene.world.dialing(&name(number));
            assert!(trace.starts_with("lookup"), "{trace}");
            assert!(!trace.contains("error"), "{trace}");
        }
        // The kernel has made the first connect of each, which waits to be seen.
        spend(STALL);
        drive_within(&mut scene, budget, |scene| {
            all_of(scene, "connect") + all_of(scene, "close") == SOCKETS
        });
        for number in 0..SOCKETS {
            let name = name(number);
            assert!(scene.world.has(&name, "connect"), "{}", scene.world.brief());
            assert!(!scene.world.has(&name, "error"));
        }
    }
}

#[test]
fn an_attempt_that_the_kernel_made_in_time_is_not_called_slow() {
    for budget in budgets() {
        let mut scene = scene_with_one_thread();
        let (listener, address) = listener();
        for number in 0..SOCKETS {
            let options = ConnectOptions::new()
                .attempt_delay(TIMEOUT)
                .connect_timeout(4 * STALL)
                .resolver(two_addresses(address.ip()));
            let host = format!("host-{number}.test");
            scene.connect((host, address.port()), options, Recorder::new(name(number)));
        }
        await_answers(&mut scene);
        // Every first attempt is begun in one turn, and the kernel makes it.
        let mut first = None;
        listener.set_nonblocking(true).unwrap();
        scene.drive_with("a first attempt", |_| {
            first = listener.accept().ok();
            first.is_some()
        });
        let _others: Vec<Peer> = (1..SOCKETS).map(|_| Peer::accept(&listener)).collect();
        assert_eq!(all_of(&scene, "connect"), 0, "it waits to be seen");
        spend(STALL);
        drive_within(&mut scene, budget, |scene| {
            all_of(scene, "connect") + all_of(scene, "close") == SOCKETS
        });
        assert_eq!(all_of(&scene, "connect"), SOCKETS);
        assert_eq!(all_of(&scene, "attempt-timeout"), 0, "none was slow");
    }
}

/// Sockets of ours, each with its peer.
fn pairs(scene: &mut Scene, options: &SocketOptions, count: usize) -> (Vec<SocketId>, Vec<Peer>) {
    let pairs =
        (0..count).map(|number| scene.adopted(options.clone(), Recorder::new(name(number))));
    pairs.unzip()
}

#[test]
fn a_close_that_the_peer_answered_in_time_is_graceful() {
    for budget in budgets() {
        let mut scene = Scene::new();
        let options = SocketOptions::new().close_timeout(TIMEOUT);
        let (ids, mut peers) = pairs(&mut scene, &options, SOCKETS);
        for &id in &ids {
            scene.socket(id).end();
        }
        scene.event_loop.flush(Budget::new());
        for peer in &mut peers {
            peer.write(b"bye");
            peer.half_close();
        }
        scene.await_arrival(Arrival::End, ids);
        spend(STALL);
        drive_within(&mut scene, budget, |scene| {
            all_of(scene, "close") == SOCKETS
        });
        for number in 0..SOCKETS {
            let trace = scene.world.trace(&name(number));
            assert_eq!(trace, "data:bye end close:Graceful");
        }
    }
}

#[test]
fn an_idle_timeout_counts_bytes_that_wait_in_the_kernel() {
    for budget in budgets() {
        let mut scene = Scene::new();
        let (ids, mut peers) = pairs(&mut scene, &SocketOptions::new(), SOCKETS);
        scene.settle();
        for (&id, peer) in ids.iter().zip(&mut peers) {
            scene.socket(id).set_idle_timeout(TIMEOUT);
            peer.write(b"x");
        }
        scene.await_arrival(Arrival::Bytes, ids);
        spend(STALL);
        drive_within(&mut scene, budget, |scene| {
            all_of(scene, "data") + all_of(scene, "timeout") == 2 * SOCKETS
        });
        // Each byte is told before its own timeout, and the next timeout counts from then on.
        for number in 0..SOCKETS {
            let name = name(number);
            assert_eq!(scene.world.trace(&name), "data:x timeout", "{budget:?}");
            let [data, timeout] = ["data", "timeout"].map(|word| scene.world.time_of(&name, word));
            assert!(timeout - data >= TIMEOUT, "{:?}", timeout - data);
        }
    }
}

// A timer of a socket, such as the limit for an answer: the answer in the kernel cancels it.
#[test]
fn a_timer_is_told_behind_the_bytes_that_came_before_it() {
    for budget in budgets() {
        let mut scene = Scene::new();
        let mut sockets = Vec::new();
        for number in 0..SOCKETS {
            let cancelling = Recorder::new(name(number)).on("data", |cx, _| {
                cx.socket.cancel(1);
            });
            sockets.push(scene.adopted(SocketOptions::new(), cancelling));
        }
        scene.settle();
        // No turn comes between the timer and its answer, however slow the machine is.
        for (id, peer) in &mut sockets {
            scene.socket(*id).after(TIMEOUT, 1);
            peer.write(b"x");
        }
        scene.await_arrival(Arrival::Bytes, sockets.iter().map(|(id, _)| *id));
        spend(STALL);
        drive_within(&mut scene, budget, |scene| all_of(scene, "data") == SOCKETS);
        drive_within(&mut scene, budget, |scene| {
            scene.event_loop.poll_timeout() != Some(Duration::ZERO)
        });
        assert_eq!(all_of(&scene, "timer"), 0, "its answer had come");
    }
}

#[test]
fn a_timer_that_the_bytes_before_it_put_off_is_not_early() {
    let mut scene = Scene::new();
    let putting_off = Recorder::new("us").on("data", |cx, _| {
        cx.socket.after(TIMEOUT, 1);
    });
    let (id, mut peer) = scene.adopted(SocketOptions::new(), putting_off);
    scene.socket(id).after(TIMEOUT, 1);
    peer.write(b"x");
    scene.await_arrival(Arrival::Bytes, [id]);
    spend(STALL);
    let begun = Instant::now();
    drive_within(&mut scene, Budget::new().steps(1), |scene| {
        scene.world.has("us", "timer")
    });
    assert!(begun.elapsed() >= TIMEOUT, "after {:?}", begun.elapsed());
    assert_eq!(scene.world.trace("us"), "data:x timer:1");
}

#[test]
fn a_flood_puts_off_no_timer_by_more_than_one_read() {
    for budget in [Budget::new(), Budget::new().steps(1)] {
        let mut scene = Scene::new();
        let (ours, mut peer) = Peer::roomy_pair();
        let id = scene
            .event_loop
            .adopt(ours, SocketOptions::new(), Recorder::new("us"))
            .unwrap();
        scene.begin_filters(id, &mut peer);
        scene.socket(id).after(TIMEOUT, 1);
        let flood = vec![b'x'; 256 << 10];
        while peer.write_some(&flood) > 0 {}
        spend(STALL);
        // Of the turns from now on, the first comes after the deadline.
        let mut reads = 0;
        while !scene.world.has("us", "timer") {
            let turn = scene.event_loop.turn(&mut scene.world, Wait::No, budget);
            reads += turn.unwrap().events;
            peer.write_some(&flood);
            assert!(reads < 100, "the timer never comes");
        }
        let is_read = |seen: &Seen| matches!(seen, Seen::Data(_));
        let told = scene.world.log.iter().map(|event| &event.seen);
        let before = told.take_while(|seen| is_read(seen)).count();
        // Two of the turn, for a socket that waits alone, and the read that the deadline is given. With the budget: one of
        // the turn before the deadline's part, the deadline's own, and one of the turn until its next part.
        assert!(before <= 3, "{before} reads");
    }
}

#[test]
fn busy_neighbours_keep_no_deadline_from_coming() {
    let mut scene = Scene::new();
    let nobody = crate::support::BlackHole::new();
    let options = ConnectOptions::new().connect_timeout(TIMEOUT);
    let begun = Instant::now();
    scene.connect(nobody.address(), options, Recorder::new("dialing"));
    let (ours, mut peer) = Peer::roomy_pair();
    scene
        .event_loop
        .adopt(ours, SocketOptions::new(), Recorder::new("busy"))
        .unwrap();
    drive_within(&mut scene, Budget::new().steps(1), |scene| {
        peer.write_some(b"x");
        scene.world.has("dialing", "close")
    });
    assert!(begun.elapsed() >= TIMEOUT);
    assert_eq!(
        scene.world.close_reason("dialing"),
        Some(CloseReason::TimedOut)
    );
}

// A notice comes before all else, and does not count as the service.
#[test]
fn a_deadline_waits_for_the_read_behind_notices() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.adopted(SocketOptions::new(), Recorder::new("us"));
    scene.settle();
    assert_eq!(scene.socket(id).write(b"y"), netloop::Flow::Open);
    scene.socket(id).set_idle_timeout(TIMEOUT);
    scene.socket(id).notify_when_sent(1);
    peer.write(b"x");
    scene.await_arrival(Arrival::Bytes, [id]);
    spend(STALL);
    drive_within(&mut scene, Budget::new().steps(1), |scene| {
        scene.world.has("us", "data")
    });
    assert!(!scene.world.has("us", "timeout"), "{}", scene.world.brief());
}

#[test]
fn a_paused_socket_times_out_with_bytes_unread() {
    let mut scene = Scene::new();
    let options = SocketOptions::new().idle_timeout(TIMEOUT);
    let (id, mut peer) = scene.adopted(options, Recorder::new("us"));
    scene.socket(id).pause();
    peer.write(b"x");
    scene.drive_until("us", "timeout");
    assert_eq!(scene.world.trace("us"), "timeout");
}
