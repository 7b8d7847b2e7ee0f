//! The chat. A client's first message is a nickname, and each later one goes to all members.
//!
//! The server's messages are fields with tabs between them, and the first field says which kind it is:
//!
//! | message | sent |
//! |---|---|
//! | `welcome`, the nickname, those of the others | to a new member |
//! | `refused`, the reason | to a client whose nickname is not taken on |
//! | `joined` or `left`, the nickname | to the others |
//! | `said`, the nickname, the text | to all, the speaker among them: each sees the same order |

use std::collections::BTreeMap;
use std::rc::Rc;

use netloop::{Context, Flow, SocketId};

use crate::frame::{self, Opcode};
use crate::server::Server;
use crate::session::{Application, send};
use crate::violation::{self, Violation};

/// The limit of one message of a member.
const MAX_TEXT_BYTES: usize = 4096;

const MAX_NICKNAME_CHARACTERS: usize = 24;

/// The members, with their nicknames. A client that has no nickname yet is no member.
pub(crate) type Room = BTreeMap<SocketId, Rc<str>>;

pub(crate) struct Member {
    nickname: Option<Rc<str>>,
}

impl Member {
    pub(crate) fn new() -> Self {
        Self { nickname: None }
    }

    fn join(&mut self, cx: &mut Context<'_, Server>, nickname: &str) {
        let room = &mut cx.shared.room;
        let length = nickname.chars().count();
        let refusal = if length == 0 || length > MAX_NICKNAME_CHARACTERS {
            format!("a nickname has 1 to {MAX_NICKNAME_CHARACTERS} characters")
        } else if room.values().any(|taken| **taken == *nickname) {
            format!("{nickname} is here already")
        } else {
            let mut welcome = format!("welcome\t{nickname}");
            for other in room.values() {
                welcome.push('\t');
                welcome.push_str(other);
            }
            send(&mut cx.socket, Opcode::Text, welcome.as_bytes());
            tell(cx, &format!("joined\t{nickname}"));
            let nickname: Rc<str> = nickname.into();
            cx.shared.room.insert(cx.socket.id(), Rc::clone(&nickname));
            self.nickname = Some(nickname);
            return;
        };
        let refused = format!("refused\t{refusal}");
        send(&mut cx.socket, Opcode::Text, refused.as_bytes());
    }
}

impl Application for Member {
    fn on_text(&mut self, cx: &mut Context<'_, Server>, text: &str) -> Result<(), Violation> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(Violation::too_big("a long text"));
        }
        // A tab would be the end of a field, and a new line that of a line on the screen.
        let text = text.replace(char::is_control, " ");
        match (&self.nickname, text.trim()) {
            (None, nickname) => self.join(cx, nickname),
            (Some(_), "") => {}
            (Some(nickname), text) => tell(cx, &format!("said\t{nickname}\t{text}")),
        }
        Ok(())
    }

    fn on_binary(&mut self, _: &mut Context<'_, Server>, _: &[u8]) -> Result<(), Violation> {
        Err(Violation {
            code: violation::UNSUPPORTED_DATA,
            reason: "the chat is of text",
        })
    }

    fn on_close(&mut self, cx: &mut Context<'_, Server>) {
        cx.shared.room.remove(&cx.socket.id());
        if let Some(nickname) = self.nickname.take() {
            tell(cx, &format!("left\t{nickname}"));
        }
    }
}

/// Sends one message to all members. A member that does not keep up is dropped, because waiting for it would make all
/// others wait. Its `on_close` comes later, on a fresh stack, so the room does not change during the loop.
fn tell(cx: &mut Context<'_, Server>, text: &str) {
    let frame = frame::encode(Opcode::Text, text.as_bytes());
    let mut sockets = cx.socket.sockets();
    for (id, flow) in sockets.broadcast(cx.shared.room.keys(), &frame) {
        if flow == Flow::Full {
            sockets.socket(id).destroy();
        }
    }
}
