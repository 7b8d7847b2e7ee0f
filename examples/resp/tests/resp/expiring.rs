//! Keys that expire, on the clock of the machine.

use crate::process::{Server, ask_for};

#[test]
fn expired_keys_are_gone_and_their_memory_is_freed() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    client.ask("set stays 1\r\n", "+OK\r\n");
    for number in 0..3000 {
        client.send(format!("set key:{number} x px {}\r\n", 1 + number % 100));
    }
    client.expect("+OK\r\n".repeat(3000));
    ask_for("end of the keys", || {
        client.send("dbsize\r\n");
        (client.line() == ":1").then_some(())
    });
    client.ask("get key:7\r\nkeys *\r\n", "$-1\r\n*1\r\n$5\r\nstays\r\n");
    client.send("info stats\r\n");
    while client.line() != "expired_keys:3000" {}
}

#[test]
fn no_key_expires_before_its_time() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    for lifetime in [1, 10, 50, 100, 200, 400] {
        let begun = std::time::Instant::now();
        client.ask(&format!("set a 1 px {lifetime}\r\n"), "+OK\r\n");
        ask_for("end of the key", || {
            client.send("exists a\r\n");
            (client.line() == ":0").then_some(())
        });
        let passed = begun.elapsed().as_millis();
        assert!(passed >= lifetime, "{passed} ms of {lifetime} ms");
    }
}

#[test]
fn the_time_left_is_told_in_both_units() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    client.ask("set a 1 ex 1000\r\n", "+OK\r\n");
    let mut ask = |command: &str| -> i64 {
        client.send(format!("{command} a\r\n"));
        client.line()[1..].parse().unwrap()
    };
    let (seconds, milliseconds) = (ask("ttl"), ask("pttl"));
    assert!((900..=1000).contains(&seconds), "{seconds}");
    assert!(
        (900_000..=1_000_000).contains(&milliseconds),
        "{milliseconds}"
    );
}
