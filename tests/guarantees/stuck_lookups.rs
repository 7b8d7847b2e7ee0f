//! A lookup that hangs costs the sockets that waited for it, and no later socket of the same name. The threads and the queue
//! have limits. The file is long because one resolver that hangs serves all of these tests.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use netloop::{
    ConnectOptions, EventLoop, EventLoopOptions, Family, HostQuery, Limits, ListenOptions,
    Resolver, SocketId, SocketOptions,
};

use crate::support::{
    Disturbed, PATIENCE, Reception, Recorder, Scene, World, host, let_time_pass, until_undisturbed,
};

const NAME: &str = "example.invalid";
const SHORT: Duration = Duration::from_millis(50);

/// A resolver whose first calls hang until the test opens them, and whose later calls answer at once.
struct Stuck {
    state: Mutex<State>,
    opened: Condvar,
    /// The address of the test's server. Each thread has its own hosts, and the resolver runs on other threads.
    found: IpAddr,
}

#[derive(Default)]
struct State {
    asked: Vec<String>,
    /// The number of calls that hang, and whether each of them may answer.
    hanging: usize,
    open: Vec<bool>,
}

impl Stuck {
    /// A resolver whose first `hanging` calls hang.
    fn new(hanging: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                hanging,
                open: vec![false; hanging],
                ..State::default()
            }),
            opened: Condvar::new(),
            found: host("host1"),
        })
    }

    fn open(&self, call: usize) {
        self.state.lock().unwrap().open[call] = true;
        self.opened.notify_all();
    }

    fn asked(&self) -> usize {
        self.state.lock().unwrap().asked.len()
    }

    fn names(&self) -> Vec<String> {
        self.state.lock().unwrap().asked.clone()
    }
}

impl Resolver for Stuck {
    fn resolve(&self, query: &HostQuery<'_>) -> netloop::Result<Vec<SocketAddr>> {
        let mut state = self.state.lock().unwrap();
        let call = state.asked.len();
        state.asked.push(query.host.to_owned());
        if call < state.hanging {
            let wait = self
                .opened
                .wait_timeout_while(state, PATIENCE, |it| !it.open[call]);
            drop(wait.unwrap().0);
            // No server is at this address, so that a wrong delivery shows.
            return Ok(vec![SocketAddr::new(IpAddr::from([127, 0, 0, 9]), 0)]);
        }
        Ok(vec![SocketAddr::new(self.found, 0)])
    }
}

fn options(stuck: &Arc<Stuck>, timeout: Duration) -> ConnectOptions {
    let resolver: Arc<dyn Resolver> = stuck.clone();
    ConnectOptions::new()
        .resolver(resolver)
        .lookup_timeout(timeout)
}

fn scene_with_server() -> (Scene, u16) {
    let mut scene = Scene::new();
    let (_, address) = scene.listen(ListenOptions::new(), |_| Recorder::new("accepted"));
    (scene, address.port())
}

fn wait_for_call(scene: &mut Scene, stuck: &Arc<Stuck>, calls: usize) {
    scene.drive_with("the call", |_| stuck.asked() >= calls);
}

#[test]
fn a_lookup_that_timed_out_is_asked_again() {
    let (mut scene, port) = scene_with_server();
    let stuck = Stuck::new(1);
    scene.connect((NAME, port), options(&stuck, SHORT), Recorder::new("first"));
    scene.drive_to_close("first");
    assert_eq!(scene.world.error("first").code(), "ETIMEDOUT");
    for name in ["second", "third"] {
        scene.connect((NAME, port), options(&stuck, PATIENCE), Recorder::new(name));
        scene.drive_until(name, "connect");
    }
    assert_eq!(stuck.asked(), 3);
    stuck.open(0);
    scene.settle();
    assert_eq!(scene.world.count("first", "lookup"), 1, "its failure alone");
}

#[test]
fn a_new_socket_does_not_join_a_lookup_that_all_have_left() {
    let (mut scene, port) = scene_with_server();
    let stuck = Stuck::new(1);
    let first = scene.connect(
        (NAME, port),
        options(&stuck, PATIENCE),
        Recorder::new("first"),
    );
    wait_for_call(&mut scene, &stuck, 1);
    // Without a turn in between, so the close is still to come.
    scene.socket(first).destroy();
    scene.connect(
        (NAME, port),
        options(&stuck, PATIENCE),
        Recorder::new("second"),
    );
    scene.drive_until("second", "connect");
    stuck.open(0);
    scene.settle();
    assert_eq!(scene.world.dialing("first"), "close:Local");
}

/// The time for which sockets join a lookup. Two that a busy machine lets ask further apart from each other may ask twice.
const JOINED: Duration = Duration::from_millis(100);

#[test]
fn a_timeout_of_one_socket_asks_again_for_the_others() {
    until_undisturbed(|| {
        let (mut scene, port) = scene_with_server();
        let stuck = Stuck::new(1);
        let begun = Instant::now();
        for (name, timeout) in [("impatient", SHORT), ("patient", PATIENCE)] {
            scene.connect((NAME, port), options(&stuck, timeout), Recorder::new(name));
        }
        if begun.elapsed() >= JOINED {
            return Disturbed::Yes;
        }
        scene.drive_until("impatient", "lookup");
        assert!(!scene.world.has("patient", "lookup"), "one answer for both");
        scene.drive_to_close("impatient");
        scene.drive_until("patient", "connect");
        assert_eq!(stuck.asked(), 2);
        stuck.open(0);
        scene.settle();
        assert_eq!(scene.world.count("patient", "lookup"), 1);
        Disturbed::No
    });
}

#[test]
fn sockets_that_time_out_together_ask_at_most_once_more() {
    until_undisturbed(|| {
        let mut scene = Scene::new();
        let stuck = Stuck::new(4);
        let names: Vec<String> = (0..20).map(|number| number.to_string()).collect();
        let begun = Instant::now();
        for name in &names {
            let recorder = Recorder::new(name.clone());
            scene.connect((NAME, 1), options(&stuck, SHORT), recorder);
        }
        let patient = options(&stuck, PATIENCE);
        scene.connect((NAME, 1), patient, Recorder::new("patient"));
        let have_asked_together = begun.elapsed() < JOINED;
        for name in &names {
            scene.drive_to_close(name);
        }
        // The second lookup began when the first timeout had passed.
        if !have_asked_together || begun.elapsed() >= SHORT + JOINED {
            return Disturbed::Yes;
        }
        wait_for_call(&mut scene, &stuck, 2);
        scene.settle();
        assert_eq!(stuck.asked(), 2);
        stuck.open(1);
        scene.drive_to_close("patient");
        assert_eq!(scene.world.count("patient", "lookup"), 1);
        stuck.open(0);
        Disturbed::No
    });
}

#[test]
fn a_late_answer_still_reaches_a_socket_that_waits() {
    until_undisturbed(|| {
        let mut scene = Scene::new();
        let stuck = Stuck::new(2);
        let begun = Instant::now();
        for (name, timeout) in [("impatient", SHORT), ("patient", PATIENCE)] {
            scene.connect((NAME, 1), options(&stuck, timeout), Recorder::new(name));
        }
        if begun.elapsed() >= JOINED {
            return Disturbed::Yes;
        }
        scene.drive_to_close("impatient");
        wait_for_call(&mut scene, &stuck, 2);
        stuck.open(0);
        scene.drive_to_close("patient");
        let dialing = scene.world.dialing("patient");
        assert!(dialing.contains("attempt-failed:127.0.0.9"), "{dialing}");
        stuck.open(1);
        scene.settle();
        assert_eq!(scene.world.count("patient", "lookup"), 1);
        Disturbed::No
    });
}

#[test]
fn another_family_of_a_name_is_another_lookup() {
    let (mut scene, port) = scene_with_server();
    let stuck = Stuck::new(1);
    scene.connect(
        (NAME, port),
        options(&stuck, PATIENCE),
        Recorder::new("both"),
    );
    wait_for_call(&mut scene, &stuck, 1);
    let v4 = options(&stuck, PATIENCE).family(Family::IPv4);
    scene.connect((NAME, port), v4, Recorder::new("v4"));
    scene.drive_until("v4", "connect");
    stuck.open(0);
}

/// A time after which a lookup counts as slow.
const SLOW: Duration = Duration::from_millis(110);

/// Lets a lookup of [`NAME`] become slow, for a socket without a timeout.
fn begin_slow_lookup(scene: &mut Scene, port: u16, stuck: &Arc<Stuck>, name: &str) -> SocketId {
    let first = ConnectOptions::new().resolver(stuck.clone() as Arc<dyn Resolver>);
    let first = first.lookup_timeout(None);
    let id = scene.connect((NAME, port), first, Recorder::new(name));
    wait_for_call(scene, stuck, 1);
    let_time_pass(SLOW);
    id
}

#[test]
fn a_socket_that_joins_a_slow_lookup_asks_anew() {
    until_undisturbed(|| {
        let (mut scene, port) = scene_with_server();
        let stuck = Stuck::new(1);
        begin_slow_lookup(&mut scene, port, &stuck, "first");
        let wait = options(&stuck, PATIENCE);
        let begun = Instant::now();
        for name in ["second", "third"] {
            scene.connect((NAME, port), wait.clone(), Recorder::new(name));
        }
        if begun.elapsed() >= JOINED {
            return Disturbed::Yes;
        }
        // The answer is for all that wait, also for the socket whose own call hangs.
        for name in ["first", "second", "third"] {
            scene.drive_until(name, "connect");
            assert_eq!(scene.world.count(name, "lookup"), 1);
        }
        assert_eq!(stuck.asked(), 2, "two that join together ask once");
        stuck.open(0);
        scene.settle();
        assert_eq!(scene.world.count("first", "lookup"), 1);
        Disturbed::No
    });
}

#[test]
fn a_connect_that_joins_a_slow_lookup_of_a_server_asks_anew() {
    let (mut scene, port) = scene_with_server();
    let stuck = Stuck::new(1);
    let resolver: Arc<dyn Resolver> = stuck.clone();
    let server = Reception::new("server", |_| Recorder::new("accepted"));
    scene.serve((NAME, 0), ListenOptions::new().resolver(resolver), server);
    wait_for_call(&mut scene, &stuck, 1);
    let_time_pass(SLOW);
    let wait = options(&stuck, PATIENCE);
    scene.connect((NAME, port), wait, Recorder::new("us"));
    scene.drive_until("us", "connect");
    scene.drive_until("server", "listening");
    stuck.open(0);
}

#[test]
fn a_server_that_joins_a_slow_lookup_asks_anew() {
    let (mut scene, port) = scene_with_server();
    let stuck = Stuck::new(1);
    begin_slow_lookup(&mut scene, port, &stuck, "first");
    let resolver: Arc<dyn Resolver> = stuck.clone();
    let server = Reception::new("second", |_| Recorder::new("accepted"));
    scene.serve((NAME, 0), ListenOptions::new().resolver(resolver), server);
    scene.drive_until("second", "listening");
    stuck.open(0);
}

#[test]
fn a_slow_lookup_that_its_first_socket_leaves_is_asked_again() {
    let (mut scene, port) = scene_with_server();
    let stuck = Stuck::new(1);
    let wait = options(&stuck, PATIENCE);
    let first = scene.connect((NAME, port), wait.clone(), Recorder::new("first"));
    // Together with the first, so that it joins.
    scene.connect((NAME, port), wait, Recorder::new("second"));
    wait_for_call(&mut scene, &stuck, 1);
    let_time_pass(SLOW);
    scene.socket(first).destroy();
    scene.drive_until("second", "connect");
    stuck.open(0);
}

// Each of the first calls hangs, and all but one of the threads are taken.
#[test]
fn slow_lookups_of_a_name_leave_a_thread_for_others() {
    let (mut scene, port) = scene_with_server();
    let stuck = Stuck::new(3);
    begin_slow_lookup(&mut scene, port, &stuck, "0");
    let wait = options(&stuck, PATIENCE);
    for name in ["1", "2", "3", "4"] {
        scene.connect((NAME, port), wait.clone(), Recorder::new(name));
        let_time_pass(SLOW);
        scene.settle();
    }
    wait_for_call(&mut scene, &stuck, 3);
    scene.settle();
    assert_eq!(stuck.asked(), 3);
    scene.connect(("other.invalid", port), wait, Recorder::new("other"));
    scene.drive_until("other", "connect");
    // The first answer of any call is for all.
    stuck.open(1);
    for name in ["0", "1", "2", "3", "4"] {
        scene.drive_until(name, "lookup");
    }
    stuck.open(0);
    stuck.open(2);
}

#[test]
fn a_lookup_that_no_socket_waits_for_takes_no_thread() {
    let stuck = Stuck::new(1);
    let event_loop =
        EventLoop::with_options(EventLoopOptions::new().limits(Limits::new().lookup_threads(1)));
    let mut scene = Scene {
        event_loop: event_loop.unwrap(),
        world: World::default(),
    };
    let (_, address) = scene.listen(SocketOptions::new(), |_| Recorder::new("accepted"));
    let port = address.port();
    let wait = options(&stuck, PATIENCE);
    scene.connect(
        ("stuck.invalid", port),
        wait.clone(),
        Recorder::new("stuck"),
    );
    wait_for_call(&mut scene, &stuck, 1);
    let given_up = scene.connect(
        ("given-up.invalid", port),
        wait.clone(),
        Recorder::new("given up"),
    );
    scene.connect(("wanted.invalid", port), wait, Recorder::new("wanted"));
    scene.socket(given_up).destroy();
    scene.drive_to_close("given up");
    stuck.open(0);
    scene.drive_until("wanted", "connect");
    assert_eq!(stuck.names(), ["stuck.invalid", "wanted.invalid"]);
}

#[test]
fn a_server_that_closes_during_its_lookup_leaves_no_stuck_name() {
    let mut scene = Scene::new();
    let stuck = Stuck::new(1);
    let resolver: Arc<dyn Resolver> = stuck.clone();
    let options = ListenOptions::new().resolver(resolver);
    let first = Reception::new("first", |_| Recorder::new("accepted"));
    let first = scene.serve((NAME, 0), options.clone(), first);
    wait_for_call(&mut scene, &stuck, 1);
    scene.close(first);
    let second = Reception::new("second", |_| Recorder::new("accepted"));
    scene.serve((NAME, 0), options, second);
    scene.drive_until("second", "listening");
    stuck.open(0);
    scene.settle();
    assert!(!scene.world.has("first", "listening"));
}

/// A scene with one thread for lookups and a queue for `waiting`.
fn scene_with_one_thread(limits: Limits) -> Scene {
    let options = EventLoopOptions::new().limits(limits.lookup_threads(1));
    Scene {
        event_loop: EventLoop::with_options(options).unwrap(),
        world: World::default(),
    }
}

// Field report 4.5: the fifth was never asked.
#[test]
fn the_fifth_name_is_asked_while_four_hang() {
    let (mut scene, port) = scene_with_server();
    let stuck = Stuck::new(4);
    for name in ["1", "2", "3", "4"] {
        let host = format!("{name}.invalid");
        scene.connect((host, port), options(&stuck, SHORT), Recorder::new(name));
    }
    wait_for_call(&mut scene, &stuck, 4);
    let wait = options(&stuck, PATIENCE);
    scene.connect(("5.invalid", port), wait, Recorder::new("5"));
    scene.drive_until("5", "connect");
    assert_eq!(stuck.names()[4], "5.invalid");
    // The first that times out makes space, and the others may still wait.
    for name in ["1", "2", "3", "4"] {
        scene.drive_to_close(name);
    }
    for call in 0..4 {
        stuck.open(call);
    }
    assert_eq!(scene.event_loop.statistics().lookups_timed_out, 4);
    assert_eq!(scene.event_loop.statistics().lookups, 5);
}

#[test]
fn stuck_threads_are_replaced_again_and_again() {
    let mut scene = scene_with_one_thread(Limits::new());
    let (_, address) = scene.listen(ListenOptions::new(), |_| Recorder::new("accepted"));
    // As many as may be stuck beside the one thread.
    let stuck = Stuck::new(4);
    for name in ["1", "2", "3", "4"] {
        let host = format!("{name}.invalid");
        let wait = options(&stuck, SHORT);
        scene.connect((host, address.port()), wait, Recorder::new(name));
        scene.drive_to_close(name);
    }
    let wait = options(&stuck, PATIENCE);
    scene.connect(("5.invalid", address.port()), wait, Recorder::new("5"));
    scene.drive_until("5", "connect");
    for call in 0..4 {
        stuck.open(call);
    }
}

#[test]
fn a_timeout_in_the_queue_says_that_no_thread_was_free() {
    let mut scene = scene_with_one_thread(Limits::new());
    let stuck = Stuck::new(1);
    let wait = options(&stuck, PATIENCE);
    scene.connect(("stuck.invalid", 1), wait.clone(), Recorder::new("stuck"));
    wait_for_call(&mut scene, &stuck, 1);
    let ways = [
        ("lookup", options(&stuck, SHORT)),
        ("connect", wait.connect_timeout(SHORT)),
    ];
    for (way, options) in ways {
        let host = format!("{way}.invalid");
        scene.connect((host, 1), options, Recorder::new(way));
        scene.drive_to_close(way);
        let error = scene.world.error(way);
        assert_eq!(error.code(), "ETIMEDOUT");
        let text = format!("{error:#}");
        assert!(text.contains("no thread was free"), "{text}");
        assert!(text.contains("Limits::lookup_threads"), "{text}");
        assert!(!text.contains("firewall"), "{text}");
        assert_eq!(scene.world.count(way, "lookup"), 1);
    }
    assert_eq!(stuck.names(), ["stuck.invalid"]);
    stuck.open(0);
}

#[test]
fn a_lookup_that_was_asked_and_timed_out_blames_no_thread() {
    let mut scene = Scene::new();
    let stuck = Stuck::new(1);
    scene.connect((NAME, 1), options(&stuck, SHORT), Recorder::new("us"));
    scene.drive_to_close("us");
    let text = format!("{:#}", scene.world.error("us"));
    assert!(
        !text.contains("thread") && !text.contains("firewall"),
        "{text}"
    );
    stuck.open(0);
}

#[test]
fn a_full_queue_of_lookups_refuses_with_the_name_of_its_limit() {
    let mut scene = scene_with_one_thread(Limits::new().max_waiting_lookups(2));
    let stuck = Stuck::new(1);
    let wait = options(&stuck, PATIENCE);
    for name in ["0", "1", "2", "3"] {
        let host = format!("{name}.invalid");
        scene.connect((host, 1), wait.clone(), Recorder::new(name));
    }
    let resolver: Arc<dyn Resolver> = stuck.clone();
    let server = Reception::new("server", |_| Recorder::new("accepted"));
    let listen = ListenOptions::new().resolver(resolver);
    scene.serve(("server.invalid", 0), listen, server);
    scene.drive_to_close("3");
    let error = scene.world.error("3");
    assert_eq!(
        (error.code(), error.hostname()),
        ("EAGAIN", Some("3.invalid"))
    );
    let text = error.to_string();
    assert!(
        text.contains("2 lookups") && text.contains("max_waiting_lookups"),
        "{text}"
    );
    scene.drive_until("server", "error");
    assert_eq!(scene.event_loop.statistics().lookups_refused, 2);
    assert_eq!(scene.event_loop.statistics().lookups, 3);
    // The loop lives, and so do those that wait.
    stuck.open(0);
    for name in ["0", "1", "2"] {
        scene.drive_until(name, "lookup");
    }
}

#[test]
fn an_equal_lookup_that_joins_needs_no_place_in_the_queue() {
    let mut scene = scene_with_one_thread(Limits::new().max_waiting_lookups(0));
    let stuck = Stuck::new(1);
    let wait = options(&stuck, PATIENCE);
    for name in ["first", "second"] {
        scene.connect((NAME, 1), wait.clone(), Recorder::new(name));
    }
    wait_for_call(&mut scene, &stuck, 1);
    scene.connect(("other.invalid", 1), wait, Recorder::new("other"));
    scene.drive_to_close("other");
    assert_eq!(scene.world.error("other").code(), "EAGAIN");
    assert!(!scene.world.has("second", "close"));
    stuck.open(0);
}

#[test]
fn the_loops_lookup_timeout_counts_unless_the_connect_sets_one() {
    let mut scene = scene_with_one_thread(Limits::new().lookup_timeout(SHORT));
    let stuck = Stuck::new(2);
    let resolver: Arc<dyn Resolver> = stuck.clone();
    let unset = ConnectOptions::new().resolver(resolver);
    scene.connect((NAME, 1), unset.clone(), Recorder::new("unset"));
    scene.connect((NAME, 1), unset.lookup_timeout(None), Recorder::new("none"));
    scene.drive_to_close("unset");
    scene.settle();
    assert!(!scene.world.has("none", "close"));
    stuck.open(0);
    stuck.open(1);
}

#[test]
fn a_resolver_that_panics_is_told_with_its_text() {
    let mut scene = scene_with_one_thread(Limits::new());
    let resolver: Arc<dyn Resolver> = Arc::new(|query: &HostQuery<'_>| match query.host {
        "good.invalid" => Ok(vec![SocketAddr::new(IpAddr::from([127, 0, 0, 9]), 0)]),
        _ => panic!("a fault of the resolver"),
    });
    let options = ConnectOptions::new().resolver(resolver);
    for (name, host) in [("bad", "bad.invalid"), ("worse", "worse.invalid")] {
        scene.connect((host, 1), options.clone(), Recorder::new(name));
        scene.drive_to_close(name);
        let text = scene.world.error(name).to_string();
        assert!(text.contains("a fault of the resolver"), "{text}");
    }
    scene.connect(("good.invalid", 1), options, Recorder::new("good"));
    scene.drive_to_close("good");
    assert!(
        scene
            .world
            .dialing("good")
            .contains("attempt-failed:127.0.0.9")
    );
}

#[test]
fn a_loop_with_stuck_lookups_is_dropped_at_once() {
    let stuck = Stuck::new(8);
    let mut scene = Scene::new();
    for name in ["1", "2", "3", "4", "5"] {
        let host = format!("{name}.invalid");
        scene.connect((host, 1), options(&stuck, SHORT), Recorder::new(name));
    }
    wait_for_call(&mut scene, &stuck, 4);
    scene.drive_to_close("1");
    // A join would wait for the resolver, which the test opens behind the drop only.
    drop(scene);
    for call in 0..8 {
        stuck.open(call);
    }
}
