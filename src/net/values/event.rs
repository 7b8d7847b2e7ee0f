//! The events that the state machines of sources report to `Net`.

/// An event of a source. This type fits into two registers, because only one variant has a payload.
#[derive(Debug)]
pub(crate) enum Event {
    Socket(SocketEvent),
    /// The event itself waits in the listener for `Net::take_server_event`, so that `Event` stays small.
    Server,
    /// A server has accepted a connection, and `Net` decides whether the server takes it.
    Arrival,
    /// The events for the handler of a UDP socket wait until `Net::take_datagram_event`.
    Datagram,
    /// The filters of an accepted connection may have found another address of its peer: `Net` screens it again.
    Introduced,
    SourceReadable,
    SourceWritable,
    /// The kernel has refused to register a source of the program, and is asked again. No handler gets this event.
    SourceUnarmed,
    /// The attempt with the event's key has ended.
    AttemptEnded,
    /// The newest attempt of the connection with the event's key has had no answer for the attempt delay.
    AttemptIsSlow,
    /// `Net` serves the connection once, because bytes may have come in time. Then the connection compares its
    /// deadlines.
    DeadlinePassed,
}

#[derive(Debug)]
pub(crate) enum SocketEvent {
    Connected,
    /// The filters of an accepted connection are ready, and the handler of the server gets the connection.
    Accepted,
    /// So many bytes were received for the handler. The bytes lie at the front of the read buffer.
    Data(usize),
    /// The queue has drained to the low watermark, after a write was answered `Full`.
    Drained,
    /// The connection has notices for the handler.
    Noticed,
    /// The peer has ended, and every byte that the peer sent was read.
    Ended,
    /// The idle timeout has passed without a byte in either direction.
    TimedOut,
    /// The socket fails after its handler was told, unless the handler ends this side, closes the socket or changes the
    /// deadline.
    DeadlineReached,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum SourceEvent {
    Readable,
    Writable,
    /// The kernel has to be asked again to register the object. No handler gets this event.
    Unarmed,
}
