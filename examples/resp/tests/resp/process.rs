//! The servers that a test has started, and connections to them.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The longest wait for anything before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A server, which ends with the test.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts the example on an address of the test's own.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let address = SocketAddr::new(own_host().into(), 0);
        let mut child = Command::new(env!("CARGO_BIN_EXE_resp"))
            .args(["--listen", &address.to_string()])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening ").unwrap();
        let address = address.parse().unwrap();
        Self { child, address }
    }

    /// Starts a real Redis, if there is one.
    pub(crate) fn start_redis() -> Option<Self> {
        if !has("redis-server") {
            return None;
        }
        let host = own_host();
        // No other program of this machine has the host, so the port stays free.
        let listener = TcpListener::bind((host, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let child = Command::new("redis-server")
            .args(["--port", &address.port().to_string()])
            .args(["--bind", &host.to_string()])
            .args(["--save", "", "--appendonly", "no"])
            .current_dir(std::env::temp_dir())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { child, address };
        ask_for("server", || TcpStream::connect(address).ok());
        Some(server)
    }

    pub(crate) fn connect(&self) -> Connection {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Connection { stream }
    }

    /// Returns the arguments by which the programs of Redis reach the server.
    pub(crate) fn arguments(&self) -> [String; 4] {
        let (host, port) = (self.address.ip(), self.address.port());
        ["-h".into(), host.to_string(), "-p".into(), port.to_string()]
    }

    /// Returns the most memory that the server has had.
    pub(crate) fn most_resident_bytes(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
        let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kibibytes << 10)
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client that says its bytes and expects bytes.
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
}

impl Connection {
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    #[track_caller]
    pub(crate) fn expect(&mut self, expected: impl AsRef<[u8]>) {
        let expected = expected.as_ref();
        let mut found = vec![0; expected.len()];
        self.stream.read_exact(&mut found).unwrap();
        assert_eq!(
            found.escape_ascii().to_string(),
            expected.escape_ascii().to_string()
        );
    }

    /// Sends commands in a line each, and expects their replies.
    #[track_caller]
    pub(crate) fn ask(&mut self, lines: &str, replies: &str) {
        self.send(lines);
        self.expect(replies);
    }

    /// Reads a line, and returns it without its end.
    pub(crate) fn line(&mut self) -> String {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).unwrap();
            line.push(byte[0]);
        }
        String::from_utf8_lossy(&line).trim_end().to_owned()
    }

    /// Sends commands, and reads up to the reply to a last one.
    pub(crate) fn transcript(&mut self, bytes: &[u8]) -> Vec<u8> {
        const MARK: &[u8] = b"the last reply";
        self.send(bytes);
        self.send([b"*2\r\n$4\r\nECHO\r\n$14\r\n", MARK, b"\r\n"].concat());
        let mut heard = Vec::new();
        let mut chunk = [0; 64 << 10];
        while !heard.ends_with(&[MARK, b"\r\n"].concat()) {
            let length = self.stream.read(&mut chunk).unwrap();
            assert_ne!(length, 0, "it ends: {}", heard.escape_ascii());
            heard.extend_from_slice(&chunk[..length]);
        }
        heard
    }

    /// Sends bytes, and reads up to the end. The server may end before it has all of the bytes.
    pub(crate) fn last_words(mut self, bytes: &[u8]) -> Vec<u8> {
        let _ = self.stream.write_all(bytes);
        let _ = self.stream.shutdown(Shutdown::Write);
        let mut heard = Vec::new();
        match self.stream.read_to_end(&mut heard) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
        }
        heard
    }
}

/// A host in 127.77.0.0/16 that no other test uses; tests of other processes begin far away.
fn own_host() -> Ipv4Addr {
    static COUNT: AtomicU8 = AtomicU8::new(0);
    let [.., third] = std::process::id().wrapping_mul(40_503).to_le_bytes();
    let own = Ipv4Addr::new(127, 77, third, COUNT.fetch_add(1, Ordering::Relaxed));
    match TcpListener::bind((own, 0)) {
        Ok(_) => own,
        Err(_) => Ipv4Addr::LOCALHOST,
    }
}

/// Whether a program is installed. If not, says so.
pub(crate) fn has(program: &str) -> bool {
    let found = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !found {
        skipped(&format!("{program} is not installed"));
    }
    found
}

/// Notes that the running test is skipped, past the capture of the harness.
pub(crate) fn skipped(why: &str) {
    let test = thread::current().name().unwrap_or_default().to_owned();
    let _ = writeln!(io::stderr(), "SKIPPED {test}: {why}");
}

/// Runs a program to its end, and returns its output. A program that hangs or fails fails the test.
pub(crate) fn run(command: &mut Command, input: &[u8]) -> String {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = thread::spawn(move || stdin.write_all(&input));
    let (sender, receiver) = std::sync::mpsc::channel();
    let outputs: [Box<dyn Read + Send>; 2] = [
        Box::new(child.stdout.take().unwrap()),
        Box::new(child.stderr.take().unwrap()),
    ];
    for (number, mut output) in outputs.into_iter().enumerate() {
        let sender = sender.clone();
        thread::spawn(move || {
            let mut text = Vec::new();
            let _ = output.read_to_end(&mut text);
            let _ = sender.send((number, String::from_utf8_lossy(&text).into_owned()));
        });
    }
    let mut texts = [String::new(), String::new()];
    for _ in 0..2 {
        match receiver.recv_timeout(PATIENCE) {
            Ok((number, text)) => texts[number] = text,
            Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                panic!("{command:?} does not end");
            }
        }
    }
    let status = child.wait().unwrap();
    let _ = writer.join();
    let [output, errors] = texts;
    assert!(
        status.success(),
        "{command:?}: {status}\n{output}\n{errors}"
    );
    output
}

/// Asks until there is an answer, where no event tells of it.
pub(crate) fn ask_for<T>(wanted: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "there is no {wanted}");
        #[expect(clippy::disallowed_methods, reason = "the deadline is above")]
        thread::sleep(Duration::from_millis(2));
    }
}
