//! The server that is attacked, with the limits for strangers.

use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use netloop::{
    BlockList, Budget, EventLoop, EventLoopOptions, Limits, ListenOptions, SocketOptions,
    Statistics, Wait,
};

use super::FASTER;
use super::attack::BLOCKED;
use super::attacker::Outcome;
use super::session::{FRIENDS_BYTES, Record, Session, World};
use super::times::Times;
use crate::child_process;
use crate::traffic::machine;

/// The address of the server.
const HOST: Ipv4Addr = Ipv4Addr::new(127, 118, 0, 1);

/// The connections of the side door, so that this limit is met too.
pub(super) const SIDE_DOOR: usize = 20;

/// The messages that all subscribers get.
const MESSAGE_BYTES: usize = 128 << 10;
const MESSAGE_EVERY: Duration = Duration::from_millis(100);

/// The longest wait of a turn, so that the end of the run is noticed.
const STEP: Duration = Duration::from_millis(50);

/// The server at the end of the run.
#[derive(Clone, Debug)]
pub(super) struct Served {
    pub(super) statistics: Statistics,
    pub(super) records: Vec<Record>,
    /// The resident memory in KiB, before the first connection and at its peak.
    pub(super) resident: (u64, u64),
    pub(super) longest_turn_us: u64,
    pub(super) cpu_ms: u64,
}

/// Serves until the process that attacks has ended. Returns the server's state and the attackers' outcome.
pub(super) fn serve(rounds: u32) -> Result<(Served, Outcome), String> {
    let told = |error: netloop::Error| error.to_string();
    let times = Times::shorter(FASTER);
    let mut world = World {
        times,
        side_door: None,
        response: vec![b'x'; FRIENDS_BYTES].into(),
        subscribers: Vec::new(),
        records: Vec::new(),
    };
    let options = EventLoopOptions::new().limits(times.limits());
    let mut event_loop: EventLoop<World> = EventLoop::with_options(options).map_err(told)?;
    let mut block_list = BlockList::new();
    block_list.add_address(BLOCKED);
    let half_open = SocketOptions::new().allow_half_open(true);
    let options = ListenOptions::new()
        .block_list(Rc::new(block_list))
        .socket(half_open.clone());
    let server = event_loop.listen_with((HOST, 0), options, |cx, _| Session::new(cx.now()));
    let server = server.map_err(told)?;
    // A door for friends: a few of them, without rates, so that a write can stall.
    let friends = Limits::new()
        .max_connections(SIDE_DOOR)
        .write_stall_timeout(times.write_stall)
        .close_timeout(times.close);
    let options = ListenOptions::new().limits(friends).socket(half_open);
    let side_door = event_loop.listen_with((HOST, 0), options, |cx, _| Session::new(cx.now()));
    let side_door = side_door.map_err(told)?;
    world.side_door = Some(side_door);
    let message = vec![b'm'; MESSAGE_BYTES];
    event_loop.every(MESSAGE_EVERY, move |cx| {
        // The answers say how full the queues are, which the limits take care of.
        drop(cx.sockets.broadcast(&cx.shared.subscribers, &message));
    });
    let addresses = [server, side_door].map(|id| event_loop.server(id).address());
    let resident_before = machine::status("VmRSS:");
    let is_over = AtomicBool::new(false);
    let mut longest_turn = Duration::ZERO;
    let outcome = thread::scope(|scope| {
        let attackers = scope.spawn(|| {
            let addresses = addresses.iter().flatten().map(ToString::to_string);
            let arguments = ["hostile".to_owned(), format!("--rounds={rounds}")];
            let text = child_process::output(arguments.into_iter().chain(addresses));
            is_over.store(true, Ordering::Relaxed);
            text
        });
        // The guests go with the other process.
        let mut last_turns = 40;
        while last_turns > 0 {
            if is_over.load(Ordering::Relaxed) {
                let is_alone = event_loop.statistics().sockets == 0;
                last_turns = if is_alone { 0 } else { last_turns - 1 };
            }
            let before = machine::thread_cpu();
            let turn = event_loop.turn(&mut world, Wait::For(STEP), Budget::new());
            turn.map_err(told)?;
            longest_turn = longest_turn.max(machine::thread_cpu().saturating_sub(before));
        }
        let text = attackers.join().expect("the thread has panicked")?;
        Outcome::parse(&text).ok_or_else(|| format!("the attackers printed: {text}"))
    })?;
    let served = Served {
        statistics: event_loop.statistics(),
        records: world.records,
        resident: (resident_before, machine::status("VmHWM:")),
        cpu_ms: u64::try_from(machine::thread_cpu().as_millis()).unwrap_or(u64::MAX),
        longest_turn_us: u64::try_from(longest_turn.as_micros()).unwrap_or(u64::MAX),
    };
    Ok((served, outcome))
}
