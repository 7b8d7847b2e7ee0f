//! The echo: each message comes back as it was.

use netloop::Context;

use crate::frame::Opcode;
use crate::server::Server;
use crate::session::{Application, send};
use crate::violation::Violation;

pub(crate) struct Echo;

impl Application for Echo {
    fn on_text(&mut self, cx: &mut Context<'_, Server>, text: &str) -> Result<(), Violation> {
        send(&mut cx.socket, Opcode::Text, text.as_bytes());
        Ok(())
    }

    fn on_binary(&mut self, cx: &mut Context<'_, Server>, bytes: &[u8]) -> Result<(), Violation> {
        send(&mut cx.socket, Opcode::Binary, bytes);
        Ok(())
    }

    fn on_close(&mut self, _: &mut Context<'_, Server>) {}
}
