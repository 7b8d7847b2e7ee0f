//! The echo and its client, as processes.
#![allow(
    clippy::unwrap_used,
    reason = "a test says what it expects by panicking"
)]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_client_gets_its_line_back() {
    let file = std::env::temp_dir().join(format!("tls_echo-{}.pem", std::process::id()));
    let mut server = Command::new(env!("CARGO_BIN_EXE_tls_echo"))
        .arg("127.0.0.1:0")
        .arg(&file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let _server = Running(server);
    let line = lines.next().unwrap().unwrap();
    let address = line.strip_prefix("listening on ").unwrap();
    let client = Command::new(env!("CARGO_BIN_EXE_tls_client"))
        .arg(address)
        .arg(&file)
        .arg("hello")
        .output()
        .unwrap();
    std::fs::remove_file(&file).unwrap();
    let errors = String::from_utf8_lossy(&client.stderr);
    assert_eq!(client.stdout, b"hello\n", "{errors}");
    let line = lines.next().unwrap().unwrap();
    assert!(line.ends_with(" speaks TLSv1_3"), "{line}");
}
