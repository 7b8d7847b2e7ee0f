//! Machines that crash, and start again on the same addresses.

use std::fmt;

use crate::event_loop::{Budget, EventLoop, EventLoopOptions};
use crate::net::{Error, Result};
use crate::system::System;
use crate::system::simulated::MachineHandle;

use super::{Host, Simulation};

/// The rest of a [`Host`] whose machine has crashed: the state that a disk would keep until [`Simulation::restart`].
///
/// ```
/// use netloop::simulation::{Options, Simulation};
///
/// let mut simulation = Simulation::new(1, Options::new())?;
/// let host = simulation.host(vec!["on the disk"])?;
/// let mut crashed = simulation.crash(host)?;
/// // The entry that was not written yet is lost.
/// crashed.shared.pop();
/// let host = simulation.restart(crashed)?;
/// assert!(host.shared.is_empty());
/// # Ok::<(), netloop::Error>(())
/// ```
pub struct CrashedHost<S> {
    /// The state of the host. A test of a machine without a disk puts a new state here.
    pub shared: S,
    budget: Budget,
    machine: MachineHandle,
}

impl<S: fmt::Debug> fmt::Debug for CrashedHost<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("CrashedHost")
            .field("shared", &self.shared)
            .field("machine", &self.machine)
            .finish_non_exhaustive()
    }
}

/// Crashes.
impl Simulation {
    /// Stops a machine at once, as a power cut does. Its sockets and listeners are gone, and no callback of its
    /// handlers comes: they are dropped with the loop.
    ///
    /// No packet tells the peers. A peer that has bytes to send sends them again, and a peer with
    /// [keep-alive](crate::KeepAlive) sends probes. Such a peer fails with ETIMEDOUT if the machine stays down for too
    /// long. After a [`restart`](Self::restart) it gets a RST, because the new kernel knows no such connection. A peer
    /// that only waits learns nothing. Connects are tried again with backoff while the machine is down, and are refused
    /// while it is up and does not listen.
    ///
    /// ```
    /// use netloop::simulation::{Options, Simulation};
    /// use netloop::{CloseReason, Context, SocketHandler};
    /// use std::time::Duration;
    ///
    /// struct Serve;
    ///
    /// impl SocketHandler<()> for Serve {
    ///     fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) {
    ///         let _ = cx.socket.write(data);
    ///     }
    /// }
    ///
    /// /// Asks again each second, and connects again after a failure.
    /// struct Ask;
    ///
    /// impl SocketHandler<Vec<CloseReason>> for Ask {
    ///     fn on_connect(&mut self, cx: &mut Context<'_, Vec<CloseReason>>) {
    ///         cx.socket.after(Duration::from_secs(1), 0);
    ///     }
    ///     fn on_timer(&mut self, cx: &mut Context<'_, Vec<CloseReason>>, _: u64) {
    ///         let _ = cx.socket.write(b"are you there?");
    ///         cx.socket.after(Duration::from_secs(1), 0);
    ///     }
    ///     fn on_data(&mut self, _: &mut Context<'_, Vec<CloseReason>>, _: &[u8]) {}
    ///     fn on_close(&mut self, cx: &mut Context<'_, Vec<CloseReason>>, reason: CloseReason) {
    ///         cx.shared.push(reason);
    ///         cx.connect("10.0.0.1:7000", Ask).expect("an address is no error");
    ///     }
    /// }
    ///
    /// # fn main() -> netloop::Result<()> {
    /// let mut simulation = Simulation::new(1, Options::new())?;
    /// let mut server = simulation.host(())?;
    /// let mut client = simulation.host(Vec::new())?;
    /// server.event_loop.listen("10.0.0.1:7000", |_, _| Serve)?;
    /// client.event_loop.connect("10.0.0.1:7000", Ask)?;
    /// simulation.run_for(&mut [&mut server, &mut client], Duration::from_secs(10))?;
    ///
    /// let crashed = simulation.crash(server)?;
    /// simulation.run_for(&mut [&mut client], Duration::from_secs(10))?;
    /// assert!(client.shared.is_empty(), "the client still sends again");
    ///
    /// let mut server = simulation.restart(crashed)?;
    /// server.event_loop.listen("10.0.0.1:7000", |_, _| Serve)?;
    /// simulation.run_for(&mut [&mut server, &mut client], Duration::from_secs(10))?;
    /// assert_eq!(client.shared, [CloseReason::Reset]);
    /// assert_eq!(server.event_loop.sockets().ids().count(), 1, "the client is back");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// An error if the loop belongs to another simulation, or to the real network. The host is dropped then.
    pub fn crash<S>(&mut self, host: Host<S>) -> Result<CrashedHost<S>> {
        let Host {
            event_loop,
            shared,
            budget,
        } = host;
        let machine = self.machine_handle_of(&event_loop).cloned();
        let machine = machine.ok_or_else(|| Error::other("the loop is not of this simulation"))?;
        // The kernel forgets the sockets first, so that the drop of the loop sends nothing.
        self.network.borrow_mut().crash(machine.id());
        drop(event_loop);
        Ok(CrashedHost {
            shared,
            budget,
            machine,
        })
    }

    /// Starts a crashed machine again, with its addresses and a new loop. The options of the old loop are not kept.
    ///
    /// # Errors
    ///
    /// As [`event_loop`](Self::event_loop), and an error for a host of another simulation. The host is dropped then.
    pub fn restart<S>(&mut self, crashed: CrashedHost<S>) -> Result<Host<S>> {
        let CrashedHost {
            shared,
            budget,
            machine,
        } = crashed;
        if !machine.is_of(&self.network) {
            return Err(Error::other("the host is not of this simulation"));
        }
        self.network.borrow_mut().restart(machine.id());
        let event_loop = EventLoop::on(System::Simulated(machine), EventLoopOptions::new())?;
        Ok(Host {
            event_loop,
            shared,
            budget,
        })
    }
}
