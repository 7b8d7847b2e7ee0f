//! A loop in a loop: the inner one is a source of the outer one.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use netloop::{
    Budget, Context, Descriptor, EventLoop, Interest, SocketHandler, SourceContext, SourceHandler,
    Wait,
};

use super::{Notes, Stage, Watch};
use crate::support::{PATIENCE, loopback};

type Inner = Descriptor<EventLoop<Notes>>;

/// Turns the inner loop, with the budget of one turn, and asks for the next call as `poll_timeout` says.
struct Turner {
    notes: Notes,
    budget: Budget,
    turns: usize,
}

impl SourceHandler<Notes> for Turner {
    type Source = Inner;

    fn on_readable(&mut self, cx: &mut SourceContext<'_, Inner, Notes>) {
        self.turns += 1;
        let inner = &mut cx.source.0;
        let turn = inner.turn(&mut self.notes, Wait::No, self.budget).unwrap();
        let timeout = inner.poll_timeout();
        cx.shared.append(&mut self.notes);
        match timeout {
            _ if !turn.alive => cx.close(),
            Some(wait) if wait.is_zero() => {}
            timeout => {
                cx.would_block(Interest::READABLE);
                if let Some(wait) = timeout {
                    cx.after(wait, 0);
                }
            }
        }
    }
    fn on_timer(&mut self, cx: &mut SourceContext<'_, Inner, Notes>, _: u64) {
        self.on_readable(cx);
        // A timer's call is no service, so the source is not served again because of it.
        if cx
            .source
            .0
            .poll_timeout()
            .is_some_and(|wait| wait.is_zero())
        {
            cx.after(Duration::ZERO, 0);
        }
    }
    fn burst(&self) -> u32 {
        1
    }
}

struct Echo;

impl SocketHandler<Notes> for Echo {
    fn on_data(&mut self, cx: &mut Context<'_, Notes>, data: &[u8]) {
        cx.shared.push(format!("inner {}", data.len()));
        cx.socket.write(data).ignore();
    }
}

fn nest(stage: &mut Stage, inner: EventLoop<Notes>, budget: Budget) -> netloop::SourceId {
    let turner = Turner {
        notes: Notes::new(),
        budget,
        turns: 0,
    };
    let id = stage
        .event_loop
        .add_source(Descriptor(inner), Interest::READABLE, turner)
        .unwrap();
    // The deadlines that the inner loop has already are no events of its descriptor.
    stage.event_loop.source(id).after(Duration::ZERO, 0);
    id
}

#[test]
fn an_inner_loop_serves_its_sockets_in_the_outer_one() {
    // The second round cuts each turn after one event: what is left over makes no event of the inner descriptor.
    for budget in [Budget::new(), Budget::new().steps(1)] {
        let mut inner: EventLoop<Notes> = EventLoop::new().unwrap();
        let server = inner.listen(loopback(), |_, _| Echo).unwrap();
        let address = inner.server(server).address().unwrap();
        let mut stage = Stage::new();
        nest(&mut stage, inner, budget);

        let mut peers: Vec<_> = (0..8)
            .map(|_| TcpStream::connect(address).unwrap())
            .collect();
        for round in 1..4 {
            for peer in &mut peers {
                peer.write_all(b"hello").unwrap();
            }
            let expected = 8 * round;
            stage.drive("the echoes", |stage| stage.count("inner 5") == expected);
            for peer in &mut peers {
                let mut answer = [0; 5];
                peer.set_read_timeout(Some(PATIENCE)).unwrap();
                // The reply leaves at the end of the callback at the latest of the turn, which is over.
                peer.read_exact(&mut answer).unwrap();
                assert_eq!(&answer, b"hello");
            }
        }
    }
}

#[test]
fn the_timers_of_an_inner_loop_keep_their_times() {
    let mut inner: EventLoop<Notes> = EventLoop::new().unwrap();
    let started = Instant::now();
    for milliseconds in [1, 3, 9] {
        let after = Duration::from_millis(milliseconds);
        inner.after(after, move |cx| {
            assert!(started.elapsed() >= after);
            cx.shared.push(format!("after {milliseconds}"));
        });
    }
    let mut stage = Stage::new();
    nest(&mut stage, inner, Budget::new());
    // The inner loop has nothing left to do after its last timer, so its source closes and the outer loop ends.
    stage.run_to_its_end();
    assert_eq!(stage.notes, ["after 1", "after 3", "after 9"]);
}

// I10, through both loops: a rest of the inner loop is a rest of the outer one.
#[test]
fn a_resting_inner_loop_lets_the_outer_one_rest() {
    let mut inner: EventLoop<Notes> = EventLoop::new().unwrap();
    let server = inner.listen(loopback(), |_, _| Echo).unwrap();
    let address = inner.server(server).address().unwrap();
    let mut stage = Stage::new();
    let id = nest(&mut stage, inner, Budget::new());
    let mut peer = TcpStream::connect(address).unwrap();
    peer.write_all(b"x").unwrap();
    stage.drive_to("inner 1");
    stage.drive("a rest", |stage| stage.event_loop.poll_timeout().is_none());

    let (turner, _) = stage.event_loop.detach_source::<Turner>(id).unwrap();
    assert!(turner.turns < 20, "{} turns", turner.turns);
}

// poll_nested_epoll: without an event of the inner loop its handler is not called.
#[test]
fn poll_nested_epoll() {
    let inner: EventLoop<Notes> = EventLoop::new().unwrap();
    let mut stage = Stage::new();
    let id = stage.add(Descriptor(inner), Interest::READABLE, Watch::new("inner"));
    for _ in 0..10 {
        assert!(stage.turn().alive);
    }
    assert!(stage.notes.is_empty());
    stage.event_loop.source(id).close();
    stage.run_to_its_end();
    assert_eq!(stage.notes, ["inner close"]);
}

// A `Remote` of the inner loop wakes both.
#[test]
fn a_post_to_the_inner_loop_wakes_the_outer_one() {
    let mut inner: EventLoop<Notes> = EventLoop::new().unwrap();
    inner.listen(loopback(), |_, _| Echo).unwrap();
    let remote = inner.remote();
    let mut stage = Stage::new();
    nest(&mut stage, inner, Budget::new());
    stage.settle();
    let thread = std::thread::spawn(move || {
        remote
            .post(|cx| cx.shared.push("posted".to_owned()))
            .unwrap();
    });
    // Only the wake can end this wait in time.
    let budget = Budget::new();
    while !stage.has("posted") {
        let began = Instant::now();
        stage.turn_within(Wait::For(PATIENCE), budget);
        assert!(began.elapsed() < PATIENCE, "nothing woke the outer loop");
    }
    thread.join().unwrap();
}
