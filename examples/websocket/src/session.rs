//! A connection after its upgrade: control frames, the closing handshake, backpressure and signs of life, for any
//! application.

use netloop::{AtShutdown, CloseReason, Context, Flow, Socket, SocketHandler};

use crate::frame::{self, Opcode};
use crate::receiver::{Event, Limits, Receiver};
use crate::server::Server;
use crate::violation::{self, Violation};

/// The behaviour behind the protocol. A message that is answered with a violation closes the connection.
pub(crate) trait Application {
    fn on_text(&mut self, cx: &mut Context<'_, Server>, text: &str) -> Result<(), Violation>;

    fn on_binary(&mut self, cx: &mut Context<'_, Server>, bytes: &[u8]) -> Result<(), Violation>;

    fn on_close(&mut self, cx: &mut Context<'_, Server>);
}

pub(crate) struct Session<A> {
    application: A,
    receiver: Receiver,
    /// Whether a ping was sent, and nothing has come since.
    awaits_sign_of_life: bool,
}

impl<A: Application> Session<A> {
    pub(crate) fn new(application: A, limits: Limits) -> Self {
        Self {
            application,
            receiver: Receiver::new(limits),
            awaits_sign_of_life: false,
        }
    }

    fn receive(&mut self, cx: &mut Context<'_, Server>, mut data: &[u8]) -> Result<(), Violation> {
        while let Some(event) = self.receiver.next(&mut data)? {
            match event {
                Event::Text(text) => self.application.on_text(cx, text)?,
                Event::Binary(bytes) => self.application.on_binary(cx, bytes)?,
                Event::Ping(payload) => send(&mut cx.socket, Opcode::Pong, payload),
                Event::Pong => {}
                Event::Close(code) => close(&mut cx.socket, code.unwrap_or(violation::NORMAL), ""),
            }
            if !cx.socket.is_writable() {
                // Closed by the frame, or dropped by the chat: the rest does not count.
                return Ok(());
            }
        }
        // In the middle of a message the client must keep up the least rate of `Limits::internet`.
        cx.socket.expect_bytes(self.receiver.is_within_message());
        Ok(())
    }
}

impl<A: Application> SocketHandler<Server> for Session<A> {
    fn on_data(&mut self, cx: &mut Context<'_, Server>, data: &[u8]) {
        self.awaits_sign_of_life = false;
        if !cx.socket.is_writable() {
            // After a Close frame nothing counts. It is read all the same: unread bytes would make the end a reset,
            // which can take the frame away from the client.
            return;
        }
        if let Err(Violation { code, reason }) = self.receive(cx, data) {
            close(&mut cx.socket, code, reason);
        }
    }

    fn on_drain(&mut self, cx: &mut Context<'_, Server>) {
        cx.socket.resume();
    }

    /// Asks a silent client for a sign of life, and gives up a client that stays silent. A ping is activity, so the
    /// idle timeout begins anew with it.
    fn on_timeout(&mut self, cx: &mut Context<'_, Server>) {
        if self.awaits_sign_of_life || !cx.socket.is_writable() {
            cx.socket.destroy();
        } else {
            self.awaits_sign_of_life = true;
            send(&mut cx.socket, Opcode::Ping, b"");
        }
    }

    fn on_shutdown(&mut self, cx: &mut Context<'_, Server>) -> AtShutdown {
        if cx.socket.is_writable() {
            close(&mut cx.socket, violation::GOING_AWAY, "the server stops");
        }
        AtShutdown::End
    }

    fn on_close(&mut self, cx: &mut Context<'_, Server>, _: CloseReason) {
        self.application.on_close(cx);
    }
}

/// Sends a frame to a client that caused it. A client that does not read is not read from either, until it does.
pub(crate) fn send(socket: &mut Socket<'_>, opcode: Opcode, payload: &[u8]) {
    if frame::send(socket, opcode, payload) == Flow::Full {
        socket.pause();
    }
}

/// Sends a Close frame, and ends this side. The server is the first to end, so that the client has not to wait for the
/// port of its connection (RFC 6455, 7.1.1). The close timeout bounds the rest.
fn close(socket: &mut Socket<'_>, code: u16, reason: &str) {
    let payload = [&code.to_be_bytes(), reason.as_bytes()].concat();
    frame::send(socket, Opcode::Close, &payload).ignore();
    socket.end();
    // After an end there is no drain, and the end of the client is still to be read.
    socket.resume();
}
