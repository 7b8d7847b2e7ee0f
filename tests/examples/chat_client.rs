//! The chat client with every kind of standard input, and before a server that leaves in every way.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;

use crate::chat_server::start_chat_server;
use crate::programs::{Program, example, has, report_skipped};
use crate::support::listener;
use crate::transcript::{PATIENCE, Transcript, ask_for};

fn accept(listener: &TcpListener) -> TcpStream {
    listener.set_nonblocking(true).expect("it is a socket");
    let (socket, _) = ask_for("connection of the client", || listener.accept().ok());
    socket.set_nonblocking(false).expect("it is a socket");
    for set_timeout in [TcpStream::set_read_timeout, TcpStream::set_write_timeout] {
        set_timeout(&socket, Some(PATIENCE)).expect("the time is not zero");
    }
    socket
}

fn read_to_end(socket: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    socket
        .read_to_end(&mut all)
        .expect("the client ends its side");
    all
}

fn client(address: SocketAddr) -> Command {
    let mut command = example("chat_client");
    command.args([&address.to_string(), "bob"]);
    command
}

#[test]
fn its_input_may_be_a_pipe() {
    let (_server, address) = start_chat_server();
    let mut ada = Program::start(example("chat_client").args([&address.to_string(), "ada"]));
    ada.output.expect("* welcome, ada");
    let mut bob = Program::start(&mut client(address));
    ada.output.expect("* bob joined\n");
    bob.say("hello");
    ada.output.expect("bob: hello\n");
    ada.say("hello, bob");
    bob.output.expect("ada: hello, bob\n");
    bob.end_input();
    ada.output.expect("* bob left\n");
    assert!(bob.wait().success());
    assert_eq!(bob.errors.to_the_end(), "");
}

#[test]
fn its_input_may_be_a_file() {
    let path = std::env::temp_dir().join(format!("netloop-chat-{}", std::process::id()));
    let mut said = String::new();
    for number in 0..2000 {
        said.push_str(&format!("line {number}\n"));
    }
    std::fs::write(&path, &said).unwrap();
    let (_server, address) = start_chat_server();
    let mut ada = Program::start(example("chat_client").args([&address.to_string(), "ada"]));
    ada.output.expect("* welcome, ada");
    let file = File::open(&path).unwrap();
    let mut bob = Program::start_with_input(&mut client(address), file.into());
    std::fs::remove_file(&path).unwrap();
    ada.output.expect("* bob joined\n");
    for number in 0..2000 {
        assert_eq!(ada.output.next_line(), format!("bob: line {number}"));
    }
    assert_eq!(ada.output.next_line(), "* bob left");
    assert!(bob.wait().success());
}

#[test]
fn its_input_may_be_a_terminal() {
    let version = Command::new("script").arg("--version").output();
    if !version.is_ok_and(|output| output.stdout.starts_with(b"script from util-linux")) {
        return report_skipped("script of util-linux");
    }
    let (_server, address) = start_chat_server();
    let mut ada = Program::start(example("chat_client").args([&address.to_string(), "ada"]));
    ada.output.expect("* welcome, ada");
    let command = client(address);
    let program = command.get_program().to_str().unwrap();
    let mut terminal = Program::start(Command::new("script").args([
        "--quiet",
        "--return",
        "--command",
        &format!("test -t 0 && '{program}' {address} bob"),
        "/dev/null",
    ]));
    // A terminal sends CR LF for each LF.
    terminal
        .output
        .expect("* welcome, bob (others here: 1)\r\n");
    ada.output.expect("* bob joined\n");
    terminal.say("hello from a terminal");
    ada.output.expect("bob: hello from a terminal\n");
    ada.say("hello to a terminal");
    terminal.output.expect("ada: hello to a terminal\r\n");
    // Ctrl-D at the beginning of a line is the end of the input.
    terminal.type_in(b"\x04");
    ada.output.expect("* bob left\n");
    assert!(terminal.wait().success());
}

#[test]
fn without_input_it_joins_and_leaves() {
    let (_server, address) = start_chat_server();
    let mut bob = Program::start_with_input(&mut client(address), Stdio::null());
    assert!(bob.wait().success());
    let heard = bob.output.to_the_end();
    assert_eq!(heard, "* your nickname?\n* welcome, bob (others here: 0)\n");
}

#[test]
fn after_its_input_ends_it_shows_what_the_server_sends() {
    let (listener, address) = listener();
    let mut bob = Program::start(&mut client(address));
    let mut server = accept(&listener);
    bob.say("goodbye");
    bob.end_input();
    assert_eq!(read_to_end(&mut server), b"bob\ngoodbye\n");
    server.write_all(b"one more thing\n").unwrap();
    bob.output.expect("one more thing\n");
    assert!(bob.is_running(), "the server has not ended yet");
    server.write_all(&[b'.'; 1 << 20]).unwrap();
    server.shutdown(Shutdown::Write).unwrap();
    assert!(bob.wait().success());
    let shown = bob.output.to_the_end();
    assert_eq!(shown.len(), "one more thing\n".len() + (1 << 20));
    assert_eq!(bob.errors.to_the_end(), "");
}

#[test]
fn it_reads_its_input_no_faster_than_the_server_reads() {
    const BYTES: usize = 32 << 20;
    let (listener, address) = listener();
    let mut bob = Program::start(&mut client(address));
    let mut server = accept(&listener);
    let mut input = bob.take_input();
    let writing = thread::spawn(move || input.write_all(&vec![b'a'; BYTES]));
    // Nothing is read here for hundreds of turns of the client's loop. Were it to read its input in each of them, the
    // hard limit of the queue would be reached and the connection closed.
    for number in 0..2000 {
        server.write_all(format!("{number}\n").as_bytes()).unwrap();
        bob.output.expect(&format!("{number}\n"));
    }
    let received = read_to_end(&mut server);
    assert_eq!(received.len(), "bob\n".len() + BYTES);
    assert!(received[4..].iter().all(|&byte| byte == b'a'));
    writing.join().unwrap().unwrap();
    drop(server);
    assert!(bob.wait().success());
}

#[test]
fn when_the_server_is_killed_it_says_so_and_exits() {
    let (mut server, address) = start_chat_server();
    let mut bob = Program::start(&mut client(address));
    bob.output.expect("* welcome, bob");
    server.kill();
    bob.errors.expect("* the server has left");
    bob.wait();
}

#[test]
fn when_the_server_ends_it_says_so_and_exits() {
    let (listener, address) = listener();
    let mut bob = Program::start(&mut client(address));
    let mut server = accept(&listener);
    server.write_all(b"that is all").unwrap();
    drop(listener);
    server.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_to_end(&mut server), b"bob\n");
    assert!(bob.wait().success());
    assert_eq!(bob.output.to_the_end(), "that is all");
    assert_eq!(bob.errors.to_the_end(), "* the server has left\n");
}

#[test]
fn when_the_server_resets_it_says_so_and_fails() {
    let (listener, address) = listener();
    let mut bob = Program::start(&mut client(address));
    let mut server = accept(&listener);
    server.write_all(b"hello\n").unwrap();
    bob.output.expect("hello\n");
    bob.say("this stays unread");
    // There is something unread when it closes, which makes a reset of the close.
    ask_for("line of the client", || {
        let unread = server.peek(&mut [0; 64]).unwrap();
        (unread > "bob\n".len()).then_some(())
    });
    drop(server);
    assert_eq!(bob.wait().code(), Some(1));
    let error = bob.errors.to_the_end();
    assert_eq!(error, "* the server has left: read ECONNRESET\n");
}

#[test]
fn without_a_server_it_says_so_and_fails() {
    let (listener, address) = listener();
    drop(listener);
    let mut bob = Program::start(&mut client(address));
    assert_eq!(bob.wait().code(), Some(1));
    let error = bob.errors.to_the_end();
    assert_eq!(
        error,
        format!("* no server: connect ECONNREFUSED {address}\n")
    );
}

#[test]
fn it_ends_when_its_output_is_closed() {
    if !has("head") {
        return;
    }
    let (listener, address) = listener();
    let command = client(address);
    let program = command.get_program().to_str().unwrap();
    let line = format!("'{program}' {address} bob | head -n 1");
    let mut pipeline = Program::start(Command::new("sh").args(["-c", &line]));
    let server = accept(&listener);
    let mut writing = server.try_clone().unwrap();
    let talking = thread::spawn(move || while writing.write_all(b"a line\n").is_ok() {});
    pipeline.output.expect("a line\n");
    assert_eq!(pipeline.output.to_the_end(), "a line\n");
    let heard = Transcript::of("chat_client", server);
    assert_eq!(heard.to_the_end(), "bob\n");
    talking.join().unwrap();
    pipeline.wait();
}
