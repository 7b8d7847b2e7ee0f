//! A chat room. A client sends lines, and its first line is a nickname. Clients are `chat_client`, netcat or a script.
//!
//! ```text
//! $ cargo run --example chat_server                # or, with an address: chat_server 0.0.0.0:7001
//! listening 127.0.0.1:7001
//! ```
//!
//! Ada's terminal, while bob comes and goes in another:
//!
//! ```text
//! $ nc 127.0.0.1 7001
//! * your nickname?
//! ada
//! * welcome, ada (others here: 0)
//! * bob joined
//! bob: hello, ada
//! hello, bob
//! * bob left
//! ```
use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use netloop::text::Lines;
use netloop::{
    CloseReason, Context, EventLoop, Flow, KeepAlive, SocketHandler, SocketId, SocketOptions,
};

/// The limit of a line. The server drops a longer line, so that no client makes it keep a line that never ends.
const MAX_LINE_BYTES: usize = 4096;

const MAX_NICKNAME_CHARACTERS: usize = 32;

/// The number of bytes that a member may lag behind, on top of the kernel's buffers.
const MAX_LAG_BYTES: usize = 256 << 10;

/// The members, with their nicknames. A client that has sent no nickname yet is connected, but is no member.
type Room = BTreeMap<SocketId, Box<str>>;

struct Member {
    lines: Lines,
}

impl SocketHandler<Room> for Member {
    fn on_connect(&mut self, cx: &mut Context<'_, Room>) {
        writeln!(cx.socket, "* your nickname?");
    }

    fn on_data(&mut self, cx: &mut Context<'_, Room>, data: &[u8]) {
        for line in self.lines.push(data) {
            match line {
                Ok(line) => take_line(cx, line),
                Err(too_long) => {
                    writeln!(cx.socket, "* {too_long}");
                }
            }
        }
    }

    fn on_end(&mut self, cx: &mut Context<'_, Room>) {
        if let Some(line) = self.lines.finish() {
            take_line(cx, line);
        }
    }

    /// Removes the member from the room, whether the member ended, crashed, or lagged behind.
    fn on_close(&mut self, cx: &mut Context<'_, Room>, _: CloseReason) {
        if let Some(nickname) = cx.shared.remove(&cx.socket.id()) {
            tell_the_others(cx, &format!("* {nickname} left\n"));
        }
    }
}

fn take_line(cx: &mut Context<'_, Room>, line: &[u8]) {
    // Control characters would move the cursor of the other terminals, or ring their bells.
    let line = String::from_utf8_lossy(line).replace(char::is_control, " ");
    match cx.shared.get(&cx.socket.id()) {
        Some(nickname) => {
            let line = format!("{nickname}: {line}\n");
            tell_the_others(cx, &line);
        }
        None => join(cx, line.trim()),
    }
}

fn join(cx: &mut Context<'_, Room>, nickname: &str) {
    let length = nickname.chars().count();
    if length == 0 || length > MAX_NICKNAME_CHARACTERS {
        writeln!(
            cx.socket,
            "* 1 to {MAX_NICKNAME_CHARACTERS} characters, please"
        );
        return;
    }
    if cx.shared.values().any(|taken| **taken == *nickname) {
        writeln!(cx.socket, "* taken; another nickname?");
        return;
    }
    let others = cx.shared.len();
    writeln!(cx.socket, "* welcome, {nickname} (others here: {others})");
    cx.shared.insert(cx.socket.id(), nickname.into());
    tell_the_others(cx, &format!("* {nickname} joined\n"));
}

/// Sends one line to all other members. A member that cannot keep up is dropped, because waiting for it would make all
/// others wait. Its `on_close` comes later, on a fresh stack, so the room does not change during the loop.
fn tell_the_others(cx: &mut Context<'_, Room>, line: &str) {
    let speaker = cx.socket.id();
    let others = cx.shared.keys().copied().filter(|&id| id != speaker);
    let mut sockets = cx.socket.sockets();
    for (id, flow) in sockets.broadcast(others, line.as_bytes()) {
        if flow == Flow::Full {
            sockets.socket(id).destroy();
        }
    }
}

fn main() -> netloop::Result<()> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:7001");
    let mut event_loop = EventLoop::new()?;
    let options = SocketOptions::new()
        .high_water_mark(MAX_LAG_BYTES)
        .keep_alive(KeepAlive::after(Duration::from_secs(60)));
    let server = event_loop.listen_with(address, options, |_, _| Member {
        lines: Lines::new(MAX_LINE_BYTES),
    })?;
    if let Some(address) = event_loop.server(server).address() {
        writeln!(std::io::stdout(), "listening {address}")?;
    }
    event_loop.run(&mut Room::new())
}
