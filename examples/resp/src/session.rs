//! One connection: commands in, replies out.

use netloop::{CloseReason, Context, SocketHandler};

use crate::client::Client;
use crate::commands;
use crate::protocol::Parser;
use crate::server::Server;

/// The memory that a session keeps for commands that come in pieces.
const KEPT_CAPACITY: usize = 16 << 10;

pub(crate) struct Session {
    parser: Parser,
    client: Client,
    /// Bytes that are not served yet: a command that is incomplete, or commands that wait for the peer to read its replies.
    waiting: Vec<u8>,
}

impl Session {
    pub(crate) fn new(client: Client) -> Self {
        Self {
            parser: Parser::default(),
            client,
            waiting: Vec::new(),
        }
    }

    /// Serves the commands in `input`, and returns the number of their bytes. The rest is to be kept.
    fn serve(&mut self, cx: &mut Context<'_, Server>, input: &[u8]) -> usize {
        cx.shared.set_time(cx.now());
        cx.shared.replies.begin(self.client.version);
        let mut length = 0;
        let is_full = loop {
            match self.parser.next(&input[length..]) {
                Ok(Some(parsed)) => {
                    length += parsed.length;
                    commands::run(parsed.arguments, &mut self.client, cx);
                }
                Ok(None) => break cx.shared.replies.send(&mut cx.socket),
                Err(error) => {
                    cx.shared.replies.error(format_args!("ERR {error}"));
                    self.client.is_ending = true;
                }
            }
            if self.client.is_ending {
                cx.shared.replies.send(&mut cx.socket);
                cx.socket.end();
                return input.len();
            }
            if cx.shared.replies.send_many(&mut cx.socket) {
                break cx.shared.replies.send(&mut cx.socket);
            }
        };
        // The peer feels that it does not read: its own writes no longer go through.
        if is_full {
            cx.socket.pause();
        }
        length
    }

    /// Serves the commands that wait.
    fn serve_waiting(&mut self, cx: &mut Context<'_, Server>) {
        let mut waiting = std::mem::take(&mut self.waiting);
        let length = self.serve(cx, &waiting);
        waiting.drain(..length);
        if waiting.len() < KEPT_CAPACITY {
            waiting.shrink_to(KEPT_CAPACITY);
        }
        self.waiting = waiting;
    }
}

impl SocketHandler<Server> for Session {
    fn on_data(&mut self, cx: &mut Context<'_, Server>, data: &[u8]) {
        if self.client.is_ending {
            return;
        }
        if self.waiting.is_empty() {
            let length = self.serve(cx, data);
            self.waiting.extend_from_slice(&data[length..]);
        } else {
            self.waiting.extend_from_slice(data);
            self.serve_waiting(cx);
        }
    }

    fn on_drain(&mut self, cx: &mut Context<'_, Server>) {
        cx.socket.resume();
        self.serve_waiting(cx);
    }

    fn on_close(&mut self, cx: &mut Context<'_, Server>, _: CloseReason) {
        self.client.leave(cx.shared);
    }
}
