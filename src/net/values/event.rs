//! The events that the state machines report upward.

/// An event of a source, as a value of two words: with a payload in one variant only it is passed in registers.
#[derive(Debug)]
pub(crate) enum Event {
    /// An event for the handler of a socket.
    Socket(SocketEvent),
    /// An event for the handler of a server. It waits with the listener until `Net::take_server_event` takes it, so that
    /// the events of sockets, a million for each of these, stay small.
    Server,
    /// An attempt to connect has ended. The event stays on this floor, as its consequences do.
    AttemptEnded,
    /// The latest attempt to connect has been alone for its whole delay.
    AttemptIsSlow,
}

/// An event of a socket.
#[derive(Debug)]
pub(crate) enum SocketEvent {
    /// The connection is established.
    Connected,
    /// The read buffer holds so many bytes.
    Data(usize),
    /// The queue has drained to the low-water mark, after a write had answered `Full`.
    Drained,
    /// Notices wait to be told.
    Noticed,
    /// The peer has ended, and every byte that the peer sent was read.
    Ended,
    /// No byte has moved for the idle timeout.
    TimedOut,
}
