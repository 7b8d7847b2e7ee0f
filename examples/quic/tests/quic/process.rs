//! The program as a process. It is killed when its test is over.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

/// The longest wait for anything before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A file for a certificate.
pub(crate) struct File(pub(crate) PathBuf);

impl File {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("netloop-quic-{}-{number}.der", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A process whose lines on standard error are read.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let errors = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self { child, lines }
    }

    /// Waits for the next line.
    #[track_caller]
    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a server, and returns it with its address.
pub(crate) fn serve(address: &str, certificate: &Path) -> (Running, SocketAddr) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quic"));
    let running = Running::start(command.arg(address).arg(certificate));
    let line = running.line();
    let address = line.split("local: ").nth(1).unwrap();
    let address = address.split(',').next().unwrap();
    (running, address.parse().unwrap())
}

/// Runs a client, and returns what it prints and whether it succeeds.
#[track_caller]
pub(crate) fn ask(server: SocketAddr, certificate: &Path, line: &str) -> (String, bool) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quic"));
    command.arg(server.to_string()).arg(certificate).arg(line);
    let mut running = Running::start(&mut command);
    let mut output = running.child.stdout.take().unwrap();
    let (sender, answer) = mpsc::channel();
    thread::spawn(move || {
        let mut text = String::new();
        let _ = output.read_to_string(&mut text);
        let _ = sender.send(text.trim_end().to_owned());
    });
    let answer = answer.recv_timeout(PATIENCE).unwrap();
    (answer, running.child.wait().unwrap().success())
}

#[test]
fn our_own_pair_shakes_hands_echoes_and_closes() {
    let certificate = File::new();
    let (server, address) = serve("127.0.0.1:0", &certificate.0);
    let line = "a line of several datagrams, ".repeat(1_000) + "end";
    for _ in 0..3 {
        let (answer, is_success) = ask(address, &certificate.0, &line);
        assert!(is_success);
        assert!(answer == line, "{} bytes", answer.len());
        let end = server.line();
        assert!(end.ends_with(": closed by peer: done (code 0)"), "{end}");
    }
}

#[test]
fn a_client_that_does_not_trust_the_server_fails() {
    let (certificate, other) = (File::new(), File::new());
    let (server, address) = serve("127.0.0.1:0", &certificate.0);
    let (_other, _) = serve("127.0.0.1:0", &other.0);
    let (answer, is_success) = ask(address, &other.0, "hello");
    assert_eq!((answer.as_str(), is_success), ("", false));
    let end = server.line();
    assert!(end.contains("aborted by peer"), "{end}");
}
