//! The events that the state machines of sources report to `Net`.

/// An event of a source. This type fits into two registers, because only one variant has a payload.
#[derive(Debug)]
pub(crate) enum Event {
    /// An event for the handler of a socket.
    Socket(SocketEvent),
    /// An event for the handler of a server. The event itself waits in the listener until `Net::take_server_event`
    /// takes it. So `Event` stays small, and the far more frequent events of sockets stay cheap.
    Server,
    /// A server has accepted a connection, and `Net` decides whether the server takes it.
    Arrival,
    /// A UDP socket has events for its handler, which `Net::take_datagram_event` returns.
    Datagram,
    /// The peer of an accepted connection is known only now, because its filters may have found another address. `Net`
    /// decides whether the server takes the connection.
    Introduced,
    /// A read of a source of the program may succeed. The source's handler gets [`SourceEvent::Readable`].
    SourceReadable,
    /// A write of a source of the program may succeed. The source's handler gets [`SourceEvent::Writable`].
    SourceWritable,
    /// The kernel has refused to register a source of the program, and has to be asked again. No handler gets this event.
    SourceUnarmed,
    /// The attempt with the event's key has ended. `Net` handles this event, and no handler gets it.
    AttemptEnded,
    /// The newest attempt of a connection has had no answer for the attempt delay. The event's key is the connection's.
    /// `Net` handles this event, and no handler gets it.
    AttemptIsSlow,
    /// A deadline of the connection with the event's key has passed. `Net` serves the connection once, because bytes
    /// may have come in time. Then the connection compares again. No handler gets this event.
    DeadlinePassed,
}

/// An event of a socket.
#[derive(Debug)]
pub(crate) enum SocketEvent {
    /// The connection is established.
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
    /// The deadline of the program has passed. The socket fails once its handler was told, unless the handler ends this
    /// side, closes the socket or changes the deadline.
    DeadlineReached,
}

/// An event of a source of the program.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SourceEvent {
    /// A read may succeed.
    Readable,
    /// A write may succeed.
    Writable,
    /// The kernel has to be asked again to register the object. No handler gets this event.
    Unarmed,
}
