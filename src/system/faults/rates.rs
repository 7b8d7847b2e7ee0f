//! The faults that calls can meet, with their rates.

/// The rates of faults, each as a number of calls in a thousand. Real systems have all of these faults. Each field says
/// what a handler at either end may be told.
///
/// ```
/// use netloop::simulation::Faults;
///
/// let faults = Faults { resets: 0, ..Faults::uniform(20) };
/// assert_eq!(faults.interruptions, 20);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// A read or a write moves fewer bytes than are possible. A later event reports the rest, except with
    /// [`Flavour::Afd`](crate::simulation::Flavour::Afd), where the loop goes on without one.
    ///
    /// Handlers get the same bytes in more and shorter `on_data` calls, which may begin at any byte of a message.
    pub short_transfers: u16,
    /// A signal interrupts a call (EINTR). Handlers are told nothing: the loop repeats the call.
    pub interruptions: u16,
    /// A call would block although the socket was reported as ready. A later event reports the socket again.
    ///
    /// Handlers get bytes later, and a write answers `Flow::Full` earlier.
    pub spurious_blocks: u16,
    /// The kernel has no memory to send or to receive with (ENOBUFS). No event reports that memory is free again.
    ///
    /// Bytes leave or arrive later: the loop tries again after some milliseconds. An idle timeout may end the
    /// connection before that. A connection whose calls fail many times in a row closes with the error.
    pub missing_buffers: u16,
    /// The connection is reset between two calls.
    ///
    /// Each end that is open is told of an error (ECONNRESET or EPIPE), and then that it has closed. Bytes under way
    /// are lost. An end that has closed already is told nothing.
    pub resets: u16,
    /// The peer has gone when its connection is accepted (ECONNABORTED).
    ///
    /// The server is told nothing. The client, which may have connected and sent a request, is then told of a reset.
    pub aborted_accepts: u16,
    /// An accept finds no free descriptor in the process (EMFILE) or in the whole system (ENFILE).
    ///
    /// The server is told of an error once, and accepts again after up to a second. One waiting client is reset, by
    /// means of the server's spare descriptor. The other clients are connected, and wait.
    pub exhausted_accepts: u16,
    /// A connect finds no free descriptor in the process (EMFILE) or in the whole system (ENFILE).
    ///
    /// The attempt fails. The next address of the name is tried; after the last, the client is told of the error.
    pub exhausted_connects: u16,
    /// A lookup fails for now (EAI_AGAIN). The client gets `on_lookup`, and then `on_error`, with the same error.
    pub failed_lookups: u16,
    /// A lookup takes five seconds longer, or a multiple of that, as if name servers did not answer.
    ///
    /// The connect takes up to 40 s longer, or fails with ETIMEDOUT if its own timeout is shorter.
    pub slow_lookups: u16,
    /// A wait for events ends early, and returns no event.
    ///
    /// Handlers are told of events a turn later. A timer of the loop that falls due in that turn is told first.
    pub empty_polls: u16,
    /// An event reports a socket that is not ready. Handlers are told nothing: the loop makes a call in vain.
    pub spurious_events: u16,
    /// A connect to a local port without a listener connects the socket to itself (simultaneous open).
    ///
    /// Handlers are told ECONNREFUSED, as without the fault: the loop rejects a connection of a socket to itself.
    pub self_connects: u16,
    /// An option of a socket is refused (EINVAL, which macOS returns once the peer has gone).
    ///
    /// `set_no_delay`, `set_keep_alive`, `reset` and the setters of a UDP socket return the error. An option that was
    /// asked for before the connect is not set, and no handler is told. A reset that was asked for before the connect
    /// closes the socket without a RST.
    pub refused_options: u16,
}

impl Faults {
    /// No faults: every rate is 0.
    pub const NONE: Self = Self {
        short_transfers: 0,
        interruptions: 0,
        spurious_blocks: 0,
        missing_buffers: 0,
        resets: 0,
        aborted_accepts: 0,
        exhausted_accepts: 0,
        exhausted_connects: 0,
        failed_lookups: 0,
        slow_lookups: 0,
        empty_polls: 0,
        spurious_events: 0,
        self_connects: 0,
        refused_options: 0,
    };

    /// Makes a set of faults in which every rate is `per_mille` calls in a thousand.
    pub const fn uniform(per_mille: u16) -> Self {
        Self {
            short_transfers: per_mille,
            interruptions: per_mille,
            spurious_blocks: per_mille,
            missing_buffers: per_mille,
            resets: per_mille,
            aborted_accepts: per_mille,
            exhausted_accepts: per_mille,
            exhausted_connects: per_mille,
            failed_lookups: per_mille,
            slow_lookups: per_mille,
            empty_polls: per_mille,
            spurious_events: per_mille,
            self_connects: per_mille,
            refused_options: per_mille,
        }
    }
}
