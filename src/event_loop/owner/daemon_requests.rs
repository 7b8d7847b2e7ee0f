//! The methods of the loop that a daemon needs: shutdowns, and signals.

use std::time::Duration;

use crate::event_loop::shutdown::{Domain, ShutdownReport};
#[cfg(all(unix, feature = "signals"))]
use crate::event_loop::signals::{Signal, SignalCall, SignalId, SignalWatch};
use crate::event_loop::{EventLoop, LoopContext};
#[cfg(all(unix, feature = "signals"))]
use crate::net::Result;
use crate::net::ServerId;

/// Shutdowns.
impl<S> EventLoop<S> {
    /// Ends all servers and sockets of the loop, and then calls `done` with the counts. Responses under way are sent
    /// first, for at most the time `deadline` from now on.
    ///
    /// - **Servers** take no new peers. The peers in the backlog were promised a connection by the system, so they are
    ///   accepted and served. Then the server closes; peers that come later are refused, or reset.
    /// - **Each socket** is asked once, by [`on_shutdown`](crate::SocketHandler::on_shutdown), after all bytes that had
    ///   arrived. The socket is *idle* if its handler answers [`End`](crate::AtShutdown::End), and if nothing was queued
    ///   or unread before. An idle socket ends at once, and closes when its peer ends too, or a second later.
    /// - **Every other socket is busy.** With the answer `End` it ends after its queued bytes. With
    ///   [`Keep`](crate::AtShutdown::Keep) the handler ends it. A socket that a server has accepted, and that has
    ///   received and sent nothing yet, is busy: it has a second for its first bytes. Sockets in a
    ///   [pipe](LoopContext::pipe_both) are busy too. So are sockets that handlers make meanwhile, which are not asked.
    /// - **UDP sockets** are asked by [`on_shutdown`](crate::DatagramHandler::on_shutdown). With the answer `End`, a
    ///   UDP socket closes after its queue.
    /// - **At the deadline** the rest is closed. An open TCP connection gets a RST if it has bytes to send, or if this
    ///   side has not ended it. So its peer does not mistake a cut response for a complete one.
    ///
    /// A second call adds its `done`. A nearer deadline of the second call holds; a later one changes nothing. So at a
    /// second SIGTERM, a call of `shutdown(Duration::ZERO, ..)` ends the wait for the sockets. The shutdown keeps
    /// [`run`](Self::run) going until it is over. Timers and sources of the program are left alone: `done` can close
    /// them, or call [`stop`](Self::stop).
    ///
    /// ```
    /// use std::time::Duration;
    /// use netloop::{Context, EventLoop, SocketHandler};
    ///
    /// struct Echo;
    ///
    /// impl SocketHandler for Echo {
    ///     fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) {
    ///         cx.socket.write(data).ignore();
    ///     }
    /// }
    ///
    /// # fn main() -> netloop::Result<()> {
    /// let mut event_loop: EventLoop = EventLoop::new()?;
    /// event_loop.listen("127.0.0.1:0", |_, _| Echo)?;
    /// // In a daemon, within `on_signal(Signal::TERM, ..)`.
    /// event_loop.shutdown(Duration::from_secs(10), |_, report| println!("{report}"));
    /// event_loop.run(&mut ())
    /// # }
    /// ```
    #[doc(alias = "closeAllConnections")]
    #[doc(alias = "closeIdleConnections")]
    pub fn shutdown(
        &mut self,
        deadline: Duration,
        done: impl FnOnce(&mut LoopContext<'_, S>, ShutdownReport) + 'static,
    ) {
        self.verbs().shutdown(Domain::Loop, deadline, done);
    }

    /// Ends one server with the sockets that it has accepted, as [`shutdown`](Self::shutdown) ends all. `done` is
    /// called after the server's [`on_close`](crate::ServerHandler::on_close), or in the next turn if it is gone.
    pub fn shutdown_server(
        &mut self,
        server: ServerId,
        deadline: Duration,
        done: impl FnOnce(&mut LoopContext<'_, S>, ShutdownReport) + 'static,
    ) {
        self.verbs()
            .shutdown(Domain::Server(server), deadline, done);
    }

    /// Whether a [`shutdown`](Self::shutdown) of the loop is under way.
    pub fn is_shutting_down(&self) -> bool {
        self.agenda.shutdowns.is_of_loop()
    }
}

/// Signals.
#[cfg(all(unix, feature = "signals"))]
impl<S> EventLoop<S> {
    /// Calls `call` for each delivery of `signal` to the process, with the feature `signals`. The calls come in the
    /// loop, after the ready sockets of the turn and before its timers, and may do everything that other callbacks may.
    /// Each delivery waits as a byte in a pipe, and is lost only if the pipe is full (64 KiB on Linux). The kernel
    /// itself merges signals of one number, except for real-time signals, until the first is delivered.
    ///
    /// A signal may have several handlers, in several loops too, and each is called. A handler is not called for
    /// signals that came before it was added. As in Node, a handler does not keep [`run`](Self::run) going, unless it
    /// is [held](crate::SignalWatch::hold).
    ///
    /// While a handler is there, the default action of the signal does not happen. When the last handler of the process
    /// closes, the default holds again; real-time signals and the like are ignored instead. So a program that handles
    /// the first SIGINT by [`on_signal_once`](Self::on_signal_once) is ended by the second. A handler that other code
    /// of the process has set before, without this library, is called too. A forked child that does not `exec` shares
    /// the pipes of the signals: its signals reach the loop of the parent.
    ///
    /// ```no_run
    /// use netloop::{EventLoop, Signal};
    ///
    /// # fn main() -> netloop::Result<()> {
    /// let mut event_loop: EventLoop = EventLoop::new()?;
    /// event_loop.on_signal(Signal::HUP, |_| println!("reads its configuration again"))?;
    /// event_loop.on_signal_once(Signal::INT, |cx| cx.stop())?;
    /// event_loop.run(&mut ())?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// ERR_INVALID_ARGUMENT for a signal that cannot be handled, SIGKILL and SIGSTOP, and for a number without a
    /// signal. The same for SIGSEGV, SIGILL and SIGFPE, after which the thread cannot go on. Otherwise the system's
    /// error, such as EMFILE: each signal takes two descriptors. A simulated loop returns `Unsupported`.
    #[doc(alias = "process.on")]
    #[doc(alias = "uv_signal_start")]
    pub fn on_signal(
        &mut self,
        signal: impl Into<Signal>,
        call: impl FnMut(&mut LoopContext<'_, S>) + 'static,
    ) -> Result<SignalId> {
        self.verbs()
            .on_signal(signal.into(), SignalCall::Each(Box::new(call)))
    }

    /// Calls `call` for the next delivery of `signal`, and then closes the handler, by the rules of
    /// [`on_signal`](Self::on_signal).
    ///
    /// # Errors
    ///
    /// As [`on_signal`](Self::on_signal).
    #[doc(alias = "process.once")]
    #[doc(alias = "uv_signal_start_oneshot")]
    pub fn on_signal_once(
        &mut self,
        signal: impl Into<Signal>,
        call: impl FnOnce(&mut LoopContext<'_, S>) + 'static,
    ) -> Result<SignalId> {
        self.verbs()
            .on_signal(signal.into(), SignalCall::Once(Box::new(call)))
    }

    /// Returns a view of the handler `id` of a signal, to close it, and to set whether it keeps `run` going.
    #[doc(alias = "process.off")]
    #[doc(alias = "uv_signal_stop")]
    pub fn signal(&mut self, id: SignalId) -> SignalWatch<'_, S> {
        let (net, agenda) = self.parts();
        SignalWatch::new(net, agenda, id)
    }
}
