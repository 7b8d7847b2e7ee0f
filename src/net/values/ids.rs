//! The ids of the sockets, servers, sources and timers of a loop.

use std::fmt;

use crate::reactor::Key;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub(crate) Key);

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, formatter)
            }
        }
    };
}

id! {
    /// The id of a socket, unique during the life of the loop, small and `Copy`.
    ///
    /// An id contains a generation. So the id of a socket that is gone reaches no socket, even if another socket has
    /// taken the same slot.
    SocketId
}

id! {
    /// The id of a server, with the guarantees of [`SocketId`].
    ServerId
}

id! {
    /// The id of a [source](crate::EventLoop::add_source) of the program, with the guarantees of [`SocketId`].
    SourceId
}

id! {
    /// The id of a timer, with the guarantees of [`SocketId`].
    TimerId
}
