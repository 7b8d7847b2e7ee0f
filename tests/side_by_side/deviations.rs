//! The differences that are meant, each with its name and reason. Where they show is in `differences.rs`.

/// A kind of difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A row of the specification that is marked DEVIATE.
    Deviate,
    /// Not marked so there, but documented: where, is said in the reason.
    ByDesign,
    /// Node's own versions differ, and netloop is with the newer ones.
    NodeVersion,
}

/// A difference that is meant.
pub(crate) struct Deviation {
    /// The rule of the specification, with a word where the rule has several sides.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) reason: &'static str,
}

pub(crate) const DEVIATIONS: &[Deviation] = &[
    Deviation {
        name: "A1",
        kind: Kind::Deviate,
        reason: "in Node, completions of a socket that dies before it is connected come after its close; nothing comes \
            after on_close here",
    },
    Deviation {
        name: "A4",
        kind: Kind::Deviate,
        reason: "a running lookup of Node without family selection still tells of its address after the close",
    },
    Deviation {
        name: "B1",
        kind: Kind::Deviate,
        reason: "a resolver that answers at once lets Node emit events inside connect(); no callback runs inside a call \
            here",
    },
    Deviation {
        name: "C6",
        kind: Kind::Deviate,
        reason: "a write after end destroys Node's socket; here it says Flow::Ended, and the graceful close goes on",
    },
    Deviation {
        name: "D4",
        kind: Kind::Deviate,
        reason: "Node may tell the end of the peer, and even close, while paused; on_end always waits for resume here",
    },
    Deviation {
        name: "D5",
        kind: Kind::Deviate,
        reason: "Node learns of a reset only when it reads or writes; here it is told as soon as the system knows, also \
            after the end of the peer, or while paused with nothing unread",
    },
    Deviation {
        name: "D6",
        kind: Kind::Deviate,
        reason: "a Node socket without a data listener never ends and leaks; a handler always consumes here",
    },
    Deviation {
        name: "D9",
        kind: Kind::Deviate,
        reason: "libuv before 1.52 turns a reset right behind data into a clean end; a reset is a reset here",
    },
    Deviation {
        name: "G3",
        kind: Kind::Deviate,
        reason: "Node forgets the address of the peer at the close unless it was asked for before; it is kept here",
    },
    Deviation {
        name: "H2",
        kind: Kind::Deviate,
        reason: "listening fails at once, as the Result of the call, and not as a later event",
    },
    Deviation {
        name: "H6",
        kind: Kind::Deviate,
        reason: "Node's server closes before the last of its sockets, and again at every further close(); here exactly \
            once and after all of them",
    },
    Deviation {
        name: "I11",
        kind: Kind::Deviate,
        reason: "Node gives an attempt up when its delay is over, so that slow addresses fail; earlier attempts live on \
            here, and the first success wins (RFC 8305)",
    },
    Deviation {
        name: "no limit",
        kind: Kind::ByDesign,
        reason: "Node queues without limit; SocketOptions::max_queued_bytes is 16 MiB unless set otherwise",
    },
    Deviation {
        name: "on_timeout",
        kind: Kind::ByDesign,
        reason: "Node only tells; SocketHandler::on_timeout, where it is not implemented, destroys the socket",
    },
    Deviation {
        name: "C9 codes",
        kind: Kind::ByDesign,
        reason: "Node fails completions with ECANCELED, ERR_STREAM_DESTROYED or the error, depending on how far libuv \
            was; on_sent always tells the socket's own error, or ERR_SOCKET_CLOSED without one",
    },
    Deviation {
        name: "F2 after destroy",
        kind: Kind::ByDesign,
        reason: "bytes that were queued leave Node's bytesWritten when they are thrown away; Socket::bytes_written \
            keeps what writes accepted, and queued_bytes tells in on_close how many of them were lost",
    },
    Deviation {
        name: "attempts of paths",
        kind: Kind::ByDesign,
        reason: "Node tells attempts of paths too, and inside connect() (an accident of B1); on_connection_attempt is \
            about addresses, of which there may be several",
    },
    Deviation {
        name: "long paths",
        kind: Kind::ByDesign,
        reason: "what no system would take is the error of the call (IntoEndpoint), not an event",
    },
    Deviation {
        name: "Node before 21: maxConnections 0",
        kind: Kind::NodeVersion,
        reason: "it meant no limit, and means since then that all are dropped (H8)",
    },
    Deviation {
        name: "Node before 22: cancelled writes",
        kind: Kind::NodeVersion,
        reason: "a write that was under way at destroy was told to have succeeded; since then it fails (C9)",
    },
    Deviation {
        name: "Node before 24: long paths",
        kind: Kind::NodeVersion,
        reason: "a path that is too long was cut short, and another one was connected to; since then it is EINVAL (K)",
    },
    Deviation {
        name: "libuv before 1.52: D9",
        kind: Kind::NodeVersion,
        reason: "since then Node tells the reset behind data as a reset too",
    },
];

pub(crate) fn deviation(name: &str) -> &'static Deviation {
    DEVIATIONS
        .iter()
        .find(|deviation| deviation.name == name)
        .expect("every difference names a deviation")
}
