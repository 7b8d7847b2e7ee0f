//! `unix`, server and client, with socat and netcat at the other end.
#![allow(
    clippy::unwrap_used,
    reason = "a test says what it expects by panicking"
)]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Command;

use crate::programs::{Program, example, has, has_netcat};
use crate::support::{ScratchPath, scratch_path};
use crate::transcript::PATIENCE;

fn unix(mode: &str, place: &str) -> Program {
    Program::start(example("unix").args([mode, place]))
}

fn start_server(place: &str) -> Program {
    let mut server = unix("serve", place);
    server.output.expect(&format!("listening {place}\n"));
    server
}

fn on_scratch_path() -> (Program, ScratchPath) {
    let scratch = scratch_path();
    (start_server(scratch.text()), scratch)
}

/// The client as the server names it.
fn name(client: &Program) -> String {
    match cfg!(target_os = "linux") {
        true => format!(", process {}", client.id()),
        false => "a client".to_owned(),
    }
}

/// Lets `client` say something, and end.
fn assert_served(server: &mut Program, mut client: Program) {
    let name = name(&client);
    server.output.expect(&format!("{name}: comes\n"));
    client.say("hello");
    client.output.expect(&format!("{name}: hello\n"));
    client.end_input();
    server.output.expect(&format!("{name}: leaves\n"));
    assert!(client.wait().success());
}

#[test]
fn a_client_is_known_by_its_process_on_a_path() {
    let (mut server, scratch) = on_scratch_path();
    let path = scratch.text();
    assert_served(&mut server, unix("connect", path));
    if has("socat") {
        let place = format!("UNIX-CONNECT:{path}");
        let socat = Program::start(Command::new("socat").args(["-t60", "-", &place]));
        assert_served(&mut server, socat);
    }
    if has_netcat() {
        let netcat = Program::start(Command::new("nc").args(["-N", "-U", path]));
        assert_served(&mut server, netcat);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_client_is_known_by_its_process_on_an_abstract_name() {
    let name = format!("netloop-{}", std::process::id());
    let mut server = start_server(&format!("@{name}"));
    assert_served(&mut server, unix("connect", &format!("@{name}")));
    if has("socat") {
        let place = format!("ABSTRACT-CONNECT:{name}");
        let socat = Program::start(Command::new("socat").args(["-t60", "-", &place]));
        assert_served(&mut server, socat);
    }
}

#[test]
fn the_server_ends_its_clients_and_removes_its_file() {
    let (mut server, scratch) = on_scratch_path();
    let mut client = unix("connect", scratch.text());
    client.say("hello");
    client.output.expect(": hello\n");
    assert!(scratch.path.exists());
    server.end_input();
    assert!(server.wait().success());
    assert!(!scratch.path.exists());
    // Its keyboard is still open.
    assert!(client.wait().success());
}

#[test]
fn a_client_in_the_backlog_is_answered_before_the_server_ends() {
    let (mut server, scratch) = on_scratch_path();
    // So that it sees the client and the end of its input at the same time.
    server.signal("STOP");
    let mut client = UnixStream::connect(&scratch.path).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.write_all(b"one\ntwo\n").unwrap();
    server.end_input();
    server.signal("CONT");
    let mut answers = String::new();
    client.read_to_string(&mut answers).unwrap();
    assert!(answers.ends_with(": two\n"), "{answers:?}");
    assert_eq!(answers.lines().count(), 2);
    drop(client);
    assert!(server.wait().success());
}

#[test]
fn the_file_of_a_killed_server_is_replaced() {
    let (mut killed, scratch) = on_scratch_path();
    killed.kill();
    assert!(scratch.path.exists());
    let mut server = start_server(scratch.text());
    assert_served(&mut server, unix("connect", scratch.text()));
}

#[test]
fn what_belongs_to_others_at_the_path_is_left_alone() {
    let (mut server, scratch) = on_scratch_path();
    let mut second = unix("serve", scratch.text());
    assert!(!second.wait().success());
    assert!(second.errors.to_the_end().contains("EADDRINUSE"));
    assert_served(&mut server, unix("connect", scratch.text()));

    let file = scratch.path.with_file_name("file");
    std::fs::write(&file, "precious").unwrap();
    let mut third = unix("serve", file.to_str().unwrap());
    assert!(!third.wait().success());
    assert_eq!(std::fs::read(&file).unwrap(), b"precious");
}

#[test]
fn the_client_talks_to_a_server_of_socat() {
    if !has("socat") {
        return;
    }
    let scratch = scratch_path();
    let place = format!("UNIX-LISTEN:{}", scratch.text());
    let mut socat = Program::start(Command::new("socat").args(["-d", "-d", "-t60", "-", &place]));
    // Its file is there a moment before it listens.
    socat.errors.expect("listening on");
    let mut client = unix("connect", scratch.text());
    client.say("question");
    socat.output.expect("question\n");
    socat.say("answer");
    client.output.expect("answer\n");
    client.end_input();
    socat.say("behind the end");
    client.output.expect("behind the end\n");
    socat.end_input();
    assert!(client.wait().success());
    assert!(socat.wait().success());
}

#[test]
fn a_client_without_a_server_says_so() {
    let scratch = scratch_path();
    let mut client = unix("connect", scratch.text());
    assert!(!client.wait().success());
    assert!(client.errors.to_the_end().contains("connect ENOENT"));
}
