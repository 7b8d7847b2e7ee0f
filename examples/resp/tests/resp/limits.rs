//! Clients that do not read, and commands that are too long.

use std::io::{ErrorKind, Read, Write};
use std::thread;
use std::time::Duration;

use crate::process::Server;

#[test]
fn a_client_that_does_not_read_its_replies_is_not_read() {
    const VALUE_BYTES: usize = 20_000;
    const COMMANDS: usize = 8000;
    let mut server = Server::start(&[]);
    let mut client = server.connect();
    let value = "v".repeat(VALUE_BYTES);
    client.ask(
        &format!("*3\r\n$3\r\nset\r\n$1\r\na\r\n${VALUE_BYTES}\r\n{value}\r\n"),
        "+OK\r\n",
    );
    // The spaces make the commands longer than what one read takes.
    let commands = format!("get a{}\r\n", " ".repeat(4000)).repeat(COMMANDS);
    let patience = Some(Duration::from_secs(1));
    client.stream.set_write_timeout(patience).unwrap();
    let mut sent = 0;
    while sent < commands.len() {
        match client.stream.write(&commands.as_bytes()[sent..]) {
            Ok(length) => sent += length,
            Err(error) => {
                let is_stuck = [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind());
                assert!(is_stuck, "{error}");
                break;
            }
        }
    }
    assert!(
        sent < commands.len() / 2,
        "the server has read {sent} bytes"
    );
    // The server serves others meanwhile.
    server.connect().ask("ping\r\n", "+PONG\r\n");
    client.stream.set_write_timeout(None).unwrap();
    let mut writing = client.stream.try_clone().unwrap();
    let writer = thread::spawn(move || writing.write_all(&commands.as_bytes()[sent..]));
    let expected = format!("${VALUE_BYTES}\r\n{value}\r\n");
    let mut reply = vec![0; expected.len()];
    for _ in 0..COMMANDS {
        client.stream.read_exact(&mut reply).unwrap();
        assert!(reply == expected.as_bytes());
    }
    writer.join().unwrap().unwrap();
    assert!(server.is_running());
    if let Some(most) = server.most_resident_bytes() {
        let all = u64::try_from(VALUE_BYTES * COMMANDS).unwrap();
        assert!(most < all / 8, "the server held {most} bytes of {all}");
    }
}

#[test]
fn a_pipeline_of_many_commands_is_answered_in_order() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let commands: String = (0..50_000)
        .map(|number| format!("echo {number}\r\n"))
        .collect();
    let mut writing = client.stream.try_clone().unwrap();
    let writer = thread::spawn(move || writing.write_all(commands.as_bytes()));
    for number in 0..50_000 {
        let number = number.to_string();
        client.expect(format!("${}\r\n{number}\r\n", number.len()));
    }
    writer.join().unwrap().unwrap();
}

#[test]
fn a_long_value_comes_back_as_it_was() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let mut value = vec![0; 16 << 20];
    fastrand::Rng::with_seed(9).fill(&mut value);
    let head = format!("${}\r\n", value.len());
    let command = [
        b"*3\r\n$3\r\nset\r\n$1\r\na\r\n",
        head.as_bytes(),
        &value,
        b"\r\n",
    ]
    .concat();
    client.send(command);
    client.expect("+OK\r\n");
    client.send("get a\r\nget a\r\nping\r\n");
    for _ in 0..2 {
        client.expect(&head);
        let mut found = vec![0; value.len() + 2];
        client.stream.read_exact(&mut found).unwrap();
        assert!(found == [&value[..], b"\r\n"].concat());
    }
    client.expect("+PONG\r\n");
}

#[test]
fn what_is_too_long_is_refused_with_a_word() {
    let server = Server::start(&[]);
    for (bytes, error) in [
        (
            "*3\r\n$3\r\nset\r\n$1\r\na\r\n$16777217\r\n",
            "invalid bulk length",
        ),
        ("*1048577\r\n", "invalid multibulk length"),
        (&"a".repeat(100_000), "too big inline request"),
        (
            &format!("*{}", "1".repeat(100_000)),
            "too big mbulk count string",
        ),
    ] {
        let words = server.connect().last_words(bytes.as_bytes());
        let words = String::from_utf8_lossy(&words).into_owned();
        assert_eq!(words, format!("-ERR Protocol error: {error}\r\n"));
    }
    server.connect().ask("ping\r\n", "+PONG\r\n");
}

#[test]
fn replies_leave_before_a_peer_that_ends_is_closed() {
    let server = Server::start(&[]);
    let words = server.connect().last_words(&b"ping\r\n".repeat(10_000));
    assert!(words == b"+PONG\r\n".repeat(10_000));
}
