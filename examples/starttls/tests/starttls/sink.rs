//! A sink that a test has started; it is killed when the test is over.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

/// The longest wait for anything before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Sink {
    child: Child,
    lines: Receiver<String>,
    pub(crate) address: String,
    /// The file with the certificate.
    pub(crate) certificate: PathBuf,
}

impl Sink {
    /// Starts a sink on a port that the system chooses.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("netloop-starttls-{}-{number}.pem", std::process::id());
        let certificate = std::env::temp_dir().join(name);
        let mut child = Command::new(env!("CARGO_BIN_EXE_starttls"))
            .arg("127.0.0.1:0")
            .arg(&certificate)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let mut sink = Self {
            child,
            lines,
            address: String::new(),
            certificate,
        };
        let line = sink.line();
        sink.address = line.strip_prefix("listening on ").unwrap().to_owned();
        sink
    }

    /// Waits for the next line.
    #[track_caller]
    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).unwrap()
    }

    /// Waits for the next line, which has to have `words` after the address of the peer.
    #[track_caller]
    pub(crate) fn says(&self, words: &str) {
        let line = self.line();
        assert!(line.contains(words), "{line:?} instead of {words:?}");
    }

    /// Waits until the peer is gone, in whatever way: a client that is killed resets the connection, or does not.
    #[track_caller]
    pub(crate) fn is_left(&self) {
        while !self.line().contains(" is gone: ") {}
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.certificate);
    }
}

/// Written past the capture of the test harness, which would hide it as long as the test passes.
pub(crate) fn report_skipped(missing: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: no {missing} here");
}
