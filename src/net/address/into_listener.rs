//! The forms in which users may give an endpoint or a socket to listen on.

use std::net::TcpListener;
#[cfg(unix)]
use std::os::unix::net::UnixListener;

use crate::net::error::Result;
use crate::net::values::{Endpoint, StdListener};

use super::into_endpoint::IntoEndpoint;

/// An endpoint to listen on, or a socket that is bound already: the first argument of
/// [`listen`](crate::EventLoop::listen) and [`serve`](crate::EventLoop::serve).
///
/// The trait is implemented for every [`IntoEndpoint`], and for `TcpListener`, `UnixListener` and [`StdListener`]. Such
/// a listener is a socket that the program made elsewhere or inherited (systemd's socket activation), and need not
/// listen yet. No other crate can implement the trait.
///
/// ```
/// use netloop::{Context, EventLoop, SocketHandler};
/// # struct Echo;
/// # impl SocketHandler for Echo { fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {} }
///
/// let mut event_loop: EventLoop = EventLoop::new()?;
/// event_loop.listen("127.0.0.1:0", |_, _| Echo)?;
/// event_loop.listen(("::1", 0), |_, _| Echo)?;
/// // A socket that was made elsewhere, or inherited.
/// event_loop.listen(std::net::TcpListener::bind("127.0.0.1:0")?, |_, _| Echo)?;
/// # Ok::<(), netloop::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` says no place to listen on",
    note = "a place is an address (`\"127.0.0.1:3000\"`, `(\"localhost\", 3000)`, a `SocketAddr`), a path \
            (`\"/run/app.sock\"`), or a `TcpListener` or `UnixListener` that is bound already"
)]
#[doc(alias = "BoundSocket")]
pub trait IntoListener {
    /// The type of the result has no public name, so no other crate can implement the trait.
    #[doc(hidden)]
    fn into_listener(self) -> Result<ListenOn>;
}

/// An endpoint to bind to, or a socket to adopt.
#[derive(Debug)]
pub enum ListenOn {
    /// An address, a name or a path.
    Endpoint(Endpoint),
    /// A socket that the user has made.
    Adopted(StdListener),
}

impl<E: IntoEndpoint> IntoListener for E {
    fn into_listener(self) -> Result<ListenOn> {
        Ok(ListenOn::Endpoint(self.into_endpoint()?))
    }
}

/// Adopts a socket that exists already.
impl IntoListener for StdListener {
    fn into_listener(self) -> Result<ListenOn> {
        Ok(ListenOn::Adopted(self))
    }
}

impl IntoListener for TcpListener {
    fn into_listener(self) -> Result<ListenOn> {
        StdListener::Tcp(self).into_listener()
    }
}

#[cfg(unix)]
impl IntoListener for UnixListener {
    fn into_listener(self) -> Result<ListenOn> {
        StdListener::Unix(self).into_listener()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_bound_and_a_socket_is_adopted() {
        let place = "127.0.0.1:80".into_listener().unwrap();
        assert!(matches!(place, ListenOn::Endpoint(Endpoint::Socket(_))));
        assert!("127.0.0.1".into_listener().is_err());
        let socket = || TcpListener::bind("127.0.0.1:0").unwrap();
        for adopted in [
            socket().into_listener(),
            StdListener::Tcp(socket()).into_listener(),
        ] {
            let adopted = adopted.unwrap();
            assert!(matches!(adopted, ListenOn::Adopted(StdListener::Tcp(_))));
        }
    }
}
