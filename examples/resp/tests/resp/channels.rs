//! Channels: subscribers of both versions, patterns, and a subscriber that does not read.

use std::io::Read;
use std::thread;

use crate::process::{Server, ask_for};

#[test]
fn a_message_reaches_channels_and_patterns_once_each() {
    let server = Server::start(&[]);
    let (mut two, mut three, mut publisher) =
        (server.connect(), server.connect(), server.connect());
    two.ask(
        "subscribe news other\r\npsubscribe n*\r\n",
        "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$5\r\nother\r\n:2\r\n\
         *3\r\n$10\r\npsubscribe\r\n$2\r\nn*\r\n:3\r\n",
    );
    three.send("hello 3\r\nsubscribe news\r\n");
    while three.line() != ":1" {}
    publisher.ask("publish news hi\r\n", ":3\r\n");
    two.expect(
        "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$2\r\nhi\r\n\
         *4\r\n$8\r\npmessage\r\n$2\r\nn*\r\n$4\r\nnews\r\n$2\r\nhi\r\n",
    );
    three.expect(">3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$2\r\nhi\r\n");
    // In version 3 a subscriber goes on with its commands, and gets its own message after earlier replies.
    three.ask(
        "echo a\r\npublish news me\r\n",
        "$1\r\na\r\n>3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$2\r\nme\r\n:3\r\n",
    );
    publisher.ask("publish absent hi\r\n", ":0\r\n");
    // The messages follow a change of the version.
    three.send("hello 2\r\n");
    while three.line() != "modules" {}
    three.expect("*0\r\n");
    publisher.ask("publish news hi\r\n", ":3\r\n");
    three.expect("*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$2\r\nhi\r\n");
}

#[test]
fn a_subscriber_of_version_2_only_listens() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    client.ask(
        "subscribe a\r\n",
        "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n",
    );
    client.ask(
        "ping\r\nping x\r\n",
        "*2\r\n$4\r\npong\r\n$0\r\n\r\n*2\r\n$4\r\npong\r\n$1\r\nx\r\n",
    );
    client.ask(
        "get a\r\n",
        "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context\r\n",
    );
    client.ask(
        "unsubscribe\r\n",
        "*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:0\r\n",
    );
    client.ask("get a\r\n", "$-1\r\n");
}

#[test]
fn a_closed_subscriber_leaves_its_channels() {
    let server = Server::start(&[]);
    let (mut client, mut publisher) = (server.connect(), server.connect());
    client.send("subscribe a\r\npsubscribe *\r\n");
    while client.line() != ":2" {}
    publisher.ask("publish a x\r\n", ":2\r\n");
    drop(client);
    ask_for("end of the subscription", || {
        publisher.send("publish a x\r\n");
        (publisher.line() == ":0").then_some(())
    });
    publisher.send("info stats\r\n");
    while publisher.line() != "pubsub_channels:0" {}
    assert_eq!(publisher.line(), "pubsub_patterns:0");
}

#[test]
fn a_subscriber_that_does_not_read_is_closed_alone() {
    const MESSAGE_BYTES: usize = 32 << 10;
    /// More than the buffers of the kernel and the queue hold.
    const MOST_MESSAGES: usize = 4000;
    let server = Server::start(&["--max-queued", "1000000"]);
    let (mut slow, mut fast, mut publisher) =
        (server.connect(), server.connect(), server.connect());
    for subscriber in [&mut slow, &mut fast] {
        subscriber.ask(
            "subscribe a\r\n",
            "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n",
        );
    }
    let reader = thread::spawn(move || {
        let mut messages = 0;
        loop {
            fast.expect("*3\r\n$7\r\nmessage\r\n$1\r\na\r\n");
            match fast.line().trim_start_matches('$').parse().unwrap() {
                0 => return messages,
                length => {
                    let mut message = vec![0; length + 2];
                    fast.stream.read_exact(&mut message).unwrap();
                    messages += 1;
                }
            }
        }
    });
    let message = format!("${MESSAGE_BYTES}\r\n{}\r\n", "x".repeat(MESSAGE_BYTES));
    let command = format!("*3\r\n$7\r\npublish\r\n$1\r\na\r\n{message}");
    let mut published = 0;
    let receivers = loop {
        publisher.send(&command);
        published += 1;
        match publisher.line().as_str() {
            ":2" => assert!(
                published < MOST_MESSAGES,
                "nothing closes the slow subscriber"
            ),
            receivers => break receivers.to_owned(),
        }
    };
    assert_eq!(receivers, ":1");
    // The empty message is the last one.
    publisher.ask("publish a \"\"\r\n", ":1\r\n");
    assert_eq!(
        reader.join().unwrap(),
        published,
        "the other subscriber gets all"
    );
    publisher.send("info stats\r\n");
    while publisher.line() != "client_output_buffer_limit_disconnections:1" {}
}
