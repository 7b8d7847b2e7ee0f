//! The same faults in front of the real kernel: every byte still comes, in order, and every socket closes.

use std::rc::Rc;
use std::time::{Duration, Instant};

use netloop::simulation::{Faults, disturbed_event_loop};
use netloop::{Budget, CloseReason, Context, EventLoop, Flow, SocketHandler, SocketOptions, Wait};

use super::pattern::Pattern;

const PATIENCE: Duration = Duration::from_secs(20);
const CLIENTS: usize = 5;

struct World {
    pattern: Rc<Pattern>,
    closed: usize,
}

struct Echo;

impl SocketHandler<World> for Echo {
    fn on_data(&mut self, cx: &mut Context<'_, World>, data: &[u8]) {
        if cx.socket.write(data) == Flow::Full {
            cx.socket.pause();
        }
    }
    fn on_drain(&mut self, cx: &mut Context<'_, World>) {
        cx.socket.resume();
    }
    fn on_close(&mut self, cx: &mut Context<'_, World>, reason: CloseReason) {
        assert_eq!(reason, CloseReason::Graceful);
        cx.shared.closed += 1;
    }
}

/// Sends a stream in pieces as long as there is room, and wants it back.
struct Ask {
    stream: usize,
    length: usize,
    sent: usize,
    received: usize,
}

impl Ask {
    fn send(&mut self, cx: &mut Context<'_, World>) {
        while self.sent < self.length {
            let length = (self.length - self.sent).min(30_000);
            let piece = cx
                .shared
                .pattern
                .piece(self.stream, self.sent as u64, length);
            let flow = cx.socket.write(piece);
            assert!(flow.is_accepted());
            self.sent += length;
            if flow == Flow::Full {
                return;
            }
        }
        cx.socket.end();
    }
}

impl SocketHandler<World> for Ask {
    fn on_connect(&mut self, cx: &mut Context<'_, World>) {
        self.send(cx);
    }
    fn on_data(&mut self, cx: &mut Context<'_, World>, data: &[u8]) {
        for piece in data.chunks(super::pattern::LONGEST) {
            let expected = cx
                .shared
                .pattern
                .piece(self.stream, self.received as u64, piece.len());
            assert!(piece == expected, "after {} bytes", self.received);
            self.received += piece.len();
        }
    }
    fn on_drain(&mut self, cx: &mut Context<'_, World>) {
        self.send(cx);
    }
    fn on_close(&mut self, cx: &mut Context<'_, World>, reason: CloseReason) {
        assert_eq!(reason, CloseReason::Graceful);
        assert_eq!(self.received, self.length);
        cx.shared.closed += 1;
    }
}

fn run(seed: u64, pattern: &Rc<Pattern>) {
    let mut random = fastrand::Rng::with_seed(seed);
    let faults = Faults {
        // A connection that is aborted is one that never echoes.
        aborted_accepts: 0,
        missing_buffers: 2,
        exhausted_accepts: 0,
        ..Faults::everywhere(random.choice([0, 20, 100, 300]).unwrap())
    };
    let mut event_loop: EventLoop<World> = disturbed_event_loop(seed, faults).unwrap();
    let mut world = World {
        pattern: Rc::clone(pattern),
        closed: 0,
    };
    let server = event_loop.listen("127.0.0.1:0", |_, _| Echo).unwrap();
    let address = event_loop.server(server).address().unwrap();
    for stream in 0..CLIENTS {
        let ask = Ask {
            stream,
            length: random.usize(1..300_000),
            sent: 0,
            received: 0,
        };
        let options = SocketOptions::new().high_water_mark(random.usize(1..100_000));
        event_loop.connect_with(address, options, ask).unwrap();
    }
    let deadline = Instant::now() + PATIENCE;
    while world.closed < 2 * CLIENTS {
        event_loop
            .turn(&mut world, Wait::Until(deadline), Budget::UNLIMITED)
            .unwrap();
        assert!(
            Instant::now() < deadline,
            "seed {seed}, {faults:?}: {} closed, {event_loop:?}",
            world.closed
        );
    }
}

#[test]
fn real_sockets_with_faults_lose_no_byte() {
    let seeds = std::env::var("SEEDS").map_or(50, |seeds| seeds.parse().unwrap());
    let pattern = Rc::new(Pattern::new());
    for seed in 0..seeds {
        run(seed, &pattern);
    }
}
