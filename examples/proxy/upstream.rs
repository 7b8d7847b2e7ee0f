//! The side of the server behind the proxy.

use netloop::{CloseReason, Context, Error, LoopContext, ProxyHeader, SocketHandler, SocketId};

use crate::client::{self, Client};
use crate::proxy::Proxy;

/// The search for an upstream that takes a client.
pub(crate) struct Dial {
    client: SocketId,
    origin: ProxyHeader,
    /// The upstreams that were tried for this client.
    tried: Vec<usize>,
}

impl Dial {
    pub(crate) fn new(client: SocketId, origin: ProxyHeader) -> Self {
        Self {
            client,
            origin,
            tried: Vec::new(),
        }
    }
}

/// Connects to the next upstream that was not tried. `None` if there is none.
pub(crate) fn dial(cx: &mut LoopContext<'_, Proxy>, mut dial: Dial) -> Option<SocketId> {
    let now = cx.now();
    let Some(number) = cx.shared.upstreams.next(&dial.tried, now) else {
        cx.shared.counts.without_server += 1;
        return None;
    };
    dial.tried.push(number);
    let header = cx
        .shared
        .options
        .write_header
        .map(|write| write(&dial.origin));
    let place = cx.shared.options.upstreams[number].clone();
    let connecting = cx.shared.options.connecting();
    let dial = Some(dial);
    let id = cx
        .connect_with(place, connecting, Upstream { number, dial })
        .inspect_err(|error| eprintln!("{error:#}"))
        .ok()?;
    if let Some(header) = header {
        // Waits for the connection, and goes before the bytes of the client.
        cx.sockets.socket(id).write_owned(header).ignore();
    }
    Some(id)
}

/// The socket to an upstream.
pub(crate) struct Upstream {
    number: usize,
    /// The search that goes on if this upstream cannot be connected to; `None` once it is connected.
    dial: Option<Dial>,
}

impl SocketHandler<Proxy> for Upstream {
    fn on_connect(&mut self, cx: &mut Context<'_, Proxy>) {
        cx.shared.upstreams.connected(self.number);
        let Some(Dial { client, .. }) = self.dial.take() else {
            return;
        };
        let upstream = cx.socket.id();
        if !cx.as_loop().pipe_both(client, upstream) {
            // The client has left meanwhile.
            cx.socket.destroy();
        }
    }

    fn on_data(&mut self, _: &mut Context<'_, Proxy>, _: &[u8]) {}

    fn on_error(&mut self, cx: &mut Context<'_, Proxy>, error: &Error) {
        if self.dial.is_some() {
            let now = cx.now();
            let leave_out = cx.shared.options.leave_out;
            cx.shared.upstreams.failed(self.number, now + leave_out);
            eprintln!("{}: {error}", cx.shared.options.upstreams[self.number]);
        }
    }

    fn on_close(&mut self, cx: &mut Context<'_, Proxy>, reason: CloseReason) {
        let Some(failed) = self.dial.take() else {
            return;
        };
        if reason == CloseReason::Local {
            // The client has left, and taken this socket with it.
            return;
        }
        let client = failed.client;
        match dial(&mut cx.as_loop(), failed) {
            Some(upstream) => {
                cx.replace_handler(client, Client::of(upstream), &[]);
            }
            None => client::refuse(cx.socket.socket(client)),
        }
    }
}
