//! Sockets of systemd, without systemd: a shell passes the listening socket as descriptor 3.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::process::{Daemon, PATIENCE, program};

/// Starts the daemon by a shell that passes `socket` on as descriptor 3. `pid` is the value of `LISTEN_PID`.
fn start(socket: OwnedFd, pid: &str) -> Daemon {
    let script = format!(
        r#"exec 3<&0 </dev/null
        export LISTEN_FDS=1 LISTEN_PID={pid} LISTEN_FDNAMES=lines
        exec "$0""#
    );
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).arg(program().get_program());
    Daemon::start_with(&mut shell, Stdio::from(socket))
}

fn ask(mut stream: impl Read + Write) -> String {
    stream.write_all(b"anyone?\n").unwrap();
    let mut answer = [0; 256];
    let length = stream.read(&mut answer).unwrap();
    String::from_utf8_lossy(&answer[..length]).into_owned()
}

#[test]
fn a_tcp_socket_of_systemd_is_served_from_its_first_peer_on() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // The first peer comes before the daemon, as with socket activation.
    let first = TcpStream::connect(address).unwrap();
    first.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut daemon = start(listener.into(), "$$");
    assert_eq!(daemon.says("inherited "), "lines");
    assert_eq!(daemon.says("listening "), address.to_string());
    daemon.is_ready();
    let answer = ask(&first);
    assert_eq!(answer, format!("hello from {}: anyone?\n", daemon.process));
    first.shutdown(Shutdown::Both).unwrap();
    daemon.signal(Signal::TERM);
    daemon.report();
    assert!(daemon.exit().success());
}

#[test]
fn a_unix_socket_of_systemd_is_served_and_its_file_stays() {
    let folder = std::env::temp_dir().join(format!("netloop-activation-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let mut daemon = start(listener.into(), "$$");
    assert_eq!(daemon.says("listening "), path.to_str().unwrap());
    daemon.is_ready();
    let peer = UnixStream::connect(&path).unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let answer = ask(&peer);
    assert_eq!(answer, format!("hello from {}: anyone?\n", daemon.process));
    drop(peer);
    daemon.signal(Signal::TERM);
    daemon.report();
    assert!(daemon.exit().success());
    assert!(path.exists(), "it is systemd's");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn sockets_for_another_process_are_not_taken() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut daemon = start(listener.into(), "1");
    assert!(!daemon.exit().success(), "there is nothing to listen on");
}
