//! The side of the client.

use netloop::{
    Accepted, CloseReason, Context, Error, LoopContext, Socket, SocketHandler, SocketId, State,
};

use crate::header::{Header, Parsed};
use crate::proxy::Proxy;
use crate::upstream::{Dial, dial};

/// The limit of a header: the addresses, and as many TLVs as a proxy with certificates of its clients sends.
const MAX_HEADER_BYTES: usize = 4096;

/// A client whose connection goes to an upstream. The pipe between the two passes the bytes; until the upstream is
/// connected, the client is paused.
pub(crate) struct Client {
    upstream: SocketId,
}

impl Client {
    /// Takes a client that has come without a proxy in between.
    pub(crate) fn accept(cx: &mut LoopContext<'_, Proxy>, accepted: &Accepted) -> Option<Self> {
        cx.shared.counts.clients += 1;
        let socket = cx.sockets.socket(accepted.id);
        let origin = Header::of(socket.peer_address(), socket.local_address());
        let client = dial(cx, Dial::new(accepted.id, origin)).map(Self::of);
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
        // An upstream that is connected has a pipe, which carries the close behind the last byte.
        let mut upstream = cx.socket.socket(self.upstream);
        if upstream.state() == State::Opening {
            upstream.destroy();
        }
    }
}

/// A connection that begins with a header of the PROXY protocol.
#[derive(Default)]
pub(crate) struct Introduction {
    received: Vec<u8>,
}

impl SocketHandler<Proxy> for Introduction {
    fn on_connect(&mut self, cx: &mut Context<'_, Proxy>) {
        cx.shared.counts.clients += 1;
        // No byte puts it off.
        cx.socket.set_deadline(cx.shared.options.header_timeout);
    }

    fn on_data(&mut self, cx: &mut Context<'_, Proxy>, data: &[u8]) {
        self.received.extend_from_slice(data);
        match Header::parse(&self.received, MAX_HEADER_BYTES) {
            Parsed::Incomplete => {}
            Parsed::Complete { header, length } => introduce(cx, header, &self.received[length..]),
            Parsed::Invalid(fault) => cx.socket.destroy_with(Error::other(fault)),
        }
    }

    fn on_end(&mut self, cx: &mut Context<'_, Proxy>) {
        // A health check may connect and say nothing.
        if !self.received.is_empty() {
            let fault = "the connection ends within its PROXY header";
            cx.socket.destroy_with(Error::other(fault));
        }
    }

    fn on_error(&mut self, cx: &mut Context<'_, Proxy>, error: &Error) {
        cx.shared.counts.without_header += 1;
        match cx.socket.peer_address() {
            Some(address) => eprintln!("{address}: {error}"),
            None => eprintln!("a peer: {error}"),
        }
    }

    fn on_close(&mut self, cx: &mut Context<'_, Proxy>, _: CloseReason) {
        cx.shared.counts.closed += 1;
    }
}

/// Takes the client of a header. The bytes behind the header are its first, and wait with it for the upstream.
fn introduce(cx: &mut Context<'_, Proxy>, header: Header, first_bytes: &[u8]) {
    cx.socket.set_deadline(None);
    cx.socket.pause();
    let origin = match header {
        // The ends of this connection are the best that is known.
        Header::Local | Header::Unknown => {
            Header::of(cx.socket.peer_address(), cx.socket.local_address())
        }
        Header::Inet { .. } | Header::Unix { .. } => header,
    };
    let client = cx.socket.id();
    match dial(&mut cx.as_loop(), Dial::new(client, origin)) {
        Some(upstream) => {
            cx.replace_handler(client, Client::of(upstream), first_bytes);
        }
        None => refuse(cx.socket.socket(client)),
    }
}

/// Closes a client that no upstream takes. An end would look like an empty answer.
pub(crate) fn refuse(mut client: Socket<'_>) {
    if client.reset().is_err() {
        // A Unix socket has no reset.
        client.destroy();
    }
}
