//! The methods of a socket's view that arm and cancel the socket's timers.

use std::time::Duration;

use super::Socket;

/// Timers.
impl Socket<'_> {
    /// Arms a timer: [`on_timer`](crate::SocketHandler::on_timer) comes with `token`, once, when at least `after` has
    /// passed. If `token` is armed already, its timer is moved. So arming a token again puts a deadline off.
    ///
    /// The loop drops the timers of a socket as soon as the socket closes or its handler is replaced. No timer of a
    /// socket keeps [`run`](crate::EventLoop::run) going. A deadline for silence needs no timer: every byte moves the
    /// [idle timeout](Self::set_idle_timeout).
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

    /// Cancels the timer with `token`. Returns whether the timer was still armed.
    #[doc(alias = "clearTimeout")]
    pub fn cancel(&mut self, token: u64) -> bool {
        self.net.cancel_socket_timer(self.id, token)
    }
}
