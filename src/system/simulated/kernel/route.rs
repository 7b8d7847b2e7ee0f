//! The route to an address, which decides the fate of connects and datagrams.

use std::time::Duration;

/// The fate of connects to one address. Datagrams to the address have the same fate.
///
/// ```
/// use netloop::simulation::{Options, Route, Simulation};
/// use netloop::{CloseReason, ConnectOptions, Context, SocketHandler};
/// use std::time::Duration;
///
/// struct Client;
///
/// impl SocketHandler<Vec<CloseReason>> for Client {
///     fn on_data(&mut self, _: &mut Context<'_, Vec<CloseReason>>, _: &[u8]) {}
///     fn on_close(&mut self, cx: &mut Context<'_, Vec<CloseReason>>, reason: CloseReason) {
///         cx.shared.push(reason);
///     }
/// }
///
/// let mut simulation = Simulation::new(1, Options::new())?;
/// let mut client = simulation.host(Vec::new())?;
/// // A firewall that drops packets.
/// simulation.set_route("10.0.0.9".parse().unwrap(), Route::Blackhole);
/// let options = ConnectOptions::new().connect_timeout(Duration::from_secs(5));
/// client.event_loop.connect_with("10.0.0.9:80", options, Client)?;
/// simulation.run(&mut [&mut client])?;
/// assert_eq!(client.shared, [CloseReason::TimedOut]);
/// # Ok::<(), netloop::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Route {
    /// Connects arrive: a listener answers, or the kernel refuses.
    #[default]
    Normal,
    /// Connects take this much longer than usual to arrive.
    Delayed(Duration),
    /// Connects are lost, as behind a firewall that drops packets. Only a timeout ends the attempt.
    Blackhole,
    /// The kernel has no route, and the connect returns ENETUNREACH at once, as on a machine without IPv6.
    Unreachable,
}
