//! Waits finer than a millisecond, and a descriptor that is enough by itself (feature `precise`, Linux).
//!
//! The rules: I8, I10.

use std::cell::Cell;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use netloop::{
    Budget, EventLoop, EventLoopOptions, Flow, ListenOptions, LoopContext, SocketOptions, Wait,
};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use crate::support::{PATIENCE, Peer, Recorder, Scene, Seen, World, spend};

const MICROSECOND: Duration = Duration::from_micros(1);
const MILLISECOND: Duration = Duration::from_millis(1);

fn precise<S>() -> EventLoop<S> {
    EventLoop::with_options(EventLoopOptions::new().precise(true)).unwrap()
}

// The wait of epoll alone makes a millisecond of it.
#[test]
fn waits_and_timers_of_a_part_of_a_millisecond_end_within_it() {
    let mut event_loop: EventLoop<u32> = precise();
    let asked = MICROSECOND * 300;
    let (mut shortest_wait, mut shortest_timer) = (PATIENCE, PATIENCE);
    let mut fired = 0;
    // A busy machine makes many of them late, but not all.
    for _ in 0..2_000 {
        let begun = Instant::now();
        event_loop.run_until(&mut fired, begun + asked).unwrap();
        assert!(begun.elapsed() >= asked, "a wait ended early");
        shortest_wait = shortest_wait.min(begun.elapsed());

        let begun = Instant::now();
        event_loop.after(asked, |cx: &mut LoopContext<'_, u32>| *cx.shared += 1);
        event_loop.run(&mut fired).unwrap();
        assert!(begun.elapsed() >= asked, "a timer fired early");
        shortest_timer = shortest_timer.min(begun.elapsed());
        if shortest_wait.max(shortest_timer) < MILLISECOND / 2 {
            break;
        }
    }
    assert!(fired > 0);
    assert!(shortest_wait < MILLISECOND, "{shortest_wait:?}");
    assert!(shortest_timer < MILLISECOND, "{shortest_timer:?}");
}

// I8, E1: in the order of the deadlines, which differ by microseconds.
#[test]
fn precise_timers_come_in_order_once_and_never_early() {
    let mut event_loop: EventLoop<Vec<(Duration, Duration)>> = precise();
    let mut random = fastrand::Rng::with_seed(3);
    for _ in 0..500 {
        let asked = Duration::from_nanos(random.u64(0..20_000_000));
        let armed = Instant::now();
        let id = event_loop.after(asked, move |cx: &mut LoopContext<'_, Vec<_>>| {
            cx.shared.push((asked, armed.elapsed()));
        });
        let due = event_loop.timer(id).due_at().unwrap();
        assert!(due >= armed + asked && due <= Instant::now() + asked + MICROSECOND);
    }
    let mut fired = Vec::new();
    event_loop.run(&mut fired).unwrap();
    assert_eq!(fired.len(), 500);
    for (asked, waited) in fired {
        assert!(waited >= asked, "{asked:?} came after {waited:?}");
    }
    // All are due in the same turn.
    let mut event_loop: EventLoop<Vec<Instant>> = precise();
    let mut order: Vec<Instant> = (0..100)
        .map(|_| {
            let id = Rc::new(Cell::new(None));
            let own = Rc::clone(&id);
            let asked = Duration::from_nanos(random.u64(0..900_000));
            let timer = event_loop.after(asked, move |cx| cx.shared.extend(own.get()));
            let due = event_loop.timer(timer).due_at();
            id.set(due);
            due.unwrap()
        })
        .collect();
    spend(MILLISECOND);
    let mut told = Vec::new();
    event_loop.turn(&mut told, Wait::No, Budget::new()).unwrap();
    order.sort();
    assert_eq!(told, order);
}

// Deadlines of sockets keep their milliseconds in such a loop.
#[test]
fn idle_timeouts_of_a_precise_loop_are_never_early() {
    let mut scene = precise_scene(EventLoopOptions::new().precise(true));
    let timeout = MILLISECOND * 20;
    let (_, mut peer) = scene.accepted(
        SocketOptions::new().idle_timeout(timeout),
        Recorder::new("socket"),
    );
    for _ in 0..5 {
        let written = Instant::now();
        peer.write(b"x");
        let before = scene.world.count("socket", "timeout");
        scene.drive_with("a timeout", |scene| {
            scene.world.count("socket", "timeout") > before
        });
        assert!(written.elapsed() >= timeout);
    }
}

#[test]
fn a_cancelled_deadline_does_not_end_a_precise_wait() {
    let mut scene = precise_scene(EventLoopOptions::new().precise(true));
    let (_, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("socket"));
    scene.settle();
    let timer = scene
        .event_loop
        .after(MILLISECOND * 50, |_| panic!("cancelled"));
    // A byte ends the wait that has set the alarm.
    peer.write(b"x");
    scene.turn_within(Wait::Forever);
    assert!(scene.event_loop.timer(timer).cancel());
    for wait in [MILLISECOND * 100, MICROSECOND * 700] {
        let begun = Instant::now();
        let turn = scene.turn_within(Wait::For(wait));
        assert_eq!(turn.timers, 0);
        assert!(begun.elapsed() >= wait, "{:?}", begun.elapsed());
    }
}

#[test]
fn a_precise_wait_ends_at_the_first_byte() {
    let mut scene = precise_scene(EventLoopOptions::new().precise(true));
    let (_, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("socket"));
    scene.settle();
    let writing = thread::spawn(move || {
        peer.write(b"x");
        peer
    });
    let begun = Instant::now();
    while scene.world.received("socket").is_empty() {
        scene.turn_within(Wait::For(PATIENCE));
    }
    assert!(begun.elapsed() < PATIENCE);
    writing.join().unwrap();
}

fn precise_scene(options: EventLoopOptions) -> Scene {
    Scene {
        event_loop: EventLoop::with_options(options).unwrap(),
        world: World::default(),
    }
}

/// A host that can watch descriptors and nothing else: no timeout, and no question to the loop.
struct DescriptorHost {
    poll: Poll,
    events: Events,
    turns: u32,
}

impl DescriptorHost {
    fn of(scene: &Scene) -> Self {
        let poll = Poll::new().unwrap();
        let descriptor = scene.event_loop.as_fd().as_raw_fd();
        poll.registry()
            .register(&mut SourceFd(&descriptor), Token(0), Interest::READABLE)
            .unwrap();
        Self {
            poll,
            events: Events::with_capacity(8),
            turns: 0,
        }
    }

    /// Whether the descriptor tells something new within `limit`.
    fn hears(&mut self, limit: Duration) -> bool {
        self.poll.poll(&mut self.events, Some(limit)).unwrap();
        !self.events.is_empty()
    }

    #[track_caller]
    fn drive(&mut self, scene: &mut Scene, mut done: impl FnMut(&mut Scene) -> bool) {
        while !done(scene) {
            assert!(self.hears(PATIENCE), "the descriptor does not tell");
            scene.turn();
            self.turns += 1;
        }
    }
}

fn host_scene() -> Scene {
    precise_scene(EventLoopOptions::new().descriptor_only(true))
}

fn echo(name: &str) -> Recorder {
    Recorder::new(name).reacting(|cx, seen| {
        if let Seen::Data(bytes) = seen {
            assert!(cx.socket.write(bytes).is_accepted());
        }
    })
}

// For sd_event, libevent, asio and Qt.
#[test]
fn the_descriptor_alone_is_enough_for_sockets_and_timers() {
    let mut scene = host_scene();
    let mut host = DescriptorHost::of(&scene);
    let (_, address) = scene.listen(ListenOptions::new(), |_| echo("socket"));
    let client = thread::spawn(move || {
        let mut peer = Peer::connect(address).into_stream();
        for round in 0..100_u8 {
            peer.write_all(&[round; 1000]).unwrap();
            let mut answer = [0; 1000];
            peer.read_exact(&mut answer).unwrap();
            assert_eq!(answer, [round; 1000]);
        }
    });
    let begun = Instant::now();
    fn tick(cx: &mut LoopContext<'_, World>) {
        cx.shared.note("tick");
        if cx.shared.notes.len() < 20 {
            cx.after(MILLISECOND, tick);
        }
    }
    scene.event_loop.after(MILLISECOND, tick);
    host.drive(&mut scene, |scene| {
        scene.world.close_reason("socket").is_some() && scene.world.notes.len() == 20
    });
    client.join().unwrap();
    assert!(begun.elapsed() >= MILLISECOND * 20);
}

// At rest: a far deadline, and idle connections.
#[test]
fn a_loop_at_rest_wakes_no_descriptor_only_host() {
    let mut scene = host_scene();
    let mut host = DescriptorHost::of(&scene);
    let (_, _peer) = scene.accepted(SocketOptions::new(), Recorder::new("socket"));
    scene.settle();
    scene
        .event_loop
        .after(Duration::from_secs(1), |cx| cx.shared.note("timer"));
    host.drive(&mut scene, |scene| !scene.world.notes.is_empty());
    // One for the change, one for the deadline, and one in which the wheel moves the deadline down.
    assert!(host.turns <= 4, "{} turns in a second", host.turns);
}

#[test]
fn every_change_by_the_host_makes_the_descriptor_readable() {
    let mut scene = host_scene();
    let mut host = DescriptorHost::of(&scene);
    let (id, _peer) = scene.accepted(SocketOptions::new(), Recorder::new("socket"));
    let ever = scene.event_loop.after(PATIENCE, |_| {});
    type Ask = fn(&mut Scene, netloop::SocketId);
    let asks: [(&str, Ask); 9] = [
        ("a write", |scene, id| {
            assert_eq!(scene.socket(id).write(b"x"), Flow::Open);
        }),
        ("a deferred call", |scene, _| {
            scene.event_loop.defer(|cx| cx.shared.note("deferred"));
        }),
        ("a post", |scene, _| {
            scene.event_loop.remote().post(|_| {}).unwrap();
        }),
        ("a timer", |scene, _| {
            scene.event_loop.after(Duration::ZERO, |_| {});
        }),
        ("a timeout", |scene, id| {
            scene.socket(id).set_idle_timeout(Some(PATIENCE));
        }),
        ("a stop", |scene, _| scene.event_loop.stop()),
        ("a hook", |scene, _| {
            let hook = scene.event_loop.on_prepare(|_| {});
            scene.event_loop.hook(hook).remove();
        }),
        ("a listener", |scene, _| {
            scene.listen(ListenOptions::new(), |_| echo("other"));
        }),
        ("a close", |scene, id| scene.socket(id).destroy()),
    ];
    for (what, ask) in asks {
        // To rest, by the descriptor alone.
        while host.hears(MILLISECOND * 2) {
            scene.turn();
        }
        ask(&mut scene, id);
        assert!(host.hears(PATIENCE), "{what}");
        scene.turn();
    }
    assert!(scene.event_loop.timer(ever).cancel());
}

// A socket that a budget has left unserved has its readiness in the loop, and none in the kernel.
#[test]
fn leftovers_of_a_budget_keep_the_descriptor_readable() {
    let mut scene = host_scene();
    let mut host = DescriptorHost::of(&scene);
    let (server, address) = scene.listen(ListenOptions::new(), |number| {
        Recorder::new(format!("socket {number}"))
    });
    let mut peers: Vec<Peer> = (0..10).map(|_| Peer::connect(address)).collect();
    host.drive(&mut scene, |scene| {
        scene.event_loop.server(server).connection_count() == 10
    });
    for peer in &mut peers {
        peer.write(b"x");
    }
    let budget = Budget::new().steps(1);
    while (0..10).any(|number| scene.world.received(&format!("socket {number}")).is_empty()) {
        assert!(host.hears(PATIENCE), "the descriptor does not tell");
        scene
            .event_loop
            .turn(&mut scene.world, Wait::No, budget)
            .unwrap();
    }
    scene.event_loop.set_busy(true);
    for _ in 0..3 {
        assert!(host.hears(PATIENCE));
        assert!(scene.turn().more);
    }
    scene.event_loop.set_busy(false);
    while host.hears(MILLISECOND * 2) {
        scene.turn();
    }
    assert_eq!(scene.event_loop.poll_timeout(), None);
}

#[test]
fn a_caught_panic_leaves_a_turn_that_the_host_makes() {
    let mut scene = host_scene();
    let mut host = DescriptorHost::of(&scene);
    scene.event_loop.defer(|_| panic!("a callback"));
    scene.event_loop.defer(|cx| cx.shared.note("the next"));
    assert!(host.hears(PATIENCE));
    assert!(catch_unwind(AssertUnwindSafe(|| scene.turn())).is_err());
    assert_eq!(scene.event_loop.poll_timeout(), Some(Duration::ZERO));
    // A call of the host tells of it, too.
    assert!(!host.hears(Duration::ZERO));
    scene.event_loop.defer(|_| {});
    assert!(host.hears(PATIENCE));
    scene.turn();
    assert_eq!(scene.world.notes, ["the next"]);
}

/// A loop of its own over a timerfd, as bare as it can be with the same selector.
struct Bare {
    poll: Poll,
    events: Events,
    timer: OwnedFd,
}

impl Bare {
    fn new() -> Self {
        let poll = Poll::new().unwrap();
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK).unwrap();
        poll.registry()
            .register(
                &mut SourceFd(&timer.as_raw_fd()),
                Token(0),
                Interest::READABLE,
            )
            .unwrap();
        let events = Events::with_capacity(8);
        Self {
            poll,
            events,
            timer,
        }
    }

    fn wait(&mut self, time: Duration) {
        let zero = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let spec = Itimerspec {
            it_interval: zero,
            it_value: Timespec {
                tv_sec: 0,
                tv_nsec: time.subsec_nanos().into(),
            },
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &spec).unwrap();
        self.poll.poll(&mut self.events, None).unwrap();
    }
}

#[test]
#[ignore = "a measurement, which prints its figures"]
fn half_of_the_waits_are_as_short_as_with_a_bare_timerfd() {
    let asked = MICROSECOND * 500;
    let (mut bare, mut event_loop) = (Bare::new(), precise::<u32>());
    let mut times: [Vec<Duration>; 4] = Default::default();
    for _ in 0..4_000 {
        let begun = Instant::now();
        bare.wait(asked);
        times[0].push(begun.elapsed());
        let begun = Instant::now();
        let _ = event_loop
            .turn(&mut 0, Wait::For(asked), Budget::new())
            .unwrap();
        times[1].push(begun.elapsed());
        let begun = Instant::now();
        event_loop.run_until(&mut 0, begun + asked).unwrap();
        times[2].push(begun.elapsed());
        let begun = Instant::now();
        event_loop.after(asked, |_| {});
        event_loop.run(&mut 0).unwrap();
        times[3].push(begun.elapsed());
    }
    let names = ["bare timerfd", "turn(For)", "run_until", "after"];
    for (name, times) in names.iter().zip(&mut times) {
        times.sort_unstable();
        let at = |part: usize| times[times.len() * part / 100];
        println!(
            "{name}: median {:?}, 90 % {:?}, 99 % {:?}",
            at(50),
            at(90),
            at(99)
        );
    }
    let median = |times: &[Duration]| times[times.len() / 2];
    let [bare, ours @ ..] = &times;
    for (name, times) in names[1..].iter().zip(ours) {
        let late = median(times).saturating_sub(median(bare));
        assert!(late <= MICROSECOND * 10, "{name}: {late:?} later");
    }
}
