//! The behaviour of a UDP socket, which users implement.

use std::net::SocketAddr;

use crate::event_loop::contexts::DatagramContext;
use crate::event_loop::shutdown::AtShutdown;
use crate::net::Error;

/// The behaviour of a UDP socket, with the names of Node's `dgram`.
///
/// Only the loop calls these methods, and never within another callback, as with
/// [`SocketHandler`](crate::SocketHandler). A datagram, or a batch of datagrams, is a step of the turn's
/// [`Budget`](crate::Budget). The calls come in this order:
///
/// ```text
/// on_listening ─▶ on_connect ─▶ ( on_message | on_truncated | on_drain | on_error | on_timer | on_shutdown )* ─▶ on_close
/// ```
///
/// While a name is looked up, `on_error`, `on_timer` and `on_shutdown` may come before `on_listening`. `on_listening`
/// does not come if a name was not found or could not be bound: `on_error` and `on_close` come instead. Nor does it
/// come if the socket is closed before. `on_connect` comes only to a connected socket. `on_close` comes exactly once,
/// and last, for every socket that was made, unless the loop is dropped before.
///
/// If a method other than `on_close` panics, the socket is closed. `on_error` then gets
/// [`ERR_HANDLER_PANICKED`](crate::Error::HANDLER_PANICKED), unless the socket was closed before the panic, and
/// `on_close` follows. The [policy](crate::PanicPolicy) of the loop decides whether the panic goes on to the host.
///
/// ```
/// use std::net::SocketAddr;
/// use netloop::{DatagramContext, DatagramHandler, DatagramOptions, EventLoop};
///
/// /// Counts the datagrams of all peers, and answers each with the count.
/// struct Count(u64);
///
/// impl DatagramHandler for Count {
///     fn on_message(&mut self, cx: &mut DatagramContext<'_>, from: SocketAddr, _: &[u8]) {
///         self.0 += 1;
///         cx.socket.send_to(from, &self.0.to_be_bytes()).ignore();
///     }
///     fn on_error(&mut self, _: &mut DatagramContext<'_>, error: &netloop::Error) {
///         eprintln!("{error:#}");
///     }
/// }
///
/// # fn main() -> netloop::Result<()> {
/// let mut event_loop: EventLoop = EventLoop::new()?;
/// event_loop.bind_udp("127.0.0.1:0", DatagramOptions::new(), Count(0))?;
/// # Ok(())
/// # }
/// ```
#[doc(alias = "dgram")]
pub trait DatagramHandler<S = ()> {
    /// The socket is bound. Comes when the loop next serves its sockets after the socket was made, or its name was
    /// found.
    #[doc(alias = "listening")]
    fn on_listening(&mut self, cx: &mut DatagramContext<'_, S>) {
        let _ = cx;
    }

    /// The socket is connected: it sends to its peer, and receives from its peer alone. The peer does not learn of it.
    #[doc(alias = "connect")]
    fn on_connect(&mut self, cx: &mut DatagramContext<'_, S>) {
        let _ = cx;
    }

    /// A datagram has arrived, whole. `data` may be empty, and is only lent for this call. Any host may send a
    /// datagram, also with a forged sender's address. The kernel silently drops datagrams when its
    /// [buffer](crate::DatagramOptions::receive_buffer_size) is full.
    #[doc(alias = "message")]
    fn on_message(&mut self, cx: &mut DatagramContext<'_, S>, from: SocketAddr, data: &[u8]);

    /// A datagram has arrived that was longer than [`max_datagram_bytes`](crate::DatagramOptions::max_datagram_bytes),
    /// and `data` is its beginning. The rest is lost. The default ignores the datagram.
    fn on_truncated(&mut self, cx: &mut DatagramContext<'_, S>, from: SocketAddr, data: &[u8]) {
        let _ = (cx, from, data);
    }

    /// The queue is empty again, after a send was answered [`Full`](crate::DatagramFlow::Full), or after a limit on
    /// queued bytes dropped a datagram. A send that the [block list](crate::DatagramOptions::send_block_list) or the
    /// system refused causes no call.
    fn on_drain(&mut self, cx: &mut DatagramContext<'_, S>) {
        let _ = cx;
    }

    /// A lookup or a system call has failed. Or a datagram was refused, by the [block
    /// list](crate::DatagramOptions::send_block_list) or by the network (ECONNREFUSED and the like). The system reports
    /// refusals of the network to connected sockets alone. The socket goes on, unless its name was not found or could
    /// not be bound, its descriptor is broken, its handler has panicked, or it was to [close
    /// soon](crate::DatagramSocket::close_soon). Then it is [closed](crate::DatagramSocket::is_closed), and `on_close`
    /// follows. While 32 events wait for the handler, further errors are only counted, in
    /// [`Statistics::datagram_errors`](crate::Statistics::datagram_errors).
    #[doc(alias = "error")]
    fn on_error(&mut self, cx: &mut DatagramContext<'_, S>, error: &Error) {
        let _ = (cx, error);
    }

    /// The timer that [`after`](crate::DatagramSocket::after) armed with `token` has fired. Comes once, never early, and not
    /// after the socket has closed. Datagrams that have arrived come first, at most
    /// [`receives_per_turn`](crate::DatagramOptions::receives_per_turn) of them. While the kernel lacks memory, a timer
    /// does not wait for them.
    fn on_timer(&mut self, cx: &mut DatagramContext<'_, S>, token: u64) {
        let _ = (cx, token);
    }

    /// The loop [shuts down](crate::EventLoop::shutdown), and asks what to do with the socket. With
    /// [`AtShutdown::End`], the default, the socket closes after its queue. With [`AtShutdown::Keep`] it stays until its
    /// handler closes it, or until the deadline.
    fn on_shutdown(&mut self, cx: &mut DatagramContext<'_, S>) -> AtShutdown {
        let _ = cx;
        AtShutdown::End
    }

    /// The socket is closed. Comes exactly once, as the last event.
    #[doc(alias = "close")]
    fn on_close(&mut self, cx: &mut DatagramContext<'_, S>) {
        let _ = cx;
    }
}
