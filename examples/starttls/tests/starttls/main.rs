//! The sink as a process, with clients that know SMTP.
#![allow(
    clippy::unwrap_used,
    reason = "a test says what it expects by panicking"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

struct Sink {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
    address: String,
}

impl Sink {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_starttls"))
            .arg("127.0.0.1:0")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next().unwrap().unwrap();
        let address = line.strip_prefix("listening on ").unwrap().to_owned();
        Self {
            child,
            lines,
            address,
        }
    }

    /// Sends `text`, and returns all that comes back until the end.
    fn says(&self, text: &[u8]) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        stream.write_all(text).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn mail_without_tls_is_refused() {
    let sink = Sink::start();
    let answer = sink.says(b"EHLO me\r\nMAIL FROM:<a>\r\nQUIT\r\n");
    assert!(answer.contains("250 STARTTLS"), "{answer}");
    assert!(answer.contains("530 5.7.0"), "{answer}");
    assert!(answer.ends_with("221 2.0.0 bye\r\n"), "{answer}");
}

#[test]
fn commands_behind_starttls_close_the_connection() {
    let sink = Sink::start();
    let answer = sink.says(b"EHLO me\r\nSTARTTLS\r\nRSET\r\n");
    assert!(!answer.contains("250 2.0.0 ok"), "{answer}");
}

#[test]
fn openssl_delivers_a_mail() {
    let mut sink = Sink::start();
    let client = Command::new("openssl")
        .args([
            "s_client",
            "-starttls",
            "smtp",
            "-crlf",
            "-quiet",
            "-connect",
        ])
        .arg(&sink.address)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut client) = client else {
        eprintln!("SKIPPED: there is no openssl on this machine");
        return;
    };
    let mut input = client.stdin.take().unwrap();
    // In small letters: a line that begins with a capital R is a command of OpenSSL itself.
    let mail = b"ehlo me\nmail from:<a>\nrcpt to:<b>\ndata\nhello, mail\n.\nquit\n";
    input.write_all(mail).unwrap();
    let line = sink.lines.next().unwrap().unwrap();
    assert!(line.contains("has sent 11 bytes over TLSv1_3"), "{line}");
    drop(input);
    let output = client.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("250 2.0.0 thanks"), "{text}");
}

#[test]
fn swaks_delivers_a_mail() {
    let mut sink = Sink::start();
    let (host, port) = sink.address.rsplit_once(':').unwrap();
    let client = Command::new("swaks")
        .args([
            "--tls",
            "--to",
            "ada@example.org",
            "--from",
            "b@example.org",
        ])
        .args(["--helo", "me", "--server", host, "--port", port])
        .output();
    let Ok(client) = client else {
        eprintln!("SKIPPED: there is no swaks on this machine");
        return;
    };
    let text = String::from_utf8_lossy(&client.stdout);
    assert!(client.status.success(), "{text}");
    let line = sink.lines.next().unwrap().unwrap();
    assert!(line.contains("over TLSv1_3"), "{line}");
}
