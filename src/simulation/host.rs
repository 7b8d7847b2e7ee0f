//! A loop of a simulation with its state, and the trait through which the simulation turns hosts of different types.

use std::time::{Duration, Instant};

use crate::event_loop::{Budget, EventLoop, Turn, Wait};
use crate::net::Result;
use crate::system::simulated;

/// A loop together with the state that it lends to its handlers.
///
/// ```
/// use netloop::Budget;
/// use netloop::simulation::{Options, Simulation};
///
/// let mut simulation = Simulation::new(1, Options::new())?;
/// let mut host = simulation.host(0_u32)?;
/// // Each turn does one thing, so that the steps of several machines mix.
/// host.budget = Budget::new().steps(1);
/// host.event_loop.defer(|cx| *cx.shared += 1);
/// simulation.run(&mut [&mut host])?;
/// assert_eq!(host.shared, 1);
/// # Ok::<(), netloop::Error>(())
/// ```
#[derive(Debug)]
pub struct Host<S> {
    /// The loop.
    pub event_loop: EventLoop<S>,
    /// The state that handlers find in `cx.shared`.
    pub shared: S,
    /// The limit on the work of one turn; at first [`Budget::new()`].
    pub budget: Budget,
}

/// A [`Host`] with a state of any type, as [`Simulation::run`](super::Simulation::run) takes it.
///
/// ```
/// use netloop::simulation::{AnyHost, Options, Simulation};
///
/// let mut simulation = Simulation::new(1, Options::new())?;
/// let mut server = simulation.host("the state of a server")?;
/// let mut clients = [simulation.host(1)?, simulation.host(2)?];
/// let mut hosts: Vec<&mut dyn AnyHost> = vec![&mut server];
/// hosts.extend(clients.iter_mut().map(|client| client as &mut dyn AnyHost));
/// simulation.run(&mut hosts)?;
/// # Ok::<(), netloop::Error>(())
/// ```
pub trait AnyHost: sealed::AnyHost {}

impl<S> AnyHost for Host<S> {}

mod sealed {
    use std::time::Instant;

    use crate::event_loop::Turn;
    use crate::net::Result;

    /// The methods of a host that a simulation calls. The trait is sealed: no other type can be a host.
    pub trait AnyHost {
        fn turn(&mut self) -> Result<Turn>;
        fn has_work(&mut self) -> bool;
        fn next_deadline(&mut self) -> Option<Instant>;
        fn spins(&self) -> u64;
    }
}

impl<S> sealed::AnyHost for Host<S> {
    fn turn(&mut self) -> Result<Turn> {
        self.event_loop
            .turn(&mut self.shared, Wait::No, self.budget)
    }

    fn has_work(&mut self) -> bool {
        let has_events = self
            .event_loop
            .simulated_machine()
            .is_some_and(simulated::MachineHandle::has_events);
        has_events || self.event_loop.poll_timeout() == Some(Duration::ZERO)
    }

    fn next_deadline(&mut self) -> Option<Instant> {
        self.event_loop.next_deadline()
    }

    fn spins(&self) -> u64 {
        self.event_loop.spins()
    }
}
