//! The examples of UDP, with the clients of others: socat, dig and dnsperf.

use std::io::Write;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Command, Stdio};

#[cfg(unix)]
use crate::programs::example;
use crate::programs::{Program, has, start_server};
use crate::transcript::PATIENCE;

/// Runs `command` with `input`, and returns its output.
fn run(command: &mut Command, input: &str) -> String {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it is installed");
    let mut stdin = child.stdin.take().expect("it was asked for");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it is our own child");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

#[test]
fn udp_echo_answers_socat() {
    if !has("socat") {
        return;
    }
    let (_server, address) = start_server("udp_echo", &["127.0.0.1:0"]);
    let to = format!("UDP:{address}");
    let mut socat = Program::start(Command::new("socat").args(["-", &to]));
    socat.say("hello");
    socat.output.expect("hello\n");
    socat.kill();
}

#[test]
fn udp_echo_answers_each_of_many_at_once() {
    let (_server, address) = start_server("udp_echo", &["127.0.0.1:0"]);
    let clients: Vec<UdpSocket> = (0..20)
        .map(|_| UdpSocket::bind("127.0.0.1:0").expect("a port is free"))
        .collect();
    for round in 0..20_u8 {
        for client in &clients {
            client.send_to(&[round; 100], address).expect("it is local");
        }
        for client in &clients {
            client
                .set_read_timeout(Some(PATIENCE))
                .expect("it is longer than zero");
            let mut buffer = [0; 200];
            let length = client.recv(&mut buffer).expect("the echo comes");
            assert_eq!(buffer[..length], [round; 100]);
        }
    }
}

// A group is the same for all programs of the machine, so that the names are of this process.
#[cfg(unix)]
#[test]
fn discovery_finds_a_program_and_misses_it() {
    let name = |number: u8| format!("{}-{number}", std::process::id());
    let start = |number| {
        let mut command = example("discovery");
        Program::start(command.args([&name(number), "127.0.0.1"]))
    };
    let mut one = start(1);
    one.output.expect(&format!("I am {}", name(1)));
    let mut other = start(2);
    one.output
        .expect(&format!("+ {} at 127.0.0.1:7006", name(2)));
    other.output.expect(&format!("+ {} at ", name(1)));
    other.kill();
    one.output.expect(&format!("- {}", name(2)));
}

fn start_dns() -> (Program, SocketAddr) {
    let entries = ["127.0.0.1:0", "game.test=10.0.0.7", "game.test=fd00::7"];
    let many: Vec<String> = (0..60).map(|n| format!("many.test=10.0.1.{n}")).collect();
    let many = many.iter().map(String::as_str);
    let arguments: Vec<&str> = entries.into_iter().chain(many).collect();
    start_server("dns", &arguments)
}

fn dig(address: SocketAddr, arguments: &[&str]) -> String {
    let (host, port) = (format!("@{}", address.ip()), address.port().to_string());
    let mut command = Command::new("dig");
    command.args([&host, "-p", &port, "+time=10", "+tries=2"]);
    run(command.args(arguments), "")
}

#[test]
fn dig_gets_answers_by_udp_and_tcp() {
    if !has("dig") {
        return;
    }
    let (_server, address) = start_dns();
    assert_eq!(dig(address, &["+short", "game.test"]), "10.0.0.7\n");
    assert_eq!(dig(address, &["+short", "GAME.test", "AAAA"]), "fd00::7\n");
    let by_tcp = dig(address, &["+short", "+tcp", "game.test"]);
    assert_eq!(by_tcp, "10.0.0.7\n");
    let missing = dig(address, &["absent.test"]);
    assert!(missing.contains("status: NXDOMAIN"), "{missing}");
    let other = dig(address, &["game.test", "MX"]);
    assert!(
        other.contains("NOERROR") && other.contains("ANSWER: 0"),
        "{other}"
    );
}

// More than 512 bytes: the answer by UDP says that it is cut, and dig asks by TCP.
#[test]
fn dig_asks_again_by_tcp_for_a_long_answer() {
    if !has("dig") {
        return;
    }
    let (_server, address) = start_dns();
    let cut = dig(address, &["+ignore", "many.test"]);
    assert!(cut.contains("flags: qr aa tc"), "{cut}");
    let whole = dig(address, &["+short", "many.test"]);
    assert_eq!(whole.lines().count(), 60, "{whole}");
}

#[test]
fn dnsperf_loses_no_question() {
    if !has("dnsperf") {
        return;
    }
    let (_server, address) = start_dns();
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let mut questions = String::new();
    for _ in 0..1000 {
        questions.push_str("game.test A\ngame.test AAAA\nabsent.test A\n");
    }
    let mut command = Command::new("dnsperf");
    // Twenty at a time, so that no buffer runs over.
    command.args(["-s", &host, "-p", &port, "-n", "1", "-q", "20", "-t", "30"]);
    let report = run(&mut command, &questions);
    let line = |start: &str| {
        let found = report.lines().find(|line| line.contains(start));
        found.unwrap_or_else(|| panic!("no {start:?} in {report}"))
    };
    assert!(line("Queries completed").contains("3000"), "{report}");
    assert!(line("Response codes").contains("NOERROR 2000"), "{report}");
    assert!(line("Response codes").contains("NXDOMAIN 1000"), "{report}");
}

// A datagram that is no question gets no answer, and a broken question gets an error.
#[test]
fn dns_answers_no_noise() {
    let (_server, address) = start_dns();
    let client = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    client.connect(address).expect("it is local");
    client
        .set_read_timeout(Some(PATIENCE))
        .expect("it is longer than zero");
    let mut random = fastrand::Rng::with_seed(53);
    // So few that the kernel's buffer holds all of them.
    for _ in 0..50 {
        let mut noise = vec![0; random.usize(..600)];
        random.fill(&mut noise);
        // An answer, and not a question: otherwise noise may be answered with an error.
        if let Some(flags) = noise.get_mut(2) {
            *flags |= 0x80;
        }
        client.send(&noise).expect("it is local");
    }
    let broken = [0xAB, 0xCD, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 70, b'x'];
    client.send(&broken).expect("it is local");
    let mut buffer = [0; 600];
    let length = client.recv(&mut buffer).expect("an error comes");
    assert_eq!(buffer[..4], [0xAB, 0xCD, 0x84, 1], "the first answer");
    assert_eq!(length, 12);
}
