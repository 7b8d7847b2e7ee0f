//! The callback that is running, and the cleanup after one that has panicked.

use crate::net::{CloseReason, DatagramId, Error, ServerId, SocketId, SourceId, TimerId};

use super::EventLoop;
use super::hooks::HookId;
#[cfg(all(unix, feature = "signals"))]
use super::signals::SignalId;
use super::watch::PanicPolicy;

/// The callback that is running. If a value is still set when a turn begins, that callback has panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Calling {
    /// A callback of this socket, or the `on_connection` that is told of it. If it panics, the socket is destroyed.
    Socket(SocketId),
    /// A callback of a closed socket before `on_close`. If it panics, `on_close` follows in the next turn.
    Failing(SocketId, CloseReason),
    /// `on_close` of a socket. If it panics, only the removal of the socket is left to do.
    Closed(SocketId),
    /// A callback of a server, but not `on_connection` or `on_close`. If it panics, the policy of the loop decides
    /// whether the server closes.
    Server(ServerId),
    /// As `Closed`, for a server.
    ClosedServer(ServerId),
    /// A callback of this UDP socket. If it panics, the socket is closed.
    Datagram(DatagramId),
    /// As `Closed`, for a UDP socket.
    ClosedDatagram(DatagramId),
    /// A callback of this source. If it panics, the source is closed.
    Source(SourceId),
    /// A repeating timer. If its call panics, the timer is over.
    Timer(TimerId),
    /// As `Timer`, for a hook.
    Hook(HookId),
    /// As `Timer`, for the handler of a signal.
    #[cfg(all(unix, feature = "signals"))]
    Signal(SignalId),
    /// Another call without an owner. If it panics, nothing is closed.
    Loop,
}

impl<S> EventLoop<S> {
    /// Cleans up after a callback that has panicked, if there is one: closes only its owner, as [`Calling`] says.
    #[inline]
    pub(super) fn recover(&mut self) {
        #[cfg(all(feature = "precise", target_os = "linux"))]
        self.mirror.begin_turn();
        if let Some(panicked) = self.calling.take() {
            self.recover_from(panicked);
        }
        self.install();
    }

    #[cold]
    #[inline(never)]
    fn recover_from(&mut self, panicked: Calling) {
        self.net.abandon_callback();
        match panicked {
            Calling::Loop => {}
            Calling::Timer(id) => {
                self.agenda.timers.cancel(&mut self.net, id);
            }
            Calling::Hook(id) => {
                self.agenda.hooks.remove(id);
            }
            #[cfg(all(unix, feature = "signals"))]
            Calling::Signal(id) => {
                self.agenda.signals.close(&mut self.net, id);
            }
            Calling::Socket(id) => {
                let error = Error::with_code(Error::HANDLER_PANICKED, "its handler panicked");
                self.net.abandon(id, error);
            }
            Calling::Server(id) => {
                if self.options.panic_policy == PanicPolicy::Close {
                    self.net.close_server(id);
                }
            }
            Calling::Datagram(id) => {
                let error = Error::with_code(Error::HANDLER_PANICKED, "its handler panicked");
                self.net.fail_datagrams(id, error);
            }
            Calling::ClosedDatagram(id) => self.forget_datagrams(id),
            Calling::Source(id) => self.net.close_source(id),
            Calling::Failing(id, reason) => self.unclosed = Some((id, reason)),
            Calling::Closed(id) => self.forget_socket(id),
            Calling::ClosedServer(id) => self.forget_server(id),
        }
    }
}
