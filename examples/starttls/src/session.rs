//! One connection: joins a conversation with a socket, and starts TLS in the middle of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use netloop::{CloseReason, Context, Error, Flow, SocketHandler};
use rustls::ServerConfig;

use crate::conversation::{Conversation, Step};
use crate::lines::{Fault, Lines};

/// The settings that all sessions share.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) tls: Arc<ServerConfig>,
    /// The time for a command, and for a message as a whole.
    pub(crate) time: Duration,
    pub(crate) message_bytes: u64,
}

#[derive(Debug)]
pub(crate) struct Session {
    settings: Settings,
    lines: Lines,
    conversation: Conversation,
    /// Whether the last reply is written. Further lines count for nothing.
    is_over: bool,
    /// The name of the client in what is printed.
    peer: String,
}

impl Session {
    pub(crate) fn new(settings: Settings, peer: Option<SocketAddr>) -> Self {
        Self {
            lines: Lines::default(),
            conversation: Conversation::new(false, settings.message_bytes),
            settings,
            is_over: false,
            peer: peer.map_or_else(String::new, |peer| peer.to_string()),
        }
    }

    fn reply(&self, cx: &mut Context<'_>, text: &str) {
        // Whatever a client asks for without reading the replies is not read either.
        if write!(cx.socket, "{text}\r\n") == Flow::Full {
            cx.socket.pause();
        }
        // The next command has a deadline of its own, and no byte of it extends the deadline.
        cx.socket.set_deadline(self.settings.time);
    }

    fn end(&mut self, cx: &mut Context<'_>, text: &str) {
        self.reply(cx, text);
        self.is_over = true;
        cx.socket.set_deadline(None);
        cx.socket.end();
        // The peer's end is to be read, too.
        cx.socket.resume();
    }

    /// Starts TLS after the reply. `unread` came after the command, in the clear: an attacker may have put it there, to be
    /// read as the client's (CVE-2011-0411). `start_tls` refuses such bytes, and others that wait in the kernel.
    fn start_tls(&self, cx: &mut Context<'_>, text: &str, unread: &[u8]) {
        self.reply(cx, text);
        // The time of the handshake is a limit of the library.
        cx.socket.set_deadline(None);
        if let Err(error) = cx.socket.start_tls(Arc::clone(&self.settings.tls), unread) {
            cx.socket.destroy_with(error);
        }
    }
}

impl SocketHandler for Session {
    /// Comes once for the connection, and once more when TLS has started.
    fn on_connect(&mut self, cx: &mut Context<'_>) {
        let Some(tls) = cx.socket.tls() else {
            return self.reply(cx, "220 netloop ESMTP");
        };
        if let Some(version) = tls.version() {
            println!("{} speaks {version:?}", self.peer);
        }
        self.conversation = Conversation::new(true, self.settings.message_bytes);
        cx.socket.set_deadline(self.settings.time);
    }

    fn on_data(&mut self, cx: &mut Context<'_>, mut data: &[u8]) {
        while !self.is_over {
            let line = self.lines.next(&mut data);
            let Some(step) = line.map(|line| line.map(|line| self.conversation.line(line))) else {
                return;
            };
            match step {
                Ok(Step::Nothing) => {}
                Ok(Step::Reply(text)) => self.reply(cx, &text),
                Ok(Step::Received(message)) => {
                    let (bytes, from, to) = (message.bytes, message.from, message.to.join(", "));
                    println!("{} has sent {bytes} bytes from {from} to {to}", self.peer);
                    self.reply(cx, "250 2.0.0 taken, and dropped");
                }
                Ok(Step::StartTls(text)) => return self.start_tls(cx, text, data),
                Ok(Step::Goodbye(text)) => return self.end(cx, text),
                Err(Fault::TooLong) => return self.end(cx, "500 5.5.2 the line is too long"),
                Err(Fault::LoneEnd) => return self.end(cx, "500 5.5.2 a line ends with CR LF"),
            }
        }
    }

    fn on_drain(&mut self, cx: &mut Context<'_>) {
        cx.socket.resume();
    }

    fn on_deadline(&mut self, cx: &mut Context<'_>) {
        self.end(cx, "421 4.4.2 too slow");
    }

    fn on_error(&mut self, _: &mut Context<'_>, error: &Error) {
        println!("{}: {error}", self.peer);
    }

    fn on_close(&mut self, _: &mut Context<'_>, reason: CloseReason) {
        println!("{} is gone: {reason:?}", self.peer);
    }
}
