//! The view of one socket, through which everything is asked of it.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use crate::net::connect::Dial;
use crate::net::connection::{Connection, Notice};
use crate::net::core::Net;
use crate::net::error::{Error, Result, Syscall};
use crate::net::outbox::Payload;
use crate::net::values::{Flow, KeepAlive, ServerId, SocketId, State};

use super::sockets::Sockets;

/// One socket, borrowed from its loop: [`Context::socket`](crate::Context) in a callback, `event_loop.socket(id)`
/// outside.
///
/// Every call only marks what is to be done, or does a system call at once; none calls a handler. A view of a socket
/// that is gone is harmless: questions answer what a closed socket would, and requests do nothing.
#[derive(Debug)]
pub struct Socket<'a> {
    net: &'a mut Net,
    id: SocketId,
}

impl<'a> Socket<'a> {
    pub(crate) fn new(net: &'a mut Net, id: SocketId) -> Self {
        Self { net, id }
    }

    pub(crate) fn net(&self) -> &Net {
        self.net
    }

    pub(crate) fn net_mut(&mut self) -> &mut Net {
        self.net
    }

    /// The socket's name.
    pub fn id(&self) -> SocketId {
        self.id
    }

    /// Another socket of the same loop. It looks and behaves the same, whether `id` is alive, dead, or this socket's.
    pub fn other(&mut self, id: SocketId) -> Socket<'_> {
        Socket { net: self.net, id }
    }

    /// All sockets and servers of the same loop.
    pub fn sockets(&mut self) -> Sockets<'_> {
        Sockets::new(self.net)
    }
}

/// Writing and ending.
impl Socket<'_> {
    /// Sends `bytes`, behind everything that was written before.
    ///
    /// Small writes are gathered, and leave in one system call: those of a socket's own callback when the callback is
    /// done, those to other sockets, and to one that others have written to in this turn, in the next flush phase. From
    /// 16 KiB on the kernel is asked at once, and only what it does not take is copied. While connecting, everything is
    /// queued.
    ///
    /// The answer tells how the queue is; see [`Flow`]. An empty write changes nothing.
    #[inline]
    pub fn write(&mut self, bytes: &[u8]) -> Flow {
        self.net.write_bytes(self.id, bytes)
    }

    /// Sends `bytes` without copying them: what the kernel does not take at once is kept as it is. Short ones are
    /// copied all the same, where that is cheaper.
    pub fn write_owned(&mut self, bytes: Vec<u8>) -> Flow {
        self.write_payload(Payload::Owned(bytes))
    }

    /// Sends `bytes` that other sockets send too, without a copy for each: a broadcast.
    pub fn write_shared(&mut self, bytes: Rc<[u8]>) -> Flow {
        self.write_payload(Payload::Shared(bytes))
    }

    /// Sends `bytes` that live for ever, without copying them.
    pub fn write_static(&mut self, bytes: &'static [u8]) -> Flow {
        self.write_payload(Payload::Static(bytes))
    }

    fn write_payload(&mut self, payload: Payload<'_>) -> Flow {
        self.net.write(self.id, payload)
    }

    /// Lets [`on_sent`](crate::SocketHandler::on_sent) come with `token` when the kernel has taken everything that was
    /// written until now, or never will. Node's write callback: `write(..)` and then this. It costs nothing to sockets
    /// that never ask. On a socket that is gone nothing comes.
    pub fn notify_when_sent(&mut self, token: u64) {
        self.request(|connection, registration| connection.mark(token, registration));
    }

    /// Holds back what is written from now on, beyond the callback, until [`uncork`](Self::uncork), `end`, or until as
    /// much is queued as the high-water mark says. What the kernel had no room for is not held back, and takes along what
    /// is written behind it. After `end` it does nothing.
    pub fn cork(&mut self) {
        self.request(|connection, _| connection.cork());
    }

    /// Sends what [`cork`](Self::cork) has held back, at the next flush point.
    pub fn uncork(&mut self) {
        self.request(Connection::uncork);
    }

    /// Ends this side: what is queued is sent, then a FIN (`shutdown(2)`). The peer may go on sending, and the socket
    /// closes when it has ended too, or when nothing has moved for the
    /// [`close_timeout`](crate::SocketOptions::close_timeout). While connecting it waits for the connection. Ending
    /// twice is harmless.
    pub fn end(&mut self) {
        self.request_now(Connection::end);
    }

    /// Sends `bytes`, then ends this side. The answer is that of the write.
    pub fn end_with(&mut self, bytes: &[u8]) -> Flow {
        let flow = self.write(bytes);
        self.end();
        flow
    }

    /// Ends this side and closes as soon as everything is sent, without waiting for the peer's end. What the peer
    /// sends meanwhile may be lost, and if it is still unread when we close, the system tells the peer with a reset.
    /// Node's `destroySoon`.
    pub fn destroy_soon(&mut self) {
        self.request_now(Connection::end_and_close);
    }

    /// The same as [`destroy_soon`](Self::destroy_soon): the close comes after the end, not after the peer's.
    pub fn end_after(&mut self) {
        self.destroy_soon();
    }

    /// Closes the socket now: what the kernel does not take at once is thrown away, and of all events only `on_close`
    /// still comes, in the close phase of this turn. Destroying twice is harmless. The reason is
    /// [`CloseReason::Local`](crate::CloseReason::Local), or `TimedOut` if the idle timeout was reported and nothing has
    /// moved since.
    pub fn destroy(&mut self) {
        self.request_last(|connection, registration| connection.destroy(None, registration));
    }

    /// Closes the socket now, because of `error`, which its handler is told before `on_close`. Of several errors the
    /// first counts.
    pub fn destroy_with(&mut self, error: impl Into<Error>) {
        let error = error.into();
        self.request_last(|connection, registration| {
            connection.destroy(Some(error), registration);
        });
    }

    pub(crate) fn next_notice(&mut self) -> Option<Notice> {
        self.net.next_notice(self.id)
    }

    pub(crate) fn next_missed_mark(&mut self) -> Option<(u64, Error)> {
        self.net.next_missed_mark(self.id)
    }

    pub(crate) fn answer_end(&mut self) {
        if self.connection().is_some_and(Connection::ends_at_once) {
            self.request(Connection::answer_end);
        } else {
            self.request_now(Connection::answer_end);
        }
    }

    pub(crate) fn catch_up(&mut self) {
        if self.connection().is_some_and(Connection::is_behind) {
            self.net.with_connection(self.id, Connection::catch_up);
        }
    }

    /// Closes the socket now with a RST, so that the peer gets ECONNRESET; what the kernel does not take at once is
    /// thrown away. While connecting it waits for the connection, sends what is queued and resets then, as in Node
    /// (`resetAndDestroy`).
    ///
    /// # Errors
    ///
    /// ERR_INVALID_HANDLE_TYPE: Unix sockets have no reset. The socket lives on.
    pub fn reset(&mut self) -> Result<()> {
        let reset = self
            .net
            .with_connection(self.id, |connection, registration, pool| {
                connection.send_gathered(registration, pool);
                connection.reset(registration)
            });
        self.net.free_place(self.id);
        reset.unwrap_or(Ok(())).map_err(|error| match error.kind() {
            std::io::ErrorKind::Unsupported => {
                Error::internal(Error::INVALID_HANDLE_TYPE, "only a TCP socket can be reset")
            }
            _ => Error::new(Syscall::SetOption, error),
        })
    }

    /// Takes the connection out of the loop, to be used with the standard library or by another loop, with the bytes
    /// that were written and that the kernel has not taken yet. Nothing was read ahead. The socket closes with
    /// [`CloseReason::Detached`](crate::CloseReason::Detached); the connection does not. `None` if it is not a TCP
    /// connection that is there. The stream is still non-blocking.
    pub fn detach(&mut self) -> Option<(std::net::TcpStream, Vec<u8>)> {
        if !self.connection().is_some_and(Connection::is_tcp) {
            return None;
        }
        let (stream, unsent) = self.net.detach(self.id)?;
        Some((stream.into_tcp().ok()?, unsent))
    }

    /// [`detach`](Self::detach), for a Unix socket.
    #[cfg(unix)]
    pub fn detach_unix(&mut self) -> Option<(std::os::unix::net::UnixStream, Vec<u8>)> {
        if !self.connection().is_some_and(Connection::is_unix) {
            return None;
        }
        let (stream, unsent) = self.net.detach(self.id)?;
        Some((stream.into_unix().ok()?, unsent))
    }

    fn request(
        &mut self,
        request: impl FnOnce(&mut Connection, &mut crate::reactor::Registration<'_>),
    ) {
        self.net
            .with_connection(self.id, |connection, registration, _| {
                request(connection, registration);
            });
    }

    /// [`request`](Self::request) for what closes the socket.
    fn request_last(
        &mut self,
        request: impl FnOnce(&mut Connection, &mut crate::reactor::Registration<'_>),
    ) {
        self.net
            .with_connection(self.id, |connection, registration, pool| {
                connection.send_gathered(registration, pool);
                request(connection, registration);
            });
        self.net.free_place(self.id);
    }

    /// [`request`](Self::request) for what begins to count time: the turn's reading of the clock may be old by now,
    /// and nothing may come early.
    fn request_now(
        &mut self,
        request: impl FnOnce(&mut Connection, &mut crate::reactor::Registration<'_>),
    ) {
        self.net.note_now();
        self.request(request);
    }
}

/// Reading, time, options.
impl Socket<'_> {
    /// Stops reading: no `on_data` and no `on_end` until [`resume`](Self::resume). It costs no system call. A reset is
    /// still noticed, and reported at once; the idle timeout goes on.
    pub fn pause(&mut self) {
        self.request(Connection::pause);
    }

    /// Goes on reading, in a later turn; what arrived meanwhile is not lost.
    pub fn resume(&mut self) {
        self.request(Connection::resume);
    }

    /// After how long without a byte in either direction `on_timeout` comes: counted from now, once, and again after
    /// the next byte. `None` or zero: never. A queued write that the peer does not take is not activity. A byte counts
    /// from the reading of the clock that its turn began with, as in Node: what a callback writes after long work counts
    /// from before the work.
    pub fn set_timeout(&mut self, timeout: impl Into<Option<Duration>>) {
        let timeout = timeout.into();
        self.request_now(|connection, registration| {
            connection.set_idle_timeout(timeout, registration);
        });
    }

    /// Sets TCP_NODELAY, now or when connected. Without effect on a socket that is not TCP or is gone.
    ///
    /// # Errors
    ///
    /// What `setsockopt(2)` says.
    pub fn set_no_delay(&mut self, on: bool) -> Result<()> {
        self.set_option(|connection| connection.set_no_delay(on))
    }

    /// Sets SO_KEEPALIVE with its times, or switches it off with `None`; now or when connected. Without effect on a
    /// socket that is not TCP or is gone.
    ///
    /// # Errors
    ///
    /// What `setsockopt(2)` says.
    pub fn set_keep_alive(&mut self, keep_alive: impl Into<Option<KeepAlive>>) -> Result<()> {
        let keep_alive = keep_alive.into();
        self.set_option(|connection| connection.set_keep_alive(keep_alive))
    }

    /// Sets the type of service (IP_TOS) or traffic class (IPV6_TCLASS), now or when connected. The two lowest bits
    /// belong to congestion control, and the system may keep them to itself.
    ///
    /// # Errors
    ///
    /// What `setsockopt(2)` says.
    pub fn set_type_of_service(&mut self, value: u8) -> Result<()> {
        self.set_option(|connection| connection.set_type_of_service(value))
    }

    fn set_option(
        &mut self,
        set: impl FnOnce(&mut Connection) -> std::io::Result<()>,
    ) -> Result<()> {
        self.net
            .with_connection(self.id, |connection, _, _| set(connection))
            .unwrap_or(Ok(()))
            .map_err(|error| Error::new(Syscall::SetOption, error))
    }

    /// Makes the socket a reason for [`run`](crate::EventLoop::run) to go on, which it is unless
    /// [`unref`](Self::unref) was called. (Node's `ref` is a word of the language here.)
    pub fn hold(&mut self) {
        self.net.set_held(self.id.0, true);
    }

    /// Makes the socket no reason for [`run`](crate::EventLoop::run) to go on: the loop may end while it is open.
    /// Once or twice is the same.
    pub fn unref(&mut self) {
        self.net.set_held(self.id.0, false);
    }
}

/// Questions.
impl Socket<'_> {
    fn connection(&self) -> Option<&Connection> {
        self.net.connection(self.id)
    }

    /// What the socket can still do.
    pub fn state(&self) -> State {
        self.connection().map_or(State::Closed, Connection::state)
    }

    /// Whether it is closed or about to be, or the id is dead.
    pub fn is_destroyed(&self) -> bool {
        self.connection().is_none_or(Connection::is_closed)
    }

    /// Whether a write would be taken.
    pub fn is_writable(&self) -> bool {
        self.connection().is_some_and(Connection::is_writable)
    }

    /// Whether reading is paused.
    pub fn is_paused(&self) -> bool {
        self.connection().is_some_and(Connection::is_paused)
    }

    /// Whether a write has answered [`Flow::Full`] and `on_drain` is still to come.
    pub fn needs_drain(&self) -> bool {
        self.connection().is_some_and(Connection::owes_drain)
    }

    /// Whether it is a reason for [`run`](crate::EventLoop::run) to go on.
    pub fn is_held(&self) -> bool {
        self.net.is_held(self.id.0)
    }

    /// How many bytes were received; those that `on_data` is being called with are among them. Kept until after
    /// `on_close`.
    pub fn bytes_read(&self) -> u64 {
        self.connection().map_or(0, Connection::bytes_read)
    }

    /// How many bytes writes have accepted, those that are still queued included. Kept until after `on_close`.
    pub fn bytes_written(&self) -> u64 {
        let gathered = self.net.gathered_bytes(self.id) as u64;
        let written = self.connection().map_or(0, Connection::bytes_written);
        written + gathered
    }

    /// How many bytes no kernel has taken. Within `on_close`: how many were lost.
    pub fn queued_bytes(&self) -> usize {
        let queued = self.connection().map_or(0, Connection::queued_bytes);
        queued + self.net.gathered_bytes(self.id)
    }

    /// The address at this end; `None` before the connection exists, after it has closed, and for what has none. It
    /// is asked of the system (`getsockname(2)`).
    pub fn local_address(&self) -> Option<SocketAddr> {
        self.connection().and_then(Connection::local_address)
    }

    /// The address at the other end, as accept or connect told it: kept until after `on_close`. `None` before the
    /// connection exists, and for what has none.
    pub fn peer_address(&self) -> Option<SocketAddr> {
        self.connection().and_then(Connection::peer)
    }

    /// The type of service or traffic class: what the system has, or before there is a connection what was set.
    pub fn type_of_service(&self) -> Option<u8> {
        self.connection().and_then(Connection::type_of_service)
    }

    /// The addresses that were tried, in this order, if the name had several; the last one of a socket that is
    /// connected may not be the one that won, as attempts overlap. Node's `autoSelectFamilyAttemptedAddresses`.
    pub fn attempted_addresses(&self) -> Vec<SocketAddr> {
        self.connection()
            .and_then(Connection::dial)
            .map_or_else(Vec::new, Dial::attempted)
    }

    /// The name that is or was connected to; `None` if it was an address.
    pub(crate) fn host(&self) -> Option<String> {
        Some(self.connection()?.dial()?.host().to_owned())
    }

    /// The server that accepted it; `None` for a socket that connected.
    pub fn server(&self) -> Option<ServerId> {
        self.connection().and_then(Connection::server).map(ServerId)
    }

    /// The idle timeout that is set.
    pub fn timeout(&self) -> Option<Duration> {
        self.connection().and_then(Connection::idle_timeout)
    }

    /// Whether this side stays open when the peer ends.
    pub fn allows_half_open(&self) -> bool {
        self.connection()
            .is_some_and(|connection| connection.options().allow_half_open)
    }

    /// The mark from which on a write answers [`Flow::Full`].
    pub fn high_water_mark(&self) -> usize {
        self.connection()
            .map_or(0, |connection| connection.options().high_water_mark)
    }
}
