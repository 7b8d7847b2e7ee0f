//! The messages to systemd, received in its place.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use rustix::process::Signal;

use crate::process::{Daemon, PATIENCE, program};

/// The socket of systemd, in a folder of its own.
struct Systemd {
    folder: PathBuf,
    socket: UnixDatagram,
}

impl Systemd {
    fn new(name: &str) -> Self {
        let folder = format!("netloop-notify-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        let socket = UnixDatagram::bind(folder.join("notify")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { folder, socket }
    }

    /// Returns the next message that has `part`.
    fn hears(&self, part: &str) -> String {
        loop {
            let mut buffer = [0; 1024];
            let length = self.socket.recv(&mut buffer).unwrap();
            let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if message.contains(part) {
                return message;
            }
        }
    }
}

impl Drop for Systemd {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn systemd_hears_of_readiness_reloads_life_and_the_end() {
    let systemd = Systemd::new("all");
    let config = systemd.folder.join("config");
    std::fs::write(&config, "good day\n").unwrap();
    let mut command = program();
    command
        .args(["--listen", "127.0.0.1:0", "--config"])
        .arg(&config)
        .env("NOTIFY_SOCKET", systemd.folder.join("notify"))
        .env("WATCHDOG_USEC", "20000");
    let mut daemon = Daemon::start(&mut command);
    let address: std::net::SocketAddr = daemon.says("listening ").parse().unwrap();
    daemon.is_ready();
    let ready = systemd.hears("READY=1");
    assert!(ready.contains(&format!("MAINPID={}", daemon.process)));
    for _ in 0..3 {
        systemd.hears("WATCHDOG=1");
    }

    let mut peer = TcpStream::connect(address).unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answers = BufReader::new(peer.try_clone().unwrap()).lines();
    peer.write_all(b"one\n").unwrap();
    assert!(answers.next().unwrap().unwrap().starts_with("good day "));
    std::fs::write(&config, "good night\n").unwrap();
    daemon.signal(Signal::HUP);
    let reloading = systemd.hears("RELOADING=1");
    assert!(reloading.contains("MONOTONIC_USEC="));
    systemd.hears("READY=1");
    peer.write_all(b"two\n").unwrap();
    assert!(answers.next().unwrap().unwrap().starts_with("good night "));

    daemon.signal(Signal::TERM);
    systemd.hears("STOPPING=1");
    drop((peer, answers));
    daemon.report();
    assert!(daemon.exit().success());
}

#[test]
fn a_loop_that_hangs_sends_no_watchdog_message() {
    let systemd = Systemd::new("hang");
    let mut command = program();
    command
        .args(["--listen", "127.0.0.1:0"])
        .env("NOTIFY_SOCKET", systemd.folder.join("notify"))
        .env("WATCHDOG_USEC", "20000");
    let mut daemon = Daemon::start(&mut command);
    daemon.is_ready();
    systemd.hears("WATCHDOG=1");
    daemon.signal(Signal::STOP);
    systemd.socket.set_nonblocking(true).unwrap();
    while systemd.socket.recv(&mut [0; 1024]).is_ok() {}
    systemd.socket.set_nonblocking(false).unwrap();
    let silence = std::time::Duration::from_millis(200);
    systemd.socket.set_read_timeout(Some(silence)).unwrap();
    // One may have been under way when the process stopped.
    let heard = (0..3)
        .filter(|_| systemd.socket.recv(&mut [0; 1024]).is_ok())
        .count();
    assert!(heard <= 1, "{heard} messages of a process that is stopped");
    daemon.signal(Signal::CONT);
    systemd.socket.set_read_timeout(Some(PATIENCE)).unwrap();
    systemd.hears("WATCHDOG=1");
    daemon.signal(Signal::TERM);
    daemon.report();
}
