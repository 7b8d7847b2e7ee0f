//! The descriptors of sockets and servers, for options that this crate has no method for.

use std::os::fd::{BorrowedFd, OwnedFd};

use crate::net::error::{Error, Result};
use crate::net::listener::Listener;
use crate::system::Acceptor;

use super::server::Server;
use super::socket::Socket;

/// The descriptor.
impl Socket<'_> {
    /// Returns the socket's descriptor, for options that this crate has no method for.
    ///
    /// The descriptor still belongs to the loop. Reading from it, writing to it, or making it block contradicts the
    /// state that the loop keeps for the socket. Returns `None` for a socket that is closed, that has not yet chosen an
    /// address of its name, or that is simulated.
    ///
    /// The loop notes that the descriptor may be duplicated, so this method borrows the view mutably. From then on, the
    /// close of the socket costs one more system call (`epoll_ctl(2)`).
    ///
    /// ```
    /// use netloop::{Context, SocketHandler};
    ///
    /// struct Marked;
    ///
    /// impl SocketHandler for Marked {
    ///     fn on_connect(&mut self, cx: &mut Context<'_>) {
    ///         if let Some(descriptor) = cx.socket.descriptor() {
    ///             let socket = socket2::SockRef::from(&descriptor);
    ///             println!("sends up to {:?} bytes ahead", socket.send_buffer_size());
    ///         }
    ///     }
    ///     fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {}
    /// }
    /// ```
    #[doc(alias = "fd")]
    #[doc(alias = "as_fd")]
    pub fn descriptor(&mut self) -> Option<BorrowedFd<'_>> {
        self.net.lend_descriptor(self.id)
    }

    /// Returns a duplicate of the socket's [`descriptor`](Self::descriptor), which the caller owns.
    ///
    /// The duplicate refers to the same connection. The peer sees no end before the duplicate is closed too, unless
    /// this side was ended.
    ///
    /// # Errors
    ///
    /// ERR_NO_DESCRIPTOR if [`descriptor`](Self::descriptor) returns `None`. Otherwise the error of `fcntl(2)`, such as
    /// EMFILE.
    pub fn try_clone_descriptor(&mut self) -> Result<OwnedFd> {
        duplicate(self.descriptor())
    }
}

/// The descriptor.
impl Server<'_> {
    /// Returns the descriptor that the server listens with, for options that this crate has no method for.
    ///
    /// The descriptor still belongs to the loop. Accepting from it or making it block contradicts the state that the
    /// loop keeps for the server. Returns `None` for a server that does not listen, and in a simulation.
    #[doc(alias = "fd")]
    #[doc(alias = "as_fd")]
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.net
            .listener(self.id)
            .and_then(Listener::acceptor)
            .and_then(Acceptor::descriptor)
    }

    /// Returns a duplicate of the server's [`descriptor`](Self::descriptor), which the caller owns.
    ///
    /// The duplicate refers to the same listening socket: the port stays taken until the duplicate is closed too. A
    /// successor can accept with it from the same backlog while this server still accepts. To give the whole socket
    /// away, call [`detach`](Self::detach).
    ///
    /// # Errors
    ///
    /// ERR_NO_DESCRIPTOR if [`descriptor`](Self::descriptor) returns `None`. Otherwise the error of `fcntl(2)`, such as
    /// EMFILE.
    pub fn try_clone_descriptor(&self) -> Result<OwnedFd> {
        duplicate(self.descriptor())
    }
}

fn duplicate(descriptor: Option<BorrowedFd<'_>>) -> Result<OwnedFd> {
    match descriptor {
        Some(descriptor) => Ok(descriptor.try_clone_to_owned()?),
        None => Err(Error::with_code(
            Error::NO_DESCRIPTOR,
            "there is no descriptor: closed, connecting by name, or simulated",
        )),
    }
}
