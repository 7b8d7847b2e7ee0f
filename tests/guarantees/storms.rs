//! Storms of resets and of timers, as large servers meet them: each turn keeps to its budget, and a well-behaved socket
//! is served in between.
//!
//! The rules: E4 and F5 of the reliability table.
#![cfg(unix)]

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use netloop::{Budget, CloseReason, Context, EventLoop, ListenOptions, SocketHandler, Turn, Wait};
use socket2::SockRef;

use crate::support::{PATIENCE, in_own_process, let_time_pass, loopback};

/// A shell that lets the test have as many descriptors as the system allows.
const MANY_DESCRIPTORS: &str = r#"ulimit -n "$(ulimit -H -n)"; exec "$@""#;

/// The peers that reset at once, if the process may have both ends of them.
const PEERS: usize = 9_000;

/// The callbacks of a turn.
const MOST: u32 = 100;

/// The turns within which each kind of work makes a step.
const ROTATION: usize = 8;

#[derive(Debug, Default)]
struct World {
    closed: usize,
    resets: usize,
    timers: usize,
}

struct Echo;

impl SocketHandler<World> for Echo {
    fn on_data(&mut self, cx: &mut Context<'_, World>, data: &[u8]) {
        cx.socket.write(data).ignore();
    }
    fn on_close(&mut self, cx: &mut Context<'_, World>, reason: CloseReason) {
        cx.shared.closed += 1;
        cx.shared.resets += usize::from(reason == CloseReason::Reset);
    }
}

struct Storm {
    event_loop: EventLoop<World>,
    world: World,
    address: SocketAddr,
}

impl Storm {
    fn new() -> Self {
        let mut event_loop = EventLoop::new().unwrap();
        let options = ListenOptions::new().backlog(511);
        let server = event_loop.listen_with(loopback(), options, |_, _| Echo);
        let address = event_loop.server(server.unwrap()).address().unwrap();
        Self {
            event_loop,
            world: World::default(),
            address,
        }
    }

    fn turn(&mut self, budget: Budget) -> Turn {
        let turn = self.event_loop.turn(&mut self.world, Wait::No, budget);
        turn.unwrap()
    }

    /// Connects `count` peers, and lets the loop accept them.
    fn connect(&mut self, count: usize) -> Vec<TcpStream> {
        let before = self.event_loop.sockets().ids().count();
        let mut peers = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        while self.event_loop.statistics().sockets < before + count {
            assert!(Instant::now() < deadline, "some are not accepted");
            // Fewer than a turn accepts, so that no connect waits for the backlog.
            for _ in 0..(count - peers.len()).min(30) {
                peers.push(TcpStream::connect(self.address).unwrap());
            }
            self.turn(Budget::new());
        }
        peers
    }

    /// Makes turns of `budget` until `done`, in each of which at most `MOST` callbacks come. Meanwhile `guest` sends a byte
    /// after the other. Returns the number of turns, and the most turns that the guest had to wait.
    fn pass(
        &mut self,
        budget: Budget,
        guest: &mut TcpStream,
        done: impl Fn(&World) -> bool,
    ) -> (usize, usize) {
        guest.set_nonblocking(true).unwrap();
        let (mut turns, mut waits, mut longest) = (0, 0, 0);
        guest.write_all(b"x").unwrap();
        let deadline = Instant::now() + PATIENCE;
        while !done(&self.world) {
            assert!(Instant::now() < deadline, "{:?}", self.world);
            let turn = self.turn(budget);
            let callbacks = turn.events + turn.timers + turn.calls + turn.closed;
            assert!(callbacks <= MOST, "{turn:?}");
            turns += 1;
            waits += 1;
            longest = longest.max(waits);
            match guest.read(&mut [0]) {
                Ok(1) => {
                    waits = 0;
                    guest.write_all(b"x").unwrap();
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                other => panic!("{other:?}"),
            }
        }
        (turns, longest)
    }
}

/// The peers that this process can have at its own other end.
fn most_peers() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().nth(3)?.parse::<usize>().ok());
    (soft.unwrap_or(256) - 100) / 2
}

// F5: each reset is one read and one close.
#[test]
fn nine_thousand_resets_at_once_keep_to_the_budget() {
    in_own_process(MANY_DESCRIPTORS, || {
        let count = most_peers().min(PEERS);
        let mut storm = Storm::new();
        let mut guest = storm.connect(1).remove(0);
        for peer in storm.connect(count) {
            SockRef::from(&peer)
                .set_linger(Some(Duration::ZERO))
                .unwrap();
        }
        let budget = Budget::new().steps(MOST);
        let (turns, longest) = storm.pass(budget, &mut guest, |world| world.closed == count);
        assert_eq!(storm.world.resets, count);
        println!("{count} resets in {turns} turns; the guest waited for {longest} turns at most");
        let steps = 2 * count / MOST as usize;
        assert!(turns >= steps, "{turns} turns");
        // Its byte came behind all resets, and each of them was one step ahead of it.
        assert!(longest <= steps + ROTATION, "{longest} turns");
    });
}

// F5
#[test]
fn nine_thousand_closes_at_once_keep_to_the_budget() {
    in_own_process(MANY_DESCRIPTORS, || {
        let count = most_peers().min(PEERS);
        let mut storm = Storm::new();
        let mut guest = storm.connect(1).remove(0);
        let first: Vec<_> = storm.event_loop.sockets().ids().collect();
        let _peers = storm.connect(count);
        for id in storm.event_loop.sockets().ids() {
            if !first.contains(&id) {
                storm.event_loop.socket(id).destroy();
            }
        }
        let budget = Budget::new().steps(MOST);
        let (turns, longest) = storm.pass(budget, &mut guest, |world| world.closed == count);
        println!("{count} closes in {turns} turns; the guest waited for {longest} turns at most");
        assert!(turns >= count / MOST as usize, "{turns} turns");
        assert!(longest <= ROTATION, "the guest waited for {longest} turns");
    });
}

// E4: the timers take turns with the sockets.
#[test]
fn a_hundred_thousand_timers_at_once_keep_to_the_budget() {
    const TIMERS: usize = 100_000;
    let mut storm = Storm::new();
    let mut guest = storm.connect(1).remove(0);
    for _ in 0..TIMERS {
        let fire = |cx: &mut netloop::LoopContext<'_, World>| cx.shared.timers += 1;
        storm.event_loop.after(Duration::from_millis(1), fire);
    }
    let_time_pass(Duration::from_millis(3));
    let budget = Budget::new().steps(MOST);
    let (turns, longest) = storm.pass(budget, &mut guest, |world| world.timers == TIMERS);
    println!("{TIMERS} timers in {turns} turns; the guest waited for {longest} turns at most");
    assert!(turns >= TIMERS / MOST as usize, "{turns} turns");
    assert!(longest <= ROTATION, "the guest waited for {longest} turns");
}
