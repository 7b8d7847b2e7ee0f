//! The first handler of a connection: it reads one request, and serves the page or hands the socket to a session.

use netloop::{Context, SocketHandler};

use crate::chat::Member;
use crate::echo::Echo;
use crate::server::Server;
use crate::session::Session;
use crate::upgrade::{self, Answer, Endpoint, Refusal};

const PAGE: &str = include_str!("page.html");

/// The headers of the page. By the policy it loads nothing, and talks to this server alone.
const PAGE_HEADERS: &str = "Content-Type: text/html; charset=utf-8\r\nCache-Control: no-cache\r\n\
    Content-Security-Policy: default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
    img-src data:; connect-src 'self'\r\n";

#[derive(Default)]
pub(crate) struct Handshake {
    received: Vec<u8>,
}

impl SocketHandler<Server> for Handshake {
    fn on_connect(&mut self, cx: &mut Context<'_, Server>) {
        // For the whole request and its answer: no byte extends it.
        cx.socket.set_deadline(cx.shared.options.upgrade_deadline);
    }

    fn on_data(&mut self, cx: &mut Context<'_, Server>, data: &[u8]) {
        if !cx.socket.is_writable() {
            // The request was answered, and the peer has not left yet.
            return;
        }
        self.received.extend_from_slice(data);
        let origins = &cx.shared.options.origins;
        let Some((answer, length)) = upgrade::judge(&self.received, origins) else {
            return;
        };
        match answer {
            Answer::Page => respond(cx, "200 OK", PAGE_HEADERS, PAGE),
            Answer::Refusal(Refusal { status, headers }) => {
                let headers = format!("{headers}Content-Type: text/plain\r\n");
                respond(cx, status, &headers, &format!("{status}\n"));
            }
            Answer::Upgrade { endpoint, accept } => {
                write!(
                    cx.socket,
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Accept: {accept}\r\n\r\n"
                );
                self.upgrade(cx, endpoint, length);
            }
        }
    }
}

impl Handshake {
    fn upgrade(&self, cx: &mut Context<'_, Server>, endpoint: Endpoint, head: usize) {
        cx.socket.set_deadline(None);
        cx.socket.set_idle_timeout(cx.shared.options.ping_after);
        let id = cx.socket.id();
        // A client may send its first frame without waiting for the answer.
        let unread = &self.received[head..];
        let limits = cx.shared.options.limits;
        match endpoint {
            Endpoint::Chat => cx.replace_handler(id, Session::new(Member::new(), limits), unread),
            Endpoint::Echo => cx.replace_handler(id, Session::new(Echo, limits), unread),
        };
    }
}

/// Sends a response, after which the connection ends.
fn respond(cx: &mut Context<'_, Server>, status: &str, headers: &str, body: &str) {
    write!(
        cx.socket,
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    cx.socket.end();
}
