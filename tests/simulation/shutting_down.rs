//! Shutdowns in virtual time: the deadlines are exact, and no order of events loses a response.

use std::time::Duration;

use netloop::simulation::{Faults, Host, Options, Simulation};
use netloop::{AtShutdown, CloseReason, Context, Error, ShutdownReport, SocketHandler};

const SERVER: &str = "10.0.0.1:7";
const SECOND: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(600);

/// The state of the server.
#[derive(Default)]
struct Served {
    /// The requests that the server has received.
    requests: usize,
    report: Option<(ShutdownReport, Duration)>,
}

/// A session whose responses take time, as `work` says.
struct Session {
    work: Duration,
    in_work: usize,
    ends: bool,
}

impl Session {
    fn new(work: Duration) -> Self {
        Self {
            work,
            in_work: 0,
            ends: false,
        }
    }
}

impl SocketHandler<Served> for Session {
    fn on_data(&mut self, cx: &mut Context<'_, Served>, data: &[u8]) {
        for _ in data {
            cx.shared.requests += 1;
            self.in_work += 1;
            let token = cx.shared.requests as u64;
            cx.socket.after(self.work, token);
        }
    }
    fn on_timer(&mut self, cx: &mut Context<'_, Served>, _: u64) {
        self.in_work -= 1;
        cx.socket.write(b"r").ignore();
        if self.ends && self.in_work == 0 {
            cx.socket.end();
        }
    }
    fn on_shutdown(&mut self, _: &mut Context<'_, Served>) -> AtShutdown {
        self.ends = true;
        match self.in_work {
            0 => AtShutdown::End,
            _ => AtShutdown::Keep,
        }
    }
}

/// The state of a client.
#[derive(Default)]
struct Asked {
    responses: usize,
    ends: usize,
    failures: usize,
}

/// A client that sends `requests` when it is connected.
struct Asking {
    requests: usize,
}

impl SocketHandler<Asked> for Asking {
    fn on_connect(&mut self, cx: &mut Context<'_, Asked>) {
        let requests = vec![b'q'; self.requests];
        cx.socket.write(&requests).ignore();
    }
    fn on_data(&mut self, cx: &mut Context<'_, Asked>, data: &[u8]) {
        cx.shared.responses += data.len();
    }
    fn on_end(&mut self, cx: &mut Context<'_, Asked>) {
        cx.shared.ends += 1;
    }
    fn on_error(&mut self, cx: &mut Context<'_, Asked>, _: &Error) {
        cx.shared.failures += 1;
    }
    fn on_close(&mut self, _: &mut Context<'_, Asked>, _: CloseReason) {}
}

struct Scene {
    simulation: Simulation,
    server: Host<Served>,
    client: Host<Asked>,
}

impl Scene {
    fn new(seed: u64, options: Options, work: Duration) -> Self {
        let mut simulation = Simulation::new(seed, options).unwrap();
        let mut server: Host<Served> = simulation.host(Served::default()).unwrap();
        let client = simulation.host(Asked::default()).unwrap();
        server
            .event_loop
            .listen(SERVER, move |_, _| Session::new(work))
            .unwrap();
        Self {
            simulation,
            server,
            client,
        }
    }

    fn connect(&mut self, requests: usize) {
        let asking = Asking { requests };
        self.client.event_loop.connect(SERVER, asking).unwrap();
    }

    fn run_for(&mut self, time: Duration) {
        self.simulation
            .run_for(&mut [&mut self.server, &mut self.client], time)
            .unwrap();
    }

    fn shutdown(&mut self, deadline: Duration) {
        let began = self.simulation.now();
        self.server
            .event_loop
            .shutdown(deadline, move |cx, report| {
                let took = cx.now().duration_since(began);
                cx.shared.report = Some((report, took));
            });
    }

    /// Returns the counts of ended, finished, failed and forced sockets, and the time that the shutdown took.
    #[track_caller]
    fn counts(&mut self) -> ([usize; 4], Duration) {
        self.run_for(LONG);
        let (report, took) = self.server.shared.report.unwrap();
        let counts = [report.ended, report.finished, report.failed, report.forced];
        (counts, took)
    }
}

fn is_about(took: Duration, expected: Duration) -> bool {
    expected <= took && took < expected + Duration::from_millis(10)
}

#[test]
fn the_deadline_is_exact_and_the_nearest_counts() {
    for (second, expected) in [(None, 20), (Some(5), 6), (Some(100), 20)] {
        let mut scene = Scene::new(1, Options::new(), LONG);
        scene.connect(1);
        scene.run_for(SECOND);
        scene.shutdown(20 * SECOND);
        if let Some(second) = second {
            scene.run_for(SECOND);
            scene
                .server
                .event_loop
                .shutdown(second * SECOND, |_, report| assert_eq!(report.forced, 1));
        }
        let (counts, took) = scene.counts();
        assert_eq!(counts, [0, 0, 0, 1]);
        assert!(is_about(took, expected * SECOND), "{took:?}");
        assert_eq!(scene.client.shared.failures, 1, "a RST");
    }
}

#[test]
fn an_idle_socket_is_over_with_its_peers_end_or_after_a_second() {
    for answers in [true, false] {
        let mut scene = Scene::new(1, Options::new(), Duration::ZERO);
        scene.connect(1);
        scene.run_for(2 * SECOND);
        assert_eq!(scene.client.shared.responses, 1);
        let id = scene.client.event_loop.sockets().ids().next().unwrap();
        if !answers {
            // It reads no end, and so answers none.
            scene.client.event_loop.socket(id).pause();
        }
        scene.shutdown(LONG);
        let (counts, took) = scene.counts();
        assert_eq!(counts, [1, 0, 0, 0]);
        assert_eq!(scene.client.shared.failures, 0);
        assert!(took < SECOND + Duration::from_millis(110), "{took:?}");
        assert_eq!(took < SECOND / 2, answers, "{took:?}");
    }
}

#[test]
fn a_new_connection_has_a_second_for_its_first_request() {
    for (after, responses) in [(900, 1), (1100, 0)] {
        let mut scene = Scene::new(1, Options::new(), Duration::ZERO);
        scene.connect(0);
        scene.run_for(Duration::from_millis(1));
        scene.shutdown(LONG);
        scene.run_for(Duration::from_millis(after));
        let id = scene.client.event_loop.sockets().ids().next();
        if let Some(id) = id {
            scene.client.event_loop.socket(id).write(b"q").ignore();
        }
        scene.counts();
        assert_eq!(scene.client.shared.responses, responses, "after {after} ms");
    }
}

// The question is under way at some of these moments, and would go with the timers of the old handler.
#[test]
fn a_handler_that_is_replaced_at_any_moment_is_asked() {
    for moment in (0..6000).step_by(200) {
        let mut scene = Scene::new(1, Options::new(), Duration::ZERO);
        scene.connect(1);
        scene.run_for(2 * SECOND);
        scene.shutdown(LONG / 2);
        scene.run_for(Duration::from_micros(moment));
        let Host {
            event_loop, shared, ..
        } = &mut scene.server;
        let mut cx = event_loop.context(shared);
        if let Some(id) = cx.sockets.ids().next() {
            cx.replace_handler(id, Session::new(Duration::ZERO), b"");
        }
        let (counts, took) = scene.counts();
        assert_eq!(counts, [1, 0, 0, 0], "replaced after {moment} us");
        assert!(took < 2 * SECOND, "{took:?}");
    }
}

#[test]
fn forcing_many_keeps_to_the_budget_of_a_turn() {
    let mut scene = Scene::new(1, Options::new(), LONG);
    for _ in 0..500 {
        scene.connect(1);
    }
    scene.run_for(SECOND);
    scene.shutdown(Duration::ZERO);
    let (counts, took) = scene.counts();
    assert_eq!(counts, [0, 0, 0, 500]);
    assert!(took < SECOND / 10, "{took:?}");
}

// Requests are under way, in the kernel's buffers, in work, or sent by a peer whose connection is in the backlog. The
// shutdown begins at any moment between.
#[test]
fn no_order_of_events_loses_a_response() {
    for seed in 0..300 {
        let options = Options {
            faults: Faults::default(),
            ..Options::from_seed(seed)
        };
        let mut random = fastrand::Rng::with_seed(seed);
        let work = Duration::from_millis(random.u64(..20));
        let mut scene = Scene::new(seed, options, work);
        for _ in 0..random.usize(1..20) {
            scene.connect(random.usize(..5));
            scene.run_for(Duration::from_micros(random.u64(..2000)));
        }
        scene.shutdown(LONG);
        scene.counts();
        let context = format!("{:?}", scene.simulation);
        // A request that the server has read is answered. It reads no request that it does not answer.
        assert_eq!(
            scene.client.shared.responses, scene.server.shared.requests,
            "{context}"
        );
        let (report, took) = scene.server.shared.report.unwrap();
        assert_eq!(report.forced, 0, "{context}");
        assert!(took < 3 * SECOND, "{took:?} {context}");
        assert!(!scene.server.event_loop.is_alive(), "{context}");
    }
}

#[cfg(all(unix, feature = "signals"))]
#[test]
fn a_simulated_loop_takes_no_signals() {
    let mut simulation = Simulation::new(1, Options::new()).unwrap();
    let mut event_loop: netloop::EventLoop = simulation.event_loop().unwrap();
    let refused = event_loop.on_signal(netloop::Signal::USR1, |_| ());
    let kind = refused.unwrap_err().kind();
    assert_eq!(kind, std::io::ErrorKind::Unsupported);
}
