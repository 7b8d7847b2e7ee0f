//! The constructors of a simulation and of the loops on it.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use crate::event_loop::{Budget, EventLoop, EventLoopOptions};
use crate::net::Result;
use crate::system::System;
use crate::system::simulated;

use super::host::Host;
use super::{Options, Simulation};

/// Making a network, and loops on it.
impl Simulation {
    /// Makes a network with `options`. All random numbers of the network come from `seed`.
    ///
    /// # Errors
    ///
    /// The system's error if no descriptor is free: mio's traits need a real selector, which takes one.
    pub fn new(seed: u64, options: Options) -> Result<Self> {
        let network = simulated::Network::new(seed, options.clone());
        Ok(Self {
            network: Rc::new(RefCell::new(network)),
            poll: Rc::new(mio::Poll::new()?),
            names: Arc::default(),
            seed,
            options,
            turns: 0,
            idle_turns: 0,
        })
    }

    /// Makes a loop on a new machine of its own.
    ///
    /// The n-th machine has the addresses `10.0.0.n` and `fd00::n`, the latter with n in hexadecimal. After
    /// `10.0.0.255` comes `10.0.1.0`. All other addresses, like `127.0.0.1`, belong to all machines together: every
    /// machine reaches a server that is bound to such an address.
    ///
    /// A program with a single loop can [run](EventLoop::run) it as usual: the clock moves on when the loop waits. A
    /// wait that nothing can end returns an error. Turn several loops with [`run`](Self::run): a loop that waits by
    /// itself moves the clock of all loops.
    ///
    /// # Errors
    ///
    /// None in this version.
    pub fn event_loop<S>(&mut self) -> Result<EventLoop<S>> {
        self.event_loop_with(EventLoopOptions::new())
    }

    /// Makes a loop as [`event_loop`](Self::event_loop) does, with `options`.
    ///
    /// # Errors
    ///
    /// As [`EventLoop::with_options`].
    pub fn event_loop_with<S>(&mut self, options: EventLoopOptions) -> Result<EventLoop<S>> {
        let machine = simulated::MachineHandle::new(
            Rc::clone(&self.network),
            Rc::clone(&self.poll),
            Arc::clone(&self.names),
        );
        EventLoop::on(System::Simulated(machine), options)
    }

    /// Makes a loop, together with the state that it lends to its handlers.
    ///
    /// # Errors
    ///
    /// As [`event_loop`](Self::event_loop).
    pub fn host<S>(&mut self, shared: S) -> Result<Host<S>> {
        self.host_with(shared, EventLoopOptions::new())
    }

    /// Makes a loop with `options`, together with the state that it lends to its handlers.
    ///
    /// ```
    /// use netloop::simulation::{Options, Simulation};
    /// use netloop::{EventLoopOptions, Limits};
    ///
    /// let mut simulation = Simulation::new(1, Options::new())?;
    /// let limits = Limits::new().max_total_queued_bytes(1 << 20);
    /// let host = simulation.host_with((), EventLoopOptions::new().limits(limits))?;
    /// # drop(host);
    /// # Ok::<(), netloop::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`EventLoop::with_options`].
    pub fn host_with<S>(&mut self, shared: S, options: EventLoopOptions) -> Result<Host<S>> {
        Ok(Host {
            event_loop: self.event_loop_with(options)?,
            shared,
            budget: Budget::new(),
        })
    }
}
