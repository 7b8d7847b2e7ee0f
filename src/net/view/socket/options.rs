//! What can be set on a socket while it is there.

use std::time::Duration;

use crate::net::connection::Connection;
use crate::net::error::{Error, Result, Syscall};
use crate::net::values::KeepAlive;

use super::Socket;

/// Reading, time, options.
impl Socket<'_> {
    /// Stops reading: no `on_data` and no `on_end` until [`resume`](Self::resume). It costs no system call. A reset is
    /// still noticed, and reported at once; the idle timeout goes on.
    pub fn pause(&mut self) {
        self.net.request(self.id, Connection::pause);
    }

    /// Goes on reading, in a later turn; what arrived meanwhile is not lost.
    pub fn resume(&mut self) {
        self.net.request(self.id, Connection::resume);
    }

    /// After how long without a byte in either direction `on_timeout` comes: counted from now, once, and again after
    /// the next byte. `None` or zero: never. A queued write that the peer does not take is not activity. A byte counts
    /// from the reading of the clock that its turn began with, as in Node: what a callback writes after long work counts
    /// from before the work.
    pub fn set_idle_timeout(&mut self, timeout: impl Into<Option<Duration>>) {
        let timeout = timeout.into();
        self.net.request_now(self.id, |connection, registration| {
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
    /// [`release`](Self::release) was called. (Node's `ref` is a word of the language here.)
    pub fn hold(&mut self) {
        self.net.hold(self.id.0);
    }

    /// Makes the socket no reason for [`run`](crate::EventLoop::run) to go on: the loop may end while it is open.
    /// Once or twice is the same.
    pub fn release(&mut self) {
        self.net.release(self.id.0);
    }
}
