//! The side of the client.

use netloop::{
    Accepted, CloseReason, Context, FailedHandshake, LoopContext, ProxyHeader, ServerHandler,
    Socket, SocketHandler, SocketId, State,
};

use crate::header;
use crate::proxy::Proxy;
use crate::upstream::{Dial, dial};

/// The server of the clients.
pub(crate) struct Front;

impl ServerHandler<Proxy> for Front {
    fn on_connection(
        &mut self,
        cx: &mut LoopContext<'_, Proxy>,
        accepted: &Accepted,
    ) -> Option<Box<dyn SocketHandler<Proxy>>> {
        let client = Client::accept(cx, accepted.id)?;
        Some(client.boxed())
    }

    fn on_handshake_failed(&mut self, cx: &mut LoopContext<'_, Proxy>, failed: &FailedHandshake) {
        cx.shared.counts.without_header += 1;
        eprintln!("{}", failed.error);
    }
}

/// A client whose connection goes to an upstream. The pipe between the two passes the bytes; until the upstream is
/// connected, the client is paused.
pub(crate) struct Client {
    upstream: SocketId,
}

impl Client {
    /// Takes a client, which waits for its upstream.
    fn accept(cx: &mut LoopContext<'_, Proxy>, id: SocketId) -> Option<Self> {
        cx.shared.counts.clients += 1;
        let socket = cx.sockets.socket(id);
        let origin = match socket.proxy_header() {
            Some(header @ (ProxyHeader::Inet { .. } | ProxyHeader::Unix { .. })) => header.clone(),
            // The ends of this connection are the best that is known.
            Some(ProxyHeader::Local | ProxyHeader::Unknown) | None => {
                header::of(socket.peer_address(), socket.local_address())
            }
        };
        let client = dial(cx, Dial::new(id, origin)).map(Self::of);
        cx.shared.counts.closed += u64::from(client.is_none());
        client
    }

    pub(crate) fn of(upstream: SocketId) -> Self {
        Self { upstream }
    }
}

impl SocketHandler<Proxy> for Client {
    fn on_data(&mut self, _: &mut Context<'_, Proxy>, _: &[u8]) {}

    fn on_close(&mut self, cx: &mut Context<'_, Proxy>, _: CloseReason) {
        cx.shared.counts.closed += 1;
        // An upstream that is connected has a pipe, which carries the close after the last byte.
        let mut upstream = cx.socket.socket(self.upstream);
        if upstream.state() == State::Opening {
            upstream.destroy();
        }
    }
}

/// Closes a client that no upstream takes. An end would look like an empty answer.
pub(crate) fn refuse(mut client: Socket<'_>) {
    if client.reset().is_err() {
        // A Unix socket has no reset.
        client.destroy();
    }
}
