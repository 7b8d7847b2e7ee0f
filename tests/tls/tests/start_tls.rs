//! TLS that starts in mid-stream, as in SMTP, LDAP and Postgres.

use std::sync::Arc;

use netloop::{CloseReason, Context, Error, EventLoop, RunEnd, SocketHandler};
use netloop_tls::Authority;
use rustls::{ClientConfig, ServerConfig};

use crate::support::{PATIENCE, loopback};
use crate::{NAME, name};

type Log = Vec<String>;

/// The server of a small protocol: a greeting, STARTTLS, and an echo behind it.
struct Server {
    config: Arc<ServerConfig>,
    is_secure: bool,
}

impl SocketHandler<Log> for Server {
    fn on_connect(&mut self, cx: &mut Context<'_, Log>) {
        match cx.socket.tls().is_some() {
            true => {
                self.is_secure = true;
                // It leaves with the echo of what has come behind the handshake.
                cx.socket.cork();
                cx.socket.write(b"secure\n").ignore();
            }
            false => cx.socket.write(b"hello\n").ignore(),
        }
    }
    fn on_data(&mut self, cx: &mut Context<'_, Log>, data: &[u8]) {
        cx.shared.push(format!("server: {}", data.escape_ascii()));
        if self.is_secure {
            cx.socket.write(data).ignore();
            return cx.socket.uncork();
        }
        let Some(unread) = data.strip_prefix(b"STARTTLS\n") else {
            return;
        };
        if unread.is_empty() {
            cx.socket.write(b"go ahead\n").ignore();
        }
        let started = cx.socket.start_tls(Arc::clone(&self.config), unread);
        if let Err(error) = started {
            cx.socket.destroy_with(error);
        }
    }
    fn on_error(&mut self, cx: &mut Context<'_, Log>, error: &Error) {
        cx.shared.push(format!("server: {}", error.code()));
    }
    fn on_close(&mut self, cx: &mut Context<'_, Log>, reason: CloseReason) {
        cx.shared.push(format!("server: {reason:?}"));
        cx.stop();
    }
}

struct Client {
    config: Arc<ClientConfig>,
    command: &'static [u8],
}

impl SocketHandler<Log> for Client {
    fn on_connect(&mut self, cx: &mut Context<'_, Log>) {
        if cx.socket.tls().is_some() {
            cx.shared.push("client: secure".to_owned());
        }
    }
    fn on_data(&mut self, cx: &mut Context<'_, Log>, data: &[u8]) {
        cx.shared.push(format!("client: {}", data.escape_ascii()));
        match data {
            b"hello\n" => cx.socket.write(self.command).ignore(),
            b"go ahead\n" => {
                let side = (Arc::clone(&self.config), name());
                cx.socket.start_tls(side, b"").unwrap();
                // This waits for the handshake.
                cx.socket.write(b"secret").ignore();
            }
            other if other.ends_with(b"secret") => cx.socket.end(),
            _ => {}
        }
    }
}

fn talk(command: &'static [u8]) -> Log {
    let authority = Authority::new();
    let config = Arc::new(authority.identity(&[NAME]).server());
    let mut event_loop: EventLoop<Log> = EventLoop::new().unwrap();
    let server = event_loop
        .listen(loopback(), move |_, _| Server {
            config: Arc::clone(&config),
            is_secure: false,
        })
        .unwrap();
    let address = event_loop.server(server).address().unwrap();
    let client = Client {
        config: Arc::new(authority.client()),
        command,
    };
    event_loop.connect(address, client).unwrap();
    let mut log = Log::new();
    let end = event_loop.run_for(&mut log, PATIENCE).unwrap();
    assert_eq!(end, RunEnd::Stopped, "{log:?}");
    log
}

#[test]
fn tls_starts_behind_a_command() {
    assert_eq!(
        talk(b"STARTTLS\n"),
        [
            "client: hello\\n",
            "server: STARTTLS\\n",
            "client: go ahead\\n",
            "client: secure",
            "server: secret",
            "client: secure\\nsecret",
            "server: Graceful",
        ]
    );
}

#[test]
fn bytes_behind_the_command_are_not_believed() {
    assert_eq!(
        talk(b"STARTTLS\nRCPT TO:<attacker>\n"),
        [
            "client: hello\\n",
            "server: STARTTLS\\nRCPT TO:<attacker>\\n",
            "server: ERR_UNREAD_BYTES",
            "server: Error",
        ]
    );
}
