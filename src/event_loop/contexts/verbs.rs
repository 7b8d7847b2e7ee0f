//! The methods that the loop and its contexts share, implemented once.

use std::time::Duration;

use crate::event_loop::agenda::{Agenda, NewHandler};
use crate::event_loop::handlers::pipe::{self, Piped};
use crate::event_loop::handlers::{
    Accept, Accepted, Attached, DatagramHandler, ServerHandler, SocketHandler, SourceHandler,
};
use crate::event_loop::hooks::{HookId, HookPlace};
use crate::event_loop::into_handler::IntoHandler;
use crate::event_loop::mailbox::Remote;
use crate::event_loop::shutdown::{Domain, ShutdownReport};
#[cfg(all(unix, feature = "signals"))]
use crate::event_loop::signals::{self, Signal, SignalCall, SignalId};
use crate::event_loop::timers::Action;
use crate::net::{
    ConnectOptions, DatagramId, DatagramOptions, Interest, IntoEndpoint, IntoListener,
    ListenOptions, Net, Result, ServerId, SocketId, SocketOptions, SourceId, StdStream, TimerId,
};

use super::loop_context::LoopContext;

/// The loop without the shared state: a host that makes a server has not lent its state yet.
pub(crate) struct Verbs<'a, S> {
    pub(crate) net: &'a mut Net,
    pub(crate) agenda: &'a mut Agenda<S>,
}

impl<S> Verbs<'_, S> {
    pub(crate) fn listen_with<F, R, M>(
        self,
        to: impl IntoListener,
        options: ListenOptions,
        accept: F,
    ) -> Result<ServerId>
    where
        F: FnMut(&mut LoopContext<'_, S>, &Accepted) -> R + 'static,
        R: IntoHandler<S, M>,
        M: 'static,
    {
        self.serve(to, options, Accept::new(accept))
    }

    pub(crate) fn serve(
        self,
        to: impl IntoListener,
        options: ListenOptions,
        handler: impl ServerHandler<S> + 'static,
    ) -> Result<ServerId> {
        let id = self.net.listen(to.into_listener()?, &options)?;
        Ok(self.install_server(id, handler))
    }

    pub(crate) fn connect_with(
        self,
        to: impl IntoEndpoint,
        options: ConnectOptions,
        handler: impl SocketHandler<S> + 'static,
    ) -> Result<SocketId> {
        let id = self.net.connect(to.into_endpoint()?, &options)?;
        Ok(self.install_socket(id, handler))
    }

    pub(crate) fn adopt(
        self,
        stream: impl Into<StdStream>,
        options: SocketOptions,
        handler: impl SocketHandler<S> + 'static,
    ) -> Result<SocketId> {
        let id = self.net.adopt(stream.into(), &options)?;
        Ok(self.install_socket(id, handler))
    }

    #[cfg(unix)]
    pub(crate) fn read_input(
        self,
        input: impl std::os::fd::AsFd,
        handler: impl SocketHandler<S> + 'static,
    ) -> Result<SocketId> {
        let id = self.net.adopt_input(input.as_fd())?;
        Ok(self.install_socket(id, handler))
    }

    pub(crate) fn bind_udp(
        self,
        to: impl IntoEndpoint,
        options: &DatagramOptions,
        handler: impl DatagramHandler<S> + 'static,
    ) -> Result<DatagramId> {
        let id = self.net.bind_udp(to.into_endpoint()?, options)?;
        Ok(self.install_datagrams(id, handler))
    }

    pub(crate) fn connect_udp(
        self,
        to: impl IntoEndpoint,
        options: &DatagramOptions,
        handler: impl DatagramHandler<S> + 'static,
    ) -> Result<DatagramId> {
        let id = self.net.connect_udp(to.into_endpoint()?, options)?;
        Ok(self.install_datagrams(id, handler))
    }

    pub(crate) fn adopt_udp(
        self,
        socket: std::net::UdpSocket,
        options: &DatagramOptions,
        handler: impl DatagramHandler<S> + 'static,
    ) -> Result<DatagramId> {
        let id = self.net.adopt_udp(socket, options)?;
        Ok(self.install_datagrams(id, handler))
    }

    pub(crate) fn add_source<H>(
        self,
        mut source: H::Source,
        interest: Interest,
        handler: H,
    ) -> Result<SourceId>
    where
        H: SourceHandler<S> + 'static,
    {
        let id = self
            .net
            .add_source(&mut source, interest, handler.burst())?;
        let attached = Box::new(Attached { handler, source });
        let install = NewHandler::Source(id, attached);
        self.agenda.installs.push_back(install);
        Ok(id)
    }

    pub(crate) fn replace_handler(
        self,
        id: SocketId,
        handler: impl SocketHandler<S> + 'static,
        unread: &[u8],
    ) -> bool {
        // The server of this socket is still to be told of it: the handler that `on_connection` then returns would take
        // the place of this one.
        if self.net.is_untold(id) {
            return false;
        }
        let is_kept = unread.is_empty() || self.net.keep_unread(id, unread);
        if !is_kept || self.net.socket_is_closed(id) {
            return false;
        }
        // The timers of the socket belong to the old handler, which chose their tokens.
        self.net.cancel_socket_timers(id);
        self.net.end_pause_of_pipe(id);
        self.agenda.shutdowns.ask_again(self.net, id);
        self.install_socket(id, handler);
        true
    }

    pub(crate) fn pipe(self, from: SocketId, to: SocketId, both: bool) -> bool
    where
        S: 'static,
    {
        // A server that was not told of the socket yet would put the handler of `on_connection` in place of the pipe.
        if self.net.is_untold(from) || self.net.is_untold(to) {
            return false;
        }
        let Some(ends) = pipe::join(self.net, from, to, both) else {
            return false;
        };
        let installs = ends
            .into_iter()
            .map(|(id, end)| NewHandler::Pipe(id, end, Piped::put_before));
        self.agenda.installs.extend(installs);
        true
    }

    pub(crate) fn after(
        self,
        after: Duration,
        call: impl FnOnce(&mut LoopContext<'_, S>) + 'static,
    ) -> TimerId {
        let action = Action::Once(Box::new(call));
        self.agenda.timers.arm(self.net, after, action)
    }

    pub(crate) fn every(
        self,
        period: Duration,
        call: impl FnMut(&mut LoopContext<'_, S>) + 'static,
    ) -> TimerId {
        let action = Action::Repeatedly(Some(Box::new(call)), period);
        self.agenda.timers.arm(self.net, period, action)
    }

    #[cfg(all(unix, feature = "signals"))]
    pub(crate) fn on_signal(self, signal: Signal, call: SignalCall<S>) -> Result<SignalId> {
        let Self { net, agenda } = self;
        if !agenda.signals.has_inlet(signal) {
            let verbs = Verbs {
                net,
                agenda: &mut *agenda,
            };
            signals::open_inlet(verbs, signal)?;
        }
        Ok(agenda.signals.add(signal, call))
    }

    pub(crate) fn defer(self, call: impl FnOnce(&mut LoopContext<'_, S>) + 'static) {
        self.agenda.defer(Box::new(call));
    }

    pub(crate) fn add_hook(
        self,
        place: HookPlace,
        call: impl FnMut(&mut LoopContext<'_, S>) + 'static,
    ) -> HookId {
        self.agenda.add_hook(place, Box::new(call))
    }

    pub(crate) fn shutdown(
        self,
        domain: Domain,
        deadline: Duration,
        done: impl FnOnce(&mut LoopContext<'_, S>, ShutdownReport) + 'static,
    ) {
        self.agenda.begin_shutdown(self.net, domain, deadline, done);
    }

    pub(crate) fn stop(self) {
        self.agenda.stop();
    }

    fn install_socket(self, id: SocketId, handler: impl SocketHandler<S> + 'static) -> SocketId {
        let install = NewHandler::Socket(id, handler.boxed());
        self.agenda.installs.push_back(install);
        id
    }

    fn install_datagrams(
        self,
        id: DatagramId,
        handler: impl DatagramHandler<S> + 'static,
    ) -> DatagramId {
        let install = NewHandler::Datagram(id, Box::new(handler));
        self.agenda.installs.push_back(install);
        id
    }

    fn install_server(self, id: ServerId, handler: impl ServerHandler<S> + 'static) -> ServerId {
        let install = NewHandler::Server(id, Box::new(handler));
        self.agenda.installs.push_back(install);
        id
    }
}

impl<S> Agenda<S> {
    pub(crate) fn remote(&self) -> Remote<S> {
        Remote::new(&self.mailbox)
    }
}
