//! The ways in which a simulated kernel reports readiness: as epoll, kqueue, AFD, or worse.

/// The selector that a simulated kernel imitates when it reports readiness.
///
/// ```
/// use netloop::simulation::{Flavour, Options, Simulation};
///
/// for flavour in Flavour::ALL {
///     let mut simulation = Simulation::new(1, Options::new().flavour(flavour))?;
///     let mut host = simulation.host(())?;
///     simulation.run(&mut [&mut host])?;
/// }
/// # Ok::<(), netloop::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flavour {
    /// Linux: one event a socket, with its whole readiness, whenever something may have changed it (edge-triggered).
    Epoll,
    /// macOS and the BSDs: separate events for reading and for writing. Each event reports its direction's end too.
    Kqueue,
    /// Windows: the kernel reports each bit of readiness once, and again only after a call that would have blocked, or
    /// a new registration. Such a call makes the kernel report all bits, also writability. After a short read, further
    /// bytes cause no event.
    Afd,
    /// No existing system, but worse than every existing system: events come late, twice, in any order, and for sockets
    /// that are closed already.
    Adversary,
}

impl Flavour {
    /// All flavours.
    pub const ALL: [Self; 4] = [Self::Epoll, Self::Kqueue, Self::Afd, Self::Adversary];
}
