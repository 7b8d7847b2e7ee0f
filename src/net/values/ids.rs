//! The names of the sockets, servers and timers of a loop.

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
    /// The name of a socket, for as long as the loop lives. It is small and `Copy`.
    ///
    /// It carries a generation: the id of a socket that is gone reaches no socket, never the one that has taken its place.
    SocketId
}

id! {
    /// The name of a server, with the promises of [`SocketId`].
    ServerId
}

id! {
    /// The name of a timer, with the promises of [`SocketId`].
    TimerId
}
