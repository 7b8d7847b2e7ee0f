//! The tunnel between a client and the host that it wants: the connect, its reply, and the pipe.

use netloop::{CloseReason, Context, Error, SocketHandler, SocketId, State};

use crate::Settings;
use crate::handshake::say;
use crate::protocol::{Destination, Reply, write_reply};

/// Connects to the host. The bytes after the request are the first of the tunnel, and wait with the client. Fails for a
/// name that cannot be one.
pub(crate) fn open(
    cx: &mut Context<'_, Settings>,
    destination: Destination,
    first_bytes: &[u8],
) -> netloop::Result<()> {
    let client = cx.socket.id();
    let connecting = cx.shared.connecting.clone();
    let wanted = match &destination {
        Destination::Address(address) => address.to_string(),
        Destination::Name(name, port) => format!("{name}:{port}"),
    };
    say(cx, &wanted);
    let host = Host {
        client,
        wanted,
        is_connected: false,
    };
    let host = match destination {
        Destination::Address(address) => cx.as_loop().connect_with(address, connecting, host)?,
        Destination::Name(name, port) => {
            cx.as_loop().connect_with((name, port), connecting, host)?
        }
    };
    cx.socket.set_deadline(None);
    cx.socket.pause();
    cx.replace_handler(client, Client { host }, first_bytes);
    Ok(())
}

/// The client of a tunnel. It is paused until the host is connected; then the pipe passes its bytes.
struct Client {
    host: SocketId,
}

impl SocketHandler<Settings> for Client {
    /// Only bytes after a refusal come here.
    fn on_data(&mut self, _: &mut Context<'_, Settings>, _: &[u8]) {}

    fn on_close(&mut self, cx: &mut Context<'_, Settings>, _: CloseReason) {
        // The pipe carries the close to a host that is connected.
        let mut host = cx.socket.socket(self.host);
        if host.state() == State::Opening {
            host.destroy();
        }
    }
}

/// The socket to the host.
struct Host {
    client: SocketId,
    /// The host as the client has named it.
    wanted: String,
    is_connected: bool,
}

impl SocketHandler<Settings> for Host {
    fn on_connect(&mut self, cx: &mut Context<'_, Settings>) {
        self.is_connected = true;
        let reply = write_reply(Reply::Succeeded, cx.socket.local_address());
        let mut client = cx.socket.socket(self.client);
        client.write_owned(reply).ignore();
        let host = cx.socket.id();
        if !cx.as_loop().pipe_both(self.client, host) {
            // The client has left meanwhile.
            cx.socket.destroy();
        }
    }

    fn on_data(&mut self, _: &mut Context<'_, Settings>, _: &[u8]) {}

    fn on_error(&mut self, cx: &mut Context<'_, Settings>, error: &Error) {
        if self.is_connected {
            return;
        }
        let mut client = cx.socket.socket(self.client);
        match client.peer_address() {
            Some(address) => eprintln!("{address}: {}: {error}", self.wanted),
            None => eprintln!("a client: {}: {error}", self.wanted),
        }
        client
            .end_with(&write_reply(reply_to(error), None))
            .ignore();
        // The end of the client is behind bytes that nothing else reads.
        client.resume();
    }
}

/// Returns the reply that says what `error` says of a connect.
fn reply_to(error: &Error) -> Reply {
    match error.code() {
        Error::IP_BLOCKED => Reply::NotAllowed,
        "ENETUNREACH" => Reply::NetworkUnreachable,
        "EHOSTUNREACH" | "EHOSTDOWN" | "ENOTFOUND" | "EAI_AGAIN" => Reply::HostUnreachable,
        "ECONNREFUSED" => Reply::Refused,
        "ETIMEDOUT" => Reply::TimeToLiveExpired,
        _ => Reply::Failed,
    }
}
