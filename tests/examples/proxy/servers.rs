//! The choice among several servers, and servers that are not there.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::{Proxy, Upstream, assert_joined};
use crate::support::{
    BlackHole, DeadPort, Disturbed, let_time_pass, until_undisturbed_with_more_time,
};
use crate::transcript::ask_for;

#[test]
fn servers_get_clients_in_turn() {
    let upstreams = [Upstream::new(), Upstream::new(), Upstream::new()];
    let addresses: Vec<SocketAddr> = upstreams.iter().map(Upstream::address).collect();
    let proxy = Proxy::start(&addresses, &[]);
    let mut pairs = Vec::new();
    for number in 0..9 {
        let mut client = proxy.connect();
        let mut server = upstreams[number % 3].accept();
        assert_joined(&mut client, &mut server);
        pairs.push((client, server));
    }
    let text = proxy.statistics();
    assert!(
        text.contains("clients: 9 now, 9 in all, 0 without a valid header, 0 without a server")
    );
    for address in addresses {
        assert!(text.contains(&format!("{address}: 3 connections, 0 failures\n")));
    }
}

#[test]
fn a_server_that_failed_is_left_out_until_it_is_back() {
    let dead = DeadPort::new();
    let (missing, there) = (dead.address(), Upstream::new());
    let proxy = Proxy::start(&[missing, there.address()], &["--leave-out", "0.2"]);
    let mut client = proxy.connect();
    assert_joined(&mut client, &mut there.accept());
    proxy.reports(&format!("{missing}: 0 connections, 1 failures"));
    drop(dead);
    let returned = Upstream::at(missing);
    // Some clients may still come to the other one meanwhile.
    ask_for("a client for the server that is back", || {
        let _client = proxy.connect();
        returned.has_connection().then_some(())
    });
    proxy.reports("0 without a server");
    let text = proxy.statistics();
    assert!(!text.contains("left out"), "{text}");
}

#[test]
fn a_server_that_failed_costs_other_clients_nothing() {
    let dead = DeadPort::new();
    let (missing, there) = (dead.address(), Upstream::new());
    let mut proxy = Proxy::start(&[missing, there.address()], &["--leave-out", "3600"]);
    for _ in 0..5 {
        let mut client = proxy.connect();
        assert_joined(&mut client, &mut there.accept());
    }
    let address = there.address();
    let text = proxy.statistics();
    assert!(text.contains(&format!("{missing}: 0 connections, 1 failures, left out\n")));
    assert!(text.contains(&format!("{address}: 5 connections, 0 failures\n")));
    let line = format!("{missing}: connect ECONNREFUSED {missing}\n");
    proxy.program.errors.expect(&line);
}

#[test]
fn a_server_without_another_is_tried_although_it_failed() {
    let dead = DeadPort::new();
    let address = dead.address();
    let proxy = Proxy::start(&[address], &["--leave-out", "3600"]);
    proxy.connect().read(&mut [0]).unwrap_err();
    proxy.reports("0 connections, 1 failures, left out");
    drop(dead);
    let upstream = Upstream::at(address);
    assert_joined(&mut proxy.connect(), &mut upstream.accept());
    let text = proxy.statistics();
    assert!(text.contains("1 connections, 1 failures\n"), "{text}");
}

#[test]
fn without_a_server_a_client_is_reset() {
    let dead = [DeadPort::new(), DeadPort::new()];
    let proxy = Proxy::start(&dead.each_ref().map(DeadPort::address), &[]);
    let mut client = proxy.connect();
    let error = client.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    proxy.reports("clients: 0 now, 1 in all, 0 without a valid header, 1 without a server");
}

#[test]
fn a_server_that_does_not_answer_is_given_up_at_the_deadline() {
    let silent = BlackHole::new();
    let there = Upstream::new();
    let upstreams = [silent.address(), there.address()];
    let mut proxy = Proxy::start(&upstreams, &["--connect-timeout", "0.3"]);
    let mut client = proxy.connect();
    client.write_all(b"early ").unwrap();
    let mut server = there.accept();
    let mut early = [0; 6];
    server.read_exact(&mut early).unwrap();
    assert_eq!(&early, b"early ");
    assert_joined(&mut client, &mut server);
    proxy.program.errors.expect("ETIMEDOUT");
}

#[test]
fn a_client_that_leaves_takes_its_connect_with_it() {
    let silent = BlackHole::new();
    until_undisturbed_with_more_time(|stretch| {
        let timeout = Duration::from_millis(300) * stretch;
        let seconds = timeout.as_secs_f64().to_string();
        let proxy = Proxy::start(&[silent.address()], &["--connect-timeout", &seconds]);
        let begun = Instant::now();
        let client = proxy.connect();
        proxy.reports(" 1 in all");
        SockRef::from(&client)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        drop(client);
        proxy.reports("clients: 0 now, 1 in all");
        if begun.elapsed() >= timeout {
            // The deadline was first.
            return Disturbed::Yes;
        }
        // A connect that goes on would fail at its deadline.
        let_time_pass(timeout + Duration::from_millis(200));
        let text = proxy.statistics();
        assert!(text.contains("0 connections, 0 failures"), "{text}");
        Disturbed::No
    });
}

#[cfg(unix)]
mod paths {
    use std::os::unix::net::UnixListener;
    use std::process::Command;
    use std::thread;

    use super::*;
    use crate::programs::{Program, example, has};
    use crate::support::scratch_path;
    use crate::transcript::PATIENCE;

    #[test]
    fn curl_reaches_a_server_through_unix_sockets() {
        if !has("curl") {
            return;
        }
        let (front, back) = (scratch_path(), scratch_path());
        let listener = UnixListener::bind(&back.path).unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.push(byte[0]);
            }
            let response = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nbehind two sockets";
            stream.write_all(response).unwrap();
            String::from_utf8(request).unwrap()
        });
        let mut proxy = Program::start(example("proxy").args([
            "--listen",
            front.text(),
            "--to",
            back.text(),
            "--send-proxy",
            "1",
        ]));
        proxy
            .output
            .expect(&format!("listening {}\n", front.text()));
        let curl = Command::new("curl")
            .args(["-s", "--max-time", "30", "--unix-socket", front.text()])
            .arg("http://example.test/path")
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&curl.stdout), "behind two sockets");
        let request = server.join().unwrap();
        assert!(request.starts_with("PROXY UNKNOWN\r\nGET /path HTTP/1.1\r\n"));
    }

    #[test]
    fn a_path_without_a_server_ends_the_client() {
        let (front, back) = (scratch_path(), scratch_path());
        let arguments = ["--listen", front.text(), "--to", back.text()];
        let mut proxy = Program::start(example("proxy").args(arguments));
        proxy.output.expect("listening ");
        let mut client = std::os::unix::net::UnixStream::connect(&front.path).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
        proxy.errors.expect("connect ENOENT");
    }
}

#[test]
fn unknown_arguments_are_answered_with_the_usage() {
    for arguments in [
        &["--listen", "127.0.0.1:0"][..],
        &["--to", "127.0.0.1:1"],
        &[
            "--listen",
            "127.0.0.1:0",
            "--to",
            "127.0.0.1:1",
            "--send-proxy",
            "3",
        ],
    ] {
        let output = crate::programs::example("proxy")
            .args(arguments)
            .output()
            .unwrap();
        assert!(!output.status.success());
        assert!(String::from_utf8_lossy(&output.stderr).contains("usage: proxy --listen"));
    }
}
