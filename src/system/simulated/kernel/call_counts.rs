//! The numbers of system calls that a simulated loop has made.

/// The numbers of system calls of a loop. A call that a signal interrupts (EINTR) is not counted: the loop repeats it.
///
/// ```
/// use netloop::simulation::{Options, Simulation};
/// use netloop::{Context, SocketHandler};
/// # struct Echo;
/// # impl SocketHandler for Echo {
/// #     fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) { cx.socket.write(data).ignore(); }
/// # }
/// # struct Ask;
/// # impl SocketHandler<Vec<u8>> for Ask {
/// #     fn on_connect(&mut self, cx: &mut Context<'_, Vec<u8>>) { cx.socket.end_with(b"hello").ignore(); }
/// #     fn on_data(&mut self, cx: &mut Context<'_, Vec<u8>>, data: &[u8]) { cx.shared.extend_from_slice(data); }
/// # }
///
/// # fn main() -> netloop::Result<()> {
/// let mut simulation = Simulation::new(1, Options::new())?;
/// let mut server = simulation.host(())?;
/// let mut client = simulation.host(Vec::new())?;
/// server.event_loop.listen("10.0.0.1:7000", |_, _| Echo)?;
/// client.event_loop.connect("10.0.0.1:7000", Ask)?;
/// simulation.run(&mut [&mut server, &mut client])?;
/// // One message is one write, and its answer is one too.
/// assert_eq!(simulation.call_counts(&server.event_loop).writes, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallCounts {
    /// Polls for events, with and without a wait.
    pub polls: u64,
    /// Connects, including those connects that failed at once.
    pub connects: u64,
    /// Accepts, with and without success.
    pub accepts: u64,
    /// Accepts that failed because no descriptor was free.
    pub exhausted_accepts: u64,
    /// Reads, and receives of UDP sockets, with and without success.
    pub reads: u64,
    /// Writes, and sends of UDP sockets, with and without success.
    pub writes: u64,
}
