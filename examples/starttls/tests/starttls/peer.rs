//! A client by hand: in the clear, or over TLS by OpenSSL.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::sink::{PATIENCE, Sink, report_skipped};

/// A client in the clear.
pub(crate) struct Peer(BufReader<TcpStream>);

impl Peer {
    /// Connects, and reads the greeting.
    pub(crate) fn greeted(sink: &Sink) -> Self {
        let stream = TcpStream::connect(&sink.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut peer = Self(BufReader::new(stream));
        peer.hears("220 ");
        peer
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).unwrap();
    }

    /// Reads a line, which has to begin with `beginning`.
    #[track_caller]
    pub(crate) fn hears(&mut self, beginning: &str) {
        hears(&mut self.0, beginning);
    }

    /// Reads the rest up to the end of the connection, or to its reset.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let _ = self.0.read_to_end(&mut rest);
        rest
    }
}

/// A client over TLS: `openssl s_client -starttls smtp`, which has its own EHLO after it, in the clear.
pub(crate) struct SecurePeer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl SecurePeer {
    /// Connects, and greets. `None` if there is no OpenSSL.
    pub(crate) fn greeting(sink: &Sink) -> Option<Self> {
        // The sink's limits on time end it, if nothing else does.
        let child = Command::new("openssl")
            .args(["s_client", "-starttls", "smtp", "-quiet"])
            .args(["-servername", "localhost", "-verify_return_error"])
            .args(["-connect", &sink.address, "-CAfile"])
            .arg(&sink.certificate)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut child) = child else {
            report_skipped("openssl");
            return None;
        };
        let mut peer = Self {
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
        };
        peer.send(b"EHLO me\r\n");
        for _ in 0..4 {
            peer.hears("250-");
        }
        peer.hears("250 8BITMIME");
        Some(peer)
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.input.write_all(bytes).unwrap();
        self.input.flush().unwrap();
    }

    #[track_caller]
    pub(crate) fn hears(&mut self, beginning: &str) {
        hears(&mut self.output, beginning);
    }

    /// Begins a message, up to its text.
    pub(crate) fn envelope(&mut self) {
        // In small letters: a chunk that begins with a capital R is a command to OpenSSL itself.
        self.send(b"mail from:<a@example.org>\r\nrcpt to:<b@example.org>\r\ndata\r\n");
        self.hears("250 2.1.0");
        self.hears("250 2.1.5");
        self.hears("354 ");
    }
}

impl Drop for SecurePeer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
fn hears(input: &mut impl BufRead, beginning: &str) {
    let mut line = String::new();
    input.read_line(&mut line).unwrap();
    assert!(
        line.starts_with(beginning),
        "{line:?} instead of {beginning:?}"
    );
}
