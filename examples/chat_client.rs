//! A terminal for `chat_server`, which sends the typed lines, and shows the lines of the room.
//!
//! Standard input may also be a pipe or a file. When the input ends, this side of the connection ends too. The client
//! shows the server's remaining lines until the server has ended as well.
//!
//! ```text
//! $ cargo run --example chat_client -- 127.0.0.1:7001 bob      # chat_client [ADDR] [NICK], while ada is there
//! * your nickname?
//! * welcome, bob (others here: 1)
//! hello, ada
//! ada: hello, bob
//! * the server has left                                       # on standard error: the server was stopped
//! ```
use std::io::{self, Write};
use std::process::ExitCode;

use netloop::{CloseReason, Context, Error, EventLoop, Flow, SocketHandler, SocketId};

/// The state that both handlers share: the sockets of the server and of the keyboard, and whether the client has
/// failed.
struct Chat {
    server: SocketId,
    keyboard: SocketId,
    has_failed: bool,
}

struct Keyboard;

impl SocketHandler<Chat> for Keyboard {
    fn on_data(&mut self, cx: &mut Context<'_, Chat>, data: &[u8]) {
        if cx.socket.socket(cx.shared.server).write(data) == Flow::Full {
            cx.socket.pause();
        }
    }

    fn on_close(&mut self, cx: &mut Context<'_, Chat>, _: CloseReason) {
        cx.socket.socket(cx.shared.server).end();
    }
}

#[derive(Default)]
struct Screen {
    is_connected: bool,
}

impl SocketHandler<Chat> for Screen {
    fn on_connect(&mut self, _: &mut Context<'_, Chat>) {
        self.is_connected = true;
    }

    fn on_data(&mut self, cx: &mut Context<'_, Chat>, data: &[u8]) {
        let mut screen = io::stdout().lock();
        if screen
            .write_all(data)
            .and_then(|()| screen.flush())
            .is_err()
        {
            // The reader of our output has gone: `chat_client | head -1`.
            cx.stop();
        }
    }

    fn on_drain(&mut self, cx: &mut Context<'_, Chat>) {
        cx.socket.socket(cx.shared.keyboard).resume();
    }

    fn on_end(&mut self, cx: &mut Context<'_, Chat>) {
        // If this side has ended before, the end of the server is only its answer.
        if cx.socket.is_writable() {
            eprintln!("* the server has left");
        }
    }

    fn on_error(&mut self, cx: &mut Context<'_, Chat>, error: &Error) {
        cx.shared.has_failed = true;
        if self.is_connected {
            eprintln!("* the server has left: {error}");
        } else {
            eprintln!("* no server: {error}");
        }
    }

    fn on_close(&mut self, cx: &mut Context<'_, Chat>, _: CloseReason) {
        cx.socket.socket(cx.shared.keyboard).destroy();
    }
}

fn main() -> netloop::Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next();
    let address = address.as_deref().unwrap_or("127.0.0.1:7001");

    let mut event_loop = EventLoop::new()?;
    let server = event_loop.connect(address, Screen::default())?;
    if let Some(nickname) = arguments.next() {
        writeln!(event_loop.socket(server), "{nickname}");
    }
    let mut chat = Chat {
        server,
        keyboard: read_keyboard(&mut event_loop)?,
        has_failed: false,
    };
    event_loop.run(&mut chat)?;
    Ok(ExitCode::from(u8::from(chat.has_failed)))
}

#[cfg(unix)]
fn read_keyboard(event_loop: &mut EventLoop<Chat>) -> netloop::Result<SocketId> {
    event_loop.read_input(io::stdin(), Keyboard)
}

/// Reads standard input on a thread: on other systems the kernel does not report when standard input is readable.
#[cfg(not(unix))]
fn read_keyboard(event_loop: &mut EventLoop<Chat>) -> netloop::Result<SocketId> {
    use std::net::{TcpListener, TcpStream};

    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut thread_end = TcpStream::connect(listener.local_addr()?)?;
    let (loop_end, peer) = listener.accept()?;
    if peer != thread_end.local_addr()? {
        return Err(io::Error::from(io::ErrorKind::ConnectionRefused).into());
    }
    std::thread::spawn(move || io::copy(&mut io::stdin(), &mut thread_end));
    event_loop.adopt(loop_end, netloop::SocketOptions::default(), Keyboard)
}
