//! `threads` before many clients: each loop serves some, by whichever way, and all stop together.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::programs::{Program, start_server};
use crate::transcript::PATIENCE;

struct Client {
    loop_number: usize,
    stream: BufReader<TcpStream>,
}

/// Connects, is greeted by a loop, and sends a line there and back.
fn visit(address: SocketAddr) -> Client {
    let stream = TcpStream::connect(address).expect("the server listens");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("the time is not zero");
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).expect("it greets");
    let number = line
        .trim()
        .strip_prefix("loop ")
        .expect("it says which loop");
    let loop_number = number.parse().expect("by its number");
    stream.get_mut().write_all(b"hello\n").expect("it listens");
    line.clear();
    stream.read_line(&mut line).expect("it echoes");
    assert_eq!(line, "hello\n");
    Client {
        loop_number,
        stream,
    }
}

/// Ends the server's input, and checks that its loops stop: all connections end, and the report is that of the visits.
fn assert_stops(mut server: Program, clients: Vec<Client>, served: &[usize]) {
    server.end_input();
    for mut client in clients {
        let mut rest = Vec::new();
        client.stream.read_to_end(&mut rest).expect("a clean end");
        assert_eq!(rest, b"");
    }
    assert!(server.wait().success());
    let report: String = (1..)
        .zip(served)
        .map(|(number, served)| {
            format!(
                "loop {number}: {served} connections, {} bytes\n",
                6 * served
            )
        })
        .collect();
    let output = server.output.to_the_end();
    assert!(output.ends_with(&report), "{output:?} is not {report:?}");
}

fn counts(clients: &[Client], loops: usize) -> Vec<usize> {
    let of = |number| {
        clients
            .iter()
            .filter(move |client| client.loop_number == number)
    };
    (1..=loops).map(|number| of(number).count()).collect()
}

#[test]
fn one_accepting_loop_hands_its_sockets_round() {
    let (server, address) = start_server("threads", &["4", "127.0.0.1:0", "hand-over"]);
    let clients: Vec<_> = (0..40).map(|_| visit(address)).collect();
    assert_eq!(counts(&clients, 4), [10; 4]);
    assert_stops(server, clients, &[10; 4]);
}

#[cfg(target_os = "linux")]
#[test]
fn loops_share_a_port_and_stop_together() {
    let (server, address) = start_server("threads", &["3", "127.0.0.1:0", "share"]);
    let mut clients = Vec::new();
    // The kernel chooses by the address of the client, so all loops are met sooner or later.
    while counts(&clients, 3).contains(&0) {
        assert!(clients.len() < 500, "one loop serves nothing");
        clients.push(visit(address));
    }
    let served = counts(&clients, 3);
    assert_stops(server, clients, &served);
}

#[test]
fn a_client_that_never_ends_keeps_no_loop_from_stopping() {
    let (mut server, address) = start_server("threads", &["2", "127.0.0.1:0", "hand-over"]);
    let clients = [visit(address), visit(address)];
    server.end_input();
    // The clients keep their side open, and read nothing.
    assert!(server.wait().success());
    drop(clients);
}
