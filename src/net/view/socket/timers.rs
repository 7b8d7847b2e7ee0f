//! The timers of a socket, as its view arms them.

use std::time::Duration;

use super::Socket;

/// Timers.
impl Socket<'_> {
    /// Lets [`on_timer`](crate::SocketHandler::on_timer) come with `token`, once, when at least `after` has passed. A
    /// token that is armed already is moved, so that a deadline is put off by arming it again.
    ///
    /// The timers of a socket are gone as soon as it closes or its handler is replaced, and none of them keeps
    /// [`run`](crate::EventLoop::run) going. A deadline for silence needs none:
    /// [`set_idle_timeout`](Self::set_idle_timeout) is moved by every byte.
    ///
    /// ```
    /// use std::time::Duration;
    /// use netloop::{Context, SocketHandler};
    ///
    /// /// A peer has five seconds to say the first word, and is then asked every minute whether it is there.
    /// struct Session;
    ///
    /// const GREETING: u64 = 0;
    /// const PING: u64 = 1;
    ///
    /// impl SocketHandler for Session {
    ///     fn on_connect(&mut self, cx: &mut Context<'_>) {
    ///         cx.socket.after(Duration::from_secs(5), GREETING);
    ///     }
    ///     fn on_data(&mut self, cx: &mut Context<'_>, _: &[u8]) {
    ///         cx.socket.cancel(GREETING);
    ///         cx.socket.after(Duration::from_secs(60), PING);
    ///     }
    ///     fn on_timer(&mut self, cx: &mut Context<'_>, token: u64) {
    ///         match token {
    ///             PING => {
    ///                 writeln!(cx.socket, "PING");
    ///                 cx.socket.after(Duration::from_secs(60), PING);
    ///             }
    ///             _ => cx.socket.destroy(),
    ///         }
    ///     }
    /// }
    /// ```
    #[doc(alias = "setTimeout")]
    pub fn after(&mut self, after: Duration, token: u64) {
        self.net.arm_socket_timer(self.id, after, token);
    }

    /// Takes back the timer with `token`, and answers whether it was still to come.
    #[doc(alias = "clearTimeout")]
    pub fn cancel(&mut self, token: u64) -> bool {
        self.net.cancel_socket_timer(self.id, token)
    }
}
