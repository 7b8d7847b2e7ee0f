//! Turns of a loop, measured one by one.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use netloop::{Budget, EventLoop, Result, Turn, Wait};

use super::gate::Gate;
use super::machine::thread_cpu;
use super::tally::Tally;
use super::world::World;

/// The longest wait of a turn, so that the driver looks at its own affairs now and then.
const STEP: Duration = Duration::from_millis(5);

/// The time without progress after which a loop has nothing more to do. A server that lacks descriptors rests up to a
/// second, and memory goes back a quarter of a second behind a spike.
const REST: Duration = Duration::from_millis(1_500);

/// The time without any progress after which a run is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A loop that is turned, with the state that it lends to its handlers.
pub(crate) struct Driver {
    pub(crate) event_loop: EventLoop<World>,
    pub(crate) world: World,
    /// The handlers that were dropped.
    pub(crate) drops: Rc<Cell<u64>>,
    budget: Budget,
    idle_row: u64,
    moved: u64,
    reports: u64,
    progress_at: Instant,
}

impl Driver {
    pub(crate) fn new(event_loop: EventLoop<World>, world: World, budget: Budget) -> Self {
        Self {
            event_loop,
            world,
            drops: Rc::default(),
            budget,
            idle_row: 0,
            moved: 0,
            reports: 0,
            progress_at: Instant::now(),
        }
    }

    /// Makes a turn and measures it. Returns whether there was progress within the patience.
    pub(crate) fn turn(&mut self) -> Result<bool> {
        let asked_at = Instant::now();
        let before = thread_cpu();
        let turn = self
            .event_loop
            .turn(&mut self.world, Wait::For(STEP), self.budget)?;
        let spent = thread_cpu().saturating_sub(before);
        let tally = &mut self.world.tally;
        tally.turns += 1;
        let spent_us = u64::try_from(spent.as_micros()).unwrap_or(u64::MAX);
        tally.longest_turn_us = tally.longest_turn_us.max(spent_us);
        let now = Instant::now();
        let reports = self.event_loop.statistics().reports;
        let had_a_report = reports != self.reports;
        self.reports = reports;
        if self.has_progressed(&turn) {
            self.idle_row = 0;
            self.progress_at = now;
        } else if had_a_report {
            // It may be of no use, as that of bytes for a paused socket, but a spin has none.
            self.idle_row = 0;
        } else if now.saturating_duration_since(asked_at) < STEP {
            let tally = &mut self.world.tally;
            tally.idle_turns += 1;
            self.idle_row += 1;
            tally.longest_idle_row = tally.longest_idle_row.max(self.idle_row);
        } else {
            self.idle_row = 0;
        }
        Ok(self.progress_at.elapsed() < PATIENCE)
    }

    /// Whether nothing has happened for so long that the backlog is empty, and that the loop has given its memory back.
    pub(crate) fn has_rested(&self) -> bool {
        self.progress_at.elapsed() >= REST
    }

    /// Drops the loop, once the process has looked at it without connections, and closes the books.
    pub(crate) fn finish(self, gate: &Gate) -> Tally {
        let Self {
            event_loop,
            mut world,
            drops,
            ..
        } = self;
        if world.open > 0 {
            world.tally.unexplained += world.open;
            world.note(format!("{} connections are stuck", world.open));
        }
        gate.pass();
        world.tally.spins = event_loop.statistics().spins;
        drop(event_loop);
        let tally = &mut world.tally;
        tally.dropped = drops.get();
        tally.disorder += tally.dropped.abs_diff(tally.closed);
        tally.cpu_ms = u64::try_from(thread_cpu().as_millis()).unwrap_or(u64::MAX);
        world.tally
    }

    fn has_progressed(&mut self, turn: &Turn) -> bool {
        let statistics = self.event_loop.statistics();
        let moved = statistics.bytes_sent + statistics.bytes_received;
        let has_moved = moved != self.moved;
        self.moved = moved;
        has_moved || turn.events + turn.timers + turn.calls + turn.closed > 0
    }
}
