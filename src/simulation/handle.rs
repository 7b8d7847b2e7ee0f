//! The part of a simulation that handlers may use while a loop runs.

use std::fmt;
use std::time::{Duration, Instant};

use crate::system::simulated;

use super::Simulation;

/// A handle to a simulation, with which handlers take virtual time and write to the log.
///
/// ```
/// use netloop::simulation::{Handle, Options, Simulation};
/// use netloop::{Context, SocketHandler};
/// use std::time::Duration;
///
/// /// Computes for 3 ms for each message.
/// struct Slow(Handle);
///
/// impl SocketHandler for Slow {
///     fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) {
///         self.0.pass(Duration::from_millis(3));
///         self.0.note(&format!("has computed {} bytes", data.len()));
///         let _ = cx.socket.end_with(data);
///     }
/// }
/// # struct Ask;
/// # impl SocketHandler for Ask {
/// #     fn on_connect(&mut self, cx: &mut Context<'_>) { let _ = cx.socket.end_with(b"hello"); }
/// #     fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {}
/// # }
///
/// # fn main() -> netloop::Result<()> {
/// let mut simulation = Simulation::new(1, Options::new())?;
/// simulation.keep_log(100);
/// let handle = simulation.handle();
/// let mut host = simulation.host(())?;
/// host.event_loop.listen("10.0.0.1:7000", move |_, _| Slow(handle.clone()))?;
/// host.event_loop.connect("10.0.0.1:7000", Ask)?;
/// simulation.run(&mut [&mut host])?;
/// assert!(simulation.elapsed() >= Duration::from_millis(3));
/// assert!(simulation.log().contains("has computed 5 bytes"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Handle(simulated::Shared);

impl Handle {
    /// Returns the virtual time, including the time that the callback has taken by [`pass`](Self::pass). A loop's
    /// [`now`](crate::EventLoop::now) stays at the time of its turn.
    pub fn now(&self) -> Instant {
        self.0.borrow().now()
    }

    /// Lets `time` pass on the virtual clock, as a computation would. Meanwhile packets travel, but no machine handles
    /// them: all machines of a simulation share one thread. A call between two turns makes every host stall for
    /// `time`, as if its main loop were busy with something else.
    pub fn pass(&self, time: Duration) {
        self.0.borrow_mut().pass(time);
    }

    /// Adds a line to the [log](Simulation::log), if the simulation keeps one.
    pub fn note(&self, text: &str) {
        self.0.borrow_mut().add_to_log(text);
    }

    /// Returns the log, as [`Simulation::log`] does, so that a handler can print the log when a check fails.
    pub fn log(&self) -> String {
        self.0.borrow().log()
    }
}

impl fmt::Debug for Handle {
    /// Prints the virtual time, but not the network, which is large.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Handle")
            .field("now", &self.now())
            .finish_non_exhaustive()
    }
}

/// The handle and the log.
impl Simulation {
    /// Makes a handle, which handlers may keep.
    pub fn handle(&self) -> Handle {
        Handle(simulated::Shared::clone(&self.network))
    }

    /// Keeps a log from now on: the last `lines` events of all machines. A log that was kept before is dropped.
    ///
    /// Without this call there is no log, because a log takes more time than the rest of a simulation. A failing seed
    /// fails again, so a test needs the log in the second run only; [`Seeds`](super::Seeds) does this.
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
    /// simulation.keep_log(100);
    /// simulation.run(&mut [&mut server, &mut client])?;
    /// assert!(simulation.log().contains("10.0.0.1:7000"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn keep_log(&mut self, lines: usize) {
        self.network.borrow_mut().keep_log(lines);
    }

    /// Returns the log that [`keep_log`](Self::keep_log) has begun. The log has a line for each call, arrival and
    /// event, with its virtual time, its machine and the addresses of its socket. The log is empty without `keep_log`.
    ///
    /// ```
    /// use netloop::simulation::{Options, Simulation};
    /// # use netloop::{Context, SocketHandler};
    /// # struct Hello;
    /// # impl SocketHandler for Hello {
    /// #     fn on_connect(&mut self, cx: &mut Context<'_>) { let _ = cx.socket.end_with(b"hello"); }
    /// #     fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {}
    /// # }
    ///
    /// # fn main() -> netloop::Result<()> {
    /// let mut simulation = Simulation::new(1, Options::new())?;
    /// simulation.keep_log(1_000);
    /// let mut server = simulation.host(())?;
    /// let mut client = simulation.host(())?;
    /// server.event_loop.listen("10.0.0.1:7000", |_, _| Hello)?;
    /// client.event_loop.connect("10.0.0.1:7000", Hello)?;
    /// simulation.run(&mut [&mut server, &mut client])?;
    ///
    /// let log = simulation.log();
    /// // 0.000001000 s  machine 1   10.0.0.1:7000 (peer 10.0.0.2:32768)  accepts
    /// assert!(log.contains("machine 1   10.0.0.1:7000 (peer 10.0.0.2:32768)  accepts"), "{log}");
    /// assert!(log.contains("machine 2   10.0.0.2:32768 (peer 10.0.0.1:7000)  receives 5 bytes"), "{log}");
    /// # Ok(())
    /// # }
    /// ```
    pub fn log(&self) -> String {
        self.network.borrow().log()
    }
}
