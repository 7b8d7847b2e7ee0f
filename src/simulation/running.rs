//! The methods that run a simulation, and those that read its state.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::event_loop::EventLoop;
use crate::net::{Error, Result};

use super::host::AnyHost;
use super::{CallCounts, Options, SPINNING_TURNS, Simulation, SimulationEnd};

/// Running.
impl Simulation {
    /// Turns `hosts` until nothing more can happen: no host has work, no packet is to arrive and no timer is armed. A
    /// repeating timer prevents that: use [`run_for`](Self::run_for) then.
    ///
    /// ```
    /// # use netloop::simulation::{Options, Simulation};
    /// # use netloop::{Context, SocketHandler};
    /// # use std::time::Duration;
    /// # struct Echo;
    /// # impl SocketHandler for Echo {
    /// #     fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) { cx.socket.write(data).ignore(); }
    /// # }
    /// # struct Ask;
    /// # impl SocketHandler<Vec<u8>> for Ask {
    /// #     fn on_connect(&mut self, cx: &mut Context<'_, Vec<u8>>) { cx.socket.end_with(b"hello").ignore(); }
    /// #     fn on_data(&mut self, cx: &mut Context<'_, Vec<u8>>, data: &[u8]) { cx.shared.extend_from_slice(data); }
    /// # }
    /// # fn main() -> netloop::Result<()> {
    /// let mut simulation = Simulation::new(1, Options::new())?;
    /// let mut server = simulation.host(())?;
    /// let mut client = simulation.host(Vec::new())?;
    /// server.event_loop.listen("10.0.0.1:7000", |_, _| Echo)?;
    /// client.event_loop.connect("10.0.0.1:7000", Ask)?;
    /// simulation.run(&mut [&mut server, &mut client])?;
    /// assert_eq!(client.shared, b"hello");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of [`EventLoop::turn`], and an error if a loop turns thousands of times without progress. On a real
    /// system such a loop would keep a processor busy for nothing.
    pub fn run(&mut self, hosts: &mut [&mut dyn AnyHost]) -> Result<SimulationEnd> {
        self.run_until(hosts, None)
    }

    /// Turns `hosts` until nothing more can happen, or `time` has passed in the simulation.
    ///
    /// ```
    /// # use netloop::simulation::{Options, Simulation};
    /// # use netloop::{Context, SocketHandler};
    /// # use std::time::Duration;
    /// # struct Echo;
    /// # impl SocketHandler for Echo {
    /// #     fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) { cx.socket.write(data).ignore(); }
    /// # }
    /// # struct Ask;
    /// # impl SocketHandler<Vec<u8>> for Ask {
    /// #     fn on_connect(&mut self, cx: &mut Context<'_, Vec<u8>>) { cx.socket.end_with(b"hello").ignore(); }
    /// #     fn on_data(&mut self, cx: &mut Context<'_, Vec<u8>>, data: &[u8]) { cx.shared.extend_from_slice(data); }
    /// # }
    /// # fn main() -> netloop::Result<()> {
    /// # let mut simulation = Simulation::new(1, Options { latency: Duration::from_millis(10), ..Options::new() })?;
    /// # let mut server = simulation.host(())?;
    /// # let mut client = simulation.host(Vec::new())?;
    /// # server.event_loop.listen("10.0.0.1:7000", |_, _| Echo)?;
    /// # client.event_loop.connect("10.0.0.1:7000", Ask)?;
    ///
    /// // The answer to the connect is still under way, so the question is not sent yet.
    /// simulation.run_for(&mut [&mut server, &mut client], Duration::from_millis(15))?;
    /// assert!(client.shared.is_empty());
    /// simulation.run_for(&mut [&mut server, &mut client], Duration::from_secs(1))?;
    /// assert_eq!(client.shared, b"hello");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn run_for(
        &mut self,
        hosts: &mut [&mut dyn AnyHost],
        time: Duration,
    ) -> Result<SimulationEnd> {
        let deadline = self.now().checked_add(time);
        self.run_until(hosts, deadline)
    }

    fn run_until(
        &mut self,
        hosts: &mut [&mut dyn AnyHost],
        deadline: Option<Instant>,
    ) -> Result<SimulationEnd> {
        loop {
            while self.step(hosts)? {
                if deadline.is_some_and(|deadline| self.now() >= deadline) {
                    return Ok(SimulationEnd::TimedOut);
                }
            }
            if let Some(end) = self.advance(hosts, deadline) {
                return Ok(end);
            }
        }
    }

    fn next_event(&self, hosts: &mut [&mut dyn AnyHost]) -> Option<Instant> {
        let deadlines = hosts.iter_mut().filter_map(|host| host.next_deadline());
        let arrival = self.network.borrow_mut().next_arrival();
        deadlines.chain(arrival).min()
    }

    /// Moves the clock on to the next event, but not beyond `deadline`, when [`step`](Self::step) has found nothing to
    /// do. Returns the reason if the run is over, otherwise `None`.
    ///
    /// [`run`](Self::run) repeats `step` and `advance`, and so can a test that checks a condition after every step.
    pub fn advance(
        &mut self,
        hosts: &mut [&mut dyn AnyHost],
        deadline: Option<Instant>,
    ) -> Option<SimulationEnd> {
        let Some(next) = self.next_event(hosts) else {
            return Some(SimulationEnd::Quiescent);
        };
        let is_over = deadline.is_some_and(|deadline| deadline <= next);
        let until = deadline.map_or(next, |deadline| deadline.min(next));
        self.idle_turns = 0;
        self.network.borrow_mut().advance_to(until);
        is_over.then_some(SimulationEnd::TimedOut)
    }

    /// Turns each of `hosts` that has work, beginning with one that the seed chooses. Returns whether any had work.
    ///
    /// Each poll of a turn takes a microsecond of virtual time, and a callback none, except by
    /// [`Handle::pass`](super::Handle::pass). [`advance`](Self::advance) moves the clock on between the steps.
    ///
    /// ```
    /// # use netloop::simulation::{Options, Simulation};
    /// # use netloop::{Context, SocketHandler};
    /// # use std::time::Duration;
    /// # struct Echo;
    /// # impl SocketHandler for Echo {
    /// #     fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) { cx.socket.write(data).ignore(); }
    /// # }
    /// # struct Ask;
    /// # impl SocketHandler<Vec<u8>> for Ask {
    /// #     fn on_connect(&mut self, cx: &mut Context<'_, Vec<u8>>) { cx.socket.end_with(b"hello").ignore(); }
    /// #     fn on_data(&mut self, cx: &mut Context<'_, Vec<u8>>, data: &[u8]) { cx.shared.extend_from_slice(data); }
    /// # }
    /// # fn main() -> netloop::Result<()> {
    /// # let mut simulation = Simulation::new(1, Options { latency: Duration::from_millis(10), ..Options::new() })?;
    /// # let mut server = simulation.host(())?;
    /// # let mut client = simulation.host(Vec::new())?;
    /// # server.event_loop.listen("10.0.0.1:7000", |_, _| Echo)?;
    /// # client.event_loop.connect("10.0.0.1:7000", Ask)?;
    ///
    /// // As `run`, with a check after each step.
    /// let mut hosts: [&mut dyn netloop::simulation::AnyHost; 2] = [&mut server, &mut client];
    /// while simulation.step(&mut hosts)? || simulation.advance(&mut hosts, None).is_none() {
    ///     assert!(simulation.open_sockets() <= 3, "the server's, and one of each end");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn step(&mut self, hosts: &mut [&mut dyn AnyHost]) -> Result<bool> {
        let first = {
            let mut network = self.network.borrow_mut();
            network.deliver();
            network.draw_index(hosts.len())
        };
        let mut any = false;
        for position in 0..hosts.len() {
            let host = &mut hosts[(first + position) % hosts.len()];
            if host.has_work() {
                any = true;
                self.turn(&mut **host)?;
            }
        }
        Ok(any)
    }

    fn turn(&mut self, host: &mut dyn AnyHost) -> Result<()> {
        let before = self.network.borrow().progress();
        let spins = host.spins();
        let turn = host.turn()?;
        self.turns += 1;
        if host.spins() > spins {
            return Err(Error::other(format!(
                "a loop turned for nothing, and closed a source for it: {self:?}"
            )));
        }
        let did_nothing = turn.events + turn.timers + turn.calls + turn.closed == 0;
        if did_nothing && self.network.borrow().progress() == before {
            self.idle_turns += 1;
            if self.idle_turns > SPINNING_TURNS {
                return Err(Error::other(format!(
                    "a loop turns without end and does nothing: {self:?}"
                )));
            }
        } else {
            self.idle_turns = 0;
        }
        Ok(())
    }

    /// Ends all [`Faults`](super::Faults) and all partitions. The [options](super::Options) of the network stay, such
    /// as the loss of datagrams, and so do the [routes](Self::set_route). A test calls this before it checks that all
    /// bytes have arrived.
    pub fn end_faults(&mut self) {
        self.network.borrow_mut().end_faults();
    }

    /// Calls `change` with the network's options, to modify them during a run.
    ///
    /// ```
    /// # use netloop::simulation::{Options, Simulation};
    /// # use netloop::{Context, SocketHandler};
    /// # use std::time::Duration;
    /// # struct Echo;
    /// # impl SocketHandler for Echo {
    /// #     fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) { cx.socket.write(data).ignore(); }
    /// # }
    /// # struct Ask;
    /// # impl SocketHandler<Vec<u8>> for Ask {
    /// #     fn on_connect(&mut self, cx: &mut Context<'_, Vec<u8>>) { cx.socket.end_with(b"hello").ignore(); }
    /// #     fn on_data(&mut self, cx: &mut Context<'_, Vec<u8>>, data: &[u8]) { cx.shared.extend_from_slice(data); }
    /// # }
    /// # fn main() -> netloop::Result<()> {
    /// # let mut simulation = Simulation::new(1, Options { latency: Duration::from_millis(10), ..Options::new() })?;
    /// # let mut server = simulation.host(())?;
    /// # let mut client = simulation.host(Vec::new())?;
    /// # server.event_loop.listen("10.0.0.1:7000", |_, _| Echo)?;
    /// # client.event_loop.connect("10.0.0.1:7000", Ask)?;
    ///
    /// // From now on the network is slow.
    /// simulation.set_options(|options| options.latency = Duration::from_secs(1));
    /// simulation.run(&mut [&mut server, &mut client])?;
    /// assert!(simulation.elapsed() >= Duration::from_secs(2));
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_options(&mut self, change: impl FnOnce(&mut Options)) {
        change(self.network.borrow_mut().options_mut());
    }
}

/// Questions.
impl Simulation {
    /// Returns the virtual time, which is the clock of all loops of the simulation.
    pub fn now(&self) -> Instant {
        self.network.borrow().now()
    }

    /// Returns the virtual time that has passed since the simulation was made.
    pub fn elapsed(&self) -> Duration {
        self.network.borrow().elapsed()
    }

    /// Returns the number of turns of all hosts together. A loop that [runs](EventLoop::run) by itself is not counted.
    pub fn turns(&self) -> u64 {
        self.turns
    }

    /// Returns a hash of all that has happened: every call, packet, event and movement of the clock. Two runs with the
    /// same seed, options and program have the same hash.
    pub fn trace_hash(&self) -> u64 {
        self.network.borrow().trace_hash()
    }

    /// Returns the number of entries that the [hash](Self::trace_hash) covers.
    pub fn trace_entries(&self) -> u64 {
        self.network.borrow().trace_entries()
    }

    /// Returns the numbers of system calls that the loop has made, for a test that limits the calls for a message. All
    /// numbers are 0 for a loop that is not of this simulation.
    pub fn call_counts<S>(&self, event_loop: &EventLoop<S>) -> CallCounts {
        let machine = self.machine_of(event_loop);
        machine.map_or_else(CallCounts::default, |machine| {
            self.network.borrow().call_counts(machine)
        })
    }

    /// Returns the number of bytes of heap that the buffers of the simulated kernels take. A real program does not own
    /// these buffers, so a test that measures the heap subtracts them.
    pub fn kernel_bytes(&self) -> usize {
        self.network.borrow().held_bytes()
    }

    /// Returns the number of packets under way, those that a [partition](Self::partition) holds back included.
    pub fn packets_in_flight(&self) -> usize {
        self.network.borrow().packets()
    }

    /// Returns the number of bytes that have arrived at the socket `local` from `peer` and are not read; 0 if there is
    /// no such socket. So a test can check that a paused program leaves the bytes in the kernel, or that no timeout is
    /// reported while bytes wait there.
    pub fn unread_bytes(&self, local: SocketAddr, peer: SocketAddr) -> usize {
        self.network.borrow().unread_bytes(local, peer)
    }

    /// Returns the number of open sockets on all machines together.
    pub fn open_sockets(&self) -> usize {
        self.network.borrow().open_sockets()
    }
}
