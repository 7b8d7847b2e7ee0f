//! Shutdowns: what waits is served, what is idle ends, what is busy finishes, and the rest is forced at the deadline.

mod kinds;
mod losses;

use std::cell::{Cell, RefCell};
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use netloop::{
    AtShutdown, Budget, CloseReason, Context, EventLoop, ListenOptions, RunEnd, ServerId,
    ShutdownReport, SocketHandler, SocketId, SocketOptions, Wait,
};

use crate::support::{PATIENCE, Peer, PeerEnd, loopback, unless_lost};

/// The length of the answer to `big`: more than two kernels take for a peer that does not read.
const BIG: usize = 8 << 20;

/// The state of these tests.
#[derive(Default)]
struct World {
    /// The closes, as `name reason`.
    closes: Vec<String>,
    questions: usize,
    newest: Option<SocketId>,
}

/// A session that answers requests of one word: `quick` at once, `big` with many bytes, `slow` when the test allows it.
struct Session {
    answer: AtShutdown,
    allows: Rc<Cell<bool>>,
    in_work: usize,
    is_shutting_down: bool,
}

impl Session {
    fn new(answer: AtShutdown, allows: &Rc<Cell<bool>>) -> Self {
        Self {
            answer,
            allows: Rc::clone(allows),
            in_work: 0,
            is_shutting_down: false,
        }
    }
}

impl SocketHandler<World> for Session {
    fn on_connect(&mut self, cx: &mut Context<'_, World>) {
        cx.shared.newest = Some(cx.socket.id());
    }
    fn on_data(&mut self, cx: &mut Context<'_, World>, data: &[u8]) {
        match data {
            b"big" => cx.socket.write_owned(vec![7; BIG]).ignore(),
            b"slow" => {
                self.in_work += 1;
                cx.socket.after(Duration::from_millis(1), 0);
            }
            _ => cx.socket.write(data).ignore(),
        }
    }
    fn on_timer(&mut self, cx: &mut Context<'_, World>, _: u64) {
        if !self.allows.get() {
            return cx.socket.after(Duration::from_millis(1), 0);
        }
        self.in_work -= 1;
        cx.socket.write(b"slow answer").ignore();
        if self.is_shutting_down && self.in_work == 0 {
            cx.socket.end();
        }
    }
    fn on_shutdown(&mut self, cx: &mut Context<'_, World>) -> AtShutdown {
        cx.shared.questions += 1;
        self.is_shutting_down = true;
        match self.in_work {
            0 => self.answer,
            _ => AtShutdown::Keep,
        }
    }
    fn on_close(&mut self, cx: &mut Context<'_, World>, reason: CloseReason) {
        cx.shared.closes.push(format!("{reason:?}"));
    }
}

/// A loop with a server of sessions.
struct Stage {
    event_loop: EventLoop<World>,
    world: World,
    server: ServerId,
    address: SocketAddr,
    allows: Rc<Cell<bool>>,
    reports: Rc<RefCell<Vec<ShutdownReport>>>,
    budget: Budget,
}

impl Stage {
    fn new() -> Self {
        Self::answering(AtShutdown::End)
    }

    fn answering(answer: AtShutdown) -> Self {
        Self::of_sockets(answer, SocketOptions::new())
    }

    fn of_sockets(answer: AtShutdown, options: SocketOptions) -> Self {
        let allows = Rc::new(Cell::new(false));
        let mut event_loop = EventLoop::new().unwrap();
        let allowing = Rc::clone(&allows);
        let options = ListenOptions::new().socket(options.max_queued_bytes(2 * BIG));
        let server = event_loop
            .listen_with(loopback(), options, move |_, _| {
                Session::new(answer, &allowing)
            })
            .unwrap();
        let address = event_loop.server(server).address().unwrap();
        Self {
            event_loop,
            world: World::default(),
            server,
            address,
            allows,
            reports: Rc::default(),
            budget: Budget::new(),
        }
    }

    /// A peer whose connection the server has accepted.
    fn peer(&mut self) -> Peer {
        let peer = Peer::connect(self.address);
        self.world.newest = None;
        self.drive(|stage| stage.world.newest.is_some());
        peer
    }

    fn turn(&mut self) {
        let wait = Wait::For(Duration::from_millis(1));
        self.event_loop
            .turn(&mut self.world, wait, self.budget)
            .unwrap();
    }

    #[track_caller]
    fn drive(&mut self, mut done: impl FnMut(&mut Self) -> bool) {
        let begun = std::time::Instant::now();
        while !done(self) {
            assert!(begun.elapsed() < PATIENCE, "this did not come");
            self.turn();
        }
    }

    fn shutdown(&mut self, deadline: Duration) {
        let reports = Rc::clone(&self.reports);
        self.event_loop
            .shutdown(deadline, move |_, report| reports.borrow_mut().push(report));
    }

    /// Runs to the end, and returns the counts of ended, finished, failed and forced sockets.
    #[track_caller]
    fn counts(&mut self) -> [usize; 4] {
        let end = self.event_loop.run_for(&mut self.world, PATIENCE).unwrap();
        assert_eq!(end, RunEnd::Finished);
        let reports = self.reports.borrow();
        let first = reports.first().unwrap();
        assert!(reports.iter().all(|report| report == first));
        [first.ended, first.finished, first.failed, first.forced]
    }

    /// Reads at `peer` to the end.
    #[track_caller]
    fn read_to_end(&mut self, peer: &mut Peer) -> (Vec<u8>, PeerEnd) {
        let mut bytes = Vec::new();
        let mut end = None;
        self.drive(|_| {
            loop {
                match peer.read_some(1 << 20) {
                    Ok(Some(more)) => bytes.extend_from_slice(&more),
                    Ok(None) => return false,
                    Err(kind) => {
                        end = Some(kind);
                        return true;
                    }
                }
            }
        });
        (bytes, end.unwrap())
    }
}

const LONG: Duration = PATIENCE;

#[test]
fn an_empty_loop_is_shut_down_in_its_next_turn() {
    let mut event_loop: EventLoop<Vec<ShutdownReport>> = EventLoop::new().unwrap();
    let mut reports = Vec::new();
    event_loop.shutdown(LONG, |cx, report| cx.shared.push(report));
    event_loop.run(&mut reports).unwrap();
    assert_eq!(reports, [ShutdownReport::default()]);
    assert!(!event_loop.is_shutting_down());
}

#[test]
fn a_handler_can_ask_whether_its_loop_shuts_down() {
    struct Asker;
    impl SocketHandler<Vec<bool>> for Asker {
        fn on_data(&mut self, cx: &mut Context<'_, Vec<bool>>, _: &[u8]) {
            cx.shared.push(cx.is_shutting_down());
            cx.as_loop().shutdown(LONG, |_, _| {});
        }
        fn on_shutdown(&mut self, cx: &mut Context<'_, Vec<bool>>) -> AtShutdown {
            cx.shared.push(cx.is_shutting_down());
            cx.socket.destroy();
            AtShutdown::End
        }
        fn on_close(&mut self, cx: &mut Context<'_, Vec<bool>>, _: CloseReason) {
            cx.shared.push(cx.is_shutting_down());
        }
    }
    let mut event_loop = EventLoop::new().unwrap();
    let (ours, mut peer) = Peer::pair();
    let options = SocketOptions::new();
    event_loop.adopt(ours, options, Asker).unwrap();
    peer.write(b"go");
    let mut answers = Vec::new();
    event_loop.run(&mut answers).unwrap();
    assert_eq!(answers, [false, true, true]);
}

#[test]
fn peers_in_the_backlog_are_accepted_and_served() {
    const PEERS: usize = 40;
    let mut stage = Stage::new();
    // The loop has not turned since: the kernel alone knows these peers.
    stage.turn();
    let mut peers: Vec<Peer> = (0..PEERS).map(|_| Peer::connect(stage.address)).collect();
    stage.shutdown(LONG);
    // Half of the requests come later: a new connection has time for its first.
    for peer in &mut peers[..PEERS / 2] {
        peer.write(b"early");
    }
    stage.drive(|stage| !stage.event_loop.server(stage.server).is_listening());
    for peer in &mut peers[PEERS / 2..] {
        peer.write(b"late!");
    }
    let error = TcpStream::connect(stage.address).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    for (number, mut peer) in peers.into_iter().enumerate() {
        let answer = if number < PEERS / 2 {
            b"early"
        } else {
            b"late!"
        };
        assert_eq!(
            stage.read_to_end(&mut peer),
            (answer.to_vec(), PeerEnd::Fin)
        );
        peer.close();
    }
    assert_eq!(stage.counts(), [0, PEERS, 0, 0]);
}

#[test]
fn idle_sockets_end_at_once_and_busy_ones_finish() {
    let mut stage = Stage::new();
    let mut idle = [stage.peer(), stage.peer()];
    for peer in &mut idle {
        peer.write(b"quick");
        let mut answer = Vec::new();
        stage.drive(|_| {
            answer.extend(peer.read_some(5).unwrap().unwrap_or_default());
            answer == b"quick"
        });
    }
    let [mut slow, mut big] = [stage.peer(), stage.peer()];
    slow.write(b"slow");
    big.write(b"big");
    for _ in 0..5 {
        stage.turn();
    }
    stage.shutdown(LONG);
    assert!(stage.event_loop.is_shutting_down());
    for peer in &mut idle {
        assert_eq!(stage.read_to_end(peer), (Vec::new(), PeerEnd::Fin));
        // This peer does not end, and is not waited for.
    }
    stage.allows.set(true);
    assert_eq!(stage.read_to_end(&mut slow).0, b"slow answer");
    let (bytes, end) = stage.read_to_end(&mut big);
    assert_eq!((bytes.len(), end), (BIG, PeerEnd::Fin));
    drop([slow, big]);
    assert_eq!(stage.counts(), [2, 2, 0, 0]);
    assert_eq!(stage.world.questions, 4);
    assert!(!stage.event_loop.is_alive());
}

#[test]
fn a_request_that_had_arrived_is_answered_before_the_end() {
    for budget in [Budget::new(), Budget::new().steps(1)] {
        let mut stage = Stage::new();
        let mut peers: Vec<Peer> = (0..20).map(|_| stage.peer()).collect();
        for peer in &mut peers {
            peer.write(b"quick");
        }
        // No turn in between: the bytes wait in the kernel.
        stage.shutdown(LONG);
        stage.budget = budget;
        for mut peer in peers {
            let (bytes, end) = stage.read_to_end(&mut peer);
            assert_eq!((&bytes[..], end), (&b"quick"[..], PeerEnd::Fin));
            peer.close();
        }
        stage.counts();
    }
}

#[test]
fn an_echo_under_backpressure_loses_no_byte() {
    struct Echo;
    impl SocketHandler<World> for Echo {
        fn on_data(&mut self, cx: &mut Context<'_, World>, data: &[u8]) {
            if cx.socket.write(data) == netloop::Flow::Full {
                cx.socket.pause();
            }
        }
        fn on_drain(&mut self, cx: &mut Context<'_, World>) {
            cx.socket.resume();
        }
    }
    let mut stage = Stage::new();
    let (ours, mut peer) = Peer::pair();
    let options = SocketOptions::new();
    let id = stage.event_loop.adopt(ours, options, Echo).unwrap();
    let bytes = crate::support::pattern(4 << 20, 1);
    let mut sent = 0;
    stage.drive(|stage| {
        sent += peer.write_some(&bytes[sent..]);
        stage.event_loop.socket(id).is_paused()
    });
    sent += peer.write_some(&bytes[sent..]);
    stage.shutdown(LONG);
    let (received, end) = stage.read_to_end(&mut peer);
    crate::support::assert_same_bytes(&received, &bytes[..sent]);
    assert_eq!(end, PeerEnd::Fin);
    peer.close();
    assert_eq!(stage.counts(), [0, 1, 0, 0]);
}

#[test]
fn a_server_is_shut_down_before_its_first_turn() {
    let mut stage = Stage::new();
    let mut peer = Peer::connect(stage.address);
    peer.write(b"quick");
    stage.shutdown(LONG);
    assert_eq!(stage.read_to_end(&mut peer).0, b"quick");
    peer.close();
    assert_eq!(stage.counts(), [0, 1, 0, 0]);
}

#[test]
fn the_deadline_resets_what_is_busy_and_a_nearer_one_counts() {
    let mut stage = Stage::new();
    let _idle = stage.peer();
    let [mut slow, mut big] = [stage.peer(), stage.peer()];
    slow.write(b"slow");
    big.write(b"big");
    for _ in 0..5 {
        stage.turn();
    }
    stage.shutdown(LONG);
    for _ in 0..5 {
        stage.turn();
    }
    assert!(stage.reports.borrow().is_empty());
    stage.shutdown(Duration::from_millis(20));
    // A later deadline does not put the nearer one off.
    stage.shutdown(LONG * 100);
    // The fresh socket that has said nothing is busy too, until its second is over.
    assert_eq!(stage.counts(), [0, 0, 0, 3]);
    assert_eq!(stage.reports.borrow().len(), 3);
    assert_eq!(stage.read_to_end(&mut slow).1, PeerEnd::Reset);
    assert_eq!(stage.read_to_end(&mut big).1, PeerEnd::Reset);
}

#[test]
fn a_deadline_of_nothing_forces_at_once() {
    unless_lost(|| {
        let mut stage = Stage::answering(AtShutdown::Keep);
        let mut peers: Vec<Peer> = (0..200).map(|_| stage.peer()).collect();
        stage.shutdown(Duration::ZERO);
        assert_eq!(stage.counts(), [0, 0, 0, 200]);
        for peer in &mut peers {
            assert_eq!(stage.read_to_end(peer).1, PeerEnd::Reset);
        }
    });
}

#[test]
fn a_peer_that_fails_during_the_shutdown_is_counted_so() {
    let mut stage = Stage::answering(AtShutdown::Keep);
    let [peer, other] = [stage.peer(), stage.peer()];
    stage.shutdown(LONG);
    for _ in 0..20 {
        stage.turn();
    }
    peer.reset();
    other.close();
    assert_eq!(stage.counts(), [0, 1, 1, 0]);
}

// The paused socket has bytes to read, and has lost bytes of its own: it is not idle.
#[test]
fn a_socket_that_holds_a_failure_is_not_reported_as_ended() {
    let mut stage = Stage::of_sockets(AtShutdown::End, SocketOptions::new().pause_on_connect(true));
    let mut peer = stage.peer();
    let id = stage.world.newest.unwrap();
    peer.write(b"unread");
    stage.drive(|stage| {
        let _ = stage.event_loop.socket(id).write(&[7; 64 << 10]);
        stage.event_loop.socket(id).queued_bytes() > 0
    });
    peer.reset();
    stage.drive(|stage| stage.event_loop.socket(id).is_peer_gone());
    assert!(stage.event_loop.socket(id).queued_bytes() > 0);
    stage.shutdown(Duration::from_millis(100));
    assert_eq!(stage.counts(), [0, 0, 0, 1]);
}
