//! One connection of SMTP.

use std::sync::Arc;

use netloop::text::Lines;
use netloop::{Context, SocketHandler};
use rustls::ServerConfig;

/// The longest line that SMTP allows, with its CR LF.
const LONGEST_LINE: usize = 1000;

/// The limit on a message.
const MOST_BYTES: usize = 1 << 20;

pub(crate) struct Session {
    config: Arc<ServerConfig>,
    lines: Lines,
    is_secure: bool,
    /// The length of the message, while its lines arrive.
    message: Option<usize>,
}

/// The action behind the answer to a line.
enum Next {
    Go,
    StartTls,
    Quit,
}

impl Session {
    pub(crate) fn new(config: Arc<ServerConfig>) -> Self {
        Self {
            config,
            lines: Lines::new(LONGEST_LINE),
            is_secure: false,
            message: None,
        }
    }

    fn answer(&mut self, line: &[u8], cx: &mut Context<'_>) -> (&'static [u8], Next) {
        if let Some(length) = &mut self.message {
            if line != b"." {
                *length += line.len();
                return match *length > MOST_BYTES {
                    true => (b"552 5.3.4 the message is too long\r\n", Next::Quit),
                    false => (b"", Next::Go),
                };
            }
            let version = cx.socket.tls().and_then(|tls| tls.version());
            if let (Some(peer), Some(version)) = (cx.socket.peer_address(), version) {
                println!("{peer} has sent {length} bytes over {version:?}");
            }
            self.message = None;
            return (b"250 2.0.0 thanks\r\n", Next::Go);
        }
        let verb = line.get(..4).unwrap_or(line).to_ascii_uppercase();
        match (&verb[..], self.is_secure) {
            (b"EHLO", false) => (b"250-localhost\r\n250 STARTTLS\r\n", Next::Go),
            (b"EHLO", true) => (b"250 localhost\r\n", Next::Go),
            (b"STAR", false) => (b"220 2.0.0 go ahead\r\n", Next::StartTls),
            (b"MAIL" | b"RCPT" | b"DATA", false) => {
                (b"530 5.7.0 STARTTLS comes first\r\n", Next::Go)
            }
            (b"DATA", true) => {
                self.message = Some(0);
                (b"354 end with a dot\r\n", Next::Go)
            }
            (b"HELO" | b"MAIL" | b"RCPT" | b"RSET" | b"NOOP", _) => (b"250 2.0.0 ok\r\n", Next::Go),
            (b"QUIT", _) => (b"221 2.0.0 bye\r\n", Next::Quit),
            _ => (b"502 5.5.1 what?\r\n", Next::Go),
        }
    }
}

impl SocketHandler for Session {
    /// Comes once for the connection, and once more when TLS is there.
    fn on_connect(&mut self, cx: &mut Context<'_>) {
        self.is_secure = cx.socket.tls().is_some();
        if !self.is_secure {
            cx.socket.write(b"220 localhost ESMTP\r\n").ignore();
        }
    }

    fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) {
        let mut lines = std::mem::take(&mut self.lines);
        let mut completed = lines.push(data);
        while let Some(line) = completed.next() {
            let (answer, next) = match line {
                Ok(line) => self.answer(line, cx),
                Err(_) => (&b"500 5.5.2 the line is too long\r\n"[..], Next::Quit),
            };
            if !answer.is_empty() {
                cx.socket.write(answer).ignore();
            }
            match next {
                Next::Go => {}
                Next::StartTls => {
                    let config = Arc::clone(&self.config);
                    if let Err(error) = cx.socket.start_tls(config, completed.remainder()) {
                        eprintln!("{error}");
                        cx.socket.destroy_with(error);
                    }
                    break;
                }
                Next::Quit => {
                    cx.socket.end();
                    break;
                }
            }
        }
        self.lines = Lines::new(LONGEST_LINE);
        if !matches!(cx.socket.state(), netloop::State::Opening) {
            self.lines = lines;
        }
    }
}
