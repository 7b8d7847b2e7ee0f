//! The descriptors of sockets and servers, for options that this crate has no method for.

use std::os::fd::{BorrowedFd, OwnedFd};

use crate::net::error::{Error, Result};

use super::datagram_socket::DatagramSocket;
use super::server::Server;
use super::socket::Socket;

/// The descriptor.
impl Socket<'_> {
    /// Returns the socket's descriptor, for options that this crate has no method for.
    ///
    /// The descriptor still belongs to the loop. Reading from it, writing to it or making it block contradicts the
    /// state that the loop keeps. Returns `None` for a socket that is closed, that has not yet chosen an address of its
    /// name, or that is simulated. A connect to an address is made after its `on_connection_attempt` has returned. So
    /// an option that is set there, or right after the call of `connect`, is set before the first packet leaves.
    ///
    /// The loop notes that the descriptor may be duplicated, so this method borrows the view mutably. From then on,
    /// each read costs one more system call (`fcntl(2)`), because another holder may make the socket block. The close
    /// costs up to three more (`epoll_ctl(2)`, `getsockopt(2)`, `shutdown(2)`). It also turns off a non-zero SO_LINGER,
    /// which would make the loop wait.
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
    /// The end of this side still reaches the peer, by [`end`](Self::end), [`destroy_soon`](Self::destroy_soon) or in
    /// answer to the peer's end. After [`destroy`](Self::destroy), a failure or the drop of the loop, the connection
    /// lives on in the duplicate. So a [`reset`](Self::reset) reaches the peer only when the last duplicate is closed.
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
    /// loop keeps. Returns `None` for a server that does not listen, and in a simulation. The loop notes that the
    /// descriptor may be duplicated, so this method borrows the view mutably. From then on, each accept costs one more
    /// system call, and for a TCP connection two. These calls undo what another holder of the socket may have set:
    /// blocking mode, and SO_LINGER.
    #[doc(alias = "fd")]
    #[doc(alias = "as_fd")]
    pub fn descriptor(&mut self) -> Option<BorrowedFd<'_>> {
        self.net.lend_listener(self.id)
    }

    /// Returns a duplicate of the server's [`descriptor`](Self::descriptor), which the caller owns.
    ///
    /// The port stays taken until the duplicate is closed too. The system queues new peers for the duplicate's holder,
    /// even after the [close](Self::close) of this server. A successor can accept from the same backlog with the
    /// duplicate, while this server still accepts. To give the whole socket away, call [`detach`](Self::detach). The
    /// file of a Unix socket stays when this server closes, because the file is the address of the duplicate too.
    ///
    /// # Errors
    ///
    /// ERR_NO_DESCRIPTOR if [`descriptor`](Self::descriptor) returns `None`. Otherwise the error of `fcntl(2)`, such as
    /// EMFILE.
    pub fn try_clone_descriptor(&mut self) -> Result<OwnedFd> {
        let duplicate = duplicate(self.descriptor())?;
        self.net.leave_path(self.id);
        Ok(duplicate)
    }
}

/// The descriptor.
impl DatagramSocket<'_> {
    /// Returns the descriptor of the UDP socket, for options that this crate has no method for.
    ///
    /// The descriptor still belongs to the loop. Receiving from it or making it block contradicts the state that the
    /// loop keeps. Returns `None` for a socket that is closed or not bound yet, and in a simulation. The loop notes
    /// that the descriptor may be duplicated, so this method borrows the view mutably. From then on, each receive, send
    /// or batch costs one more system call (`fcntl(2)`): another holder may make the socket block.
    ///
    /// ```
    /// use netloop::DatagramSocket;
    ///
    /// /// Prints the type of the socket, as the kernel has it.
    /// fn print_type(socket: &mut DatagramSocket<'_>) {
    ///     if let Some(descriptor) = socket.descriptor() {
    ///         println!("{:?}", socket2::SockRef::from(&descriptor).r#type());
    ///     }
    /// }
    /// ```
    #[doc(alias = "fd")]
    #[doc(alias = "as_fd")]
    pub fn descriptor(&mut self) -> Option<BorrowedFd<'_>> {
        let id = self.id();
        self.net_mut().lend_datagrams(id)
    }

    /// Returns a duplicate of the [`descriptor`](Self::descriptor), which the caller owns. The address stays taken
    /// until the duplicate is closed too.
    ///
    /// # Errors
    ///
    /// ERR_NO_DESCRIPTOR if [`descriptor`](Self::descriptor) returns `None`. Otherwise the error of `fcntl(2)`, such as
    /// EMFILE.
    pub fn try_clone_descriptor(&mut self) -> Result<OwnedFd> {
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
