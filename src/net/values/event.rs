//! The events that the state machines of sources report to `Net`.

/// An event of a source. It fits into two registers, because only one variant has a payload.
#[derive(Debug)]
pub(crate) enum Event {
    /// An event for the handler of a socket.
    Socket(SocketEvent),
    /// An event for the handler of a server. The event itself waits in the listener until `Net::take_server_event`
    /// takes it. So this type stays small for the events of sockets, which are far more frequent.
    Server,
    /// An attempt to connect has ended, and the key is that of the attempt. `Net` handles it, and no handler is told.
    AttemptEnded,
    /// The newest attempt to connect has had no answer for its whole delay. The key is that of the connection. `Net`
    /// handles it, and no handler is told.
    AttemptIsSlow,
}

/// An event of a socket.
#[derive(Debug)]
pub(crate) enum SocketEvent {
    /// The connection is established.
    Connected,
    /// The number of bytes that were read into the read buffer.
    Data(usize),
    /// The queue has drained to the low watermark, after a write was answered `Full`.
    Drained,
    /// The connection has notices for the handler.
    Noticed,
    /// The peer has ended, and every byte that the peer sent was read.
    Ended,
    /// No byte has moved in either direction for the idle timeout.
    TimedOut,
}
